"""Data sets in TOML: what they are, where their files come from, and what coffea needs to run on them.

`load` reads a manifest, `fetch` downloads its files with checksum and resume, `verify` checks them, `fileset`
hands them to coffea. A sample without files to download has a recipe, from which `cortado simulate` makes it.
"""

from __future__ import annotations

from cortado.manifest.description import File, Manifest, Sample, fileset, load
from cortado.manifest.download import Fetched, fetch, verify

__all__ = ["Fetched", "File", "Manifest", "Sample", "fetch", "fileset", "load", "verify"]

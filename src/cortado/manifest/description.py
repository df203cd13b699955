"""Manifests read from TOML, and the coffea fileset that they give."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from cortado.names import nearest


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a sample.

    Attributes:
        path: Where it lies below the folder of the data set; or a URL, such as ``root://``, that is read in
            place.
        url: Where it is downloaded from, None for a file that is made here.
        checksum: ``md5:...`` or ``sha256:...``, None if nobody has published one.
        unpack: Pattern of the members of a tar archive that belong to the sample, such as ``*.root``.
    """

    path: str
    url: str | None = None
    checksum: str | None = None
    unpack: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Events of one process.

    Attributes:
        name: Name, the ``dataset`` of histograms.
        files: Its files.
        tree: Tree in each file.
        cross_section: Cross section [pb], None if the sample is not normalised to one.
        label: Class that its jets are of, None if the files themselves say it jet by jet.
        recipe: Arguments of the simulation that makes it, None if it is downloaded.
    """

    name: str
    files: tuple[File, ...]
    tree: str = "Events"
    cross_section: float | None = None
    label: str | None = None
    recipe: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A data set: its samples, and what may be done with them.

    Attributes:
        name: Short name.
        description: What was simulated or recorded, and how.
        licence: Licence of the files.
        citation: What to cite.
        samples: The samples.
        homepage: Page of the data set.
        source: TOML file that says all this.
    """

    name: str
    description: str
    licence: str
    citation: str
    samples: tuple[Sample, ...]
    homepage: str = ""
    source: str = ""


_MANIFEST_KEYS = {field.name for field in fields(Manifest)} - {"source"}
_SAMPLE_KEYS = {field.name for field in fields(Sample)} - {"name"}
_FILE_KEYS = {"path", "url", "md5", "sha256", "unpack"}


def load(path: str | Path) -> Manifest:
    """Read a manifest; every key must be known.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not TOML, a key is unknown (the nearest is named) or missing, or a value wrong.
    """
    source = Path(path)
    try:
        table = tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{source} is not valid TOML: {error}") from error
    _check_keys(table, _MANIFEST_KEYS, {"name", "description", "licence", "citation", "samples"}, f"{source}")
    if not isinstance(table["samples"], dict) or not all(isinstance(s, dict) for s in table["samples"].values()):
        raise ValueError(f"{source}: samples must be tables, [samples.NAME]")
    _require_texts(table, _MANIFEST_KEYS - {"samples"}, f"{source}")
    samples = tuple(_sample(name, entry, f"{source}: sample {name!r}") for name, entry in table["samples"].items())
    return Manifest(**(table | {"samples": samples, "source": str(source)}))


def _sample(name: str, table: Mapping[str, Any], where: str) -> Sample:
    _check_keys(table, _SAMPLE_KEYS, set(), where)
    _require_inside(name, where, single=True)  # archives are unpacked into a folder of this name
    _require_texts(table, {"tree", "label"}, where)
    for key, kind, wanted in (("files", list, "a list"), ("recipe", dict, "a table")):
        if not isinstance(table.get(key, kind()), kind):
            raise ValueError(f"{where} has {key} = {table[key]!r}, required: {wanted}")
    if not (table.get("recipe") or table.get("files")):
        raise ValueError(f"{where} needs files to download or a recipe to simulate")
    cross_section = table.get("cross_section")
    if cross_section is not None and not (isinstance(cross_section, int | float) and cross_section > 0):
        raise ValueError(f"{where} has cross_section = {cross_section!r}; a number of pb above 0 is required")
    files = tuple(_file(entry, where) for entry in table.get("files", [f"{name}.root"]))
    return Sample(name=name, **(dict(table) | {"files": files}))


def _file(entry: str | Mapping[str, Any], where: str) -> File:
    if not isinstance(entry, str | Mapping):
        raise ValueError(f"{where} has {entry!r} among its files, required: a url, a path, or a table of them")
    table = entry if isinstance(entry, Mapping) else {"url" if "://" in entry else "path": entry}
    _check_keys(table, _FILE_KEYS, set(), f"{where}, files")
    _require_texts(table, _FILE_KEYS, f"{where}, files")
    url = table.get("url", "")
    in_place = "://" in url and not url.startswith(("http://", "https://"))
    path = url if in_place else table.get("path") or PurePosixPath(url.partition("?")[0]).name
    if not path:
        raise ValueError(f"{where}: a file needs a url or a path")
    for inside in ([] if in_place else [path]) + ([table["unpack"]] if "unpack" in table else []):
        _require_inside(inside, where)
    checksums = [f"{kind}:{table[kind].lower()}" for kind in ("sha256", "md5") if kind in table]
    for checksum in checksums:
        _check_checksum(checksum, where)
    return File(
        path=path,
        url=url if url and not in_place else None,
        checksum=next(iter(checksums), None),
        unpack=table.get("unpack"),
    )


def _require_inside(path: str, where: str, *, single: bool = False) -> None:
    """Refuse a path of a file that leads out of the folder that it is put into, or names none in it.

    Args:
        path: Relative path, or a pattern of some.
        where: Whose, for the message.
        single: Whether it is the name of one folder, without any in between.
    """
    parts = path.replace("\\", "/").split("/")
    if ".." in parts or not path.isprintable() or PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive:
        raise ValueError(f"{where}: the path {path!r} leads out of the folder of the data set")
    if parts[-1] in ("", ".") or (single and len(parts) > 1):
        raise ValueError(f"{where}: the path {path!r} is no name of a {'folder' if single else 'file'}")


def _require_texts(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    for key in sorted(keys):
        if not isinstance(table.get(key, ""), str):
            raise ValueError(f"{where} has {key} = {table[key]!r}, required: a text")


def _check_checksum(checksum: str, where: str) -> None:
    kind, _, digits = checksum.partition(":")
    length = {"md5": 32, "sha256": 64}[kind]
    if len(digits) != length or set(digits) - set("0123456789abcdef"):
        raise ValueError(f"{where}: {kind} = {digits!r} is not a checksum of {length} hexadecimal digits")


def _check_keys(table: Mapping[str, Any], known: set[str], required: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{where} has the unknown key {key!r}; {nearest(key, sorted(known))}")
    if missing := sorted(required - table.keys()):
        raise ValueError(f"{where} lacks {', '.join(missing)}")


def fileset(manifest: Manifest, folder: str | Path) -> dict[str, dict[str, Any]]:
    """Files and metadata of all samples in the form that coffea runs on.

    Args:
        manifest: The data set.
        folder: Folder with its files.

    Returns:
        ``{sample: {"files": {path: tree}, "metadata": {...}}}``; the metadata are the cross section [pb]
        and the label, as far as they are known.

    Raises:
        FileNotFoundError: If a file is not there; the message says how to get it.
    """
    return {
        sample.name: {
            "files": {path: sample.tree for file in sample.files for path in _present(manifest, sample, file, folder)},
            "metadata": {
                key: value
                for key, value in (("cross_section", sample.cross_section), ("label", sample.label))
                if value is not None
            },
        }
        for sample in manifest.samples
    }


def _present(manifest: Manifest, sample: Sample, file: File, folder: str | Path) -> Iterable[str]:
    if "://" in file.path:
        return [file.path]
    local = Path(folder) / file.path
    paths = sorted(unpacked_folder(folder, sample).glob(file.unpack)) if file.unpack else [local]
    if not paths or not paths[0].exists():
        missing = unpacked_folder(folder, sample) / file.unpack if file.unpack else local
        raise FileNotFoundError(
            f"{missing}, of sample {sample.name!r} of {manifest.name!r}, does not exist; {_origin(manifest, sample)}"
        )
    return [str(path) for path in paths]


def _origin(manifest: Manifest, sample: Sample) -> str:
    if sample.recipe is None:
        return f"`cortado fetch {manifest.source}` downloads it"
    return f"`cortado simulate` makes it, from the recipe {dict(sample.recipe)}"


def unpacked_folder(folder: str | Path, sample: Sample) -> Path:
    """Folder into which the archives of a sample are unpacked."""
    return Path(folder) / sample.name

"""Chunks of arrays into parquet: whole files or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import awkward as ak
import pyarrow.parquet  # type: ignore[import-untyped]

from cortado.files import replacing
from cortado.ntuples.chunks import Chunk, prepared

__all__ = ["write_parquet"]


def write_parquet(path: str | Path, chunks: Iterable[Chunk], *, notes: Mapping[str, str] | None = None) -> int:
    """Write chunks of entries as the row groups of a parquet file, with memory for one chunk.

    Names, types, counters and errors are those of ``write``. Each page has a checksum, which readers compare.

    Args:
        path: The file.
        chunks: One or more; those without entries give the types alone.
        notes: Texts in the metadata of the file, which `read_note` reads.
    Returns:
        Number of entries written.
    """
    written, writer = 0, None
    texts = {name.encode(): text.encode() for name, text in (notes or {}).items()}
    with replacing(path, suffix=".parquet") as temporary:
        try:
            for branches in prepared(chunks, path, jagged=True):
                table = ak.to_arrow_table(ak.zip(branches, depth_limit=1), extensionarray=False)
                if writer is None:
                    schema = table.schema.with_metadata((table.schema.metadata or {}) | texts)
                    writer = pyarrow.parquet.ParquetWriter(
                        temporary, schema, compression="zstd", write_page_checksum=True
                    )
                writer.write_table(table.cast(writer.schema))
                written += table.num_rows
        finally:
            if writer is not None:
                writer.close()
    return written

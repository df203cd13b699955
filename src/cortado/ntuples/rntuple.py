"""RNTuple, read with uproot, which leaves out some of the checksums of the format: they are compared here.

The format: https://github.com/root-project/root/blob/master/tree/ntuple/doc/BinaryFormatSpecification.md
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import awkward as ak
import xxhash

from cortado.ntuples import nested
from cortado.ntuples.table import Table

_BYTES = 8  # of a checksum


def rntuple_table(path: str, name: str, ntuple: Any) -> Table:
    """The table of an open RNTuple."""
    # Fields that begin with an underscore repeat what the others show under the names of the CMS dialect.
    outer = set(ntuple.keys(recursive=False))
    every = [_path(field, outer) for field in ntuple.keys(recursive=True) if not field.startswith("_")]
    columns = {fields[:-1] for fields in every}
    names = nested.views(fields for fields in every if fields not in columns)
    _check_pages_as_they_are_read(ntuple)

    def read(branches: Sequence[str], start: int, stop: int) -> ak.Array:
        wanted = {".".join(names[branch]) for branch in branches}
        # Not by filter_name, to which the brackets of `Tau[5]` are a pattern.
        events = ntuple.arrays(filter_field=lambda field: field.path in wanted, entry_start=start, entry_stop=stop)
        return nested.taken(events, branches, names)

    inner = frozenset(branch for branch, fields in names.items() if len(fields) > 1)
    return Table(path, name, ntuple.num_entries, tuple(names), lambda: clusters_of(ntuple), read, inner)


def _path(field: str, outer: Collection[str]) -> nested.Fields:
    """The fields that lead to one; the name of the outermost may have points itself, as that of a branch of Delphes."""
    words = field.split(".")
    beginnings = (".".join(words[:end]) for end in range(len(words), 0, -1))
    first = next(beginning for beginning in beginnings if beginning in outer)
    return (first,) if field == first else (first, *field[len(first) + 1 :].split("."))


def clusters_of(ntuple: Any) -> list[int]:
    """First entries of the clusters, and the number of entries.

    Raises:
        ValueError: If the list of the pages is damaged, or the clusters do not follow each other.
    """
    for record in ntuple.footer.cluster_group_records:
        link = record.page_list_link
        content = bytes(ntuple.read_locator(link.locator, link.env_uncomp_size)[0].raw_data)[: link.env_uncomp_size]
        if not _is_sound(content):
            raise ValueError("the list of its pages has another checksum")
    edges = [0]
    for number, cluster in enumerate(ntuple.cluster_summaries):
        if int(cluster.num_first_entry) != edges[-1]:
            raise ValueError(f"cluster {number} begins with entry {cluster.num_first_entry}, not with {edges[-1]}")
        edges.append(edges[-1] + int(cluster.num_entries))
    return edges


def _is_sound(content: bytes) -> bool:
    return xxhash.xxh3_64_intdigest(content[:-_BYTES]) == int.from_bytes(content[-_BYTES:], "little")


def _check_pages_as_they_are_read(ntuple: Any) -> None:
    """Have uproot, which passes over the checksums that stand behind the pages, compare them."""
    read, sealed = ntuple.read_locator, set[int]()

    def checked(locator: Any, size: int) -> Any:
        if not sealed and ntuple._page_link_list is not None:
            pages = (page for cluster in ntuple.page_link_list for column in cluster for page in column.pages)
            sealed.update(page.locator.offset for page in pages if page.has_checksum)
        if locator.offset in sealed:
            begin, end = locator.offset, locator.offset + locator.num_bytes + _BYTES
            if not _is_sound(bytes(ntuple.file.source.chunk(begin, end).raw_data)):
                raise ValueError(f"the page at byte {locator.offset} has another checksum")
        return read(locator, size)

    ntuple.read_locator = checked

"""Members of lists that are None: links of coffea are of option types, whether or not anything is missing."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

__all__ = ["plain", "present"]


def present(layout: Any, collection: str, of: str) -> Any:
    """Lists of records without the members that are None, and of plain types.

    A member is None as a whole, or in all of its fields. Lists of whatever else come back as they are.

    Args:
        layout: Of awkward, shape (n, var).
        collection: Name of the lists, for messages.
        of: What has them, for messages.

    Raises:
        ValueError: If a list is None, or a member in some of its fields only.
    """
    if not _may_miss(layout):
        return layout
    packed = plain(layout, collection, of).to_packed()
    packed = packed.to_ListOffsetArray64(True) if packed.is_list else packed
    if not packed.is_list or not (packed.content.is_option or packed.content.is_record):
        return packed
    members, counts = packed.content, np.diff(np.asarray(packed.offsets))
    if members.is_option:
        counts = _counts(counts, members.mask_as_bool(valid_when=True))
        members = members.project()
    if members.is_record and len(members.fields):
        known = np.array([_known(members[name]) for name in members.fields])
        if (partly := known.any(axis=0) & ~known.all(axis=0)).any():
            at = int(np.argmax(partly))
            names = [f"{collection}.{name}" for name, there in zip(members.fields, known[:, at]) if not there]
            raise ValueError(
                f"{', '.join(names)} of a member of {of} {np.repeat(np.arange(len(counts)), counts)[at]} is None while "
                "its other fields are not: give it a number, or leave the member out"
            )
        counts, kept = _counts(counts, known[0]), [ak.Array(members[name])[known[0]] for name in members.fields]
        fields = [plain(ak.to_layout(each), collection, of) for each in kept]
        members = ak.contents.RecordArray(fields, members.fields, length=int(counts.sum()))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return ak.contents.ListOffsetArray(ak.index.Index64(offsets), members)


def plain(layout: Any, name: str, of: str) -> Any:
    """The content of an option type of which nothing is None.

    Raises:
        ValueError: If something is.
    """
    if not layout.is_option:
        return layout
    if not (known := _known(layout)).all():
        raise ValueError(f"{name} of {of} {int(np.argmin(known))} is None; {int(np.sum(~known))} of {len(known)} are")
    return layout.project()


def _may_miss(layout: Any) -> bool:
    if layout.is_option:
        return True
    if layout.is_record:
        return any(each.is_option for each in layout.contents)
    return bool((layout.is_list or layout.is_indexed) and _may_miss(layout.content))


def _known(layout: Any) -> Any:
    return np.asarray(layout.mask_as_bool(valid_when=True)) if layout.is_option else np.ones(layout.length, bool)


def _counts(counts: Any, known: Any) -> Any:
    owner = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(owner[np.asarray(known)], minlength=len(counts))

"""Names that a user wrote: are they there, and if not, which may have been meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

__all__ = ["choices", "flat_name", "nearest", "placed", "require_one_of"]

_SHOWN = 10


def nearest(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """End of a message about a name that is not there: the known ones that come nearest, or what there is.

    Args:
        name: What was written; upper and lower case count as the same.
        known: All that there are.
        prefix: Stands before each of the known ones in the message.

    Example:
        >>> nearest("jet_Pt", ["jet_pt", "jet_eta", "event"])
        'nearest: jet_pt, jet_eta'
        >>> nearest("mass", ["event", "run"])
        'there are event, run'
    """
    known = list(dict.fromkeys(known))
    if not known:
        return "there are none"
    lower = [each.lower() for each in known]
    near = dict.fromkeys(get_close_matches(name.lower(), lower, n=3, cutoff=0.5))
    if near:
        return "nearest: " + ", ".join(prefix + each for low in near for each in known if each.lower() == low)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return "there are " + ", ".join(prefix + each for each in known[:_SHOWN]) + more


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Have errors of any type say where they come from: before their message, or as a note where it cannot be changed.

    Args:
        where: File and entries.
    Raises:
        ValueError, KeyError: The same, with the place.
    """
    try:
        yield
    except (ValueError, KeyError) as error:
        kind = KeyError if isinstance(error, KeyError) else ValueError
        raise kind(f"{where}: {error.args[0] if error.args else error}") from error
    except Exception as error:
        error.add_note(f"in {where}")
        raise


def flat_name(name: str) -> str:
    """The one name of a branch: `FatJet_pt` in flat files, `FatJet.pt` in nested ones, `FatJet:pt` in some of ATLAS."""
    return name.replace(".", "_").replace(":", "_")


def choices(name: object, known: Iterable[object]) -> str:
    """What is required in place of a wrong name, where few are allowed, and which of them comes nearest.

    Args:
        name: What was written.
        known: All that are allowed.

    Example:
        >>> choices("cosin", ["one-cycle", "cosine"])
        'one of one-cycle, cosine; nearest: cosine'
    """
    allowed = [str(each) for each in known]
    near = get_close_matches(str(name), allowed, n=1, cutoff=0.4)
    return f"one of {', '.join(allowed) or 'none'}" + (f"; nearest: {near[0]}" if near else "")


def require_one_of(what: str, name: object, known: Iterable[object]) -> None:
    """Refuse a name that is none of those allowed.

    Args:
        what: What it is the name of, for the message.
        name: What was written.
        known: All that are allowed.

    Raises:
        ValueError: If it is none of them; the message has all of them and the nearest.
    """
    allowed = list(known)
    if name not in allowed:
        raise ValueError(f"{what} = {name!r}, required: {choices(name, allowed)}")

"""Jets whose energy is varied, with their constituents, their scores anew, and the missing momentum that follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np

__all__ = ["jet_variations", "met_variations", "score_variations"]

NOMINAL = "nominal"
ENERGIES = ("pt", "mass", "energy", "soft_drop_mass")


def score_variations(
    scorer: Callable[[ak.Array], ak.Array],
    jets: ak.Array,
    varied: Mapping[str, ak.Array] | ak.Array,
    *,
    name: str = "score",
    **options: Any,
) -> dict[str, ak.Array]:
    """Jets under all variations of their energy, each with its score; `histograms.fill_variations` takes one at a time.

    Args:
        scorer: Such as `cortado.load` gives.
        jets: See `jet_variations`.
        varied: Likewise.
        name: Field of what the scorer says.
        **options: Those of `jet_variations`.
    Returns:
        By variation, "nominal" first, jets with that field.
    Raises:
        ValueError: As `jet_variations` and the scorer.
    """
    every = jet_variations(jets, varied, **options)
    return {variation: ak.with_field(each, scorer(each), name) for variation, each in every.items()}


def jet_variations(
    jets: ak.Array,
    varied: Mapping[str, ak.Array] | ak.Array,
    *,
    energies: Iterable[str] = ENERGIES,
    collections: Iterable[str] = ("constituents",),
) -> dict[str, ak.Array]:
    """Jets under variations of their energy: all their energies, and those of their constituents, scaled as their pT.

    A network sees what a shift of the scale or resolution does to its inputs as a whole, not jets whose constituents no
    longer add up to them. Directions, tracks and substructure without a unit stay.

    Args:
        jets: With pt, of any nesting.
        varied: Variation -> pT of each jet, of the nesting of `jets`, or records with pt and perhaps mass, which is
            taken as it is; or the jets of coffea's `CorrectedJetsFactory`, whose JES_Total gives JES_TotalUp and
            JES_TotalDown. If "nominal" is one of them, it takes the place of the pT in the file.
        energies: Fields of jets and constituents that are scaled, where they are there.
        collections: Collections of a jet that are scaled with it, where they are there.
    Returns:
        By variation, "nominal" first.
    Raises:
        ValueError: If there is no pT, one is not positive and finite, or not one for each jet.
    """
    if "pt" not in ak.fields(jets):
        raise ValueError(f"jets have no field 'pt' to be varied; they have {', '.join(ak.fields(jets))}")
    given = dict(varied) if isinstance(varied, Mapping) else _of_coffea(varied)
    names = [NOMINAL, *(name for name in given if name != NOMINAL)]
    return {
        name: _scaled(name, jets, given[name], tuple(energies), tuple(collections)) if name in given else jets
        for name in names
    }


def met_variations(met: ak.Array, jets: Mapping[str, ak.Array]) -> dict[str, ak.Array]:
    """Missing transverse momentum under the variations of jets: less what these have gained, as vectors.

    It changes by all the jets that are given: choose those that enter it before, such as pT > 15 GeV without leptons.
    What else varies it, such as unclustered energy, is not here.

    Args:
        met: That of the nominal jets, with pt [GeV] and phi, shape (n_events,).
        jets: By variation, as `jet_variations` gives them, with pt and phi, shape (n_events, var).
    Returns:
        By variation, "nominal" first and as given.
    Raises:
        ValueError: If there is no "nominal", a field is missing, or the events or their jets are not as many in all.
    """
    if NOMINAL not in jets:
        raise ValueError(f"jets have the variations {', '.join(jets)}; required: also {NOMINAL!r}, those of the MET")
    for name, each in (("met", met), *jets.items()):
        if lacking := {"pt", "phi"} - set(ak.fields(each)):
            raise ValueError(f"{name} has no field {', '.join(sorted(lacking))}; it has {', '.join(ak.fields(each))}")
    counts = ak.num(jets[NOMINAL])
    names = [NOMINAL, *(name for name in jets if name != NOMINAL)]
    for name, each in ((name, jets[name]) for name in names):
        if len(each) != len(met) or ak.any(ak.num(each) != counts):
            raise ValueError(
                f"variation {name!r} has {ak.count(each.pt)} jets in {len(each)} events, required: as nominally, "
                f"{ak.sum(counts)} in the {len(met)} of the MET"
            )
    x, y = _transverse(jets[NOMINAL])
    varied = {NOMINAL: met}
    for name in names[1:]:
        new_x, new_y = _transverse(jets[name])
        px = met.pt * np.cos(met.phi) - (new_x - x)
        py = met.pt * np.sin(met.phi) - (new_y - y)
        changed = {"pt": np.hypot(px, py), "phi": np.arctan2(py, px)}
        varied[name] = met
        for field, values in changed.items():
            varied[name] = ak.with_field(varied[name], _like(met[field], values), field)
    return varied


def _transverse(jets: ak.Array) -> tuple[ak.Array, ak.Array]:
    """Sums of px and py of the jets of each event, in double precision."""
    pt, phi = ak.values_astype(jets.pt, np.float64), ak.values_astype(jets.phi, np.float64)
    return ak.sum(pt * np.cos(phi), axis=1), ak.sum(pt * np.sin(phi), axis=1)


def _of_coffea(corrected: ak.Array) -> dict[str, ak.Array]:
    """Records with pt and mass by variation."""
    varied = {NOMINAL: corrected}
    for name in ak.fields(corrected):
        if {"up", "down"} <= set(ak.fields(corrected[name])):
            varied |= {f"{name}Up": corrected[name].up, f"{name}Down": corrected[name].down}
    if "pt" not in ak.fields(corrected) or len(varied) == 1:
        raise ValueError(
            "varied jets have no field with up and down, as coffea's CorrectedJetsFactory makes (JES_Total, JER); "
            f"they have {', '.join(ak.fields(corrected)) or 'no fields: a mapping names each variation'}"
        )
    return varied


def _scaled(name: str, jets: ak.Array, given: Any, energies: tuple[str, ...], collections: tuple[str, ...]) -> ak.Array:
    own = {field: given[field] for field in ("pt", "mass") if field in ak.fields(given)} or {"pt": ak.Array(given)}
    if "pt" not in own:
        raise ValueError(f"variation {name!r} has fields {', '.join(ak.fields(given))}, required: pt, and perhaps mass")
    factor = _factor(name, jets, own["pt"])
    for collection in collections:
        if collection in jets.fields:
            jets = ak.with_field(jets, _times(jets[collection], energies, factor), collection)
    jets = _times(jets, energies, factor)
    for field, new in own.items():
        jets = ak.with_field(jets, _like(jets[field] if field in jets.fields else new, new), field)
    return jets


def _times(objects: ak.Array, fields: tuple[str, ...], factor: ak.Array) -> ak.Array:
    for field in fields:
        if field in objects.fields:
            objects = ak.with_field(objects, _like(objects[field], objects[field] * factor), field)
    return objects


def _factor(name: str, jets: ak.Array, pt: ak.Array) -> ak.Array:
    try:
        factor = pt / jets.pt
    except ValueError:
        factor = None
    if factor is None or len(pt) != len(jets) or pt.ndim != jets.pt.ndim:
        raise ValueError(f"variation {name!r}: pT of type {pt.type}, required: one of each jet, as {jets.pt.type}")
    flat = np.asarray(ak.flatten(factor, axis=None))
    if (bad := ~((flat > 0) & (flat < np.inf))).any():
        some = f"{bad.sum()} of {flat.size} jets"
        raise ValueError(f"variation {name!r}: {some} have a pT, here or before, that is not positive and finite")
    return factor


def _like(old: ak.Array, new: ak.Array) -> ak.Array:
    """The new numbers in the precision of the old ones: a network is shown the same kind."""
    return ak.values_astype(new, ak.to_numpy(ak.flatten(old, axis=None)[:0]).dtype)

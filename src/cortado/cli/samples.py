"""Commands that get samples: `simulate` makes them, `fetch` downloads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cortado.cli.generation import energy_range
from cortado.cli.terminal import console, progress

SHOWERS = ("photon", "electron", "positron", "pion")
HITS = ("hits", "toy_hits")
MAPS = "maps"


def simulate(
    process: Annotated[
        str,
        typer.Argument(
            help="wprime (W' -> WZ), top, qcd; flavour: b, c and light jets; photon, electron, positron, pion: "
            "showers; hits: of a tracker; toy_hits: straight tracks in a square of pixels; dijets: parametric events "
            "with a resonance; maps: of the occupancy of a detector, with faults"
        ),
    ],
    out: Annotated[Path, typer.Option(help="ROOT file to write; of showers also HDF5 (.h5)")],
    jets: Annotated[
        int,
        typer.Option(
            min=1, help="jets to keep, or a few more, as events stay whole; flat in pT, or as many of each flavour"
        ),
    ] = 5000,
    showers: Annotated[int, typer.Option(min=1, help="showers to make")] = 5000,
    energy: Annotated[str, typer.Option(help="incident energies of showers [GeV], LOW:HIGH or one number")] = "1:100",
    pt: Annotated[
        tuple[float, float] | None,
        typer.Option(help="range of the jet pT [GeV]; 500 700 if not given, not for flavour"),
    ] = None,
    seed: Annotated[int, typer.Option(help="same seed, same file")] = 1,
    events: Annotated[
        int | None, typer.Option(min=1, help="events: of hits 100, of dijets 100,000 if not given")
    ] = None,
    mu: Annotated[float, typer.Option(min=0, help="mean number of pile-up collisions of hits")] = 20.0,
    detector: Annotated[str, typer.Option(help="of hits: compact, or generic (ACTS, extra acts)")] = "compact",
    generator: Annotated[str, typer.Option(help="of hits: simple, or pythia (top pairs and pile-up)")] = "simple",
    tracks: Annotated[int, typer.Option(min=1, help="tracks of toy_hits")] = 1,
    noise: Annotated[float, typer.Option(min=0, max=1, help="probability of a noise hit of toy_hits")] = 0.0,
    signal: Annotated[int, typer.Option(min=0, help="of the dijets, events of the resonance")] = 0,
    mass: Annotated[float, typer.Option(help="of the resonance of dijets [GeV]")] = 3500.0,
    maps: Annotated[int, typer.Option(min=1, help="maps of the occupancy")] = 5000,
    mean_hits: Annotated[float, typer.Option(help="mean number of hits of a map")] = 1e5,
    faulty: Annotated[float, typer.Option(min=0, max=1, help="probability of a fault in a run of 20 maps")] = 0.0,
    starved: Annotated[float, typer.Option(min=0, max=1, help="probability of a map with hardly any hits")] = 0.0,
    mpi: Annotated[bool, typer.Option(help="multi-parton interactions: realistic, four times slower")] = True,
    workers: Annotated[int, typer.Option(min=1, help="worker processes")] = 2,
) -> None:
    """Make jets with Pythia and a fast detector (extra `sim`), calorimeter showers, hits of a tracker, or dijets.

    Jets are written as CMS NanoAOD v15, those of flavour as Set2Graph with tracks; showers in CaloGAN's dialect; hits
    in one of their own, with the true particles; dijets, drawn from simple distributions, as a flat tree of numbers.

    Example: [cyan]cortado simulate wprime --jets 5000 --out wprime.root[/],
    [cyan]cortado simulate photon --showers 5000 --energy 1:100 --out photons.root[/],
    [cyan]cortado simulate hits --events 100 --mu 20 --out hits.root[/]
    """
    if process == "dijets":
        _simulate_dijets(out, events or 100_000, signal, mass, seed)
        return
    if process == MAPS:
        _simulate_maps(out, maps, mean_hits, faulty, starved, seed)
        return
    if process in HITS:
        _simulate_hits(process, out, events or 100, seed, workers, mu, detector, generator, tracks, noise)
        return
    if process in SHOWERS:
        _simulate_showers(process, out, showers, energy_range(energy), seed, workers)
        return
    from cortado.simulation import simulate_flavour_jets, simulate_jets

    if process == "flavour" and pt is not None:
        raise ValueError(f"--pt {pt[0]:g} {pt[1]:g} is for the other processes: flavour has all jets above 20 GeV")
    with progress(f"simulating {process}", jets) as advance:
        common: dict[str, Any] = {"jets": jets, "seed": seed, "mpi": mpi, "workers": workers, "progress": advance}
        if process == "flavour":
            made = simulate_flavour_jets(out, **common)
        else:
            made = simulate_jets(out, process=process, pt_range=pt or (500.0, 700.0), **common)
    of_events = f"{made.events} of {made.generated} generated events"
    more = f", more than the {jets} asked for, as events stay whole" if made.jets > jets else ""
    console.print(f"wrote {out}: {made.jets} jets of {process} in {of_events}{more}", markup=False)


def _simulate_dijets(out: Path, events: int, signal: int, mass: float, seed: int) -> None:
    from cortado.simulation import simulate_dijets

    if out.suffix != ".root":
        raise ValueError(f"{out}: dijets are written to NAME.root")
    with progress("drawing dijets", events) as advance:
        made = simulate_dijets(out, events=events, signal=signal, mass=mass, seed=seed, progress=advance)
    console.print(f"wrote {out}: {made.events:,} dijets, {made.signal:,} of a resonance at {mass:g} GeV", markup=False)


def _simulate_maps(out: Path, maps: int, hits: float, faulty: float, starved: float, seed: int) -> None:
    from cortado.simulation import simulate_maps

    if out.suffix != ".root":
        raise ValueError(f"{out}: maps are written to NAME.root")
    with progress("simulating maps", maps) as advance:
        made = simulate_maps(
            out, maps=maps, hits=hits, faulty=faulty, lasting=True, starved=starved, seed=seed, progress=advance
        )
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in made.faults.items())
    console.print(f"wrote {out}: {made.maps:,} maps of {made.hits:,.0f} hits in the mean: {kinds}", markup=False)


def _simulate_hits(
    process: str,
    out: Path,
    events: int,
    seed: int,
    workers: int,
    mu: float,
    detector: str,
    generator: str,
    tracks: int,
    noise: float,
) -> None:
    from cortado.simulation import simulate_hits, simulate_toy_hits

    if out.suffix != ".root":
        raise ValueError(f"{out}: hits are written to NAME.root")
    with progress(f"simulating {process}", events) as advance:
        common: dict[str, Any] = {"events": events, "seed": seed, "progress": advance}
        if process == "toy_hits":
            hits = simulate_toy_hits(out, tracks=tracks, noise=noise, **common).hits
        else:
            hits = simulate_hits(out, mu=mu, detector=detector, generator=generator, workers=workers, **common).hits
    console.print(f"wrote {out}: {hits:,} hits in {events:,} events", markup=False)


def _simulate_showers(
    particle: str, out: Path, showers: int, energy: tuple[float, float], seed: int, workers: int
) -> None:
    from cortado.simulation import simulate_showers

    with progress(f"simulating {particle} showers", showers) as advance:
        made = simulate_showers(
            out, particle=particle, showers=showers, energy=energy, seed=seed, workers=workers, progress=advance
        )
    shares = f"{100 * made.in_cells:.2f} % of the energy in cells, {100 * made.leaked:.2f} % leaked"
    console.print(f"wrote {out}: {made.showers} showers of {particle}, {shares}", markup=False)


def fetch(
    manifest: Annotated[Path, typer.Argument(help="data_manifests/NAME.toml")],
    folder: Annotated[Path, typer.Option(help="where the files go")] = Path("data"),
) -> None:
    """Download the files of a manifest, resumed where it stopped, and verify their checksums.

    Example: [cyan]cortado fetch data_manifests/top_tagging.toml --folder data[/]
    """
    from cortado import manifest as manifests

    description = manifests.load(manifest)
    files = manifests.fetch(description, folder, progress=console.is_terminal)
    verified = sum(file.verified for file in files)
    console.print(f"cite {description.citation}", markup=False)
    checked = f"{verified} with a verified checksum"
    console.print(f"{len(files)} files of {description.name} are in {folder}, {checked}", markup=False)

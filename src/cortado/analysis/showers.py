"""Files of showers: their shapes, how they differ, and generated twins of simulated showers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import hist
import numpy as np
from numpy.typing import NDArray

from cortado import calorimeter, metrics, ntuples, plotting, reading
from cortado.analysis.figures import histogram_of, save_figures
from cortado.analysis.processing import named_files
from cortado.analysis.results import results_table
from cortado.analysis.terminal import console
from cortado.readers import calogan
from cortado.scoring import ShowerGenerator

__all__ = ["ShowerSample", "compare_shower_files", "read_shower_sample", "write_twins"]

Shapes = Mapping[str, NDArray[np.float32]]

_DRAWN = 6  # shapes of a file that differ most
_LAYERS = 5  # of a picture of a deep calorimeter


class ShowerSample(NamedTuple):
    """What is kept of the showers of a file.

    Attributes:
        geometry: Their calorimeter.
        shapes: All shower shapes, (n,) each.
        average: Mean energies of the cells [GeV], shape (cells,).
    """

    geometry: calorimeter.Geometry
    shapes: Shapes
    average: NDArray[np.float64]


def read_shower_sample(path: str | Path, *, threshold: float = 0.0) -> ShowerSample:
    """Shower shapes and average shower of a file of any size.

    Args:
        path: ROOT or HDF5, in any dialect of showers.
        threshold: Cells of at most this energy [GeV] are empty for the shapes.
    Raises:
        ValueError: If it has no showers, or they are of no known calorimeter.
    """
    number, geometry, cells, parts = 0, calorimeter.CALOGAN, np.zeros(1), []
    for showers in reading.iterate_objects(path, "showers", size=1_000):
        geometry = calorimeter.geometry_of(calorimeter.layer_shapes(showers))
        cells = cells + calorimeter.cells(showers, geometry).sum(axis=0)
        shapes = calorimeter.shower_shapes(showers, geometry, threshold=threshold)
        parts.append({name: values.astype(np.float32) for name, values in shapes.items()})
        number += len(showers)
    if not number:
        raise ValueError(f"{path} has no showers")
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return ShowerSample(geometry, together, cells / number)


def compare_shower_files(files: Sequence[str | Path], folder: Path, *, threshold: float = 0.0) -> None:
    """Print the mean shapes of files and draw their averages; compare those in the calorimeter of the first with it.

    Args:
        files: ROOT or HDF5 files of showers, in any calorimeters.
        folder: Where the figures go.
        threshold: As for `read_shower_sample`.
    Raises:
        ValueError: If two files have the same name, or one has no showers.
    """
    paths = named_files(files)
    samples = {name: read_shower_sample(path, threshold=threshold) for name, path in paths.items()}
    titles = {name: Path(path).name for name, path in paths.items()}
    means = {name: _means(sample) for name, sample in samples.items()}
    console.print(results_table(means, title="means of shower shapes", titles=titles, first="file"))
    first, *others = samples
    reference = samples[first].shapes
    alike = {name: samples[name].shapes for name in others if samples[name].geometry == samples[first].geometry}
    tests = {name: _tests(reference, shapes) for name, shapes in alike.items()}
    if tests:
        rows = {name: _differences(reference, shapes, tests[name]) for name, shapes in alike.items()}
        number = len(tests[next(iter(tests))])
        near = "means within 2 %, widths 10 % (open: not decided), chi2/ndf < 1.5"
        title = f"{number} shapes against {titles[first]}: {near}"
        console.print(results_table(rows, title=title, titles=titles, first="file"))
    figures = {name: _picture(name, sample) for name, sample in samples.items()}
    for name, shapes in alike.items():
        figures[f"{name}_shapes"] = _most_different({first: reference, name: shapes}, tests[name])
    console.print(f"wrote {len(save_figures(figures, folder))} figures to {folder}", markup=False)


def write_twins(path: Path, generator: ShowerGenerator, like: str | Path, *, seed: int = 1) -> Path:
    """Write a generated shower for each of a file: of its incident energy and with its event key.

    So both are in the same part of any split, and classifiers of generated against simulated showers do not learn by
    how much the energies of two samples differ by chance. A file that is there is kept.

    Args:
        path: ROOT file to write.
        generator: Makes the showers.
        like: File of simulated showers.
        seed: Of the generated sample.
    """
    if path.exists():
        console.print(f"{path} is there", markup=False)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    ntuples.write(path, "showers", _twins(generator, like, seed))
    console.print(f"wrote {path}: {ntuples.num_entries(path, 'showers'):,} showers", markup=False)
    return path


def _twins(generator: ShowerGenerator, like: str | Path, seed: int) -> Iterator[dict[str, NDArray[Any]]]:
    first = 0
    for simulated in reading.iterate_objects(like, "showers"):
        made = generator(simulated.energy, seed=seed, first=first)
        yield calogan.columns_of(ak.with_field(made, simulated.event_key, "event_key"), is_generated=True)
        first += len(simulated)


def _means(sample: ShowerSample) -> dict[str, Any]:
    means = {name: f"{sample.shapes[name].mean():.4f}" for name in ("response", "shower_depth", "fraction_0")}
    return {"calorimeter": sample.geometry.name, "showers": len(sample.shapes["response"]), **means}


def _picture(name: str, sample: ShowerSample) -> Any:
    layers = range(0, len(sample.geometry.layers), -(-len(sample.geometry.layers) // _LAYERS))
    return plotting.average_showers({name: sample.average}, sample.geometry, layers=tuple(layers))


def _tests(reference: Shapes, other: Shapes) -> dict[str, metrics.Chi2]:
    """Chi2 of all shapes but those that are the same for all showers of the reference."""
    return {name: metrics.chi2_test(values, other[name]) for name, values in reference.items() if values.std() > 0}


def _differences(reference: Shapes, other: Shapes, tests: Mapping[str, metrics.Chi2]) -> dict[str, Any]:
    near = metrics.agreement({name: metrics.shape_difference(reference[name], other[name]) for name in tests})
    closed = metrics.closure(tests)
    features = [np.stack([shapes[name] for name in tests], axis=1) for shapes in (reference, other)]
    enough = min(map(len, features)) > 2 * len(tests)
    return {
        **near.cells(),
        "chi2": closed.closed,
        "worst": f"{closed.greatest:.1f}",
        "of": closed.worst,
        "FPD": metrics.frechet_physics_distance(*features) if enough else "few showers",
    }


def _most_different(pair: Mapping[str, Shapes], tests: Mapping[str, metrics.Chi2]) -> Any:
    """Histograms of the shapes that differ most; the first of both files is the reference."""
    worst = sorted(tests, key=lambda name: tests[name].per_ndf, reverse=True)[:_DRAWN]
    return plotting.shape_histograms([_panel(name, pair) for name in worst], list(pair), reference=next(iter(pair)))


def _panel(name: str, pair: Mapping[str, Shapes]) -> hist.Hist:
    low, high = np.quantile(next(iter(pair.values()))[name], [0.005, 0.995])
    high = np.nextafter(max(high, low + 1e-6), np.inf)
    axis = hist.axis.Regular(40, low, high, name=name, label=calorimeter.shape_label(name))
    return histogram_of(axis, {kind: shapes[name] for kind, shapes in pair.items()}, by="origin")

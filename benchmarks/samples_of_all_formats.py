"""Small valid files of every format, and bundles that take them, made without simulation or training."""

import json
from functools import partial
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import torch

from cortado import bundle as bundles
from cortado import ntuples
from cortado.bundle import Bundle
from cortado.calorimeter import CALOGAN
from cortado.models import MLP, PFN, CaloGAN
from cortado.representations import ParticleList, ShowerImages, ShowerShapes
from cortado.splits import Split
from cortado.tasks import Classes, Classify, Showers
from cortado.training import Objects, Recipe, Study
from cortado.weights import WorkingPoint

JETS = 60
SHOWERS = 40
CLASSES = Classes(classes=("background", "signal"), signal="signal")
POINT = WorkingPoint(
    name="50%", threshold=0.5, efficiency=0.5, efficiency_err=0.05, mistag=0.1, mistag_err=0.02, n_signal=100,
    n_background=100,
)  # fmt: skip


def jets(number: int, seed: int) -> dict[str, ak.Array]:
    """Entries of the top-tagging dialect."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(5, 30, number)
    pt, eta, phi = (draw.exponential(20.0, counts.sum()) + 1, *draw.normal(0.0, 0.2, (2, counts.sum())))
    part = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta), "energy": pt * np.cosh(eta)}
    nested = {name: ak.unflatten(each.astype(np.float32), counts) for name, each in part.items()}
    whole = {f"jet_{name}": ak.values_astype(ak.sum(each, axis=1), np.float32) for name, each in nested.items()}
    return {"part": ak.zip(nested), **whole, "is_signal_new": draw.integers(0, 2, number).astype(np.int8)}


def write_showers(path: Path, number: int, seed: int) -> None:
    """CaloGAN's layout in HDF5, each chunk with a checksum."""
    draw = np.random.default_rng(seed)
    energy = draw.uniform(1.0, 100.0, (number, 1))
    with h5py.File(path, "w") as file:
        for index, layer in enumerate(CALOGAN.layers):
            cells = draw.exponential(1.0, (number, *layer.shape)) * energy[:, :, np.newaxis]
            file.create_dataset(f"layer_{index}", data=cells, chunks=True, fletcher32=True)
        file.create_dataset("energy", data=energy, chunks=True, fletcher32=True)
        file.create_dataset("overflow", data=np.zeros((number, 3)), chunks=True, fletcher32=True)


def write_all(folder: Path) -> None:
    """All of them, by their names below."""
    entries = jets(JETS, 1)
    ntuples.write(folder / "zstd.root", "tree", [entries])
    ntuples.write(folder / "lz4.root", "tree", [entries], compression="lz4")
    ntuples.write_rntuple(folder / "rntuple.root", "tree", [entries])
    ntuples.write_parquet(folder / "jets.parquet", [entries])
    write_showers(folder / "showers.h5", SHOWERS, 2)
    torch.manual_seed(1)
    few = ak.flatten(ntuples_record(folder / "zstd.root").jets)[:8]
    given = {"features": len(ParticleList().features), "classes": 2, "phi": (16,), "hidden": (16,)}
    tagger = Bundle(
        representation=ParticleList(), model=PFN(**given), arguments=given, use=CLASSES, working_points=(POINT,)
    )
    bundles.save(tagger, folder / "tagger.cortado", canary=few)
    showers = ak.flatten(ntuples_record(folder / "showers.h5").showers)[:8]
    shapes = ShowerShapes(shapes=("energy_0", "energy_1", "energy_2"))
    given = {"features": len(shapes.features), "hidden": (8,), "classes": 2}
    judge = Bundle(representation=shapes, model=MLP(**given), arguments=given, use=CLASSES)
    bundles.save(judge, folder / "judge.cortado", canary=showers)
    given = {"latent": 8, "channels": 2, "filters": (2, 2)}
    images = ShowerImages(energy_range=(1.0, 100.0))
    generator = Bundle(
        representation=images, model=CaloGAN(**given), arguments=given, use=Showers(energy_range=(1.0, 100.0), latent=8)
    )
    bundles.save(generator, folder / "generator.cortado", canary=showers)
    (folder / "manifest.toml").write_text(
        'name = "toy"\ndescription = "d"\nlicence = "CC0-1.0"\ncitation = "c"\n[samples.w]\ntree = "tree"\n'
        'cross_section = 12.5\nlabel = "W"\nfiles = ["zstd.root", "lz4.root"]\n'
    )
    fileset = {"w": {"files": {str(folder / "zstd.root"): "tree"}, "metadata": {"cross_section": 12.5}}}
    (folder / "fileset.json").write_text(json.dumps(fileset, indent=1))
    for number in range(3):
        ntuples.write(folder / f"many_{number}.root", "tree", (jets(200, 10 * number + i) for i in range(5)))


def ntuples_record(path: Path) -> ak.Array:
    """All of a file."""
    from cortado import reading

    return reading.read(path)


def is_label(number: int, jets: ak.Array) -> ak.Array:
    """Class of a jet."""
    return jets.is_signal == number


def study(folder: Path) -> Study:
    """A training of some seconds."""
    return Study(
        name="small",
        objects=Objects(files=(folder / "many_0.root",), split=Split(validation=0.3, test=0.1)),
        representation=ParticleList(),
        scaling="fit",
        model=partial(PFN, features=len(ParticleList().features), phi=(8,), hidden=(8,)),
        task=Classify(classes={"a": partial(is_label, 0), "b": partial(is_label, 1)}, signal="b"),
        recipe=Recipe(epochs=8, batch_size=64, learning_rate=1e-3, workers=0),
    )

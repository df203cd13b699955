"""From histograms of mass to a statement: smooth background, bump hunt, spurious signal, workspace and limits.

All take a `hist.Hist` of one axis, or counts and edges; fits are Poisson likelihoods of bins. `SearchProcessor` of
`cortado.processors` fills the histograms. `template_workspace` takes histograms of anything with the axes dataset and
variation.

Example:
    function = choose_function(mjj, collision_energy=13_000).function
    hunt = bump_hunt(mjj, function=function, shape=SignalShape(resolution=0.04), toys=10_000)
    print(hunt)  # mass, window, local and global p-value
"""

from __future__ import annotations

from cortado.searches.background import (
    BackgroundFit,
    FunctionChoice,
    choose_function,
    fit_background,
    goodness_of_fit,
)
from cortado.searches.bump_hunt import BumpHunt, Windows, bump_hunt
from cortado.searches.dijet_function import DijetFunction
from cortado.searches.draws import draw_masses
from cortado.searches.limits import Limits, limits
from cortado.searches.resonance import SignalFit, SignalShape, fit_signal
from cortado.searches.spectrum import Spectrum, spectrum
from cortado.searches.spurious_signal import SpuriousSignal, spurious_signal
from cortado.searches.strength import Strength, fit_strength
from cortado.searches.templates import template_workspace
from cortado.searches.windows import excess
from cortado.searches.workspace import Channel, channels, workspace

__all__ = [
    "BackgroundFit",
    "BumpHunt",
    "Channel",
    "DijetFunction",
    "FunctionChoice",
    "Limits",
    "SignalFit",
    "SignalShape",
    "Spectrum",
    "SpuriousSignal",
    "Strength",
    "Windows",
    "bump_hunt",
    "channels",
    "choose_function",
    "draw_masses",
    "excess",
    "fit_background",
    "fit_signal",
    "fit_strength",
    "goodness_of_fit",
    "limits",
    "spectrum",
    "spurious_signal",
    "template_workspace",
    "workspace",
]

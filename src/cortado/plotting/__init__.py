"""Figures: a histogram, metric or jet in, matplotlib figure and axes out; `save` writes them.

All take the name of the experiment and a label beside it: `experiment="CMS", label="Preliminary"`; with both empty
there is room for `mplhep.cms.label("Preliminary", ax=ax)` and its like. In a notebook figures show by themselves.
"""

from __future__ import annotations

from cortado.extras import extra

with extra("plot", "cortado.plotting"):
    from cortado.plotting.anomalies import latent_space, reconstructions
    from cortado.plotting.contributions import constituent_contributions, pixel_contributions
    from cortado.plotting.curves import calibration_curve, learning_curves, roc_curves, significance_improvement
    from cortado.plotting.distributions import score_distributions
    from cortado.plotting.generation import auc_against_time, time_against_size, weight_distribution
    from cortado.plotting.jets import average_images, jet_display
    from cortado.plotting.maps import fault_map
    from cortado.plotting.searches import local_p_values, mass_spectrum, strength_limits
    from cortado.plotting.shower_shapes import shape_histograms
    from cortado.plotting.showers import average_showers, shower_neighbours
    from cortado.plotting.stack import stacked
    from cortado.plotting.style import COLOURS, png, save, style, write_label
    from cortado.plotting.tables import confusion_matrix, cutflow
    from cortado.plotting.tracks import parameter_pulls, track_display, track_rates
    from cortado.plotting.vertex_display import vertex_display
    from cortado.plotting.vertices import binned_estimates, binned_means, binned_rates

__all__ = [
    "COLOURS",
    "auc_against_time",
    "average_images",
    "average_showers",
    "binned_estimates",
    "binned_means",
    "binned_rates",
    "calibration_curve",
    "confusion_matrix",
    "constituent_contributions",
    "cutflow",
    "fault_map",
    "jet_display",
    "latent_space",
    "learning_curves",
    "local_p_values",
    "mass_spectrum",
    "parameter_pulls",
    "pixel_contributions",
    "png",
    "reconstructions",
    "roc_curves",
    "save",
    "score_distributions",
    "shape_histograms",
    "shower_neighbours",
    "significance_improvement",
    "stacked",
    "strength_limits",
    "style",
    "time_against_size",
    "track_display",
    "track_rates",
    "vertex_display",
    "weight_distribution",
    "write_label",
]

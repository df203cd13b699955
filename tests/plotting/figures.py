"""What is drawn in a figure."""

import numpy as np
from matplotlib.collections import PolyCollection


def texts(ax):
    return [text.get_text() for text in ax.texts]


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def error_bars(ax):
    """Centres, values and errors of the first container of points."""
    (line, _, (bars,)) = ax.containers[0]
    lengths = [np.diff(segment[:, 1])[0] / 2 for segment in bars.get_segments()]
    return line.get_xdata(), line.get_ydata(), np.array(lengths)


def band_heights(ax, x):
    """Lower and upper end of the filled band at x."""
    vertices = next(c for c in ax.collections if isinstance(c, PolyCollection)).get_paths()[0].vertices
    at = vertices[np.isclose(vertices[:, 0], x, atol=1e-6), 1]
    return at.min(), at.max()

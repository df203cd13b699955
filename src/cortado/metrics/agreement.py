"""How well two samples agree in many quantities: how many of the means, widths and chi2 are near enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cortado.metrics.binned import Chi2
from cortado.metrics.distributions import ShapeDifference
from cortado.statistics import Estimate

__all__ = ["Agreement", "Closure", "agreement", "closure"]


class Agreement(NamedTuple):
    """Numbers of quantities whose means, and whose widths, are near those of the reference.

    Attributes:
        means: Whose means are.
        widths: Whose widths are.
        open_means: Of how many quantities that is not decided: the limit is within one standard deviation.
        open_widths: Likewise of widths.
    """

    means: int
    widths: int
    open_means: int = 0
    open_widths: int = 0

    def cells(self) -> dict[str, str]:
        """As a table has it: "24", or "24 (3 open)" where so many are not decided."""
        pairs = {"means": (self.means, self.open_means), "widths": (self.widths, self.open_widths)}
        return {name: f"{near} ({opened} open)" if opened else f"{near}" for name, (near, opened) in pairs.items()}


class Closure(NamedTuple):
    """Chi2 of many quantities of the same two samples.

    Attributes:
        closed: How many have a chi2 per degree of freedom below the limit.
        tested: How many have a degree of freedom: those whose entries are not all in one bin.
        greatest: Chi2 per degree of freedom of the worst one.
        worst: Its name. One degree of freedom is too few to be it while others have more: samples of one distribution
            are above 1.5 in a fifth of all cases.
        p_value: Smallest of all, times their number, at most 1: how often samples of one distribution differ as much.
    """

    closed: int
    tested: int
    greatest: float
    worst: str
    p_value: float

    def __str__(self) -> str:
        """As a table has it: "24 (1.66)"."""
        return f"{self.closed} ({self.greatest:.{2 if self.greatest < 10 else 0}f})"


def agreement(differences: Mapping[str, ShapeDifference], *, mean: float = 0.02, width: float = 0.1) -> Agreement:
    """Count the quantities whose mean and whose width are those of the reference, and where too few events tell.

    Args:
        differences: By quantity.
        mean: Largest difference of means, over the mean or over the width: some quantities are 0 on average.
        width: Largest difference of widths, over the width.
    """
    near_means = _near([(each.mean, each.shift) for each in differences.values()], mean)
    near_widths = _near([(each.width,) for each in differences.values()], width)
    return Agreement(near_means[0], near_widths[0], near_means[1], near_widths[1])


def _near(differences: Sequence[tuple[Estimate, ...]], limit: float) -> tuple[int, int]:
    """How many quantities have one of their differences below the limit, and for how many that is not decided."""
    near = [any(abs(one.value) < limit for one in each) for each in differences]
    surely = [any(abs(one.value) + one.error < limit for one in each) for each in differences]
    # Not defined is no difference that could be small.
    perhaps = [any(abs(one.value) - one.error < limit for one in each) for each in differences]
    return sum(near), sum(two and not one for one, two in zip(surely, perhaps))


def closure(tests: Mapping[str, Chi2], *, limit: float = 1.5) -> Closure:
    """Sum up the chi2 of many quantities of the same two samples.

    Args:
        tests: By quantity.
        limit: Below it the chi2 per degree of freedom of a quantity is good.
    Raises:
        ValueError: If none has a degree of freedom.
    """
    tested = {name: test for name, test in tests.items() if test.ndf}
    if not tested:
        raise ValueError(f"none of {len(tests)} quantities has a chi2 with degrees of freedom: {list(tests)[:5]}")
    worst = max(tested, key=lambda name: (tested[name].ndf > 1, tested[name].per_ndf))
    smallest = min(test.p_value for test in tested.values())
    return Closure(
        closed=sum(test.per_ndf < limit for test in tested.values()),
        tested=len(tested),
        greatest=tested[worst].per_ndf,
        worst=worst,
        p_value=min(1.0, len(tested) * smallest),
    )

"""Lambda from the noise level: the minimum of an unbiased estimate of the risk along warm starts."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from tvdenoise.auto.noise_level import ChannelNoise
from tvdenoise.auto.probe import sample
from tvdenoise.model import operators
from tvdenoise.model.rof import Problem
from tvdenoise.solvers.ascents import ascend

NEGLIGIBLE = 1e-7
"""Noise of less than this, in standard deviations of the picture, is the rounding of its numbers."""

EPSILON = 0.1
"""The size of the perturbation, in standard deviations of the noise: larger ones move the minimum of the risk, unless
there are few photons."""

START = {"anisotropic": 0.74, "isotropic": 0.89}
"""Where the search starts, as a multiple of sigma (sigma / s)^(1/4): sigma is the noise level, s the standard deviation
of the picture, and more noise leaves less to lose."""

COUPLED = 0.3
"""The power of the number of channels by which that is multiplied where their differences make one vector."""

LEAST_LUMA = 0.05
"""Lambda for luma is at least so much of that for chroma, which hardly changes it."""

FACTOR = 1.25
"""From one lambda to the next while walking downhill."""

NEAR_ENOUGH = 0.25
"""How far from the best lambda tried, in such steps, the lowest point of a parabola needs no second look."""

MOST_MOVES = 14
"""How many such steps the walk may take: far enough that pure noise becomes flat."""

STEPS = 50
"""Steps of FISTA at each lambda, as a multiple of the largest weight over the spread of the picture."""

LEAST_STEPS, MOST_STEPS = 8, 400
"""Bounds on their number."""

ALTERNATING_SHARE = 0.6
"""How many steps of alternating descent do for one of those."""


@dataclass(frozen=True)
class Selection:
    """The lambda chosen.

    Attributes
    ----------
    weight
        Lambda.
    ratios
        The weight of each channel as a multiple of lambda; empty for lambda itself.
    risk
        The estimated mean squared error at about this lambda, on the unit scale.
    field
        The dual field reached, to start from; None where a part of the picture was enough to choose.
    curve
        Every lambda tried with its estimated risk; of luma, where chroma has its own.
    """

    weight: float
    ratios: tuple[float, ...]
    risk: float
    field: Tensor | None
    curve: tuple[tuple[float, float], ...]


def perturbation(noise: Sequence[ChannelNoise]) -> float:
    r"""Return the size of the perturbation, :math:`\epsilon`, that suits some noise.

    It is what one photon is where noise grows with the signal: for counts :math:`y` of mean :math:`\mu` Hudson's
    identity :math:`\mathrm{E}\,(y - \mu) h(y) = \mu\,\mathrm{E}\,(h(y + 1) - h(y))` takes the place of Stein's.

    Source: Hudson, "A natural identity for exponential families", Annals of Statistics 6 (1978).
    """
    return max(EPSILON, fmean(max(channel.slope, 0.0) / (channel.sigma or 1.0) for channel in noise))


def select_weight(
    problem: Problem,
    probe: Tensor,
    strength: float = 1.0,
    *,
    epsilon: float = EPSILON,
    spread: float | None = None,
) -> Selection:
    r"""Choose lambda for ``problem`` (whose own is ignored) by Stein's unbiased risk estimate.

    ``probe`` is a draw of mean 0 and of the covariance :math:`\Sigma` of the noise in ``f``, or in its sample; that of
    random signs has exact squares, and the estimate scatters less. With :math:`u_\pm = u(f \pm \epsilon b)` the
    pictures after some steps, ``b`` the probe, :math:`\epsilon` that of :func:`perturbation`,

    .. math::
        \mathrm{SURE}(\lambda) = \left\|\tfrac12(u_+ + u_-) - f\right\|^2
        + \tfrac{1}{\epsilon}\, b^\top (u_+ - u_-) - \mathrm{tr}\,\Sigma

    estimates :math:`\|u(f) - \text{clean}\|^2` but for a bias of the order of :math:`\epsilon^2`: the difference
    measures the divergence. Both pictures are solved as one, each lambda from the field of the one before. The walk in
    :math:`\log\lambda` goes downhill until the minimum is enclosed; parabolas finish. The choice is ``strength``
    times that. What is negligible beside ``spread``, by default that of ``f``, is no noise.

    Sources: Stein, Annals of Statistics 9 (1981); Ramani, Blu and Unser, "Monte-Carlo SURE", IEEE Trans. Image
    Processing 17 (2008).
    """
    whole = problem.f
    problem, probe = dataclasses.replace(problem, f=sample(whole, problem.axes)), sample(probe, problem.axes)
    variance = float((operators.array(probe) ** 2).mean())
    if not variance > (NEGLIGIBLE * (problem.spread if spread is None else spread)) ** 2:
        return Selection(0.0, problem.ratios, 0.0, None, ((0.0, 0.0),))
    path = _Path(problem, probe, variance, epsilon)
    vectors = len(whole) ** COUPLED if problem.coupled else 1.0
    position = math.log(START[problem.tv] * vectors * variance**0.625 / path.spread**0.25)
    chosen = _minimize(path.risk, position, math.log(FACTOR))
    if strength != 1:
        chosen += math.log(strength)
        path.risk(chosen)
    weight = math.exp(chosen)
    curve = tuple((math.exp(x), risk) for x, risk in sorted(path.known.items()))
    nearest = min(path.known, key=lambda x: abs(x - chosen))
    field = path.field_at(weight) if problem.f is whole else None
    return Selection(weight, problem.ratios, path.known[nearest], field, curve)


def select_luma_and_chroma(
    problem: Problem, probe: Tensor, strength: float = 1.0, *, epsilon: float = EPSILON
) -> Selection:
    """Choose lambda for luma, and for the chroma channels as a multiple of that, each as :func:`select_weight` does.

    No difference reaches from one to the other: the sum of their risks is lowest where each is.
    """
    luma, chroma = (
        select_weight(
            dataclasses.replace(problem, f=problem.f[part], ratios=()),
            probe[part],
            strength,
            epsilon=epsilon,
            spread=problem.spread,
        )
        for part in (slice(1), slice(1, None))
    )
    weight = max(luma.weight, LEAST_LUMA * chroma.weight)
    ratio = chroma.weight / weight if weight else problem.ratios[1]
    field = None if luma.field is None or chroma.field is None else torch.cat([luma.field, chroma.field], 1)
    return Selection(weight, (1.0, ratio, ratio), (luma.risk + 2 * chroma.risk) / 3, field, luma.curve)


class _Path:
    """The risk at one lambda after another, each warm-started from the last."""

    def __init__(self, problem: Problem, probe: Tensor, variance: float, epsilon: float) -> None:
        pair = operators.empty((len(probe), 2, *probe.shape[1:]), probe)
        for number, sign in enumerate((epsilon, -epsilon)):
            operators.array(pair[:, number])[...] = operators.array(problem.f) + sign * operators.array(probe)
        self.problem = dataclasses.replace(problem, f=pair)
        self.field = operators.new_field(self.problem.f, problem.axes)
        self.weight = 0.0
        self.known: dict[float, float] = {}
        self.spread = problem.spread or math.sqrt(variance)
        self._f, self._probe = problem.f, probe
        self._variance, self._epsilon = variance, epsilon

    def risk(self, position: float) -> float:
        """Return the estimated mean squared error at the logarithm of a lambda."""
        position = round(position, 9)  # steps there and back differ in their last bit
        if position not in self.known:
            self.known[position] = self._estimate(math.exp(position))
        return self.known[position]

    def _estimate(self, weight: float) -> float:
        problem = dataclasses.replace(self.problem, weight=weight)
        operators.array(self.field)[...] *= weight / self.weight if self.weight else 0.0
        largest = weight * max(problem.ratios, default=1.0)
        steps = min(max(STEPS * largest / self.spread, LEAST_STEPS), MOST_STEPS)
        steps *= ALTERNATING_SHARE if problem.alternates else 1
        self.field, self.weight = ascend(problem, self.field, math.ceil(steps)), weight
        pair = operators.empty(problem.f.shape, problem.f)
        u = operators.subtract_adjoint(problem.f, self.field, pair, problem.spacing)
        above, below, f, probe = (operators.array(t) for t in (*u.unbind(1), self._f, self._probe))
        residual = float((((above + below) / 2 - f) ** 2).mean())
        trace = float(((above - below) * probe).mean()) / (2 * self._epsilon)
        return residual + 2 * trace - self._variance

    def field_at(self, weight: float) -> Tensor:
        """Return the field for the picture itself, about right at a lambda."""
        field = operators.contiguous_copy(self.field[:, :, 0])
        values = operators.array(field)
        values += operators.array(self.field[:, :, 1])
        values *= weight / self.weight / 2
        return field


def _minimize(risk: Callable[[float], float], start: float, step: float) -> float:
    """Return about where ``risk`` is lowest: walk downhill to enclose the minimum, then one or two parabolas."""
    step = step if risk(start + step) < risk(start) else -step
    here = start
    for _ in range(MOST_MOVES):
        if risk(here + step) >= risk(here):
            break
        here += step
    else:
        return here
    low, high = here - abs(step), here + abs(step)
    guess = _parabola_minimum(risk, low, here, high)
    if abs(guess - here) <= NEAR_ENOUGH * abs(step):
        return guess
    low, middle, high = sorted((here, guess, low if guess < here else high))
    return _parabola_minimum(risk, low, middle, high)


def _parabola_minimum(risk: Callable[[float], float], low: float, middle: float, high: float) -> float:
    """Return the lowest point of the parabola through three points, within them; the middle one if it has none."""
    to_low, to_high = risk(low) - risk(middle), risk(high) - risk(middle)
    a, b = middle - low, high - middle
    curvature = to_low * b + to_high * a
    if not curvature > 0:
        return middle
    return min(max(middle + 0.5 * (to_low * b * b - to_high * a * a) / curvature, low), high)

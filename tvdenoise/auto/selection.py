"""Lambda from the noise level: the minimum of an unbiased estimate of the risk along warm starts."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from torch import Tensor

from tvdenoise.auto.noise_level import Noise, Points
from tvdenoise.auto.probe import MOST_PIXELS, sample
from tvdenoise.model import operators, tensors
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.ascents import ascend

NEGLIGIBLE = 1e-7  # Less noise, in standard deviations of the picture, is the rounding of its numbers.
EPSILON = 0.1  # The perturbation, in standard deviations of the noise: larger ones move the minimum of the risk.

# Where the search starts, as a multiple of sigma (sigma / s)^(1/4): sigma is the noise level, s the standard deviation
# of the picture, and more noise leaves less to lose.
START = {"anisotropic": 0.74, "isotropic": 0.89}
COUPLED = 0.3  # Times this power of the number of channels where their differences make one vector.
LEAST_LUMA = 0.05  # The least lambda for luma as a multiple of chroma's: so small a one hardly changes luma.

FACTOR = 1.25  # From one lambda to the next while walking downhill.
MOST_MOVES = 14  # How many such steps the walk may take: far enough that pure noise becomes flat.
NEAR_ENOUGH = 0.25  # How far from the best lambda, in such steps, a parabola's lowest point needs no second look.

STEPS = 50  # of FISTA at each lambda, as a multiple of the largest weight over the spread of the picture, ...
LEAST_STEPS = 8  # ... at least so many, ...
MOST_STEPS = 400  # ... and at most.
ALTERNATING_SHARE = 0.6  # How many steps of alternating descent do for one of those.

Function = Callable[[float], float]


@dataclass(frozen=True)
class Selection:
    """The lambda chosen."""

    weight: float  # lambda
    ratios: tuple[float, ...]  # the weight of each channel as a multiple of lambda; empty for lambda itself
    risk: float  # the estimated mean squared error at about this lambda, on the unit scale
    field: Tensor | None  # the dual field reached, to start from; None where a sample was enough to choose
    curve: Points  # every lambda tried with its estimated risk; of luma, where chroma has its own


def choose_epsilon(noise: Noise) -> float:
    r"""Return the size of the perturbation: one photon where noise grows with the signal, else :data:`EPSILON`.

    For counts :math:`y` of mean :math:`\mu`, :math:`\mathrm{E}\,(y - \mu) h(y) = \mu\,\mathrm{E}\,(h(y + 1) - h(y))`
    takes the place of Stein's identity (Hudson, Annals of Statistics 6, 1978).
    """
    photons = [max(channel.slope, 0.0) / (channel.sigma or 1.0) for channel in noise]
    return max(EPSILON, fmean(photons))


def select_weight(
    problem: Problem,
    probe: Tensor,
    strength: float = 1.0,
    *,
    epsilon: float = EPSILON,
    spread: float | None = None,
    most_pixels: int = MOST_PIXELS,
) -> Selection:
    r"""Choose lambda for ``problem`` (whose own is ignored) by Stein's unbiased risk estimate.

    ``probe`` is a draw of the noise in ``f``, or in its sample, which is enough where there are more than
    ``most_pixels``. The choice is ``strength`` times the minimum of the risk, estimated with the perturbation
    ``epsilon``. Noise that is negligible beside ``spread``, by default that of ``f``, is none.

    Sources: Stein, Annals of Statistics 9 (1981); Ramani, Blu and Unser, "Monte-Carlo SURE", IEEE Trans. Image
    Processing 17 (2008).
    """
    part = replace(problem, f=sample(problem.f, problem.axes, most_pixels))
    probe = sample(probe, problem.axes, most_pixels)
    variance = float((tensors.array(probe) ** 2).mean())
    if spread is None:
        spread = part.spread
    if not variance > (NEGLIGIBLE * spread) ** 2:
        return Selection(0.0, problem.ratios, 0.0, None, ((0.0, 0.0),))
    path = _Path(part, probe, variance, epsilon)
    risk = Curve(path.estimate_risk)
    chosen = minimize(risk, _choose_start(part, variance, path.spread), math.log(FACTOR))
    if strength != 1:
        chosen += math.log(strength)
        risk(chosen)
    weight = math.exp(chosen)
    field = None
    if part.f is problem.f:
        field = path.average_field(weight)
    nearest = min(risk.known, key=lambda x: abs(x - chosen))
    curve = tuple((math.exp(x), value) for x, value in sorted(risk.known.items()))
    return Selection(weight, problem.ratios, risk.known[nearest], field, curve)


def _choose_start(problem: Problem, variance: float, spread: float) -> float:
    """Return the logarithm of the lambda at which the search starts."""
    vectors = 1.0
    if problem.coupled:
        vectors = len(problem.f) ** COUPLED
    # sigma (sigma / s)^(1/4) in terms of the variance
    return math.log(START[problem.tv] * vectors * variance**0.625 / spread**0.25)


def select_luma_and_chroma(
    problem: Problem,
    probe: Tensor,
    strength: float = 1.0,
    *,
    epsilon: float = EPSILON,
    most_pixels: int = MOST_PIXELS,
) -> Selection:
    """Choose lambda for luma, and for the chroma channels as a multiple of that, each as :func:`select_weight` does."""

    # No difference reaches from one to the other: the sum of their risks is lowest where each is.
    def select(channels: slice) -> Selection:
        part = replace(problem, f=problem.f[channels], ratios=())
        return select_weight(
            part,
            probe[channels],
            strength,
            epsilon=epsilon,
            spread=problem.spread,
            most_pixels=most_pixels,
        )

    luma = select(slice(1))
    chroma = select(slice(1, None))
    weight = max(luma.weight, LEAST_LUMA * chroma.weight)
    ratio = problem.ratios[1]
    if weight:
        ratio = chroma.weight / weight
    risk = (luma.risk + 2 * chroma.risk) / 3
    field = None
    if luma.field is not None and chroma.field is not None:
        field = torch.cat([luma.field, chroma.field], 1)
    return Selection(weight, (1.0, ratio, ratio), risk, field, luma.curve)


class _Path:
    """The pictures for both perturbations, solved as one problem at one lambda after another."""

    def __init__(self, problem: Problem, probe: Tensor, variance: float, epsilon: float) -> None:
        channels, *sides = probe.shape
        pair = tensors.empty((channels, 2, *sides), probe)
        self._f = tensors.array(problem.f)
        self._probe = tensors.array(probe)
        perturbation = epsilon * self._probe
        values = tensors.array(pair)
        values[:, 0] = self._f + perturbation
        values[:, 1] = self._f - perturbation
        self.spread = problem.spread or math.sqrt(variance)
        self._variance = variance
        self._epsilon = epsilon
        self._problem = replace(problem, f=pair)
        self._field = operators.new_field(pair, problem.axes)
        self._weight = 1.0  # of the field: one of zeros suits any

    def estimate_risk(self, log_weight: float) -> float:
        r"""Return Stein's unbiased estimate of the mean squared error, but for a bias of the order of epsilon squared.

        With :math:`u_\pm = u(f \pm \epsilon b)`, ``b`` a draw of mean 0 and of the noise's covariance :math:`\Sigma`,

        .. math::
            \mathrm{SURE}(\lambda) = \left\|\tfrac12(u_+ + u_-) - f\right\|^2
            + \tfrac{1}{\epsilon}\, b^\top (u_+ - u_-) - \mathrm{tr}\,\Sigma.
        """
        problem = self._move_to(math.exp(log_weight))
        pair = tensors.empty(problem.f.shape, problem.f)
        u = tensors.array(problem.difference.subtract_adjoint(problem.f, self._field, pair))
        above = u[:, 0]
        below = u[:, 1]
        mean = (above + below) / 2
        residual = float(((mean - self._f) ** 2).mean())
        # The trace of the Jacobian times the covariance; random signs have exact squares, and it scatters less.
        change = float(((above - below) * self._probe).mean())
        divergence = change / (2 * self._epsilon)
        return residual + 2 * divergence - self._variance

    def _move_to(self, weight: float) -> Problem:
        """Take some steps at a lambda, from the scaled field of the last; return the problem."""
        problem = replace(self._problem, weight=weight)
        field = tensors.array(self._field)
        field *= weight / self._weight
        largest = weight * max(problem.ratios, default=1.0)
        steps = STEPS * largest / self.spread
        steps = min(max(steps, LEAST_STEPS), MOST_STEPS)
        if problem.alternates:
            steps *= ALTERNATING_SHARE
        self._field = ascend(problem, self._field, math.ceil(steps))
        self._weight = weight
        return problem

    def average_field(self, weight: float) -> Tensor:
        """Return the field for the picture itself, about right at a lambda."""
        field = tensors.contiguous_copy(self._field[:, :, 0])
        values = tensors.array(field)
        values += tensors.array(self._field[:, :, 1])
        values *= weight / self._weight / 2
        return field


class Curve:
    """A function of one number whose values so far are ``known``."""

    def __init__(self, function: Function) -> None:
        self.known: dict[float, float] = {}
        self._function = function

    def __call__(self, x: float) -> float:
        """Return the value at ``x``, computed if it is not known."""
        x = round(x, 9)  # steps there and back differ in their last bit
        if x not in self.known:
            self.known[x] = self._function(x)
        return self.known[x]


def minimize(curve: Function, start: float, step: float) -> float:
    """Return about where a curve is lowest: walk downhill to enclose the minimum, then one or two parabolas."""
    is_downhill = curve(start + step) < curve(start)
    if not is_downhill:
        step = -step
    here = start
    for _ in range(MOST_MOVES):
        if curve(here + step) >= curve(here):
            break
        here += step
    else:
        return here
    # The minimum is enclosed: the lowest point lies between its neighbours.
    low, high = sorted((here - step, here + step))
    guess = _minimize_parabola(curve, low, here, high)
    if abs(guess - here) <= NEAR_ENOUGH * abs(step):
        return guess
    # A second parabola, through the first one's lowest point and the points around it.
    beyond = low if guess < here else high
    return _minimize_parabola(curve, *sorted((here, guess, beyond)))


def _minimize_parabola(curve: Function, low: float, middle: float, high: float) -> float:
    """Return the lowest point of the parabola through three points, within them; the middle one if it has none."""
    left = middle - low
    right = high - middle
    rise_left = curve(low) - curve(middle)
    rise_right = curve(high) - curve(middle)
    curvature = rise_left * right + rise_right * left
    if not curvature > 0:
        return middle
    tilt = rise_left * right * right - rise_right * left * left
    offset = 0.5 * tilt / curvature
    return min(max(middle + offset, low), high)

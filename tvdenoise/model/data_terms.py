r"""Data terms F(u): how far a picture u lies from the noisy one f, for each kind of noise.

The objective is :math:`E(u) = F(u) + \lambda\,\mathrm{TV}(u)`, and every F here is a sum over values, each for itself.
The minimiser takes no value below the least or above the largest of its channel in f: cutting u off there raises
neither F nor TV. So u may be confined to that box, where the conjugate
:math:`F^*(z) = \max_u \langle z, u \rangle - F(u)` is finite for every z.

Methods work value by value and return tensors like f; F and F* are the sums of them.

Sources: Nikolova, "A variational approach to remove outliers and impulse noise", J. Mathematical Imaging and Vision 20
(2004), for the absolute difference; Le, Chartrand and Asaki, "A variational approach to reconstructing images corrupted
by Poisson noise", J. Mathematical Imaging and Vision 27 (2007), for counts.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tvdenoise.options.kinds import NoiseModel

# The least share of a count that a method on the picture may come to, beyond which the slope of F is no number.
LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class DataTerm(ABC):
    """A convex function F of pictures like ``f``, whose values lie in a box: from ``low`` to ``high`` in each channel.

    Both ends have one value a channel, (C, 1, 1) or (C, 1, 1, 1).
    """

    f: Tensor
    low: Tensor
    high: Tensor

    @property
    @abstractmethod
    def modulus(self) -> float:
        r"""The largest m for which :math:`F(u) - \frac m2 \|u\|^2` is known to be convex on the box."""

    @abstractmethod
    def value(self, u: Tensor) -> Tensor:
        """Return what each value adds to F(u)."""

    @abstractmethod
    def conjugate(self, z: Tensor) -> Tensor:
        """Return what each value adds to F*(z), for u in the box."""

    @abstractmethod
    def prox(self, u: Tensor, step: float) -> Tensor:
        r"""Return the minimiser x of :math:`F(x) + \|x - u\|^2 / 2t` in the box, for a step t."""

    def clamp(self, u: Tensor) -> Tensor:
        """Return the picture within the box."""
        return u.clamp(self.low, self.high)

    def move_to_slope(self, u: Tensor) -> Tensor:
        """Return the picture within the box, and where F has a slope."""
        return self.clamp(u)


@dataclass(frozen=True)
class Squares(DataTerm):
    r"""Gaussian noise: :math:`F(u) = \frac12 \sum (u - f)^2`."""

    @property
    def modulus(self) -> float:
        """1, everywhere."""
        return 1.0

    def value(self, u: Tensor) -> Tensor:
        """Return half the squares."""
        return 0.5 * (u - self.f).square()

    def conjugate(self, z: Tensor) -> Tensor:
        r"""Return :math:`z x - (x - f)^2 / 2` at its largest, where x is f + z as far as the box allows."""
        x = self.clamp(self.f + z)
        return z * x - self.value(x)

    def prox(self, u: Tensor, step: float) -> Tensor:
        r"""Return :math:`(u + t f) / (1 + t)` for a step t."""
        return self.clamp((u + step * self.f) / (1 + step))


@dataclass(frozen=True)
class Absolute(DataTerm):
    r"""Laplacian noise, outliers, salt and pepper: :math:`F(u) = \sum |u - f|`."""

    @property
    def modulus(self) -> float:
        """0: between f and another value F is straight."""
        return 0.0

    def value(self, u: Tensor) -> Tensor:
        """Return the absolute differences."""
        return (u - self.f).abs()

    def conjugate(self, z: Tensor) -> Tensor:
        r"""Return :math:`z f`, and what the box adds where z is more than 1 or less than -1.

        There the maximum lies at an end of the box, and for z between at f.
        """
        above = (z - 1).clamp(min=0) * (self.high - self.f)
        below = (-z - 1).clamp(min=0) * (self.f - self.low)
        return z * self.f + above + below

    def prox(self, u: Tensor, step: float) -> Tensor:
        """Return u moved towards f by ``step``, and no further than f."""
        difference = u - self.f
        return self.clamp(u - difference.clamp(-step, step))


@dataclass(frozen=True)
class Counts(DataTerm):
    r"""Poisson noise: the Kullback-Leibler divergence :math:`F(u) = \sum u - f + f \log(f / u)` for :math:`u \ge 0`.

    It differs by a constant from the negative logarithm of the probability of counts f where u is expected. Where f is
    0 it is u. Counts in any unit will do: F(s u) for s f is s times as large, as is the total variation.
    """

    @property
    def modulus(self) -> float:
        r"""The least of the second derivative :math:`f / u^2`: of the darkest f where u is brightest."""
        least = (self.low / self.high.square()).double()
        return float(torch.where(self.high > 0, least, 0.0).min())

    def value(self, u: Tensor) -> Tensor:
        """Return the divergence, infinite where u is 0 and f is not, NaN below 0."""
        is_counted = self.f > 0
        # Where nothing is counted both are 1, so that neither the logarithm nor its slope is NaN.
        ratio = torch.where(is_counted, self.f, 1.0) / torch.where(is_counted, u, 1.0)
        return u - self.f + self.f * ratio.log()

    def conjugate(self, z: Tensor) -> Tensor:
        r"""Return :math:`z x - F(x)` at its largest: x is f / (1 - z), as far as the box allows, for z < 1."""
        is_bounded = z < 1
        x = torch.where(is_bounded, self.f / torch.where(is_bounded, 1 - z, 1.0), self.high)
        x = self.clamp(x)
        return z * x - self.value(x)

    def prox(self, u: Tensor, step: float) -> Tensor:
        r"""Return the root x above 0 of :math:`x^2 - (u - t) x - t f` for a step t."""
        b = u - step
        root = (b.square() + 4 * step * self.f).sqrt()
        # Of the two forms of the root that in which nothing cancels.
        divisor = torch.where(b < 0, root - b, 1.0)
        x = torch.where(b < 0, 2 * step * self.f / divisor, 0.5 * (b + root))
        return self.clamp(x)

    def move_to_slope(self, u: Tensor) -> Tensor:
        """Return the picture within the box, and above 0 where something is counted."""
        return torch.maximum(self.clamp(u), LEAST_SHARE * self.f)


DATA_TERMS: Mapping[NoiseModel, type[DataTerm]] = {
    "gaussian": Squares,
    "laplace": Absolute,
    "poisson": Counts,
}

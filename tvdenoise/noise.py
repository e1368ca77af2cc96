"""Noise added to clean pictures, so that what is left of it can be measured; most of it by scikit-image."""

from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tvdenoise.errors import ArrayError, SettingError

NoiseKind = Literal["gaussian", "poisson", "salt-pepper", "speckle"]

_LIMITS = {"gaussian": (0.0, 1.0), "poisson": (1e-3, 1e9), "salt-pepper": (0.0, 1.0), "speckle": (0.0, 1e3)}

_EXAMPLES = {name: f"{name}:{amount}" for name, amount in zip(_LIMITS, ("25/255", "100", "0.05", "0.2"), strict=True)}

_ARGUMENTS = {"gaussian": "var", "speckle": "var", "salt-pepper": "amount"}


@dataclass(frozen=True)
class Noise:
    r"""A kind of noise and how much of it, for intensities in [0, 1].

    Attributes
    ----------
    kind
        ``"gaussian"``: normal with standard deviation ``amount``. ``"speckle"``: the picture times such noise, added.
        ``"salt-pepper"``: the share ``amount`` of the values becomes 0 or 1. ``"poisson"``: counts, ``amount`` for
        white, or if that is None as many as the picture has levels, rounded up to a power of two.
    amount
        As said.
    is_clipped
        Whether the noisy picture is clipped to [0, 1], as a camera does; its noise is neither of mean 0 nor of
        ``amount`` then.

    Raises
    ------
    SettingError
        If the kind is unknown, or the amount impossible.
    """

    kind: NoiseKind
    amount: float | None = None
    is_clipped: bool = False

    def __post_init__(self) -> None:
        """Check kind and amount."""
        if self.kind not in get_args(NoiseKind):
            raise SettingError("noise", f"{self.kind!r} is unknown", f"choose from {', '.join(get_args(NoiseKind))}")
        if self.kind == "poisson" and self.amount is None:
            return
        least, most = _LIMITS[self.kind]
        if not isinstance(self.amount, Real) or not least <= self.amount <= most:
            given = f", not {self.amount:g}" if isinstance(self.amount, Real) else ""
            problem = f"{self.kind} needs an amount from {least:g} to {most:g}{given}"
            raise SettingError("noise", problem, f"give such as {_EXAMPLES[self.kind]}")

    @classmethod
    def read(cls, text: str, *, is_clipped: bool = False) -> "Noise":
        """Return the noise that a text such as ``gaussian:25/255`` calls."""
        kind, _, amount = text.partition(":")
        try:
            value = float(Fraction(amount)) if amount else None
        except (ValueError, ZeroDivisionError, OverflowError):
            problem = f"{amount!r} is no number"
            example = _EXAMPLES.get(kind, "gaussian:25/255")
            raise SettingError("noise", problem, f"give such as {example}") from None
        return cls(kind, value, is_clipped)  # type: ignore[arg-type]

    def __str__(self) -> str:
        """Return kind and amount as :meth:`read` takes them, every digit: it tells rows of a sweep apart."""
        if self.amount is None:
            return self.kind
        levels = round(self.amount * 255)
        is_whole = 1 <= levels < 255 and self.amount == levels / 255
        return f"{self.kind}:" + (f"{levels}/255" if is_whole else repr(float(self.amount)).removesuffix(".0"))

    def added_to(self, picture: NDArray[np.floating], seed: int) -> NDArray[np.floating]:
        """Return a noisy version of a picture of floats on the unit scale, the same for the same seed.

        Raises
        ------
        ArrayError
            If it is one of integers.
        """
        if picture.dtype.kind != "f":
            problem = f"values of type {picture.dtype} are not on the unit scale"
            raise ArrayError("image", problem, "divide it by the number for white")
        if self.kind == "poisson" and self.amount is not None:
            counted = np.random.default_rng(seed).poisson(self.amount * np.maximum(picture, 0.0)) / self.amount
            return np.asarray(np.minimum(counted, 1.0) if self.is_clipped else counted, picture.dtype)
        from skimage.util import random_noise  # slow to import

        arguments: dict[str, Any] = {}
        if self.amount is not None:
            amount = self.amount**2 if _ARGUMENTS[self.kind] == "var" else self.amount
            arguments[_ARGUMENTS[self.kind]] = amount
        mode = "s&p" if self.kind == "salt-pepper" else self.kind
        noisy = random_noise(picture, mode, rng=seed, clip=self.is_clipped, **arguments)
        return np.asarray(noisy, picture.dtype)

"""Noise added to clean pictures, so that what is left of it can be measured; most of it by scikit-image."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tvdenoise.errors import ArrayError, SettingError
from tvdenoise.options.rules import is_number, parse_number

NoiseKind = Literal["gaussian", "poisson", "salt-pepper", "speckle"]


class _Kind(NamedTuple):
    """The least and the largest amount, one to give, and the argument of ``random_noise`` that it is, or its square."""

    least: float
    most: float
    example: str
    argument: str


_KINDS = {
    "gaussian": _Kind(0.0, 1.0, "25/255", "var"),
    "poisson": _Kind(1e-3, 1e9, "100", ""),
    "salt-pepper": _Kind(0.0, 1.0, "0.05", "amount"),
    "speckle": _Kind(0.0, 1e3, "0.2", "var"),
}


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
        least, most, example, _ = _KINDS[self.kind]
        if not is_number(self.amount) or not least <= self.amount <= most:
            given = f", not {self.amount:g}" if is_number(self.amount) else ""
            problem = f"{self.kind} needs an amount from {least:g} to {most:g}{given}"
            raise SettingError("noise", problem, f"give such as {self.kind}:{example}")
        object.__setattr__(self, "amount", float(self.amount))  # no other library's number

    @classmethod
    def read(cls, text: str, *, is_clipped: bool = False) -> "Noise":
        """Return the noise that a text such as ``gaussian:25/255`` calls."""
        kind, _, amount = text.partition(":")
        try:
            value = parse_number(amount) if amount else None
        except ValueError:
            problem = f"{amount!r} is no number"
            kind = kind if kind in _KINDS else "gaussian"
            raise SettingError("noise", problem, f"give such as {kind}:{_KINDS[kind].example}") from None
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
            name = _KINDS[self.kind].argument
            arguments[name] = self.amount**2 if name == "var" else self.amount
        mode = "s&p" if self.kind == "salt-pepper" else self.kind
        noisy = random_noise(picture, mode, rng=seed, clip=self.is_clipped, **arguments)
        return np.asarray(noisy, picture.dtype)

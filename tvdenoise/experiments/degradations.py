"""Noise added to clean pictures, so that what is left of it can be measured; most of it by scikit-image."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvdenoise.errors import ArrayError, SettingError
from tvdenoise.options.rules import is_number, parse_number

NoiseKind = Literal["gaussian", "poisson", "salt-pepper", "speckle"]

# The smallest and the largest amount: beyond them nothing is left of a picture, or nothing changes.
LIMITS = {
    "gaussian": (0.0, 1.0),
    "poisson": (1e-3, 1e9),
    "salt-pepper": (0.0, 1.0),
    "speckle": (0.0, 1e3),
}
EXAMPLES = {"gaussian": "25/255", "poisson": "100", "salt-pepper": "0.05", "speckle": "0.2"}  # for remedies


@dataclass(frozen=True)
class Noise:
    """A kind of noise and how much of it, for intensities in [0, 1].

    ``"gaussian"`` is normal with standard deviation ``amount``. ``"speckle"`` is the picture times such noise, added.
    With ``"salt-pepper"`` the share ``amount`` of the values becomes 0 or 1. ``"poisson"`` counts, ``amount`` in white;
    if that is None, the number of the picture's different values, rounded up to a power of two. A noisy picture that
    ``is_clipped`` to [0, 1], as by a camera, has noise of other moments.
    Raises SettingError if the kind is unknown, or the amount impossible.
    """

    kind: NoiseKind
    amount: float | None = None
    is_clipped: bool = False

    def __post_init__(self) -> None:
        """Check kind and amount."""
        if self.kind not in list(LIMITS):  # a list, as it may be anything
            remedy = f"choose from {', '.join(LIMITS)}, such as gaussian:25/255"
            raise SettingError("noise", f"{self.kind!r} is unknown", remedy)
        if self.kind == "poisson" and self.amount is None:
            return
        least, most = LIMITS[self.kind]
        if is_number(self.amount) and least <= self.amount <= most:
            object.__setattr__(self, "amount", float(self.amount))  # no other library's number
            return
        problem = f"{self.kind} needs an amount from {least:g} to {most:g}"
        if is_number(self.amount):
            problem += f", not {self.amount:g}"
        example = EXAMPLES[self.kind]
        raise SettingError("noise", problem, f"give such as {self.kind}:{example}")

    @classmethod
    def read(cls, text: str, *, is_clipped: bool = False) -> "Noise":
        """Return the noise that a text such as ``gaussian:25/255`` calls."""
        kind, _, amount = text.partition(":")
        try:
            value = parse_number(amount) if amount else None
        except ValueError:
            example = EXAMPLES.get(kind, "0.1")
            remedy = f"give such as {kind}:{example}"
            raise SettingError("noise", f"{amount!r} is no number", remedy) from None
        return cls(kind.lower(), value, is_clipped)  # type: ignore[arg-type]

    def __str__(self) -> str:
        """Return kind and amount as :meth:`read` takes them, with every digit: it tells rows of a sweep apart."""
        if self.amount is None:
            return self.kind
        number = repr(self.amount).removesuffix(".0")
        levels = round(self.amount * 255)
        if self.amount == levels / 255:
            number = min(number, f"{levels}/255", key=len)
        return f"{self.kind}:{number}"

    def add_to(self, picture: NDArray[np.floating], seed: int) -> NDArray[np.floating]:
        """Return a noisy version of floats on the unit scale, the same for the same seed; ArrayError for integers."""
        if picture.dtype.kind != "f":
            problem = f"values of type {picture.dtype} are not on the unit scale"
            raise ArrayError("image", problem, "divide it by the number for white")
        if self.kind == "poisson" and self.amount:
            rates = self.amount * np.maximum(picture, 0.0)
            noisy = np.random.default_rng(seed).poisson(rates) / self.amount
            if self.is_clipped:
                noisy = np.minimum(noisy, 1.0)
            return np.asarray(noisy, picture.dtype)
        from skimage.util import random_noise  # slow to import

        options: dict[str, Any] = {"mode": self.kind}
        if self.kind == "salt-pepper":
            options = {"mode": "s&p", "amount": self.amount}
        elif self.amount is not None:
            options["var"] = self.amount**2
        noisy = random_noise(picture, rng=seed, clip=self.is_clipped, **options)
        return np.asarray(noisy, picture.dtype)

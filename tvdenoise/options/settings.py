"""What one denoising run is asked to do, checked, and free of torch so that a wrong option is told at once."""

import math
import reprlib
from dataclasses import KW_ONLY, dataclass, replace
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Literal, TypeGuard, get_args

from tvdenoise.errors import SettingError
from tvdenoise.options.kinds import MAX_SPACING, ColorChoice, TVKind
from tvdenoise.options.methods import AUTO, METHODS, NOT_OFFERED, Method

DEFAULT_TOL = 1e-3
"""A quarter of an 8-bit gray level."""

TOL_OVER_WEIGHT = 0.04
"""The default tolerance is no more than this times lambda: of a picture that fills little of its range 1e-3 may be
all that is to be removed (no pixel of a gray answer lies further from f than 2 lambda an axis)."""

OPPONENT = ("opponent", "auto")
"""The colour models that come to opponent colours where a picture is RGB."""

MAX_WEIGHT = 1e9
"""Far beyond any weight that leaves more than a flat picture, and safe from overflow."""

MAX_CHROMA = 100.0
"""Far beyond any multiple of lambda that leaves more than gray."""

MAX_STRENGTH = 100.0
"""Far beyond any multiple of a lambda chosen for a picture that is of use."""

MAX_RATE = 1e10
"""Far beyond any rate that is of use; what optimizers make of it is a 32-bit float."""


NUMBERS = ("weight", "chroma", "strength", "sigma", "spacing", "lr", "tol")
"""The settings that are numbers, and not whole ones."""


@dataclass(frozen=True)
class Settings:
    r"""The model and the solver.

    Attributes
    ----------
    weight
        :math:`\lambda \ge 0` in :math:`\frac12\|u-f\|^2 + \lambda\,\mathrm{TV}(u)`, for intensities in [0, 1], or
        ``"auto"``: chosen for the picture.
    tv
        The kind of total variation.
    color
        The colour model; ``"auto"`` for opponent where the picture is RGB, rgb elsewhere.
    chroma
        The weight of the chroma channels of the opponent model as a multiple of lambda; None for 1.5, or one that is
        chosen where lambda is.
    strength
        By what the lambda that is chosen is multiplied: above 1 smoother, below it closer to the noisy picture.
    sigma
        The standard deviation of the noise on the unit scale; None to estimate it where it is needed.
    volume
        Couple the slices of a volume: its third axis has differences too.
    spacing
        The distance between the slices of a volume in units of that between pixels, by which those differences are
        divided; None for what a file tells, or else 1.
    optimizer
        A row of :data:`tvdenoise.options.methods.METHODS`; ``"auto"`` for the fastest that the model and ``lr`` allow.
    lr
        The optimizer's rate; None for the method's own.
    tol
        The result is certified to lie within ``tol`` RMS of the exact minimiser, as a fraction of the intensity range;
        None for 1e-3, or 0.04 lambda where that is less.
    max_steps
        The limit of the steps at full size; None for the method's own.
    device
        ``"auto"`` or a torch device such as ``"cpu"``, ``"cuda:1"``, ``"mps"``.

    Raises
    ------
    SettingError
        If a value is impossible; a ``ValueError`` too.
    """

    weight: float | Literal["auto"] = "auto"
    _: KW_ONLY
    tv: TVKind = "anisotropic"
    color: ColorChoice = "rgb"
    chroma: float | None = None
    strength: float = 1.0
    sigma: float | None = None
    volume: bool = False
    spacing: float | None = None
    optimizer: str = "auto"
    lr: float | None = None
    tol: float | None = None
    max_steps: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        """Check every field."""
        is_known = self.weight == "auto" if isinstance(self.weight, str) else is_number(self.weight)
        if not is_known or (self.weight != "auto" and not 0 <= self.weight <= MAX_WEIGHT):
            problem = f"{_shown(self.weight)} is neither a number from 0 to {MAX_WEIGHT:g} nor auto"
            raise SettingError("weight", problem, "0.1 is a usual value for intensities in [0, 1]")
        self._check_between("sigma", 0, MAX_WEIGHT, "leave it out to estimate it")
        if self.sigma is not None and self.weight != "auto":
            raise SettingError("sigma", "it is for choosing lambda, and lambda is given", "leave one of them out")
        self._check_between("strength", 1 / MAX_STRENGTH, MAX_STRENGTH, "1.5 is smoother, 0.7 keeps more")
        if self.strength != 1 and self.weight != "auto":
            raise SettingError("strength", "it is for a chosen lambda, and lambda is given", "leave one of them out")
        if self.color not in get_args(ColorChoice):
            raise SettingError("color", f"{self.color!r} is unknown", f"choose from {', '.join(get_args(ColorChoice))}")
        self._check_between("chroma", 0, MAX_CHROMA, "1 to 2 are usual")
        if self.chroma is not None and not self.may_be_opponent:
            problem = f"the color model {self.color} has no luma and chroma"
            raise SettingError("chroma", problem, "leave it out, or let color be opponent")
        if self.tv not in get_args(TVKind):
            raise SettingError("tv", f"{self.tv!r} is unknown", f"choose from {', '.join(get_args(TVKind))}")
        if self.volume not in (True, False):
            raise SettingError("volume", f"{_shown(self.volume)} is neither true nor false", "give one of them")
        remedy = "give the distance of slices in pixel widths, such as 2.5"
        self._check_between("spacing", 1 / MAX_SPACING, MAX_SPACING, remedy)
        if self.spacing is not None and not self.volume:
            raise SettingError("spacing", "it is for the slices of a volume", "leave it out, or take them as a volume")
        if not isinstance(self.device, str):
            raise SettingError("device", f"{self.device!r} is no name", "give such as auto, cpu, or cuda:1")
        if self.optimizer not in (AUTO, *METHODS):
            raise SettingError("optimizer", *self._no_such_optimizer())
        if self.optimizer == "alternating" and not self._alternates:
            problem = "alternating is for anisotropic TV of pictures without coupling"
            raise SettingError("optimizer", problem, "use auto for the fastest that a model allows")
        if self.optimizer == "alternating" and self.lr is not None:
            raise SettingError("lr", "alternating needs no rate", "leave one of them out")
        if self.lr is not None and not (is_number(self.lr) and 0 < self.lr <= MAX_RATE):
            problem = f"{self.lr!r} is not a number above 0 and at most {MAX_RATE:g}"
            raise SettingError("lr", problem, "leave it out for the method's own")
        if self.tol is not None and not (is_number(self.tol) and 0 < self.tol < math.inf):
            raise SettingError("tol", f"{self.tol!r} is not a finite number above 0", "leave it out for the default")
        if self.max_steps is not None and not (
            isinstance(self.max_steps, Integral) and is_number(self.max_steps) and self.max_steps >= 1
        ):
            problem = f"{self.max_steps!r} is not a whole number of 1 or more"
            raise SettingError("max_steps", problem, "leave it out")
        kinds = {**dict.fromkeys(NUMBERS, float), "max_steps": int, "volume": bool}
        for name, kind in kinds.items():  # no other libraries' numbers
            if getattr(self, name) not in (None, "auto"):
                object.__setattr__(self, name, kind(getattr(self, name)))

    def _check_between(self, name: str, least: float, most: float, remedy: str) -> None:
        value = getattr(self, name)
        if value is None and getattr(Settings, name) is None:  # which is the default
            return
        if not (is_number(value) and least <= value <= most):
            raise SettingError(name, f"{_shown(value)} is not a number from {least:g} to {most:g}", remedy)

    @property
    def may_be_opponent(self) -> bool:
        """Whether luma and chroma have each a lambda where a picture is RGB."""
        return self.color in OPPONENT

    def with_color(self, color: ColorChoice) -> "Settings":
        """Return the settings for a picture for which the colour model comes to ``color``."""
        return replace(self, color=color, chroma=self.chroma if color in OPPONENT else None)

    @property
    def applied_strength(self) -> float | None:
        """The strength, None where lambda is given."""
        return self.strength if self.weight == "auto" else None

    def tolerance(self, weight: float) -> float:
        """Return the tolerance at a lambda."""
        return min(DEFAULT_TOL, TOL_OVER_WEIGHT * weight) if self.tol is None else self.tol

    @property
    def axes(self) -> Literal[2, 3]:
        """The number of spatial axes."""
        return 3 if self.volume else 2

    @property
    def method_name(self) -> str:
        """The name of the row of the method table."""
        if self.optimizer != AUTO:
            return self.optimizer
        return "alternating" if self._alternates and self.lr is None else "fista"

    @property
    def method(self) -> Method:
        """The row of the method table, with the rate and the step limit that are asked for."""
        row = METHODS[self.method_name]
        lr, max_steps = row.lr if self.lr is None else self.lr, self.max_steps or row.max_steps
        return replace(row, lr=lr, max_steps=max_steps)

    @property
    def _alternates(self) -> bool:
        return self.tv == "anisotropic" and self.color != "coupled" and not self.volume

    def _no_such_optimizer(self) -> tuple[str, str]:
        if not isinstance(self.optimizer, str):
            return f"{self.optimizer!r} is no name", "leave it out for the fastest"
        if self.optimizer in NOT_OFFERED:
            return f"{self.optimizer} is not offered, it {NOT_OFFERED[self.optimizer]}", "leave it out for the fastest"
        names = (AUTO, *METHODS)
        near = get_close_matches(self.optimizer.lower(), names, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(names)}"
        return f"{self.optimizer!r} is unknown", remedy


def number_of(text: str) -> float:
    """Return a number that is written as one, or as a fraction such as 25/255.

    Raises
    ------
    ValueError
        If it is none.
    """
    numerator, *denominator = (float(part) for part in text.split("/", 1))
    if denominator == [0]:
        raise ValueError(f"{text} is no number")
    return numerator / denominator[0] if denominator else numerator


def _shown(value: object) -> str:
    """Return a value of any kind, such as an array, in part of a line."""
    return " ".join(reprlib.repr(value).split())


def is_number(value: object) -> TypeGuard[float]:
    """Return whether something is a number, of whatever library."""
    return isinstance(value, Real) and not isinstance(value, bool)

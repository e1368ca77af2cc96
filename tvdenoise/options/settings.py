"""Every option of the model and the solver, declared once: type, default, unit, help, and the rule for its values.

The command line, ``denoise``, the grids of sweeps, their files and their rows read this declaration. It is free of
torch, so that a wrong option is reported at once.
"""

import math
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from tvdenoise.errors import SettingError
from tvdenoise.options.kinds import MAX_SPACING, MIN_SPACING, ColorChoice, ColorKind, NoiseModel, Spacing, TVKind
from tvdenoise.options.methods import AUTO, METHODS, Method
from tvdenoise.options.rules import Choice, DeviceName, Distances, Flag, MethodName, Number, Rule, Whole

if TYPE_CHECKING:
    import torch

DEFAULT_TOL = 1e-3  # a quarter of an 8-bit gray level

# The default tolerance is no more than this times lambda: of a picture that fills little of its range 1e-3 may be all
# that is to be removed (no pixel of a gray answer lies further from f than 2 lambda for each axis, over the spacing
# along it).
TOL_OVER_WEIGHT = 0.04

# The default tolerance of models without an RMS bound: of the gap as a share of the energy.
DEFAULT_GAP = 1e-4

OPPONENT = ("opponent", "auto")  # the colour models that come to opponent colours where a picture is RGB
MAX_WEIGHT = 1e9  # far beyond any weight that leaves more than a flat picture, and safe from overflow
SUSPICIOUS_WEIGHT = 2  # above it hardly anything remains of a picture

# Far beyond any multiple of lambda that is of use, for chroma and for a lambda chosen for the picture.
MAX_FACTOR = 100.0

# From where to where lambda usually lies, by the noise model that does not choose it.
USUAL_WEIGHTS = {"laplace": ("0.4", "0.8"), "poisson": ("0.05", "0.5")}

MAX_RATE = 1e10  # far beyond any rate that is of use; what optimizers make of it is a 32-bit float
BEST: dict[str, Any] = {"tv": "isotropic", "color": AUTO}  # the model that comes out best
PLAIN: dict[str, Any] = {"tv": "anisotropic", "color": "rgb"}  # the plainest model: what ``TotalVariation()`` computes

# What a preset stands for, where an option is not given.
PRESETS: dict[str, dict[str, Any]] = {"best": {"weight": AUTO, **BEST}}


def default_model(*weights: object) -> dict[str, Any]:
    """Return the model where none is asked for: the best where lambda is chosen, the plainest where any is given."""
    if all(weight == AUTO for weight in weights):
        return BEST
    return PLAIN


class Needs(NamedTuple):
    """The values of another option without which an option means nothing, and the error where it has none of them."""

    name: str
    values: tuple[object, ...]
    problem: str
    remedy: str


@dataclass(frozen=True)
class Option:
    """The declaration of an option; its name, type and default are those of its field in :class:`Settings`."""

    rule: Rule  # what values it takes
    help: str  # what it does, for people, on the command line and in Python
    unit: str = ""  # of a number, in words
    panel: Literal["Model", "Solver"] | None = "Model"  # the part of the command line's help; None for the first
    flags: tuple[str, ...] = ()  # how it is written there; by default its name with two dashes
    is_varied: bool = False  # whether sweeps take several values of it
    list_help: str = ""  # what their help says of these
    typed_help: str = ""  # what the help of the command line adds on how it is typed
    needs: Needs | None = None  # what another option must be for it
    is_column: bool = False  # whether rows have a column for it; lambda and colours are among the figures instead


def _declare(default: Any, rule: Rule, help: str, **more: Any) -> Any:  # noqa: A002, ANN401 (as dataclasses' field)
    """Return a field of :class:`Settings`."""
    return field(default=default, metadata={"option": Option(rule, help, **more)})


@dataclass(frozen=True)
class Settings:
    """The model and the solver; the help of each field says what it means.

    Raises SettingError, a ``ValueError``, if a value is impossible, or two do not go together.
    """

    weight: float | Literal["auto"] = _declare(
        AUTO,
        Number(0, MAX_WEIGHT, "give such as 0.1, or 25/255", or_auto=True),
        "Weight lambda of the total variation, for intensities 0 to 1, such as 0.1 or 25/255: larger is smoother. "
        "auto: chosen by the noise in the picture, for the model that comes out best: tv isotropic, color auto. "
        "With a number the model is that of TotalVariation: anisotropic, rgb. Both unless you give tv or color.",
        unit="of intensities 0 to 1",
        panel=None,
        flags=("--lambda", "-l"),
        is_varied=True,
        list_help="Such as 0.02,0.05,auto, or 0.01:1:12 for twelve evenly spaced by their logarithms; 0:0.2:5:lin. "
        "With auto alone the model is isotropic, color auto, with any number anisotropic, rgb, unless you give it.",
    )
    _: KW_ONLY
    # None stands for the default, which __post_init__ puts in its place.
    tv: TVKind = _declare(
        None,
        Choice(get_args(TVKind)),
        "What is summed: |Dx u| + |Dy u|, or sqrt(|Dx u|^2 + |Dy u|^2). Default: isotropic where lambda is auto, "
        "else anisotropic.",
        is_varied=True,
        list_help=f"{', '.join(get_args(TVKind))}.",
        is_column=True,
    )
    color: ColorChoice = _declare(
        None,
        Choice(get_args(ColorChoice)),
        "rgb: TV of each channel, summed. opponent: TV(L) + C TV(P) + C TV(Q) for L = (R+G+B)/sqrt 3, "
        "P = (R-B)/sqrt 2, Q = (R-2G+B)/sqrt 6, C by chroma; RGB only. coupled: differences as vectors over "
        "all channels. auto: for RGB opponent, or coupled with the noise models laplace and poisson, rgb for all else. "
        "Default: auto where lambda is auto, else rgb. "
        "Transparency is never touched.",
        is_varied=True,
        list_help=f"{', '.join(get_args(ColorChoice))}.",
    )
    chroma: float | None = _declare(
        None,
        Number(0, MAX_FACTOR, "1 to 2 are usual"),
        "With opponent colours: weight of the chroma channels as a multiple of lambda. Default: chosen where lambda "
        "is, else 1.5.",
        unit="times lambda",
        is_varied=True,
        list_help="With --color opponent: weights of the chroma channels as multiples of lambda, such as 1,1.5,2. "
        "Default: chosen where lambda is, else 1.5.",
        needs=Needs(
            "color",
            OPPONENT,
            "only opponent colours have luma and chroma",
            "leave it out, or let color be opponent or auto",
        ),
    )
    noise_model: NoiseModel = _declare(
        "gaussian",
        Choice(get_args(NoiseModel)),
        "The noise that the data term F of F(u) + lambda TV(u) is for. gaussian: half the sum of (u - f)^2. laplace: "
        "the sum of |u - f|, for outliers, salt and pepper. poisson: the sum of u - f + f log(f/u), for counts in any "
        "unit. The last two need a lambda, which has no unit: twice the picture has twice the answer.",
        is_varied=True,
        list_help=f"{', '.join(get_args(NoiseModel))}.",
        is_column=True,
    )
    strength: float = _declare(
        1.0,
        Number(1 / MAX_FACTOR, MAX_FACTOR, "1.5 is smoother, 0.7 keeps more"),
        "Multiple of the lambda that auto chooses: 1.5 is smoother, 0.7 keeps more.",
        unit="times the lambda chosen",
        is_varied=True,
        list_help="Multiples of the lambda that auto chooses, such as 0.7,1,1.5.",
        needs=Needs("weight", (AUTO,), "it is for a chosen lambda, and lambda is given", "leave one of them out"),
        is_column=True,
    )
    sigma: float | None = _declare(
        None,
        Number(0, MAX_WEIGHT, "give such as 25/255, or leave it out to estimate it"),
        "Standard deviation of the noise, for a lambda that auto chooses. Default: estimated.",
        unit="of intensities 0 to 1",
        typed_help="In the file's units, or as a fraction of the range such as 25/255.",
        needs=Needs("weight", (AUTO,), "it is for choosing lambda, and lambda is given", "leave one of them out"),
    )
    volume: bool = _declare(
        False,  # noqa: FBT003 (the default)
        Flag(),
        "Couple the slices of a stack along its depth too, instead of denoising them one by one.",
        is_column=True,
    )
    spacing: Spacing | None = _declare(
        None,
        Distances(MIN_SPACING, MAX_SPACING, "give the distance of slices in pixel widths, such as 2.5"),
        "Distance between the slices of a volume, in pixel widths: 2.5 for 500 nm where pixels have 200. Or the "
        "distances along all axes, in any unit: 0.5,0.1,0.2 between slices, rows and columns, 0.1,0.2 in a picture. "
        "Differences are divided by them. Default: what a TIFF of ImageJ or OME tells, else 1.",
        unit="pixel widths",
        is_column=True,
    )
    optimizer: str = _declare(
        AUTO,
        MethodName(),
        f"auto, or one of {', '.join(METHODS)}. auto is pdhg for the noise models laplace and poisson, alternating for "
        "anisotropic TV without coupling where no rate is given, and fista for all else.",
        panel="Solver",
        is_varied=True,
        list_help="Such as auto,fista,adam,lbfgs.",
        is_column=True,
    )
    lr: float | None = _declare(
        None,
        Number(0, MAX_RATE, "leave it out for the method's own", is_open=True),
        "The optimizer's rate; alternating has none. Default: the method's own.",
        panel="Solver",
        is_column=True,
    )
    tol: float | None = _declare(
        None,
        Number(0, math.inf, "leave it out for the default", is_open=True),
        "The result is certified to lie within this RMS of the exact minimiser, as a fraction of the range. "
        "Default: 0.001, or 0.04 lambda where that is less. With the noise models laplace and poisson: its energy is "
        "certified to be at most this share above the least. Default there: 0.0001.",
        unit="of the intensity range",
        panel="Solver",
    )
    max_steps: int | None = _declare(
        None,
        Whole(1),
        "Step limit. Default: 10000 of alternating, fista and pdhg, 25 of lbfgs, 500 of others.",
        panel="Solver",
        is_column=True,
    )
    device: "str | torch.device" = _declare(
        AUTO,
        DeviceName(),
        "auto (an accelerator, if the picture is worth it), cpu, cuda, cuda:1, mps, xpu.",
        panel="Solver",
    )

    def __post_init__(self) -> None:
        """Check every field by its rule, and those that must go together."""
        for name in OPTIONS:
            object.__setattr__(self, name, check_option(name, getattr(self, name)))
        for name, default in default_model(self.weight).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        for name, option in OPTIONS.items():
            needs = option.needs
            is_default = getattr(self, name) == DEFAULTS[name]
            if needs is None or is_default:
                continue
            if getattr(self, needs.name) not in needs.values:
                raise SettingError(name, needs.problem, needs.remedy)
        self._check_spacing()
        self._check_noise_model()
        if self.optimizer == "alternating" and not self._alternates:
            problem = "alternating is for anisotropic TV of pictures without coupling, and of square pixels"
            raise SettingError("optimizer", problem, "let tv be anisotropic, or use auto for the fastest")
        if self.optimizer == "alternating" and self.lr is not None:
            raise SettingError("lr", "alternating needs no rate", "leave one of them out")

    def _check_spacing(self) -> None:
        """Refuse a number for slices where there are none, and two numbers for three axes."""
        if isinstance(self.spacing, float) and not self.volume:
            problem = "it is for the slices of a volume"
            raise SettingError("spacing", problem, "leave it out, take them as a volume, or give those of rows,columns")
        if isinstance(self.spacing, tuple) and len(self.spacing) < self.axes:
            raise SettingError("spacing", "a volume has three axes", "give such as 2.5, or 0.5,0.1,0.2")

    def _check_noise_model(self) -> None:
        """Refuse what rests on the square where the data term is another."""
        if self.is_gaussian:
            return
        if self.weight == AUTO:
            remedy = f"give lambda a number, from {' to '.join(USUAL_WEIGHTS[self.noise_model])} is usual"
            raise SettingError("weight", f"it is not chosen for {self.noise_model} noise", remedy)
        if self.color == "opponent" or self.chroma is not None:
            name = "color" if self.chroma is None else "chroma"
            problem = f"opponent colours are for gaussian noise, not {self.noise_model}"
            raise SettingError(name, problem, "leave it out, or let color be coupled or rgb")
        if METHODS[self.method_name].formulation == "dual":
            problem = f"{self.optimizer} is for gaussian noise, not {self.noise_model}"
            raise SettingError("optimizer", problem, "leave it out, or use pdhg")

    def with_color(self, color: ColorChoice) -> "Settings":
        """Return the settings with another colour model, and without ``chroma`` where that has none."""
        chroma = self.chroma if color in OPPONENT else None
        return replace(self, color=color, chroma=chroma)

    def columns(self) -> dict[str, Any]:
        """Return what a row says of the settings: no strength where lambda is given, and the optimizer that is used."""
        names = [name for name, option in OPTIONS.items() if option.is_column]
        values = {name: getattr(self, name) for name in names}
        if self.weight != AUTO:
            values["strength"] = None
        return values | {"optimizer": self.method_name}

    def tolerance(self, weight: float) -> float:
        """Return the tolerance at a lambda."""
        if self.tol is not None:
            return self.tol
        if not self.is_gaussian:
            return DEFAULT_GAP
        return min(DEFAULT_TOL, TOL_OVER_WEIGHT * weight)

    @property
    def axes(self) -> Literal[2, 3]:
        """The number of spatial axes."""
        return 3 if self.volume else 2

    @property
    def is_gaussian(self) -> bool:
        """Whether the data term is the square."""
        return self.noise_model == "gaussian"

    @property
    def rgb_model(self) -> ColorKind:
        """The colour model that ``auto`` stands for where a picture is RGB."""
        return "opponent" if self.is_gaussian else "coupled"

    @property
    def method_name(self) -> str:
        """The name of the row of the method table."""
        if self.optimizer != AUTO:
            return self.optimizer
        if not self.is_gaussian:
            return "pdhg"
        return "alternating" if self._alternates and self.lr is None else "fista"

    @property
    def method(self) -> Method:
        """The row of the method table, with the rate and the step limit that are asked for."""
        row = METHODS[self.method_name]
        if self.lr is not None:
            row = replace(row, lr=self.lr)
        if self.max_steps is not None:
            row = replace(row, max_steps=self.max_steps)
        return row

    @property
    def _alternates(self) -> bool:
        is_square = not isinstance(self.spacing, tuple) or self.spacing[-2] == 1
        is_scalar = self.tv == "anisotropic" and self.color != "coupled"
        return is_scalar and is_square and not self.volume


# The declarations by their names.
OPTIONS: dict[str, Option] = {one.name: one.metadata["option"] for one in fields(Settings)}

DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(Settings)}  # the default values by the same names


def check_option(name: str, value: object) -> Any:  # noqa: ANN401 (each option has a type of its own)
    """Return a value of an option in its type, or raise :class:`SettingError`; None stands for a default of None."""
    if value is None and DEFAULTS[name] is None:
        return None
    return OPTIONS[name].rule.check(name, value)


def doubt_weight(settings: Settings) -> str | None:
    """Return a sentence about a lambda that leaves hardly anything, as one that is meant for other intensities."""
    weight = settings.weight
    has_unit = settings.is_gaussian
    if weight == AUTO or not has_unit or float(weight) <= SUSPICIOUS_WEIGHT:
        return None
    remedy = f"give {weight:g}/255, and for floats the range 0,255 too"
    return f"lambda {weight:g} is for intensities 0 to 1; if it was meant for 0 to 255, {remedy}"


def flag_of(name: str) -> str:
    """Return how an option, or any other setting, is written on the command line."""
    if name in OPTIONS and OPTIONS[name].flags:
        return OPTIONS[name].flags[0]
    return f"--{name.replace('_', '-')}"

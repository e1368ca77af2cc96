"""The figures of a page, each with the rule that makes one of those of several pages."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Any, TypeVar, get_type_hints

from tvdenoise.options.kinds import ColorChoice

Status = TypeVar("Status", bound=str)


def first(values: Sequence[Any]) -> Any:  # noqa: ANN401 (of whatever kind the values are)
    """Return what all have in common."""
    return values[0]


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, None where one is not known."""
    if None in values:
        return None
    return fmean(value for value in values if value is not None)


def mean_psnr(values: Sequence[float | None]) -> float | None:
    """Return the PSNR of the mean squared error, None where one is not known."""
    if None in values:
        return None
    error = fmean(10 ** (-0.1 * value) for value in values if value is not None)
    return -10 * math.log10(error) if error else math.inf


def largest(values: Sequence[float | None]) -> float | None:
    """Return the largest, None where one is not known."""
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def whether_any(values: Sequence[bool | None]) -> bool | None:
    """Return whether it holds of any, None where it is not known of one."""
    return None if None in values else any(values)


def whether_all(values: Sequence[bool | None]) -> bool | None:
    """Return whether it holds of all, None where it is not known of one."""
    return None if None in values else all(values)


def worst(values: Sequence[Status]) -> Status:
    """Return the status of all."""
    from_best_to_worst = ("tolerance", "precision", "max_steps", "non_finite")
    return max(values, key=from_best_to_worst.index)


# The types of figures, each with its rule. None: not known, or not asked for.
Mean = Annotated[float | None, mean]
MeanPSNR = Annotated[float | None, mean_psnr]
Sum = Annotated[float | None, sum]
Largest = Annotated[float | None, largest]
CommonText = Annotated[str | None, first]
WhetherAny = Annotated[bool | None, whether_any]
WhetherAll = Annotated[bool | None, whether_all]


@dataclass(frozen=True)
class Figures:
    """What is reported about a page or a volume, and in sum about a file: by the rule behind the type of each figure.

    ``range`` are the numbers that stand for 0 and 1, of a file those in its first page. Energies, gaps and distances
    are on the unit scale; ``rms_bound`` is that of the floats written, or of integers before they were rounded and
    clipped; PSNR (data range 1, unclipped) and SSIM are those of the numbers written. Sigma and the risk are known
    where lambda was chosen, what the noise is like where it was estimated. An unchanged page has the numbers it had.
    """

    range: Annotated[tuple[float, float] | None, first] = None
    weight: Mean = None
    color: Annotated[ColorChoice | None, first] = None
    chroma: Mean = None
    sigma: Mean = None
    criterion: CommonText = None
    risk: Mean = None
    is_noise_correlated: WhetherAny = None
    is_noise_signal_dependent: WhetherAny = None
    is_unchanged: WhetherAll = None
    device: CommonText = None
    steps: Annotated[int | None, max] = None
    stop: Annotated[str | None, worst] = None
    energy: Sum = None
    gap: Sum = None
    rms_bound: Largest = None
    tol: Largest = None
    psnr_before: MeanPSNR = None
    psnr_after: MeanPSNR = None
    ssim_before: Mean = None
    ssim_after: Mean = None
    seconds: Sum = None


# The rules by the names of figures.
_HINTS = get_type_hints(Figures, include_extras=True)
RULES: dict[str, Callable[[Sequence[Any]], Any]] = {name: hint.__metadata__[0] for name, hint in _HINTS.items()}


def aggregate(pages: Sequence[object]) -> dict[str, Any]:
    """Return those figures that pages have, as figures of all of them, by their names."""
    figures = {}
    for name, rule in RULES.items():
        if hasattr(pages[0], name):
            figures[name] = rule([getattr(page, name) for page in pages])
    return figures

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
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def mean_psnr(values: Sequence[float | None]) -> float | None:
    """Return the PSNR of the mean squared error, None where one is not known."""
    error = mean([None if value is None else 10 ** (-0.1 * value) for value in values])
    if error is None:
        return None
    return -10 * math.log10(error) if error else math.inf


def whether_any(values: Sequence[bool | None]) -> bool | None:
    """Return whether it holds of any, None where it is not known of one."""
    return None if None in values else any(values)


def whether_all(values: Sequence[bool | None]) -> bool | None:
    """Return whether it holds of all, None where it is not known of one."""
    return None if None in values else all(values)


def worst(values: Sequence[Status]) -> Status:
    """Return the status of all."""
    return max(values, key=("tolerance", "precision", "max_steps", "non_finite").index)


@dataclass(frozen=True)
class Figures:
    """What is reported about a page or a volume, and in sum about a file: by the rule behind the type of each figure.

    ``range`` are the numbers that stand for 0 and 1, of a file those in its first page. Energies, gaps and distances
    are on the unit scale; ``rms_bound`` is that of the floats written, or of integers before they were rounded and
    clipped; PSNR (data range 1, unclipped) and SSIM are those of the numbers written. Sigma and the risk are known
    where lambda was chosen, what the noise is like where it was estimated. An unchanged page has the numbers it had.
    """

    range: Annotated[tuple[float, float] | None, first] = None
    weight: Annotated[float | None, mean] = None
    color: Annotated[ColorChoice | None, first] = None
    chroma: Annotated[float | None, mean] = None
    sigma: Annotated[float | None, mean] = None
    criterion: Annotated[str | None, first] = None
    risk: Annotated[float | None, mean] = None
    is_noise_correlated: Annotated[bool | None, whether_any] = None
    is_noise_signal_dependent: Annotated[bool | None, whether_any] = None
    is_unchanged: Annotated[bool | None, whether_all] = None
    device: Annotated[str | None, first] = None
    steps: Annotated[int | None, max] = None
    stop: Annotated[str | None, worst] = None
    energy: Annotated[float | None, sum] = None
    gap: Annotated[float | None, sum] = None
    rms_bound: Annotated[float | None, max] = None
    tol: Annotated[float | None, max] = None
    psnr_before: Annotated[float | None, mean_psnr] = None
    psnr_after: Annotated[float | None, mean_psnr] = None
    ssim_before: Annotated[float | None, mean] = None
    ssim_after: Annotated[float | None, mean] = None
    seconds: Annotated[float | None, sum] = None


# The rules by the names of figures.
RULES: dict[str, Callable[[Sequence[Any]], Any]] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Figures, include_extras=True).items()
}


def aggregate(pages: Sequence[object]) -> dict[str, Any]:
    """Return those figures that pages have, as figures of all of them, by their names."""
    names = [name for name in RULES if hasattr(pages[0], name)]
    return {name: RULES[name]([getattr(page, name) for page in pages]) for name in names}

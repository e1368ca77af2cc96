"""The figures of several pages as those of one."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

Rule = Callable[[Sequence[Any]], Any]


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


def worst(values: Sequence[str]) -> str:
    """Return the status of all."""
    return max(values, key=("tolerance", "max_steps", "non_finite").index)


RULES: dict[str, Rule] = {
    "weight": mean,
    "color": first,
    "chroma": mean,
    "sigma": mean,
    "risk": mean,
    "is_noise_correlated": whether_any,
    "is_noise_signal_dependent": whether_any,
    "device": first,
    "steps": max,
    "energy": sum,
    "gap": sum,
    "rms_bound": max,
    "tol": max,
    "seconds": sum,
}
"""What becomes of the figures of a result."""


def aggregated(pages: Sequence[object], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return the figures of all pages by the names and the rules."""
    return {name: rule([getattr(page, name) for page in pages]) for name, rule in rules.items()}

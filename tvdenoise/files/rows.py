"""What is reported about a file, a page or a run: figures under the names that JSON and CSV know them by."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tvdenoise import __version__
from tvdenoise.api.aggregation import RULES, Figures, aggregate
from tvdenoise.options.kinds import Spacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvdenoise.api.result import Result
    from tvdenoise.arrays.intensity import Range
    from tvdenoise.files.metrics import Quality

RowDict = Mapping[str, Any]  # a row by its keys, as it was read from a file
RowDicts = Sequence[RowDict]

OLD_KEYS = {"lambda": "weight"}  # the keys of rows that older versions wrote, and what they are called now


@dataclass(frozen=True)
class Row:
    """What is reported about one file.

    ``pages_given`` says which pages were to be denoised, where not all. ``pages`` has the figures of each page, volume
    or channel that was solved by itself, where there are several: page by page, and channel by channel of each.
    """

    input: str
    output: str | None
    status: Literal["done", "skipped", "failed", "planned"]
    error: str | None = None
    shape: tuple[int, ...] | None = None
    axes: str | None = None
    dtype: str | None = None
    tv: str | None = None
    noise_model: str | None = None
    volume: bool | None = None
    spacing: Spacing | None = None
    strength: float | None = None
    pages_given: str | None = None
    optimizer: str | None = None
    lr: float | None = None
    max_steps: int | None = None
    figures: Figures = Figures()
    version: str = __version__
    pages: tuple[Figures, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row by its keys: the figures stand among the other fields."""
        row: dict[str, Any] = {}
        for key, value in dataclasses.asdict(self).items():
            if key == "figures":
                row |= value
            else:
                row[key] = value
        return row

    def as_json(self) -> dict[str, Any]:
        """Return the row as a JSON object, in which an infinite PSNR is null."""
        row: dict[str, Any] = finite(self.as_dict())
        return row


@dataclass(frozen=True)
class TracePoint:
    """What was known at a certificate: how far the run was, and what the certificate says."""

    step: int
    seconds: float
    energy: float
    gap: float
    rms_bound: float | None


@dataclass(frozen=True)
class TrialRow(Row):
    """The row of one run of a sweep: that of a job, and what tells it from others.

    PSNR and SSIM are those of unclipped floats on the unit scale: ``data_range`` is 1, ``is_clipped`` false.
    """

    # A hash of what the run depends on: pictures, noise, seed, settings, version. Equal keys mean equal results, except
    # for the last digits of sums.
    key: str = ""
    hash: str = ""  # of the picture before noise is added
    reference: str | None = None  # the name of the clean picture, if noise was not added to it
    noise: str | None = None  # what was added
    seed: int | None = None
    chroma_given: float | None = None  # the weight of chroma that was asked for; figures have the one that was used
    is_noise_clipped: bool = False  # to [0, 1]
    data_range: float = 1.0
    is_clipped: bool = False
    trace: tuple[TracePoint, ...] | None = None  # every certificate, if asked for


def finite(value: Any) -> Any:  # noqa: ANN401 (of any kind that JSON has)
    """Return what rows are made of, with None for a number that is not finite, as JSON has it."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def figures_of(
    result: "Result[NDArray[Any]]",
    scale: "Range | None",
    before: "Quality | None",
    after: "Quality | None",
) -> Figures:
    """Return the figures of a page of some range, measured before and after if there is a clean one."""
    shared = {name: getattr(result, name) for name in RULES if hasattr(result, name)}
    shared["range"] = scale  # of the file: the page was on the unit scale already
    return Figures(
        **shared,
        criterion=None if result.risk is None else "sure",
        psnr_before=before and before.psnr,
        psnr_after=after and after.psnr,
        ssim_before=before and before.ssim,
        ssim_after=after and after.ssim,
    )


def summed(pages: Sequence[Figures]) -> Figures:
    """Return the figures of a file from those of its pages."""
    if len(pages) == 1:
        return pages[0]
    return Figures(**aggregate(pages))

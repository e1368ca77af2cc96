"""What is reported about a file, a page or a run: figures under the names that JSON and CSV know them by."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tvdenoise import __version__
from tvdenoise.api.aggregation import RULES, aggregated, first, mean, mean_psnr, worst
from tvdenoise.options.kinds import ColorChoice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvdenoise.api.result import Result
    from tvdenoise.files.metrics import Quality

RowDict = Mapping[str, Any]
"""A row by its keys, as it was read from a file."""

KEYS = {"weight": "lambda"}
"""The keys that are not the names of fields."""

FILE_RULES = RULES | {
    "range": first,
    "criterion": first,
    "stop": worst,
    "psnr_before": mean_psnr,
    "psnr_after": mean_psnr,
    "ssim_before": mean,
    "ssim_after": mean,
}
"""What becomes of the figures of pages in a row about a file."""


@dataclass(frozen=True)
class Figures:
    """What is reported about a page or a volume, and in sum about a file.

    ``range`` are the numbers that stand for 0 and 1, of a file those in its first page. Energies, gaps and distances
    are on the unit scale; ``rms_bound`` is that of the floats written, or of integers before they were rounded and
    clipped; PSNR (data range 1, unclipped) and SSIM are those of the numbers written. Of several pages steps and
    distances are the largest, energies, gaps and seconds the sums, PSNR that of the mean squared error, other numbers
    the means; what holds of any page holds of the file. Sigma and the risk are known where lambda was chosen, what the
    noise is like where it was estimated.
    """

    range: tuple[float, float] | None = None
    weight: float | None = None
    color: ColorChoice | None = None
    chroma: float | None = None
    sigma: float | None = None
    criterion: str | None = None
    risk: float | None = None
    is_noise_correlated: bool | None = None
    is_noise_signal_dependent: bool | None = None
    device: str | None = None
    steps: int | None = None
    stop: str | None = None
    energy: float | None = None
    gap: float | None = None
    rms_bound: float | None = None
    tol: float | None = None
    psnr_before: float | None = None
    psnr_after: float | None = None
    ssim_before: float | None = None
    ssim_after: float | None = None
    seconds: float | None = None


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
    volume: bool | None = None
    spacing: float | None = None
    strength: float | None = None
    pages_given: str | None = None
    optimizer: str | None = None
    figures: Figures = Figures()
    version: str = __version__
    pages: tuple[Figures, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row by its keys: the figures stand among the other fields, which :data:`KEYS` may rename."""
        row: dict[str, Any] = {}
        for key, value in dataclasses.asdict(self).items():
            row |= _named(value) if key == "figures" else {key: value}
        return row | {"pages": row["pages"] and [_named(page) for page in row["pages"]]}

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
    rms_bound: float


@dataclass(frozen=True)
class TrialRow(Row):
    """The row of one run of a sweep: that of a job, and what tells it from others.

    PSNR and SSIM are those of unclipped floats on the unit scale: ``data_range`` is 1, ``is_clipped`` false.

    Attributes
    ----------
    input, status, error
        What the picture is called, ``"done"`` or ``"failed"``, and why.
    figures, pages
        What came of it (:class:`Figures`), and of each page.
    shape, axes, dtype
        Of the picture as it was read.
    tv, volume, spacing, strength, optimizer
        The settings; lambda and the colour model are among the figures.
    version
        Of this package.
    key
        What the run depends on (pictures, noise, seed, settings, version) as a hash: equal keys mean equal results, but
        for the last digits of sums.
    hash
        The picture before noise is added, as a hash.
    reference
        What the clean picture is called, if noise was not added to it.
    noise, seed
        What was added to it.
    chroma_given
        The weight of chroma that was asked for; ``figures`` have the one that was used.
    is_noise_clipped
        Whether the noisy picture was clipped to [0, 1].
    trace
        What was known at each certificate, if asked for.
    """

    key: str = ""
    hash: str = ""
    reference: str | None = None
    noise: str | None = None
    seed: int | None = None
    chroma_given: float | None = None
    is_noise_clipped: bool = False
    data_range: float = 1.0
    is_clipped: bool = False
    trace: tuple[TracePoint, ...] | None = None


def _named(figures: dict[str, Any]) -> dict[str, Any]:
    return {KEYS.get(key, key): value for key, value in figures.items()}


def finite(value: Any) -> Any:  # noqa: ANN401 (of any kind that JSON has)
    """Return what rows are made of, with None for a number that is not finite, as JSON has it."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def figures_of(
    result: "Result[NDArray[Any]]",
    scale: tuple[float, float] | None,
    before: "Quality | None",
    after: "Quality | None",
) -> Figures:
    """Return the figures of a page of some range, measured before and after if there is a clean one."""
    return Figures(
        range=scale,
        **{name: getattr(result, name) for name in RULES},
        criterion=None if result.risk is None else "sure",
        stop=result.status,
        psnr_before=before and before.psnr,
        psnr_after=after and after.psnr,
        ssim_before=before and before.ssim,
        ssim_after=after and after.ssim,
    )


def summed(pages: Sequence[Figures]) -> Figures:
    """Return the figures of a file from those of its pages."""
    return pages[0] if len(pages) == 1 else Figures(**aggregated(pages, FILE_RULES))

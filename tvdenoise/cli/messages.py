"""What is said: to people on stderr (failures, what was read, the line about a finished picture), data on stdout."""

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvdenoise.errors import DeviceError, SettingError, TVDenoiseError, WriteError
from tvdenoise.options.settings import flag_of

if TYPE_CHECKING:
    from tvdenoise.files.rows import Figures, Row

EIGHT_BIT_STEPS = 255
MOST_LAMBDAS = 4
"""Pages or channels up to which the lambda of each is said, and beyond it their mean."""

INTERRUPTED = 130
NOTHING_HALF_WRITTEN = "no output was left half written"


def error_text(error: TVDenoiseError) -> str:
    """Return what an error says, of settings by their flags."""
    if isinstance(error, SettingError):
        return f"{flag_of(error.subject)}: {error.problem}; {error.remedy}"
    return f"--device {error}" if isinstance(error, DeviceError) else str(error)


def command_line() -> str:
    """Return what was typed."""
    return shlex.join(["tvdenoise", *sys.argv[1:]])


def failure(message: str) -> None:
    """Print an error in one line."""
    note(f"tvdenoise: {message}")


def interrupted() -> None:
    """Say that SIGINT came."""
    failure(f"interrupted; {NOTHING_HALF_WRITTEN}")


def note(message: str) -> None:
    """Print a line; nobody can be told that it cannot be printed, and a good result stays one."""
    with suppress(OSError):
        print(one_line(message), file=sys.stderr)


def one_line(text: str) -> str:
    """Return a text as one line that any terminal can show; what cannot be printed is escaped as Python does it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def data(text: str) -> None:
    """Print what was asked for on stdout.

    Raises
    ------
    WriteError
        If that is full or closed.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        problem = f"writing it failed ({error.strerror})"
        raise WriteError("standard output", problem, "check where it goes") from error


def _height_and_width(facts: Mapping[str, Any]) -> tuple[int, int]:
    height, width = (facts["shape"][facts["axes"].index(axis)] for axis in "YX")
    return height, width


def pixels(facts: Mapping[str, Any]) -> int:
    """Return the number of pixels in all pages of what :func:`tvdenoise.images.facts.describe` found."""
    return math.prod(_height_and_width(facts)) * int(facts["pages"])


def size(facts: Mapping[str, Any]) -> str:
    """Return width, height, colours and pages of what was found."""
    height, width = _height_and_width(facts)
    return f"{width}x{height} {facts['colours']}" + (f", {facts['pages']} pages" if facts["pages"] > 1 else "")


def kind_of_page(facts: Mapping[str, Any], *, volume: bool | None) -> str:
    """Say what is denoised by itself."""
    return "channel" if facts["channels_apart"] > 1 else "volume" if volume else "page"


def file_line(facts: Mapping[str, Any]) -> str:
    """Say all that was found in one line."""
    low, high = facts["range"]
    least, largest = facts["values"]
    parts = [
        f"{facts['format']} {size(facts)}",
        f"axes {facts['axes']}",
        f"{facts['dtype']} from {least:.6g} to {largest:.6g}",
        f"range {span(low, high)}",
        *([f"slices {facts['spacing']:.3g} pixels apart"] if facts["spacing"] else []),
        *facts["metadata"],
        *facts["notes"],
        *facts["hints"],
        f"{math.ceil(facts['memory'] / 2**20)} MiB to denoise"
        + (f" on {facts['device']}" if "device" in facts else ""),
    ]
    return ", ".join(parts)


def hints(row: "Row", facts: Mapping[str, Any]) -> list[str]:
    """Return what was found that may have been meant otherwise, where the result depends on the range."""
    from tvdenoise.images import holds_type  # loaded by now

    is_chosen_for_all = row.figures.is_noise_correlated is not None and row.figures.psnr_after is None
    is_kept = row.output is None or holds_type(Path(row.output), facts["dtype"])
    return [] if is_chosen_for_all and is_kept else list(facts["hints"])


def installation_text(installation: Mapping[str, Any]) -> str:
    """Return versions, devices and formats in a line each."""
    versions = (f"{name} {number or '(not installed)'}" for name, number in installation["versions"].items())
    formats = (f"{name} ({' '.join(endings)})" for name, endings in installation["formats"].items())
    lists = {"versions": versions, "devices": installation["devices"], "formats": formats}
    return "\n".join(f"{title}: {', '.join(items)}" for title, items in lists.items())


def summary_line(row: "Row", facts: Mapping[str, Any]) -> str:
    """Say in one line what was done, and how close to the exact minimiser the result is certified to be."""
    figures = row.figures
    assert figures.rms_bound is not None
    assert figures.tol is not None
    assert figures.seconds is not None
    is_rounded = figures.stop == "tolerance" and figures.rms_bound > 1.1 * figures.tol and "float" in str(row.dtype)
    what = size(facts) + ("" if row.pages_given is None else f" ({row.pages_given} denoised)")
    parts = [
        f"{row.input} -> {row.output}: {what}, {_lambda(row, facts)}, {row.optimizer} on {figures.device}",
        f"{figures.steps} step{'s' * (figures.steps != 1)}"
        + (f" (the limit, before the tolerance {figures.tol:g})" if figures.stop == "max_steps" else ""),
        f"certified within {figures.rms_bound:.2g} of the exact minimiser{_own_units(row)}"
        + (", as near as its type of floats comes" if is_rounded else ""),
        f"{figures.seconds:.2f} s of steps",
    ]
    return ", ".join(parts)


def _own_units(row: "Row") -> str:
    """Say the certified distance in the file's own numbers."""
    assert row.figures.rms_bound is not None
    scale = _range(row)
    if scale is None or scale == (0, 1):
        return ""
    if row.dtype == "uint8" and scale == (0, EIGHT_BIT_STEPS):
        return f" ({row.figures.rms_bound * EIGHT_BIT_STEPS:.2g} of an 8-bit gray level)"
    return f" ({_number_on_range(row.figures.rms_bound, *scale)}{_of_range(*scale)})"


def _range(row: "Row") -> tuple[float, float] | None:
    """Return the range of all pages, None where they differ in it."""
    ranges = {page.range for page in row.pages or (row.figures,)}
    return ranges.pop() if len(ranges) == 1 else None


def _number_on_range(value: float, low: float, high: float) -> str:
    """Return a number of the unit scale as one of a range."""
    own = value * (high - low)
    return f"{own:.0f}" if 1000 <= own < 1e6 else f"{own:.3g}"


def _of_range(low: float, high: float) -> str:
    """Say of what range a number is."""
    return "" if (low, high) == (0, 1) else f" of {span(low, high)}"


def span(low: float, high: float) -> str:
    """Return a range in as many digits, six or more, as tell its ends apart."""
    digits = next((n for n in range(6, 17) if f"{low:.{n}g}" != f"{high:.{n}g}"), 17)
    return f"{low:.{digits}g}..{high:.{digits}g}"


def _lambda(row: "Row", facts: Mapping[str, Any]) -> str:
    """Say lambda, and how it was chosen."""
    figures = row.figures
    if figures.sigma is None:
        return f"lambda {figures.weight:g}{_chroma(figures)}"
    if figures.weight == 0:
        return "lambda 0, no noise" + ("" if figures.is_noise_correlated is None else " found")
    pages: Sequence[Figures] = row.pages or (figures,)
    told, channels = pages, facts["channels_apart"]
    if len(pages) > MOST_LAMBDAS:
        from tvdenoise.files.rows import summed  # loaded by now

        told = (
            [summed(pages[channel::channels]) for channel in range(channels)] if channels <= MOST_LAMBDAS else [figures]
        )
    mean = "mean " if len(told) < len(pages) else ""
    weights = " / ".join(f"{page.weight:.4g}{_chroma(page)}" for page in told)
    scale = _range(row)
    sigmas = " / ".join(_number_on_range(page.sigma or 0.0, *(scale or (0, 1))) for page in told)
    sigmas += " of the range of each" if scale is None else _of_range(*scale)

    def in_pages(name: str) -> str:
        """Say of how many pages something holds that holds of a file, unless it is all."""
        count = sum(bool(getattr(page, name)) for page in pages)
        kind = kind_of_page(facts, volume=row.volume)
        return f" in {count} of {len(pages)} {kind}s" if count < len(pages) else ""

    changing = f" on average, changing with the signal{in_pages('is_noise_signal_dependent')}"
    shared = f", shared by neighbouring pixels{in_pages('is_noise_correlated')}: if much remains, give --lambda"
    changing, shared = changing * bool(figures.is_noise_signal_dependent), shared * bool(figures.is_noise_correlated)
    chosen = "by SURE" if row.strength in (None, 1) else f"({row.strength:g} times the choice) by SURE"
    return f"{mean}lambda {weights} {chosen} for noise of sigma {sigmas}{changing}{shared}"


def _chroma(figures: "Figures") -> str:
    """Say how lambda for chroma compares, where there is chroma."""
    return "" if figures.chroma is None else f" (chroma {figures.chroma:.3g} times that)"


def quality_line(row: "Row") -> str:
    """Say how PSNR and SSIM against the reference changed."""
    figures = row.figures
    scale = _range(row)
    peak = f"peak {scale[1] - scale[0]:g}" if scale else "each page by its own range"
    psnr = f"PSNR {figures.psnr_before:.2f} -> {figures.psnr_after:.2f} dB ({peak})"
    if figures.ssim_before is None or figures.ssim_after is None:
        return psnr
    return f"{psnr}, SSIM {figures.ssim_before:.4f} -> {figures.ssim_after:.4f}"

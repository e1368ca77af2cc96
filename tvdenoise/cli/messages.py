"""The texts of the command line: for people on stderr (failures, what was read, what was done), data on stdout."""

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
    from tvdenoise.api.aggregation import Figures
    from tvdenoise.files.rows import Row

EIGHT_BIT_STEPS = 255
MOST_LAMBDAS = 4
"""The most pages or channels of which each lambda is said, so that the line stays one; of more, their mean."""

INTERRUPTED = 130
NOTHING_HALF_WRITTEN = "no output was left half written"


def error_text(error: TVDenoiseError) -> str:
    """Return the message of an error, with the flag in place of a setting's name."""
    if isinstance(error, SettingError):
        return f"{flag_of(error.subject)}: {error.problem}; {error.remedy}"
    if isinstance(error, DeviceError):
        return f"--device {error}"
    return str(error)


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["tvdenoise", *sys.argv[1:]])


def failure(message: str) -> None:
    """Print an error in one line."""
    note(f"tvdenoise: {message}")


def interrupted() -> None:
    """Say that SIGINT came."""
    failure(f"interrupted; {NOTHING_HALF_WRITTEN}")


def note(message: str) -> None:
    """Print a line on stderr."""
    with suppress(OSError):  # a result stays good if stderr is full or closed
        print(one_line(message), file=sys.stderr)


def one_line(text: str) -> str:
    """Return a text in one line for any terminal, with Python's escapes for characters that cannot be printed."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def plural(number: int, noun: str) -> str:
    """Return a number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def data(text: str) -> None:
    """Print on stdout.

    Raises
    ------
    WriteError
        If it is full or closed.
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
    """Return the number of pixels in all pages, from what :func:`tvdenoise.images.facts.describe` found."""
    return math.prod(_height_and_width(facts)) * int(facts["pages"])


def size(facts: Mapping[str, Any]) -> str:
    """Say width, height, colours and pages."""
    height, width = _height_and_width(facts)
    text = f"{width}x{height} {facts['colours']}"
    pages = facts["pages"]
    return text if pages == 1 else f"{text}, {pages} pages"


def kind_of_page(facts: Mapping[str, Any], *, volume: bool | None) -> str:
    """Return the name of what is denoised by itself."""
    if facts["channels_apart"] > 1:
        return "channel"
    return "volume" if volume else "page"


def file_line(facts: Mapping[str, Any]) -> str:
    """Say in one line what was found in a file."""
    low, high = facts["range"]
    least, largest = facts["values"]
    parts = [f"{facts['format']} {size(facts)}", f"axes {facts['axes']}"]
    parts.append(f"{facts['dtype']} from {least:.6g} to {largest:.6g}")
    parts.append(f"range {span(low, high)}")
    if facts["spacing"]:
        parts.append(f"slices {facts['spacing']:.3g} pixels apart")
    for name in ("metadata", "notes", "hints"):
        parts += facts[name]
    memory = f"{math.ceil(facts['memory'] / 2**20)} MiB to denoise"
    if "device" in facts:
        memory += f" on {facts['device']}"
    return ", ".join([*parts, memory])


def hints(row: "Row", facts: Mapping[str, Any]) -> list[str]:
    """Return what may have been meant otherwise in a file, if the result depends on its range."""
    from tvdenoise.images import holds_type  # loaded by now

    is_adaptive = row.figures.is_noise_correlated is not None and row.figures.psnr_after is None
    if is_adaptive and (row.output is None or holds_type(Path(row.output), facts["dtype"])):
        return []
    return list(facts["hints"])


def installation_text(installation: Mapping[str, Any]) -> str:
    """Say versions, devices and formats in a line each."""
    versions = [f"{name} {number or '(not installed)'}" for name, number in installation["versions"].items()]
    formats = [f"{name} ({' '.join(endings)})" for name, endings in installation["formats"].items()]
    lists = {"versions": versions, "devices": installation["devices"], "formats": formats}
    return "\n".join(f"{title}: {', '.join(items)}" for title, items in lists.items())


def summary_line(row: "Row", facts: Mapping[str, Any]) -> str:
    """Say in one line what was done, and how close to the exact minimiser the result is certified to be."""
    figures = row.figures
    assert figures.rms_bound is not None
    assert figures.tol is not None
    assert figures.steps is not None
    picture = size(facts)
    if row.pages_given is not None:
        picture += f" ({row.pages_given} denoised)"
    steps = plural(figures.steps, "step")
    if figures.stop == "max_steps":
        steps += f" (the limit, before the tolerance {figures.tol:g})"
    certified = (
        f"certified within {figures.rms_bound:.2g} of the exact minimiser{_in_own_units(row, figures.rms_bound)}"
    )
    # Only the rounding of floats makes the certified distance larger than the tolerance that was met.
    if figures.stop == "tolerance" and figures.rms_bound > 1.1 * figures.tol and "float" in str(row.dtype):
        certified += ", as near as its type of floats comes"
    done = f"{row.input} -> {row.output}: {picture}, {_lambda(row, facts)}, {row.optimizer} on {figures.device}"
    return f"{done}, {steps}, {certified}, {figures.seconds:.2f} s of steps"


def _in_own_units(row: "Row", distance: float) -> str:
    """Say a distance on the unit scale in the file's own numbers, if they are others."""
    scale = _range(row)
    if scale is None or scale == (0, 1):
        return ""
    if row.dtype == "uint8" and scale == (0, EIGHT_BIT_STEPS):
        return f" ({distance * EIGHT_BIT_STEPS:.2g} of an 8-bit gray level)"
    return f" ({_number_on_range(distance, *scale)} of {span(*scale)})"


def _range(row: "Row") -> tuple[float, float] | None:
    """Return the range of all pages, None if they differ in it."""
    ranges = {page.range for page in row.pages or (row.figures,)}
    return ranges.pop() if len(ranges) == 1 else None


def _number_on_range(value: float, low: float, high: float) -> str:
    """Return a difference on the unit scale as one on a range."""
    difference = value * (high - low)
    if 1000 <= difference < 1e6:
        return f"{difference:.0f}"
    return f"{difference:.3g}"


def span(low: float, high: float) -> str:
    """Return a range with six digits, or more if its ends look the same with fewer."""
    for digits in range(6, 18):
        if f"{low:.{digits}g}" != f"{high:.{digits}g}":
            break
    return f"{low:.{digits}g}..{high:.{digits}g}"


def _lambda(row: "Row", facts: Mapping[str, Any]) -> str:
    """Say lambda, and how it was chosen."""
    figures = row.figures
    if figures.sigma is None:
        return f"lambda {figures.weight:g}{_chroma(figures)}"
    if figures.weight == 0:
        return "lambda 0, no noise" if figures.is_noise_correlated is None else "lambda 0, no noise found"
    pages = row.pages or (figures,)
    groups = _group_pages(pages, facts["channels_apart"], figures)
    text = "mean lambda " if len(groups) < len(pages) else "lambda "
    text += " / ".join(f"{group.weight:.4g}{_chroma(group)}" for group in groups)
    if row.strength not in (None, 1):
        text += f" ({row.strength:g} times the choice)"
    scale = _range(row)
    sigmas = [_number_on_range(group.sigma or 0.0, *(scale or (0, 1))) for group in groups]
    text += f" by SURE for noise of sigma {' / '.join(sigmas)}"
    if scale is None:
        text += " of the range of each"
    elif scale != (0, 1):
        text += f" of {span(*scale)}"
    kind = kind_of_page(facts, volume=row.volume)
    if figures.is_noise_signal_dependent:
        some = _in_some([page.is_noise_signal_dependent for page in pages], kind)
        text += f" on average, changing with the signal{some}"
    if figures.is_noise_correlated:
        some = _in_some([page.is_noise_correlated for page in pages], kind)
        text += f", shared by neighbouring pixels{some}: if much remains, give --lambda"
    return text


def _group_pages(pages: "Sequence[Figures]", channels: int, total: "Figures") -> "Sequence[Figures]":
    """Return the figures of each page, or if these are many of each channel, or if these are many too the total."""
    if len(pages) <= MOST_LAMBDAS:
        return pages
    if channels > MOST_LAMBDAS:
        return [total]
    from tvdenoise.files.rows import summed  # loaded by now

    return [summed(pages[channel::channels]) for channel in range(channels)]


def _in_some(holds: "Sequence[bool | None]", kind: str) -> str:
    """Say in how many pages something holds, unless it is in all of them."""
    count = sum(map(bool, holds))
    return f" in {count} of {len(holds)} {kind}s" if count < len(holds) else ""


def _chroma(figures: "Figures") -> str:
    """Say how lambda for chroma compares, if there is chroma."""
    return "" if figures.chroma is None else f" (chroma {figures.chroma:.3g} times that)"


def quality_line(row: "Row") -> str:
    """Say how PSNR and SSIM against the reference changed."""
    figures = row.figures
    scale = _range(row)
    peak = "each page by its own range" if scale is None else f"peak {scale[1] - scale[0]:g}"
    text = f"PSNR {figures.psnr_before:.2f} -> {figures.psnr_after:.2f} dB ({peak})"
    if figures.ssim_before is not None and figures.ssim_after is not None:
        text += f", SSIM {figures.ssim_before:.4f} -> {figures.ssim_after:.4f}"
    return text

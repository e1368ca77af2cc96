"""The texts of the command line: for people on stderr (failures, what was read, what was done), data on stdout."""

import json
import math
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvdenoise.errors import DeviceError, SettingError, TVDenoiseError, WriteError
from tvdenoise.options.kinds import Spacing
from tvdenoise.options.settings import flag_of

if TYPE_CHECKING:
    from tvdenoise.api.aggregation import Figures
    from tvdenoise.arrays.intensity import Range
    from tvdenoise.files.rows import Row

Facts = Mapping[str, Any]  # what is known of a file, a result or an installation, by name

EIGHT_BIT_STEPS = 255
MOST_LAMBDAS = 4  # pages or channels whose lambdas are all said, so that the line stays one; of more, their mean
LONGEST_BESIDE_BAR = 30  # letters of a name
SECONDS_A_LINE = 10.0  # between lines about progress
INTERRUPTED = 130  # the exit code, as shells have it


def note(message: str) -> None:
    """Print a line on stderr."""
    with suppress(OSError):  # a result stays good if stderr is full or closed
        print(escape(message), file=sys.stderr)


def print_failure(message: str) -> None:
    """Print an error in one line."""
    note(f"tvdenoise: {message}")


def print_error(error: TVDenoiseError) -> None:
    """Print an error, with the flag in place of a setting's name."""
    text = str(error)
    if isinstance(error, SettingError):
        flag = flag_of(error.subject)
        text = f"{flag}: {error.problem}; {error.remedy}"
    elif isinstance(error, DeviceError):
        text = f"--device {error}"
    print_failure(text)


def print_end(what: str) -> None:
    """Say that a signal came."""
    print_failure(f"{what}; no output was left half written")


def print_data(text: str) -> None:
    """Print on stdout, or raise :class:`WriteError` if it is full or closed."""
    try:
        print(text, flush=True)
    except OSError as error:
        problem = f"writing it failed ({error.strerror})"
        raise WriteError("standard output", problem, "check where it goes") from error


def print_json(row: Facts) -> None:
    """Print a JSON object on stdout."""
    print_data(json.dumps(row))


def print_result(row: Facts, sentence: str, *, as_json: bool) -> None:
    """Print what is known of a picture on stdout, as a JSON object or as a sentence."""
    if as_json:
        print_json(row)
    else:
        print_data(escape(sentence))


def escape(text: str) -> str:
    """Return a text in one line for any terminal, with Python's escapes for characters that cannot be printed."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["tvdenoise", *sys.argv[1:]])


def format_count(number: int, noun: str) -> str:
    """Return a number and its noun."""
    ending = "" if number == 1 else "s"
    return f"{number} {noun}{ending}"


def format_duration(seconds: float) -> str:
    """Return seconds, or from a minute on minutes, or hours."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s"


def shorten(name: str) -> str:
    """Return the end of a name that is long beside a bar."""
    if len(name) <= LONGEST_BESIDE_BAR:
        return name
    end = name[3 - LONGEST_BESIDE_BAR :]
    return f"...{end}"


class Heartbeat:
    """Lines about progress where no terminal shows a bar, one in ten seconds at the most."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def note(self, message: str) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        is_due = now - self._last >= SECONDS_A_LINE
        if is_due and not sys.stderr.isatty():
            self._last = now
            note(message)


def format_range(low: float, high: float) -> str:
    """Return a range with six digits, or more if its ends look the same with fewer."""
    for digits in range(6, 18):
        first = f"{low:.{digits}g}"
        last = f"{high:.{digits}g}"
        if first != last:
            break
    return f"{first}..{last}"


def _find_size(facts: Facts) -> tuple[int, int]:
    sizes = dict(zip(facts["axes"], facts["shape"], strict=True))
    return sizes["Y"], sizes["X"]


def format_spacing(spacing: Spacing) -> str:
    """Return one number, or several with a cross between them."""
    if isinstance(spacing, float):
        return f"{spacing:g}"
    return " x ".join(f"{distance:.3g}" for distance in spacing)


def count_pixels(facts: Facts) -> int:
    """Return the number of pixels in all pages."""
    return math.prod(_find_size(facts)) * int(facts["pages"])


def _describe_size(facts: Facts) -> str:
    height, width = _find_size(facts)
    text = f"{width}x{height} {facts['colours']}"
    if facts["pages"] > 1:
        text += f", {facts['pages']} pages"
    return text


def name_page(facts: Facts, *, volume: bool | None) -> str:
    """Return the name of what is denoised by itself."""
    if facts["channels_apart"] > 1:
        return "channel"
    return "volume" if volume else "page"


def describe_file(facts: Facts) -> str:
    """Say in one line what was found in a file."""
    least, largest = facts["values"]
    parts = [
        f"{facts['format']} {_describe_size(facts)}",
        f"axes {facts['axes']}",
        f"{facts['dtype']} from {least:.6g} to {largest:.6g}",
        f"range {format_range(*facts['range'])}",
    ]
    if facts["nodata"] is not None:
        parts.append(f"no data at {facts['nodata']:.9g}")
    if facts["spacing"]:
        for name, distance in zip(("slices", "rows"), facts["spacing"], strict=True):
            if distance != 1:
                parts.append(f"{name} {distance:.3g} pixels apart")
    for key in ("metadata", "notes", "flaws", "warnings", "hints"):
        parts += facts[key]
    mebibytes = math.ceil(facts["memory"] / 2**20)
    memory = f"{mebibytes} MiB to denoise"
    if "device" in facts:
        memory += f" on {facts['device']}"
    return ", ".join([*parts, memory])


def find_hints(row: "Row", facts: Facts) -> list[str]:
    """Return what is wrong with a file, and what may be meant otherwise if the result depends on its range."""
    from tvdenoise.images import holds_type  # loaded by now

    # Where the noise was estimated the range cancels out, unless PSNR or another type of output is scaled by it.
    figures = row.figures
    is_adaptive = figures.is_noise_correlated is not None and figures.psnr_after is None
    if is_adaptive and (row.output is None or holds_type(Path(row.output), facts["dtype"])):
        return list(facts["warnings"])
    return [*facts["warnings"], *facts["hints"]]


def note_flaws(row: "Row", facts: Facts) -> None:
    """Print what a library found fault with in a file that was read all the same."""
    for flaw in facts["flaws"]:
        note(f"{row.input}: {flaw}")


def describe_installation(installation: Facts) -> str:
    """Say versions, devices and formats in a line each."""
    versions = []
    for name, number in installation["versions"].items():
        versions.append(f"{name} {number or '(not installed)'}")
    formats = []
    for name, endings in installation["formats"].items():
        formats.append(f"{name} ({' '.join(endings)})")
    lines = {"versions": versions, "devices": installation["devices"], "formats": formats}
    return "\n".join(f"{title}: {', '.join(items)}" for title, items in lines.items())


def describe_result(row: "Row", facts: Facts, seconds: float | None = None) -> str:
    """Say in one plain line what was done, how strongly, in how many seconds if they are known, and where it is."""
    text = f"{row.input} -> {row.output}: "
    if facts["pages"] > 1:
        text += f"{_count_pages(row, facts)}, "
    text += _describe_effect(row)
    if seconds is not None:
        text += f" in {format_duration(seconds)}"
    return text


def _describe_effect(row: "Row") -> str:
    figures = row.figures
    if figures.sigma is None and figures.weight == 0:
        return "copied at lambda 0"
    if figures.sigma is None:
        return f"smoothed at lambda {_format_lambda(figures, 'g')}{_name_scaling(row)}"
    if figures.weight == 0:
        return "found no noise to remove"
    pages = row.pages or (figures,)
    scale = _find_range(row)
    sigmas = [page.sigma or 0.0 for page in pages]
    least = _format_difference(min(sigmas), scale)
    most = _format_difference(max(sigmas), scale)
    text = f"noise of sigma {most}"
    if least != most:
        text = f"noise of sigma {least} to {most}"
    verb = "found" if _is_lost_in_rounding(figures) else "removed"
    text += f" of {_name_range(scale)} {verb}"
    if row.strength not in (None, 1):
        text += f" at strength {row.strength:g}"
    return text


def _name_scaling(row: "Row") -> str:
    """Say by what floats that are no [0, 1] picture were scaled, since lambda counts in that."""
    scale = _find_range(row)
    if scale == (0, 1) or row.dtype is None or not row.dtype.startswith("float"):
        return ""
    return f" of {_name_range(scale)}"


def _name_range(scale: "Range | None") -> str:
    """Name the range that a sigma is of, as people do: by its end where it begins at 0."""
    if scale is None:
        return "the range of each"
    low, high = scale
    if low == 0:
        return f"{high:g}"
    return format_range(low, high)


def _count_pages(row: "Row", facts: Facts) -> str:
    """Say how many pages there are, or which of them were denoised."""
    kind = "volume" if row.volume else "page"
    if row.pages_given is None:
        return f"{facts['pages']} pages"
    if not row.pages_given.isdecimal():
        kind += "s"
    return f"{kind} {row.pages_given} of {facts['pages']} pages"


def describe_solution(row: "Row", facts: Facts) -> str:
    """Say in one line how it was done, and how close to the exact minimiser the result is certified to be."""
    figures = row.figures
    certified = f"certified {_describe_proof(row)}"
    if figures.stop == "precision":
        certified += ", as close as the arithmetic allows"
    parts = [
        _describe_size(facts),
        _describe_lambda(row, facts),
        f"{row.optimizer} on {figures.device}",
        format_count(figures.steps or 0, "step"),
        certified,
        f"{figures.seconds:.2f} s of steps",
    ]
    return ", ".join(parts)


def describe_error(error: float, *, is_by_gap: bool) -> str:
    """Say how close a picture is to the exact minimiser: by its energy where that is all that is known."""
    if is_by_gap:
        return f"within {error:.2g} of the least energy"
    return f"within {error:.2g} of the exact minimiser"


def _describe_proof(row: "Row") -> str:
    figures = row.figures
    if row.noise_model != "gaussian":
        gap = figures.gap or 0.0
        text = describe_error(gap / figures.energy if figures.energy else gap, is_by_gap=True)
        if figures.rms_bound is None:
            return f"{text}, with no bound on the distance from the exact minimiser"
        return f"{text}, {figures.rms_bound:.2g} from the exact minimiser"
    bound = figures.rms_bound
    assert bound is not None
    return describe_error(bound, is_by_gap=False) + _in_own_units(row, bound)


def find_cautions(row: "Row") -> list[str]:
    """Return what may leave a result other than was meant, and what to do then."""
    figures = row.figures
    found = []
    if figures.stop == "max_steps":
        found.append(f"stopped at the step limit, before the tolerance {figures.tol:g}: allow more --max-steps")
    return found + find_doubts(row)


def find_doubts(row: "Row") -> list[str]:
    """Return what may leave noise that was found."""
    figures = row.figures
    found = []
    if figures.is_noise_correlated and figures.weight:
        strength = 1.5 * (row.strength or 1)
        found.append(f"noise shared by neighbouring pixels: if some remains, try --strength {strength:g}")
    if _is_lost_in_rounding(figures):
        found.append("too little taken off for whole numbers to show: no pixel changes; -o NAME.npy shows it")
    return found


def _is_lost_in_rounding(figures: "Figures") -> bool:
    return bool(figures.is_unchanged and figures.sigma and figures.weight)


def _find_range(row: "Row") -> "Range | None":
    pages = row.pages or (row.figures,)
    ranges = {page.range for page in pages}
    return ranges.pop() if len(ranges) == 1 else None


def _in_own_units(row: "Row", distance: float) -> str:
    """Say a distance on the unit scale in the file's own numbers, if they are others."""
    scale = _find_range(row)
    if scale is None or scale == (0, 1):
        return ""
    if row.dtype == "uint8" and scale == (0, EIGHT_BIT_STEPS):
        levels = distance * EIGHT_BIT_STEPS
        return f" ({levels:.2g} of an 8-bit gray level)"
    own = _format_difference(distance, scale)
    return f" ({own} of {format_range(*scale)})"


def _format_difference(value: float, scale: "Range | None") -> str:
    """Say a difference on the unit scale in the numbers of a range, if one is known."""
    low, high = scale or (0, 1)
    difference = value * (high - low)
    if 999.5 <= difference < 1e6:  # of which three digits would need a power of ten
        return f"{difference:.0f}"
    return f"{difference:.3g}"


def _describe_lambda(row: "Row", facts: Facts) -> str:
    """Say lambda, and how it was chosen."""
    figures = row.figures
    if figures.sigma is None:  # lambda was given
        return f"lambda {_format_lambda(figures, 'g')}"
    if figures.weight == 0:
        was_given = figures.is_noise_correlated is None
        return "lambda 0, no noise" if was_given else "lambda 0, no noise found"
    pages = row.pages or (figures,)
    groups = _group_pages(pages, facts["channels_apart"], figures)
    text = "lambda "
    if len(groups) < len(pages):
        text = "mean lambda "
    text += " / ".join(_format_lambda(group, ".4g") for group in groups)
    if row.strength not in (None, 1):
        text += f" ({row.strength:g} times the choice)"
    scale = _find_range(row)
    sigmas = [_format_difference(group.sigma or 0.0, scale) for group in groups]
    text += f" by SURE for noise of sigma {' / '.join(sigmas)}"
    if scale is None:
        text += " of the range of each"
    elif scale != (0, 1):
        text += f" of {format_range(*scale)}"
    kind = name_page(facts, volume=row.volume)
    return text + _describe_noise(pages, kind)


def _describe_noise(pages: "Sequence[Figures]", kind: str) -> str:
    """Say what the noise is like, and in how many pages, unless in all of them."""
    dependent = [page for page in pages if page.is_noise_signal_dependent]
    correlated = [page for page in pages if page.is_noise_correlated]
    text = ""
    if dependent:
        text += " on average, changing with the signal"
        text += _in_some(dependent, pages, kind)
    if correlated:
        text += ", shared by neighbouring pixels"
        text += _in_some(correlated, pages, kind)
    return text


def _in_some(some: "Sequence[Figures]", pages: "Sequence[Figures]", kind: str) -> str:
    if len(some) == len(pages):
        return ""
    count = format_count(len(pages), kind)
    return f" in {len(some)} of {count}"


def _group_pages(pages: "Sequence[Figures]", channels: int, total: "Figures") -> "Sequence[Figures]":
    """Return the figures of each page, or if these are many of each channel, or if these are many too the total."""
    if len(pages) <= MOST_LAMBDAS:
        return pages
    if channels > MOST_LAMBDAS:
        return [total]
    from tvdenoise.files.rows import summed  # loaded by now

    return [summed(pages[channel::channels]) for channel in range(channels)]


def _format_lambda(figures: "Figures", digits: str) -> str:
    """Say lambda, and how that for chroma compares, if there is chroma."""
    text = format(figures.weight, digits)
    if figures.chroma is not None:
        text += f" (chroma {figures.chroma:.3g} times that)"
    return text


def describe_quality(row: "Row") -> str:
    """Say how PSNR and SSIM against the reference changed."""
    figures = row.figures
    scale = _find_range(row)
    peak = "each page by its own range"
    if scale is not None:
        low, high = scale
        peak = f"peak {high - low:g}"
    text = f"PSNR {figures.psnr_before:.2f} -> {figures.psnr_after:.2f} dB"
    text += f" ({peak})"
    if figures.ssim_before is not None and figures.ssim_after is not None:
        text += f", SSIM {figures.ssim_before:.4f} -> {figures.ssim_after:.4f}"
    return text

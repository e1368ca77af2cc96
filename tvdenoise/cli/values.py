"""From what is typed after a flag to what it means."""

import codecs
import glob
import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tvdenoise.errors import InputError, SettingError
from tvdenoise.options.kinds import Nonfinite
from tvdenoise.options.settings import number_of

if TYPE_CHECKING:
    from tvdenoise.images import ReadOptions

MOST_IN_RANGE = 10_000
"""Lambdas of a range: more are a slip of the keyboard."""

MOST_BYTES = 2**62
"""More than any machine has."""


def read_options(
    *, axes: str | None, scale: str | None = None, max_pixels: int | None, nonfinite: Nonfinite = "refuse"
) -> "ReadOptions":
    """Return what the flags say of reading, or raise :class:`SettingError`."""
    from tvdenoise.images import MAX_PIXELS, ReadOptions

    if max_pixels is not None and max_pixels < 1:
        raise SettingError("max_pixels", f"{max_pixels} is not a number of 1 or more", "leave it out")
    return ReadOptions(axes, scale_of(scale), nonfinite, max_pixels or MAX_PIXELS)


def matched(paths: list[Path]) -> list[Path]:
    """Return paths, in place of one that is not there the files that it matches: not every shell looks for them."""
    result: list[Path] = []
    for path in paths:
        found = [] if os.path.lexists(path) else glob.glob(str(path))  # noqa: PTH207 (Path's finds hidden files too)
        result += sorted(map(Path, found)) or [path]
    return result


def path_of(text: str | Path) -> Path:
    """Return a path; an empty one, as of a variable that is not set, would be the current folder."""
    text = str(text)
    if "\0" in text:
        raise InputError(repr(text), "no path has such a character", "check it")
    if not text:
        raise InputError("''", "an empty path names no picture", "check what was to be in it, or give . for the folder")
    return Path(text)


def weight_of(text: str) -> float | Literal["auto"]:
    """Return lambda."""
    if text == "auto":
        return "auto"
    try:
        return fraction_of("weight", text)[0]
    except SettingError:
        remedy = "give such as 0.1, or 25/255"
        raise SettingError("weight", f"{text!r} is neither a number of 0 or more nor auto", remedy) from None


def weights_of(text: str) -> tuple[float | Literal["auto"], ...]:
    """Return lambdas, each once, of a list whose items are numbers, auto, and ranges."""
    return tuple(dict.fromkeys(weight for item in text.split(",") for weight in _range_of(item.strip())))


def _range_of(text: str) -> tuple[float | Literal["auto"], ...]:
    """Return one lambda, or FROM:TO:COUNT, evenly spaced by their logarithms, or with ``:lin`` by themselves."""
    first, *rest = text.split(":")
    if not rest:
        return (weight_of(text),)
    try:
        (low, _), (high, _), count = fraction_of("", first), fraction_of("", rest[0]), int(rest[1])
        is_linear = rest[2:] == ["lin"]
        if not (low < high and (low or is_linear) and 1 < count <= MOST_IN_RANGE and rest[2:] in ([], ["lin"])):
            raise ValueError
    except (ValueError, IndexError):
        remedy = f"give such as 0.02,0.05,0.1, or 0.01:1:12 (above 0), or 0:0.2:5:lin, and {MOST_IN_RANGE} at most"
        raise SettingError("weight", f"{text!r} is neither a number nor such a range", remedy) from None
    ways = (i / (count - 1) for i in range(count))
    if is_linear:
        return tuple(round_to_digits(low + way * (high - low)) for way in ways)
    return tuple(round_to_digits(low ** (1 - way) * high**way) for way in ways)


def round_to_digits(value: float) -> float:
    """Return a number of six digits, which reads the same as it is."""
    return float(f"{value:.6g}")


def fraction_of(name: str, text: str) -> tuple[float, bool]:
    """Return a number of 0 or more, and whether it is written as a fraction."""
    try:
        value = number_of(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise SettingError(name, f"{text!r} is not a number of 0 or more", "give such as 25, or 25/255")
    return value, "/" in text


def sigmas_of(text: str | None) -> tuple[float | None, float | None]:
    """Return sigma on the unit scale, if given as a fraction, and in the file's units, if given as a number."""
    if text is None:
        return None, None
    value, is_fraction = fraction_of("sigma", text)
    return (value, None) if is_fraction else (None, value)


def scale_of(text: str | None) -> tuple[float, float] | None:
    """Return the two numbers of a range."""
    if text is None:
        return None
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SettingError("range", f"{text!r} is not two finite numbers, the smaller first", "give such as 0,4095")
    return low, high


def pages_of(text: str | None) -> tuple[range, ...] | None:
    """Return numbers of pages, such as 1,4-6."""
    if text is None:
        return None
    found = [re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", item.strip()) for item in text.split(",")]
    pages = tuple(range(int(item[1]), int(item[2] or item[1]) + 1) for item in found if item)
    if len(pages) < len(found) or not all(pages) or any(own[0] < 1 for own in pages):
        raise SettingError("pages", f"{text!r} is no list of numbers from 1 on", "give such as 1,4-6")
    return pages


def size_of(text: str | None) -> int | None:
    """Return a number of bytes."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?", text.strip().lower())
    if found is None:
        raise SettingError("memory", f"{text!r} is not a size", "give such as 4G or 800M")
    return int(min(float(found[1]) * 1024 ** " kmgt".index(found[2] or " "), MOST_BYTES))


def format_of(name: str | None) -> str | None:
    """Return the name of a format as its row has it."""
    from tvdenoise.images import FORMATS, format_called

    if name is None:
        return None
    found = format_called(name)
    if found is None:
        raise SettingError("format", f"{name!r} is unknown", f"choose from {', '.join(FORMATS).lower()}")
    return found


def formats_that_start(incomplete: str) -> list[str]:
    """Return the names of formats that complete a word."""
    from tvdenoise.images import FORMATS

    return [name.lower() for name in FORMATS if name.startswith(incomplete.upper())]


def suffix_of(text: str | None) -> str | None:
    """Return a part of a name."""
    if text is not None and ("/" in text or "\0" in text or os.sep in text):
        raise SettingError("suffix", f"{text!r} is no part of a name", "leave out slashes")
    return text


def shard_of(text: str | None) -> tuple[int, int]:
    """Return K and N."""
    found = re.fullmatch(r"(\d{1,18})/(\d{1,18})", "1/1" if text is None else text)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise SettingError("shard", f"{text!r} is not part K of N", "give such as 1/4, 2/4, 3/4 and 4/4")
    return part, parts


def workers_of(text: str) -> int | None:
    """Return a number of processes, None for as many as suit."""
    if text == "auto":
        return None
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < 1:
        raise SettingError("jobs", f"{text!r} is neither a number of 1 or more nor auto", "leave it out for auto")
    return int(text)


def listed_paths(path: Path | None) -> list[Path]:
    """Return the paths that a file, or standard input, lists."""
    if path is None:
        return []
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as of Windows PowerShell
        content = content.decode("utf-16", "replace").encode()
    lines = content.split(b"\0") if b"\0" in content else content.splitlines() or [b""]
    lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
    found = [Path(os.fsdecode(line)) for line in lines if line]
    if not found:
        raise InputError(path, "it lists no picture", "put a path in each line")
    return found

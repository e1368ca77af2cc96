"""From what is typed after a flag to what it means."""

import codecs
import glob
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tvdenoise.errors import InputError, SettingError
from tvdenoise.options.kinds import Nonfinite
from tvdenoise.options.rules import parse_number
from tvdenoise.options.settings import OPTIONS, PRESETS, Settings

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


def settings_of(given: Mapping[str, Any], preset: str | None = None) -> tuple[Settings, float | None]:
    """Return the settings, and sigma if it is in the file's units, from the options that are given."""
    values = {**(PRESETS[preset] if preset else {}), **given}
    values["weight"] = OPTIONS["weight"].rule.read("weight", values["weight"])
    unit_sigma, file_sigma = sigmas_of(values.pop("sigma", None))
    if file_sigma is not None:
        Settings(**values, sigma=file_sigma)  # what settings refuse is told once, and not picture by picture
    return Settings(**values, sigma=unit_sigma), file_sigma


def lists_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a grid: those that sweeps vary are lists."""
    values = dict(given)
    for name, option in OPTIONS.items():
        if option.is_varied and name in values:
            values[name] = list_of(name, values[name])
    unit_sigma, file_sigma = sigmas_of(values.pop("sigma", None))
    if file_sigma is not None:
        problem = "for pictures of many ranges it is a fraction of the range"
        raise SettingError("sigma", problem, "give such as 25/255, or 0.1/1")
    return values | {"sigma": unit_sigma}


def list_of(name: str, text: str) -> tuple[Any, ...]:
    """Return the values of a list, each once; lambdas may be ranges."""
    items = items_of(text)
    if not items:
        raise SettingError(name, "the list is empty", "leave it out")
    if name == "weight":
        return tuple(dict.fromkeys(weight for item in items for weight in _range_of(item)))
    return tuple(OPTIONS[name].rule.read(name, item) for item in items)


def items_of(text: str) -> tuple[str, ...]:
    """Return the items of a list, each once."""
    items = (item.strip() for item in text.split(","))
    return tuple(dict.fromkeys(item for item in items if item))


def _range_of(text: str) -> tuple[float | Literal["auto"], ...]:
    """Return one lambda, or FROM:TO:COUNT, evenly spaced by their logarithms, or with ``:lin`` by themselves."""
    first, *rest = text.split(":")
    if not rest:
        return (OPTIONS["weight"].rule.read("weight", text),)
    try:
        low = parse_number(first)
        high = parse_number(rest[0])
        count = int(rest[1])
    except (ValueError, IndexError):
        low = high = math.nan
        count = 0
    is_linear = rest[2:] == ["lin"]
    is_range = 0 <= low < high < math.inf and 1 < count <= MOST_IN_RANGE and rest[2:] in ([], ["lin"])
    if not is_range or (low == 0 and not is_linear):
        remedy = f"give such as 0.02,0.05,0.1, or 0.01:1:12 (above 0), or 0:0.2:5:lin, and {MOST_IN_RANGE} at most"
        raise SettingError("weight", f"{text!r} is neither a number nor such a range", remedy)
    shares = [number / (count - 1) for number in range(count)]
    if is_linear:
        return tuple(round_to_digits(low + share * (high - low)) for share in shares)
    return tuple(round_to_digits(low ** (1 - share) * high**share) for share in shares)


def round_to_digits(value: float) -> float:
    """Return a number of six digits, which reads the same as it is."""
    return float(f"{value:.6g}")


def sigmas_of(text: str | None) -> tuple[float | None, float | None]:
    """Return sigma on the unit scale, if given as a fraction, and in the file's units, if given as a number."""
    if text is None:
        return None, None
    rule = OPTIONS["sigma"].rule
    value = rule.read("sigma", text)
    return (value, None) if "/" in text else (None, value)


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

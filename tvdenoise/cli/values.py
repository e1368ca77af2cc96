"""From what is typed after a flag to what it means."""

import codecs
import glob
import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tvdenoise.errors import InputError, SettingError
from tvdenoise.options.kinds import Nonfinite
from tvdenoise.options.rules import check_range, parse_number
from tvdenoise.options.settings import OPTIONS, PRESETS, Settings

if TYPE_CHECKING:
    from tvdenoise.images import ReadOptions

MOST_IN_RANGE = 10_000  # lambdas: more are a slip of the keyboard
MOST_BYTES = 2**62  # more than any machine has


def parse_reading(
    axes: str | None, scale: str | None, max_pixels: int | None, nonfinite: Nonfinite = "refuse"
) -> "ReadOptions":
    """Return what the flags say of reading, or raise :class:`SettingError`."""
    from tvdenoise.images import ReadOptions

    if max_pixels is not None and max_pixels < 1:
        raise SettingError("max_pixels", f"{max_pixels} is not a number of 1 or more", "leave it out")
    return ReadOptions(axes, parse_range(scale), nonfinite, max_pixels)


def parse_path(text: str | Path) -> Path:
    """Return a path that can be one."""
    text = str(text)
    if "\0" in text:
        raise InputError(repr(text), "no path has such a character", "check it")
    if not text:  # as from a variable that is not set; Path would take it for the current folder
        raise InputError("''", "an empty path names no file", "check what was to be in it, or give . for the folder")
    return Path(text)


def expand_patterns(paths: list[Path]) -> list[Path]:
    """Return the paths, in place of a missing one the files that it matches: not every shell looks for them."""
    result: list[Path] = []
    for path in paths:
        matches: list[Path] = []
        if not os.path.lexists(path):
            matches = sorted(map(Path, glob.glob(str(path))))  # noqa: PTH207 (Path's finds hidden files too)
            if not matches and _is_value(str(path)):
                remedy = "check the path, or write values behind their option, with commas: --lambda 0.1,0.2"
                raise InputError(path, "there is no such file", remedy)
        result += matches or [path]
    return result


def _is_value(text: str) -> bool:
    """Return whether a word is what an option takes, as the second of ``--lambda 0.1 0.2``."""
    for option in OPTIONS.values():
        if text.lower() in option.rule.names:
            return True
    try:
        parse_number(text)
    except ValueError:
        return False
    return True


def read_list(path: Path) -> list[Path]:
    """Return the paths that a file, or standard input, lists."""
    try:
        is_piped = str(path) == "-"
        content = sys.stdin.buffer.read() if is_piped else path.read_bytes()
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as Windows PowerShell writes
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    lines = content.splitlines()
    if b"\0" in content:  # as `find -print0` writes, whose names may hold ends of lines
        lines = content.split(b"\0")
    found = [Path(os.fsdecode(line)) for line in lines if line]
    if not found:
        raise InputError(path, "it lists no picture", "put a path in each line")
    return found


def parse_settings(given: Mapping[str, Any], preset: str | None = None) -> tuple[Settings, float | None]:
    """Return the settings for the options that are given, and sigma if it is in the file's units."""
    values = dict(given)
    if preset is not None:
        values = PRESETS[preset] | values
    read = {name: _read(name, value) for name, value in values.items()}
    settings = Settings(**read)
    if settings.sigma is None or is_fraction(given["sigma"]):
        return settings, None
    # Each picture has units of its own, but what settings refuse is told here once.
    return replace(settings, sigma=None), settings.sigma


def is_fraction(text: str) -> bool:
    """Return whether a number is written as a fraction, of the range."""
    return "/" in text or text.endswith("%")


def parse_grid(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a grid: those that sweeps vary are lists."""
    values = {}
    for name, value in given.items():
        read = parse_list if OPTIONS[name].is_varied else _read
        values[name] = read(name, value)
    if "sigma" in given and not is_fraction(given["sigma"]):
        problem = "for pictures of many ranges it is a fraction of the range"
        raise SettingError("sigma", problem, "give such as 25/255, or 0.1/1")
    return values


def _read(name: str, value: Any) -> Any:  # noqa: ANN401 (of each option its own)
    """Return the value of a setting from what was typed, which Typer has converted unless it is a text."""
    if isinstance(value, str):
        return OPTIONS[name].rule.read(name, value)
    return value


def parse_list(name: str, text: str) -> tuple[Any, ...]:
    """Return the values of a list, each once; lambdas may be ranges."""
    items = split_list(text)
    if not items:
        raise SettingError(name, "the list is empty", "leave it out")
    if name == "weight":
        weights = chain.from_iterable(map(_expand_range, items))
        return tuple(dict.fromkeys(weights))
    rule = OPTIONS[name].rule
    return tuple(rule.read(name, item) for item in items)


def split_list(text: str) -> list[str]:
    """Return the items of a list, each once."""
    items = dict.fromkeys(item.strip() for item in text.split(","))
    return [item for item in items if item]


def _expand_range(text: str) -> tuple[float | Literal["auto"], ...]:
    """Return one lambda, or FROM:TO:COUNT, evenly spaced by their logarithms, or with ``:lin`` by themselves."""
    is_span = re.fullmatch(r"[\d.]+-[\d.]+", text) is not None  # no such range, but hardly anything else
    if ":" not in text and not is_span:
        return (OPTIONS["weight"].rule.read("weight", text),)
    remedy = f"give such as 0.02,0.05,0.1, or 0.01:1:12 (above 0), or 0:0.2:5:lin, and {MOST_IN_RANGE} at most"
    no_range = SettingError("weight", f"{text!r} is neither a number nor such a range", remedy)
    is_linear = text.endswith(":lin")
    try:
        first, last, number = text.removesuffix(":lin").split(":")
        low = parse_number(first)
        high = parse_number(last)
        count = int(number)
    except ValueError:
        raise no_range from None
    is_range = 0 <= low < high < math.inf
    is_list = 1 < count <= MOST_IN_RANGE
    has_logarithms = low > 0 or is_linear
    if not (is_range and is_list and has_logarithms):
        raise no_range
    import numpy as np  # late: --help does not wait for it

    space = np.linspace if is_linear else np.geomspace
    weights = space(low, high, count)
    # Six digits read the same as they are.
    return tuple(float(f"{weight:.6g}") for weight in weights)


def parse_whole(text: str) -> int:
    """Return a whole number of at most 18 digits, or -1 for any other text."""
    if re.fullmatch(r"\d{1,18}", text):
        return int(text)
    return -1


def parse_seeds(text: str) -> list[int]:
    """Return a list of seeds."""
    seeds = [parse_whole(item) for item in split_list(text)]
    if not seeds or min(seeds) < 0:
        raise SettingError("seed", f"{text!r} are no whole numbers of 0 or more", "give such as 0,1,2")
    return seeds


def parse_range(text: str | None) -> tuple[float, float] | None:
    """Return the two numbers of a range."""
    if text is None:
        return None
    return check_range(text.split(","), repr(text))


def parse_nodata(text: str | None) -> float | None:
    """Return the number that stands for no data; it may be nan."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingError("nodata", f"{text!r} is no number", "give such as -9999, 0 or nan") from None


def parse_pages(text: str | None) -> tuple[range, ...] | None:
    """Return numbers of pages, such as 1,4-6."""
    if text is None:
        return None
    pages = []
    for item in text.split(","):
        first, dash, last = item.strip().partition("-")
        start = parse_whole(first)
        stop = start
        if dash:
            stop = parse_whole(last)
        if not 1 <= start <= stop:
            raise SettingError("pages", f"{text!r} is no list of numbers from 1 on", "give such as 1,4-6")
        pages.append(range(start, stop + 1))
    return tuple(pages)


def parse_memory(text: str | None) -> int | None:
    """Return a number of bytes."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?", text.strip().lower())
    if found is None:
        raise SettingError("memory", f"{text!r} is not a size", "give such as 4G or 800M")
    number, prefix = found.groups()
    power = ["", "k", "m", "g", "t"].index(prefix)
    size = float(number) * 1024**power
    return int(min(size, MOST_BYTES))


def parse_format(name: str | None) -> str | None:
    """Return the name of a format as its row has it."""
    from tvdenoise.images import FORMATS, format_called

    if name is None:
        return None
    found = format_called(name)
    if found is None:
        remedy = f"choose from {', '.join(FORMATS).lower()}"
        raise SettingError("format", f"{name!r} is unknown", remedy)
    return found


def complete_format(incomplete: str) -> list[str]:
    """Return the names of formats that complete a word."""
    from tvdenoise.images import FORMATS

    return [name.lower() for name in FORMATS if name.startswith(incomplete.upper())]


def parse_suffix(text: str | None) -> str | None:
    """Return a part of a name."""
    separators = {"/", "\0", os.sep}
    if text is not None and not separators.isdisjoint(text):
        raise SettingError("suffix", f"{text!r} is no part of a name", "leave out slashes")
    return text


def parse_shard(text: str | None) -> tuple[int, int]:
    """Return K and N."""
    if text is None:
        return 1, 1
    first, _, last = text.partition("/")
    part = parse_whole(first)
    parts = parse_whole(last)
    if not 1 <= part <= parts:
        raise SettingError("shard", f"{text!r} is not part K of N", "give such as 1/4, 2/4, 3/4 and 4/4")
    return part, parts


def parse_workers(text: str) -> int | None:
    """Return a number of processes, None for as many as suit."""
    if text.lower() == "auto":
        return None
    workers = parse_whole(text)
    if workers < 1:
        raise SettingError("jobs", f"{text!r} is neither a number of 1 or more nor auto", "leave it out for auto")
    return workers

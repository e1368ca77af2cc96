"""What values an option takes: each rule checks a value, and reads one from text."""

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, TypeGuard

from tvdenoise.errors import SettingError
from tvdenoise.options.methods import AUTO, METHODS, NOT_OFFERED

# The largest whole number of any use, which floats and arrays hold.
MOST_WHOLE = 10**18


class Rule(ABC):
    """What values an option takes."""

    metavar: str | None = None  # what help shows in place of a value; None for a flag, and where it shows the names
    names: Sequence[str] = ()  # the words that a shell can complete

    @abstractmethod
    def check(self, name: str, value: object) -> Any:  # noqa: ANN401 (each rule has a type of its own)
        """Return a value in the rule's own type, or raise :class:`SettingError` about option ``name``."""

    def read(self, name: str, text: str) -> Any:  # noqa: ANN401 (as above)
        """Return the value that a text stands for, or raise :class:`SettingError`."""
        return self.check(name, text)


@dataclass(frozen=True)
class Number(Rule):
    """Numbers from ``least`` to ``most``, as floats."""

    least: float
    most: float
    remedy: str  # what a user can do about a wrong one
    is_open: bool = False  # whether ``least`` itself is no such number
    or_auto: bool = False  # whether "auto" is a value too

    @property
    def metavar(self) -> str:  # type: ignore[override]
        """What help shows in place of a value."""
        return "NUMBER|auto" if self.or_auto else "NUMBER"

    def check(self, name: str, value: object) -> Any:  # noqa: ANN401 (a number or "auto")
        """Return a number as a float."""
        if self.or_auto and isinstance(value, str) and value.lower() == AUTO:
            return AUTO
        number = math.nan
        if is_number(value):
            try:
                number = float(value)
            except OverflowError:  # of a whole number with hundreds of digits
                number = math.inf
        return self._require(name, number, value)

    def read(self, name: str, text: str) -> Any:  # noqa: ANN401 (a number or "auto")
        """Return a number, which may be written as a fraction such as 25/255."""
        if self.or_auto and text.lower() == AUTO:
            return AUTO
        try:
            number = parse_number(text)
        except ValueError:
            number = math.nan
        return self._require(name, number, text)

    def _require(self, name: str, number: float, given: object) -> float:
        """Return a number that is allowed, or complain of what was given for it."""
        is_above = self.least < number if self.is_open else self.least <= number
        if is_above and number <= self.most and math.isfinite(number):
            return number
        complaint = f"not a number from {self.least:g} to {self.most:g}"
        if self.or_auto:
            complaint = f"neither a number from {self.least:g} to {self.most:g} nor auto"
        elif self.is_open and math.isinf(self.most):
            complaint = f"not a finite number above {self.least:g}"
        elif self.is_open:
            complaint = f"not a number above {self.least:g} and at most {self.most:g}"
        raise SettingError(name, f"{show(given)} is {complaint}", self.remedy)


class Distances(Number):
    """A number, or numbers above 0 along two or three axes, of any unit, as multiples of the last one."""

    metavar = "NUMBER|Z,Y,X"

    def check(self, name: str, value: object) -> Any:  # noqa: ANN401 (a number or several)
        """Return a number as a float, several as a tuple."""
        if not isinstance(value, tuple | list):
            return super().check(name, value)
        are_distances = all(is_number(item) and 0 < item < math.inf for item in value)
        if len(value) not in (2, 3) or not are_distances:
            raise SettingError(name, f"{show(value)} are not two or three numbers above 0", self.remedy)
        *_, unit = value
        ratios = tuple(float(item / unit) for item in value)
        for item, ratio in zip(value, ratios, strict=True):
            if not self.least <= ratio <= self.most:
                problem = f"{item:g} is not {self.least:g} to {self.most:g} times the last distance, {unit:g}"
                raise SettingError(name, problem, self.remedy)
        return ratios

    def read(self, name: str, text: str) -> Any:  # noqa: ANN401 (as above)
        """Return a number, or several between commas."""
        items = text.split(",")
        if len(items) == 1:
            return super().read(name, text)
        each = Number(0, math.inf, self.remedy, is_open=True)
        numbers = [each.read(name, item) for item in items]
        return self.check(name, numbers)


class Whole(Rule):
    """Whole numbers of ``least`` or more."""

    metavar = "INTEGER"

    def __init__(self, least: int) -> None:
        self.least = least

    def check(self, name: str, value: object) -> int:
        """Return a number as an int."""
        problem = f"{show(value)} is not a whole number of {self.least} or more"
        if isinstance(value, Integral) and not isinstance(value, bool):
            number = int(value)
            if self.least <= number <= MOST_WHOLE:
                return number
            if number > MOST_WHOLE:
                problem = f"{show(value)} is more than {MOST_WHOLE}"
        raise SettingError(name, problem, "leave it out")


class Choice(Rule):
    """One of some names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def check(self, name: str, value: object) -> str:
        """Return a name that is one of them."""
        if isinstance(value, str) and value.lower() in self.names:
            return value.lower()
        remedy = f"choose from {', '.join(self.names)}"
        raise SettingError(name, f"{show(value)} is unknown", remedy)


class Flag(Rule):
    """True or false."""

    def check(self, name: str, value: object) -> bool:
        """Return a bool."""
        is_single = getattr(value, "ndim", 0) == 0  # an array of several has no truth value
        if is_single and value in (True, False):
            return bool(value)
        raise SettingError(name, f"{show(value)} is neither true nor false", "give one of them")


class DeviceName(Rule):
    """``auto``, or the name of a torch device; whether it is there is known when torch is loaded."""

    metavar = "NAME"
    names = (AUTO, "cpu", "cuda", "mps", "xpu")

    def check(self, name: str, value: object) -> str:
        """Return a name, that of a ``torch.device`` too."""
        kind_of_value = type(value)
        is_device = (kind_of_value.__module__, kind_of_value.__name__) == ("torch", "device")
        if is_device or isinstance(value, str):
            kind, colon, number = str(value).lower().partition(":")
            if kind == "gpu":
                kind = "cuda"
            return kind + colon + number
        raise SettingError(name, f"{show(value)} is no name", "give such as auto, cpu, or cuda:1")


class MethodName(Rule):
    """``auto``, or a row of the method table."""

    metavar = "NAME"
    names = (AUTO, *METHODS)

    def check(self, name: str, value: object) -> str:
        """Return the name of a row."""
        if not isinstance(value, str):
            raise SettingError(name, f"{show(value)} is no name", "leave it out for the fastest")
        method = value.lower()
        if method in self.names:
            return method
        if method in NOT_OFFERED:
            problem = f"{method} is not offered, it {NOT_OFFERED[method]}"
            raise SettingError(name, problem, "leave it out for the fastest")
        remedy = f"choose from {', '.join(self.names)}"
        near = get_close_matches(method, self.names, n=1)
        if near:
            remedy = f"did you mean {near[0]}?"
        raise SettingError(name, f"{value!r} is unknown", remedy)


def parse_number(text: str) -> float:
    """Return a number that is written as one, or as a fraction such as 25/255 or 10%; ValueError for any other text."""
    if text.endswith("%"):
        return float(text[:-1]) / 100
    numerator, slash, denominator = text.partition("/")
    if not slash:
        return float(numerator)
    divisor = float(denominator)
    if divisor == 0:
        raise ValueError(f"{text} is no number")
    return float(numerator) / divisor


def check_range(given: Any, shown: str) -> tuple[float, float]:  # noqa: ANN401 (whatever is given for two numbers)
    """Return the numbers that stand for 0 and 1, or raise :class:`SettingError`."""
    try:
        low, high = map(float, given)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        problem = f"{shown} is not two finite numbers, the smaller first"
        raise SettingError("range", problem, "give such as 0,4095")
    return low, high


def show(value: object) -> str:
    """Return a value of any kind, such as an array, in part of a line."""
    return " ".join(reprlib.repr(value).split())


def is_number(value: object) -> TypeGuard[float]:
    """Return whether something is a number, of whatever library."""
    return isinstance(value, Real) and not isinstance(value, bool)

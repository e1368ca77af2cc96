"""What values an option takes: each rule checks a value, and reads one from text."""

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, Protocol, TypeGuard

from tvdenoise.errors import SettingError
from tvdenoise.options.methods import AUTO, METHODS, NOT_OFFERED


class Rule(Protocol):
    """What values an option takes."""

    @property
    def metavar(self) -> str | None:
        """What help shows in place of a value; None for a flag, and where the names themselves are shown."""

    @property
    def names(self) -> Sequence[str]:
        """The words that a shell can complete."""

    def check(self, name: str, value: object) -> Any:  # noqa: ANN401 (each rule has a type of its own)
        """Return a value in the rule's own type, or raise :class:`SettingError` about option ``name``."""

    def read(self, name: str, text: str) -> Any:  # noqa: ANN401 (as above)
        """Return the value that a text stands for, or raise :class:`SettingError`."""


@dataclass(frozen=True)
class Number:
    """Numbers from ``least`` to ``most``, as floats.

    Attributes
    ----------
    remedy
        What a user can do about a wrong one.
    is_open
        Whether ``least`` itself is no such number.
    or_auto
        Whether ``"auto"`` is a value too.
    """

    least: float
    most: float
    remedy: str
    is_open: bool = False
    or_auto: bool = False

    @property
    def metavar(self) -> str:
        """What help shows in place of a value."""
        return "NUMBER|auto" if self.or_auto else "NUMBER"

    @property
    def names(self) -> Sequence[str]:
        """The words that a shell can complete."""
        return (AUTO,) if self.or_auto else ()

    def check(self, name: str, value: object) -> Any:  # noqa: ANN401 (a number or "auto")
        """Return a number as a float."""
        if self.or_auto and isinstance(value, str) and value == AUTO:
            return value
        if is_number(value):
            try:
                number = float(value)
            except OverflowError:  # of a whole number with hundreds of digits
                number = math.inf
            if self._holds(number):
                return number
        raise SettingError(name, f"{show(value)} is {self._complaint}", self.remedy)

    def read(self, name: str, text: str) -> Any:  # noqa: ANN401 (a number or "auto")
        """Return a number, which may be written as a fraction such as 25/255."""
        if self.or_auto and text == AUTO:
            return text
        try:
            value = parse_number(text)
        except ValueError:
            value = math.nan
        if not self._holds(value):
            raise SettingError(name, f"{text!r} is {self._complaint}", self.remedy)
        return value

    def _holds(self, value: float) -> bool:
        if self.is_open and value <= self.least:
            return False
        return self.least <= value <= self.most and math.isfinite(value)

    @property
    def _complaint(self) -> str:
        if self.or_auto:
            return f"neither a number from {self.least:g} to {self.most:g} nor auto"
        if self.is_open and math.isinf(self.most):
            return f"not a finite number above {self.least:g}"
        if self.is_open:
            return f"not a number above {self.least:g} and at most {self.most:g}"
        return f"not a number from {self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Whole:
    """Whole numbers of ``least`` or more."""

    least: int

    metavar = "INTEGER"
    names = ()

    def check(self, name: str, value: object) -> int:
        """Return a number as an int."""
        if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= self.least:
            return int(value)
        raise SettingError(name, f"{show(value)} is not a whole number of {self.least} or more", "leave it out")

    def read(self, name: str, text: str) -> int:
        """Return a whole number."""
        try:
            return int(text)
        except ValueError:
            problem = f"{text!r} is not a whole number of {self.least} or more"
            raise SettingError(name, problem, "leave it out") from None


@dataclass(frozen=True)
class Choice:
    """One of some names."""

    names: Sequence[str]

    metavar = None

    def check(self, name: str, value: object) -> str:
        """Return a name that is one of them."""
        if isinstance(value, str) and value in self.names:
            return value
        raise SettingError(name, f"{show(value)} is unknown", f"choose from {', '.join(self.names)}")

    def read(self, _name: str, text: str) -> str:
        """Return the text."""
        return text


@dataclass(frozen=True)
class Flag:
    """True or false."""

    metavar = None
    names = ()

    def check(self, name: str, value: object) -> bool:
        """Return a bool."""
        if value in (True, False):
            return bool(value)
        raise SettingError(name, f"{show(value)} is neither true nor false", "give one of them")

    def read(self, name: str, text: str) -> bool:
        """Return what ``true`` or ``false`` stands for."""
        return self.check(name, {"true": True, "false": False}.get(text.lower(), text))


@dataclass(frozen=True)
class DeviceName:
    """``auto``, or the name of a torch device; whether it is there is known when torch is loaded."""

    metavar = "NAME"
    names = (AUTO, "cpu", "cuda", "mps", "xpu")

    def check(self, name: str, value: object) -> str:
        """Return a name, that of a ``torch.device`` too."""
        if type(value).__module__ == "torch":
            return str(value)
        if isinstance(value, str):
            return value
        raise SettingError(name, f"{show(value)} is no name", "give such as auto, cpu, or cuda:1")

    def read(self, _name: str, text: str) -> str:
        """Return the text."""
        return text


@dataclass(frozen=True)
class MethodName:
    """``auto``, or a row of the method table."""

    metavar = "NAME"
    names = (AUTO, *METHODS)

    def check(self, name: str, value: object) -> str:
        """Return the name of a row."""
        if not isinstance(value, str):
            raise SettingError(name, f"{show(value)} is no name", "leave it out for the fastest")
        if value in self.names:
            return value
        if value in NOT_OFFERED:
            raise SettingError(name, f"{value} is not offered, it {NOT_OFFERED[value]}", "leave it out for the fastest")
        near = get_close_matches(value.lower(), self.names, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(self.names)}"
        raise SettingError(name, f"{value!r} is unknown", remedy)

    def read(self, _name: str, text: str) -> str:
        """Return the text."""
        return text


def parse_number(text: str) -> float:
    """Return a number that is written as one, or as a fraction such as 25/255.

    Raises
    ------
    ValueError
        If it is none.
    """
    numerator, slash, denominator = text.partition("/")
    if not slash:
        return float(numerator)
    if float(denominator) == 0:
        raise ValueError(f"{text} is no number")
    return float(numerator) / float(denominator)


def show(value: object) -> str:
    """Return a value of any kind, such as an array, in part of a line."""
    return " ".join(reprlib.repr(value).split())


def is_number(value: object) -> TypeGuard[float]:
    """Return whether something is a number, of whatever library."""
    return isinstance(value, Real) and not isinstance(value, bool)

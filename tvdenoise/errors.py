"""The failures a user can cause: one exception per kind, with its exit code; each names its subject and a remedy."""

from typing import Any


class TVDenoiseError(Exception):
    """An expected failure, told in one line: what it is about, what is wrong, what to do.

    Parameters
    ----------
    subject
        The file, option or argument concerned.
    problem
        What is wrong with it.
    remedy
        What the user can do.
    """

    exit_code = 1

    def __init__(self, subject: object, problem: str, remedy: str) -> None:
        self.subject = str(subject)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{self.subject}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it travel from one process to another."""
        return type(self), (self.subject, self.problem, self.remedy)


def reason(error: Exception, *, named: bool = True) -> str:
    """Return what an exception of somebody else's says, in one line, and perhaps of which class it is."""
    return " ".join(f"{type(error).__name__}: {error}".split() if named else str(error).split())


class SettingError(TVDenoiseError, ValueError):
    """A setting has an impossible value; the subject is the field's name."""

    exit_code = 2


class DeviceError(TVDenoiseError):
    """The device asked for is unknown or not there."""

    exit_code = 2


class PrecisionError(TVDenoiseError):
    """The device asked for does not compute as precisely as a picture needs it."""


class MissingExtraError(TVDenoiseError):
    """A package of one of the optional extras is not installed."""

    exit_code = 2


def missing_extra(subject: object, problem: str, extra: str) -> MissingExtraError:
    """Return what is raised where an extra is needed."""
    return MissingExtraError(subject, problem, f'in the clone: pip install -c constraints.txt ".[{extra}]"')


class InputError(TVDenoiseError):
    """The input cannot be used at all: it is missing, or not a file."""

    exit_code = 2


class OutputError(TVDenoiseError):
    """The output must not or cannot be written, known before any work."""

    exit_code = 2


class UnwritableError(OutputError):
    """Nothing can be written in the folder of the output."""


class ClusterError(TVDenoiseError):
    """The machines at work are out of reach."""


class PictureError(TVDenoiseError):
    """A file is damaged, not a picture, or a picture of a kind that cannot be kept whole."""


class ArrayError(TVDenoiseError, ValueError):
    """An array or tensor is not a picture: its shape, type or values."""


class ScratchError(TVDenoiseError):
    """What does not fit into memory does not fit on the disk either; the subject is the folder."""


class DivergenceError(TVDenoiseError):
    """The optimizer left the finite numbers."""


def divergence(subject: object, method: str, steps: int) -> DivergenceError:
    """Return what is raised where a method did."""
    remedy = "report it as a bug" if method == "alternating" else "lower the rate"
    return DivergenceError(subject, f"{method} left the finite numbers by step {steps}", remedy)


class WriteError(TVDenoiseError):
    """Writing the result failed."""

"""The failures that a user can cause: one exception for each kind, with its exit code."""

from typing import Any


class TVDenoiseError(Exception):
    """An expected failure: what is wrong with a file, option or argument, and what the user can do about it."""

    exit_code = 1  # of the command, where a subclass has no other

    def __init__(self, subject: object, problem: str, remedy: str) -> None:
        self.subject = str(subject)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{self.subject}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let pickle make it again: its own way passes the message as the only argument."""
        return type(self), (self.subject, self.problem, self.remedy)


def reason(error: Exception, *, named: bool = True) -> str:
    """Return the message of any exception in one line, with the name of its class if ``named``."""
    message = f"{type(error).__name__}: {error}" if named else str(error)
    return " ".join(message.split())


class SettingError(TVDenoiseError, ValueError):
    """A setting has an impossible value; the subject is the field's name."""

    exit_code = 2


class DeviceError(TVDenoiseError):
    """The device is unknown to torch, or not on this machine."""

    exit_code = 2


class PrecisionError(TVDenoiseError):
    """The device does not compute as precisely as the picture needs."""


class MissingExtraError(TVDenoiseError):
    """A package of one of the optional extras is not installed."""

    exit_code = 2


def missing_extra(subject: object, problem: str, extra: str) -> MissingExtraError:
    """Return the error for a package of an extra that cannot be imported."""
    return MissingExtraError(subject, problem, f'in the clone: pip install -c constraints.txt ".[{extra}]"')


class InputError(TVDenoiseError):
    """The input cannot be used at all: it is missing, or not a file."""

    exit_code = 2


class OutputError(TVDenoiseError):
    """The output must not or cannot be written, which is found before any work."""

    exit_code = 2


class UnwritableError(OutputError):
    """Nothing can be written in the folder of the output."""


class ClusterError(TVDenoiseError):
    """The cluster cannot be reached any more."""


class PictureError(TVDenoiseError):
    """A file is damaged, no picture, or a picture that cannot be written back without a loss."""


class DamageError(ValueError):
    """What is wrong with a file, in words of ours: whoever reads or writes it adds its name and a remedy."""


class ArrayError(TVDenoiseError, ValueError):
    """An array or tensor is not a picture: its shape, type or values."""


class ScratchError(TVDenoiseError):
    """A scratch file does not fit on the disk; the subject is the folder."""


class DivergenceError(TVDenoiseError):
    """The optimizer left the finite numbers."""


def divergence(subject: object, method: str, steps: int) -> DivergenceError:
    """Return the error for a method that left the finite numbers."""
    remedy = "lower the rate"
    if method == "alternating":  # it has no rate and always converges
        remedy = "report it as a bug"
    return DivergenceError(subject, f"{method} left the finite numbers by step {steps}", remedy)


class WriteError(TVDenoiseError):
    """Writing the result failed."""

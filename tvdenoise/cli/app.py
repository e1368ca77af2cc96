"""The application: its commands, and every expected failure turned into one line and an exit code."""

import io
import os
import signal
import sys
import tempfile
import threading
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from tvdenoise.cli import compare, denoise, info, messages, report, sweep
from tvdenoise.errors import InputError, TVDenoiseError
from tvdenoise.machine import resources
from tvdenoise.machine.signals import ENDING

DEFAULT = "denoise"
"""The command that need not be typed."""

AGAIN = 0.05
"""Seconds after which a signal is sent again that nobody heard."""

SIGNALLED = 128
"""What is added to the number of a signal for an exit code."""

_OF_THE_GROUP = ("--install-completion", "--show-completion")


class _Group(TyperGroup):
    """Commands of which one is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (Typer keeps its class to itself)
        """Put the default command's name in front, unless a command or an option of the group stands there."""
        if not args or args[0] not in (*self.commands, *_OF_THE_GROUP):
            near = get_close_matches(args[0], self.commands, n=1, cutoff=0.75) if args else []
            if near and not os.path.lexists(args[0]):
                raise InputError(args[0], "there is no such file", f"did you mean the command {near[0]}?")
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 (Typer keeps its classes to itself)
        """Let the default command go by the program's name in its usage line."""
        name, command, rest = super().resolve_command(ctx, args)
        if name == DEFAULT:
            name, ctx.info_name = ctx.info_name, None
        return name, command, rest


app = typer.Typer(cls=_Group, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
_SETTINGS = {"help_option_names": ["-h", "--help"]}
_MENTIONS = "\n\n".join(["Other commands:", *(room.MENTION for room in (info, compare, sweep, report))])
app.command(DEFAULT, context_settings=_SETTINGS, epilog=_MENTIONS)(denoise.command)
app.command("info", context_settings=_SETTINGS)(info.command)
app.command("compare", context_settings=_SETTINGS)(compare.command)
app.command("sweep", context_settings=_SETTINGS)(sweep.command)
app.command("report", context_settings=_SETTINGS)(report.command)


def main() -> None:
    """Run the command line and exit with its code."""
    _reopen_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text in its encoding
    sys.unraisablehook = _hear_again
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGHUP, _terminate)
    if resources.cores() < (os.cpu_count() or 1):  # of which OpenMP knows nothing in a container
        os.environ.setdefault("OMP_NUM_THREADS", str(resources.cores()))
    if os.name == "nt":
        tempfile.TMP_MAX = 100  # type: ignore[misc]  # names that are tried for a file where none may be made (CPython's issue 66305)
    try:
        _check_current_folder()
        words = [_kept(word) for word in sys.argv[1:]] or (["--help"] if sys.stdout.isatty() else [DEFAULT])
        code = app(words, prog_name="tvdenoise", standalone_mode=False)
    except typer.TyperException as error:
        problem = " ".join(error.format_message().split()).replace(": Value error, ", ": ", 1).removesuffix(".")
        context = getattr(error, "ctx", None)
        messages.failure(f"{problem}; see {context.command_path if context else 'tvdenoise'} --help")
        code = error.exit_code
    except TVDenoiseError as error:
        messages.failure(messages.error_text(error))
        code = error.exit_code
    except OSError as error:  # the help on a stream that is full, say
        messages.failure(f"{error.filename or 'standard output'}: {error.strerror}; check it")
        code = 1
    if code == messages.INTERRUPTED:
        messages.interrupted()
    _drop_what_cannot_be_written()
    _hear_no_more()
    sys.exit(code)


def _check_current_folder() -> None:
    """Refuse to work from a folder that has been removed, where libraries fail in ways of their own."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputError("current folder", "it is not there any more", "change to another") from error


def _kept(word: str) -> str:
    """Return an argument; the file ``./-`` by its whole path, as a path alone it is ``-``, which is a stream."""
    return word if word == "-" or Path(word) != Path("-") else str(Path.cwd() / "-")


def _reopen_closed_streams() -> None:
    """Stand in for streams that are closed (``>&-``): no file takes their place, and only stderr may be written to."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_WRONLY))
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _drop_what_cannot_be_written() -> None:
    """Empty the streams, so that Python does not try once more on leaving, and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _hear_no_more() -> None:
    """Let no signal break off the leaving, which undoes what was begun."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _terminate(signum: int, _frame: FrameType | None) -> None:
    """Leave on a signal as on any exception, so that temporary files go."""
    _hear_no_more()
    messages.failure(f"terminated; {messages.NOTHING_HALF_WRITTEN}")
    sys.exit(SIGNALLED + signum)


def _hear_again(caught: "sys.UnraisableHookArgs") -> None:
    """Send a signal again whose exception a finalizer has swallowed."""
    error = caught.exc_value
    if isinstance(error, KeyboardInterrupt):
        threading.Timer(AGAIN, os.kill, (os.getpid(), signal.SIGINT)).start()
    elif isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > SIGNALLED:
        code = error.code
        signal.signal(code - SIGNALLED, lambda *_: sys.exit(code))
        threading.Timer(AGAIN, os.kill, (os.getpid(), code - SIGNALLED)).start()
    else:
        sys.__unraisablehook__(caught)

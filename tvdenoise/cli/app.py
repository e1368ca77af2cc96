"""The application: its commands, and every expected failure turned into one line and an exit code."""

import io
import os
import signal
import sys
import tempfile
import threading
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from tvdenoise.cli import compare, denoise, info, messages, report, sweep
from tvdenoise.errors import InputError, TVDenoiseError
from tvdenoise.machine import resources
from tvdenoise.machine.signals import ENDING

DEFAULT = "denoise"  # the command that need not be typed
RESEND_DELAY = 0.05  # seconds until a signal is sent again: a finalizer that swallowed it has ended by then
SIGNALLED = 128  # is added to the number of a signal for an exit code, as shells do
_GROUP_OPTIONS = ("--install-completion", "--show-completion")
_GUESSES = {  # options that people try because other programs have them, and what they are called here
    "--best": "--preset best",
    "--force": "--overwrite",
    "--gpu": "--device cuda",
    "--isotropic": "--tv isotropic",
    "--weight": "--lambda",
    "-R": "--recursive",
    "-y": "--overwrite",
}


class _Command(TyperCommand):
    """A command whose help shows no types of Python's, such as ``<list[Path]>`` and ``<bool>``."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 (Typer keeps its classes to itself)
        """Return the parameters, of which only options with a value show what it is."""
        parameters = super().get_params(ctx)
        for parameter in parameters:
            if not isinstance(parameter, TyperOption) or parameter.is_flag:
                vars(parameter)["display_type_rich"] = lambda ctx: None  # noqa: ARG005 (in Typer's words)
        return parameters


class _Group(TyperGroup):
    """Commands, with a default one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (Typer keeps its class to itself)
        """Put the default command in front, unless a command or an option of the group is there."""
        first = args[0] if args else ""
        is_word = first in ("help", "version")
        if is_word and not os.path.lexists(first):
            args = [*args[1:], f"--{first}"]
            first = args[0]
        if first not in (*self.commands, *_GROUP_OPTIONS):
            similar = get_close_matches(first, self.commands, n=1, cutoff=0.75)
            if similar and not os.path.lexists(first):
                raise InputError(first, "there is no such file", f"did you mean the command {similar[0]}?")
            args = [DEFAULT, *args]
        self._refuse_single_hyphens(args)
        return super().parse_args(ctx, args)

    def _refuse_single_hyphens(self, args: list[str]) -> None:
        """Refuse ``-lambda``, which would be ``-l`` with the value ``ambda``."""
        command = self.commands.get(args[0])
        if command is None:
            return
        known = {name for parameter in command.params for name in parameter.opts}
        for word in takewhile("--".__ne__, args):
            name, _, _ = word.partition("=")
            if len(name) > 2 and f"-{name}" in known:
                raise InputError(name, "a long option has two hyphens", f"write -{name}")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 (Typer keeps its classes to itself)
        """Give the default command the program's name in its usage line."""
        name, command, rest = super().resolve_command(ctx, args)
        if name == DEFAULT:
            name = ctx.info_name
            ctx.info_name = None
        return name, command, rest


app = typer.Typer(cls=_Group, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
_SETTINGS = {"help_option_names": ["-h", "--help"]}
_MENTIONS = "\n\n".join(["Other commands:", info.MENTION, compare.MENTION, sweep.MENTION, report.MENTION])
app.command(DEFAULT, cls=_Command, context_settings=_SETTINGS, epilog=_MENTIONS)(denoise.command)
app.command("info", cls=_Command, context_settings=_SETTINGS)(info.command)
app.command("compare", cls=_Command, context_settings=_SETTINGS)(compare.command)
app.command("sweep", cls=_Command, context_settings=_SETTINGS)(sweep.command)
app.command("report", cls=_Command, context_settings=_SETTINGS)(report.command)


def main() -> None:
    """Run the command line and exit with its code."""
    _reopen_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text in its encoding
    sys.unraisablehook = _resend_swallowed_signal
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGHUP, _terminate)
    cores = resources.cores()
    if cores < (os.cpu_count() or 1):  # OpenMP does not see the limits of containers
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))
    # Threads that wait by trying again and again take the cores from programs that have work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if os.name == "nt":  # fewer names to try in a folder that refuses all of them (CPython's issue 66305)
        tempfile.TMP_MAX = 100  # type: ignore[misc]
    try:
        _check_current_folder()
        words = [_keep_file(word) for word in sys.argv[1:]]
        if not words and sys.stdout.isatty():
            words = ["--help"]
        code = app(words or [DEFAULT], prog_name="tvdenoise", standalone_mode=False)
    except typer.TyperException as error:
        messages.print_failure(_explain(error))
        code = error.exit_code
    except TVDenoiseError as error:
        messages.print_error(error)
        code = error.exit_code
    except OSError as error:  # such as the help on a full stream
        place = error.filename or "standard output"
        messages.print_failure(f"{place}: {error.strerror}; check it")
        code = 1
    if code == messages.INTERRUPTED:
        messages.print_end("interrupted")
    _flush_streams()
    _ignore_signals()
    sys.exit(code)


def _explain(error: typer.TyperException) -> str:
    """Say in one line what is wrong with the words that were typed, and which help to read."""
    problem = " ".join(error.format_message().split())
    problem = problem.replace(": Value error, ", ": ", 1).removesuffix(".")
    option = getattr(error, "option_name", "")
    if option in _GUESSES:
        problem = f"there is no option {option}, it is called {_GUESSES[option]} here"
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "tvdenoise"
    return f"{problem}; see {command} --help"


def _check_current_folder() -> None:
    """Refuse to work in a folder that has been removed: libraries fail there in ways of their own."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputError("current folder", "it is not there any more", "change to another") from error


def _keep_file(word: str) -> str:
    """Return an argument, with the whole path in place of ``./-``: as a path it would be ``-``, which is a stream."""
    if word != "-" and Path(word) == Path("-"):
        return str(Path.cwd() / "-")
    return word


def _reopen_closed_streams() -> None:
    """Replace streams that are closed (``>&-``), or a file would take their place; only stderr may be written to."""
    streams = {"stdin": (os.O_WRONLY, "r"), "stdout": (os.O_RDONLY, "w"), "stderr": (os.O_WRONLY, "w")}
    for name, (access, mode) in streams.items():
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, access), mode))


def _flush_streams() -> None:
    """Write what the streams hold or drop it, since Python would try again at exit and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _ignore_signals() -> None:
    """Ignore signals while the program leaves and undoes what it began."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _terminate(signum: int, _frame: FrameType | None) -> None:
    """Leave on a signal with an exception, so that temporary files are removed."""
    _ignore_signals()
    messages.print_end("terminated")
    sys.exit(SIGNALLED + signum)


def _resend_swallowed_signal(caught: "sys.UnraisableHookArgs") -> None:
    """Send a signal again whose exception was swallowed by a finalizer."""
    error = caught.exc_value
    if isinstance(error, KeyboardInterrupt):
        number: int = signal.SIGINT
    elif isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > SIGNALLED:
        code = error.code
        number = code - SIGNALLED
        signal.signal(number, lambda *_: sys.exit(code))  # _terminate has let it be ignored
    else:
        sys.__unraisablehook__(caught)
        return
    threading.Timer(RESEND_DELAY, os.kill, (os.getpid(), number)).start()

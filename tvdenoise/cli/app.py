"""The application: its one entry point, and every expected failure turned into one line and an exit code."""

import signal
import sys
from types import FrameType

import typer

from tvdenoise.cli import denoise, messages
from tvdenoise.errors import DeviceError, SettingError, TVDenoiseError

app = typer.Typer(add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.command(name="tvdenoise", context_settings={"help_option_names": ["-h", "--help"]})(denoise.command)

INTERRUPTED = 130
_NOTHING_HALF_WRITTEN = "no output was left half written"


def main() -> None:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="tvdenoise", standalone_mode=False)
    except typer.TyperException as error:
        messages.failure(f"{error.format_message()}; see tvdenoise --help")
        code = error.exit_code
    except SettingError as error:
        messages.failure(f"--{denoise.FLAGS.get(error.subject, error.subject)}: {error.problem}; {error.remedy}")
        code = error.exit_code
    except DeviceError as error:
        messages.failure(f"--device {error}")
        code = error.exit_code
    except TVDenoiseError as error:
        messages.failure(str(error))
        code = error.exit_code
    if code == INTERRUPTED:
        messages.failure(f"interrupted; {_NOTHING_HALF_WRITTEN}")
    sys.exit(code)


def _terminate(signum: int, _frame: FrameType | None) -> None:
    """Leave on SIGTERM as on any exception, so that temporary files go."""
    messages.failure(f"terminated; {_NOTHING_HALF_WRITTEN}")
    sys.exit(128 + signum)

"""The command line: a module per command, thin over importable functions; the only room that prints and exits."""

import signal
import sys

from tvdenoise.cli import messages

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from tvdenoise.cli import app  # late: an interrupt during the import is expected too

        app.main()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough
        messages.print_end("interrupted")
        sys.exit(messages.INTERRUPTED)

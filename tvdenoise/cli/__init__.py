"""The command line: a module a command, thin over importable functions; the only room that prints and exits."""

from tvdenoise.cli.app import main

__all__ = ["main"]

"""``tvdenoise sweep INPUT...``: a grid of settings over pictures, a row each, and tables at the end."""

from tvdenoise.cli import options
from tvdenoise.cli.arguments import SweepArguments

MENTION = "[bold]tvdenoise sweep INPUT... --lambda 0.02,0.05,0.1[/bold] tries settings and tells the best."


def sweep_files(arguments: SweepArguments) -> int:
    """Try every combination of settings over pictures, and tell which is best.

    Each run is measured against the clean picture: the input itself where --noise is given, else --reference.
    """
    from tvdenoise.machine.signals import ENDING, defer_signals

    with defer_signals(*ENDING):  # torch, while it is imported, would abort
        from tvdenoise.cli import trials

    return trials.sweep_files(arguments)


command = options.with_settings(SweepArguments, sweep_files, in_sweep=True)

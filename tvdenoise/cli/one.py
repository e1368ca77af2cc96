"""One picture: a bar on terminals while it is denoised, then a line about it."""

import json

from tvdenoise import job
from tvdenoise.cli import messages
from tvdenoise.cli.dry import foretell
from tvdenoise.cli.manner import Manner
from tvdenoise.cli.watching import watching
from tvdenoise.errors import TVDenoiseError
from tvdenoise.job import Job
from tvdenoise.plan import is_folder


def denoise_one(task: Job, manner: Manner, *, makes_folder: bool) -> int:
    """Denoise a picture, say what came of it, and return the exit code."""
    if makes_folder and not is_folder(task.target.parent):
        if manner.dry_run:
            return foretell([task], manner)
        task.make_folder()
    task.check(overwrite=manner.overwrite)
    if manner.dry_run:
        return foretell([task], manner)
    try:
        with watching(task.settings, quiet=manner.quiet, verbose=manner.verbose) as watcher:
            row = job.run(task, watcher)
    except TVDenoiseError as error:
        if manner.as_json and error.exit_code == 1:
            messages.data(json.dumps(task.row("failed", error).as_json()))
        raise
    if manner.as_json:
        messages.data(json.dumps(row.as_json()))
    if manner.quiet:
        return 0
    messages.note(messages.summary(row, watcher.facts))
    if not manner.verbose:  # which has told them
        for hint in messages.hints(row, watcher.facts):
            messages.note(hint)
    else:
        from tvdenoise.engine import remarks  # torch is loaded by now

        model = f"{row.tv}, {row.figures.color}" + (f", slices coupled, {row.spacing:g} apart" if row.volume else "")
        for remark in remarks():
            messages.note(remark)
        messages.note(f"energy {row.figures.energy:.6g}, gap {row.figures.gap:.3g}, {model}")
    if task.reference is not None:
        messages.note(f"{messages.comparison(row)} against {task.reference}")
    return 0

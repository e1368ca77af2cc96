"""One picture: a bar on terminals while it is denoised, then a line about it."""

import json

from tvdenoise import job
from tvdenoise.cli import messages
from tvdenoise.cli.dry import dry_run_of
from tvdenoise.cli.run_options import RunOptions
from tvdenoise.cli.watching import watching
from tvdenoise.errors import SettingError, TVDenoiseError
from tvdenoise.job import Job
from tvdenoise.plan import is_folder


def denoise_one(task: Job, options: RunOptions, *, makes_folder: bool) -> int:
    """Denoise a picture, say what came of it, and return the exit code."""
    for flag, is_given in (("shard", options.shard != (1, 1)), ("scheduler", options.scheduler is not None)):
        if is_given:
            raise SettingError(flag, "a single picture is not shared out", "leave it out, or name a folder")
    if makes_folder and not is_folder(task.target.parent):
        if options.dry_run:
            return dry_run_of([task], options)
        task.make_folder()
    try:
        task.check(overwrite=options.overwrite)
        if options.dry_run:
            return dry_run_of([task], options)
        with watching(task.settings, quiet=options.quiet, verbose=options.verbose) as watcher:
            row = job.run(task, watcher)
    except TVDenoiseError as error:
        if options.as_json and error.exit_code == 1:
            messages.data(json.dumps(task.row("failed", error).as_json()))
        raise
    if options.as_json:
        messages.data(json.dumps(row.as_json()))
    if options.quiet:
        return 0
    messages.note(messages.summary_line(row, watcher.facts))
    if not options.verbose:  # which has told them
        for hint in messages.hints(row, watcher.facts):
            messages.note(hint)
    else:
        from tvdenoise.engine import remarks  # torch is loaded by now

        model = f"{row.tv}, {row.figures.color}" + (f", slices coupled, {row.spacing:g} apart" if row.volume else "")
        for remark in remarks():
            messages.note(remark)
        messages.note(f"energy {row.figures.energy:.6g}, gap {row.figures.gap:.3g}, {model}")
    if task.reference is not None:
        messages.note(f"{messages.quality_line(row)} against {task.reference}")
    return 0

"""One picture: a bar on terminals while it is denoised, its certified distance falling, then a line about it."""

import json
import math
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tvdenoise.cli import messages
from tvdenoise.cli.runs import RunOptions, dry_run_of
from tvdenoise.errors import SettingError, TVDenoiseError
from tvdenoise.files.job import Job, Observer, denoise_file
from tvdenoise.files.plan import is_folder
from tvdenoise.images import PictureFile
from tvdenoise.images.facts import describe
from tvdenoise.machine import scratch
from tvdenoise.machine.remarks import remarks
from tvdenoise.options.settings import Settings

if TYPE_CHECKING:
    from tvdenoise.solvers.loop import Progress


def denoise_one(job: Job, options: RunOptions, *, makes_folder: bool) -> int:
    """Denoise a picture, say what came of it, and return the exit code."""
    for flag, is_given in (("shard", options.shard != (1, 1)), ("scheduler", options.scheduler is not None)):
        if is_given:
            raise SettingError(flag, "a single picture is not shared out", "leave it out, or name a folder")
    if makes_folder and not is_folder(job.target.parent):
        if options.dry_run:
            return dry_run_of([job], options)
        job.make_folder()
    try:
        job.check(overwrite=options.overwrite)
        if options.dry_run:
            return dry_run_of([job], options)
        form = "{desc} |{bar}| {elapsed}"
        with tqdm(total=100, desc="loading torch", leave=False, bar_format=form, disable=options.quiet or None) as bar:
            watcher = _Watcher(bar, job.settings, tells=options.verbose)
            row = denoise_file(job, watcher)
    except TVDenoiseError as error:
        if options.as_json and error.exit_code == 1:
            messages.data(json.dumps(job.row("failed", error).as_json()))
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
        model = f"{row.tv}, {row.figures.color}" + (f", slices coupled, {row.spacing:g} apart" if row.volume else "")
        for remark in remarks():
            messages.note(remark)
        messages.note(f"energy {row.figures.energy:.6g}, gap {row.figures.gap:.3g}, {model}")
    if job.reference is not None:
        messages.note(f"{messages.quality_line(row)} against {job.reference}")
    return 0


class _Watcher(Observer):
    """Keeps the facts of the file that was read, ``tells`` them, and moves a bar, on a logarithmic scale by page."""

    def __init__(self, bar: "tqdm[Any]", settings: Settings, *, tells: bool) -> None:
        self.facts: dict[str, Any] = {}
        self._bar, self._settings, self._tells = bar, settings, tells
        self._page, self._first = "", 0.0

    def on_read(self, file: PictureFile) -> None:
        """Keep the facts, and tell them."""
        self.facts = describe(file, volume=self._settings.volume, color=self._settings.color)
        if not self._tells:
            return
        messages.note(messages.file_line(self.facts))
        left = scratch.memory_left()
        if left is not None and left < self.facts["memory"]:
            messages.note(f"{left / 2**20:.0f} MiB of that in memory, the rest in a scratch file")

    def on_page(self, number: int, count: int) -> None:
        """Empty the bar."""
        kind = messages.kind_of_page(self.facts, volume=self._settings.volume)
        self._page = f"{kind} {number} of {count}, " if count > 1 else ""
        self._first = 0.0
        self._bar.n = 0

    def on_progress(self, progress: "Progress") -> None:
        """Move the bar."""
        if not progress.certificate.is_finite:
            return
        tol = progress.tol
        bound = max(progress.certificate.rms_bound, tol)
        self._first = self._first or bound
        way = math.log(self._first / bound) / math.log(self._first / tol) if self._first > tol > 0 else 1.0
        self._bar.n = max(self._bar.n, min(100, round(100 * way)))
        what = f"{self._page}step {progress.step}, certified within {progress.certificate.rms_bound:.2g}"
        self._bar.set_description_str(f"{what} of the exact minimiser")

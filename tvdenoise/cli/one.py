"""One picture: a bar on terminals while it is denoised, its certified distance falling, then a line about it."""

import math
import time
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tvdenoise.cli import messages
from tvdenoise.cli.arguments import Arguments
from tvdenoise.cli.many import print_plan
from tvdenoise.errors import TVDenoiseError
from tvdenoise.files.job import Job, Observer, denoise_file
from tvdenoise.files.plan import is_folder
from tvdenoise.files.rows import Row
from tvdenoise.images import PictureFile
from tvdenoise.images.facts import describe
from tvdenoise.machine import scratch
from tvdenoise.machine.remarks import remarks

if TYPE_CHECKING:
    from tvdenoise.solvers.loop import Progress

BAR = "{desc} |{bar}| {elapsed}"


def denoise_one(job: Job, arguments: Arguments, *, makes_folder: bool) -> int:
    """Denoise a picture, say what came of it, and return the exit code."""
    if arguments.dry_run and makes_folder and not is_folder(job.target.parent):
        return print_plan([job], arguments)
    began = time.perf_counter()
    try:
        job.check(overwrite=arguments.overwrite, makes_folder=makes_folder)
        if arguments.dry_run:
            return print_plan([job], arguments)
        is_hidden = arguments.quiet or None  # None: tqdm shows the bar on terminals only
        with tqdm(total=100, desc="loading torch", leave=False, bar_format=BAR, disable=is_hidden) as bar:
            watcher = _Watcher(bar, job, arguments)
            row = denoise_file(job, watcher)
    except TVDenoiseError as error:
        if arguments.as_json and error.exit_code == 1:
            messages.print_json(job.row("failed", error).as_json())
        raise
    if arguments.as_json:
        messages.print_json(row.as_json())
    if not arguments.quiet:
        seconds = time.perf_counter() - began
        messages.note(messages.describe_result(row, watcher.facts, seconds))
        messages.note_flaws(row, watcher.facts)
        _print_details(row, watcher.facts, is_verbose=arguments.says_more)
        if job.reference is not None:
            messages.note(f"{messages.describe_quality(row)} against {job.reference}")
    return 0


def _print_details(row: Row, facts: dict[str, Any], *, is_verbose: bool) -> None:
    for caution in messages.find_cautions(row):
        messages.note(caution)
    if not is_verbose:
        for hint in messages.find_hints(row, facts):
            messages.note(hint)
        return
    messages.note(messages.describe_solution(row, facts))
    # The hints have been told with the facts.
    for remark in remarks():
        messages.note(remark)
    figures = row.figures
    model = f"{row.tv}, {figures.color}"
    if row.noise_model != "gaussian":
        model = f"{row.noise_model}, {model}"
    if row.volume:
        model += ", slices coupled"
    if row.spacing is not None:
        model += f", {messages.format_spacing(row.spacing)} apart"
    energies = f"energy {figures.energy:.6g}, gap {figures.gap:.3g}"
    messages.note(f"{energies}, {model}")


class _Watcher(Observer):
    """Keeps the facts of the file that was read, tells them if verbose, and moves a bar."""

    def __init__(self, bar: "tqdm[Any]", job: Job, arguments: Arguments) -> None:
        self.facts: dict[str, Any] = {}
        self._bar = bar
        self._heartbeat = messages.Heartbeat()
        self._name = messages.shorten(job.source.name)
        self._settings = job.settings
        self._is_quiet = arguments.quiet
        self._is_verbose = arguments.says_more
        self._page = ""
        self._first_bound = 0.0  # of this page

    def on_read(self, file: PictureFile) -> None:
        """Keep the facts, and tell them."""
        self.facts = describe(file, volume=self._settings.volume, color=self._settings.color)
        if not self._is_verbose:
            return
        messages.note(messages.describe_file(self.facts))
        left = scratch.memory_left()
        if left is not None and left < self.facts["memory"]:
            mebibytes = left / 2**20
            messages.note(f"{mebibytes:.0f} MiB of that in memory, the rest in a scratch file")

    def on_page(self, number: int, count: int) -> None:
        """Empty the bar."""
        self._page = ""
        if count > 1:
            kind = messages.name_page(self.facts, volume=self._settings.volume)
            self._page = f"{kind} {number} of {count}, "
        self._first_bound = 0.0
        self._bar.n = 0

    def on_progress(self, progress: "Progress") -> None:
        """Move the bar, on a logarithmic scale from the first bound to the tolerance."""
        if not progress.certificate.is_finite:
            return
        tol = progress.tol
        bound = max(progress.certificate.error, tol)
        first = self._first_bound or bound
        self._first_bound = first
        share = 1.0
        if first > tol > 0:
            whole = math.log(first / tol)
            share = math.log(first / bound) / whole
        percent = min(100, round(100 * share))
        self._bar.n = max(self._bar.n, percent)
        certified = messages.describe_error(progress.certificate.error, is_by_gap=progress.certificate.is_by_gap)
        text = f"{self._name}: {self._page}step {progress.step}, {certified}"
        self._bar.set_description_str(text)
        if not self._is_quiet:
            self._heartbeat.note(text)

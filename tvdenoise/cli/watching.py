"""What a command shows while a job runs: what was read, and the certified distance falling."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tvdenoise import storage
from tvdenoise.cli import messages
from tvdenoise.description import describe
from tvdenoise.images import PictureFile
from tvdenoise.job import Observer
from tvdenoise.settings import Settings

if TYPE_CHECKING:
    from tvdenoise.solve import Progress


class Watcher(Observer):
    """Keeps the facts of the file that was read, and moves a bar: a page fills it on a logarithmic scale."""

    def __init__(self, bar: "tqdm[Any]", settings: Settings) -> None:
        self.facts: dict[str, Any] = {}
        self._bar = bar
        self._settings = settings
        self._page = ""
        self._first = 0.0

    def on_read(self, file: PictureFile) -> None:
        """Keep the facts."""
        self.facts = describe(file, volume=self._settings.volume, color=self._settings.color)

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


class VerboseWatcher(Watcher):
    """Says what was read as soon as it is known."""

    def on_read(self, file: PictureFile) -> None:
        """Keep the facts and say them."""
        super().on_read(file)
        messages.note(messages.file_line(self.facts))
        left = storage.memory_left()
        if left is not None and left < self.facts["memory"]:
            messages.note(f"{left / 2**20:.0f} MiB of that in memory, the rest in a scratch file")


@contextmanager
def watching(settings: Settings, *, quiet: bool, verbose: bool) -> Iterator[Watcher]:
    """Watch a job, with a bar on terminals."""
    is_hidden = quiet or not sys.stderr.isatty()
    with tqdm(
        total=100, desc="loading torch", leave=False, bar_format="{desc} |{bar}| {elapsed}", disable=is_hidden
    ) as bar:
        yield (VerboseWatcher if verbose else Watcher)(bar, settings)

"""What processes do that tests kill: each is forked from one that has loaded torch, and knows nothing of pytest."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch

from tvdenoise import images
from tvdenoise.files.attempt import attempt
from tvdenoise.files.job import Job
from tvdenoise.files.plan import FileFilter, Naming, plan_files
from tvdenoise.images import Picture, PictureFile
from tvdenoise.options.settings import Settings


def begun(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tvdenoise.files.attempt", "tvdenoise.api.denoising", "tvdenoise.files.plan"])
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def go_through(scans: Path, output: Path) -> None:
    """What a process of a batch does, one picture after the other; at lambda 0 most of it is reading and writing."""
    torch.set_num_threads(1)
    for pair in plan_files([scans], Naming(output), FileFilter(recursive=True)).pairs():
        attempt(Job(pair.source, pair.target, Settings(weight=0)), overwrite=False)


def fill(path: Path, clean: np.ndarray) -> None:
    """What a sweep does whose rows go into a file; scikit-image, which is slow to import, has nothing to measure."""
    from tvdenoise import Grid, Specimen, sweep  # late: the others start sooner
    from tvdenoise.experiments import row_file  # late: the others start sooner

    torch.set_num_threads(1)
    grid = Grid(weight=(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5))
    with row_file.open_rows(path) as file:
        keys = {row["key"] for row in file.rows}
        for row in sweep([Specimen("a", clean)], grid, is_known=lambda row: row.key in keys):
            file.add(row)


def large_file(ending: str, value: int) -> PictureFile:
    """A picture that takes some time to write, in the file format that ``ending`` names."""
    pixels = np.random.default_rng(value).integers(0, 2**16, (500, 500), dtype=np.uint16)
    format_ = images.format_called(ending)
    assert format_ is not None
    return PictureFile(format_, (Picture(pixels, "YX"),))


def write_in_turn(target: Path) -> None:
    """Write two pictures into the same file, one after the other, and no end."""
    pictures = [large_file(target.suffix, value) for value in (0, 1)]
    while True:
        for picture in pictures:
            images.write(target, picture)

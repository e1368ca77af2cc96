"""Folders: ``python benchmarks/folders.py``, rows and then a table.

- 200 and 1,000 pictures of 512 x 512 in one command, against what the cores could do if reading, writing and starting
  cost nothing (cores over the seconds to solve one on one thread), and against a shell loop over single runs;
- the memory of all its processes together, for 50 pictures and for 200;
- planning 100,000 files, and a run in which all of them are skipped.
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import rows
import torch
import typer
from PIL import Image
from skimage.data import camera

from tvdenoise import denoise
from tvdenoise.kernels import dispatch
from tvdenoise.machine import resources

TOOL = [sys.executable, "-m", "tvdenoise"]
SIDE = 512
WEIGHT = 0.1
LOOP = 10
"""Pictures of the shell loop."""

PLAN = (
    "import sys; from pathlib import Path; from tvdenoise.files.plan import *;"
    "print(len(plan_files([Path(sys.argv[1])], Naming(Path(sys.argv[2])), FileFilter(recursive=True))))"
)


def main(
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("folders.jsonl"),
    pictures: tuple[int, int] = (200, 1000),
    files: int = 100_000,
    runs: int = 5,
) -> None:
    """Measure, print the rows, and then the table."""
    with tempfile.TemporaryDirectory() as folder:
        found = [
            *_throughput(Path(folder), pictures, runs),
            *_memory(Path(folder), pictures[0]),
            *_plans(folder, files),
        ]
    measured = rows.written([rows.machine() | row for row in found], out)
    print(rows.table(["", "figure", "unit"], [(row["what"], row["figure"], row["unit"]) for row in measured]))


def _noisy(index: int) -> np.ndarray:
    noise = np.random.default_rng(index).normal(0, 25, (SIDE, SIDE))
    return np.clip(np.roll(camera(), 37 * index, 1) + noise, 0, 255).astype(np.uint8)


def _throughput(folder: Path, numbers: tuple[int, int], runs: int) -> Iterator[rows.Row]:
    few, many = folder / "few", folder / "many"
    for scans, number in zip((few, many), numbers, strict=True):
        scans.mkdir()
        for index in range(number):
            Image.fromarray(_noisy(index)).save(scans / f"{index:04}.png")
    torch.set_num_threads(1)
    dispatch.load()
    picture = (_noisy(0) / 255).astype(np.float32)
    denoise(picture, WEIGHT)
    rates: dict[str, list[float]] = {"cores": [], "few": [], "many": [], "loop": []}
    for _ in range(runs):
        one = statistics.median(_seconds(lambda: denoise(picture, WEIGHT)) for _ in range(20))
        rates["cores"].append(resources.cores() / one)
        rates["few"].append(numbers[0] / _seconds(lambda: _denoised(few, folder / "out")))
        rates["many"].append(numbers[1] / _seconds(lambda: _denoised(many, folder / "out")))
        rates["loop"].append(LOOP / _seconds(lambda: [_denoised(path, folder / "o.png") for path in _some(few)]))
    yield _row("cores over the seconds to solve one on one thread", statistics.median(rates["cores"]), "pictures/s")
    for name, number in zip(("few", "many"), numbers, strict=True):
        yield _row(f"{number} in one command", statistics.median(rates[name]), "pictures/s")
        yield _row("the same over what the cores could", _ratio(rates[name], rates["cores"]), "")
    yield _row("a shell loop over single runs", statistics.median(rates["loop"]), "pictures/s")
    yield _row(f"{numbers[0]} in one command over the loop", _ratio(rates["few"], rates["loop"]), "times")


def _memory(folder: Path, pictures: int) -> Iterator[rows.Row]:
    for number in (pictures // 4, pictures):
        listed = folder / "list"
        listed.write_text("\n".join(map(str, sorted((folder / "few").iterdir())[:number])))
        command = [*TOOL, "--files-from", str(listed), "-o", str(folder / "out"), "-l", str(WEIGHT), "--overwrite"]
        yield _row(f"memory of all processes, {number} pictures", _peak(command) / 2**20, "MiB")


def _plans(folder: str, files: int) -> Iterator[rows.Row]:
    for tree in ("tree", "results"):
        for index in range(files):
            path = Path(folder, tree, f"{index // 1000}", f"{index}.png")
            if index % 1000 == 0:
                path.parent.mkdir(parents=True)
            path.touch()
    started = time.perf_counter()
    peak = _peak([sys.executable, "-c", PLAN, f"{folder}/tree", f"{folder}/results"])
    yield _row(f"planning {files} files", time.perf_counter() - started, "s")
    yield _row("memory of that", peak / 2**20, "MiB")
    command = [*TOOL, f"{folder}/tree", "-r", "-o", f"{folder}/results", "-q"]
    yield _row(f"skipping {files} that are done", _seconds(lambda: subprocess.run(command, check=True)), "s")


def _denoised(source: Path, target: Path) -> None:
    command = [*TOOL, str(source), "-o", str(target), "-l", str(WEIGHT), "-q", "--overwrite"]
    subprocess.run(command, check=True)


def _some(scans: Path) -> list[Path]:
    return sorted(scans.iterdir())[:LOOP]


def _seconds(job: object) -> float:
    started = time.perf_counter()
    job()  # type: ignore[operator]
    return time.perf_counter() - started


def _peak(command: list[str]) -> int:
    """Return the largest sum, over a command and all its processes, of memory that each has for itself or shares."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    largest = 0
    ended = threading.Event()
    threading.Thread(target=lambda: (process.wait(), ended.set())).start()
    while not ended.wait(0.05):
        total = 0
        for member in (process, *_children(process)):
            try:
                total += member.memory_full_info().pss
            except psutil.Error:
                continue
        largest = max(largest, total)
    return largest


def _children(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _ratio(first: list[float], second: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def _row(what: str, figure: float, unit: str) -> rows.Row:
    return {"what": what, "figure": float(f"{figure:.3g}"), "unit": unit}


if __name__ == "__main__":
    typer.run(main)

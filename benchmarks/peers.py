"""How long until a picture is right: ``python benchmarks/peers.py``, a row for each program and accuracy, then a table.

The camera sample (512x512, noise 0.1) at lambda 0.1. ``seconds`` is the time to a *true* RMS error, against the exact
minimiser in double precision: the fewest steps (of a ladder) that reach it are found first, and then all programs take
theirs in turn, several times over; a row has the median and the range. ``tvdenoise`` takes its steps without looking;
``certified`` is ``denoise(..., tol=error)`` as a user calls it, with every certificate it takes to know.

Peers come with the extras ``bench`` and ``peers``: prox_tv is compiled, with LAPACK's headers (``liblapacke-dev``).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import rows
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from skimage.restoration import denoise_tv_bregman, denoise_tv_chambolle

from tvdenoise import TotalVariation, denoise
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.coarse import coarse_start
from tvdenoise.solvers.formulations import Dual

SAMPLE = Path(__file__).parent.parent / "sample_images" / "camera_noisy.png"
WEIGHT = 0.1
ERRORS = (1e-3, 3e-4, 1e-4)
LIMIT = 3.0
"""Seconds after which a program is given up."""

MOST_STEPS = 30_000
"""The same for programs that stop by themselves."""

RUNG = 1.15
"""How many times as many steps are tried next."""

Pixels = NDArray[np.floating]
Kind = Literal["anisotropic", "isotropic"]


@dataclass(frozen=True)
class Program:
    """One way to a picture: what it gives after a number of steps."""

    name: str
    tv: Kind
    run: Callable[[int], Pixels]


def main(
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("peers.jsonl"),
    runs: int = 7,
    plot: Annotated[Path | None, typer.Option(help="A plot of the rows, if any: such as speed.png.")] = None,
    *,
    read: Annotated[bool, typer.Option("--read", help="Measure nothing: read the rows.")] = False,
) -> None:
    """Measure, print the rows, and then the table."""
    measured = rows.read(out) if read else rows.written(_rows(runs), out)
    print(table([row for row in measured if row["program"] != "machine"]))
    if plot is not None:
        _plot(measured, plot)


def _plot(measured: list[rows.Row], path: Path) -> None:
    """Draw the seconds to each error, a panel a kind of total variation."""
    import matplotlib.pyplot as plt

    machine, *others = measured
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True, sharex=True, layout="constrained")
    for panel, tv in zip(panels, ("anisotropic", "isotropic"), strict=True):
        own = [row for row in others if row["tv"] == tv and row["seconds"]]
        for name in dict.fromkeys(row["program"] for row in own):
            points = [(row["error"], row["seconds"]) for row in own if row["program"] == name]
            is_ours = name in ("tvdenoise", "certified")
            label = {"tvdenoise": "tvdenoise", "certified": "tvdenoise, certified"}.get(name, name)
            style = {"linewidth": 2.5, "color": "#c0392b"} if is_ours else {}
            panel.plot(*zip(*points, strict=True), "o--" if name == "certified" else "o-", label=label, **style)
        panel.set(xscale="log", yscale="log", xlabel="RMS distance to the exact minimiser", title=tv)
        panel.grid(alpha=0.3, which="both")
    panels[0].invert_xaxis()
    panels[0].set_ylabel("seconds")
    lines = {line.get_label(): line for panel in panels for line in panel.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=len(lines), fontsize=8)
    where = f"{machine['processor']}, {machine['threads']} threads, torch {machine['torch']}, {machine['date']}"
    figure.suptitle(f"512x512, noise 0.1, lambda 0.1 ({where})", fontsize=10)
    figure.savefig(path, dpi=110)


def table(measured: list[rows.Row]) -> str:
    """Return milliseconds by program and error, and how many times as long as tvdenoise that is."""
    body = []
    for tv in ("anisotropic", "isotropic"):
        own = {row["error"]: row["seconds"] for row in measured if (row["tv"], row["program"]) == (tv, "tvdenoise")}
        for name in dict.fromkeys(row["program"] for row in measured if row["tv"] == tv):
            times = {row["error"]: row["seconds"] for row in measured if (row["tv"], row["program"]) == (tv, name)}
            cells = [_cell(times.get(error), own.get(error)) for error in ERRORS]
            body.append([f"{tv}: {name}", *cells])
    return rows.table(["", *(f"RMS {error:g}" for error in ERRORS)], body)


def _cell(seconds: float | None, own: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{1e3 * seconds:.0f} ms" + (f" ({seconds / own:.1f} x)" if own else "")


def _rows(runs: int) -> Iterator[rows.Row]:
    f = np.asarray(Image.open(SAMPLE), np.float32) / np.float32(255)
    yield rows.machine() | {"program": "machine", "tv": None, "error": None, "seconds": None}
    for tv in ("anisotropic", "isotropic"):
        exact = denoise(f.astype(np.float64), WEIGHT, tv=tv, tol=1e-6, max_steps=10_000).image
        programs = _programs(f, tv)
        counts: dict[str, int | None] = dict.fromkeys((program.name for program in programs), 1)
        for error in ERRORS:
            counts = {program.name: _steps(program, exact, error, counts[program.name]) for program in programs}
            able = [program for program in programs if counts[program.name]]
            jobs = {program.name: partial(program.run, counts[program.name]) for program in able}
            jobs["certified"] = partial(denoise, f, WEIGHT, tv=tv, tol=error)
            times = rows.in_turn(jobs, runs)
            for name, seconds in times.items():
                yield {"tv": tv, "program": name, "error": error, "steps": counts.get(name), **rows.spread(seconds)}
            for program in programs:
                if program not in able:
                    yield {"tv": tv, "program": program.name, "error": error, "steps": None, "seconds": None}


def _steps(program: Program, exact: Pixels, error: float, count: int | None) -> int | None:
    """Return the fewest steps of a ladder from ``count`` on that reach the error, None if that takes too long."""
    while count is not None:
        start = time.perf_counter()
        u = program.run(count)
        if np.sqrt(np.mean(np.square(u - exact))) <= error:
            break
        took_long = time.perf_counter() - start > LIMIT or count > MOST_STEPS
        count = None if took_long else max(count + 1, round(RUNG * count))
    return count


def _programs(f: Pixels, tv: Kind) -> list[Program]:
    double = f.astype(np.float64)
    programs = [
        Program("tvdenoise", tv, partial(_ours, torch.from_numpy(f)[None], tv)),
        Program("Adam", tv, partial(_adam, f, tv)),
    ]
    if tv == "isotropic":
        chambolle = partial(denoise_tv_chambolle, f, weight=WEIGHT, eps=0)
        return [*programs, Program("scikit-image Chambolle", tv, lambda count: chambolle(max_num_iter=count))]
    bregman = partial(denoise_tv_bregman, f, weight=1 / WEIGHT, eps=0, isotropic=False)
    programs.append(Program("scikit-image Bregman", tv, lambda count: bregman(max_num_iter=count)))
    try:
        import prox_tv
    except ImportError as missing:
        print(f"prox_tv is missing: {missing}")
        return programs
    for method in ("dr", "pd", "kolmogorov"):
        solver = partial(prox_tv.tv1_2d, double, WEIGHT, n_threads=torch.get_num_threads(), method=method)
        programs.append(Program(f"prox_tv {method}", tv, lambda count, solver=solver: solver(max_iters=count)))
    return programs


def _ours(f: torch.Tensor, tv: Kind, steps: int) -> Pixels:
    problem = Problem(f, WEIGHT, tv)
    dual = Dual(problem, coarse_start(problem))
    dual.advance(steps)
    return dual.candidate()[0][0].numpy()


def _adam(f: Pixels, tv: Kind, steps: int) -> Pixels:
    """Do as the popular recipe does."""
    noisy = torch.from_numpy(f)[None]
    u = noisy.clone().requires_grad_()
    variation, optimizer = TotalVariation(tv=tv), torch.optim.Adam([u], lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (u - noisy).square().sum() + WEIGHT * variation(u)).backward()
        optimizer.step()
    return u.detach()[0].numpy()


if __name__ == "__main__":
    typer.run(main)

"""What people read, all of it on stderr: failures, the line about a finished picture, the progress bar."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvdenoise.images import Picture
    from tvdenoise.job import Row
    from tvdenoise.solve import Progress

EIGHT_BIT_STEPS = 255


def failure(message: str) -> None:
    """Print an error in one line."""
    print("tvdenoise:", " ".join(message.split()), file=sys.stderr)


def note(message: str) -> None:
    """Print a line."""
    print(message, file=sys.stderr)


def described(picture: "Picture") -> str:
    """Describe a picture: size, kind, type and the range that black to white means."""
    low, high = picture.scale
    return f"{size(picture.pixels.shape)}, {picture.pixels.dtype}, range {low:g}..{high:g}"


def size(shape: tuple[int, ...]) -> str:
    """Return width, height and the kind of colour."""
    return f"{shape[1]}x{shape[0]} {'RGB' if shape[2:] == (3,) else 'gray'}"


def summary(row: "Row", tol: float) -> str:
    """Say in one line what was done, and how close to the exact minimiser the result is certified to be."""
    assert row.shape is not None
    assert row.rms_bound is not None
    assert row.seconds is not None
    levels = row.rms_bound * EIGHT_BIT_STEPS
    parts = [
        f"{row.input} -> {row.output}: {size(row.shape)}, lambda {row.weight:g}, {row.optimizer} on {row.device}",
        f"{row.steps} steps" + (f" (the limit, before the tolerance {tol:g})" if row.stop == "max_steps" else ""),
        f"certified within {row.rms_bound:.2g} of the exact minimiser ({levels:.2g} of an 8-bit grey level)",
        f"{row.seconds:.2f} s",
    ]
    return ", ".join(parts)


def comparison(row: "Row") -> str:
    """Say how PSNR and SSIM against the reference changed."""
    psnr = f"PSNR {row.psnr_before:.2f} -> {row.psnr_after:.2f} dB"
    if row.ssim_before is None or row.ssim_after is None:
        return psnr
    return f"{psnr}, SSIM {row.ssim_before:.4f} -> {row.ssim_after:.4f}"


@contextmanager
def progress_bar(tol: float, *, shown: bool) -> "Iterator[Callable[[Progress], object] | None]":
    """Show the certified distance falling towards the tolerance, on a logarithmic scale; on terminals only."""
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=100, desc="loading torch", leave=False, bar_format="{desc} |{bar}| {elapsed}") as bar:
        first = 0.0

        def update(progress: "Progress") -> None:
            nonlocal first
            bound = progress.certificate.rms_bound
            first = first or max(bound, tol)
            way = math.log(first / max(bound, tol)) / math.log(first / tol) if first > tol else 1.0
            bar.n = max(bar.n, min(100, round(100 * way)))
            bar.set_description_str(f"step {progress.step}, certified within {bound:.2g} of the exact minimiser")

        yield update

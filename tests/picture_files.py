"""What the tests of picture files share."""

from pathlib import Path

import numpy as np

from tvdenoise import images
from tvdenoise.images import PictureFile, WriteOptions

PNGSUITE = sorted((Path(__file__).parent / "pngsuite").glob("*.png"))
"""Willem van Schaik's test pictures; those whose name begins with x are corrupt."""


def folder(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def copied(source: Path, target: Path, options: WriteOptions = WriteOptions()) -> PictureFile:
    """What lambda 0 does: every pixel to the unit scale and back. Returns what reading the target gives."""
    file, blank = images.prepare_target(images.read(source), target, options)
    for part, filled in zip(file.parts, blank.parts, strict=True):
        for page in part.pages():
            filled.fill_page(page, part.unit(page), part)
    images.write(target, blank)
    return images.read(target)


def assert_same(a: PictureFile, b: PictureFile) -> None:
    """Bits, axes, meaning and metadata."""
    for one, other in zip(a.parts, b.parts, strict=True):
        assert one.pixels.dtype == other.pixels.dtype
        assert np.array_equal(one.pixels.view(np.uint8), other.pixels.view(np.uint8))
        fields = ("axes", "alpha", "scale", "is_inverted", "is_cmyk")
        assert [getattr(one, name) for name in fields] == [getattr(other, name) for name in fields]
    assert (a.metadata, a.own_metadata) == (b.metadata, b.own_metadata)


def numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Random numbers over the whole range of an integer type, or floats of every sign and size."""
    random, kind = np.random.default_rng(0), np.dtype(dtype)
    if kind.kind == "f":
        return (random.standard_normal(shape) * 10 ** random.uniform(-3, 3, shape)).astype(kind)
    return random.integers(np.iinfo(kind).min, np.iinfo(kind).max, shape, endpoint=True).astype(kind)

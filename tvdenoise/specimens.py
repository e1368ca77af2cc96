"""Picture files for an experiment: single pictures on the unit scale, with their clean versions."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvdenoise import images
from tvdenoise.errors import PictureError
from tvdenoise.images import Picture, ReadOptions
from tvdenoise.job import Job, read_reference
from tvdenoise.settings import Settings
from tvdenoise.sweeping import Specimen


def read_specimen(source: Path, reference: Path | None, options: ReadOptions = ReadOptions()) -> Specimen:
    """Read a picture, and its clean version if there is one.

    Raises
    ------
    TVDenoiseError
        If they cannot be read, differ in shape, or have several pages.
    """
    file = images.read(source, options)
    if file.page_count > 1:
        raise PictureError(source, f"it has {file.page_count} pages", "a sweep takes single pictures")
    first, clean = file.parts[0], None
    if reference is not None:
        job = Job(source, source, Settings(), reference, reading=options)
        clean = _shown(read_reference(job, file, file.format).parts[0])
    name = None if reference is None else str(reference)
    return Specimen(str(source), _shown(first), clean, name, str(first.pixels.dtype), first.scale)


def _shown(picture: Picture) -> NDArray[np.floating]:
    """Return a picture (H, W) or (H, W, C) on the unit scale, with white at 1."""
    unit = picture.shown(next(picture.pages()))
    return unit.squeeze(-1) if unit.shape[-1] == 1 else unit

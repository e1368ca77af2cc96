"""Picture files for an experiment, with their clean versions."""

from pathlib import Path

from tvdenoise import images
from tvdenoise.errors import PictureError
from tvdenoise.images import ReadOptions
from tvdenoise.job import read_reference
from tvdenoise.sweeping import Specimen


def read_specimen(source: Path, reference: Path | None, options: ReadOptions = ReadOptions()) -> Specimen:
    """Read a picture, and its clean version if there is one.

    Raises
    ------
    TVDenoiseError
        If they cannot be read, differ in shape, or have pages that do.
    """
    file = images.read(source, options)
    first, *others = file.parts
    if others:
        raise PictureError(source, "its pages differ in shape or type", "a sweep takes pages that are alike")
    if reference is None:
        return Specimen(str(source), first.opaque, spacing=file.spacing)
    (clean,) = read_reference(reference, file, file.format, options).parts
    return Specimen(str(source), first.opaque, clean.opaque, reference_name=str(reference), spacing=file.spacing)

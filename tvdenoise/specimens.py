"""Picture files for an experiment, with their clean versions."""

from pathlib import Path

from tvdenoise import images
from tvdenoise.errors import PictureError
from tvdenoise.images import ReadOptions
from tvdenoise.job import Job, read_reference
from tvdenoise.settings import Settings
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
    clean = None
    if reference is not None:
        job = Job(source, source, Settings(), reference, reading=options)
        (clean,) = (part.opaque for part in read_reference(job, file, file.format).parts)
    name = None if reference is None else str(reference)
    return Specimen(str(source), first.opaque, clean, reference_name=name, spacing=file.spacing)

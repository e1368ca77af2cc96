"""What a picture file is, in facts: for people who wonder what will be read, kept and needed."""

from typing import Any

from tvdenoise.images import Picture, PictureFile

SOLVER_COPIES = 10
"""Float32 copies of a page, the page itself among them, that denoising it takes at its peak."""


def describe(file: PictureFile) -> dict[str, Any]:
    """Return format, shape, axes, type, range, colours, pages, metadata, notes and the memory it takes, in bytes.

    A file whose pages differ is described by the first kind of them.
    """
    first = file.parts[0]
    held = sum(part.pixels.nbytes for part in file.parts)
    page = max(part.size[0] * part.size[1] * part.samples * part.unit_type.itemsize for part in file.parts)
    return {
        "format": file.format,
        "shape": first.pixels.shape,
        "axes": first.axes,
        "dtype": str(first.pixels.dtype),
        "range": first.scale,
        "colours": _colours(first),
        "pages": file.page_count,
        "metadata": [*file.metadata.kinds, *file.kinds],
        "notes": [*file.notes, *(f"cannot be kept: {loss}" for loss in file.losses)],
        "memory": 2 * held + SOLVER_COPIES * page,
    }


def _colours(part: Picture) -> str:
    colours = part.samples - part.alpha
    name = "CMYK" if part.is_cmyk else {1: "gray", 3: "RGB"}.get(colours, f"{colours} channels")
    return f"{name} with alpha" if part.alpha else name

"""What a header may promise before anything is allocated for it."""

from tvdenoise.errors import PictureError
from tvdenoise.images.picture import Source


def check_size(source: Source, width: int, height: int) -> None:
    """Raise :class:`PictureError` for a picture without pixels or with too many."""
    if width <= 0 or height <= 0:
        raise PictureError(source.name, f"its header promises {width}x{height} pixels", "get a whole copy of it")
    if width * height > source.max_pixels:
        problem = f"its header promises {width}x{height} pixels, more than {source.max_pixels}"
        raise PictureError(source.name, problem, "raise --max-pixels if that is right")

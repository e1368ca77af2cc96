"""The pages of a picture: which are solved together, with which settings, and the clean ones to measure them by."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tvdenoise import images
from tvdenoise.errors import PictureError, SettingError
from tvdenoise.images import Page, Picture, PictureFile, ReadOptions, WriteOptions
from tvdenoise.machine.signals import ENDING, defer_signals
from tvdenoise.options.kinds import ColorKind, Spacing
from tvdenoise.options.settings import Settings

if TYPE_CHECKING:
    from tvdenoise.api.result import Result
    from tvdenoise.solvers.loop import Progress

# The standard deviation that rounding to whole numbers adds: noise of less says nothing about them.
LEAST_SIGMA = 12**-0.5


def page_settings(
    settings: Settings,
    picture: Picture,
    name: object,
    *,
    spacing: tuple[float, float] | None = None,
    sigma: float | None = None,
) -> Settings:
    """Return what was asked for as the settings for every page of a picture, which errors call ``name``.

    The picture decides the colour model. ``spacing`` are the distances between slices and between rows in pixel widths,
    where the file tells them. ``sigma`` is the standard deviation of the noise in the picture's own units; None to
    leave that of ``settings``.

    Raises PictureError if opponent colours are asked of what is not red, green and blue, SettingError if sigma is less
    than the rounding of its numbers.
    """
    _check_counts(settings, picture, name)
    if sigma is not None:
        settings = replace(settings, sigma=_sigma_on_unit_scale(sigma, picture))
    own_spacing = spacing or (1.0, 1.0)
    settings = replace(settings, spacing=_spacing(settings, own_spacing))
    return settings.with_color(_color_model(settings, picture, name))


def _check_counts(settings: Settings, picture: Picture, name: object) -> None:
    low, high = picture.scale
    if settings.noise_model == "poisson" and low != 0:
        problem = f"the range of {name} is {low:g} to {high:g}, and counts begin at 0"
        raise SettingError("noise_model", problem, f"give --range 0,{max(low, high):g}")


def _spacing(settings: Settings, own: tuple[float, float]) -> Spacing | None:
    """Return the spacing for a page: as one number, or none, where rows are as far apart as columns."""
    slices, rows = own
    if isinstance(settings.spacing, tuple):
        slices, rows, _ = (1.0, *settings.spacing)[-3:]
    elif settings.spacing is not None:
        slices = settings.spacing
    if rows != 1:
        return (slices, rows, 1.0)[-settings.axes :]
    return slices if settings.volume else None


def _color_model(settings: Settings, picture: Picture, name: object) -> ColorKind:
    """Return the colour model of a page; with a single channel all of them are the same: rgb."""
    is_single = picture.colours == 1 or picture.is_by_channel(settings.color)
    if settings.color == "opponent" and (picture.is_cmyk or picture.has_channels):
        colours = "CMYK" if picture.is_cmyk else f"{picture.colours} channels"
        raise PictureError(name, f"it has {colours}, not red, green and blue", "use --color coupled or rgb")
    if is_single:
        return "rgb"
    if settings.color == "auto":
        return settings.rgb_model if picture.is_rgb else "rgb"
    return settings.color


def _sigma_on_unit_scale(sigma: float, picture: Picture) -> float:
    is_whole = picture.pixels.dtype.kind in "iu"
    if is_whole and 0 < sigma < LEAST_SIGMA:
        problem = f"noise of {sigma:g} is less than the rounding of whole numbers"
        raise SettingError("sigma", problem, "a fraction of the range is written such as 25/255")
    low, high = picture.scale
    return sigma / (high - low)


def pages_of(picture: Picture, settings: Settings, name: object) -> Iterator[Page]:
    """Iterate over the pages, volumes or channels of a picture that are solved by themselves.

    Raises PictureError if a volume is asked for, and none of the axes is its depth.
    """
    if settings.volume and not picture.depth_axis:
        if not set(picture.axes) - set("YXSC"):
            raise PictureError(name, "a single picture has no depth", "leave out --volume")
        problem = f"none of its axes {picture.axes} is known to be the depth of a volume"
        raise PictureError(name, problem, "call it Z, such as --axes ZYX, or leave out --volume")
    return picture.pages_to_solve(volume=settings.volume, color=settings.color)


def denoise_page(
    picture: Picture, page: Page, settings: Settings, callback: "Callable[[Progress], object] | None" = None
) -> "Result[NDArray[Any]]":
    """Denoise a page as viewers show it, whichever way the file has it.

    The differences at a pixel reach to its right and below: isotropic total variation knows which way is up.
    """
    with defer_signals(*ENDING):  # torch would abort in the middle of its import
        from tvdenoise.api.denoising import denoise_as_set  # late: it takes longer than most failures
    number = picture.orientation
    if isinstance(settings.spacing, tuple):  # a grid of an instrument, whose rows and columns are not alike
        number = 1
    unit = images.turn_page(picture.unit(page), number)
    result = denoise_as_set(unit, settings, channel_axis=-1, callback=callback)
    return replace(result, image=images.turn_back(result.image, number))


def read_reference(
    path: Path,
    source: PictureFile,
    format_: str,
    reading: ReadOptions,
    writing: WriteOptions = WriteOptions(),
) -> PictureFile:
    """Read the clean picture that belongs to ``source``, cut and turned as a target of some format is.

    Numbers of the same type, and floats, mean what they mean in ``source``. Raises PictureError if its pages, sizes or
    colours are not those of ``source``.
    """
    file = images.read(path, images.options_for_other(path, reading))
    clean = images.fit_to_format(file, format_, writing)
    shape = describe_shape(clean)
    if shape != describe_shape(source):
        problem = f"its shape {shape} is not the input's {describe_shape(source)}"
        raise PictureError(path, problem, "give the clean version of the same picture")
    parts = []
    for part, noisy in zip(clean.parts, source.parts, strict=True):
        scale = noisy.scale if part.is_numbered_like(noisy) else part.scale
        if part.is_inverted != noisy.is_inverted:
            scale = scale[::-1]
        parts.append(replace(part, scale=scale, is_inverted=noisy.is_inverted))
    return replace(clean, parts=tuple(parts))


def describe_shape(file: PictureFile) -> str:
    """Return the shapes of a file's pictures in words."""
    shapes = ["x".join(map(str, part.content_shape)) for part in file.parts]
    return ", ".join(shapes)

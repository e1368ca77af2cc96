"""What a picture file holds: arrays as they stand in it, what their numbers mean, and what must survive the trip."""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from tvdenoise.arrays import intensity
from tvdenoise.arrays.intensity import UNIT, Levels, Range
from tvdenoise.errors import SettingError
from tvdenoise.machine import scratch
from tvdenoise.options.kinds import ColorChoice, Subsampling

Names = tuple[str, ...]
Pixels = NDArray[np.generic]
Floats = NDArray[np.floating]

Resolution = tuple[float, float]  # pixels an inch, horizontally and vertically
Distances = tuple[float, float]  # between slices and between rows, in pixel widths

EXIF_MARK = b"Exif\0\0"  # with which a block of EXIF begins

# The index in :attr:`Picture.by_page` of what is denoised together: a page, a channel of it, or a volume.
Page = tuple[int | slice, ...]


@dataclass(frozen=True)
class Picture:
    """Pixels in the file's own type and order of axes.

    In ``axes`` Y and X span a picture, S counts its colour samples and C its channels (together with S a page axis);
    all other letters (Z, T, ...) count pages.
    """

    pixels: Pixels
    axes: str  # a letter an axis
    alpha: int = 0  # how many samples at the end of S are transparency or masks, which are carried along untouched
    scale: Range = UNIT  # the numbers that stand for black and white
    is_inverted: bool = False  # whether the small numbers are the light ones (TIFF's MinIsWhite)
    is_cmyk: bool = False  # whether the samples are inks
    is_premultiplied: bool = False  # whether the colours have been multiplied by the transparency
    nodata: float | None = None  # the number that stands for no data; such pixels come back as they are
    levels: Levels | None = None  # what the numbers are rounded to, where the type alone does not say so
    orientation: int = 1  # EXIF's number, 1 to 8, of the turn by which viewers show it upright

    @property
    def samples(self) -> int:
        """The number of colour samples or channels, with transparency."""
        return int(self.by_page.shape[-1])

    @property
    def colours(self) -> int:
        """The number of colour samples or channels, without transparency."""
        return self.samples - self.alpha

    @property
    def is_rgb(self) -> bool:
        """Whether the colours are red, green and blue."""
        has_three = self._channel_axis == "S" and self.colours == 3
        return has_three and not self.is_cmyk

    @property
    def has_channels(self) -> bool:
        """Whether it has several channels that are no colours, such as the stains of a micrograph."""
        are_colours = self.is_rgb or self.is_cmyk
        return self.colours > 1 and not are_colours

    @property
    def page_axes(self) -> str:
        """The axes that count pages."""
        in_page = f"YX{self._channel_axis}"
        return "".join(axis for axis in self.axes if axis not in in_page)

    @property
    def page_shape(self) -> tuple[int, ...]:
        """How many pages there are along each of their axes."""
        return self.by_page.shape[:-3]

    @property
    def depth_axis(self) -> str:
        """The axis along which the slices of a volume lie: Z, or the only one that counts pages and is not time."""
        axes = self.page_axes
        if "Z" in axes:
            return "Z"
        is_depth = len(axes) == 1 and axes not in "TC"
        return axes if is_depth else ""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        *_, height, width, _ = self.by_page.shape
        return height, width

    @property
    def content_shape(self) -> tuple[int, ...]:
        """The numbers of pages, rows, columns and colours, in this order; transparency does not count."""
        return (*self.page_shape, *self.size, self.colours)

    @property
    def by_page(self) -> Pixels:
        """A view of the pixels with axes (pages..., Y, X, samples)."""
        order = f"{self.page_axes}YX{self._channel_axis}"
        view = self.pixels.transpose([self.axes.index(axis) for axis in order])
        if not self._channel_axis:
            view = view[..., np.newaxis]
        return view

    @property
    def frames(self) -> NDArray[Any]:
        """All pages one after the other, (N, H, W, samples)."""
        pages = self.by_page
        return pages.reshape(-1, *pages.shape[-3:])

    @property
    def _hidden(self) -> Pixels:
        return self.by_page[..., self.colours :]

    @property
    def _channel_axis(self) -> str:
        for axis in "SC":  # C counts pages where there is S too
            if axis in self.axes:
                return axis
        return ""

    @property
    def first_page(self) -> "Picture":
        """The first page alone."""
        pages = self.page_axes
        first = tuple(0 if axis in pages else slice(None) for axis in self.axes)
        axes = "".join(axis for axis in self.axes if axis not in pages)
        return replace(self, pixels=self.pixels[first], axes=axes)

    @property
    def opaque(self) -> "Picture":
        """The picture without its transparency."""
        if not self.alpha:
            return self
        shown = self.by_page[..., : self.colours]
        return replace(self, pixels=shown, axes=f"{self.page_axes}YXS", alpha=0)

    @property
    def on_unit_scale(self) -> "Picture":
        """The picture without its transparency, (pages..., Y, X, samples), on the unit scale with white at 1."""
        unit = scratch.empty(self.content_shape, self.unit_type)
        for page in self.pages():
            unit[page] = self.display_values(page)
        channel_axis = self._channel_axis or "S"
        axes = f"{self.page_axes}YX{channel_axis}"
        return Picture(unit, axes, is_cmyk=self.is_cmyk, orientation=self.orientation)

    @property
    def type_range(self) -> Range:
        """The range of the type of the numbers, which is that of transparency."""
        return intensity.type_range(self.pixels.dtype)

    @property
    def is_opaque(self) -> bool:
        """Whether its transparency, if it has any, hides nothing."""
        _, white = self.type_range
        return bool((self._hidden == white).all())

    @property
    def is_translucent(self) -> bool:
        """Whether its transparency is more than holes."""
        return not np.isin(self._hidden, self.type_range).all()

    def is_numbered_like(self, other: "Picture") -> bool:
        """Return whether the same numbers mean the same in another picture: of the same type, or floats as well."""
        types = {self.pixels.dtype, other.pixels.dtype}
        kinds = {dtype.kind for dtype in types}
        return len(types) == 1 or kinds == {"f"}

    def has_more_colours_than(self, count: int) -> bool:
        """Return whether any page of an 8-bit RGB picture shows more colours."""
        if not self.is_rgb or self.pixels.dtype != np.uint8:
            return False
        images = (Image.fromarray(squeeze(frame)) for frame in self.opaque.frames)
        return any(image.getcolors(count) is None for image in images)

    @property
    def unit_type(self) -> np.dtype[np.floating]:
        """The type of the numbers on the unit scale."""
        return intensity.unit_type(self.pixels.dtype)

    def pages(self, depth_axis: str = "", *, by_channel: bool = False) -> Iterator[Page]:
        """Iterate over the pages, or the volumes whose slices lie along ``depth_axis``, or the channels of each."""
        whole = slice(None)
        indices: list[Sequence[int | slice]] = [range(count) for count in self.page_shape]
        if depth_axis:
            indices[self.page_axes.index(depth_axis)] = [whole]
        channels = [slice(self.colours)]
        if by_channel:
            channels = [slice(channel, channel + 1) for channel in range(self.colours)]
        return itertools.product(*indices, [whole], [whole], channels)

    def pages_to_solve(self, *, volume: bool = False, color: ColorChoice = "rgb") -> Iterator[Page]:
        """Iterate over what is solved together: pages or volumes, but channels that are no colours one by one."""
        depth_axis = self.depth_axis if volume else ""
        return self.pages(depth_axis, by_channel=self.is_by_channel(color))

    def is_by_channel(self, color: ColorChoice) -> bool:
        """Return whether its channels are solved one by one."""
        return self.has_channels and color != "coupled"

    def unit(self, page: Page) -> Floats:
        """Return the colours of a page (H, W, C) or volume (D, H, W, C) on the unit scale, gaps filled from nearby."""
        colours = intensity.fill_gaps(self.by_page[page], self.nodata)
        return intensity.scale_to_unit(colours, self.scale)

    def display_values(self, page: Page) -> Floats:
        """Return what :meth:`unit` does, with white at 1 whatever the file calls white."""
        unit = self.unit(page)
        return 1 - unit if self.is_inverted else unit

    def blank(self, dtype: DTypeLike, scale: Range) -> "Picture":
        """Return a picture like this one, of another type and scale: its colours are yet to be filled in."""
        blank = replace(self, pixels=scratch.empty(self.pixels.shape, dtype), scale=scale)
        if (blank.pixels.dtype, scale) != (self.pixels.dtype, self.scale):
            nodata = self._convert_nodata(blank.pixels.dtype, scale)
            blank = replace(blank, nodata=nodata, levels=None)
        if self.alpha:
            blank._hidden[...] = rescale(self._hidden, self.type_range, blank.type_range, dtype)
        return blank

    def _convert_nodata(self, dtype: np.dtype[Any], scale: Range) -> float | None:
        """Return what stands for no data in another type or scale; in integers made of floats gaps are filled."""
        if self.nodata is None:
            return None
        becomes_floats = dtype.kind == "f"
        if self.pixels.dtype.kind == "f":
            return self.nodata if becomes_floats else None
        if becomes_floats:
            return math.nan
        unit = intensity.scale_to_unit(np.array([self.nodata]), self.scale)
        (number,) = intensity.scale_from_unit(unit, scale, dtype)
        return float(number)

    def fill_page(self, page: Page, u: Floats, source: "Picture") -> float:
        """Fill a page with ``u`` (H, W, C) on the unit scale, and return how far that is rounded (RMS).

        Values that are equal in ``u`` and the source, and those that are gaps there, keep the source's bits.
        """
        target = self.by_page[page]
        original = source.by_page[page]
        values = intensity.scale_from_unit(u, self.scale, target.dtype)
        if self.levels is not None:
            whole = self.levels.to_whole(values)
            values = self.levels.to_numbers(whole, target.dtype)
        target[...] = values
        if target.dtype.kind == original.dtype.kind == "f":
            is_kept = intensity.find_gaps(original, source.nodata)
            is_alike = target.dtype == original.dtype and self.scale == source.scale
            if is_alike:
                is_kept |= u == source.unit(page)
            np.copyto(target, original, where=is_kept)
        elif self.nodata is not None:
            _, largest = intensity.type_range(target.dtype)
            intensity.step_off(target, self.nodata, largest)
            target[intensity.find_nodata(original, source.nodata)] = self.nodata
        if self.levels is not None:  # as with integers, rounding is meant
            return 0.0
        return intensity.measure_rounding(u, target, self.scale, self.nodata)

    def with_axes(self, axes: str) -> "Picture":
        """Return the picture with its axes named anew; raise :class:`SettingError` if the letters do not fit it."""
        count = self.pixels.ndim
        letters = set(axes)
        fits = len(axes) == len(letters) == count and letters.issuperset("YX")
        are_letters = axes.isascii() and axes.isupper()
        if not (fits and are_letters):
            problem = f"{axes} does not name the {count} axes of an array of shape {self.pixels.shape}"
            remedy = f"give {count} different letters, Y and X among them"
            raise SettingError("axes", problem, remedy)
        named = replace(self, axes=axes)
        # Transparency is at the end of the samples. Where they are another axis now, nothing is known of it.
        if axes.find(named._channel_axis or "-") != self.axes.find(self._channel_axis):
            named = replace(named, alpha=0)
        return named


def squeeze(frame: Pixels) -> Pixels:
    """Return a page (H, W, C) as libraries take it: (H, W) where it has a single sample."""
    if frame.shape[-1] == 1:
        frame = frame[..., 0]
    return np.ascontiguousarray(frame)


def from_samples(pixels: Pixels) -> Picture:
    """Return the picture of a page (H, W) or (H, W, C), where the last sample of 2 or 4 is transparency."""
    has_alpha = pixels.ndim == 3 and pixels.shape[2] in (2, 4)
    return Picture(pixels, "YXS"[: pixels.ndim], alpha=int(has_alpha))


def to_native_order(pixels: Pixels) -> Pixels:
    """Return numbers in the order of bytes of this machine."""
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def rescale(numbers: Pixels, old: Range, new: Range, dtype: DTypeLike) -> Pixels:
    """Return numbers of one range as those of another: transparency keeps its meaning."""
    if numbers.dtype == dtype and old == new:
        return numbers
    if np.dtype(dtype).kind in "iu":
        numbers = intensity.fill_gaps(numbers)  # integers know no NaN
    return intensity.scale_from_unit(intensity.scale_to_unit(numbers, old), new, dtype)


@dataclass(frozen=True)
class Timing:
    """How long each frame lasts, in milliseconds, and how often all of them are shown; 0 for ever."""

    durations: tuple[float, ...]
    loop: int

    @property
    def is_given(self) -> bool:
        """Whether it is more than what holds where nothing is said."""
        return self.loop != 1 or any(self.durations)


@dataclass(frozen=True)
class Metadata:
    """What picture formats have in common beside pixels; blocks as they stand in the file."""

    icc_profile: bytes | None = None
    colour_space: bytes | None = None  # primaries and transfer function by their numbers in ITU-T H.273; None for sRGB
    exif: bytes | None = None  # begins with EXIF_MARK
    xmp: bytes | None = None
    dpi: Resolution | None = None
    timing: Timing | None = None  # of the frames of an animation, where it has any

    @property
    def names(self) -> Names:
        """What people call the blocks that are there."""
        names = {
            "icc_profile": "ICC profile",
            "colour_space": "colour space",
            "exif": "EXIF",
            "xmp": "XMP",
            "dpi": "resolution",
            "timing": "timing",
        }
        return tuple(name for key, name in names.items() if getattr(self, key))


@dataclass(frozen=True)
class PictureFile:
    """Everything a reader found and a writer needs."""

    format: str  # a row of the table of formats
    parts: tuple[Picture, ...]  # one picture, but for TIFF and FITS files whose pages differ in shape
    metadata: Metadata = Metadata()  # what other formats can take over
    native: Any = None  # what the writer of the same format restores the file from; only that writer looks into it
    bare_native: Any = None  # the same without metadata
    own_metadata: Names = ()  # names of the metadata that only the same format keeps
    notes: Names = ()  # what reading made different, such as a palette resolved into colours
    losses: Names = ()  # what was not read at all and would be lost
    scale: Range | None = None  # the numbers that stand for black and white, where the file itself says so
    spacing: Distances | None = None  # if it says so
    is_interleaved: bool = False  # whether pages of one part stand between those of another; only a copy keeps them so
    flaws: Names = ()  # what a library found fault with, and read all the same
    misnamed: str | None = None  # the format that the ending of its name says, where that is another
    quality: int | None = None  # with which a JPEG is to be written; None for what its source had
    subsampling: Subsampling | None = None  # the same of its colours

    @property
    def metadata_names(self) -> Names:
        """What people call the metadata that is there."""
        return self.metadata.names + self.own_metadata

    @property
    def page_count(self) -> int:
        """The number of pages in all parts."""
        return sum(math.prod(part.page_shape) for part in self.parts)


@dataclass(frozen=True)
class Source:
    """Where a file is read from, as often as needed."""

    name: str
    open: Callable[[], BinaryIO]
    max_pixels: int | None = None  # that a page may have; None for the default, which depends on the size of the file

    @cached_property
    def length(self) -> int:
        """The size of the file in bytes."""
        with self.open() as stream:
            return stream.seek(0, os.SEEK_END)

"""What a picture file holds: arrays as they stand in it, what their numbers mean, and what must survive the trip."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tvdenoise.arrays import intensity
from tvdenoise.arrays.intensity import UNIT, Range
from tvdenoise.errors import SettingError
from tvdenoise.machine import scratch
from tvdenoise.options.kinds import ColorChoice

Page = tuple[int | slice, ...]
"""The index in :attr:`Picture.by_page` of what is denoised together: a page, a channel of it, or a volume."""


@dataclass(frozen=True)
class Picture:
    """Pixels in the file's own type and order of axes.

    Attributes
    ----------
    pixels
        The array.
    axes
        A letter an axis: Y and X span a picture, S its colour samples, C its channels (together with S a page axis);
        all others (Z, T, ...) count pages.
    alpha
        How many samples at the end of S are transparency or masks, which are carried along untouched.
    scale
        The numbers that stand for black and white.
    is_inverted
        Whether the small numbers are the light ones (TIFF's MinIsWhite).
    is_cmyk
        Whether the samples are inks.
    is_premultiplied
        Whether the colours have been multiplied by the transparency.
    """

    pixels: NDArray[np.generic]
    axes: str
    alpha: int = 0
    scale: Range = UNIT
    is_inverted: bool = False
    is_cmyk: bool = False
    is_premultiplied: bool = False

    @property
    def samples(self) -> int:
        """The number of colour samples or channels, with transparency."""
        return self.pixels.shape[self.axes.index(self._channel_axis)] if self._channel_axis else 1

    @property
    def colours(self) -> int:
        """The number of colour samples or channels, without transparency."""
        return self.samples - self.alpha

    @property
    def is_rgb(self) -> bool:
        """Whether the colours are red, green and blue."""
        return self._channel_axis == "S" and self.colours == 3 and not self.is_cmyk

    @property
    def has_channels(self) -> bool:
        """Whether it has several channels that are no colours, such as the stains of a micrograph."""
        return self.colours > 1 and not (self.is_rgb or self.is_cmyk)

    @property
    def page_axes(self) -> str:
        """The axes that count pages."""
        return "".join(axis for axis in self.axes if axis not in f"YX{self._channel_axis}")

    @property
    def page_shape(self) -> tuple[int, ...]:
        """How many pages there are along each of their axes."""
        return tuple(self.pixels.shape[self.axes.index(axis)] for axis in self.page_axes)

    @property
    def depth_axis(self) -> str:
        """The axis along which the slices of a volume lie: Z, or the only one that counts pages and is not time."""
        if "Z" in self.page_axes:
            return "Z"
        return self.page_axes if len(self.page_axes) == 1 and self.page_axes not in "TC" else ""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[self.axes.index("Y")], self.pixels.shape[self.axes.index("X")]

    @property
    def content_shape(self) -> tuple[int, ...]:
        """Pages, height, width and colours, in whatever order they stand in the file, without transparency."""
        return (*self.page_shape, *self.size, self.colours)

    @property
    def by_page(self) -> NDArray[np.generic]:
        """A view of the pixels with axes (pages..., Y, X, samples)."""
        order = f"{self.page_axes}YX{self._channel_axis}"
        view = self.pixels.transpose([self.axes.index(axis) for axis in order])
        return view if self._channel_axis else view[..., np.newaxis]

    @property
    def frames(self) -> NDArray[Any]:
        """All pages one after the other, (N, H, W, samples)."""
        return self.by_page.reshape(-1, *self.size, self.samples)

    @property
    def _hidden(self) -> NDArray[np.generic]:
        """The transparency."""
        return self.by_page[..., self.colours :]

    @property
    def _channel_axis(self) -> str:
        return "S" if "S" in self.axes else "C" if "C" in self.axes else ""

    @property
    def first_page(self) -> "Picture":
        """The first page alone."""
        index = tuple(0 if axis in self.page_axes else slice(None) for axis in self.axes)
        axes = "".join(axis for axis in self.axes if axis not in self.page_axes)
        return replace(self, pixels=self.pixels[index], axes=axes)

    @property
    def opaque(self) -> "Picture":
        """The picture without its transparency."""
        if not self.alpha:
            return self
        shown = np.moveaxis(self.by_page, -1, 0)[: -self.alpha]
        return replace(self, pixels=np.moveaxis(shown, 0, -1), axes=f"{self.page_axes}YXS", alpha=0)

    @property
    def on_unit_scale(self) -> "Picture":
        """The picture without its transparency, (pages..., Y, X, samples), on the unit scale with white at 1."""
        unit = scratch.empty(self.by_page[..., : self.colours].shape, self.unit_type)
        for page in self.pages():
            unit[page] = self.shown(page)
        axes = f"{self.page_axes}YX{self._channel_axis or 'S'}"
        return Picture(unit, axes, is_cmyk=self.is_cmyk)

    @property
    def is_opaque(self) -> bool:
        """Whether its transparency, if it has any, hides nothing."""
        hidden = self._hidden
        return bool((hidden == intensity.type_range(hidden.dtype)[1]).all())

    @property
    def is_translucent(self) -> bool:
        """Whether its transparency is more than holes."""
        hidden = self._hidden
        low, high = intensity.type_range(hidden.dtype)
        return bool(((hidden != low) & (hidden != high)).any())

    def is_numbered_like(self, other: "Picture") -> bool:
        """Return whether the same numbers mean the same in another picture: of the same type, or floats as well."""
        types = self.pixels.dtype, other.pixels.dtype
        return types[0] == types[1] or all(dtype.kind == "f" for dtype in types)

    def has_more_colours_than(self, count: int) -> bool:
        """Return whether any page of an 8-bit RGB picture shows more colours."""
        if not self.is_rgb or self.pixels.dtype != np.uint8:
            return False
        for page in self.pages():
            colours = self.by_page[page][..., :3] @ np.array([1 << 16, 1 << 8, 1], np.uint32)
            if len(np.unique(colours)) > count:
                return True
        return False

    @property
    def unit_type(self) -> np.dtype[np.floating]:
        """The type of the numbers on the unit scale."""
        return intensity.unit_type(self.pixels.dtype)

    def pages(self, depth_axis: str = "", *, by_channel: bool = False) -> Iterator[Page]:
        """Iterate over the pages, or the volumes whose slices lie along ``depth_axis``, or the channels of each."""
        every = (slice(None),)
        counts = zip(self.page_axes, self.page_shape, strict=True)
        pages = (every if axis == depth_axis else range(n) for axis, n in counts)
        channels = [slice(c, c + 1) for c in range(self.colours)] if by_channel else [slice(self.colours)]
        return itertools.product(*pages, every, every, channels)

    def solved_pages(self, *, volume: bool = False, color: ColorChoice = "rgb") -> Iterator[Page]:
        """Iterate over what is solved together: pages or volumes, but channels that are no colours one by one."""
        return self.pages(self.depth_axis if volume else "", by_channel=self.is_by_channel(color))

    def is_by_channel(self, color: ColorChoice) -> bool:
        """Return whether its channels are solved one by one."""
        return self.has_channels and color != "coupled"

    def solved_together(self, *, volume: bool = False, color: ColorChoice = "rgb") -> int:
        """Return how many values are solved together."""
        return self.by_page[next(self.solved_pages(volume=volume, color=color))].size

    def unit(self, page: Page) -> NDArray[np.floating]:
        """Return a page (H, W, C) on the unit scale, without its transparency; what is not finite is filled in.

        A volume is (D, H, W, C).
        """
        colours = self.by_page[page]
        return intensity.scale_to_unit(
            intensity.fill_nonfinite(colours) if colours.dtype.kind == "f" else colours, self.scale
        )

    def shown(self, page: Page) -> NDArray[np.floating]:
        """Return what :meth:`unit` does, with white at 1 whatever the file calls white."""
        unit = self.unit(page)
        return 1 - unit if self.is_inverted else unit

    def blank(self, dtype: DTypeLike, scale: Range) -> "Picture":
        """Return a picture like this one, of another type and scale: its colours are yet to be filled in."""
        blank = replace(self, pixels=scratch.empty(self.pixels.shape, dtype), scale=scale)
        if self.alpha:
            blank._hidden[...] = self._hidden if dtype == self.pixels.dtype else rescaled(self._hidden, dtype)
        return blank

    def fill_page(self, page: Page, u: NDArray[np.floating], source: "Picture") -> float:
        """Fill a page with ``u`` (H, W, C), on the unit scale.

        Returned is the :func:`tvdenoise.arrays.intensity.measure_rounding` of ``u``.

        Where ``u`` is what the source has, its very numbers are taken: no bit changes by scaling there and back.
        What is not finite in the source is so in the target.
        """
        target, original = self.by_page[page], source.by_page[page]
        target[...] = intensity.scale_from_unit(u, self.scale, self.pixels.dtype)
        if self.pixels.dtype.kind == source.pixels.dtype.kind == "f":
            is_same = self.pixels.dtype == source.pixels.dtype and self.scale == source.scale
            kept = (u == source.unit(page)) if is_same else np.False_
            np.copyto(target, original, where=kept | ~np.isfinite(original))
        return intensity.measure_rounding(u, target, self.scale)

    def with_axes(self, axes: str) -> "Picture":
        """Return the picture with its axes named anew.

        Raises
        ------
        SettingError
            If the letters do not fit the array.
        """
        fits = len(axes) == self.pixels.ndim and len(set(axes)) == len(axes) and {"Y", "X"} <= set(axes)
        if not fits or not axes.isascii() or not axes.isupper():
            problem = f"{axes} does not name the {self.pixels.ndim} axes of an array of shape {self.pixels.shape}"
            raise SettingError("axes", problem, f"give {self.pixels.ndim} different letters, Y and X among them")
        named = replace(self, axes=axes)
        keeps_samples = axes.find(named._channel_axis or "-") == self.axes.find(self._channel_axis)
        return named if keeps_samples else replace(named, alpha=0)


def squeezed(frame: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return a page as libraries take it: (H, W) where it has a single sample."""
    return np.ascontiguousarray(frame[..., 0] if frame.shape[-1] == 1 else frame)


def rescaled(numbers: NDArray[np.generic], dtype: DTypeLike) -> NDArray[np.generic]:
    """Return numbers of one type's range as those of another's: transparency keeps its meaning."""
    if numbers.dtype.kind == "f" and np.dtype(dtype).kind in "iu":
        numbers = intensity.fill_nonfinite(numbers)
    unit = intensity.scale_to_unit(numbers, intensity.type_range(numbers.dtype))
    return intensity.scale_from_unit(unit, intensity.type_range(dtype), dtype)


@dataclass(frozen=True)
class Timing:
    """How long each frame lasts, in milliseconds, and how often all of them are shown; None for once, 0 for ever."""

    durations: tuple[float, ...]
    loop: int | None


@dataclass(frozen=True)
class Metadata:
    r"""What picture formats have in common beside pixels.

    Attributes
    ----------
    icc_profile, exif, xmp
        The blocks as they stand; ``exif`` starts with ``b"Exif\0\0"``.
    dpi
        Pixels an inch, horizontally and vertically.
    timing
        Of the frames of an animation, where it has any.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    timing: Timing | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Name what is there."""
        names = {"icc_profile": "ICC profile", "exif": "EXIF", "xmp": "XMP", "dpi": "resolution", "timing": "timing"}
        return tuple(name for key, name in names.items() if getattr(self, key))


@dataclass(frozen=True)
class PictureFile:
    """Everything a reader found and a writer needs.

    Attributes
    ----------
    format
        A row of :data:`tvdenoise.images.formats.table.FORMATS`.
    parts
        The pictures: one, but for TIFF and FITS files whose pages differ in shape.
    metadata
        What other formats can take over.
    native
        What the writer of the same format restores by; only it knows what that is.
    kinds
        Names of the metadata that only the same format keeps.
    notes
        What reading made different, such as a palette resolved into colours.
    losses
        What of the file was not read at all and would be lost.
    scale
        The numbers that stand for black and white, where the file itself tells.
    spacing
        The distance between slices in pixel widths, where the file itself tells.
    is_interleaved
        Whether pages of one part stand between those of another, as only a copy of the source keeps them.
    """

    format: str
    parts: tuple[Picture, ...]
    metadata: Metadata = Metadata()
    native: Any = None
    kinds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    scale: Range | None = None
    spacing: float | None = None
    is_interleaved: bool = False

    @property
    def page_count(self) -> int:
        """The number of pages in all parts."""
        return sum(int(np.prod(part.page_shape)) for part in self.parts)


@dataclass(frozen=True)
class Source:
    """Where a file is read from, as often as needed."""

    name: str
    open: Callable[[], BinaryIO] = field(repr=False)
    max_pixels: int

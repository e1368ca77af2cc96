"""GIF: frames composed as browsers do it, each written with a palette of its own, and what stands between them.

Source: CompuServe, "Graphics Interchange Format", version 89a (1990); Adobe, "XMP Specification", part 3 (2020).
"""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from tvdenoise.errors import DamageError
from tvdenoise.images import limits
from tvdenoise.images.formats import animation
from tvdenoise.images.formats.animation import Patch
from tvdenoise.images.picture import Metadata, Names, PictureFile, Pixels, Source, Timing, squeeze

_COLOURS = 256  # of a frame, transparency among them
_HALF_OPAQUE = 128  # the least transparency value that counts as opaque
_HEAD = struct.Struct("<6s2HB2x")  # version, width, height, flags
_IMAGE = struct.Struct("<c4HB")  # mark, x, y, width, height, flags
_CONTROL = struct.Struct("<3sBHBx")  # mark, flags, delay in hundredths of a second, the index that is transparent
_CONTROL_MARK = b"!\xf9\4"
_LOOP_MARKS = (b"!\xff\x0bNETSCAPE2.0\3\1", b"!\xff\x0bANIMEXTS1.0\3\1")
_XMP_MARK = b"!\xff\x0bXMP DataXMP"
_XMP_END = b"\1" + bytes(range(255, -1, -1)) + b"\0"  # leads those out who take the text for blocks with lengths
_COMMENT = b"!\xfe"
_PROGRAM = b"!\xff"
_DISPOSALS = {2: animation.CLEARED, 3: animation.RESTORED}


class _Native(NamedTuple):
    """What restores a file: its comments and blocks of programs, and the timing of a single frame."""

    blocks: Sequence[bytes]
    timing: Timing | None


class _Frame(NamedTuple):
    """A frame as it is stored: a block that says how it is shown, and one with its palette and pixels."""

    control: bytes
    image: bytes


def read(source: Source) -> PictureFile:
    """Read a picture or an animation."""
    with source.open() as stream:
        content = stream.read()
    _, width, height, flags = _HEAD.unpack_from(content)
    limits.check_size(source, width, height)
    end = _HEAD.size + _table_size(flags)
    blocks = list(_blocks(content, end))
    frames = _frames(blocks)
    if not frames:
        raise DamageError("it holds no picture")
    limits.check_frames(source, len(frames), width, height)
    pixels = np.empty((len(frames), height, width, 4), np.uint8)
    head = content[:end]
    patches = (_patch(source, head, frame) for frame in frames)
    picture = animation.compose(patches, pixels)
    notes: Names = ("palette resolved",)
    if not picture.alpha and (pixels[..., :2] == pixels[..., 1:3]).all():  # gray
        picture = replace(picture, pixels=picture.pixels[..., :1])
        notes = ()
    delays = [_CONTROL.unpack(frame.control)[2] for frame in frames]
    durations = tuple(10.0 * delay for delay in delays)
    timing = Timing(durations, _loop(blocks))
    kept = [block for block in blocks if _is_kept(block)]
    metadata = Metadata(xmp=_xmp(kept))
    if len(frames) == 1:
        picture = picture.first_page
    elif timing.is_given:
        metadata = replace(metadata, timing=timing)
    own_metadata: Names = ()
    if any(block.startswith(_COMMENT) for block in kept):
        own_metadata = ("comment",)
    return PictureFile(
        "GIF",
        (picture,),
        metadata,
        _Native(kept, timing),
        bare_native=_Native([], timing),
        own_metadata=own_metadata,
        notes=notes,
    )


def _is_kept(block: bytes) -> bool:
    """Return whether a block is a comment, or what a program wrote for itself."""
    return block.startswith((_COMMENT, _PROGRAM)) and not block.startswith(_LOOP_MARKS)


def _xmp(blocks: Sequence[bytes]) -> bytes | None:
    for block in blocks:
        if block.startswith(_XMP_MARK):
            return block.removeprefix(_XMP_MARK).removesuffix(_XMP_END) or None
    return None


def _table_size(flags: int) -> int:
    """Return the bytes of the palette that a head or an image announces."""
    has_table = flags & 0x80
    if not has_table:
        return 0
    return 3 * (2 << (flags & 7))


def _blocks(content: bytes, at: int) -> Iterator[bytes]:
    """Iterate over images, what says how they are shown, and what programs wrote; bytes that are none are skipped."""
    while content[at : at + 1] not in (b"", b";"):
        start = at
        if content[at : at + 1] == b"!":
            at += 2
        elif content[at : at + 1] == b",":
            *_, flags = _IMAGE.unpack_from(content, at)
            at += _IMAGE.size + _table_size(flags) + 1  # a byte for the width of codes
        else:
            at += 1
            continue
        while content[at : at + 1] not in (b"", b"\0"):
            at += 1 + content[at]
        at += 1
        if at > len(content):
            raise DamageError("it breaks off")
        yield content[start:at]


def _frames(blocks: Sequence[bytes]) -> list[_Frame]:
    unsaid = _CONTROL.pack(_CONTROL_MARK, 0, 0, 0)
    frames = []
    control = unsaid
    for block in blocks:
        if block.startswith(_CONTROL_MARK) and len(block) == _CONTROL.size:
            control = block
        elif block.startswith(b","):
            frames.append(_Frame(control, block))
            control = unsaid
    return frames


def _loop(blocks: Sequence[bytes]) -> int:
    """Return how often all frames are shown; the file says how often they are repeated."""
    for block in blocks:
        if block.startswith(_LOOP_MARKS):
            repeats = int.from_bytes(block[16:18], "little")
            is_finite = repeats > 0
            return repeats + is_finite
    return 1


def _patch(source: Source, head: bytes, frame: _Frame) -> Patch:
    mark, x, y, width, height, image_flags = _IMAGE.unpack_from(frame.image)
    version, canvas_width, canvas_height, head_flags = _HEAD.unpack_from(head)
    animation.check_place(x, y, width, height, (canvas_width, canvas_height))
    own_head = _HEAD.pack(version, width, height, head_flags)
    own_head += head[_HEAD.size :]
    own_image = _IMAGE.pack(mark, 0, 0, width, height, image_flags)
    own_image += frame.image[_IMAGE.size :]
    alone = own_head + own_image + b";"
    own_source = replace(source, open=lambda: io.BytesIO(alone))
    with limits.open_image(own_source, ("GIF",)) as image:
        index = np.array(image)
        pixels = np.array(image.convert("RGBA"))
    _, flags, _, transparent = _CONTROL.unpack(frame.control)
    has_holes = flags & 1
    if has_holes:
        pixels[index == transparent, 3] = 0
    number = flags >> 2 & 7
    disposal = _DISPOSALS.get(number, animation.STAYS)
    return Patch(pixels, x, y, disposal, is_over=True)


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write a GIF, with what programs wrote beside the pictures of its source."""
    native: _Native = file.native or _Native(_blocks_for(file.metadata), None)
    (picture,) = file.parts
    height, width = picture.size
    stream.write(_HEAD.pack(b"GIF89a", width, height, 0))
    timing = animation.timing_of(file, native.timing)
    if timing.loop != 1:
        repeats = struct.pack("<HB", max(0, timing.loop - 1), 0)
        stream.write(_LOOP_MARKS[0] + repeats)
    stream.writelines(native.blocks)
    if picture.alpha:  # A frame with holes is shown alone, and cleared.
        for frame, duration in zip(picture.frames, timing.durations, strict=True):
            image = _image_with_holes(frame)
            stream.writelines(_encode(image, (0, 0), duration, disposal=2, transparency=0))
    else:  # Others stay, and what changes is drawn on them.
        for pixels, x, y, duration in animation.changes(file, native.timing):
            image = _image(pixels, _COLOURS)
            stream.writelines(_encode(image, (x, y), duration, disposal=1))
    stream.write(b";")


def _blocks_for(metadata: Metadata) -> list[bytes]:
    if metadata.xmp is None:
        return []
    return [_XMP_MARK + metadata.xmp + _XMP_END]


def _encode(image: Image.Image, place: tuple[int, int], duration: float, **options: int) -> list[bytes]:
    hundredths = round(duration / 10)
    return GifImagePlugin.getdata(image, place, duration=10 * hundredths, include_color_table=True, **options)


def _image_with_holes(frame: NDArray[Any]) -> Image.Image:
    """Return an image in which what is less than half opaque has the index 0."""
    hole = frame[..., -1] < _HALF_OPAQUE
    colours = squeeze(frame[..., :-1]).copy()
    if not hole.all():
        colours[hole] = colours[~hole][0]  # which takes no place in the palette
    image = _image(colours, _COLOURS - 1)
    index = np.asarray(image) + np.uint8(1)
    result = Image.fromarray(np.where(hole, 0, index))
    palette = image.getpalette() or []
    shown = palette[: 3 * (_COLOURS - 1)]
    result.putpalette([0, 0, 0, *shown])
    return result


def _image(pixels: Pixels, count: int) -> Image.Image:
    """Return colours or grays with the palette of those that occur; of more than ``count`` the closest are merged."""
    image = Image.fromarray(pixels).convert("RGB")
    return image.quantize(count, dither=Image.Dither.NONE)

"""PNG of every depth and colour type, its chunks kept: pixels through libpng.

Source: W3C, "Portable Network Graphics (PNG) Specification", third edition (2025).
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from tvdenoise.errors import DamageError, PictureError
from tvdenoise.images import limits
from tvdenoise.images.formats import apng
from tvdenoise.images.formats.chunks import Chunk, decode, encode, pack, split
from tvdenoise.images.formats.table import FORMATS
from tvdenoise.images.picture import EXIF_MARK, Metadata, Names, Picture, PictureFile, Source, from_samples, squeeze

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples a pixel, by colour type
# What says which colours the numbers mean
_COLOUR = frozenset({b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI"})
# What outlives new pixels; of sBIT and bKGD, what they say of samples of another kind
_KEPT = _COLOUR | {b"pHYs", b"sCAL", b"sTER", b"eXIf", b"tIME", b"tEXt", b"zTXt", b"iTXt", b"sBIT", b"bKGD"}
_DROPPED = frozenset({b"sPLT", b"iDOT"})  # what would be kept by the case of its letters, but describes the old pixels
# Names of what no other format takes over
_OWN_METADATA = {
    b"tEXt": "text",
    b"zTXt": "text",
    b"iTXt": "text",
    b"gAMA": "gamma",
    b"cHRM": "gamma",
    b"mDCV": "light levels",
    b"cLLI": "light levels",
    b"pHYs": "shape of pixels",
    b"sCAL": "scale of what is shown",
    b"sTER": "layout of a stereo pair",
}
_SRGB = bytes([1, 13])  # the colour space that is taken for granted, in cICP
_FULL_RGB = bytes([0, 1])  # what follows in cICP: the colours are not turned into others, and use all numbers
_XMP = b"XML:com.adobe.xmp"
_MAX_PROFILE = 2**26  # bytes beyond any colour profile and any XMP
_METRE = 1 / 0.0254  # inches a metre
_DENSITY = struct.Struct(">IIB")  # pixels a unit across and down; the unit is the metre if it is 1
# What libpng makes pixels of: palettes become colours, few bits become eight, tRNS becomes alpha
_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def read(source: Source) -> PictureFile:
    """Read a PNG or an animated PNG."""
    with source.open() as stream:
        chunks = list(split(stream.read()))
    types = [chunk.type for chunk in chunks]
    is_whole = types[:1] == [b"IHDR"] and types[-1:] == [b"IEND"]
    if not is_whole:
        raise DamageError("it does not begin with its header or has no end")
    width, height, depth, colour_type = struct.unpack(">IIBB3x", chunks[0].data)
    limits.check_size(source, width, height, _pixel_bytes(depth, colour_type, chunks))
    losses: Names = ()
    timing = None
    count, _ = apng.control(chunks)
    # Where no frame begins before the pixels, they are a still picture for viewers that know no animations.
    types = [kind for kind in types if kind in (b"acTL", b"fcTL", b"IDAT")]
    if types[:2] == [b"acTL", b"IDAT"]:
        losses = ("the still picture that stands for its frames",)
    if losses or count > 1:
        picture, timing = apng.read(source, chunks)
    else:
        picture = _read_still(source, width, height, chunks)
    notes: Names = ()
    if colour_type == 3:
        notes = (f"{2**depth}-colour palette resolved",)
    elif depth < 8:
        notes = (f"{depth}-bit gray became 8-bit",)
    native = [_adapt(chunk, chunks, picture) for chunk in chunks if _is_kept(chunk.type)]
    if timing is None and types.count(b"fcTL") == 1:  # a single frame, which may last and be repeated
        native += [chunk for chunk in chunks if chunk.type in (b"acTL", b"fcTL")]
    return PictureFile(
        "PNG",
        (picture,),
        Metadata(timing=timing, **_shared_metadata(native)),
        native,
        bare_native=[chunk for chunk in native if chunk.type in _COLOUR],
        own_metadata=_own_metadata(native),
        notes=notes,
        losses=losses,
    )


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write a PNG with the chunks of its source, or those its metadata amount to."""
    kept = _chunks_for(file.metadata) if file.native is None else file.native
    (picture,) = file.parts
    has_timing = file.metadata.timing is not None and file.native is not None
    if file.page_count > 1 or has_timing:
        header, *rest = apng.write(file)
    else:
        header, *rest = encode(squeeze(picture.frames[0]))
    stream.writelines(pack([header, *kept, *rest]))


def _is_kept(kind: bytes) -> bool:
    """Return whether a chunk outlives new pixels: known ones, and others that say so by the case of a letter."""
    is_ancillary = kind[:1].islower()
    is_safe_to_copy = kind[3:4].islower()
    return kind in _KEPT or (is_ancillary and is_safe_to_copy and kind not in _DROPPED)


def _pixel_bytes(depth: int, colour_type: int, chunks: Iterable[Chunk]) -> int:
    """Return the bytes a pixel that libpng makes: of palettes colours, of few bits eight, of tRNS transparency."""
    samples = 3 if colour_type == 3 else _SAMPLES.get(colour_type, 4)  # libpng refuses other types
    if any(chunk.type == b"tRNS" for chunk in chunks):
        samples += 1
    return samples * max(1, depth // 8)


def _adapt(chunk: Chunk, chunks: Sequence[Chunk], picture: Picture) -> Chunk:
    """Return a chunk that describes samples as it is right for those that were read."""
    depth, colour_type = chunks[0].data[8:10]
    data = chunk.data
    if chunk.type == b"sBIT":  # significant bits: of an alpha that stood elsewhere, all
        all_bits = bytes([8 * picture.pixels.itemsize])
        colours = data[: picture.colours]
        alpha = data[len(colours) :] or all_bits
        data = colours + alpha[: picture.alpha]
    elif chunk.type == b"bKGD" and colour_type == 3:
        palette = next(other.data for other in chunks if other.type == b"PLTE")
        at = 3 * data[0]
        colour = palette[at : at + 3]
        data = struct.pack(">3H", *colour)
    elif chunk.type == b"bKGD" and depth < 8:
        white = 2**depth - 1
        gray = int.from_bytes(data) * 255 // white
        data = struct.pack(">H", gray)
    return Chunk(chunk.type, data)


def _read_still(source: Source, width: int, height: int, chunks: Iterable[Chunk]) -> Picture:
    if max(width, height) > FORMATS["PNG"].max_side:  # libpng's own words name no remedy
        problem = f"its {width}x{height} pixels are more along an axis than libpng allows"
        raise PictureError(source.name, problem, "convert it to TIFF first")
    # Of all other chunks it knows too little, and refuses some.
    own = [chunk for chunk in chunks if chunk.type in _PIXELS]
    return from_samples(decode(own))


def _own_metadata(chunks: Iterable[Chunk]) -> Names:
    names = []
    for chunk in chunks:
        is_own = chunk.type in _OWN_METADATA and not chunk.data.startswith(_XMP)
        if chunk.type == b"pHYs":
            x, y, unit = _DENSITY.unpack(chunk.data)
            is_own = unit == 0 and x != y
        if is_own:
            names.append(_OWN_METADATA[chunk.type])
    return tuple(dict.fromkeys(names))


def _shared_metadata(chunks: Iterable[Chunk]) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for kind, data in chunks:
        if kind == b"iCCP":
            _, packed = data.split(b"\0", 1)  # behind the name and a byte for the method
            metadata["icc_profile"] = limits.inflate(packed[1:], _MAX_PROFILE)
        elif kind == b"cICP" and data[:2] != _SRGB:
            metadata["colour_space"] = data[:2]
        elif kind == b"eXIf":
            metadata["exif"] = EXIF_MARK + data
        elif kind == b"iTXt" and data.startswith(_XMP):
            metadata.setdefault("xmp", _xmp(data))
        elif kind == b"pHYs":
            x, y, unit = _DENSITY.unpack(data)
            if unit == 1:
                metadata["dpi"] = (x / _METRE, y / _METRE)
    return metadata


def _xmp(data: bytes) -> bytes:
    """Return the text of an iTXt chunk: behind keyword, flag and method of compression, language and translation."""
    rest = data[len(_XMP) + 1 :]
    is_compressed = rest[0] != 0
    _, _, text = rest[2:].split(b"\0", 2)
    return limits.inflate(text, _MAX_PROFILE) if is_compressed else text


def _chunks_for(metadata: Metadata) -> list[Chunk]:
    chunks = []
    if metadata.icc_profile:
        packed = zlib.compress(metadata.icc_profile)
        chunks.append(Chunk(b"iCCP", b"ICC profile\0\0" + packed))
    if metadata.colour_space:
        chunks.append(Chunk(b"cICP", metadata.colour_space + _FULL_RGB))
    if metadata.dpi:
        densities = [round(value * _METRE) for value in metadata.dpi]
        chunks.append(Chunk(b"pHYs", _DENSITY.pack(*densities, 1)))
    if metadata.exif:
        chunks.append(Chunk(b"eXIf", metadata.exif.removeprefix(EXIF_MARK)))
    if metadata.xmp:
        chunks.append(Chunk(b"iTXt", _XMP + b"\0\0\0\0\0" + metadata.xmp))
    return chunks

"""PNG of every depth and colour type, its chunks kept: pixels through libpng, animations through Pillow.

Source: W3C, "Portable Network Graphics (PNG) Specification", third edition (2025).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

import imagecodecs
import numpy as np

from tvdenoise.errors import PictureError
from tvdenoise.images import limits
from tvdenoise.images.formats.animation import Animation
from tvdenoise.images.formats.table import FORMATS
from tvdenoise.images.picture import Metadata, Names, Picture, PictureFile, Pixels, Source, squeeze

LEVEL = 5  # of zlib: twice as fast as the usual 6, for files that are 3 % larger (denoised 512x512 photographs)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples a pixel, by colour type
# What says which colours the numbers mean
_COLOUR = frozenset({b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI"})
_KEPT = _COLOUR | {b"pHYs", b"eXIf", b"tIME", b"tEXt", b"zTXt", b"iTXt"}  # what outlives new pixels
# What describes the samples as they are in the file: their bits, the background
_KEPT_WITH_SAMPLES = frozenset({b"sBIT", b"bKGD"})
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
    b"cICP": "colour space (cICP)",
    b"pHYs": "shape of pixels",
}
_SRGB = bytes([1, 13, 0, 1])  # the colour space that is taken for granted, in cICP
_XMP = b"XML:com.adobe.xmp"
_EXIF = b"Exif\0\0"
_MAX_PROFILE = 2**26  # bytes beyond any colour profile and any XMP
_METRE = 1 / 0.0254  # inches a metre
_DEPTHS = {  # bits a sample, by colour type
    0: (1, 2, 4, 8, 16),  # gray
    2: (8, 16),  # RGB
    3: (1, 2, 4, 8),  # palette
    4: (8, 16),  # gray with alpha
    6: (8, 16),  # RGB with alpha
}
# Where each pass of an interlaced picture begins (x, y), and its steps
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


class Chunk(NamedTuple):
    """A chunk: its type and its data."""

    type: bytes
    data: bytes


class _Header(NamedTuple):
    width: int
    height: int
    depth: int
    colour_type: int
    compression: int
    filter: int
    interlace: int


def read(source: Source) -> PictureFile:
    """Read a PNG or an animated PNG."""
    with source.open() as stream:
        chunks = list(_chunks(stream.read()))
    if not chunks or chunks[0].type != b"IHDR" or chunks[-1].type != b"IEND":
        raise ValueError("it does not begin with its header or has no end")
    header = _Header(*struct.unpack(">IIBBBBB", chunks[0].data))
    limits.check_size(source, header.width, header.height)
    losses = []
    # Where no frame begins before the pixels, they are a still picture for viewers that know no animations.
    types = [chunk.type for chunk in chunks if chunk.type in (b"acTL", b"fcTL", b"IDAT")]
    if types[:2] == [b"acTL", b"IDAT"]:
        losses.append("the still picture that stands for its frames")
    if losses or _frame_count(chunks) > 1:
        if header.depth == 16:
            raise PictureError(source.name, "a 16-bit animation cannot be kept whole", "save its frames one by one")
        found = Animation.read(source)
    else:
        found = Animation(_read_still(source, header, chunks), timing=None)
    picture = found.picture
    kept = _KEPT_WITH_SAMPLES
    if picture.samples != _SAMPLES[header.colour_type] or 8 * picture.pixels.itemsize != header.depth:
        kept = frozenset()
    native = [chunk for chunk in chunks if _is_kept(chunk.type) or chunk.type in kept]
    return PictureFile(
        "PNG",
        (picture,),
        Metadata(timing=found.timing, **_shared_metadata(native)),
        native,
        bare_native=[chunk for chunk in native if chunk.type in _COLOUR],
        own_metadata=_own_metadata(native),
        notes=_notes(header),
        losses=tuple(losses),
    )


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write a PNG with the chunks of its source, or those its metadata amount to."""
    kept = _chunks_for(file.metadata) if file.native is None else file.native
    (picture,) = file.parts
    if file.page_count > 1:
        encoded = Animation(picture, file.metadata.timing).encode("PNG")
    else:
        pixels = squeeze(picture.frames[0])
        raw = pixels.nbytes + len(pixels)  # a byte a row names its filter, which imagecodecs leaves no room for
        most = raw + raw // 50 + 4096
        encoded = bytes(imagecodecs.png_encode(pixels, level=LEVEL, out=most))
    header, *others = _chunks(encoded)
    rest = [chunk for chunk in others if not _is_kept(chunk.type)]
    stream.writelines(_pack([header, *kept, *rest]))


def _is_kept(kind: bytes) -> bool:
    """Return whether a chunk outlives new pixels: known ones, and others that say so by the case of a letter."""
    is_ancillary = kind[:1].islower()
    is_safe_to_copy = kind[3:4].islower()
    return kind in _KEPT or (is_ancillary and is_safe_to_copy and kind not in _DROPPED)


def _chunks(content: bytes) -> Iterator[Chunk]:
    """Iterate over the chunks up to the end mark, each checked."""
    at = len(_SIGNATURE)
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        kind = content[at + 4 : at + 8]
        end = at + 8 + length
        data = content[at + 8 : end]
        checksum = content[end : end + 4]
        if len(checksum) < 4:
            raise ValueError("it breaks off")
        if not kind.isalpha() or _checksum(kind, data) != checksum:
            raise ValueError(f"the checksum of its {kind.decode('ascii', 'replace')} chunk is wrong")
        yield Chunk(kind, data)
        if kind == b"IEND":
            return
        at = end + 4


def _pack(chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """Iterate over the pieces of a file of these chunks."""
    yield _SIGNATURE
    for kind, data in chunks:
        yield len(data).to_bytes(4)
        yield kind
        yield data
        yield _checksum(kind, data)


def _checksum(kind: bytes, data: bytes) -> bytes:
    return zlib.crc32(data, zlib.crc32(kind)).to_bytes(4)


def _frame_count(chunks: Iterable[Chunk]) -> int:
    for chunk in chunks:
        if chunk.type == b"acTL":
            count, _ = struct.unpack(">II", chunk.data)
            return int(count)
    return 1


def _notes(header: _Header) -> Names:
    if header.colour_type == 3:
        return (f"{2**header.depth}-colour palette resolved",)
    if header.depth < 8:
        return (f"{header.depth}-bit gray became 8-bit",)
    return ()


def _read_still(source: Source, header: _Header, chunks: Iterable[Chunk]) -> Picture:
    if max(header.width, header.height) > FORMATS["PNG"].max_side:  # libpng would say so on standard error
        problem = f"its {header.width}x{header.height} pixels are more along an axis than libpng allows"
        raise PictureError(source.name, problem, "convert it to TIFF first")
    needed = [chunk for chunk in chunks if chunk.type in (b"PLTE", b"tRNS", b"IDAT")]  # libpng warns of all else
    decode = _decode_interlaced if header.interlace else _decode
    pixels = decode(header, needed)
    has_alpha = pixels.ndim == 3 and pixels.shape[2] in (2, 4)
    return Picture(pixels, "YXS"[: pixels.ndim], alpha=int(has_alpha))


def _decode_interlaced(header: _Header, chunks: list[Chunk]) -> Pixels:
    """Decode each pass as a small PNG of its own: libpng would print warnings about interlacing."""
    colours = [chunk for chunk in chunks if chunk.type != b"IDAT"]
    packed = b"".join(chunk.data for chunk in chunks if chunk.type == b"IDAT")
    stream = zlib.decompressobj()
    bits = header.depth * _SAMPLES[header.colour_type]
    pixels: Pixels = np.empty(0)
    for x, y, dx, dy in _ADAM7:
        width = -((x - header.width) // dx)
        height = -((y - header.height) // dy)
        if width <= 0 or height <= 0:
            continue
        length = height * (1 + (width * bits + 7) // 8)  # a byte a row names its filter
        rows = stream.decompress(packed, length)
        packed = stream.unconsumed_tail
        small = header._replace(width=width, height=height, interlace=0)
        part = _decode(small, [*colours, Chunk(b"IDAT", zlib.compress(rows, 1))])
        if not pixels.size:  # only now is known how many samples a palette becomes
            pixels = np.empty((header.height, header.width, *part.shape[2:]), part.dtype)
        pixels[y::dy, x::dx] = part
    if stream.decompress(packed, 1):
        raise ValueError("it holds more pixels than it should")
    return pixels


def _decode(header: _Header, chunks: list[Chunk]) -> Pixels:
    """Decode a PNG that is not interlaced: palettes become colours, few bits become eight, tRNS becomes alpha."""
    if header.depth not in _DEPTHS.get(header.colour_type, ()) or header.compression or header.filter:
        raise ValueError(f"no PNG has depth {header.depth} and colour type {header.colour_type}")
    start = Chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    packed = _pack([start, *chunks, Chunk(b"IEND", b"")])
    pixels: Pixels = imagecodecs.png_decode(b"".join(packed))
    return pixels


def _own_metadata(chunks: Iterable[Chunk]) -> Names:
    names = []
    for chunk in chunks:
        is_own = chunk.type in _OWN_METADATA and not chunk.data.startswith(_XMP) and chunk.data != _SRGB
        if chunk.type == b"pHYs":
            x, y, unit = struct.unpack(">IIB", chunk.data)
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
        elif kind == b"eXIf":
            metadata["exif"] = _EXIF + data
        elif kind == b"iTXt" and data.startswith(_XMP):
            metadata.setdefault("xmp", _xmp(data))
        elif kind == b"pHYs":
            x, y, unit = struct.unpack(">IIB", data)
            metadata["dpi"] = (x / _METRE, y / _METRE) if unit == 1 else None
    return metadata


def _xmp(data: bytes) -> bytes:
    """Return the text of an iTXt chunk: behind keyword, flag and method of compression, language and translation."""
    rest = data[len(_XMP) + 1 :]
    _, _, text = rest[2:].split(b"\0", 2)
    return limits.inflate(text, _MAX_PROFILE) if rest[0] else text


def _chunks_for(metadata: Metadata) -> list[Chunk]:
    chunks = []
    if metadata.icc_profile:
        chunks.append(Chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc_profile)))
    if metadata.dpi:
        x, y = (round(value * _METRE) for value in metadata.dpi)
        chunks.append(Chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if metadata.exif:
        chunks.append(Chunk(b"eXIf", metadata.exif.removeprefix(_EXIF)))
    if metadata.xmp:
        chunks.append(Chunk(b"iTXt", _XMP + b"\0\0\0\0\0" + metadata.xmp))
    return chunks

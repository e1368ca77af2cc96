"""Small files that promise much are refused before anything is allocated for it, whatever their format."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from tvdenoise import images
from tvdenoise.errors import PictureError
from tvdenoise.images import ReadOptions
from tvdenoise.images.limits import MAX_PIXELS

SIDE = 16_000  # a picture of this width and height is smaller than --max-pixels


def _encoded(format_: str, mode: str = "RGB", **options) -> bytearray:
    content = io.BytesIO()
    Image.new(mode, (64, 64)).save(content, format_, **options)
    return bytearray(content.getvalue())


def _png() -> bytes:
    content = _encoded("PNG")
    content[16:24] = struct.pack(">II", SIDE, SIDE)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return content


def _jpeg(marker: bytes, **options) -> bytes:
    content = _encoded("JPEG", **options)
    at = content.index(marker) + 5
    content[at : at + 4] = struct.pack(">HH", SIDE, SIDE)
    return content


def _webp() -> bytes:
    content = _encoded("WEBP")
    content[26:30] = struct.pack("<HH", SIDE, SIDE)
    return content


def _gif() -> bytes:
    content = _encoded("GIF", "P")
    content[6:10] = struct.pack("<HH", SIDE, SIDE)
    return content


def _bmp() -> bytes:
    content = _encoded("BMP")
    content[18:26] = struct.pack("<ii", SIDE, SIDE)
    return content


def _avif() -> bytes:
    content = _encoded("AVIF")
    at = content.index(b"ispe") + 8
    content[at : at + 8] = struct.pack(">II", SIDE, SIDE)
    return content


def _tiff(**options) -> bytes:
    """A TIFF whose pixels are packed, and whose header is changed then."""
    content = io.BytesIO()
    tifffile.imwrite(content, np.zeros((64, 64), np.uint8), compression="zlib", metadata=None)
    content.seek(0)
    with tifffile.TiffFile(content) as tif:
        for name, value in options.items():
            tif.pages[0].tags[name].overwrite(value)
    return content.getvalue()


WIDE = {"ImageWidth": SIDE, "ImageLength": SIDE, "RowsPerStrip": SIDE, "BitsPerSample": 64}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("png", _png),
        ("jpg", lambda: _jpeg(b"\xff\xc0")),
        ("jpg", lambda: _jpeg(b"\xff\xc2", progressive=True)),
        *(("webp", _webp), ("gif", _gif), ("bmp", _bmp), ("avif", _avif), ("tif", lambda: _tiff(**WIDE))),
    ],
)
def test_more_pixels_than_the_size_of_the_file_can_hold(name, content, tmp_path):
    path = tmp_path / f"a.{name}"
    path.write_bytes(content())
    with pytest.raises(PictureError, match=r"promise.* MiB from a file of \d+ bytes; raise --max-pixels to \d+"):
        images.read(path)


def test_more_pixels_than_any_picture_has(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 30000 30000 255\n")
    with pytest.raises(PictureError, match=f"promises 30000x30000 pixels, more than {MAX_PIXELS}; raise --max-pixels"):
        images.read(tmp_path / "a.pgm")


def test_allowed_pixels_are_looked_for(tmp_path):
    """With --max-pixels the same header is believed, and what is missing behind it is found."""
    (tmp_path / "a.bmp").write_bytes(_bmp())
    with pytest.raises(PictureError, match="the BMP file is damaged"):
        images.read(tmp_path / "a.bmp", ReadOptions(max_pixels=SIDE**2))


@pytest.mark.parametrize("count", ["2000", "2000000000"])
def test_time_points_that_ome_metadata_promise(count, tmp_path):
    pixels = f'<Pixels DimensionOrder="XYZCT" Type="uint8" SizeX="8" SizeY="8" SizeZ="1" SizeC="1" SizeT="{count}"/>'
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    description = f'<?xml version="1.0"?><OME xmlns="{schema}"><Image>{pixels}</Image></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((8, 8), np.uint8), description=description, metadata=None)
    with pytest.raises(PictureError, match=f"its OME metadata tell of {count} planes, and it has 1 page;"):
        images.read(tmp_path / "a.ome.tif")


def test_directories(tmp_path):
    """Empty ones, each of six bytes; and sub-pages that one tag promises."""
    count = 6000
    chain = b"".join(struct.pack("<HI", 0, 8 + 6 * (i + 1)) for i in range(count - 1))
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + chain + bytes(6))
    tag = struct.pack("<HHII", 330, 4, 100_000, 8)
    (tmp_path / "b.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4))
    for name in ("a.tif", "b.tif"):
        with pytest.raises(PictureError, match=r"it has more pages .* than a file of .* bytes should; get a whole"):
            images.read(tmp_path / name)


def test_frames(tmp_path):
    """An animated PNG of one frame that promises a thousand million."""
    content = io.BytesIO()
    first, second = (Image.new("L", (8, 8), value) for value in (0, 255))
    first.save(content, "PNG", save_all=True, append_images=[second])
    data = content.getvalue()
    at = data.index(b"acTL")
    control = b"acTL" + struct.pack(">II", 10**9, 0)
    packed = control + struct.pack(">I", zlib.crc32(control))
    (tmp_path / "a.png").write_bytes(data[:at] + packed + data[at + len(packed) :])
    with pytest.raises(PictureError, match=r"it has more pages \(1000000000 or more\) than a file of"):
        images.read(tmp_path / "a.png")


def test_scans(tmp_path):
    """Each empty one would take a pass over all pixels."""
    content = bytes(_encoded("JPEG", progressive=True))
    last = content[content.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(content[:-2] + 100 * last + b"\xff\xd9")
    with pytest.raises(PictureError, match=r"its pixels are spread over 1\d\d scans; convert it"):
        images.read(tmp_path / "a.jpg")


@pytest.mark.parametrize("depth", [b"", b"DEPTH 1000000000\n"])
def test_pnm_that_ends_too_early(depth, tmp_path):
    plain = b"P6 200 200 255\n000"
    pam = b"P7\nWIDTH 9\nHEIGHT 9\n" + depth + b"MAXVAL 255\nENDHDR\n0"
    (tmp_path / "a.pnm").write_bytes(pam if depth else plain)
    with pytest.raises(PictureError, match=r"the PNM file is damaged \(it ends before its pixels do\)"):
        images.read(tmp_path / "a.pnm")

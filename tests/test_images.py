"""Files in and out: nothing lost without a word, nothing half written."""

import io
import math
import os
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from picture_files import PNGSUITE, assert_same, copied, folder, numbers
from PIL import Image, ImageOps

from tvdenoise import images
from tvdenoise.errors import ArrayError, InputError, OutputError, PictureError, SettingError
from tvdenoise.images import Picture, PictureFile, ReadOptions, WriteOptions
from tvdenoise.images.facts import describe
from tvdenoise.images.formats import pnm
from tvdenoise.images.formats.table import module_for
from tvdenoise.images.picture import Metadata


@pytest.fixture
def colour(noisy) -> np.ndarray:
    return np.stack([noisy, noisy[::-1], 255 - noisy], axis=2)


PAGE = (slice(None),) * 3
"""All of a picture of one page."""

INTERLACED = [path for path in PNGSUITE if path.with_name(path.name.replace("basi", "basn")) in set(PNGSUITE) - {path}]


class TestRoundTrip:
    """At lambda 0 everything comes back, bit by bit."""

    @pytest.mark.parametrize("ending", ["png", "bmp", "webp", "pgm", "npy"])
    @pytest.mark.parametrize("kind", ["noisy", "colour"])
    def test_lossless_formats(self, ending, kind, tmp_path, request):
        pixels = request.getfixturevalue(kind)
        source = tmp_path / f"a.{ending}"
        if ending == "npy":
            np.save(source, pixels)
        else:
            Image.fromarray(pixels).save(source, **({"lossless": True} if ending == "webp" else {}))
        again = copied(source, tmp_path / f"b.{ending}")
        assert_same(images.read(source), again)
        assert folder(tmp_path) == {f"a.{ending}", f"b.{ending}"}

    @pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i2", "u4", "i4", "f2", "<f4", ">f4", "f8"])
    def test_arrays_of_every_type(self, dtype, tmp_path):
        np.save(tmp_path / "a.npy", numbers((9, 8), dtype))
        assert_same(images.read(tmp_path / "a.npy"), copied(tmp_path / "a.npy", tmp_path / "b.npy"))
        assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()

    @pytest.mark.parametrize("options", [WriteOptions(), WriteOptions(metadata=False)])
    def test_arrays_in_the_order_of_fortran(self, options, tmp_path):
        np.save(tmp_path / "a.npy", np.asfortranarray(numbers((9, 8, 3), ">i2")))
        copied(tmp_path / "a.npy", tmp_path / "b.npy", options)
        assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()

    @pytest.mark.parametrize(
        ("content", "expected", "white"),
        [
            (b"P1 3 1 1 0 1", [[0, 255, 0]], 255),
            (b"P2 2 1 15 3 15", [[3, 15]], 15),
            (b"P4 3 1 \xa0", [[0, 255, 0]], 255),
            (b"P5 # 12 bits\n2 1 4095\n\x0f\xff\0\1", [[4095, 1]], 4095),
            (b"P5 1 1 255\n\7P5 1 1 255\n\7"[:12], [[7]], 255),
            (b"P6 1 1 65535\n\0\1\0\2\0\3", [[[1, 2, 3]]], 65535),
            (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\5\6", [[[5, 6]]], 255),
        ],
    )
    def test_pnm_of_every_kind(self, content, expected, white, tmp_path):
        (tmp_path / "a.pnm").write_bytes(content)
        file, again = images.read(tmp_path / "a.pnm"), copied(tmp_path / "a.pnm", tmp_path / "b.pnm")
        assert_same(file, again)
        assert (file.parts[0].pixels.tolist(), file.parts[0].scale) == (expected, (0, white))
        assert again.parts[0].alpha == (b"ALPHA" in content)

    @pytest.mark.parametrize("picture", [b"P2 2 1 1000 1001 7", b"P5 2 1 1000\n\3\xe9\0\7"])
    def test_pnm_whose_numbers_are_above_its_white(self, picture, tmp_path):
        """Refused before any work, for no such file can be written."""
        (tmp_path / "a.pgm").write_bytes(picture)
        with pytest.raises(PictureError, match="its header calls 1000 white, and it holds a number above that, 1001"):
            images.read(tmp_path / "a.pgm")

    def test_pnm_is_clipped_and_what_is_written_is_not(self, tmp_path):
        (tmp_path / "a.pgm").write_bytes(b"P5 2 1 255\n\0\377")
        file = images.read(tmp_path / "a.pgm")
        part = replace(file.parts[0], pixels=np.array([[7, 300]], np.uint16))
        with (tmp_path / "b.pgm").open("wb") as stream:
            pnm.write(stream, replace(file, parts=(part,)))
        assert images.read(tmp_path / "b.pgm").parts[0].pixels.tolist() == [[7, 255]]
        assert part.pixels.tolist() == [[7, 300]]

    @pytest.mark.parametrize("depth", [8, 16])
    @pytest.mark.parametrize("samples", [1, 2, 3, 4])
    def test_png_of_every_colour_and_its_chunks(self, depth, samples, tmp_path):
        pixels = numbers((7, 9, samples), f"u{depth // 8}")
        encoded = imagecodecs.png_encode(pixels.squeeze())
        chunks = [(b"gAMA", struct.pack(">I", 45455)), (b"pHYs", struct.pack(">IIB", 3000, 3000, 1))]
        chunks += [
            (b"tEXt", b"Author\0me"),
            (b"eXIf", b"MM\0*\0\0\0\x08\0\0"),
            (b"prVt", b"own"),
            (b"prIV", b"not to be copied"),
        ]
        (tmp_path / "a.png").write_bytes(_with_chunks(encoded, *chunks))
        again = copied(tmp_path / "a.png", tmp_path / "b.png")
        assert_same(images.read(tmp_path / "a.png"), again)
        assert again.parts[0].alpha == (samples in (2, 4))
        content = (tmp_path / "b.png").read_bytes()
        assert all(kind + data in content for kind, data in chunks[:-1])
        assert b"prIV" not in content

    @pytest.mark.parametrize("shape", [(300, 1, 1), (999, 1, 3), (999, 3, 4)])
    @pytest.mark.parametrize("dtype", ["u1", "u2"])
    def test_png_of_noise_in_narrow_pictures(self, shape, dtype, tmp_path):
        """What cannot be compressed, and a byte more in each row."""
        pixels = numbers(shape, dtype)
        images.write(tmp_path / "a.png", PictureFile("PNG", (Picture(pixels, "YXS"),)))
        found = images.read(tmp_path / "a.png").parts[0].pixels
        assert np.array_equal(found.reshape(shape), pixels)

    @pytest.mark.parametrize(
        ("stem", "kind", "expected"),
        [
            ("bggn4a16", b"bKGD", struct.pack(">H", 43908)),
            ("bgyn6a16", b"bKGD", struct.pack(">3H", 65535, 65535, 0)),
            ("tbbn0g04", b"bKGD", struct.pack(">H", 0)),  # 4 bits
            ("tbwn3p08", b"bKGD", struct.pack(">3H", 255, 255, 255)),  # a number of a palette
            ("cs3n2c16", b"sBIT", bytes([13, 13, 13])),
            ("cs3n3p08", b"sBIT", bytes([3, 3, 3])),  # a palette
        ],
    )
    def test_png_keeps_what_tells_of_its_samples(self, stem, kind, expected, tmp_path):
        """Significant bits, the background: as it is right for the samples that were read."""
        copied(next(path for path in PNGSUITE if path.stem == stem), tmp_path / "b.png")
        content = (tmp_path / "b.png").read_bytes()
        assert struct.pack(">I", len(expected)) + kind + expected in content

    def test_png_of_few_bits_keeps_chunks_that_no_test_picture_has(self, tmp_path):
        """The halves of a stereo picture, its scale, and the bits of an alpha that becomes a sample."""
        for depth, white in ((1, 1), (2, 3), (4, 15)):
            Image.new("L", (4, 4)).save(tmp_path / "a.png", bits=depth)
            content = _with_chunks(
                (tmp_path / "a.png").read_bytes(),
                *((b"sBIT", b"\1"), (b"bKGD", struct.pack(">H", white)), (b"tRNS", b"\0\0")),
                *((b"sTER", b"\1"), (b"sCAL", b"\1" + b"1.5\0" + b"1.5")),
            )
            (tmp_path / "a.png").write_bytes(content)
            again = copied(tmp_path / "a.png", tmp_path / "b.png")
            assert again.parts[0].alpha == 1
            assert again.own_metadata == ("layout of a stereo pair", "scale of what is shown")
            written = (tmp_path / "b.png").read_bytes()
            for chunk in (b"sBIT\1\x08", b"bKGD\0\xff", b"sTER\1", b"sCAL\0011.5\0001.5"):
                assert chunk in written

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
    def test_png_of_few_bits_palettes_and_interlacing(self, mode, tmp_path, colour):
        """As Pillow shows them."""
        image = Image.fromarray(colour).convert(mode)
        image.save(tmp_path / "a.png")
        again = copied(tmp_path / "a.png", tmp_path / "b.png")
        assert np.array_equal(
            np.asarray(Image.open(tmp_path / "b.png").convert("RGBA")), np.asarray(image.convert("RGBA"))
        )
        assert again.parts[0].pixels.dtype == np.uint8

    @pytest.mark.parametrize("path", PNGSUITE, ids=lambda path: path.stem)
    def test_pngsuite(self, path, tmp_path):
        """All that are valid come back, and look to Pillow, which knows 8 bits, as they did; the others are refused."""
        if path.name.startswith("x"):
            with pytest.raises(PictureError, match=rf"{path.name}: (the PNG file is damaged|it is not a picture)"):
                images.read(path)
            return
        file = images.read(path)
        assert_same(file, copied(path, tmp_path / "b.png"))
        with Image.open(path) as a, Image.open(tmp_path / "b.png") as b:
            # Pillow looks for the transparent gray of 2 or 4 bits among those of 8.
            if file.parts[0].pixels.dtype == np.uint8 and path.stem != "tbbn0g04":
                assert np.array_equal(np.asarray(a.convert("RGBA")), np.asarray(b.convert("RGBA")))

    @pytest.mark.parametrize("path", INTERLACED, ids=lambda p: p.stem)
    def test_interlaced_pictures_are_those_that_are_not(self, path, caplog):
        """And libpng's warnings of them are not shown."""
        plain = path.with_name(path.name.replace("basi", "basn"))
        assert_same(images.read(path), images.read(plain))
        assert caplog.text == ""

    @pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f2", "f4", "f8"])
    @pytest.mark.parametrize(
        ("shape", "kind"),
        [
            ((21, 35), {}),
            ((21, 35), {"photometric": "miniswhite"}),
            ((21, 35, 2), {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}),
            ((21, 35, 3), {"photometric": "rgb"}),
            ((21, 35, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
            ((3, 21, 35), {"photometric": "rgb", "planarconfig": "separate"}),
            ((21, 35, 4), {"photometric": "separated"}),
            ((5, 21, 35), {"photometric": "minisblack"}),
        ],
        ids=lambda value: str(value.get("photometric", "plain")) if isinstance(value, dict) else str(value),
    )
    def test_tiff_of_every_type_and_layout(self, dtype, shape, kind, tmp_path):
        layouts = [
            {"byteorder": ">"},
            {"bigtiff": True, "compression": "packbits"},
            {"tile": (16, 16)},
            {"rowsperstrip": 7, "compression": "lzw"},
            {"tile": (16, 32), "compression": "zlib", "predictor": dtype != "f2", "byteorder": ">"},
        ]
        for layout in layouts:
            tags = [(65000, 7, 5, b"mine!", True), (274, 3, 1, 6, True)]
            tifffile.imwrite(tmp_path / "a.tif", numbers(shape, dtype), **kind, **layout, extratags=tags)
            again = copied(tmp_path / "a.tif", tmp_path / "b.tif")
            assert_same(images.read(tmp_path / "a.tif"), again)
            with tifffile.TiffFile(tmp_path / "a.tif") as a, tifffile.TiffFile(tmp_path / "b.tif") as b:
                assert (a.byteorder, a.is_bigtiff, a.pages[0].tile) == (b.byteorder, b.is_bigtiff, b.pages[0].tile)
                assert b.pages[0].tags[65000].value == b"mine!"

    @pytest.mark.parametrize("kind", [{"imagej": True}, {"ome": True}, {"ome": True, "compression": "zlib"}])
    def test_stacks_keep_axes_spacing_and_unit(self, kind, tmp_path):
        metadata = {"axes": "ZCYX"} | ({"spacing": 2.5, "unit": "um"} if "imagej" in kind else {"PhysicalSizeX": 0.3})
        tifffile.imwrite(tmp_path / "a.tif", numbers((4, 2, 9, 8), "u2"), metadata=metadata, **kind)
        again = copied(tmp_path / "a.tif", tmp_path / "b.tif")
        assert_same(images.read(tmp_path / "a.tif"), again)
        assert (again.parts[0].page_axes, again.parts[0].samples, again.page_count) == ("Z", 2, 4)
        with tifffile.TiffFile(tmp_path / "a.tif") as a, tifffile.TiffFile(tmp_path / "b.tif") as b:
            assert a.imagej_metadata == b.imagej_metadata
            before, after = (re.sub(r'UUID="[^"]*"', "", tif.ome_metadata or "") for tif in (a, b))
            assert before == after

    @pytest.mark.parametrize(("shape", "kind"), [((3, 2, 5, 9, 8), "minisblack"), ((2, 3, 9, 8, 3), "rgb")])
    def test_axes_that_nothing_names_count_pages(self, shape, kind, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", numbers(shape, "u1"), photometric=kind)
        file = images.read(tmp_path / "a.tif")
        assert file.page_count == math.prod(shape) // math.prod(file.parts[0].first_page.pixels.shape)
        assert not set(file.parts[0].page_axes) & set("CSTXYZ")
        for target in ("b.tif", "c.npy"):
            source, converted = images.prepare_target(file, tmp_path / target)
            converted.parts[0].pixels[...] = source.parts[0].pixels
            images.write(tmp_path / target, converted)
        assert_same(file, images.read(tmp_path / "b.tif"))
        assert np.array_equal(np.load(tmp_path / "c.npy"), tifffile.imread(tmp_path / "a.tif"))

    def test_new_numbers_in_compressed_tiff(self, tmp_path):
        """What no longer fits where it was goes to the end of the file."""
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 50), np.uint16), compression="zlib", rowsperstrip=8)
        source, target = images.prepare_target(images.read(tmp_path / "a.tif"), tmp_path / "b.tif")
        u = np.random.default_rng(0).random((40, 50, 1), np.float32)
        target.parts[0].fill_page(PAGE, u, source.parts[0])
        images.write(tmp_path / "b.tif", target)
        assert np.array_equal(
            tifffile.imread(tmp_path / "b.tif"), np.rint(u[..., 0] * np.float32(65535)).astype(np.uint16)
        )

    @pytest.mark.parametrize("layout", [{"compression": "zlib"}, {"tile": (16, 16)}])
    def test_pages_of_a_tiff_that_share_their_pixels_may_come_to_differ(self, layout, noisy, tmp_path):
        """Slices of a volume do, near others."""
        stack = np.stack([noisy, noisy, 255 - noisy])
        tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata=None, **layout)
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
            kind = "Tile" if "tile" in layout else "Strip"
            for name in (f"{kind}Offsets", f"{kind}ByteCounts"):
                tif.pages[1].tags[name].overwrite(tif.pages[0].tags[name].value)
        source, target = images.prepare_target(images.read(tmp_path / "a.tif"), tmp_path / "b.tif")
        for page, value in zip(source.parts[0].pages(), (0.2, 0.4, 0.6), strict=True):
            target.parts[0].fill_page(page, source.parts[0].unit(page) * np.float32(value), source.parts[0])
        images.write(tmp_path / "b.tif", target)
        assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), target.parts[0].pixels)

    @pytest.mark.parametrize("frames", [1, 3])
    @pytest.mark.parametrize("ending", ["gif", "png"])
    def test_gif_keeps_its_holes(self, frames, ending, colour, tmp_path):
        """Beside black pixels, at the margin too, and 255 colours."""
        shown = np.asarray(Image.fromarray(colour).quantize(200).convert("RGBA")).copy()
        shown[:2], shown[5:30, 5:30, 3] = (0, 0, 0, 255), 0
        pictures = [Image.fromarray(np.roll(shown, 3 * i, 1)) for i in range(frames)]
        pictures[0].save(tmp_path / f"a.{ending}", save_all=frames > 1, append_images=pictures[1:], disposal=2)
        file, again = images.read(tmp_path / f"a.{ending}"), copied(tmp_path / f"a.{ending}", tmp_path / "b.gif")
        (a,), (b,) = file.parts, again.parts
        assert b.alpha == 1
        assert np.array_equal(a.by_page[..., 3], b.by_page[..., 3])
        seen = a.by_page[..., 3] > 0
        assert np.array_equal(a.by_page[seen], b.by_page[seen])
        assert not seen.all()

    def test_bmp_keeps_a_resolution_of_any_bits(self, tmp_path):
        Image.fromarray(numbers((9, 8), "u1")).save(tmp_path / "a.bmp")
        content = bytearray((tmp_path / "a.bmp").read_bytes())
        content[38:46] = b"\xff" * 4 + b"\0\0\0\x80"  # pixels a metre
        (tmp_path / "a.bmp").write_bytes(content)
        copied(tmp_path / "a.bmp", tmp_path / "b.bmp")
        assert (tmp_path / "b.bmp").read_bytes()[38:46] == content[38:46]

    def test_more_dots_than_a_bmp_counts(self, tmp_path):
        picture = Picture(numbers((9, 8), "u1"), "YX")
        images.write(tmp_path / "a.bmp", PictureFile("BMP", (picture,), Metadata(dpi=(1e12, 72))))
        assert (tmp_path / "a.bmp").read_bytes()[38:42] == b"\xff" * 4

    def test_bmp_keeps_its_transparency(self, tmp_path):
        pixels = numbers((6, 7, 4), "u1")
        header = struct.pack("<IiiHHII16x4I52x", 108, 7, -6, 1, 32, 3, 168, 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
        content = struct.pack("<2sIII", b"BM", 290, 0, 122) + header + pixels.tobytes()
        (tmp_path / "a.bmp").write_bytes(content)
        again = copied(tmp_path / "a.bmp", tmp_path / "b.bmp")
        assert_same(images.read(tmp_path / "a.bmp"), again)
        assert np.array_equal(again.parts[0].pixels, pixels)
        assert (tmp_path / "b.bmp").read_bytes()[70:74] == b"BGRs"  # the colours are those of sRGB

    @pytest.mark.parametrize("samples", [1, 3, 4])
    def test_bmp_keeps_its_colour_profile(self, samples, tmp_path):
        pixels = numbers((6, 7, samples), "u1")
        picture = Picture(pixels, "YXS", alpha=int(samples == 4))
        images.write(
            tmp_path / "a.bmp", PictureFile("BMP", (picture,), Metadata(icc_profile=b"a profile", dpi=(300, 72)))
        )
        content = (tmp_path / "a.bmp").read_bytes()
        size, *_, place, length = struct.unpack_from("<I52x4s52xII", content, 14)
        assert (size, content[14 + place :], length) == (124, b"a profile", 9)
        assert struct.unpack_from("<I", content, 2) == (len(content),)
        again = copied(tmp_path / "a.bmp", tmp_path / "b.bmp")
        assert_same(images.read(tmp_path / "a.bmp"), again)
        assert again.metadata.icc_profile == b"a profile"
        assert np.array_equal(again.parts[0].pixels, pixels.squeeze())
        with Image.open(tmp_path / "b.bmp") as seen:
            assert np.array_equal(seen, pixels.squeeze())
        if samples == 1:
            assert content[138 + 3 : 138 + 1024 : 4] == bytes(256)  # reserved in a palette
        (tmp_path / "cut.bmp").write_bytes(content[:-1])
        with pytest.raises(PictureError, match=r"damaged \(its colour profile breaks off\)"):
            images.read(tmp_path / "cut.bmp")

    @pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
    def test_tiff_of_jpeg_data_gets_compression_without_loss(self, subsampling, colour, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb", compression="jpeg", subsampling=subsampling)
        assert_same(images.read(tmp_path / "a.tif"), copied(tmp_path / "a.tif", tmp_path / "b.tif"))

    def test_each_page_of_a_palette_tiff_has_its_own_colours(self, tmp_path):
        index, maps = numbers((2, 9, 8), "u1"), numbers((2, 3, 256), "u1").astype(np.uint16) * 257
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            for page, colormap in zip(index, maps, strict=True):
                tif.write(page, photometric="palette", colormap=colormap, metadata=None)
        again = copied(tmp_path / "a.tif", tmp_path / "b.tif").parts[0].pixels
        expected = np.stack([(colormap >> 8).T[page] for page, colormap in zip(index, maps, strict=True)])
        assert np.array_equal(again, expected)

    @pytest.mark.parametrize("is_big", [False, True])
    @pytest.mark.parametrize("order", "<>")
    def test_scans_of_bits_and_palettes_keep_every_tag(self, is_big, order, noisy, tmp_path):
        """Of every page its own; 1-bit palettes too."""
        bits = noisy > 99
        colours = np.array([[0, 65535], [0, 257], [257, 0]], "u2")
        with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=is_big, byteorder=order) as tif:
            for n in range(2):
                tags = [(269, 2, 0, "deed", True), (306, 2, 0, "2020:01:02 03:04:05", True), (65001, 2, 0, "own", True)]
                tags += [(297, 3, 2, (n, 2), True), (286, 5, 1, (n + 1, 7), True)]
                options = {"extratags": tags, "software": "scanner", "resolution": (300, 150), "metadata": None}
                tif.write(bits, photometric="miniswhite", compression="packbits", **options)
                options["extratags"] = [*tags, (65320, 3, 6, colours.ravel().tolist(), True)]
                tif.write(bits, photometric="minisblack", **options)
                options["extratags"] = tags
                tif.write(noisy, **options)
        content = (tmp_path / "a.tif").read_bytes()
        names = (struct.pack(f"{order}HH", code, 3) for code in (65320, 320))  # tifffile writes no palettes of bits
        (tmp_path / "a.tif").write_bytes(content.replace(*names))
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
            for page in tif.pages[1::3]:
                page.tags["PhotometricInterpretation"].overwrite(3)
        again = copied(tmp_path / "a.tif", tmp_path / "b.tif")
        assert_same(images.read(tmp_path / "a.tif"), again)
        assert again.parts[1].pixels[0].tolist() == np.uint8([[0, 0, 1], [255, 1, 0]])[bits.astype(int)].tolist()
        kept = ("DocumentName", "DateTime", "65001", "PageNumber", "XPosition", "Software", "XResolution")
        kept += ("PhotometricInterpretation", "ImageWidth", "ImageLength", "ResolutionUnit")
        with tifffile.TiffFile(tmp_path / "a.tif") as before, tifffile.TiffFile(tmp_path / "b.tif") as after:
            for old, new in zip(before.pages, after.pages, strict=True):
                for name in kept:
                    code = int(name) if name.isdigit() else name
                    is_changed = name == "PhotometricInterpretation" and old.photometric == 3
                    assert new.tags[code].value == (2 if is_changed else old.tags[code].value)
            assert after.pages[1].compression == tifffile.COMPRESSION.ADOBE_DEFLATE

    def test_what_bits_in_the_layout_of_tifffile_cannot_keep_is_named(self, noisy, tmp_path):
        """Their description tells the old shape, so that a new file is written."""
        options = {"description": "deed", "extratags": [(297, 3, 2, (0, 2), True), (286, 5, 1, (1, 7), True)]}
        tifffile.imwrite(tmp_path / "a.tif", noisy > 99, photometric="minisblack", **options)
        with pytest.raises(OutputError, match="a TIFF file would lose description, page number, position; say"):
            copied(tmp_path / "a.tif", tmp_path / "b.tif")

    @pytest.mark.parametrize("kind", ["pages", "subifds", "ome"])
    @pytest.mark.parametrize("nodata", [None, 0])
    def test_reduced_copies_are_made_anew(self, kind, nodata, colour, tmp_path):
        """As means over areas, or where there is no data as one pixel of each."""
        sub = {} if kind == "pages" else {"subifds": 2}
        tags = [] if nodata is None else [(42113, 2, 0, str(nodata), True)]
        pixels = colour.copy()
        if nodata is not None:
            pixels[:20] = nodata
        with tifffile.TiffWriter(tmp_path / "a.tif", ome=kind == "ome") as tif:
            options = {"tile": (16, 16), "photometric": "rgb", "metadata": None if kind == "pages" else {}}
            tif.write(pixels, **options, **sub, extratags=tags)
            for step in (2, 4):
                tif.write(pixels[::step, ::step] // 2, **options, subfiletype=1, extratags=tags)
        again = copied(tmp_path / "a.tif", tmp_path / "b.tif")
        assert again.notes == ("2 reduced copies made anew",)
        with tifffile.TiffFile(tmp_path / "b.tif") as tif:
            (series,) = tif.series
            large, half, quarter = (level.asarray() for level in series.levels)
        assert np.array_equal(large, pixels)
        means = pixels.reshape(20, 2, 24, 2, 3).mean((1, 3))
        if nodata is None:
            assert np.abs(half - means).max() <= 0.5
        assert (quarter.shape, nodata is None or not half[:10].any()) == ((10, 12, 3), True)

    def test_masks_stay_as_they_are(self, colour, noisy, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            tif.write(colour, photometric="rgb", metadata=None)
            tif.write(noisy > 99, metadata=None, subfiletype=4, photometric="minisblack")
        again = copied(tmp_path / "a.tif", tmp_path / "b.tif")
        assert (len(again.parts), again.own_metadata) == (1, ("masks",))
        assert np.array_equal(tifffile.imread(tmp_path / "b.tif", key=1), noisy > 99)

    @pytest.mark.parametrize("compression", [None, "zlib"])
    @pytest.mark.parametrize("bits", [2, 4, 12])
    def test_samples_that_do_not_fill_bytes(self, bits, compression, tmp_path):
        white = 2**bits - 1
        pixels = np.random.default_rng(0).integers(0, white, (7, 9), endpoint=True).astype("u1" if bits < 8 else "u2")
        pixels[0, 0] = white
        rows = [imagecodecs.packints_encode(row, bits) for row in pixels]
        packed = np.frombuffer(b"".join(rows), np.uint8).reshape(7, -1)
        tifffile.imwrite(tmp_path / "a.tif", packed, photometric="minisblack", metadata=None, compression=compression)
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
            tif.pages[0].tags["ImageWidth"].overwrite(9)
            tif.pages[0].tags["BitsPerSample"].overwrite(bits)
        again = copied(tmp_path / "a.tif", tmp_path / "b.tif")
        assert again.parts[0].scale == (0, white)
        assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), pixels)
        with tifffile.TiffFile(tmp_path / "b.tif") as tif:
            assert tif.pages[0].bitspersample == bits
        source, target = images.prepare_target(images.read(tmp_path / "a.tif"), tmp_path / "c.tif")
        target.parts[0].fill_page(PAGE, np.full((7, 9, 1), 1.2), source.parts[0])  # lighter than white
        images.write(tmp_path / "c.tif", target)
        assert np.unique(tifffile.imread(tmp_path / "c.tif")).tolist() == [white]
        bare = copied(tmp_path / "a.tif", tmp_path / "d.tif", WriteOptions(metadata=False)).parts[0].pixels
        assert np.array_equal(bare, np.rint(pixels / white * np.iinfo(pixels.dtype).max))

    def test_a_copy_of_an_ome_file_has_a_uuid_of_its_own(self, noisy, tmp_path):
        """Which the planes that name it follow, and no longer the name of the source."""
        tifffile.imwrite(tmp_path / "a.ome.tif", noisy, ome=True)
        with tifffile.TiffFile(tmp_path / "a.ome.tif", mode="r+b") as tif:
            old = tif.ome_metadata.split('UUID="')[1].split('"')[0]
            plane = f'<TiffData IFD="0"><UUID FileName="a.ome.tif">{old}</UUID></TiffData>'
            text = tif.ome_metadata.replace('<TiffData IFD="0" PlaneCount="1"/>', plane)
            assert plane in text
            tif.pages[0].tags["ImageDescription"].overwrite(text)
        for name in ("b.ome.tif", "c.ome.tif"):
            copied(tmp_path / "a.ome.tif", tmp_path / name)
        assert (tmp_path / "b.ome.tif").read_bytes() == (tmp_path / "c.ome.tif").read_bytes()
        with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
            new = tif.ome_metadata.split('UUID="')[1].split('"')[0]
            assert new != old
            assert f'<TiffData IFD="0"><UUID>{new}</UUID></TiffData>' in tif.ome_metadata
            assert old not in tif.ome_metadata

    @pytest.mark.parametrize("order", "<>")
    def test_exif_of_another_format_goes_into_a_tiff(self, order, colour, tmp_path):
        exif = Image.Exif()
        exif.endian = order
        exif[0x0112], exif[0x010F], exif[0x0131] = 6, "maker", "camera"
        exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
        exif.get_ifd(0x8769)[0x927C] = bytes(range(99))  # the maker's note, whose places are counted from the start
        exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
        Image.fromarray(colour).save(tmp_path / "a.jpg", exif=exif, dpi=(200, 200))
        again = copied(tmp_path / "a.jpg", tmp_path / "b.tif")
        assert np.array_equal(again.parts[0].pixels, images.read(tmp_path / "a.jpg").parts[0].pixels)
        assert {"EXIF", "GPS", "maker"} <= set(again.own_metadata)
        with Image.open(tmp_path / "b.tif") as image:
            found = image.getexif()
            assert (image.n_frames, found[0x0112], found[0x010F], found[0x0131]) == (1, 6, "maker", "camera")
            assert dict(found.get_ifd(0x8769)) == dict(exif.get_ifd(0x8769))
            assert dict(found.get_ifd(0x8825)) == dict(exif.get_ifd(0x8825))
        assert images.read(tmp_path / "b.tif").metadata.dpi == (200, 200)
        copied(tmp_path / "a.jpg", tmp_path / "c.tif", WriteOptions(metadata=False))
        assert images.read(tmp_path / "c.tif").own_metadata == ()

    def test_a_palette_page_behind_a_page_of_colours(self, colour, noisy, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            tif.write(colour, photometric="rgb", metadata=None)
            tif.write(noisy, photometric="palette", colormap=numbers((3, 256), "u2") // 257 * 257, metadata=None)
        file = images.read(tmp_path / "a.tif")
        assert [part.samples for part in file.parts] == [3, 3]
        assert file.notes == ("palette or bits resolved",)
        assert_same(file, copied(tmp_path / "a.tif", tmp_path / "b.tif"))

    def test_gif_keeps_its_comment(self, noisy, tmp_path):
        Image.fromarray(noisy).save(tmp_path / "a.gif", comment=b"mine")
        again = copied(tmp_path / "a.gif", tmp_path / "b.gif")
        assert again.native.blocks == [b"!\xfe\4mine\0"]
        assert again.own_metadata == ("comment",)

    def test_webp_animation_keeps_its_background(self, colour, tmp_path):
        frames, background = [Image.fromarray(np.roll(colour, i, 1)) for i in range(2)], (255, 10, 20, 255)
        frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], background=background)
        copied(tmp_path / "a.webp", tmp_path / "b.webp")
        with Image.open(tmp_path / "b.webp") as image:
            assert image.info["background"] == background

    @pytest.mark.parametrize("ending", ["gif", "png", "webp"])
    def test_animations_keep_frames_and_timing(self, ending, tmp_path, colour):
        frames = [Image.fromarray(np.roll(colour, i, 1)).quantize(200).convert("RGB") for i in range(4)]
        options = {"duration": [100, 200, 50, 70], "loop": 3} | ({"lossless": True} if ending == "webp" else {})
        frames[0].save(
            tmp_path / f"a.{ending}",
            save_all=True,
            append_images=frames[1:],
            **options,
        )
        a, again = images.read(tmp_path / f"a.{ending}"), copied(tmp_path / f"a.{ending}", tmp_path / f"b.{ending}")
        assert_same(a, again)
        assert again.parts[0].axes == "TYXS"
        shown = 4 if ending == "gif" else 3  # a GIF says how often frames are repeated
        assert (again.metadata.timing.durations, again.metadata.timing.loop) == ((100, 200, 50, 70), shown)

    def test_a_gif_of_more_colours_than_it_can_hold_gets_the_closest(self, colour, tmp_path):
        """Denoised frames have many colours."""
        Image.fromarray(colour).save(tmp_path / "a.png")
        with pytest.raises(OutputError, match="a GIF file would lose colours beyond 256"):
            copied(tmp_path / "a.png", tmp_path / "b.gif")
        again = copied(tmp_path / "a.png", tmp_path / "b.gif", WriteOptions(allow_loss=True)).parts[0].pixels
        error = np.abs(again.astype(float) - colour)
        assert len(np.unique(colour.reshape(-1, 3), axis=0)) > 256 >= len(np.unique(again.reshape(-1, 3), axis=0))
        assert error.mean() < 16

    def test_fits_keeps_headers(self, tmp_path):
        fits = pytest.importorskip("astropy.io.fits")
        first = fits.PrimaryHDU(numbers((9, 8), "u2"))
        first.header["OBJECT"] = "M31"
        units = fits.HDUList([first, fits.ImageHDU(numbers((3, 9, 8), "f4"))])
        units.writeto(tmp_path / "a.fits")
        again = copied(tmp_path / "a.fits", tmp_path / "b.fits")
        assert_same(images.read(tmp_path / "a.fits"), again)
        assert again.page_count == 4
        assert fits.getheader(tmp_path / "b.fits")["OBJECT"] == "M31"

    @pytest.mark.parametrize("has_sums", [False, True])
    def test_fits_headers_that_break_rules_come_back_as_they_were(self, has_sums, tmp_path):
        """Tabs, that is, which programs write into histories and comments."""
        fits = pytest.importorskip("astropy.io.fits")
        unit = fits.PrimaryHDU(numbers((9, 8), "i2"))
        unit.header["HISTORY"] = "flat, dark"
        unit.header["GAIN"] = (2, "of the camera")
        unit.writeto(tmp_path / "a.fits", checksum=has_sums)
        content = (tmp_path / "a.fits").read_bytes()
        content = content.replace(b"flat, dark", b"flat,\tdark").replace(b"of the camera", b"of\tthe camera")
        (tmp_path / "a.fits").write_bytes(content)
        assert_same(images.read(tmp_path / "a.fits"), copied(tmp_path / "a.fits", tmp_path / "b.fits"))
        again = (tmp_path / "b.fits").read_bytes()
        assert b"flat,\tdark" in again
        assert b"of\tthe camera" in again

    @pytest.mark.parametrize("scaling", [{"bscale": 0.5, "bzero": 7}, {"bzero": -128}, {}], ids=str)
    def test_fits_of_scaled_numbers_and_its_sums(self, scaling, tmp_path):
        fits = pytest.importorskip("astropy.io.fits")
        unit = fits.PrimaryHDU(numbers((9, 8), "u1"))
        for key, value in scaling.items():
            unit.header[key] = value
        unit.writeto(tmp_path / "a.fits", checksum=True)
        source, target = images.prepare_target(images.read(tmp_path / "a.fits"), tmp_path / "b.fits")
        target.parts[0].fill_page(PAGE, source.parts[0].unit(PAGE)[::-1], source.parts[0])
        images.write(tmp_path / "b.fits", target)
        assert np.array_equal(images.read(tmp_path / "b.fits").parts[0].pixels, source.parts[0].pixels[::-1])
        with fits.open(tmp_path / "b.fits", checksum=True) as units:  # whose warning is an error
            assert "CHECKSUM" in units[0].header
            assert units[0].data is not None
        headers = [fits.getheader(tmp_path / name) for name in ("a.fits", "b.fits")]
        for key in ("BITPIX", "BSCALE", "BZERO"):
            assert headers[0].get(key) == headers[1].get(key)

    @pytest.mark.parametrize("is_compressed", [False, True])
    @pytest.mark.parametrize("scaling", [{}, {"BZERO": 32768}, {"BSCALE": 0.5, "BZERO": 10}, {"BSCALE": 1e-3}], ids=str)
    def test_blank_pixels_of_fits_stay_blank(self, scaling, is_compressed, tmp_path):
        """The stored integers are denoised as integers of that type are, and none but the blank ones is BLANK."""
        fits = pytest.importorskip("astropy.io.fits")
        blank = 3
        stored = np.random.default_rng(0).integers(1, 8, (16, 15)).astype("i2")
        unit = (fits.CompImageHDU if is_compressed else fits.PrimaryHDU)(stored)
        raw = {"memmap": False, "do_not_scale_image_data": True}
        fits.HDUList([fits.PrimaryHDU(), unit] if is_compressed else [unit]).writeto(tmp_path / "plain.fits")
        with fits.open(tmp_path / "plain.fits", **raw) as units:
            units[-1].header.update({"BLANK": blank, **scaling})
            units.writeto(tmp_path / "a.fits")
        source, target = images.prepare_target(images.read(tmp_path / "a.fits"), tmp_path / "b.fits")
        unit = source.parts[0].unit(PAGE)
        middle = (unit[stored == 2][0] + unit[stored == 4][0]) / 2
        target.parts[0].fill_page(PAGE, np.full((16, 15, 1), middle), source.parts[0])
        images.write(tmp_path / "b.fits", target)
        with fits.open(tmp_path / "b.fits", **raw) as units:
            assert units[-1].header.get("BLANK") == blank
            assert {key: units[-1].header[key] for key in scaling} == scaling
            assert units[-1].data.dtype.newbyteorder("=") == np.int16
            assert np.array_equal(units[-1].data == blank, stored == blank)
            assert np.unique(units[-1].data[stored != blank]).tolist() == [4]
        copied(tmp_path / "a.fits", tmp_path / "c.fits")
        with fits.open(tmp_path / "c.fits", **raw) as units:
            assert np.array_equal(units[-1].data, stored)

    @pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
    @pytest.mark.parametrize("compression", ["RICE_1", "GZIP_1", "HCOMPRESS_1"])
    def test_fits_compressed_with_loss_loses_nothing_more(self, compression, dtype, tmp_path):
        fits = pytest.importorskip("astropy.io.fits")
        pixels = numbers((64, 60), "u1").astype(dtype)
        unit = fits.CompImageHDU(pixels, compression_type=compression, hcomp_scale=3, quantize_level=2)
        unit.header["OBJECT"] = "M31"
        unit.writeto(tmp_path / "a.fits")
        source, target = images.prepare_target(images.read(tmp_path / "a.fits"), tmp_path / "b.fits")
        target.parts[0].fill_page(PAGE, source.parts[0].unit(PAGE)[::-1] * 0.9, source.parts[0])
        images.write(tmp_path / "b.fits", target)
        with fits.open(tmp_path / "b.fits") as units:
            assert isinstance(units[1], fits.CompImageHDU)
            assert units[1].header["OBJECT"] == "M31"

    def test_fits_cut_within_a_further_header(self, tmp_path):
        fits = pytest.importorskip("astropy.io.fits")
        units = fits.HDUList([fits.PrimaryHDU(numbers((9, 8), "i2")), fits.ImageHDU(numbers((9, 8), "i2"))])
        units.writeto(tmp_path / "a.fits")
        (tmp_path / "a.fits").write_bytes((tmp_path / "a.fits").read_bytes()[: 2880 * 2 + 700])
        with pytest.raises(PictureError, match="it ends within a header"):
            images.read(tmp_path / "a.fits")

    @pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
    def test_profile_exif_and_resolution(self, ending, colour, tmp_path):
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "maker"  # orientation, make
        options = {} if ending == "webp" else {"dpi": (72, 72)}
        Image.fromarray(colour).save(tmp_path / f"a.{ending}", exif=exif, icc_profile=b"a profile", **options)
        again = copied(tmp_path / f"a.{ending}", tmp_path / f"b.{ending}")
        assert again.parts[0].size == colour.shape[:2]  # the orientation is not applied
        with Image.open(tmp_path / f"b.{ending}") as picture:
            assert picture.info["icc_profile"] == b"a profile"
            assert dict(picture.getexif()) == {0x0112: 6, 0x010F: "maker"}
            if ending != "webp":
                assert picture.info["dpi"] == pytest.approx((72, 72), abs=0.1)

    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    def test_jpeg_keeps_its_tables_and_subsampling(self, subsampling, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / "a.jpg", quality=83, subsampling=subsampling)
        copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
            assert a.quantization == b.quantization
            assert a.layer == b.layer

    @pytest.mark.parametrize("of_components", [(0, 1, 1), (1, 0, 0), (0, 0, 0), (0, 1, 0), (0, 1, 2), (2, 0, 0)])
    def test_jpeg_keeps_which_table_is_for_which_component(self, of_components, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / "a.jpg", qtables=[[value] * 64 for value in (3, 7, 11)])
        content = bytearray((tmp_path / "a.jpg").read_bytes())
        frame = content.index(b"\xff\xc0")
        content[frame + 12 : frame + 21 : 3] = bytes(of_components)
        (tmp_path / "a.jpg").write_bytes(content)
        copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        with Image.open(tmp_path / "b.jpg") as b:
            steps = [b.quantization[component[3]][0] for component in b.layer]
        assert steps == [(3, 7, 11)[number] for number in of_components]

    def test_jpeg_of_coarse_tables_without_a_word_of_libjpeg(self, noisy, tmp_path, capfd):
        Image.fromarray(noisy).save(tmp_path / "a.jpg", qtables=[[300] * 64])
        assert "too coarse" in capfd.readouterr().err
        copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        with Image.open(tmp_path / "b.jpg") as b:
            assert b.quantization[0] == [300] * 64
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("subsampling", [(1, 2), (4, 1)])
    def test_jpeg_of_rare_subsampling_loses_no_resolution(self, subsampling, colour, tmp_path):
        (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(colour, subsampling=subsampling))
        copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        with Image.open(tmp_path / "b.jpg") as b:
            assert [component[1:3] for component in b.layer] == [(1, 1)] * 3

    def test_jpeg_coded_as_rgb_stays_so(self, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / "a.jpg", keep_rgb=True)
        again = copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
            assert a.layer == b.layer
        assert np.abs(again.parts[0].pixels.astype(float) - colour).mean() < 8

    def test_jpeg_keeps_what_applications_have_put_into_it(self, colour, tmp_path):
        """EXIF, colour profile, IPTC, comments, segments nobody knows: byte by byte, but for the list of pictures."""
        exif = Image.Exif()
        exif[0x010F] = "maker"
        content = io.BytesIO()
        profile = bytes(100_000)  # in two segments
        Image.fromarray(colour).save(content, "JPEG", exif=exif, icc_profile=profile, comment=b"mine", dpi=(300, 300))
        own = [b"\xff\xed\0\x12Photoshop 3.0\0x\0", b"\xff\xe7\0\x06odd!", b"\xff\xe2\0\x08MPF\0xy"]
        (tmp_path / "a.jpg").write_bytes(content.getvalue()[:20] + b"".join(own) + content.getvalue()[20:])
        file, again = images.read(tmp_path / "a.jpg"), copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        assert file.own_metadata == ("IPTC", "comment")
        assert file.native.segments == again.native.segments
        assert again.metadata == file.metadata
        written = (tmp_path / "b.jpg").read_bytes()
        assert all(segment in written for segment in own[:2])
        assert own[2] not in written
        bare = copied(tmp_path / "a.jpg", tmp_path / "c.jpg", WriteOptions(metadata=False))
        assert (bare.metadata.icc_profile, bare.metadata.exif, bare.own_metadata) == (profile, None, ())
        with pytest.raises(OutputError, match="a PNG file would lose IPTC, comment"):
            copied(tmp_path / "a.jpg", tmp_path / "d.png")

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    @pytest.mark.parametrize("unit", [0, 1, 2])
    def test_jpeg_keeps_its_resolution_in_any_unit(self, unit, mode, colour, tmp_path):
        """Of unit 0 it tells the shape of pixels alone, which no other format takes over."""
        Image.fromarray(colour).convert(mode).save(tmp_path / "a.jpg")
        jfif = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1" + struct.pack(">BHH", unit, 59, 118) + b"\0\0"
        content = (tmp_path / "a.jpg").read_bytes()
        (tmp_path / "a.jpg").write_bytes(jfif + content[2 if mode == "CMYK" else len(jfif) :])
        file, again = images.read(tmp_path / "a.jpg"), copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        assert (tmp_path / "b.jpg").read_bytes().startswith(jfif)
        assert file.own_metadata == again.own_metadata == (("shape of pixels",) if unit == 0 else ())

    @pytest.mark.parametrize(
        "before",
        [{b"\xff\xfe": b"\xff\xff", b"\xff\xda": b"\xff"}, {b"\xff\xfe": b"\0\0", b"\xff\xc4": b"\0\xff\0\1"}],
        ids=["fill", "stray"],
    )
    def test_jpeg_with_bytes_before_its_markers_that_mean_nothing(self, before, colour, tmp_path):
        """Which libjpeg skips."""
        Image.fromarray(colour).save(tmp_path / "a.jpg", comment=b"mine")
        content = (tmp_path / "a.jpg").read_bytes()
        for marker, nothing in before.items():
            content = content.replace(marker, nothing + marker)
        (tmp_path / "b.jpg").write_bytes(content)
        assert_same(images.read(tmp_path / "a.jpg"), images.read(tmp_path / "b.jpg"))
        assert copied(tmp_path / "b.jpg", tmp_path / "c.jpg").own_metadata == ("comment",)

    @pytest.mark.parametrize("length", [3, 5, 19, 21, 200])
    def test_jpeg_cut_within_its_header(self, length, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / "a.jpg")
        (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:length])
        with pytest.raises(PictureError, match=r"the JPEG file is damaged \(it ends before its pixels do, or a length"):
            images.read(tmp_path / "a.jpg")

    @pytest.mark.parametrize("is_progressive", [False, True])
    def test_jpeg_keeps_the_film_behind_it(self, is_progressive, colour, tmp_path):
        """Of a motion photo: it is found by counting from the end of the file."""
        Image.fromarray(colour).save(tmp_path / "a.jpg", progressive=is_progressive)
        film = b"\0\0\0\x18ftypmp42" + numbers((1000,), "u1").tobytes()
        whole = (tmp_path / "a.jpg").read_bytes()
        (tmp_path / "a.jpg").write_bytes(whole + film)
        copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        assert (tmp_path / "b.jpg").read_bytes().endswith(b"\xff\xd9" + film)
        with pytest.raises(OutputError, match="a PNG file would lose what stands behind it, such as a film"):
            copied(tmp_path / "a.jpg", tmp_path / "c.png")
        copied(tmp_path / "a.jpg", tmp_path / "d.jpg", WriteOptions(metadata=False))
        assert (tmp_path / "d.jpg").read_bytes().endswith(b"\xff\xd9")
        (tmp_path / "e.jpg").write_bytes(whole + bytes(1000) + b"\r\n")  # nothing
        assert images.read(tmp_path / "e.jpg").own_metadata == ()

    def test_cmyk_jpeg_stays_what_it_is(self, colour, tmp_path):
        Image.fromarray(colour).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
        again = copied(tmp_path / "a.jpg", tmp_path / "b.jpg").parts[0]
        assert (again.is_cmyk, again.samples, again.alpha) == (True, 4, 0)
        assert np.abs(again.pixels.astype(float) - images.read(tmp_path / "a.jpg").parts[0].pixels).mean() < 2

    def test_inks_coded_as_luma_and_chroma_are_all_as_fine_as_luma(self, tmp_path):
        ycck = imagecodecs.jpeg8_encode(numbers((32, 32, 4), "u1"), colorspace="CMYK", outcolorspace="YCCK")
        (tmp_path / "a.jpg").write_bytes(ycck)
        copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
            assert [component[1:] for component in a.layer] == [(2, 2, 0), (1, 1, 1), (1, 1, 1), (2, 2, 0)]
            assert [component[1:] for component in b.layer] == [(1, 1, 0)] * 4
            assert b.quantization == {0: a.quantization[0]}

    @pytest.mark.parametrize(
        "head", [b"P5\n# one\n2 1 #two\n255\n", b"P7\n# a\nWIDTH 2\nHEIGHT 1\n#b\nDEPTH 1\nMAXVAL 255\nENDHDR\n"]
    )
    def test_comments_of_pnm(self, head, tmp_path):
        (tmp_path / "a.pnm").write_bytes(head + b"#\7")  # a pixel is no comment
        assert_same(images.read(tmp_path / "a.pnm"), copied(tmp_path / "a.pnm", tmp_path / "b.pnm"))
        comments = re.findall(rb"#[^\n]+", head)
        written = (tmp_path / "b.pnm").read_bytes()
        assert re.findall(rb"#[^\n]+", written[:-2]) == comments
        copied(tmp_path / "a.pnm", tmp_path / "b.pnm", WriteOptions(metadata=False))
        assert b"#" not in (tmp_path / "b.pnm").read_bytes()[:-2]

    @pytest.mark.parametrize("ending", ["png", "jpg"])
    def test_quality_and_subsampling_of_a_jpeg(self, ending, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / f"a.{ending}")
        Image.fromarray(colour).save(tmp_path / "expected.jpg", quality=60, subsampling="4:2:2")
        options = WriteOptions(quality=60, subsampling="4:2:2")
        copied(tmp_path / f"a.{ending}", tmp_path / "b.jpg", options)
        with Image.open(tmp_path / "expected.jpg") as expected, Image.open(tmp_path / "b.jpg") as image:
            assert image.quantization == expected.quantization
            assert [part[1:3] for part in image.layer] == [part[1:3] for part in expected.layer]

    def test_segments_app0_of_jpeg(self, colour, tmp_path):
        """The thumbnail of JFIF's extension, and the block of Canon's cameras."""
        segments = [b"JFXX\0\x13\1\1\1\2\3", b"II\x1a\0\0\0HEAPJPGM" + bytes(9)]
        packed = b"".join(b"\xff\xe0" + (len(data) + 2).to_bytes(2, "big") + data for data in segments)
        Image.fromarray(colour).save(tmp_path / "a.jpg")
        content = (tmp_path / "a.jpg").read_bytes()
        end = content.index(b"\xff\xdb")
        (tmp_path / "a.jpg").write_bytes(content[:end] + packed + content[end:])
        copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        assert packed in (tmp_path / "b.jpg").read_bytes()

    def test_an_rgb_jpeg_with_subsampling(self, colour, tmp_path):
        """Its result has none, which Pillow cannot write."""
        Image.fromarray(colour).save(tmp_path / "a.jpg", keep_rgb=True, subsampling=0)
        content = bytearray((tmp_path / "a.jpg").read_bytes())
        green = content.index(b"\xff\xc0") + 14
        content[green] = content[green + 3] = 0x11
        content[green - 3] = 0x21
        (tmp_path / "a.jpg").write_bytes(content)
        assert images.read(tmp_path / "a.jpg").native.encoding["subsampling"] == 0


class TestConversion:
    @pytest.fixture
    def deep(self, tmp_path) -> Path:
        tifffile.imwrite(
            tmp_path / "deep.tif", numbers((6, 7, 4), "u2"), photometric="rgb", extrasamples=["unassalpha"]
        )
        return tmp_path / "deep.tif"

    @pytest.mark.parametrize(
        ("name", "lost"),
        [("b.jpg", "the depth of uint16 values, transparency"), ("b.webp", "the depth of uint16 values")],
    )
    def test_what_would_be_lost_is_named_and_refused(self, name, lost, deep, tmp_path):
        with pytest.raises(OutputError, match=rf"{name}: a \w+ file would lose {lost}; .* or say --allow-loss"):
            copied(deep, tmp_path / name)
        assert folder(tmp_path) == {"deep.tif"}
        again = copied(deep, tmp_path / name, WriteOptions(allow_loss=True)).parts[0]
        assert again.pixels.dtype == np.uint8

    def test_sixteen_bits_go_to_png_whole(self, deep, tmp_path):
        again = copied(deep, tmp_path / "b.png")
        assert np.array_equal(again.parts[0].pixels, tifffile.imread(deep))

    def test_a_gif_has_holes_but_no_partial_transparency(self, tmp_path):
        Image.fromarray(numbers((6, 7, 4), "u1")).save(tmp_path / "a.png")
        with pytest.raises(OutputError, match="a GIF file would lose partial transparency"):
            copied(tmp_path / "a.png", tmp_path / "b.gif")
        again = copied(tmp_path / "a.png", tmp_path / "b.gif", WriteOptions(allow_loss=True)).parts[0]
        assert np.array_equal(again.pixels[..., 3], np.where(numbers((6, 7, 4), "u1")[..., 3] < 128, 0, 255))

    def test_floats_become_sixteen_bits_with_leave(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([[0.0, 0.5, 1.0, 1.5]]))
        with pytest.raises(OutputError, match="the depth of float64 values"):
            copied(tmp_path / "a.npy", tmp_path / "b.png")
        again = copied(tmp_path / "a.npy", tmp_path / "b.png", WriteOptions(allow_loss=True))
        assert again.parts[0].pixels.tolist() == [[0, 32768, 65535, 65535]]

    def test_white_stays_white_where_only_the_source_tells_its_number(self, tmp_path):
        (tmp_path / "a.pgm").write_bytes(b"P5 2 1 4095\n\x0f\xff\0\0")
        for name in ("b.png", "b.tif"):
            assert copied(tmp_path / "a.pgm", tmp_path / name).parts[0].pixels.tolist() == [[65535, 0]]

    @pytest.mark.parametrize("white", [1, 100, 255, 1023, 65535])
    def test_transparency_stays_as_much_of_white_where_only_the_source_tells_its_number(self, white, tmp_path):
        dtype = np.dtype(np.uint8 if white < 256 else np.uint16).newbyteorder(">")
        header = f"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 2\nMAXVAL {white}\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n"
        values = np.array([[0, white], [white, white // 3]], dtype).tobytes()
        (tmp_path / "a.pam").write_bytes(header.encode() + values)
        copied(tmp_path / "a.pam", tmp_path / "b.pam")
        assert (tmp_path / "b.pam").read_bytes().endswith(b"ENDHDR\n" + values)
        full = np.iinfo(dtype).max
        for name in ("b.png", "b.tif"):
            pixels = copied(tmp_path / "a.pam", tmp_path / name).parts[0].pixels
            assert pixels.tolist() == [[[0, full], [full, round(white // 3 * full / white)]]]

    def test_frames_do_not_go_into_a_png(self, tmp_path):
        GRAY.save(tmp_path / "a.gif", save_all=True, append_images=[GRAY.rotate(90)])
        with pytest.raises(OutputError, match="would lose 1 of 2 pages"):
            copied(tmp_path / "a.gif", tmp_path / "b.png")
        assert copied(tmp_path / "a.gif", tmp_path / "b.png", WriteOptions(allow_loss=True)).page_count == 1
        assert copied(tmp_path / "a.gif", tmp_path / "b.tif").page_count == 2

    @pytest.mark.parametrize("target", ["gif", "webp", "avif"])
    @pytest.mark.parametrize("ending", ["gif", "png", "webp", "tif"])
    def test_frames_and_their_timing_go_from_one_animation_to_another(self, ending, target, tmp_path):
        frames, durations = [GRAY, GRAY.rotate(90), GRAY.rotate(180)], (100, 200, 50)
        options = {"duration": durations, "loop": 3} if ending != "tif" else {}
        frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:], **options)
        again = copied(tmp_path / f"a.{ending}", tmp_path / f"b.{target}", WriteOptions(metadata=False))
        assert again.page_count == 3
        if ending != "tif":
            assert again.metadata.timing.durations == durations
            shown = 4 if ending == "gif" else 3  # a GIF says how often frames are repeated
            assert again.metadata.timing.loop == (shown if target != "avif" else 0)

    def test_timing_that_has_no_place_is_named(self, tmp_path):
        GRAY.save(tmp_path / "a.gif", save_all=True, append_images=[GRAY.rotate(90)], duration=50)
        with pytest.raises(OutputError, match="a TIFF file would lose timing"):
            copied(tmp_path / "a.gif", tmp_path / "b.tif")
        assert copied(tmp_path / "a.gif", tmp_path / "b.tif", WriteOptions(allow_loss=True)).page_count == 2

    def test_the_shape_of_pixels_of_a_png_is_named(self, tmp_path):
        for x, y in ((1, 1), (1, 2)):
            (tmp_path / "a.png").write_bytes(_with_chunks(_png(GRAY), (b"pHYs", struct.pack(">IIB", x, y, 0))))
            assert images.read(tmp_path / "a.png").own_metadata == (("shape of pixels",) if x != y else ())
        with pytest.raises(OutputError, match="a JPEG file would lose shape of pixels"):
            copied(tmp_path / "a.png", tmp_path / "b.jpg")

    def test_the_colours_of_hdr_are_named(self, tmp_path):
        pq, srgb = (b"cICP", bytes([9, 16, 0, 1])), (b"cICP", bytes([1, 13, 0, 1]))
        chunks = [pq, (b"mDCV", bytes(24)), (b"cLLI", bytes(8))]
        (tmp_path / "a.png").write_bytes(_with_chunks(_png(GRAY.convert("RGB")), *chunks))
        for name in ("b.jpg", "b.tif"):
            with pytest.raises(OutputError, match="would lose colour space, light levels"):
                copied(tmp_path / "a.png", tmp_path / name)
        again = copied(tmp_path / "a.png", tmp_path / "b.png", WriteOptions(metadata=False))
        assert again.metadata_names == ("colour space", "light levels")
        (tmp_path / "c.png").write_bytes(_with_chunks(_png(GRAY), srgb))
        assert images.read(tmp_path / "c.png").metadata_names == ()

    @pytest.mark.parametrize("is_packed", [False, True])
    def test_xmp_of_a_png_goes_into_other_formats_as_text(self, is_packed, tmp_path):
        text = b"<x:xmpmeta/>"
        data = b"XML:com.adobe.xmp\0" + bytes([is_packed, 0]) + b"en\0\0" + (zlib.compress(text) if is_packed else text)
        (tmp_path / "a.png").write_bytes(_with_chunks(_png(GRAY), (b"iTXt", data)))
        for name in ("b.jpg", "b.tif", "b.png"):
            assert copied(tmp_path / "a.png", tmp_path / name).metadata.xmp == text

    def test_tags_of_a_tiff_that_have_no_place_are_named(self, tmp_path):
        tags = [(315, 2, 0, "me", True), (65000, 7, 5, b"mine!", True)]
        options = {"description": "a cell", "metadata": None, "software": "tool", "extratags": tags}
        tifffile.imwrite(tmp_path / "a.tif", numbers((6, 7), "u1"), **options)
        with pytest.raises(OutputError, match="a PNG file would lose artist, private tags, description"):
            copied(tmp_path / "a.tif", tmp_path / "b.png")
        tifffile.imwrite(tmp_path / "a.tif", numbers((6, 7), "u1"))
        assert copied(tmp_path / "a.tif", tmp_path / "b.png").own_metadata == ()

    def test_colours_multiplied_by_their_transparency_do_not_become_others(self, tmp_path):
        pixels = numbers((6, 7, 4), "u1")
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
        for name in ("b.png", "b.webp"):
            with pytest.raises(OutputError, match="cannot hold colours multiplied by their transparency"):
                copied(tmp_path / "a.tif", tmp_path / name)
        again = copied(tmp_path / "a.tif", tmp_path / "b.tif", WriteOptions(metadata=False)).parts[0]
        assert again.is_premultiplied
        assert np.array_equal(again.pixels, pixels)
        pixels[..., 3] = 255
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
        assert np.array_equal(copied(tmp_path / "a.tif", tmp_path / "b.png").parts[0].pixels, pixels)

    def test_inks_and_many_channels_are_impossible(self, tmp_path):
        GRAY.convert("CMYK").save(tmp_path / "a.jpg")
        np.save(tmp_path / "a.npy", np.zeros((4, 4, 2)))
        for source, message in (("a.jpg", "the inks of a CMYK picture"), ("a.npy", "2 channels")):
            with pytest.raises(OutputError, match=f"a PNG file cannot hold {message}"):
                copied(tmp_path / source, tmp_path / "b.png", WriteOptions(allow_loss=True))

    @pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "webp"])
    def test_planes_of_colour_become_colours(self, ending, tmp_path):
        planes = numbers((3, 6, 7), "u1")
        tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
        again = copied(tmp_path / "a.tif", tmp_path / f"b.{ending}")
        assert np.array_equal(again.parts[0].by_page, np.moveaxis(planes, 0, 2))

    @pytest.mark.parametrize("ending", ["npy", "gif", "webp", "avif"])
    def test_pages_of_different_shapes_are_impossible(self, ending, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            for size in (8, 9):
                tif.write(numbers((size, 7), "u1"))
        with pytest.raises(OutputError, match=r"cannot hold pages of different shapes; end it in \.tif$"):
            copied(tmp_path / "a.tif", tmp_path / f"b.{ending}", WriteOptions(allow_loss=True))
        with tifffile.TiffWriter(tmp_path / "c.tif") as tif:
            for kind in ("minisblack", "miniswhite"):
                tif.write(numbers((8, 7), "u1"), photometric=kind)
        with pytest.raises(OutputError, match=r"cannot hold pages of different kinds; end it in \.tif$"):
            copied(tmp_path / "c.tif", tmp_path / f"b.{ending}", WriteOptions(allow_loss=True))

    @pytest.mark.parametrize(
        ("ending", "longest"),
        [("jpg", 65_500), ("webp", 16_383), ("gif", 65_535), ("avif", 32_768), ("png", 1_000_000)],
    )
    def test_pictures_too_long_for_a_format(self, ending, longest, tmp_path, capfd):
        """Refused before any work; what is just not too long comes back."""
        np.save(tmp_path / "a.npy", np.zeros((longest + 1, 1), np.uint8))
        with pytest.raises(OutputError, match=f"cannot hold more than {longest} pixels along an axis; end it in .tif"):
            copied(tmp_path / "a.npy", tmp_path / f"b.{ending}")
        np.save(tmp_path / "a.npy", np.zeros((1, longest), np.uint8))
        assert copied(tmp_path / "a.npy", tmp_path / f"b.{ending}").parts[0].size == (1, longest)
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("between", ["palette", "1 bit", "miniswhite"])
    def test_pages_of_different_kinds_in_turn(self, between, noisy, tmp_path):
        """Only a copy of the source keeps their order."""
        colormap = numbers((3, 256), "u2") // 257 * 257 if between == "palette" else None
        kind = "minisblack" if between == "1 bit" else between
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            tif.write(noisy, photometric="minisblack", metadata=None)
            page = noisy > 99 if between == "1 bit" else noisy
            tif.write(page, photometric=kind, colormap=colormap, metadata=None)
            tif.write(noisy[::-1], photometric="minisblack", metadata=None)
        file, bare = images.read(tmp_path / "a.tif"), WriteOptions(metadata=False)
        lossy = [("b.tif", bare)]
        if between == "miniswhite":
            lossy.append(("b.fits", WriteOptions()))
        for name, options in lossy:
            with pytest.raises(OutputError, match=r"would lose the order of its pages; .*say --allow-loss"):
                images.prepare_target(file, tmp_path / name, options)
        if between == "miniswhite":
            copied(tmp_path / "a.tif", tmp_path / "b.tif")
            with tifffile.TiffFile(tmp_path / "b.tif") as tif:
                assert [page.photometric for page in tif.pages] == [1, 0, 1]
        assert copied(tmp_path / "a.tif", tmp_path / "c.tif", WriteOptions(allow_loss=True)).page_count == 3

    def test_minimum_is_white_turns_round_where_no_format_says_so(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 255]], np.uint8), photometric="miniswhite")
        for name, white in (("b.png", 255), ("b.fits", 255), ("b.npy", 1)):
            assert copied(tmp_path / "a.tif", tmp_path / name).parts[0].pixels.tolist() == [[white, 0]]

    def test_numbers_lighter_than_white_have_no_place_above_it(self, tmp_path):
        pixels = np.array([[-5, 0, 32767]], np.int16)
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
        with pytest.raises(OutputError, match="would lose numbers below 0, lighter than white; end"):
            copied(tmp_path / "a.tif", tmp_path / "b.fits")
        clipped = copied(tmp_path / "a.tif", tmp_path / "b.fits", WriteOptions(allow_loss=True)).parts[0].pixels
        assert clipped.tolist() == [[32767, 32767, 0]]
        for name in ("b.tif", "b.npy"):
            again = copied(tmp_path / "a.tif", tmp_path / name).parts[0]
            assert len(np.unique(again.pixels)) == 3
        tifffile.imwrite(tmp_path / "a.tif", -np.minimum(pixels, 0), photometric="miniswhite")
        assert copied(tmp_path / "a.tif", tmp_path / "b.fits").parts[0].pixels.tolist() == [[32762, 32767, 32767]]

    def test_a_picture_becomes_an_array_of_unrounded_floats(self, noisy, tmp_path):
        Image.fromarray(noisy).save(tmp_path / "a.png")
        source, target = images.prepare_target(images.read(tmp_path / "a.png"), tmp_path / "b.npy")
        u = source.parts[0].unit(PAGE) + np.float32(0.001)
        target.parts[0].fill_page(PAGE, u, source.parts[0])
        images.write(tmp_path / "b.npy", target)
        assert np.array_equal(np.load(tmp_path / "b.npy"), u[..., 0])

    @pytest.mark.parametrize("number", range(1, 9))
    def test_orientation_is_neither_lost_nor_applied_twice(self, number, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = number
        GRAY.crop((0, 0, 5, 8)).save(tmp_path / "a.png", exif=exif)
        shown = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
        options = {
            "b.png": WriteOptions(),
            "c.png": WriteOptions(metadata=False),
            "d.bmp": WriteOptions(allow_loss=True),
        }
        for name, how in options.items():
            copied(tmp_path / "a.png", tmp_path / name, how)
            assert np.array_equal(np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / name))), shown), name
        for name in ("e.npy", "f.npy", "g.fits"):
            again = copied(tmp_path / "a.png", tmp_path / name, WriteOptions(allow_loss=True, metadata=name != "f.npy"))
            assert np.array_equal(np.rint(again.parts[0].unit(PAGE)[..., 0] * 255), shown), name

    @pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
    @pytest.mark.parametrize(
        ("at", "damage"), [(6, b"\xff" * 8), (10, b"\xff" * 4), (14, b"\xff\xff"), (18, b"\xff\xff"), (24, b"\xff" * 4)]
    )
    def test_damaged_exif_tells_no_orientation(self, ending, at, damage, tmp_path):
        """Its mark, the offset and length of its directory, the type and value of a tag; warnings would be errors."""
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "maker"
        content = bytearray(exif.tobytes())
        content[at : at + len(damage)] = damage
        GRAY.crop((0, 0, 5, 8)).convert("RGB").save(tmp_path / f"a.{ending}", exif=bytes(content))
        for name, how in {f"b.{ending}": WriteOptions(metadata=False), "c.bmp": WriteOptions(allow_loss=True)}.items():
            assert set(copied(tmp_path / f"a.{ending}", tmp_path / name, how).parts[0].size) == {5, 8}

    def test_metadata_that_has_no_place_is_named(self, tmp_path):
        exif = Image.Exif()
        exif[0x010F] = "maker"
        GRAY.save(tmp_path / "a.jpg", exif=exif, comment=b"mine")
        with pytest.raises(OutputError, match="a BMP file would lose EXIF, comment"):
            copied(tmp_path / "a.jpg", tmp_path / "b.bmp")
        assert copied(tmp_path / "a.jpg", tmp_path / "b.bmp", WriteOptions(metadata=False)).metadata.exif is None


GRAY = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG with these chunks, kind and data, behind its header."""
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return png[:33] + b"".join(packed) + png[33:]


class TestRefused:
    @pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "webp"])
    def test_truncated_files(self, ending, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / f"a.{ending}")
        whole = (tmp_path / f"a.{ending}").read_bytes()
        for length in (len(whole) // 4, len(whole) // 2, len(whole) - 50):
            (tmp_path / f"a.{ending}").write_bytes(whole[:length])
            with pytest.raises(PictureError, match=rf"a\.{ending}: "):
                images.read(tmp_path / f"a.{ending}")

    @pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 5}, {"quality": 100, "subsampling": 0}])
    def test_a_jpeg_whose_end_mark_comes_too_early(self, options, colour, tmp_path):
        for shape in ((1, 1), (8, 16), (17, 40), colour.shape[:2]):
            content = io.BytesIO()
            Image.fromarray(colour[: shape[0], : shape[1]]).save(content, "JPEG", **options)
            (tmp_path / "a.jpg").write_bytes(content.getvalue())
            assert images.read(tmp_path / "a.jpg").parts[0].size == shape
        for length in (len(content.getvalue()) // 2, len(content.getvalue()) * 9 // 10):
            (tmp_path / "a.jpg").write_bytes(content.getvalue()[:length] + b"\xff\xd9")
            with pytest.raises(PictureError, match=r"a\.jpg: the JPEG file is damaged"):
                images.read(tmp_path / "a.jpg")

    @pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"compression": "zlib", "rowsperstrip": 8}])
    def test_a_tiff_that_promises_more_than_it_has(self, layout, noisy, tmp_path):
        """Cut anywhere, or with a header that names more rows than there are strips for."""
        tifffile.imwrite(tmp_path / "a.tif", noisy, **layout)
        whole = (tmp_path / "a.tif").read_bytes()
        (tmp_path / "b.tif").write_bytes(whole[:-100])
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
            tif.pages[0].tags["ImageLength"].overwrite(4000)
        for name in ("a.tif", "b.tif"):
            with pytest.raises(PictureError, match=f"{name}: the TIFF file is damaged"):
                images.read(tmp_path / name)

    @pytest.mark.parametrize("layout", [{"tile": (16, 16, 16)}, {"compression": "zlib", "rowsperstrip": 8}])
    def test_a_volumetric_tiff(self, layout, tmp_path):
        """Uncompressed and in one piece it is like any other."""
        tifffile.imwrite(tmp_path / "a.tif", numbers((16, 32, 32), "u1"), volumetric=True)
        assert_same(images.read(tmp_path / "a.tif"), copied(tmp_path / "a.tif", tmp_path / "b.tif"))
        tifffile.imwrite(tmp_path / "a.tif", numbers((16, 32, 32), "u1"), volumetric=True, **layout)
        with pytest.raises(PictureError, match="a TIFF of volumes in tiles or compressed strips cannot be kept whole"):
            images.read(tmp_path / "a.tif")

    @pytest.mark.parametrize(
        "picture",
        [
            *(b"P1 3 1 1 0 1\n", b"P2 2 1 15 3 15\n", b"P3 1 1 9 1 2 3\n"),
            *(b"P4 3 1 \xa0", b"P5 2 1 255\n\7\7", b"P6 1 1 65535\n\0\1\0\2\0\3"),
            b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\5\6",
        ],
    )
    def test_pnm_with_more_behind_its_picture(self, picture, tmp_path):
        """Another whole file is another picture to Netpbm; white space is nothing, be it as long as a picture."""
        for name, content in (("a.pnm", picture), ("b.pnm", picture + b"\n  \r\n" * 3), ("c.pnm", picture * 2)):
            (tmp_path / name).write_bytes(content)
        assert_same(images.read(tmp_path / "a.pnm"), images.read(tmp_path / "b.pnm"))
        with pytest.raises(PictureError, match=r"c\.pnm: more stands behind its first picture; split it first"):
            images.read(tmp_path / "c.pnm")

    def test_a_tiff_of_rgb_with_too_few_colours(self, tmp_path):
        pixels = numbers((9, 8, 4), "u1")
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
            tif.pages[0].tags["SamplesPerPixel"].overwrite(1)
        with pytest.raises(PictureError, match="a TIFF of RGB with fewer than three colours cannot be kept whole"):
            images.read(tmp_path / "a.tif")

    def test_a_palette_with_transparency(self, tmp_path):
        colormap, index = numbers((3, 256), "u2"), numbers((9, 8, 2), "u1")
        options = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}
        tifffile.imwrite(tmp_path / "a.tif", index, **options, extratags=[(320, 3, 768, colormap.ravel(), True)])
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
            tif.pages[0].tags["PhotometricInterpretation"].overwrite(3)
        with pytest.raises(PictureError, match="a TIFF of a palette beside other samples cannot be kept whole"):
            images.read(tmp_path / "a.tif")

    def test_truncated_array(self, noisy, tmp_path):
        np.save(tmp_path / "a.npy", noisy)
        (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:300])
        with pytest.raises(PictureError, match="the NPY file is damaged"):
            images.read(tmp_path / "a.npy")

    def test_pickles_are_not_opened(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        with pytest.raises(PictureError, match="the NPY file is damaged"):
            images.read(tmp_path / "a.npy")

    def test_an_array_has_as_many_channels_as_it_has(self, tmp_path):
        pixels = numbers((2, 2, 10_001), "u1")
        np.save(tmp_path / "a.npy", pixels)
        file = images.read(tmp_path / "a.npy", ReadOptions(axes="YXC"))
        assert images.prepare_target(file, tmp_path / "b.npy")[1].parts[0].pixels.shape == pixels.shape

    def test_axes_that_nothing_tells(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((3, 4, 5)))
        with pytest.raises(PictureError, match=r"the axes of its shape \(3, 4, 5\) are; name them, such as"):
            images.read(tmp_path / "a.npy")
        np.save(tmp_path / "b.npy", np.zeros((1,) * 7 + (4, 5)))
        with pytest.raises(PictureError, match="such as --axes") as caught:
            images.read(tmp_path / "b.npy")
        axes = caught.value.remedy.split("--axes ")[1].split(",")[0]
        assert images.read(tmp_path / "b.npy", ReadOptions(axes=axes)).parts[0].size == (4, 5)
        for shape in ((), (9,)):
            np.save(tmp_path / "c.npy", np.zeros(shape))
            with pytest.raises(PictureError, match="is no picture's; give two axes or more"):
                images.read(tmp_path / "c.npy")
        file = images.read(tmp_path / "a.npy", ReadOptions(axes="ZYX"))
        assert (file.page_count, file.parts[0].size) == (3, (4, 5))
        for axes in ("ZY", "ZZYX", "ZYYX", "zyx", "ZTX"):
            with pytest.raises(SettingError, match=f"axes: {axes} does not name the 3 axes"):
                images.read(tmp_path / "a.npy", ReadOptions(axes=axes))

    @pytest.mark.parametrize(("axes", "alpha"), [("YXS", 1), ("YXC", 1), ("YXZ", 0), ("SYX", 0), ("CYX", 0)])
    def test_samples_called_channels_are_as_transparent(self, axes, alpha, tmp_path):
        options = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
        tifffile.imwrite(tmp_path / "a.tif", numbers((6, 5, 4), "u1"), **options)
        file = images.read(tmp_path / "a.tif", ReadOptions(axes=axes))
        assert file.parts[0].alpha == alpha
        _, blank = images.prepare_target(file, tmp_path / "b.tif", WriteOptions(metadata=False))
        images.write(tmp_path / "b.tif", blank)
        assert images.read(tmp_path / "b.tif").parts[0].alpha == alpha

    def test_nan(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([[0.0, 1.0], [np.nan, 0.0]]))
        with pytest.raises(ArrayError, match=r"a\.npy: 1 of its values are not finite .* first at \(1, 0\); replace"):
            images.read(tmp_path / "a.npy")

    def test_text_and_nothing(self, tmp_path):
        (tmp_path / "a.png").write_text("not a picture")
        with pytest.raises(PictureError, match="not a picture of a kind that can be read"):
            images.read(tmp_path / "a.png")
        (tmp_path / "b.png").touch()
        with pytest.raises(PictureError, match="the file is empty"):
            images.read(tmp_path / "b.png")

    @pytest.mark.parametrize(
        ("content", "name"),
        [
            (imagecodecs.jpegxl_encode(np.zeros((8, 8), np.uint8), usecontainer=False), "JPEG XL"),
            (imagecodecs.jpegxl_encode(np.zeros((8, 8), np.uint8), usecontainer=True), "JPEG XL"),
            (imagecodecs.jpeg2k_encode(np.zeros((8, 8), np.uint8), codecformat="jp2"), "JPEG 2000"),
            (imagecodecs.jpeg2k_encode(np.zeros((8, 8), np.uint8), codecformat="j2k"), "JPEG 2000"),
            (b"ZISRAWFILE" + bytes(20), r"CZI \(Zeiss\)"),
            (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
            (b"II*\0\x10\0\0\0CR\2\0" + bytes(20), "raw camera data"),
            (bytes(128) + b"DICM" + bytes(20), "DICOM"),
            (b"\x5c\1\0\0" + bytes(344), r"volumes \(NIfTI, Analyze\)"),
            (b"\0\0\2\x1c" + bytes(536), r"volumes \(NIfTI, Analyze\)"),
            *((b"\0\0\0\x18ftyp" + brand + bytes(8), "HEIF") for brand in (b"heic", b"hevc", b"mif1", b"msf1")),
            (b"v/1\x01", "OpenEXR"),
            (b"8BPS\0\1", r"Photoshop \(PSD\)"),
            (b"#?RADIANCE\n", r"Radiance \(HDR\)"),
            (b"PF\n8 8\n-1\n", r"floats \(PFM\)"),
            (b"\0\0\1\0\1\0", r"icons \(ICO, CUR\)"),
            (b"\0\0\2" + bytes(9) + b"\x08\0\x08\0\x18\0", r"Targa \(TGA\)"),
            (b"<!DOCTYPE html><html>", r"web pages \(HTML\)"),
            (b"%PDF-1.7", "PDF"),
        ],
    )
    def test_formats_that_are_not_read_are_called_by_their_names(self, tmp_path, content, name):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(PictureError, match=f"it is a file of {name}, which is not read; convert it, and give a"):
            images.read(tmp_path / "a.png")

    def test_raw_camera_data_is_no_tiff_though_it_looks_like_one(self, noisy, tmp_path):
        """What TIFF readers see in it are previews."""
        tifffile.imwrite(tmp_path / "a.nef", noisy)
        with pytest.raises(PictureError, match="it is a file of raw camera data, which is not read; convert it"):
            images.read(tmp_path / "a.nef")

    def test_pixels_that_look_like_the_marks_of_others(self, tmp_path):
        """Which stand where arrays and TIFFs have their first pixels."""
        pixels = np.zeros((9, 8), np.uint8)
        for name, mark in (("a.npy", b"DICM"), ("a.tif", b"CR\2\0")):
            pixels.flat[: len(mark)] = list(mark)
            (np.save if name == "a.npy" else tifffile.imwrite)(tmp_path / name, pixels)
            assert np.array_equal(images.read(tmp_path / name).parts[0].pixels, pixels)

    def test_an_ending_that_says_something_else(self, tmp_path):
        """Such a file is read as what it is, and its result, of the same ending, is what it is too."""
        GRAY.convert("RGBA").save(tmp_path / "a.jpg", "PNG")
        file = images.read(tmp_path / "a.jpg")
        assert (file.format, file.misnamed) == ("PNG", "JPEG")
        assert_same(file, copied(tmp_path / "a.jpg", tmp_path / "b.jpg"))
        assert copied(tmp_path / "a.jpg", tmp_path / "b.tif").format == "TIFF"
        (warning,) = describe(file)["warnings"]
        assert warning.startswith("its ending says JPEG, but it is a PNG file")

    def test_packed_files(self, tmp_path):
        fits = pytest.importorskip("astropy.io.fits")
        unit = fits.CompImageHDU(numbers((9, 8), "i2"))
        for name in ("a.fits.gz", "a.fits.fz"):
            unit.writeto(tmp_path / name)
        with pytest.raises(InputError, match=r"a\.fits\.gz: it is packed by gzip; unpack it first"):
            images.check_source(tmp_path / "a.fits.gz")
        assert_same(images.read(tmp_path / "a.fits.fz"), copied(tmp_path / "a.fits.fz", tmp_path / "b.fits.fz"))

    def test_no_file(self, tmp_path):
        for path, message in ((tmp_path, "it is a folder"), (tmp_path / "a.png", "no such file")):
            with pytest.raises(InputError, match=message):
                images.read(path)
        (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
        with pytest.raises(InputError, match=r"loop\.png: it cannot be reached"):
            images.read(tmp_path / "loop.png")

    def test_what_is_no_regular_file(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(InputError, match="it is not a file"):
                images.read(path)

    def test_depths_that_pillow_would_reduce(self, tmp_path):
        """Of an AVIF, whether or not a pixi box tells them, and wherever its boxes stand."""
        for bits in (10, 12):
            deep = imagecodecs.avif_encode(numbers((16, 16, 3), "u2") >> (16 - bits), level=100, bitspersample=bits)
            start = int.from_bytes(deep[:4], "big")
            moved = deep[:start] + struct.pack(">I4s", 5000, b"free") + bytes(4992) + deep[start:]
            for content in (deep, deep.replace(b"pixi", b"free"), moved):
                (tmp_path / "a.avif").write_bytes(content)
                with pytest.raises(
                    PictureError, match=rf"a\.avif: a {bits}-bit AVIF picture cannot be kept whole; conv"
                ):
                    images.read(tmp_path / "a.avif")

    def test_an_avif_that_does_not_say_its_colour_space(self, colour, tmp_path):
        content = imagecodecs.avif_encode(colour, level=100)
        (tmp_path / "a.avif").write_bytes(content.replace(b"colrnclx", b"freenclx"))
        assert images.read(tmp_path / "a.avif").metadata.colour_space is None
        assert copied(tmp_path / "a.avif", tmp_path / "b.avif").metadata.colour_space is None

    @pytest.mark.parametrize("numbers", [(12, 13), (9, 16), (1, 1)])
    def test_avif_keeps_its_colour_space(self, numbers, colour, tmp_path):
        """Display P3, BT.2020 with PQ, BT.709: in a single picture, in an animation, and from and to PNG."""
        primaries, transfer = numbers
        content = imagecodecs.avif_encode(colour, level=100, primaries=primaries, transfer=transfer, matrix=6)
        (tmp_path / "a.avif").write_bytes(content)
        box = b"nclx" + struct.pack(">3HB", *numbers, 6, 128)
        frames = [Image.fromarray(colour), Image.fromarray(colour[::-1])]
        frames[0].save(tmp_path / "film.avif", save_all=True, append_images=frames[1:])
        film = (tmp_path / "film.avif").read_bytes()
        (tmp_path / "film.avif").write_bytes(film.replace(b"nclx" + struct.pack(">3HB", 1, 13, 6, 128), box))
        for name, count in (("a", 1), ("film", 2)):
            for options in (WriteOptions(), WriteOptions(metadata=False)):
                copied(tmp_path / f"{name}.avif", tmp_path / "b.avif", options)
                assert (tmp_path / "b.avif").read_bytes().count(box) == count
        copied(tmp_path / "a.avif", tmp_path / "c.png")
        chunk = b"cICP" + bytes([*numbers, 0, 1])
        # Browsers show BT.709 as sRGB in an AVIF, and not in a PNG.
        assert (chunk in (tmp_path / "c.png").read_bytes()) == (numbers != (1, 1))
        if numbers == (1, 1):
            return
        copied(tmp_path / "c.png", tmp_path / "d.avif")
        assert box in (tmp_path / "d.avif").read_bytes()
        with pytest.raises(OutputError, match="a WEBP file would lose colour space"):
            copied(tmp_path / "a.avif", tmp_path / "b.webp")

    @pytest.mark.parametrize("alpha", [False, True])
    @pytest.mark.parametrize("count", [1, 2])
    def test_gray_avif_stays_gray(self, count, alpha, noisy, tmp_path):
        mode = "LA" if alpha else "L"
        pages = [Image.fromarray(np.dstack([noisy, noisy[::-1]])).convert(mode) for _ in range(count)]
        pages[0].save(tmp_path / "a.avif", save_all=True, append_images=pages[1:], quality=100, subsampling="4:0:0")
        file, again = images.read(tmp_path / "a.avif"), copied(tmp_path / "a.avif", tmp_path / "b.avif")
        for found in (file.parts[0], again.parts[0]):
            assert (found.colours, found.alpha, math.prod(found.page_shape)) == (1, alpha, count)
            assert np.abs(found.frames[..., 0].astype(int) - noisy).max() <= 2

    @pytest.mark.parametrize("kind", ["lossless", "12 bits", "JPEG-LS"])
    def test_jpeg_of_a_kind_that_libjpeg_does_not_read(self, kind, tmp_path):
        pixels = numbers((16, 16, 3), "u1")
        content = {
            "lossless": lambda: imagecodecs.jpeg8_encode(pixels, lossless=True),
            "12 bits": lambda: imagecodecs.jpeg8_encode(pixels.astype(np.uint16) << 4, bitspersample=12),
            "JPEG-LS": lambda: imagecodecs.jpegls_encode(pixels),
        }[kind]()
        (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(PictureError, match=r"a\.jpg: its kind of JPEG \(.*\) is not supported; convert it to PNG"):
            images.read(tmp_path / "a.jpg")

    @pytest.mark.parametrize("marker", [0xC9, 0xCA])
    def test_arithmetic_jpeg(self, marker, tmp_path):
        GRAY.save(tmp_path / "a.jpg")
        content = (tmp_path / "a.jpg").read_bytes()
        (tmp_path / "a.jpg").write_bytes(content.replace(b"\xff\xc0", bytes([0xFF, marker])))
        with pytest.raises(PictureError, match=r"its kind of JPEG \(.*arithmetic.*\) is not supported; convert"):
            images.read(tmp_path / "a.jpg")

    def test_a_bmp_with_unusual_masks(self, tmp_path):
        GRAY.convert("RGB").save(tmp_path / "a.bmp")
        content = bytearray((tmp_path / "a.bmp").read_bytes())
        content[28:34] = struct.pack("<HI", 16, 3)
        masks = struct.pack("<3I", 0xF00, 0xF0, 0xF)
        (tmp_path / "a.bmp").write_bytes(content[:54] + masks + content[54:])
        with pytest.raises(PictureError, match=r"its kind of BMP is not supported \(Unsupp.*; convert it to PNG or"):
            images.read(tmp_path / "a.bmp")

    @pytest.mark.parametrize(("alpha", "is_refused"), [(0, False), (0x8000, True)])
    def test_a_bmp_of_16_bits_with_transparency(self, alpha, is_refused, tmp_path):
        header = struct.pack("<IiiHHII16x4I", 56, 2, 1, 1, 16, 3, 4, 0x7C00, 0x3E0, 0x1F, alpha)
        (tmp_path / "a.bmp").write_bytes(
            struct.pack("<2sIII", b"BM", 74, 0, 70) + header + bytes([0, 0x80, 0xFF, 0x7F])
        )
        if is_refused:
            with pytest.raises(PictureError, match="a BMP of 16 bits with transparency cannot be kept whole; convert"):
                images.read(tmp_path / "a.bmp")
        else:
            assert np.array_equal(images.read(tmp_path / "a.bmp").parts[0].pixels, [[[0] * 3, [255] * 3]])

    @pytest.mark.parametrize(
        ("name", "numbers", "is_refused"), [(bytes(4), 9, True), (b"KNIL", 0, True), (bytes(4), 0, False)]
    )
    def test_a_bmp_of_described_colours(self, name, numbers, is_refused, tmp_path):
        header = struct.pack("<IiiHHII32x4s36xI8x16x", 124, 1, 1, 1, 24, 0, 4, name, numbers)
        (tmp_path / "a.bmp").write_bytes(struct.pack("<2sIII", b"BM", 142, 0, 138) + header + bytes([1, 2, 3, 0]))
        if is_refused:
            with pytest.raises(
                OutputError, match="would lose the gamma or the linked profile of its header; say --allow"
            ):
                copied(tmp_path / "a.bmp", tmp_path / "b.bmp")
        else:
            assert np.array_equal(copied(tmp_path / "a.bmp", tmp_path / "b.bmp").parts[0].pixels, [[[3, 2, 1]]])

    @pytest.mark.parametrize(
        ("kind", "marker"), [({"progressive": True}, b"\xff\xd9"), ({"restart_marker_rows": 2}, b"\xff\xd0")]
    )
    def test_scans_of_which_libjpeg_only_warns(self, kind, marker, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / "a.jpg", **kind)
        assert images.read(tmp_path / "a.jpg", ReadOptions(strict=True)).flaws == ()
        content = bytearray((tmp_path / "a.jpg").read_bytes())
        end = content.rindex(marker)
        del content[end - 9 : end]
        (tmp_path / "a.jpg").write_bytes(content)
        (flaw,) = images.read(tmp_path / "a.jpg").flaws
        assert flaw.startswith("a stricter decoder (libjxl) refuses its scans")
        with pytest.raises(
            PictureError, match=r"a\.jpg: a stricter decoder .*; get a whole copy of it, or leave out --str"
        ):
            images.read(tmp_path / "a.jpg", ReadOptions(strict=True))

    @pytest.mark.parametrize(("mode", "subsampling"), [("L", None), ("RGB", (4, 1)), ("RGB", (1, 2)), ("CMYK", None)])
    def test_whole_jpegs_of_rare_kinds_have_no_flaws(self, mode, subsampling, colour, tmp_path):
        """Some of which libjxl does not read."""
        image = Image.fromarray(colour).convert(mode)
        image.save(tmp_path / "a.jpg", progressive=True, icc_profile=bytes(100_000))
        if subsampling is not None:
            content = imagecodecs.jpeg8_encode(colour, subsampling=subsampling)
            never = b"\xff\xdd\0\4\xff\xff"  # a scan begins anew after as many blocks as it does not have
            (tmp_path / "a.jpg").write_bytes(content[:2] + never + content[2:])
        assert images.read(tmp_path / "a.jpg").flaws == ()

    @pytest.mark.parametrize("ending", ["tif", "fits", "jpg"])
    def test_what_a_library_says_of_damage_that_it_can_handle(self, ending, tmp_path, capfd, caplog):
        path = tmp_path / f"a.{ending}"
        if ending == "tif":
            tifffile.imwrite(path, numbers((9, 8), "u1"), software="mine" * 9, metadata=None)
            with tifffile.TiffFile(path) as tif:
                at = tif.pages[0].tags["Software"].offset + 8
            damage, said = b"\xff" * 4, r"\(tag 305: invalid value offset"
        elif ending == "fits":
            pytest.importorskip("astropy.io.fits").PrimaryHDU(numbers((9, 8), "i2")).writeto(path)
            at, damage, said = path.read_bytes().index(b"array"), b"\xe9", "non-ASCII characters are present"
        else:
            exif = Image.Exif()
            exif[0x010F] = "maker"
            GRAY.save(path, exif=exif)
            at = path.read_bytes().index(b"MM\0*") + 8
            damage, said = b"\xff", "Corrupt EXIF data"
        content = bytearray(path.read_bytes())
        content[at : at + len(damage)] = damage
        path.write_bytes(content)
        (flaw,) = images.read(path).flaws
        assert re.search(rf"its library finds fault with it and reads on.*{said}", flaw)
        assert (capfd.readouterr().err, caplog.text) == ("", "")

    def test_damage_is_not_told_in_words_of_python(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", numbers((9, 8), "u1"), compression="zlib", metadata=None)
        content = bytearray((tmp_path / "a.tif").read_bytes())
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            rows = tif.pages[0].tags["RowsPerStrip"].offset
            pixels = tif.pages[0].dataoffsets[0]
        for at, problem in ((rows + 8, "its structure makes no sense"), (pixels + 1, "its pixels cannot be unpacked")):
            broken = content.copy()
            broken[at : at + 4] = bytes(4)
            (tmp_path / "b.tif").write_bytes(broken)
            with pytest.raises(PictureError, match=rf"the TIFF file is damaged \({problem}\); get a whole"):
                images.read(tmp_path / "b.tif")

    def test_a_tag_without_its_numbers_is_no_matter_for_python(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", numbers((9, 8), "u1"), resolution=(300, 300), metadata=None)
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            at = tif.pages[0].tags["XResolution"].offset
        content = bytearray((tmp_path / "a.tif").read_bytes())
        content[at + 4 : at + 8] = (2).to_bytes(4, "little")
        (tmp_path / "a.tif").write_bytes(content)
        with pytest.raises(PictureError, match=r"the TIFF file is damaged \(its structure makes no sense\)"):
            images.read(tmp_path / "a.tif")

    def test_an_offset_beyond_all_files_is_named(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", numbers((9, 8), "u1"), bigtiff=True, metadata=None)
        content = bytearray((tmp_path / "a.tif").read_bytes())
        entries = int.from_bytes(content[16:24], "little")
        following = 24 + 20 * entries  # where the offset of the next page stands
        content[following : following + 8] = (2**63 - 1).to_bytes(8, "little")
        (tmp_path / "a.tif").write_bytes(content)
        with pytest.raises(PictureError, match=r"TIFF file is damaged \(an offset in it makes no sense\)"):
            images.read(tmp_path / "a.tif")

    @pytest.mark.parametrize("is_ultra_hdr", [False, True])
    def test_the_further_pictures_of_a_phone(self, is_ultra_hdr, colour, tmp_path):
        """They stand behind the first, such as a gain map, stay as they are, and are found where the list says."""
        photo = Image.fromarray(colour)
        others = [photo.convert("L"), photo.rotate(180)]
        photo.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=others, quality=97)
        if is_ultra_hdr:  # which Pillow takes for a plain JPEG
            xmp = b'http://ns.adobe.com/xap/1.0/\0<rdf:Description hdrgm:Version="1.0"/>'
            segment = b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp
            content = (tmp_path / "a.jpg").read_bytes()
            (tmp_path / "a.jpg").write_bytes(content[:2] + segment + content[2:])
        file = copied(tmp_path / "a.jpg", tmp_path / "b.jpg")
        assert file.notes == ("further pictures behind it, such as a gain map, stay as they are",)
        (tmp_path / "b.jpg").write_bytes((tmp_path / "b.jpg").read_bytes().replace(b"hdrgm:", b"hd_gm:"))
        (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes().replace(b"hdrgm:", b"hd_gm:"))
        with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
            assert (before.n_frames, after.n_frames) == (3, 3)
            for number in range(3):
                before.seek(number)
                after.seek(number)
                assert number == 0 or np.array_equal(before, after)
        with pytest.raises(OutputError, match="would lose what stands behind it, such as a film or a gain map"):
            copied(tmp_path / "a.jpg", tmp_path / "b.png")

    @pytest.mark.parametrize("count", [1, 2])
    def test_the_still_picture_that_stands_for_an_animation(self, count, tmp_path):
        frames = [GRAY.rotate(90 * i).convert("RGB") for i in range(1, count + 1)]
        GRAY.convert("RGB").save(tmp_path / "a.png", save_all=True, append_images=frames, default_image=True)
        shown = images.read(tmp_path / "a.png").parts[0].pixels
        assert np.array_equal(shown, [np.asarray(frame) for frame in frames])
        with pytest.raises(OutputError, match="would lose the still picture that stands for its frames"):
            copied(tmp_path / "a.png", tmp_path / "b.png")
        again = copied(tmp_path / "a.png", tmp_path / "b.png", WriteOptions(allow_loss=True))
        assert again.page_count == count

    def test_animations_above_the_limit_of_pillow(self, tmp_path, monkeypatch):
        """The limit is that of --max-pixels."""
        GRAY.save(tmp_path / "a.png", save_all=True, append_images=[GRAY.rotate(90)])
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert images.read(tmp_path / "a.png").page_count == 2

    @pytest.mark.parametrize("ending", ["gif", "png", "webp", "avif"])
    def test_the_limit_is_one_of_a_frame(self, ending, tmp_path):
        frames = [GRAY.rotate(90 * i) for i in range(3)]
        path = tmp_path / f"a.{ending}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert images.read(path, ReadOptions(max_pixels=64)).page_count == 3
        with pytest.raises(PictureError, match="promises 8x8 pixels, more than 63"):
            images.read(path, ReadOptions(max_pixels=63))

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_frame_that_is_larger_than_its_gif(self, number, tmp_path):
        frames = [GRAY.rotate(90 * i) for i in range(3)]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        mark = b"\x2c" + struct.pack("<4H", 0, 0, 8, 8)
        parts = (tmp_path / "a.gif").read_bytes().split(mark)
        marks = [b"", *(mark[:5] + struct.pack("<HH", 9, 9) if i == number else mark for i in range(3))]
        (tmp_path / "a.gif").write_bytes(b"".join(a + b for a, b in zip(marks, parts, strict=True)))
        with pytest.raises(PictureError, match="a frame reaches beyond the picture"):
            images.read(tmp_path / "a.gif")

    def test_a_missing_extra_is_named(self, tmp_path):
        (tmp_path / "a.fits").write_bytes(b"SIMPLE  =" + b" " * 3000)
        program = (
            "import sys; sys.modules['astropy'] = None\n"
            "from tvdenoise.cli import main; sys.argv = ['tvdenoise', 'a.fits', '-l', '0.1']; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        said = (
            "a_denoised.fits: Astropy reads FITS files and is not installed; "
            'in the clone: pip install -c constraints.txt ".[astro]"'
        )
        assert (done.returncode, done.stderr) == (2, f"tvdenoise: {said}\n")

    def test_a_package_that_is_no_extra_is_not_called_one(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "tvdenoise.images.formats.tiff")
        monkeypatch.setitem(sys.modules, "tifffile", None)
        with pytest.raises(ImportError, match="tifffile"):
            module_for("a.tif", "TIFF")

    def test_a_png_longer_than_libpng_allows(self, tmp_path, capfd):
        Image.new("L", (1, 1_000_001)).save(tmp_path / "a.png")
        with pytest.raises(
            PictureError, match="its 1x1000001 pixels are more along an axis than libpng allows; convert"
        ):
            images.read(tmp_path / "a.png")
        assert capfd.readouterr().err == ""

    def test_a_header_that_promises_too_much(self, tmp_path):
        content = bytearray(_png(GRAY))
        content[16:24] = (60_000).to_bytes(4, "big") * 2
        import zlib

        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(PictureError, match="its header promises 60000x60000 pixels"):
            images.read(tmp_path / "a.png")


class TestTargets:
    @pytest.fixture
    def source(self, tmp_path):
        GRAY.save(tmp_path / "a.png")
        return tmp_path / "a.png"

    def test_fine(self, source, tmp_path):
        images.check_target(tmp_path / "b.png", source, overwrite=False)

    def test_existing(self, source, tmp_path):
        GRAY.save(tmp_path / "b.png")
        with pytest.raises(OutputError, match="it exists; choose another name, or replace it with --overwrite"):
            images.check_target(tmp_path / "b.png", source, overwrite=False)
        images.check_target(tmp_path / "b.png", source, overwrite=True)

    def test_an_input_by_any_name(self, source, tmp_path):
        (tmp_path / "link.png").symlink_to(source)
        (tmp_path / "hard.png").hardlink_to(source)
        for name in ("a.png", "link.png", "hard.png", "../" + tmp_path.name + "/a.png"):
            with pytest.raises(OutputError, match="a file this run reads"):
                images.check_target(tmp_path / name, source, overwrite=True)

    @pytest.mark.parametrize(
        ("name", "message"),
        [("b", "no ending"), ("b.xyz", "'.xyz' names no format"), ("none/b.png", "folder .* is missing; create it")],
    )
    def test_impossible(self, name, message, source, tmp_path):
        with pytest.raises(OutputError, match=message):
            images.check_target(tmp_path / name, source, overwrite=True)

    def test_not_a_regular_file(self, source, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(OutputError, match="not a regular file"):
            images.check_target(tmp_path / "pipe.png", source, overwrite=True)

    @pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root can write to")
    def test_read_only_folder(self, source):
        with pytest.raises(OutputError, match=r"its folder /proc cannot be written to \(.*\); choose another"):
            images.check_target(Path("/proc/b.png"), source, overwrite=False)


OME = {"axes": "ZYX", "PhysicalSizeX": 0.2, "PhysicalSizeZ": 0.5}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"imagej": True, "resolution": (5, 5), "metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um"}}, 2.5),
        ({"imagej": True, "metadata": {"axes": "ZYX"}}, None),
        ({"ome": True, "metadata": OME}, 2.5),
        ({"ome": True, "metadata": {**OME, "PhysicalSizeX": 200, "PhysicalSizeXUnit": "nm"}}, 2.5),
        ({"ome": True, "metadata": {**OME, "PhysicalSizeZ": 500, "PhysicalSizeZUnit": "nm"}}, 2.5),
        ({"ome": True, "metadata": {**OME, "PhysicalSizeZUnit": "pixel"}}, None),
        ({"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.2}}, None),
        ({"ome": True, "metadata": {**OME, "PhysicalSizeX": 0.0}}, None),
        ({}, None),
    ],
)
def test_the_distance_of_slices_is_that_of_imagej_and_ome(metadata, expected, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", numbers((4, 9, 8), "u1"), photometric="minisblack", **metadata)
    assert images.read(tmp_path / "a.tif").spacing == (expected and pytest.approx((expected, 1)))


@pytest.mark.parametrize("is_ome", [True, False])
def test_the_distance_of_rows_is_that_of_imagej_and_ome(is_ome, tmp_path):
    if is_ome:
        sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 200, "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 0.5}
        options = {"ome": True, "metadata": {"axes": "ZYX", **sizes}}
    else:
        options = {"imagej": True, "resolution": (10, 5), "metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um"}}
    tifffile.imwrite(tmp_path / "a.tif", numbers((4, 9, 8), "u1"), photometric="minisblack", **options)
    assert images.read(tmp_path / "a.tif").spacing == pytest.approx((5, 2))


@pytest.mark.parametrize(("unit", "size"), [("&#181;m", 0.5), ("nm", 500), ("pm", 500_000), ("in", 0.5e-6 / 0.0254)])
def test_units_of_ome_however_they_are_written(unit, size, tmp_path):
    """XML has characters by their numbers too."""
    metadata = {
        **OME,
        "PhysicalSizeX": 200,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeZ": size,
        "PhysicalSizeZUnit": "?" * 7,
    }
    tifffile.imwrite(
        tmp_path / "a.tif", numbers((4, 9, 8), "u1"), photometric="minisblack", ome=True, metadata=metadata
    )
    written = b'"' + unit.encode() + b'"'
    content = (tmp_path / "a.tif").read_bytes().replace(b'"???????"', written.ljust(9))
    (tmp_path / "a.tif").write_bytes(content)
    assert images.read(tmp_path / "a.tif").spacing == pytest.approx((2.5, 1))

"""Files in and out: nothing lost without a word, nothing half written."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tvdenoise import images
from tvdenoise.errors import ArrayError, InputError, OutputError, PictureError, WriteError
from tvdenoise.images.atomic import atomic


@pytest.fixture
def colour(noisy) -> np.ndarray:
    return np.stack([noisy, noisy[::-1], 255 - noisy], axis=2)


def folder(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


class TestRoundTrip:
    @pytest.mark.parametrize("ending", ["png", "bmp", "webp", "npy"])
    @pytest.mark.parametrize("kind", ["noisy", "colour"])
    def test_lossless_formats_keep_every_bit(self, ending, kind, tmp_path, request):
        pixels = request.getfixturevalue(kind)
        source = tmp_path / f"a.{ending}"
        if ending == "npy":
            np.save(source, pixels)
        else:
            Image.fromarray(pixels).save(source, **({"lossless": True} if ending == "webp" else {}))
        picture = images.read(source)
        written = images.write(tmp_path / f"b.{ending}", picture, picture.unit)
        again = images.read(tmp_path / f"b.{ending}")
        assert np.array_equal(again.pixels, picture.pixels)
        assert again.pixels.dtype == np.uint8
        assert np.array_equal(written, picture.unit)
        assert folder(tmp_path) == {f"a.{ending}", f"b.{ending}"}

    @pytest.mark.parametrize(
        "dtype", ["u1", "<u2", ">u2", "i2", "u4", "i4", "f2", "<f4", ">f4", "f8"]
    )  # the byte order is that of the machine afterwards
    def test_arrays_of_every_type_keep_every_bit(self, dtype, tmp_path):
        kind = np.dtype(dtype)
        random = np.random.default_rng(0)
        limits = None if kind.kind == "f" else np.iinfo(kind)
        values = random.random((9, 8)) if limits is None else random.integers(limits.min, limits.max, (9, 8))
        np.save(tmp_path / "a.npy", values.astype(kind))
        picture = images.read(tmp_path / "a.npy")
        images.write(tmp_path / "b.npy", picture, picture.unit)
        again = np.load(tmp_path / "b.npy")
        assert np.array_equal(again, values.astype(kind))
        assert again.dtype == kind

    def test_a_picture_becomes_an_array_of_unrounded_floats(self, noisy, tmp_path):
        Image.fromarray(noisy).save(tmp_path / "a.png")
        picture = images.read(tmp_path / "a.png")
        u = picture.unit + np.float32(0.001)
        written = images.write(tmp_path / "b.npy", picture, u)
        assert np.array_equal(np.load(tmp_path / "b.npy"), u)
        assert np.array_equal(written, u)

    def test_what_is_returned_is_what_was_written(self, noisy, tmp_path):
        Image.fromarray(noisy).save(tmp_path / "a.png")
        picture = images.read(tmp_path / "a.png")
        written = images.write(tmp_path / "b.png", picture, picture.unit * 2 - 0.5)
        assert np.array_equal(written, images.read(tmp_path / "b.png").unit)

    @pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
    def test_profile_exif_and_resolution_survive(self, ending, colour, tmp_path):
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "maker"  # orientation, make
        Image.fromarray(colour).save(
            tmp_path / f"a.{ending}",
            exif=exif,
            icc_profile=b"a profile",
            **({} if ending == "webp" else {"dpi": (72, 72)}),
        )
        picture = images.read(tmp_path / f"a.{ending}")
        assert picture.pixels.shape == colour.shape  # the orientation is not applied
        images.write(tmp_path / f"b.{ending}", picture, picture.unit)
        with Image.open(tmp_path / f"b.{ending}") as again:
            assert again.info["icc_profile"] == b"a profile"
            assert dict(again.getexif()) == {0x0112: 6, 0x010F: "maker"}
            if ending != "webp":
                assert again.info["dpi"] == pytest.approx((72, 72), abs=0.1)

    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    def test_jpeg_keeps_its_tables_and_subsampling(self, subsampling, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / "a.jpg", quality=83, subsampling=subsampling)
        picture = images.read(tmp_path / "a.jpg")
        images.write(tmp_path / "b.jpg", picture, picture.unit)
        with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
            assert a.quantization == b.quantization
            assert a.layer == b.layer

    def test_jpeg_from_elsewhere_is_fine_and_unsubsampled(self, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / "a.png")
        picture = images.read(tmp_path / "a.png")
        images.write(tmp_path / "b.jpg", picture, picture.unit)
        again = images.read(tmp_path / "b.jpg").pixels.astype(float)
        assert np.abs(again - colour).mean() < 5
        with Image.open(tmp_path / "b.jpg") as b:
            assert {layer[1:3] for layer in b.layer} == {(1, 1)}


def _png(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def _bare_png(depth: int, colour_type: int, row_bytes: int) -> bytes:
    """A PNG of 4x3 pixels as the specification has it, because not every Pillow writes every depth."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 4, 3, depth, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(range(row_bytes)) for _ in range(3))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


GRAY = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (_png(GRAY.convert("RGBA")), "a RGB with alpha PNG picture"),
            (_png(GRAY.convert("LA")), "a gray with alpha PNG picture"),
            (_png(GRAY.convert("P")), "a palette PNG picture"),
            (_png(GRAY.convert("1")), "a 1-bit PNG picture"),
            (_png(GRAY.convert("I;16")), "a 16-bit gray PNG picture"),
            (_bare_png(4, 0, row_bytes=2), "a 4-bit PNG picture"),
            (_png(GRAY, transparency=3), "a transparent PNG picture"),
            (_png(GRAY, save_all=True, append_images=[GRAY.rotate(90)]), "a 2-frame PNG picture"),
            (_bare_png(16, 2, row_bytes=24), "a 16-bit PNG picture"),
        ],
    )
    def test_what_would_be_reduced(self, content, message, tmp_path):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(PictureError, match=rf"a\.png: {message} cannot be kept whole yet; convert it"):
            images.read(tmp_path / "a.png")

    def test_cmyk_jpeg(self, tmp_path):
        GRAY.convert("CMYK").save(tmp_path / "a.jpg")
        with pytest.raises(PictureError, match="a CMYK JPEG picture"):
            images.read(tmp_path / "a.jpg")

    def test_animated_webp(self, tmp_path):
        GRAY.save(tmp_path / "a.webp", save_all=True, append_images=[GRAY.rotate(90)])
        with pytest.raises(PictureError, match="a 2-frame WEBP picture"):
            images.read(tmp_path / "a.webp")

    @pytest.mark.parametrize("ending", ["tif", "gif", "pgm"])
    def test_formats_not_read_yet(self, ending, tmp_path):
        GRAY.save(tmp_path / f"a.{ending}")
        with pytest.raises(
            PictureError, match=rf"a\.{ending}: it is not a picture of a kind that can be read; give a PNG"
        ):
            images.read(tmp_path / f"a.{ending}")

    @pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "webp"])
    def test_truncated_files(self, ending, colour, tmp_path):
        Image.fromarray(colour).save(tmp_path / f"a.{ending}")
        whole = (tmp_path / f"a.{ending}").read_bytes()
        for length in (len(whole) // 4, len(whole) // 2, len(whole) - 50):
            (tmp_path / f"a.{ending}").write_bytes(whole[:length])
            with pytest.raises(PictureError, match=rf"a\.{ending}: "):
                images.read(tmp_path / f"a.{ending}")

    def test_truncated_array(self, noisy, tmp_path):
        np.save(tmp_path / "a.npy", noisy)
        (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:300])
        with pytest.raises(PictureError, match=r"not a whole \.npy array"):
            images.read(tmp_path / "a.npy")

    def test_pickles_are_not_opened(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        with pytest.raises(PictureError, match=r"not a whole \.npy array"):
            images.read(tmp_path / "a.npy")

    @pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 4), (3, 4, 4), (1, 4, 4, 3)])
    def test_arrays_that_are_not_one_picture(self, shape, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros(shape))
        with pytest.raises(ArrayError, match="is not one gray"):
            images.read(tmp_path / "a.npy")

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

    def test_no_file(self, tmp_path):
        for path, message in ((tmp_path, "it is a folder"), (tmp_path / "a.png", "no such file")):
            with pytest.raises(InputError, match=message):
                images.read(path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="it is not a file"):
            images.read(tmp_path / "pipe")

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

    @pytest.mark.parametrize("dtype", [np.float32, np.uint16])
    def test_depth_that_a_picture_file_cannot_hold(self, dtype, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((4, 4), dtype))
        picture = images.read(tmp_path / "a.npy")
        images.check_conversion(picture, tmp_path / "b.npy")
        with pytest.raises(OutputError, match=r"PNG file would cut .* down to 8 bits; end it in \.npy"):
            images.check_conversion(picture, tmp_path / "b.png")


class TestAtomic:
    def test_failure_leaves_the_old_file_and_nothing_else(self, tmp_path):
        target = tmp_path / "a.bin"
        target.write_bytes(b"old")
        for error in (ValueError, KeyboardInterrupt, SystemExit):
            with pytest.raises(error), atomic(target) as file:  # noqa: PT012
                file.write(b"new")
                raise error
            assert target.read_bytes() == b"old"
            assert folder(tmp_path) == {"a.bin"}

    def test_success_replaces_what_a_link_points_to(self, tmp_path):
        (tmp_path / "a.bin").write_bytes(b"old")
        (tmp_path / "link").symlink_to(tmp_path / "a.bin")
        with atomic(tmp_path / "link") as file:
            file.write(b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "a.bin").read_bytes() == b"new"

    def test_no_space_is_told_and_cleaned_up(self, tmp_path):
        """A real limit of the operating system on the size of files."""
        program = (
            "import resource, signal, sys; from pathlib import Path\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "import numpy as np; from tvdenoise import images; from tvdenoise.errors import WriteError\n"
            "picture = images.Picture(np.zeros((99, 99)), (0, 1), 'NPY')\n"
            "try: images.write(Path(sys.argv[1]), picture, picture.unit)\n"
            "except WriteError as error: print(error)\n"
        )
        command = [sys.executable, "-c", program, tmp_path / "a.npy"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert re.search(r"a\.npy: writing it failed \(.*\); make room", said)
        assert folder(tmp_path) == set()

    def test_kill_at_any_moment_leaves_a_whole_file(self, tmp_path):
        """SIGKILL between any two writes: the target is the old file or the new one, byte by byte."""
        target = tmp_path / "a.bin"
        program = (
            "import sys; from pathlib import Path; from tvdenoise.images.atomic import atomic\n"
            "while True:\n"
            "    for letter in b'ab':\n"
            "        with atomic(Path(sys.argv[1])) as file:\n"
            "            for _ in range(50): file.write(bytes([letter]) * 10_000)\n"
        )
        for i in range(5):
            with subprocess.Popen([sys.executable, "-c", program, target]) as process:
                deadline = time.monotonic() + 30
                while not target.exists() and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(0.013 * i)
                process.send_signal(signal.SIGKILL)
            assert target.read_bytes() in (b"a" * 500_000, b"b" * 500_000)

    def test_missing_folder(self, tmp_path):
        with pytest.raises(WriteError, match="writing it failed"), atomic(tmp_path / "none" / "a.bin") as file:
            file.write(b"x")

"""What goes wrong in the world: damaged files, full disks, processes killed. Never half a file, never a traceback."""

import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
import pytest
import tifffile
from picture_files import PNGSUITE, copied, folder, numbers
from PIL import Image
from processes import begun, large_file, write_in_turn

from tvdenoise import images
from tvdenoise.errors import TVDenoiseError, WriteError
from tvdenoise.images import Picture, PictureFile
from tvdenoise.images.atomic import atomic, discard


def _saved(format_: str, *, frames: int = 1, **options: object) -> bytes:
    """A picture or an animation as Pillow writes it."""
    colour, content = numbers((20, 17, 3), "u1"), io.BytesIO()
    first, *others = [Image.fromarray(np.roll(colour, i, 0)) for i in range(frames)]
    several = {"save_all": True, "append_images": others, "duration": 50} if others else {}
    first.save(content, format_, **several, **options)
    return content.getvalue()


def _tiff(shape: tuple[int, ...] = (20, 17, 3), dtype: str = "u1", **options: object) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, numbers(shape, dtype), photometric="rgb" if shape[-1] == 3 else "minisblack", **options)
    return content.getvalue()


def _npy() -> bytes:
    content = io.BytesIO()
    np.save(content, numbers((20, 17), "f4"))
    return content.getvalue()


def _fits() -> bytes:
    fits, content = pytest.importorskip("astropy.io.fits"), io.BytesIO()
    fits.PrimaryHDU(numbers((20, 17), "i2")).writeto(content)
    return content.getvalue()


def _shipped(name: str) -> bytes:
    return next(path for path in PNGSUITE if path.stem == name).read_bytes()


WHOLE = {
    "gray.png": lambda: imagecodecs.png_encode(numbers((20, 17), "u1")),
    "deep.png": lambda: imagecodecs.png_encode(numbers((20, 17, 4), "u2")),
    "palette.png": lambda: _shipped("tbbn3p08"),
    "interlaced.png": lambda: _shipped("basi6a08"),
    "text.png": lambda: _shipped("ctzn0g04"),
    "frames.png": lambda: _saved("PNG", frames=3),
    "a.jpg": lambda: _saved("JPEG", exif=Image.Exif().tobytes(), icc_profile=b"a profile"),
    "a.bmp": lambda: _saved("BMP"),
    "a.ppm": lambda: _saved("PPM"),
    "deep.pgm": lambda: b"P5 17 20 4095\n" + (numbers((20, 17), "u2") >> 4).astype(">u2").tobytes(),
    "text.ppm": lambda: b"P3\n# a comment\n17 20\n255\n" + b" ".join(b"%d" % n for n in numbers((1020,), "u1")),
    "a.webp": lambda: _saved("WEBP"),
    "frames.webp": lambda: _saved("WEBP", frames=3, lossless=True),
    "a.gif": lambda: _saved("GIF"),
    "frames.gif": lambda: _saved("GIF", frames=3),
    "a.avif": lambda: _saved("AVIF"),
    "plain.tif": _tiff,
    "lzw.tif": lambda: _tiff(compression="lzw", rowsperstrip=5),
    "predicted.tif": lambda: _tiff(dtype="u2", compression="zlib", predictor=True),
    "tiled.tif": lambda: _tiff(tile=(16, 16), byteorder=">"),
    "pages.tif": lambda: _tiff((4, 20, 17), "f4", compression="packbits"),
    "imagej.tif": lambda: _tiff((4, 20, 17), "u2", imagej=True, metadata={"axes": "ZYX"}),
    "ome.tif": lambda: _tiff((4, 20, 17), "u2", ome=True, metadata={"axes": "ZYX"}),
    "big.tif": lambda: _tiff(bigtiff=True),
    "a.npy": _npy,
    "a.fits": _fits,
}
CASES = 100
"""Damaged versions of each file: 2,600 in all."""


def damaged(whole: bytes, others: list[bytes], dice: random.Random) -> bytes:
    """Cut short, some bytes changed (often in the header), a stretch replaced, or another file's beginning put on."""
    content = bytearray(whole)
    match dice.randrange(4):
        case 0:
            return bytes(content[: dice.randrange(len(content))])
        case 1:
            for _ in range(dice.randrange(1, 6)):
                content[dice.randrange(min(len(content), dice.choice([60, 200, len(content)])))] = dice.randrange(256)
        case 2:
            at = dice.randrange(len(content))
            content[at : at + dice.randrange(40)] = dice.randbytes(dice.randrange(40))
        case _:
            length = dice.choice([4, 16, 64])
            content[:length] = dice.choice(others)[:length]
    return bytes(content)


class _Hang(BaseException):
    """Nothing that the reader could take for a damaged file."""


def _ring(_signum: int, _frame: object) -> None:
    raise _Hang


@pytest.mark.parametrize("name", WHOLE)
def test_damaged_files_are_read_or_refused_in_one_way(name, tmp_path, capfd):
    """Nothing but success or our own errors, within 10 s, without a word on stderr or a file left behind."""
    source, target = tmp_path / f"in{Path(name).suffix}", tmp_path / f"out{Path(name).suffix}"
    whole, others = WHOLE[name](), [make() for other, make in WHOLE.items() if not other.endswith(".fits")]
    source.write_bytes(whole)
    copied(source, target)
    dice, refused = random.Random(name), []
    old = signal.signal(signal.SIGALRM, _ring)
    try:
        for _ in range(CASES):
            source.write_bytes(damaged(whole, others, dice))
            target.unlink(missing_ok=True)
            signal.alarm(10)
            try:
                copied(source, target)
            except TVDenoiseError as error:
                refused.append(str(error))
                assert folder(tmp_path) == {source.name}
            signal.alarm(0)
            assert folder(tmp_path) <= {source.name, target.name}
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    assert len(refused) > CASES // 10
    assert all(message.startswith(f"{tmp_path}/") and "<_io" not in message for message in refused)
    assert capfd.readouterr().err == ""


def test_pages_that_lead_round_in_a_circle(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", numbers((3, 9, 8), "u1"), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        first, last = tif.pages[0].offset, tif.pages[2]
        at = last.offset + 2 + 12 * len(last.tags)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[at : at + 4] = first.to_bytes(4, sys.byteorder)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(TVDenoiseError, match="its pages lead round in a circle"):
        images.read(tmp_path / "a.tif")


KINDS = ["png", "tif", "npy"]


class TestWriting:
    @pytest.mark.parametrize("ending", KINDS)
    def test_a_full_disk_leaves_the_old_file(self, ending, run, here, full_disk):
        source, target = here / f"noisy.{ending}", here / f"out.{ending}"
        images.write(source, large_file(ending, 0))
        target.write_bytes(b"old")
        before = folder(here)
        with full_disk(100_000):
            code, _, err = run(source.name, "-o", target.name, "-l", "0", "--overwrite")
        assert code == 1
        assert re.fullmatch(rf"tvdenoise: out\.{ending}: writing it failed \(.*\); make room .*\n", err)
        assert target.read_bytes() == b"old"
        assert folder(here) == before

    @pytest.mark.parametrize("ending", KINDS)
    def test_a_kill_at_any_moment_leaves_a_whole_file(self, ending, tmp_path):
        """SIGKILL while two pictures are written in turn: one of them is there, every bit."""
        target, pictures = tmp_path / f"a.{ending}", [large_file(ending, value) for value in (0, 1)]
        for i in range(6):
            target.unlink(missing_ok=True)
            process = begun(write_in_turn, target)
            deadline = time.monotonic() + 60
            while not target.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.017 * i)
            process.kill()
            process.join()
            found = images.read(target).parts[0].pixels
            assert any(np.array_equal(found, picture.parts[0].pixels) for picture in pictures)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_without_permission(self, tmp_path):
        tmp_path.chmod(0o555)
        with pytest.raises(WriteError, match="writing it failed"):
            images.write(tmp_path / "a.png", large_file("png", 0))
        tmp_path.chmod(0o755)
        assert folder(tmp_path) == set()

    def test_a_file_that_reads_back_as_something_else_is_not_kept(self, tmp_path, monkeypatch):
        """A writer that goes wrong without a word: here one that drops the lowest bit."""
        from tvdenoise.images.formats import chunks

        (tmp_path / "a.png").write_bytes(b"old")
        encode = imagecodecs.png_encode
        monkeypatch.setattr(
            chunks.imagecodecs, "png_encode", lambda pixels, **options: encode(pixels & ~np.uint16(1), **options)
        )
        with pytest.raises(WriteError, match=r"a\.png: what was written reads back as something else"):
            images.write(tmp_path / "a.png", large_file("png", 0))
        assert (tmp_path / "a.png").read_bytes() == b"old"
        assert folder(tmp_path) == {"a.png"}

    def test_lost_transparency_and_lost_frames_are_not_kept(self, tmp_path, monkeypatch):
        """Even where the file that was written is sound in itself: here Pillow is given less than there is."""
        save, frames = Image.Image.save, numbers((3, 9, 8, 4), "u1")

        def broken(first: Image.Image, stream: BinaryIO, format_: str, **options: Any) -> None:
            pictures = [first, *options.pop("append_images")]
            if first.has_transparency_data:
                pictures = [picture.convert("RGBA").convert("RGB") for picture in pictures]
            else:
                pictures.pop()
            save(pictures[0], stream, format_, append_images=pictures[1:], **options)

        monkeypatch.setattr(Image.Image, "save", broken)
        for picture in (Picture(frames, "TYXS", 1), Picture(frames[..., :3], "TYXS")):
            with pytest.raises(WriteError, match="reads back as something else"):
                images.write(tmp_path / "a", PictureFile("AVIF", (picture,)))

    def test_failure_leaves_the_old_file_and_nothing_else(self, tmp_path):
        target = tmp_path / "a.bin"
        target.write_bytes(b"old")
        for error in (ValueError, KeyboardInterrupt, SystemExit):
            with pytest.raises(error), atomic(target) as file:  # noqa: PT012
                file.write(b"new")
                raise error
            assert target.read_bytes() == b"old"
            assert folder(tmp_path) == {"a.bin"}

    def test_where_open_files_are_neither_replaced_nor_removed(self, tmp_path, monkeypatch):
        """As on Windows, which knows neither locks nor modes of this kind."""
        monkeypatch.setattr("tvdenoise.images.atomic.fcntl", None)
        monkeypatch.delattr(os, "fchmod")
        opened: list[BinaryIO] = []
        for name in ("replace", "unlink"):

            def refused_while_open(path, *others, method=getattr(Path, name)):
                if not opened[-1].closed:
                    raise PermissionError(13, "it is open")
                return method(path, *others)

            monkeypatch.setattr(Path, name, refused_while_open)
        target = tmp_path / "a.bin"
        for content in (b"old", b"new"):
            with atomic(target) as file:
                opened.append(file)
                file.write(content)
            assert target.read_bytes() == content
        with pytest.raises(ValueError, match="broken"), atomic(target) as file:  # noqa: PT012
            opened.append(file)
            (left,) = folder(tmp_path) - {"a.bin"}
            raise ValueError("broken")
        assert target.read_bytes() == b"new"
        assert folder(tmp_path) == {"a.bin"}
        (tmp_path / left).touch()  # as a killed process leaves it
        discard(target)
        assert folder(tmp_path) == {"a.bin"}

    def test_what_a_killed_process_left_is_taken_over(self, tmp_path):
        program = "import os, sys; from pathlib import Path; from tvdenoise.images.atomic import atomic\n"
        program += "with atomic(Path(sys.argv[1])) as file: file.write(bytes(999)); file.flush(); os._exit(9)"
        for _ in range(2):
            subprocess.run([sys.executable, "-c", program, tmp_path / "a.bin"], check=False)
            (left,) = folder(tmp_path)
            assert left.startswith(".tvdenoise-")
        with atomic(tmp_path / "a.bin") as file:
            file.write(b"new")
        assert folder(tmp_path) == {"a.bin"}
        assert (tmp_path / "a.bin").read_bytes() == b"new"

    def test_many_at_once_write_one_after_the_other(self, tmp_path):
        def write(letter: int) -> None:
            for _ in range(20):
                with atomic(tmp_path / "a.bin") as file:
                    for _ in range(letter):
                        file.write(bytes([letter]))
                        file.flush()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(90, 98)))
        content = (tmp_path / "a.bin").read_bytes()
        assert content == bytes([content[0]]) * content[0]
        assert folder(tmp_path) == {"a.bin"}

    def test_success_replaces_what_a_link_points_to(self, tmp_path):
        (tmp_path / "a.bin").write_bytes(b"old")
        (tmp_path / "link").symlink_to(tmp_path / "a.bin")
        with atomic(tmp_path / "link") as file:
            file.write(b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "a.bin").read_bytes() == b"new"

    def test_missing_folder(self, tmp_path):
        with pytest.raises(WriteError, match="writing it failed"), atomic(tmp_path / "none" / "a.bin") as file:
            file.write(b"x")

"""Animations: every frame as a viewer shows it, none joined with another, each for as long as its file says."""

import itertools
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from picture_files import assert_same, copied, numbers
from PIL import Image

from tvdenoise import images
from tvdenoise.errors import PictureError
from tvdenoise.images import Picture, PictureFile, ReadOptions
from tvdenoise.images.picture import Metadata, Timing

WIDTH, HEIGHT = 7, 6
STAYS, CLEARED, RESTORED = range(3)
REPLACES, OVER = range(2)

Drawing = tuple[np.ndarray, int, int, int, int]
"""Samples, x, y, what becomes of them, and how they are drawn."""


def composed(drawings: list[Drawing]) -> np.ndarray:
    """RGBA frames by the specification of PNG, pixel by pixel and in fractions."""
    canvas = [[(0, 0, 0, 0)] * WIDTH for _ in range(HEIGHT)]
    frames = []
    for samples, left, top, disposal, blending in drawings:
        before = [row.copy() for row in canvas]
        cells = list(itertools.product(range(samples.shape[0]), range(samples.shape[1])))
        for y, x in cells:
            above = (*map(int, samples[y, x]), 255)[:4]
            below = canvas[top + y][left + x]
            canvas[top + y][left + x] = above if blending == REPLACES else over(above, below)
        frames.append([row.copy() for row in canvas])
        for y, x in cells:
            if disposal == CLEARED:
                canvas[top + y][left + x] = (0, 0, 0, 0)
            elif disposal == RESTORED:
                canvas[top + y][left + x] = before[top + y][left + x]
    return np.array(frames, np.uint8)


def over(above: tuple[int, ...], below: tuple[int, ...]) -> tuple[int, ...]:
    """An opaque red under half a green: Pillow has (50, 100, 0, 191) of (100, 0, 0, 255) and (0, 200, 0, 128)."""
    if above[3] in (0, 255):
        return above if above[3] else below
    share, rest = Fraction(above[3], 255), Fraction(below[3], 255) * Fraction(255 - above[3], 255)
    colours = [(share * a + rest * b) / (share + rest) for a, b in zip(above[:3], below[:3], strict=True)]
    return (*map(round, colours), round(255 * (share + rest)))


def png(drawings: list[Drawing], delays: list[tuple[int, int]], *before: bytes) -> bytes:
    """An animated PNG; chunks of a still picture may stand ``before`` its frames."""
    samples = drawings[0][0]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2]]
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8 * samples.itemsize, colour_type, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"acTL", struct.pack(">II", len(drawings), 3)), *before]
    number = itertools.count()
    for (samples, x, y, *how), delay in zip(drawings, delays, strict=True):
        place = (samples.shape[1], samples.shape[0], x, y)
        chunks.append(chunk(b"fcTL", struct.pack(">5I2H2B", next(number), *place, *delay, *how)))
        is_first = len(chunks) == 3
        data = compressed(samples)
        chunks.append(chunk(b"IDAT", data) if is_first else chunk(b"fdAT", struct.pack(">I", next(number)) + data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def compressed(samples: np.ndarray) -> bytes:
    rows = samples.astype(samples.dtype.newbyteorder(">"))
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))


def gif(drawings: list[tuple[np.ndarray, int, int, int | None, bool]], palette: np.ndarray, *blocks: bytes) -> bytes:
    """A GIF of the numbers of colours, of which 0 may be transparent."""
    content = [b"GIF89a", struct.pack("<HHBBB", WIDTH, HEIGHT, 0xF7, 0, 0), palette.tobytes(), *blocks]
    for index, x, y, disposal, has_holes in drawings:
        if disposal is not None:
            content.append(b"!\xf9\4" + struct.pack("<BHBB", disposal << 2 | has_holes, 7, 0, 0))
        content.append(b"," + struct.pack("<HHHHBB", x, y, index.shape[1], index.shape[0], 0, 8))
        bits = sum(code << 9 * at for at, code in enumerate([256, *map(int, index.ravel()), 257]))
        data = bits.to_bytes(-(-9 * (index.size + 2) // 8), "little")
        content += [bytes([len(data)]), data, b"\0"]
    return b"".join(content) + b";"


def rgba(file: PictureFile) -> np.ndarray:
    """The frames of a file."""
    (part,) = file.parts
    shown = np.full((*part.frames.shape[:3], 4), 255, np.uint8)
    shown[..., :3] = part.frames[..., : part.colours]
    if part.alpha:
        shown[..., 3] = part.frames[..., -1]
    return shown


def assert_shows(frames: np.ndarray, expected: np.ndarray) -> None:
    """The same opacity, and the same colours wherever there is any, but for rounding."""
    assert frames.shape == expected.shape
    difference = np.abs(frames.astype(int) - expected)
    assert difference[..., 3].max() <= 1
    assert difference[expected[..., 3] > 0].max() <= 1


def sought(path: Path, count: int) -> np.ndarray:
    """Frames as Pillow shows them when each is asked for by its number."""
    frames = []
    for number in range(count):
        with Image.open(path) as image:  # which cannot always go back
            image.seek(number)
            frames.append(np.asarray(image.convert("RGBA")))
    return np.array(frames)


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize(("first", "second"), [*itertools.product(range(3), repeat=2)])
def test_png_frames_are_composed_as_specified(first, second, samples, tmp_path):
    """Every pair of disposals with every pair of blendings: what is read, and what viewers show of what is written."""
    random = np.random.default_rng(0)
    for blendings in itertools.product((REPLACES, OVER), repeat=2):
        drawings = []
        places = [(HEIGHT, WIDTH, 0, 0), (3, 4, 2, 1), (4, 3, 3, 2), (2, 2, 0, 0)]
        how = [(first, OVER), (second, blendings[0]), (STAYS, blendings[1]), (STAYS, OVER)]
        for (height, width, x, y), (disposal, blending) in zip(places, how, strict=True):
            pixels = random.integers(0, 256, (height, width, samples), dtype=np.uint8)
            pixels[..., 3:] = random.choice([0, 77, 128, 255], (height, width, 1))
            drawings.append((pixels, x, y, disposal, blending))
        (tmp_path / "a.png").write_bytes(png(drawings, [(1, 10)] * 4))
        assert_shows(rgba(images.read(tmp_path / "a.png")), composed(drawings))
        assert_same(images.read(tmp_path / "a.png"), copied(tmp_path / "a.png", tmp_path / "b.png"))
        assert_shows(sought(tmp_path / "b.png", 4), composed(drawings))


@pytest.mark.parametrize(("first", "second"), [*itertools.product(range(4), repeat=2)])
def test_gif_frames_are_composed_as_in_browsers(first, second, tmp_path):
    """What is cleared becomes transparent, as what no frame has covered; 0 leaves a frame, whatever was before it."""
    random = np.random.default_rng(0)
    palette = random.integers(0, 256, (256, 3), dtype=np.uint8)
    for holes in itertools.product((False, True), repeat=3):
        drawings = []
        places = [(4, 5, 1, 1), (3, 4, 2, 1), (4, 3, 3, 2), (2, 2, 0, 0)]
        how = zip((first, second, 1, 0), (*holes, False), strict=True)
        for (height, width, x, y), (disposal, has_holes) in zip(places, how, strict=True):
            drawings.append((random.integers(0, 3, (height, width), dtype=np.uint8), x, y, disposal, has_holes))
        (tmp_path / "a.gif").write_bytes(gif(drawings, palette))
        expected = []
        for index, x, y, disposal, has_holes in drawings:
            opacity = np.where((index == 0) & has_holes, 0, 255)
            pixels = np.dstack([palette[index], opacity]).astype(np.uint8)
            expected.append((pixels, x, y, {2: CLEARED, 3: RESTORED}.get(disposal, STAYS), OVER))
        file, again = images.read(tmp_path / "a.gif"), copied(tmp_path / "a.gif", tmp_path / "b.gif")
        assert_shows(rgba(file), composed(expected))
        assert_shows(rgba(again), composed(expected))
        assert file.metadata == again.metadata


def test_a_gif_frame_of_which_nothing_is_said_is_opaque_and_stays(tmp_path):
    palette = numbers((256, 3), "u1")
    drawings = [
        (np.zeros((HEIGHT, WIDTH), np.uint8), 0, 0, 2, True),
        (np.eye(3, dtype=np.uint8), 0, 0, None, False),
        (np.ones((2, 2), np.uint8), 4, 3, 1, True),
    ]
    (tmp_path / "a.gif").write_bytes(gif(drawings, palette))
    file = images.read(tmp_path / "a.gif")
    for frame in rgba(file)[1:]:
        assert np.array_equal(frame[:3, :3, :3], palette[np.eye(3, dtype=int)])
        assert (frame[:3, :3, 3] == 255).all()
    assert file.metadata.timing.durations == (70, 0, 70)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_png_animations_keep_depth_and_colours(dtype, samples, tmp_path):
    """Behind a still picture that is none of them, too."""
    frames = numbers((3, HEIGHT, WIDTH, samples), dtype)
    drawings = [(frame, 0, 0, STAYS, REPLACES) for frame in frames]
    still = chunk(b"IDAT", compressed(frames[2]))
    for before in ([], [still]):
        (tmp_path / "a.png").write_bytes(png(drawings, [(1, 3), (0, 0), (65535, 1000)], *before))
        file = images.read(tmp_path / "a.png")
        assert np.array_equal(file.parts[0].pixels, frames)
        assert bool(file.losses) == bool(before)
    (tmp_path / "a.png").write_bytes(png(drawings, [(1, 3), (0, 0), (65535, 1000)]))
    again = copied(tmp_path / "a.png", tmp_path / "b.png")
    assert_same(images.read(tmp_path / "a.png"), again)
    assert again.metadata.timing.durations == pytest.approx((1000 / 3, 0, 65535))


@pytest.mark.parametrize("kind", ["palette", "key"])
def test_png_animations_with_transparency_outside_their_pixels(kind, tmp_path):
    """In a palette, or one colour of them all."""
    index = [numbers((HEIGHT, WIDTH), "u1") % 4, numbers((HEIGHT, WIDTH), "u1").T.reshape(HEIGHT, WIDTH) % 4]
    frames = [Image.fromarray(values) for values in index]
    for frame in frames:
        if kind == "palette":
            frame.putpalette([*range(12)])
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], transparency=1)
    shown = rgba(copied(tmp_path / "a.png", tmp_path / "b.png"))
    assert np.array_equal(shown[..., 3] == 0, np.array(index) == 1)
    first = 3 * np.array(index) if kind == "palette" else np.array(index)
    assert np.array_equal(shown[..., 0], first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.replace(b"\0\0\0\2\0\0\0\3", b"\0\0\0\3\0\0\0\3", 1), "promises 3 frames and has 2"),
        (lambda content: content.replace(b"\0\0\0\1\0\0\0\4", b"\0\0\0\3\0\0\0\4", 1), "its frames are out of order"),
        (lambda content: content.replace(b"\0\0\0\4\0\0\0\3", b"\0\0\0\7\0\0\0\3", 1), "reaches beyond the picture"),
    ],
)
def test_png_animations_that_contradict_themselves(change, message, tmp_path):
    drawings = [(numbers((HEIGHT, WIDTH, 3), "u1"), 0, 0, 0, 0), (numbers((3, 4, 3), "u1"), 2, 1, 0, 0)]
    content = bytearray(change(png(drawings, [(1, 10)] * 2)))
    at = 8
    while at < len(content):  # the checksums are right
        length = int.from_bytes(content[at : at + 4])
        end = at + 8 + length
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
        at = end + 4
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match=message):
        images.read(tmp_path / "a.png")


@pytest.mark.parametrize("samples", [1, 3, 4])
@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF"])
def test_equal_frames_stay_apart(name, samples, tmp_path):
    """And only what changes is stored, wherever that is."""
    frames = np.zeros((5, 9, 8, samples), np.uint8)
    frames[:3, 2:] = 200
    frames[3:, 5:8, 5] = 190
    frames[4, 7, 3] = 120
    frames[..., 3:][frames[..., 3:] > 0] = 255
    picture = Picture(frames, "TYXS", alpha=int(samples == 4))
    timing = Timing((10, 20, 30, 40, 50), 0)
    path = tmp_path / f"a.{name.lower()}"
    images.write(path, PictureFile(name, (picture,), Metadata(timing=timing)))
    again = images.read(path)
    assert again.metadata.timing == timing
    if name != "AVIF":
        shown = rgba(again)
        assert_shows(shown, rgba(PictureFile(name, (picture,))))
    with Image.open(path) as image:
        assert image.n_frames == 5
    if name == "PNG":  # the first frame is what viewers show that know no animations
        content = path.read_bytes()
        assert [content.count(kind) for kind in (b"IDAT", b"fdAT")] == [1, 4]
        sizes = [struct.unpack_from(">II", after, 4) for after in content.split(b"fcTL")[1:]]
        assert sizes[:3] == [(8, 9), (1, 1), (1, 1)]
    if name == "WEBP":
        says_alpha = path.read_bytes()[20] & 16
        assert bool(says_alpha) == bool(picture.alpha)


def test_webp_animations_keep_transparency_and_what_it_hides(tmp_path):
    pixels = numbers((3, 9, 8, 4), "u1")
    pixels[:, 3:5, 2:, 3] = 0
    frames = list(map(Image.fromarray, pixels))
    options = {"background": (255, 10, 20, 255), "duration": [10, 20, 30], "loop": 2, "xmp": b"<x/>", "exif": b"MM\0*"}
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True, **options)
    again = copied(tmp_path / "a.webp", tmp_path / "b.webp")
    assert_same(images.read(tmp_path / "a.webp"), again)
    images.write(tmp_path / "c.webp", PictureFile("WEBP", (Picture(pixels, "TYXS", alpha=1),)))
    assert np.array_equal(images.read(tmp_path / "c.webp").parts[0].pixels, pixels)
    with Image.open(tmp_path / "b.webp") as image:
        assert image.info["background"] == options["background"]
        assert (image.info["xmp"], image.info["exif"]) == (b"<x/>", b"MM\0*")


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_a_single_frame_keeps_its_duration_and_loop(ending, tmp_path):
    """For what only an animation has keeps nobody from converting a still picture."""
    frame = Image.fromarray(numbers((HEIGHT, WIDTH, 3), "u1") & 0xC0)
    frame.save(tmp_path / "a.gif", duration=70, loop=5)
    if ending == "png":
        (tmp_path / "a.png").write_bytes(png([(np.asarray(frame), 0, 0, 0, 0)], [(7, 100)]))
    elif ending == "webp":
        frame.save(tmp_path / "still.webp", lossless=True)
        pixels = (tmp_path / "still.webp").read_bytes()[12:]
        size = struct.pack("<HBHB", WIDTH - 1, 0, HEIGHT - 1, 0)
        content = b"WEBPVP8X\n\0\0\0\2\0\0\0" + size + b"ANIM\6\0\0\0\0\0\0\0\5\0"
        content += b"ANMF" + struct.pack("<I6x6sHBx", 16 + len(pixels), size, 70, 0) + pixels
        (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(content)) + content)
    again = copied(tmp_path / f"a.{ending}", tmp_path / f"b.{ending}")
    assert again.page_count == 1
    with Image.open(tmp_path / f"a.{ending}") as a, Image.open(tmp_path / f"b.{ending}") as b:
        a.load()
        b.load()
        assert b.info["duration"] == a.info["duration"] == 70
        assert b.info["loop"] == a.info["loop"] > 1
    assert copied(tmp_path / f"a.{ending}", tmp_path / "b.tif").page_count == 1


def test_a_gray_gif_is_gray_and_says_nothing_of_palettes_or_time(tmp_path):
    """Whatever stands between its blocks."""
    palette = np.repeat(numbers((256, 1), "u1"), 3, axis=1)
    index = numbers((HEIGHT, WIDTH), "u1")
    drawing = (index, 0, 0, None, False)
    (tmp_path / "a.gif").write_bytes(gif([drawing, drawing], palette, b"\0\x07"))
    file = images.read(tmp_path / "a.gif")
    assert np.array_equal(file.parts[0].pixels, np.stack([palette[index][..., :1]] * 2))
    assert (file.notes, file.metadata) == ((), Metadata())
    assert copied(tmp_path / "a.gif", tmp_path / "b.gif").parts[0].colours == 1


@pytest.mark.parametrize("samples", [3, 4])
def test_gif_keeps_as_many_colours_as_it_holds(samples, tmp_path):
    """256, or 255 beside transparency, whose hidden colours take no place; a frame may be all transparent."""
    frames = np.zeros((2, 17, 16, samples), np.uint8)
    frames[0].reshape(-1, samples)[:, 0] = np.arange(17 * 16) % 256
    frames[..., 1] = 7
    if samples == 4:
        frames[0, :16, :, 3] = 255
        frames[0, 0, 0, 3] = 0
        frames[0, 16, :, 2] = 99
    picture = Picture(frames, "TYXS", alpha=samples - 3)
    images.write(tmp_path / "a.gif", PictureFile("GIF", (picture,)))
    (part,) = images.read(tmp_path / "a.gif").parts
    seen = np.ones(frames.shape[:3], bool)
    if samples == 4:
        seen = frames[..., 3] > 0
        assert np.array_equal(part.pixels[..., 3] > 0, seen)
    assert np.array_equal(part.pixels[seen], frames[seen])
    assert (tmp_path / "a.gif").read_bytes().endswith(b"\0;")


def test_gifs_that_hold_less_or_more_than_they_say(tmp_path):
    palette = numbers((256, 3), "u1")
    whole = gif([(np.zeros((1, 1), np.uint8), 0, 0, 0, False)], palette)
    (tmp_path / "a.gif").write_bytes(whole)
    images.read(tmp_path / "a.gif", ReadOptions(max_pixels=HEIGHT * WIDTH))
    with pytest.raises(PictureError, match="its header promises 7x6 pixels, more than 41"):
        images.read(tmp_path / "a.gif", ReadOptions(max_pixels=HEIGHT * WIDTH - 1))
    for content, message in ((gif([], palette), "it holds no picture"), (whole[:-3], "it breaks off")):
        (tmp_path / "a.gif").write_bytes(content)
        with pytest.raises(PictureError, match=message):
            images.read(tmp_path / "a.gif")


def test_gif_keeps_xmp_and_what_programs_wrote(tmp_path):
    """Among them the text of XMP as Adobe has it in a GIF: without lengths, and 258 bytes that lead those out who
    take it for blocks."""
    xmp = b"<x:xmpmeta>" + bytes(range(32, 127)) * 3 + b"</x:xmpmeta>"
    block = b"!\xff\x0bXMP DataXMP" + xmp + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    other = b"!\xff\x0bSOMEBODY1.0\3abc\0"
    drawings = [(np.eye(HEIGHT, WIDTH, k, dtype=np.uint8), 0, 0, 0, False) for k in range(2)]
    content = gif(drawings, numbers((256, 3), "u1"), other, block)
    (tmp_path / "a.gif").write_bytes(content)
    again = copied(tmp_path / "a.gif", tmp_path / "b.gif")
    assert_same(images.read(tmp_path / "a.gif"), again)
    assert again.metadata.xmp == xmp
    assert other + block in (tmp_path / "b.gif").read_bytes()
    assert copied(tmp_path / "a.gif", tmp_path / "b.webp").metadata.xmp == xmp
    assert copied(tmp_path / "b.webp", tmp_path / "c.gif").metadata.xmp == xmp


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_lossy_webp_comes_back_lossless_and_that_is_said(count, alpha, tmp_path):
    frames = list(map(Image.fromarray, numbers((3, 16, 16, 3 + alpha), "u1")[:count]))
    for quality in ({"quality": 50}, {"lossless": True}):
        frames[0].save(tmp_path / "a.webp", save_all=count > 1, append_images=frames[1:], **quality)
        file, again = images.read(tmp_path / "a.webp"), copied(tmp_path / "a.webp", tmp_path / "b.webp")
        assert_same(file, again)
        said = ("lossy compression, which becomes lossless",)
        assert (file.notes, again.notes) == (said if "quality" in quality else (), ())

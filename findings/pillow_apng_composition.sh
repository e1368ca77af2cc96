#!/bin/sh
# Pillow 13.0.0 shows frames of an animated PNG otherwise than the PNG specification (third edition) composes them.
#
# 1. A frame (0, 200, 0, 128) with blend OVER on an opaque (100, 0, 0, 255) reads (50, 100, 0, 191); by the
#    specification's formula of alpha it is (50, 100, 0, 255): what is opaque cannot become see-through. The frame is
#    pasted with itself as mask, which mixes alpha too.
# 2. After a frame of OVER with dispose PREVIOUS, the next one still shows it if frames are loaded in turn:
#    the pixel is (0, 200, 0, 255) in place of (100, 0, 0, 255); asked for by number in a fresh object it is right.
# 3. seek(1), load, seek(0), load, seek(1) ends in "SyntaxError: APNG contains frame sequence errors", for a valid file
#    that Pillow itself has written.
# Chromium 156 shows 1 and 2 as specified.
# Output: "1: (50, 100, 0, 191)", "2: (0, 200, 0, 255) (100, 0, 0, 255)" and "3: APNG contains frame sequence errors".
# Ends with an error if any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import struct
import sys
import zlib

from PIL import Image, ImageSequence

folder = sys.argv[1]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def apng(path, colours, disposals):
    """Frames of one pixel, all blended OVER."""
    out = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 6, 0, 0, 0))]
    out.append(chunk(b"acTL", struct.pack(">II", len(colours), 0)))
    number = 0
    for colour, disposal in zip(colours, disposals):
        out.append(chunk(b"fcTL", struct.pack(">5I2H2B", number, 1, 1, 0, 0, 1, 10, disposal, 1)))
        data = zlib.compress(b"\0" + bytes(colour))
        out.append(chunk(b"fdAT", struct.pack(">I", number + 1) + data) if number else chunk(b"IDAT", data))
        number += 2 if number else 1
    with open(path, "wb") as file:
        file.write(b"".join(out) + chunk(b"IEND", b""))


def in_turn(path):
    with Image.open(path) as image:
        return [frame.convert("RGBA").getpixel((0, 0)) for frame in ImageSequence.Iterator(image)]


def by_number(path, number):
    with Image.open(path) as image:
        image.seek(number)
        return image.convert("RGBA").getpixel((0, 0))


path = folder + "/a.png"
red, green, clear = (100, 0, 0, 255), (0, 200, 0, 255), (0, 0, 0, 0)
apng(path, [red, (0, 200, 0, 128)], [0, 0])
print("1:", in_turn(path)[1])
assert in_turn(path)[1] == (50, 100, 0, 191)

apng(path, [red, green, clear], [0, 2, 0])
print("2:", in_turn(path)[2], by_number(path, 2))
assert in_turn(path)[2] == green
assert by_number(path, 2) == red

pages = [Image.new("L", (2, 2), value) for value in (0, 100, 200)]
pages[0].save(path, save_all=True, append_images=pages[1:])
with Image.open(path) as image:
    for number in (1, 0):
        image.seek(number)
        image.load()
    try:
        image.seek(1)
    except SyntaxError as error:
        print("3:", error)
    else:
        sys.exit("3: no error")
PYTHON

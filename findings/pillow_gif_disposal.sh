#!/bin/sh
# Pillow 13.0.0 carries the disposal of a GIF frame over to the next one that names none.
#
# Each frame of a GIF has a disposal of its own; 0 says that nothing is to be done, so that the frame stays
# (GIF89a, 23.c.iv). Here a red pixel is cleared (2), a green one has disposal 0, and a third frame is all
# transparent: the green stays in sight, as in Chromium 156. Pillow clears the green one too, and shows
# (255, 0, 0, 255), the background colour, in place of (0, 255, 0, 255). With disposal 1 it is right.
# Output: "disposal 2, 1: (0, 255, 0, 255)" and "disposal 2, 0: (255, 0, 0, 255)". Ends with an error if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct

from PIL import Image, ImageSequence


def gif(disposals):
    """A red, a green and a transparent frame of one pixel."""
    out = [b"GIF89a", struct.pack("<HHBBB", 1, 1, 0x91, 0, 0), bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0])]
    for index, disposal in enumerate(disposals):
        has_transparency = index == 2
        out.append(b"!\xf9\4" + struct.pack("<BHBB", disposal << 2 | has_transparency, 10, 2, 0))
        codes = 4 | index << 3 | 5 << 6  # clear, the pixel, end: of 3 bits each
        out.append(b"," + struct.pack("<HHHHBB", 0, 0, 1, 1, 0, 2) + b"\2" + struct.pack("<H", codes) + b"\0")
    return b"".join(out) + b";"


def last_frame(disposals):
    with Image.open(io.BytesIO(gif(disposals))) as image:
        frames = [frame.convert("RGBA").getpixel((0, 0)) for frame in ImageSequence.Iterator(image)]
    return frames[2]


print("disposal 2, 1:", last_frame([2, 1, 1]))
print("disposal 2, 0:", last_frame([2, 0, 1]))
assert last_frame([2, 1, 1]) == (0, 255, 0, 255)
assert last_frame([2, 0, 1]) == (255, 0, 0, 255)
PYTHON

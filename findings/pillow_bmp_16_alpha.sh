#!/bin/sh
# Pillow 13.0.0 drops the transparency of BMPs of 16 bits without a word.
#
# A header of 56 bytes or more has a mask for alpha (BITMAPV3INFOHEADER and later), here the highest of 16 bits. Of a pixel
# without that bit and one with it Pillow makes an RGB picture: (255, 0, 0) twice. Of 32 bits it reads the mask:
# (255, 0, 0, 0) and (255, 0, 0, 255).
# Output: "('RGBA', (255, 0, 0, 0), (255, 0, 0, 255))" and "('RGB', (255, 0, 0), (255, 0, 0))". Ends with an error if that
# changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct

from PIL import Image


def pixels(bits, masks, numbers):
    """A row of two pixels."""
    row = struct.pack("<2H" if bits == 16 else "<2I", *numbers)
    header = struct.pack("<IiiHHII16x4I", 56, 2, 1, 1, bits, 3, len(row), *masks)
    content = struct.pack("<2sIII", b"BM", 70 + len(row), 0, 70) + header + row
    with Image.open(io.BytesIO(content)) as image:
        return image.mode, image.getpixel((0, 0)), image.getpixel((1, 0))


deep = pixels(32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0x00FF0000, 0xFFFF0000))
shallow = pixels(16, (0x7C00, 0x3E0, 0x1F, 0x8000), (0x7C00, 0xFC00))
print(deep)
print(shallow)
assert deep == ("RGBA", (255, 0, 0, 0), (255, 0, 0, 255))
assert shallow == ("RGB", (255, 0, 0), (255, 0, 0))
PYTHON

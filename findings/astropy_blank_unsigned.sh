#!/bin/sh
# Astropy 8.0.2 reads the blank pixels of an unsigned FITS picture as data, and keeps BLANK.
#
# A FITS file of BITPIX 16 with BZERO 32768, the convention for unsigned integers, and BLANK -32768 (the FITS standard,
# version 4.0, section 4.4.2.5: BLANK is the stored integer of an undefined pixel, whatever BSCALE and BZERO).
# 1. Opened as by default, its blank pixel is the number 0 of type uint16, as good as data. With uint=False, which
#    makes floats, it is NaN.
# 2. BLANK stays in the header, so that a copy with other pixels (here 0 becomes 7, stored -32761) has none blank.
# Read with do_not_scale_image_data=True, the stored integers tell which pixels are blank.
# Output: "uint16 0", "float32 nan", "BLANK -32768 stored -32761". Ends with an error if any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q astropy==8.0.2 numpy
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
from astropy.io import fits

folder = sys.argv[1]
raw = {"do_not_scale_image_data": True, "memmap": False}
fits.PrimaryHDU(np.array([[-32768, 5]], "i2")).writeto(f"{folder}/plain.fits")
with fits.open(f"{folder}/plain.fits", **raw) as units:
    units[0].header.update({"BZERO": 32768, "BLANK": -32768})
    units.writeto(f"{folder}/blank.fits")

with fits.open(f"{folder}/blank.fits", memmap=False) as units:
    pixels = units[0].data
    unsigned = f"{pixels.dtype} {pixels[0, 0]}"
    pixels[0, 0] = 7
    units.writeto(f"{folder}/copy.fits")
with fits.open(f"{folder}/blank.fits", uint=False, memmap=False) as units:
    pixels = units[0].data
    floats = f"{pixels.dtype.name} {pixels[0, 0]}"
with fits.open(f"{folder}/copy.fits", **raw) as units:
    copied = f"BLANK {units[0].header['BLANK']} stored {units[0].data[0, 0]}"
print(unsigned, floats, copied, sep="\n")
sys.exit([unsigned, floats, copied] != ["uint16 0", "float32 nan", "BLANK -32768 stored -32761"])
PYTHON

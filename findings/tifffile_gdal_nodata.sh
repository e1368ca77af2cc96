#!/bin/sh
# tifffile 2026.3.3 takes GDAL's usual no-data value of float32 pictures for one that float32 has not.
#
# GDAL writes the value as text, here the lowest float32, -3.4028234663852886e+38. It is a float32 to the last digit, but
# tifffile logs "parsing GDAL_NODATA tag raised ValueError: -3.4028234663852886e+38 is not castable to float32", and
# TiffPage.nodata, with which missing tiles are filled, is 0. Of -9999 it is -9999. The text of the tag itself, 42113,
# is read all right, and is what to take.
# Output: "-9999 -9999" and "-3.4028234663852886e+38 0". Ends with an error if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tifffile==2026.3.3 numpy
"$folder/venv/bin/python" - "$folder/a.tif" <<'PYTHON'
import sys

import numpy as np
import tifffile

path = sys.argv[1]
found = []
for text in ("-9999", "-3.4028234663852886e+38"):
    assert float(np.float32(text)) == float(text)
    tifffile.imwrite(path, np.full((2, 2), text, "f4"), extratags=[(42113, 2, 0, text, True)])
    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        assert page.tags[42113].value == text
        found.append(f"{text} {page.nodata:g}")
print(*found, sep="\n")
sys.exit(found != ["-9999 -9999", "-3.4028234663852886e+38 0"])
PYTHON

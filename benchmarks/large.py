"""What one large picture takes: ``python benchmarks/large.py [MEGAPIXELS [LAMBDA [MEMORY]]]``, a row.

Writes a 16-bit gray TIFF (a ramp with edges and noise), denoises it at that lambda (0.1, or ``auto``) with the whole
command, in a budget such as 1G if one is given, and prints one JSON line. The peak is what Linux calls VmHWM: all of
the process, its libraries included, as it sees it itself at its end.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

COMMAND = """
import sys
from pathlib import Path
from tvdenoise.cli import main
sys.argv = ["tvdenoise", *sys.argv[1:]]
try:
    main()
finally:
    status = Path("/proc/self/status").read_text()
    print(next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")))
"""
ROWS = 1000


def make(path: Path, side: int) -> None:
    """Write the picture some rows at a time, so that this process stays small."""
    x = np.arange(side, dtype=np.float32) / side
    picture = tifffile.memmap(path, shape=(side, side), dtype="uint16", photometric="minisblack")
    for start in range(0, side, ROWS):
        rows = picture[start : start + ROWS]
        y = np.arange(start, start + len(rows), dtype=np.float32)[:, None] / side
        noise = np.random.default_rng(start).normal(0, 0.1, rows.shape).astype(np.float32)
        clean = 0.2 + 0.3 * x + 0.3 * ((10 * x + 7 * y) % 1 > 0.5)
        rows[...] = np.clip(clean + noise, 0, 1) * 65535
    picture.flush()


def main() -> None:
    """Make, denoise, report."""
    side = round((float(sys.argv[1]) * 1e6) ** 0.5) if len(sys.argv) > 1 else 10_000
    weight = sys.argv[2] if len(sys.argv) > 2 else "0.1"
    budget = ["--memory", sys.argv[3]] if len(sys.argv) > 3 else []
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "in.tif", side)
        start = time.perf_counter()
        arguments = [f"{folder}/in.tif", "-o", f"{folder}/out.tif", "-l", weight, "-q", *budget]
        done = subprocess.run([sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
    peak = int(done.stdout)
    row = {
        "figure": "large picture",
        "lambda": weight,
        "budget": "".join(budget[1:]) or None,
        "pixels": side * side,
        "peak_bytes": peak,
        "bytes_per_pixel": peak / side**2,
    }
    print(json.dumps(row | {"seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()

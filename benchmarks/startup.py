"""What a whole command costs beside importing torch: ``python benchmarks/startup.py``, rows and then a table.

All commands run in turn, several times over; a row has the median and the range, and the median ratio to
``python -c "import torch"`` of the same round.
"""

import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import rows
import typer

SAMPLE = Path(__file__).parent.parent / "sample_images" / "camera_noisy.png"
BASE = "import torch"


def main(
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("startup.jsonl"), runs: int = 9
) -> None:
    """Measure, print the rows, and then the table."""
    with tempfile.TemporaryDirectory() as folder:
        picture = [str(SAMPLE), "-o", f"{folder}/out.png", "-l", "0.1", "--overwrite", "-q"]
        tool = [sys.executable, "-m", "tvdenoise"]
        commands = {
            BASE: [sys.executable, "-c", BASE],
            "tvdenoise, 512x512": [*tool, *picture],
            "tvdenoise --help": [*tool, "--help"],
            "tvdenoise --version": [*tool, "--version"],
        }
        jobs = {
            name: partial(subprocess.run, command, check=True, capture_output=True)
            for name, command in commands.items()
        }
        times = rows.in_turn(jobs, runs)
    ratios = {
        name: statistics.median(a / b for a, b in zip(seconds, times[BASE], strict=True))
        for name, seconds in times.items()
    }
    figures = [
        {"command": name, **rows.spread(seconds), "ratio": round(ratios[name], 3)} for name, seconds in times.items()
    ]
    measured = rows.written([rows.machine() | row for row in figures], out)
    print(
        rows.table(
            ["", "seconds", f"over {BASE}"],
            [(row["command"], f"{row['seconds']:.2f}", f"{row['ratio']:.2f}") for row in measured],
        )
    )


if __name__ == "__main__":
    typer.run(main)

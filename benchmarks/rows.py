"""Rows of figures, which runs write and reports only read: JSON lines in a file, tables and plots from them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def written(rows: Iterable[Row], path: Path) -> list[Row]:
    """Write each row as it comes, print it, and return them all."""
    kept = []
    with path.open("w") as lines:
        for row in rows:
            line = json.dumps(row)
            print(line, file=lines, flush=True)
            print(line, flush=True)
            kept.append(row)
    return kept


def read(path: Path) -> list[Row]:
    """Return the rows of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(header: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)

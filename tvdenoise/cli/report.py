"""``tvdenoise report ROWS``: the rows of a sweep, and its pictures, as one page."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tvdenoise.cli import messages, options, values
from tvdenoise.errors import OutputError

if TYPE_CHECKING:
    from tvdenoise.files.rows import RowDict
    from tvdenoise.images import ReadOptions

MENTION = "[bold]tvdenoise report ROWS.jsonl -o PAGE.html[/bold] shows what a sweep found."


def command(
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="What a sweep wrote: .jsonl.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a page that exists.")] = False,
    axes: options.Axes = None,
    scale: options.Range = None,
    max_pixels: options.MaxPixels = None,
) -> None:
    """Show the rows of a sweep and its pictures in one page that opens offline."""
    from tvdenoise.experiments import row_file

    found, ignored = row_file.read(rows)
    check(output, rows, overwrite=overwrite)
    for words in ignored:
        messages.note(f"{rows}: ignored {words}")
    reading = values.parse_reading(axes, scale, max_pixels)
    write(output, found, ignored, reading)
    messages.note(f"{output} shows {messages.format_count(len(found), 'run')}")


def check(path: Path, *others: Path, overwrite: bool) -> None:
    """Refuse, before any work, a page that is no HTML or must not be written, or that lacks what draws its curves."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(path, "a page is HTML", "end it in .html")
    from tvdenoise.experiments.plots import check_installed
    from tvdenoise.images import check_place

    check_place(path, *others, overwrite=overwrite)
    check_installed()


def write(path: Path, rows: Sequence["RowDict"], ignored: Sequence[str], reading: "ReadOptions") -> None:
    """Write the page, and say which runs have no pictures on it."""
    from tvdenoise.experiments import report
    from tvdenoise.experiments.exhibits import make_exhibits
    from tvdenoise.images.atomic import atomic

    def tell() -> Iterator[report.Exhibit]:
        for exhibit in make_exhibits(rows, reading):
            is_done = any(row["status"] == "done" for row in exhibit.rows)
            if is_done and not exhibit.images:
                messages.note(f"{exhibit.title}: {exhibit.caption}")
            yield exhibit

    command = messages.command_line()
    page = report.make_page(rows, tell(), title=path.stem, command=command, ignored=ignored)
    with atomic(path) as file:
        file.write(page.encode(errors="backslashreplace"))  # names of files may be no text

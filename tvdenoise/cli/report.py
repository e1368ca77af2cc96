"""``tvdenoise report ROWS``: the rows of a sweep, and its pictures, as one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tvdenoise.cli import messages, options, values
from tvdenoise.errors import OutputError

if TYPE_CHECKING:
    from tvdenoise.images import ReadOptions

MENTION = "[bold]tvdenoise report ROWS.jsonl -o PAGE.html[/bold] shows what a sweep found."


def command(
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="What a sweep wrote: .jsonl or .csv.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a page that exists.")] = False,
    axes: options.Axes = None,
    scale: options.Range = None,
    max_pixels: options.MaxPixels = None,
) -> None:
    """Show the rows of a sweep and its pictures in one page that opens offline."""
    from tvdenoise import results

    found, ignored = results.read(rows)
    check(output, overwrite=overwrite)
    reading = values.read_options(axes=axes, scale=scale, max_pixels=max_pixels)
    write(output, found, ignored, reading, command=messages.command_line())


def check(path: Path, *, overwrite: bool) -> None:
    """Refuse, before any work, a page that exists or has another ending, or that lacks what draws its curves."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(path, "a page is HTML", "end it in .html")
    from tvdenoise.plots import check_installed

    check_folder(path)
    if path.exists() and not overwrite:
        raise OutputError(path, "it exists", "choose another name, or replace the page (never rows) with --overwrite")
    check_installed()


def check_folder(path: Path) -> None:
    """Refuse, before any work, a file whose folder is missing or cannot be written to."""
    from tvdenoise.images import check_writable

    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(path, f"its folder {path.parent} is missing", "create it first")
    check_writable(folder, path)


def write(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    ignored: Sequence[str],
    reading: "ReadOptions",
    *,
    command: str,
) -> None:
    """Write the page."""
    from tvdenoise import report
    from tvdenoise.exhibits import exhibits
    from tvdenoise.images.atomic import atomic

    page = report.page(rows, exhibits(rows, reading), title=path.stem, command=command, ignored=ignored)
    with atomic(path) as file:
        file.write(page.encode(errors="backslashreplace"))  # names of files may be no text

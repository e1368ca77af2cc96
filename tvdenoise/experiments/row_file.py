"""Files of rows: JSON lines, which a later sweep goes on with and a report reads, and CSV for other programs."""

import csv
import json
import math
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_type_hints

from tvdenoise import __version__
from tvdenoise.api.aggregation import Figures
from tvdenoise.errors import InputError, OutputError, WriteError
from tvdenoise.files.rows import OLD_KEYS, RowDict, TrialRow

if TYPE_CHECKING:
    from pydantic import BaseModel

LEFT_OUT = ("pages", "trace")  # keys without a column in tables, as their values are lists
NEEDED = (
    "weight",
    "gap",
    "noise_model",
    "tv",
    "color",
    "optimizer",
    "shape",
    "axes",
    "volume",
)  # in every run that is done
BEGINNING = b'{"input": '  # of every line, by which an only line that breaks off is recognised


class RowFile:
    """A file in JSON lines to which rows are added: it knows what ``rows`` were there, and says what is ``ignored``."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        file.seek(0)
        content = file.read()
        self.rows, self.ignored = _parse(content, path)
        # After a kill the last line may break off: the next row takes its place.
        file.truncate(content.rfind(b"\n") + 1)

    def add(self, row: TrialRow) -> None:
        """Append a row in one piece."""
        self.write(json.dumps(row.as_json()) + "\n")

    def write(self, text: str) -> None:
        """Append a text, and raise :class:`WriteError` if the operating system refuses."""
        try:
            self._file.write(text.encode(errors="surrogateescape"))  # as names of files are read
            self._file.flush()
        except OSError as error:
            raise WriteError(self._path, f"writing it failed ({error.strerror})", "make room and run again") from error


class Table(RowFile):
    """A CSV file of rows, written anew from the first row on: a header, and a line for each row that is added."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self.rows = []
        self.ignored = []
        self._is_begun = False
        names = TrialRow("", None, "done").as_dict()
        columns = [name for name in names if name not in LEFT_OUT]
        self._writer = csv.DictWriter(self, columns, extrasaction="ignore")

    def add(self, row: TrialRow) -> None:
        """Append a row as a line of cells, the first after the header."""
        if not self._is_begun:
            self._file.truncate(0)  # not before: a run without any row leaves what was there
            self._writer.writeheader()
            self._is_begun = True
        cells = row.as_dict()
        for name, value in cells.items():
            if isinstance(value, bool | tuple):  # which JSON writes otherwise than Python
                cells[name] = json.dumps(value)
        self._writer.writerow(cells)

    def write(self, text: str) -> None:
        """Append a line of the writer. It ends in two characters, so that names with either are quoted."""
        super().write(text.removesuffix("\r\n") + "\n")


FORMATS = {".jsonl": RowFile, ".csv": Table}  # by the endings of names


@contextmanager
def open_rows(path: Path, *, overwrite: bool = False) -> Iterator[RowFile]:
    """Open a file of rows, or begin one, for this process alone; JSON lines are added to, CSV is written anew.

    Raises OutputError if its ending names no format, it cannot be written, another process has it open, or it is CSV
    and exists, unless ``overwrite``; InputError if it has lines, but no row among them.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise OutputError(path, "rows are written as JSON lines or CSV", f"end it in {' or '.join(FORMATS)}")
    try:
        file = path.open("a+b")
    except OSError as error:
        raise OutputError(path, f"it cannot be written ({error.strerror})", "choose another name") from error
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OutputError(path, "it is not a regular file", "choose another name")
        _lock(file, path)
        # A run that cannot begin leaves an empty file, which nobody misses.
        if ending == ".csv" and not overwrite and path.stat().st_size > 0:
            remedy = "end it in .jsonl to go on with rows that are there, or use --overwrite"
            raise OutputError(path, "it exists, and CSV is not gone on with", remedy)
        yield FORMATS[ending](file, path)
    finally:
        with suppress(OSError):  # which has been told, of a row that could not be written
            file.close()


def read(path: Path) -> tuple[list[RowDict], list[str]]:
    """Return the rows of a file in JSON lines, and in words what was ignored; raise InputError if there are no rows."""
    if path.suffix.lower() == ".csv":
        raise InputError(path, "rows are not read from CSV", "give the .jsonl that a sweep wrote")
    try:
        if path.exists() and not path.is_file():
            raise InputError(path, "it is not a file", "name one that a sweep wrote")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from error
    rows, ignored = _parse(content, path)
    if not rows:
        raise InputError(path, "there are no rows in it", "make some with tvdenoise sweep")
    return rows, ignored


def _lock(file: BinaryIO, path: Path) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(path, "another run is writing to it", "wait for it, or choose another name") from error


def _parse(content: bytes, path: Path) -> tuple[list[RowDict], list[str]]:
    """Return the rows of this version, and in words what is ignored; raise InputError if all lines are others."""
    *lines, rest = content.split(b"\n")
    rows: list[RowDict] = []
    others = {"no sweep": 0, "another version": 0}
    for line in lines:
        row = _load(line)
        if "key" in row and row.get("version", __version__) != __version__:
            others["another version"] += 1
        elif _is_row(row):
            _restore_infinities(row)
            rows.append(row)
        else:
            others["no sweep"] += 1
    beginning = BEGINNING[: len(rest)]
    is_begun = not lines and rest.startswith(beginning)
    if not (rows or others["another version"] or is_begun):
        raise InputError(path, "it is no file of rows of a sweep", "choose another name")
    ignored = []
    if rest:
        ignored.append("the last line, which breaks off")
    for words, count in others.items():
        if count:
            unit = "line" if count == 1 else "lines"
            ignored.append(f"{count} {unit} of {words}")
    return rows, ignored


def _load(line: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):  # no JSON, or brackets in brackets
        row = json.loads(line, object_hook=_rename_old_keys)
        if isinstance(row, dict):
            return row
    return {}


def _rename_old_keys(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row, or the figures of a page, with the names of today."""
    row = {OLD_KEYS.get(key, key): value for key, value in row.items()}
    if "key" in row:
        row.setdefault("noise_model", "gaussian")  # the only one there was
    return row


def _is_row(row: RowDict) -> bool:
    """Return whether a row has all that others have, of the types that they have."""
    try:
        text = json.dumps(row, ensure_ascii=False).encode(errors="replace")  # names of files may be no text
        _row_model().model_validate_json(text)
        name = os.fsencode(row["input"])
    except (ValueError, RecursionError):
        return False
    lacks_figure = any(row[key] is None for key in NEEDED)
    if row["status"] == "done" and lacks_figure:
        return False
    return b"\0" not in name


@cache
def _row_model() -> "type[BaseModel]":
    """Return what must be in a line: every key of a row, with a value of its type."""
    from pydantic import ConfigDict, NonNegativeInt, create_model  # late: only files with rows need it

    # Python's integers of hundreds of digits are infinite as floats.
    config = ConfigDict(strict=True, allow_inf_nan=False)
    figures = get_type_hints(Figures)
    page: Any = create_model("Page", __config__=config, **figures)
    types = get_type_hints(TrialRow) | figures
    del types["figures"]
    types["status"] = Literal["done", "failed"]
    types["seed"] = NonNegativeInt | None
    types["pages"] = list[page] | None
    return create_model("Run", __config__=config, **types)


def _restore_infinities(row: dict[str, Any]) -> None:
    """Fill in an infinite PSNR, which is null in JSON, where a run was compared with a clean picture."""
    is_compared = row["reference"] or row["noise"]
    if row["status"] == "done" and is_compared:
        for name in ("psnr_before", "psnr_after"):
            if row[name] is None:
                row[name] = math.inf

"""Rows in a file, JSON lines or CSV: appended one at a time, read again after a kill, in any version's words."""

import csv
import dataclasses
import io
import json
import math
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, BinaryIO, Literal, Union, get_args, get_origin

from tvdenoise import __version__
from tvdenoise.errors import InputError, OutputError, WriteError
from tvdenoise.files.rows import KEYS, Figures, Row, RowDict, TrialRow

ENDINGS = (".jsonl", ".csv")

LEFT_OUT = ("pages", "trace")
"""What no table has."""

NEEDED = ("lambda", "rms_bound", "tv", "color", "optimizer", "shape", "axes", "volume")
"""What is known of every run that is done."""


@cache
def _kinds(of: type) -> dict[str, Any]:
    """Return the types of what rows have of a dataclass, by their keys."""
    kinds: dict[str, Any] = {}
    for field in dataclasses.fields(of):
        kinds |= _kinds(Figures) if field.name == "figures" else {KEYS.get(field.name, field.name): field.type}
    return kinds


class RowFile:
    """A file of rows that is added to.

    Attributes
    ----------
    rows
        What was there already, of this version.
    ignored
        What was there and is of no use, in words.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        file.seek(0)
        content = file.read()
        self.rows, self.ignored, whole = _parsed(content, path)
        file.seek(whole)
        file.truncate()
        self._header = _header(content[:whole]) if _is_table(path) else []

    def add(self, row: Row) -> None:
        """Append a row in one piece.

        Raises
        ------
        WriteError
            If the operating system refuses.
        """
        text = self._cells(row.as_dict()) if _is_table(self._path) else json.dumps(row.as_json()) + "\n"
        try:
            self._file.write(text.encode(errors="surrogateescape"))  # as names of files are read
            self._file.flush()
        except OSError as error:
            raise WriteError(self._path, f"writing it failed ({error.strerror})", "make room and run again") from error

    def _cells(self, row: Mapping[str, Any]) -> str:
        names = [name for name in row if name not in LEFT_OUT]
        if self._header and not set(names) <= set(self._header):
            raise OutputError(self._path, "it has not the columns of this version", "choose another name")
        text, self._header = "" if self._header else _csv_line(names), self._header or names
        return text + _csv_line([_cell(row.get(name)) for name in self._header])


@contextmanager
def opened(path: Path) -> Iterator[RowFile]:
    """Open a file of rows, or begin one, for this process alone.

    Raises
    ------
    OutputError
        If its ending names no kind of table, another process has it open, or it is something else.
    """
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(path, "rows are written as JSON lines or CSV", f"end it in {' or '.join(ENDINGS)}")
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")
    except OSError as error:
        raise OutputError(path, f"it cannot be written ({error.strerror})", "choose another name") from error
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OutputError(path, "it is not a regular file", "choose another name")
        _lock(file, path)
        yield RowFile(file, path)
    finally:
        with suppress(OSError):  # which has been told, of a row that could not be written
            file.close()


def read(path: Path) -> tuple[list[RowDict], list[str]]:
    """Return the rows of a file, and in words what was ignored.

    Raises
    ------
    InputError
        If it cannot be read, or has no rows.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(path, "it is not a file", "name one that a sweep wrote")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from error
    rows, ignored, _ = _parsed(content, path)
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


def _parsed(content: bytes, path: Path) -> tuple[list[RowDict], list[str], int]:
    """Return the rows, what is ignored, and the length of what is whole."""
    whole = content.rfind(b"\n") + 1
    while _is_table(path) and content[:whole].count(b'"') % 2:  # it breaks off within quotes
        whole = content.rfind(b"\n", 0, whole - 1) + 1
    ignored = ["the last line, which breaks off"] if whole < len(content) else []
    text = content[:whole].decode(errors="surrogateescape")
    rows, broken, foreign = [], 0, 0
    for row in _csv_rows(text) if _is_table(path) else _json_rows(text):
        if row is not None and row.keys() >= {"key", "version"} and row["version"] != __version__:
            foreign += 1
        elif row is None or not _is_row(row):
            broken += 1
        else:
            rows.append(row)
    if not (rows or foreign) and not content.startswith(_beginning(path)[: len(content)]):
        broken += 1
    if broken and not rows and not foreign:
        raise InputError(path, "it is no file of rows of a sweep", "choose another name")
    ignored += [f"{_lines(broken)} of no sweep"] if broken else []
    ignored += [f"{_lines(foreign)} of another version"] if foreign else []
    return rows, ignored, whole


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _lines(number: int) -> str:
    return f"{number} line{'s' * (number != 1)}"


def _beginning(path: Path) -> bytes:
    """Return what a file of rows begins with."""
    return b"input," if _is_table(path) else b'{"input": '


def _is_row(row: RowDict) -> bool:
    """Return whether a row has all that others have, of the types that they have."""
    return (
        _is_of({**dict.fromkeys(LEFT_OUT), **row}, TrialRow)
        and row["status"] in ("done", "failed")
        and (row["status"] == "failed" or None not in map(row.get, NEEDED))
        and (row["seed"] or 0) >= 0
        and _is_path(row["input"])
    )


def _is_of(value: Any, kind: Any) -> bool:  # noqa: ANN401 (of any kind that JSON has)
    """Return whether JSON has this for a value of a type: of a dataclass an object, of a tuple a list."""
    origin, kinds = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_is_of(value, one) for one in kinds)
    if origin is Literal:
        return value in kinds
    if origin is tuple:
        return isinstance(value, list) and all(_is_of(item, kinds[0]) for item in value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return isinstance(value, dict) and all(
            key in value and _is_of(value[key], one) for key, one in _kinds(kind).items()
        )
    return type(value) in ((int, float) if kind is float else (kind,))


def _is_path(name: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _json_rows(text: str) -> Iterator[RowDict | None]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # of brackets in brackets
            row = None
        yield _with_infinities(row) if isinstance(row, dict) else None


def _with_infinities(row: RowDict) -> RowDict:
    """Return a row of JSON, which knows no infinite PSNR: null stands for that where a picture was compared."""
    is_compared = row.get("status") == "done" and (row.get("reference"), row.get("noise")) != (None, None)
    infinite = {name: math.inf for name in ("psnr_before", "psnr_after") if is_compared and row.get(name, 0) is None}
    return {**row, **infinite}


def _csv_rows(text: str) -> Iterator[RowDict | None]:
    lines = csv.reader(io.StringIO(text, newline=""))
    header = next(lines, [])
    try:
        for cells in lines:
            try:
                yield {name: _value(name, cell) for name, cell in zip(header, cells, strict=True)}
            except ValueError:
                yield None
    except csv.Error:
        yield None


def _header(content: bytes) -> list[str]:
    return next(csv.reader(io.StringIO(content.decode(errors="replace"))), [])


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # so that names with either are quoted
    return line.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Any) -> str:  # noqa: ANN401 (of any kind that JSON has)
    if value is None or value == math.inf:
        return "" if value is None else "inf"
    return str(value) if isinstance(value, str) else json.dumps(value)


def _value(name: str, cell: str) -> Any:  # noqa: ANN401 (of any kind that JSON has)
    if not cell:
        return None
    if _is_of(cell, _kinds(TrialRow).get(name)):
        return cell
    try:
        return math.inf if cell == "inf" else json.loads(cell)
    except (ValueError, RecursionError):
        return cell

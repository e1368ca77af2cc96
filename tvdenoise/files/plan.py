"""Which file becomes which: every pair is known, and every clash refused, before a picture is opened.

Of files only names are held, a list per folder, so that a million of them are no burden.
"""

import os
import sys
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from tvdenoise.errors import InputError, OutputError, SettingError
from tvdenoise.images import FORMATS, STREAM, check_source, format_by_extension

SUFFIX = "_denoised"
"""What the name of a result gets beside its picture."""


@dataclass(frozen=True)
class FileFilter:
    """Which pictures of a folder are taken: files that end as those of a format do, and whose name starts with no dot.

    Attributes
    ----------
    recursive
        Those in its subfolders too. Links to folders are not followed, nor those to files outside.
    include
        Patterns such as ``*.tif`` or ``raw/*``, one of which the name must match or, with a slash, the path from the
        folder.
    exclude
        Patterns that it must not match, nor any folder on the way.
    """

    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: str) -> bool:
        """Return whether a file, by its path from the folder, is taken."""
        return (not self.include or _matches(path, self.include)) and not self.leaves_out(path)

    def leaves_out(self, path: str) -> bool:
        """Return whether a file or folder, by its path from the folder, is excluded."""
        return _matches(path, self.exclude)


def _matches(path: str, patterns: Iterable[str]) -> bool:
    name = path.rpartition("/")[2]
    own = (pattern.replace(os.sep, "/").rstrip("/") for pattern in patterns)
    return any(fnmatch(path if "/" in pattern else name, pattern) for pattern in own)


@dataclass(frozen=True)
class Naming:
    """Where results go.

    Attributes
    ----------
    folder
        The folder in which the tree of the inputs is repeated; None for beside each picture.
    suffix
        What follows the name of the picture; None for :data:`SUFFIX` beside it and nothing in a folder.
    format
        The format, which decides the ending; None for that of the picture.
    """

    folder: Path | None = None
    suffix: str | None = None
    format: str | None = None

    @property
    def effective_suffix(self) -> str:
        """What follows the name of a picture."""
        return (SUFFIX if self.folder is None else "") if self.suffix is None else self.suffix

    def target(self, name: str) -> str:
        """Return the name of the result for the name of a picture."""
        path = Path(name)
        ending = path.suffix
        if self.format is not None and ending.lower() not in FORMATS[self.format].endings:
            ending = FORMATS[self.format].endings[0]
        return f"{path.stem}{self.effective_suffix}{ending}"

    def beside_or_below(self, source: Path) -> Path:
        """Return the result of a single picture: beside it, or in the folder; a stream stays one."""
        if self.folder is None and source == STREAM:
            return source
        return (self.folder or source.parent) / self.target(source.name)


@dataclass(frozen=True)
class Pair:
    """A picture, where its result goes, and its path from the folder that was named."""

    source: Path
    target: Path
    relative: Path


@dataclass(frozen=True)
class Branch:
    """Pictures of one folder, whose results go into one folder; ``relative`` is that from the folder that was named."""

    source: Path
    target: Path
    relative: Path
    names: list[str]


@dataclass
class Plan:
    """All pairs, in the order of the inputs and in folders by name; ``overlooked`` counts what was left out and why."""

    naming: Naming
    branches: list[Branch] = field(default_factory=list)
    overlooked: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return sum(len(branch.names) for branch in self.branches)

    def pairs(self, shard: tuple[int, int] = (1, 1)) -> Iterator[Pair]:
        """Iterate over the pairs, or over part K of N.

        The path of a picture alone says to which part it belongs, whatever else there is.
        """
        part, parts = shard
        for branch in self.branches:
            for name in branch.names:
                relative = branch.relative / name
                if parts == 1 or zlib.crc32(os.fsencode(_key(relative.as_posix()))) % parts == part - 1:
                    yield Pair(branch.source / name, branch.target / self.naming.target(name), relative)

    def add(self, source: Path, relative: Path, names: list[str]) -> None:
        """Take in pictures of one folder."""
        last = self.branches[-1] if self.branches else None
        if last is not None and (last.source, last.relative) == (source, relative):
            last.names.extend(names)
        elif names:
            target = source if self.naming.folder is None else self.naming.folder / relative
            self.branches.append(Branch(source, target, relative, names))


def planned(
    inputs: Sequence[Path],
    naming: Naming = Naming(),
    file_filter: FileFilter = FileFilter(),
    *,
    listed: Iterable[Path] = (),
    are_written: bool = True,
) -> Plan:
    """Return the plan for files and folders, whose results ``are_written``, or are not.

    In the naming's folder the results of files that are ``inputs`` lie side by side, those of folders as the tree
    below these. ``listed`` files are more of them: each path is repeated there whole, one that is absolute or leads
    out of the current folder from the root on, and that there is such a file is not checked.

    Raises
    ------
    InputError
        If an input is missing, or a folder has no picture.
    OutputError
        If two pictures would become one file, or a result would be one of the pictures, now or in the next run.
    SettingError
        If nothing in their names would tell the next run results from pictures.
    """
    plan = Plan(naming)
    for path in inputs:
        if path == STREAM:
            raise InputError("-", "standard input is one picture, not one of several", "denoise it for itself")
        if is_folder(path):
            _add_folder(plan, path, file_filter)
        else:
            check_source(path)
            plan.add(path.parent, Path(), [path.name])
    for path in listed:
        if is_folder(path):
            raise InputError(path, "it is a folder, and a list names files", "name it as INPUT, or list what is in it")
        place = Path(os.path.normpath(path))
        if ".." in place.parts:
            place = Path(os.path.abspath(path))  # noqa: PTH100 (Path's keeps the dots)
        plan.add(path.parent, place.relative_to(place.anchor).parent, [path.name])
    _refuse_clashes(plan, are_written=are_written)
    return plan


def is_folder(path: Path) -> bool:
    """Return whether a path leads to a folder; one that the system refuses, such as for its length, does not."""
    return os.path.isdir(path)  # noqa: PTH112 (Path.is_dir raises then)


def counterpart(reference: Path, relative: Path) -> Path:
    """Return what belongs to a picture: ``reference`` itself, or in that folder the file of its path, of any format."""
    if not is_folder(reference):
        return reference
    same = reference / relative
    others = (same.with_suffix(ending) for row in FORMATS.values() for ending in row.endings)
    return next((path for path in (same, *others) if os.path.isfile(path)), same)  # noqa: PTH113 (as above)


def _add_folder(plan: Plan, root: Path, file_filter: FileFilter) -> None:
    before, real_root = len(plan), os.path.realpath(root)
    output = plan.naming.folder and Path(os.path.realpath(plan.naming.folder))
    is_among = output is None or output == Path(real_root)
    if is_among and not plan.naming.effective_suffix:
        problem = f"without one the results in {root} would be pictures to denoise in the next run"
        raise SettingError("suffix", problem, "give such as _denoised, or another --output")
    if output is not None:
        _refuse_results_among_pictures(output, Path(real_root), root, file_filter)
    added = plan.naming.effective_suffix if is_among else SUFFIX
    todo = [""]
    while todo:
        folder = todo.pop()
        names = []
        folders = []
        entries = _entries(root / folder, root)
        originals = None if is_among else {Path(entry.name).stem for entry in entries}
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_junction = sys.version_info >= (3, 12) and entry.is_junction()  # of Windows: a link in truth
            if entry.is_dir(follow_symlinks=False) and not is_junction:
                folders.append(path)
            elif reason := _reason_to_overlook(entry, real_root, added, originals):
                plan.overlooked[reason] += 1
            elif file_filter.takes(path):
                names.append(entry.name)
        plan.add(root / folder, Path(folder), names)
        if file_filter.recursive:
            todo += [path for path in reversed(folders) if _is_entered(plan, path, file_filter)]
    if len(plan) == before:
        patterns = [f"--{name}" for name in ("include", "exclude") if getattr(file_filter, name)]
        of_which = f" that {' and '.join(patterns)} would take" if patterns else ""
        problem = f"there is no picture in it{' or its subfolders' if file_filter.recursive else ''}{of_which}"
        problem += f" ({', '.join(ending for row in FORMATS.values() for ending in row.endings)})"
        remedy = "check the pattern" if patterns else "check the path"
        remedy += "" if file_filter.recursive else ", or look into its subfolders with --recursive"
        raise InputError(root, problem, remedy)


def _entries(folder: Path, root: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        remedy = "check its permissions" if folder == root else f"check its permissions, or --exclude {folder.name}"
        raise InputError(folder, f"it cannot be looked into ({error.strerror})", remedy) from error


def _is_entered(plan: Plan, path: str, file_filter: FileFilter) -> bool:
    if path.rpartition("/")[2].startswith("."):
        plan.overlooked["hidden"] += 1
        return False
    return not file_filter.leaves_out(path)


def _reason_to_overlook(entry: os.DirEntry[str], root: str, added: str, originals: set[str] | None) -> str:
    """Return why a file is no picture to denoise, or nothing.

    ``added`` is what the names of results end in: only those, or where ``originals`` are given what stands beside one.
    """
    if entry.name.startswith("."):
        return "hidden"
    if format_by_extension(Path(entry.name)) is None and not (entry.is_symlink() and entry.is_dir()):
        return "of another kind"
    if entry.is_symlink() and not _is_file_inside(entry.path, root):
        return "links to folders or out of the folder"
    stem = Path(entry.name).stem
    if stem.endswith(added) and (originals is None or stem.removesuffix(added) in originals):
        return f"named as results are (*{added})"
    return ""


def _is_file_inside(link: str, folder: str) -> bool:
    real = Path(os.path.realpath(link))
    return real.is_relative_to(folder) and not real.is_dir()


def _refuse_results_among_pictures(output: Path, real_root: Path, root: Path, file_filter: FileFilter) -> None:
    """Refuse an output folder in which pictures are looked for: the next run would take its results for some."""
    if not file_filter.recursive or output == real_root or not output.is_relative_to(real_root):
        return
    parts = output.relative_to(real_root).parts
    ways = ("/".join(parts[: i + 1]) for i in range(len(parts)))
    if not any(part.startswith(".") for part in parts) and not any(map(file_filter.leaves_out, ways)):
        problem = f"it lies in {root}, and its results would be pictures to denoise in the next run"
        raise OutputError(output, problem, f"choose a folder outside, or add --exclude {parts[0]}")


def _key(name: str) -> str:
    """Return what two names have in common that a file system, somewhere, takes for one."""
    return unicodedata.normalize("NFC", name).casefold()


def _refuse_clashes(plan: Plan, *, are_written: bool) -> None:
    """Refuse two pictures for one result, also on file systems that do not tell case or forms of Unicode apart.

    A picture that was named twice is one.
    """
    real = cache(os.path.realpath)
    pictures: dict[str, set[str]] = {}
    for branch in plan.branches:
        pictures.setdefault(_key(real(branch.source)), set()).update(map(_key, branch.names))
    results: dict[str, dict[str, tuple[Branch, str]]] = {}
    for branch in plan.branches:
        folder_key = _key(real(branch.target))
        among, taken = pictures.get(folder_key, set()), results.setdefault(folder_key, {})
        names, branch.names[:] = branch.names[:], []
        for name in names:
            result = plan.naming.target(name)
            if are_written and _key(result) in among:
                problem = "it is one of the pictures to denoise"
                raise OutputError(branch.target / result, problem, "choose another --output or --suffix")
            own = (branch, name)
            first = taken.setdefault(_key(result) if are_written else f"{real(branch.source)}/{name}", own)
            if first is own:
                branch.names.append(name)
            elif (real(first[0].source), first[1]) == (real(branch.source), name):
                plan.overlooked["named twice"] += 1
            else:
                problem = f"{first[0].source / first[1]} and {branch.source / name} would be written to it both"
                raise OutputError(branch.target / result, problem, "leave one out, such as with --exclude")

"""Which file becomes which: every pair is known, and every clash set apart, before a picture is opened.

Only the names of files are held, in a list per folder, so that a million of them take little memory.
"""

import hashlib
import os
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from tvdenoise.errors import InputError, OutputError, SettingError
from tvdenoise.images import FORMATS, STREAM, check_source, format_by_extension

SUFFIX = "_denoised"  # the end of the name of a result that is beside its picture
ENDINGS = tuple(ending for row in FORMATS.values() for ending in row.endings)
MOST_REASONS = 10  # to leave files out that are told one by one
_DOUBLE_ENDING = re.compile(r"\.(ome\.tiff?|(fits?|fts|nii)\.[fg]z)$", re.IGNORECASE)


def split_ending(name: str) -> tuple[str, str]:
    """Return the name of a file without its ending, and the ending, which may be a double one such as ``.ome.tif``."""
    double = _DOUBLE_ENDING.search(name)
    if double is not None and double.start() > 0:
        return name[: double.start()], double.group()
    path = Path(name)
    return path.stem, path.suffix


@dataclass(frozen=True)
class FileFilter:
    """Selects pictures of a folder: files with the ending of a format whose name does not start with a dot.

    With ``recursive`` those in its subfolders too; links to folders, and to files outside, are not followed. The name,
    or for a pattern with a slash the path from the folder, must match a pattern of ``include`` such as ``*.tif`` or
    ``raw/*``, if there are any. It, and the folders on the way, must match none of ``exclude``.
    """

    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: str) -> bool:
        """Return whether a file, by its path from the folder, is selected."""
        if self.include and not _matches(path, self.include):
            return False
        return not self.leaves_out(path)

    def leaves_out(self, path: str) -> bool:
        """Return whether a file or folder, by its path from the folder, is excluded."""
        return _matches(path, self.exclude)


def _matches(path: str, patterns: Iterable[str]) -> bool:
    name = path.rpartition("/")[2]
    for pattern in patterns:
        posix = pattern.replace(os.sep, "/").rstrip("/")
        if fnmatch(path if "/" in posix else name, posix):
            return True
    return False


@dataclass(frozen=True)
class Naming:
    """Where results go: ``{stem}{suffix}{ending}``.

    They are beside their pictures, or in a tree below ``folder`` like that of the pictures. The default ``suffix`` is
    :data:`SUFFIX` beside the pictures and empty in a folder. ``format`` decides the ending; None keeps the picture's.
    """

    folder: Path | None = None
    suffix: str | None = None
    format: str | None = None

    @property
    def effective_suffix(self) -> str:
        """The suffix, or the default one."""
        if self.suffix is not None:
            return self.suffix
        return SUFFIX if self.folder is None else ""

    def target(self, name: str) -> str:
        """Return the name of the result for the name of a picture."""
        stem, ending = split_ending(name)
        if self.format is not None:
            endings = FORMATS[self.format].endings
            if Path(name).suffix.lower() not in endings:
                ending = endings[0]
        return f"{stem}{self.effective_suffix}{ending}"

    def beside_or_below(self, source: Path) -> Path:
        """Return the path of the result of a single picture; that of standard input is standard output."""
        if self.folder is None and source == STREAM:
            return source
        return (self.folder or source.parent) / self.target(source.name)


@dataclass(frozen=True)
class Pair:
    """A picture and its result."""

    source: Path
    target: Path
    relative: Path  # from the folder that was named


@dataclass(frozen=True)
class Branch:
    """Pictures of one folder, whose results go into one folder."""

    source: Path
    target: Path
    relative: Path  # from the folder that was named
    names: list[str]


@dataclass
class Plan:
    """All pairs, in the order of the inputs and within folders by name."""

    naming: Naming
    branches: list[Branch] = field(default_factory=list)
    clashes: list[tuple[Pair, OutputError]] = field(default_factory=list)  # what is not denoised, and why
    overlooked: Counter[str] = field(default_factory=Counter)  # the other files, counted by reason
    subfolders: int = 0  # that were not entered

    def __len__(self) -> int:
        """Return the number of pairs."""
        return sum(len(branch.names) for branch in self.branches)

    def pairs(self, shard: tuple[int, int] = (1, 1)) -> Iterator[Pair]:
        """Iterate over the pairs, or over part K of N, to which a picture belongs by its path alone."""
        for branch in self.branches:
            for name in branch.names:
                if is_in_shard(branch.relative / name, shard):
                    yield self._pair(branch, name)

    def _pair(self, branch: Branch, name: str) -> Pair:
        target = branch.target / self.naming.target(name)
        return Pair(branch.source / name, target, branch.relative / name)

    def refuse(self, branch: Branch, name: str, problem: str, remedy: str) -> None:
        """Note why a picture is not to be denoised."""
        pair = self._pair(branch, name)
        error = OutputError(pair.source, problem, remedy)
        self.clashes.append((pair, error))

    def add(self, source: Path, relative: Path, names: list[str]) -> None:
        """Add pictures of one folder."""
        if self.branches:
            last = self.branches[-1]
            if last.source == source and last.relative == relative:
                last.names.extend(names)
                return
        if names:
            folder = self.naming.folder
            target = source if folder is None else folder / relative
            self.branches.append(Branch(source, target, relative, names))


def plan_files(
    inputs: Sequence[Path],
    naming: Naming = Naming(),
    file_filter: FileFilter = FileFilter(),
    *,
    listed: Iterable[Path] = (),
    are_written: bool = True,
) -> Plan:
    """Return the plan for files and folders; ``are_written`` says whether results will be written.

    In the folder of ``naming`` the result of a file in ``inputs`` is at the top, and the results of a folder are in the
    same tree. The results of ``listed`` files, which need not exist yet, keep the whole path, from the root if it is
    absolute or leads out of the current folder.

    Pictures that have the same result, or whose result is one of the pictures, become the plan's clashes.

    Raises :class:`InputError` if an input is missing or a folder has no picture, :class:`OutputError` if results would
    be pictures to denoise in the next run, and :class:`SettingError` if that could not tell them by their names.
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
        inner = place.relative_to(place.anchor)
        plan.add(path.parent, inner.parent, [path.name])
    _set_clashes_apart(plan, are_written=are_written)
    return plan


def is_folder(path: Path) -> bool:
    """Return whether a path leads to a folder; False for one that the system refuses, such as for its length."""
    return os.path.isdir(path)  # noqa: PTH112 (Path.is_dir raises then)


def counterpart(reference: Path, relative: Path) -> Path:
    """Return ``reference``, or if it is a folder the file in it with the path of a picture and any ending."""
    if not is_folder(reference):
        return reference
    same = reference / relative
    stem, _ = split_ending(same.name)
    endings = (*ENDINGS, ".ome.tif")
    others = [same.with_name(stem + ending) for ending in endings]
    for path in (same, *others):
        if os.path.isfile(path):  # noqa: PTH113 (as above)
            return path
    return same


def _add_folder(plan: Plan, root: Path, file_filter: FileFilter) -> None:
    count = len(plan)
    overlooked = plan.overlooked.copy()
    real_root = Path(os.path.realpath(root))
    suffix = plan.naming.effective_suffix
    named = plan.naming.folder
    output = named and Path(os.path.realpath(named))
    are_beside = output is None or output == real_root
    if are_beside and not suffix:
        problem = f"without one the results in {root} would be pictures to denoise in the next run"
        raise SettingError("suffix", problem, "give such as _denoised, or another --output")
    if output is not None:
        _refuse_results_among_pictures(output, real_root, root, file_filter)
    todo = [""]  # paths from the root, which end with a slash
    while todo:
        folder = todo.pop()
        entries = _list_entries(root / folder, root)
        stems = None
        if not are_beside:
            stems = {split_ending(entry.name)[0] for entry in entries}
        names = []
        subfolders = []
        for entry in entries:
            is_junction = sys.version_info >= (3, 12) and entry.is_junction()  # a kind of link on Windows
            if entry.is_dir(follow_symlinks=False) and not is_junction:
                subfolders.append(folder + entry.name)
                continue
            reason = _reason_to_overlook(entry, real_root, suffix if are_beside else SUFFIX, stems)
            if reason:
                plan.overlooked[reason] += 1
            elif file_filter.takes(folder + entry.name):
                names.append(entry.name)
        plan.add(root / folder, Path(folder), names)
        wanted = [path for path in reversed(subfolders) if _is_wanted(plan, path, file_filter)]
        if file_filter.recursive:
            todo += [f"{path}/" for path in wanted]
        else:
            plan.subfolders += len(wanted)
    if len(plan) == count:
        raise _no_picture(root, file_filter, plan.overlooked - overlooked)


def count_reasons(overlooked: Counter[str]) -> str:
    """Return how many files were left out, and why, in words; an empty text if there are none."""
    reasons = overlooked.most_common()
    parts = [f"{number} {reason}" for reason, number in reasons[:MOST_REASONS]]
    others = sum(number for _, number in reasons[MOST_REASONS:])
    if others:
        parts.append(f"{others} others")
    return ", ".join(parts)


def _no_picture(root: Path, file_filter: FileFilter, overlooked: Counter[str]) -> InputError:
    problem = "there is no picture in it"
    remedy = "check the path"
    if file_filter.recursive:
        problem += " or its subfolders"
    patterns = []
    if file_filter.include:
        patterns.append("--include")
    if file_filter.exclude:
        patterns.append("--exclude")
    if patterns:
        problem += f" that {' and '.join(patterns)} would take"
        remedy = "check the pattern"
    if not file_filter.recursive:
        remedy += ", or look into its subfolders with --recursive"
    problem += f" ({', '.join(ENDINGS)})"
    if overlooked:
        problem += f", but {count_reasons(overlooked)}"
    return InputError(root, problem, remedy)


def _list_entries(folder: Path, root: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        remedy = "check its permissions"
        if folder != root:
            remedy += f", or --exclude {folder.name}"
        raise InputError(folder, f"it cannot be looked into ({error.strerror})", remedy) from error


def _is_wanted(plan: Plan, path: str, file_filter: FileFilter) -> bool:
    if path.rpartition("/")[2].startswith("."):
        plan.overlooked["hidden"] += 1
        return False
    return not file_filter.leaves_out(path)


def _reason_to_overlook(entry: os.DirEntry[str], root: Path, suffix: str, stems: set[str] | None) -> str:
    """Return why a file is no picture to denoise, or nothing.

    Names that end in ``suffix`` are those of results, if ``stems`` has the picture beside it or is None.
    """
    if entry.name.startswith("."):
        return "hidden"
    path = Path(entry.path)
    is_link = entry.is_symlink()
    is_linked_folder = is_link and entry.is_dir()
    if format_by_extension(path) is None and not is_linked_folder:
        return f"{path.suffix or 'without an ending'} (not read)"
    if is_link:
        real = Path(os.path.realpath(path))
        if real.is_dir() or not real.is_relative_to(root):
            return "links to folders or out of the folder"
    stem, _ = split_ending(entry.name)
    has_picture = stems is None or stem.removesuffix(suffix) in stems
    if stem.endswith(suffix) and has_picture:
        return f"named as results are (*{suffix})"
    return ""


def _refuse_results_among_pictures(output: Path, real_root: Path, root: Path, file_filter: FileFilter) -> None:
    """Refuse an output folder inside a tree of pictures: the next run would take its results for pictures."""
    is_inside = output != real_root and output.is_relative_to(real_root)
    if not (file_filter.recursive and is_inside):
        return
    inner = output.relative_to(real_root)
    for folder in (inner, *inner.parents[:-1]):
        if folder.name.startswith(".") or file_filter.leaves_out(folder.as_posix()):
            return  # the next run does not look into it
    problem = f"it lies in {root}, and its results would be pictures to denoise in the next run"
    raise OutputError(output, problem, f"choose a folder outside, or add --exclude {inner.parts[0]}")


def _key(name: str) -> str:
    """Return a name so that those are equal that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()


def is_in_shard(relative: Path, shard: tuple[int, int]) -> bool:
    """Return whether a picture belongs to part K of N. A checksum instead would part numbered names unevenly."""
    part, parts = shard
    if parts == 1:
        return True
    name = os.fsencode(_key(relative.as_posix()))
    digest = hashlib.blake2b(name, digest_size=8).digest()
    return int.from_bytes(digest, "big") % parts == part - 1


def _set_clashes_apart(plan: Plan, *, are_written: bool) -> None:
    """Move pictures that have one result, on any file system, to the clashes; take one that was named twice once."""
    real = cache(os.path.realpath)
    remedy = "rename one, or leave it out, such as with --exclude"
    pictures: dict[str, set[str]] = defaultdict(set)  # keys of names by folder
    for branch in plan.branches:
        folder = _key(real(branch.source))
        pictures[folder].update(map(_key, branch.names))
    owners: dict[tuple[str, str], tuple[Branch, str]] = {}  # who has a result, by folder and name
    for branch in plan.branches:
        source = real(branch.source)
        folder = _key(real(branch.target))
        names = branch.names.copy()
        branch.names.clear()
        for name in names:
            key = _key(plan.naming.target(name))
            if not are_written:
                key = f"{source}/{name}"  # only the same picture twice is a clash
            elif key in pictures[folder]:
                problem = "its result would be another of the pictures to denoise"
                plan.refuse(branch, name, problem, "choose another --output or --suffix")
                continue
            own = (branch, name)
            first = owners.setdefault((folder, key), own)
            if first is own:
                branch.names.append(name)
                continue
            other, other_name = first
            if other_name == name and real(other.source) == source:
                plan.overlooked["named twice"] += 1
                continue
            same_result = "its result would be that of {} too"
            plan.refuse(branch, name, same_result.format(other.source / other_name), remedy)
            if other_name in other.names:  # it is the first clash of the other
                other.names.remove(other_name)
                plan.refuse(other, other_name, same_result.format(branch.source / name), remedy)

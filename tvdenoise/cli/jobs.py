"""From what is typed to jobs: where each result goes, and what is refused before any work."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tvdenoise.cli import many, messages, one, values
from tvdenoise.cli.arguments import Arguments
from tvdenoise.errors import InputError, OutputError, SettingError
from tvdenoise.files.job import Job
from tvdenoise.files.plan import FileFilter, Naming, Pair, counterpart, is_folder, plan_files
from tvdenoise.images import STREAM, WriteOptions, check_source, format_by_extension
from tvdenoise.options.settings import doubt_weight

SEPARATORS = ("/", os.sep)  # at the end of a path that is meant to be a folder


def denoise_files(arguments: Arguments) -> int:
    """Denoise the pictures that are named, and return the exit code."""
    _check_output(arguments)
    make_job = _prepare_jobs(arguments)
    # For several pictures only, but what is wrong in them is told of one, too.
    values.parse_shard(arguments.shard)
    values.parse_workers(arguments.jobs)
    folder = None if arguments.output is None else Path(arguments.output)
    suffix = values.parse_suffix(arguments.suffix)
    naming = Naming(folder, suffix, values.parse_format(arguments.format_))
    if arguments.reference is not None and not is_folder(arguments.reference):
        check_source(arguments.reference, "reference")
    inputs = values.expand_patterns(arguments.sources or [])
    if not inputs and arguments.files_from is None:
        raise InputError("INPUT", "there is none", "name a picture or a folder, or --files-from FILE; see --help")
    is_shared_out = arguments.shard is not None or arguments.scheduler is not None
    is_alone = len(inputs) == 1 and arguments.files_from is None and not is_shared_out
    if is_alone and not is_folder(inputs[0]):
        source = inputs[0]
        check_source(source)
        target, makes_folder = _choose_target(source, arguments, naming)
        job = make_job(Pair(source, target, Path(source.name)))
        return one.denoise_one(job, arguments, makes_folder=makes_folder)
    _check_folder(arguments.output, inputs)
    listed = values.read_list(arguments.files_from) if arguments.files_from else []
    include = tuple(arguments.include or ())
    exclude = tuple(arguments.exclude or ())
    file_filter = FileFilter(arguments.recursive, include, exclude)
    plan = plan_files(inputs, naming, file_filter, listed=listed)
    return many.denoise_many(plan, make_job, arguments)


def _check_output(arguments: Arguments) -> None:
    """Refuse an output that is no path, or a standard output that cannot take the picture."""
    output = arguments.output
    if output == "":
        raise OutputError("''", "an empty path names no file", "check what was to be in it, or give ./ for this folder")
    is_piped = output is None and arguments.sources == [Path("-")]
    if not is_piped and output != "-":
        return
    if arguments.as_json:
        raise SettingError("json", "the picture goes to standard output itself", "name a file with --output")
    if sys.stdout.isatty():
        raise OutputError("-", "standard output is a terminal", "send it on with > or |, or name a file")


def _prepare_jobs(arguments: Arguments) -> Callable[[Pair], Job]:
    """Return what makes a job of a picture and the place of its result."""
    settings, file_sigma = values.parse_settings(arguments.given, arguments.preset)
    is_fraction = values.is_fraction(arguments.given["weight"])
    doubt = doubt_weight(settings)
    if doubt is not None and not is_fraction and not arguments.quiet:
        messages.note(doubt)
    format_ = values.parse_format(arguments.format_)
    memory = values.parse_memory(arguments.memory)
    reading = values.parse_reading(arguments.axes, arguments.scale, arguments.max_pixels, arguments.nonfinite)
    reading = replace(reading, nodata=values.parse_nodata(arguments.nodata), strict=arguments.strict)
    quality = arguments.quality
    if quality is not None and not 1 <= quality <= 100:
        raise SettingError("quality", f"{quality} is not between 1 and 100", "give such as 90, or leave it out")
    writing = WriteOptions(
        format_,
        allow_loss=arguments.allow_loss,
        metadata=not arguments.no_metadata,
        quality=quality,
        subsampling=arguments.subsampling,
    )
    pages = values.parse_pages(arguments.pages)
    threads = arguments.threads

    def make_job(pair: Pair) -> Job:
        clean = arguments.reference and counterpart(arguments.reference, pair.relative)
        return Job(pair.source, pair.target, settings, clean, file_sigma, reading, writing, pages, memory, threads)

    return make_job


def _choose_target(source: Path, arguments: Arguments, naming: Naming) -> tuple[Path, bool]:
    """Return where the result of a single picture goes, and whether that is in a folder that may have to be made."""
    output = arguments.output
    if output is None:
        return naming.beside_or_below(source), False
    if output.endswith(SEPARATORS) or is_folder(Path(output)):
        return naming.beside_or_below(source), True
    # As for several pictures, of which a pattern may find one. Standard input has no name to be had in a folder.
    has_ending = Path(output).suffix != ""
    if not has_ending and STREAM not in (source, Path(output)):
        if os.path.lexists(output):
            problem = "it is a file, and a name without an ending is that of a folder"
            raise OutputError(output, problem, "name another folder, or end it as a picture does")
        return naming.beside_or_below(source), True
    if arguments.suffix is not None:
        remedy = "leave it out, or let --output be a folder"
        raise SettingError("suffix", "the result has a name of its own", remedy)
    return Path(output), False


def _check_folder(output: str | None, inputs: list[Path]) -> None:
    """Refuse what cannot be the folder of several results, or hardly was meant to be."""
    # Two names of which the second is missing: as `cp` takes them, it would be the result.
    are_there = [os.path.lexists(path) for path in inputs]
    if output is None and are_there == [True, False]:
        remedy = "check the path, or put -o before the name of a result"
        raise InputError(inputs[1], "there is no such file", remedy)
    if output is None or is_folder(Path(output)):
        return
    if output == "-":
        raise OutputError("-", "standard output holds one picture, not several", "name a folder")
    if os.path.lexists(output):
        raise OutputError(output, "it is a file, and there may be more than one picture", "name a folder")
    names_picture = format_by_extension(Path(output)) is not None
    if names_picture and not output.endswith(SEPARATORS):
        problem = "it ends as a picture does, and there may be more than one"
        raise OutputError(output, problem, "name a folder, with a / at its end if it is to be called so")

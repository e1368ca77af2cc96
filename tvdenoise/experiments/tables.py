"""Rows of a sweep in tables: the mean PSNR by lambda, and the best lambda of each picture."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tvdenoise.files.rows import RowDict

VARIED = ("noise", "tv", "color", "chroma_given", "optimizer")
"""What a column of the tables stands for, as far as it varies."""

PLACES = 4
"""Digits of lambda."""

AUTO = "auto"
"""Stands for a lambda that was chosen, behind the strength if that is not 1."""


@dataclass(frozen=True)
class Table:
    """A title, a header, and lines of cells."""

    title: str
    header: Sequence[str]
    body: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return it in Markdown."""
        lines = [self.header, ["---"] * len(self.header), *map(_cells, self.body)]
        rows = ("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
        return f"{self.title}\n\n" + "\n".join(rows)

    def text(self) -> str:
        """Return it in columns."""
        body = list(map(_cells, self.body))
        widths = [max(map(len, column)) for column in zip(self.header, *body, strict=True)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in (self.header, *body)
        ]
        return "\n".join([self.title, *(line.rstrip() for line in lines)])


def _cells(line: Sequence[str]) -> list[str]:
    """Return a line whose names of files break no line."""
    return [" ".join(cell.splitlines()) for cell in line]


def summary_tables(rows: Iterable[RowDict]) -> list[Table]:
    """Return both tables for rows that have a PSNR; infinite ones are left out of means, unless all are."""
    measured = by_model([row for row in rows if row["status"] == "done" and row["psnr_after"] is not None])
    if not measured:
        return []
    names = varied(measured)
    groups = list(dict.fromkeys(group_of(row, names) for row in measured))
    by_lambda: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    by_picture: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in measured:
        group, weight = group_of(row, names), _lambda(row)
        by_lambda[group][weight].append(row["psnr_after"])
        by_picture[row["input"], group][weight].append(row["psnr_after"])
    return [_by_lambda(by_lambda, groups), _best(by_picture, groups)]


def _by_lambda(found: Mapping[str, Mapping[str, list[float]]], groups: Sequence[str]) -> Table:
    weights = sorted(set().union(*found.values()), key=_place)
    means = {group: {weight: _mean(values) for weight, values in found[group].items()} for group in groups}

    def cell(weight: str, group: str) -> str:
        if weight not in means[group]:
            return "-"
        is_best = means[group][weight] == max(means[group].values()) and len(weights) > 1
        return f"{means[group][weight]:.2f}" + (" *" if is_best else "  ")

    body = [[weight, *(cell(weight, group) for group in groups)] for weight in weights]
    return Table("Mean PSNR in dB by lambda (*: the best)", ["lambda", *groups], body)


def _best(found: Mapping[tuple[str, str], Mapping[str, list[float]]], groups: Sequence[str]) -> Table:
    def cell(name: str, group: str) -> str:
        if (name, group) not in found:
            return "-"
        psnr, weight = max((_mean(values), weight) for weight, values in found[name, group].items())
        return f"{weight}: {psnr:.2f}"

    names = dict.fromkeys(name for name, _ in found)
    body = [[name, *(cell(name, group) for group in groups)] for name in names]
    return Table("The best lambda of each picture, and its PSNR", ["picture", *groups], body)


def _mean(values: Sequence[float]) -> float:
    return fmean(list(filter(math.isfinite, values)) or values)


def by_model(rows: Sequence[RowDict]) -> list[RowDict]:
    """Return the rows, those of gray pictures once for every colour model: their results are the same by all."""
    names = ("color", "chroma_given")
    models = {tuple(row[name] for name in names): None for row in rows if not _is_gray(row)}
    spread = [dict(zip(names, model, strict=True)) for model in models] or [{}]
    return [{**row, **model} for row in rows for model in (spread if _is_gray(row) else [{}])]


def _is_gray(row: RowDict) -> bool:
    sides = dict(zip(row["axes"], row["shape"], strict=False))
    return sides.get("S", sides.get("C", 1)) == 1


def varied(rows: Sequence[RowDict]) -> list[str]:
    """Return what varies among rows; the optimizer does not where the model alone decides which it is."""
    models: dict[tuple[str, str, bool], set[str]] = defaultdict(set)
    for row in rows:
        models[row["tv"], row["color"], _is_gray(row)].add(row["optimizer"])
    is_given = max(map(len, models.values()), default=0) > 1
    return [name for name in VARIED if len({row[name] for row in rows}) > 1 and (name != "optimizer" or is_given)]


def group_of(row: RowDict, names: Sequence[str]) -> str:
    """Return what a row has for some names."""
    parts = [
        "none" if row[name] is None else f"chroma {row[name]}" if name == "chroma_given" else row[name]
        for name in names
    ]
    return ", ".join(parts) or "PSNR"


def _lambda(row: RowDict) -> str:
    if not row["criterion"]:
        return f"{row['lambda']:.{PLACES}g}"
    return AUTO if row["strength"] == 1 else f"{row['strength']:g} {AUTO}"


def _place(weight: str) -> tuple[bool, float]:
    """Return where a lambda stands among others: those chosen come last, by their strength."""
    is_chosen = weight.endswith(AUTO)
    return is_chosen, float(weight.removesuffix(AUTO) or 1)

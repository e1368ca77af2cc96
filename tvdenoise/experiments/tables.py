"""Rows of a sweep in tables: the mean PSNR by lambda, and the best lambda of each picture."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tvdenoise.files.rows import RowDict

VARIED = ("noise", "tv", "color", "chroma_given", "optimizer")  # the keys that columns stand for
AUTO = "auto"  # the label of a chosen lambda, behind the strength if that is not 1


@dataclass(frozen=True)
class Table:
    """A title, a header, and lines of cells."""

    title: str
    header: Sequence[str]
    body: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        rule = ["---" for _ in self.header]
        text = f"{self.title}\n"
        for line in (self.header, rule, *self.body):
            cells = " | ".join(cell.replace("|", r"\|") for cell in line)
            text += f"\n| {cells} |"
        return text

    def text(self) -> str:
        """Return the table in columns, the first of them aligned left."""
        lines = [self.header, *self.body]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = self.title
        for first, *others in lines:
            cells = [first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]
            text += "\n" + "  ".join(cells).rstrip()
        return text


def summary_tables(rows: Iterable[RowDict]) -> list[Table]:
    """Return both tables for rows that have a PSNR; infinite ones are left out of means, unless all are."""
    measured = [row for row in rows if row["status"] == "done" and row["psnr_after"] is not None]
    if not measured:
        return []
    groups = group_rows(measured)
    means = [_mean_psnr(own) for own in groups.values()]
    labels = sorted(set().union(*means), key=_sort_key)
    by_lambda = [[label] + [_format_mean(own, label) for own in means] for label in labels]
    best = []
    for picture in dict.fromkeys(row["input"] for row in measured):
        title = " ".join(picture.splitlines())
        best.append([title] + [_find_best(own, picture) for own in groups.values()])
    return [
        Table("Mean PSNR in dB by lambda (*: the best)", ["lambda", *groups], by_lambda),
        Table("The best lambda of each picture, and its PSNR", ["picture", *groups], best),
    ]


def _mean_psnr(rows: Iterable[RowDict]) -> dict[str, float]:
    """Return the mean PSNR by the label of lambda."""
    values = defaultdict(list)
    for row in rows:
        values[_label(row)].append(row["psnr_after"])
    return {label: fmean(list(filter(math.isfinite, found)) or found) for label, found in values.items()}


def _format_mean(means: Mapping[str, float], label: str) -> str:
    if label not in means:
        return "-"
    # Of a single lambda it says nothing that it is the best.
    is_best = len(means) > 1 and means[label] == max(means.values())
    return f"{means[label]:.2f} *" if is_best else f"{means[label]:.2f}  "


def _find_best(rows: Iterable[RowDict], picture: str) -> str:
    means = _mean_psnr(row for row in rows if row["input"] == picture)
    if not means:
        return "-"
    label = max(means, key=lambda label: (means[label], label))
    return f"{label}: {means[label]:.2f}"


def group_rows(rows: Sequence[RowDict]) -> dict[str, list[RowDict]]:
    """Return the rows by the values that vary among them: each group is a column of a table, or a curve.

    Rows of gray pictures are in the groups of all colour models, as their results are the same by all.
    """
    models = dict.fromkeys((row["color"], row["chroma_given"]) for row in rows if not _is_gray(row))
    repeated: list[RowDict] = []
    for row in rows:
        if models and _is_gray(row):
            repeated += [{**row, "color": color, "chroma_given": chroma} for color, chroma in models]
        else:
            repeated.append(row)
    names = _find_varied(repeated)
    groups = defaultdict(list)
    for row in repeated:
        words = [_describe(row, name) for name in names]
        groups[", ".join(words) or "PSNR"].append(row)
    return groups


def _is_gray(row: RowDict) -> bool:
    sides = dict(zip(row["axes"], row["shape"], strict=False))
    return sides.get("S", sides.get("C", 1)) == 1


def _find_varied(rows: Sequence[RowDict]) -> list[str]:
    """Return the keys of which the rows have several values."""
    names = [name for name in VARIED if len({row[name] for row in rows}) > 1]
    # Left to "auto", the optimizer follows from the model, and says nothing more.
    models = {(row["tv"], row["color"], _is_gray(row)) for row in rows}
    pairs = {(row["tv"], row["color"], _is_gray(row), row["optimizer"]) for row in rows}
    if "optimizer" in names and len(pairs) == len(models):
        names.remove("optimizer")
    return names


def _describe(row: RowDict, name: str) -> str:
    if row[name] is None:
        return "none"
    prefix = {"chroma_given": "chroma "}.get(name, "")
    return f"{prefix}{row[name]}"


def _label(row: RowDict) -> str:
    """Return what tables call the lambda of a row."""
    if not row["criterion"]:
        return f"{row['lambda']:.4g}"
    return AUTO if row["strength"] == 1 else f"{row['strength']:g} {AUTO}"


def _sort_key(label: str) -> tuple[bool, float]:
    """Return where a lambda stands among others: those chosen come last, by their strength."""
    return label.endswith(AUTO), float(label.removesuffix(AUTO) or 1)

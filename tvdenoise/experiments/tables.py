"""Rows of a sweep in tables: the mean PSNR by lambda, and the best lambda of each picture."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from tvdenoise.files.rows import RowDict
from tvdenoise.options.settings import OPTIONS

# The keys that columns stand for: noise, and every setting that sweeps vary; lambda and its strength make the lines.
VARIED = [name for name, option in OPTIONS.items() if option.is_varied and name not in ("weight", "strength")]
VARIED = ["noise", *("chroma_given" if name == "chroma" else name for name in VARIED)]

AUTO = "auto"  # the label of a chosen lambda, behind the strength if that is not 1


@dataclass(frozen=True)
class Table:
    """A title, a header, and lines of cells."""

    title: str
    header: Sequence[str]
    body: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        rule = ["---"] * len(self.header)
        text = self.title + "\n"
        for line in (self.header, rule, *self.body):
            cells = [cell.replace("|", r"\|") for cell in line]
            text += f"\n| {' | '.join(cells)} |"
        return text

    def text(self) -> str:
        """Return the table in columns, the first of them aligned left."""
        lines = [self.header, *self.body]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = self.title
        for line in lines:
            cells = list(map(str.rjust, line, widths))
            cells[0] = line[0].ljust(widths[0])
            text += "\n" + "  ".join(cells).rstrip()
        return text


def summary_tables(rows: Iterable[RowDict]) -> list[Table]:
    """Return both tables for rows that have a PSNR; infinite ones are left out of means, unless all are."""
    measured = [row for row in rows if row["status"] == "done" and row["psnr_after"] is not None]
    if not measured:
        return []
    groups = group_rows(measured)
    by_lambda = []
    for label in sorted({_label_lambda(row) for row in measured}, key=_sort_key):
        cells = [_format_mean(own, label) for own in groups.values()]
        by_lambda.append([label, *cells])
    by_picture = []
    for picture in dict.fromkeys(row["input"] for row in measured):
        title = " ".join(picture.splitlines())
        cells = [_find_best(own, picture) for own in groups.values()]
        by_picture.append([title, *cells])
    return [
        Table("Mean PSNR in dB by lambda (*: the best)", ["lambda", *groups], by_lambda),
        Table("The best lambda of each picture, and its PSNR", ["picture", *groups], by_picture),
    ]


def _format_mean(rows: Sequence[RowDict], label: str) -> str:
    means = _mean_psnr_by_lambda(rows)
    if label not in means:
        return "-"
    mean = means[label]
    # A single lambda is the best of itself, which says nothing.
    is_best = len(means) > 1 and mean == max(means.values())
    mark = "*" if is_best else " "
    return f"{mean:.2f} {mark}"


def _find_best(rows: Sequence[RowDict], picture: str) -> str:
    means = _mean_psnr_by_lambda([row for row in rows if row["input"] == picture])
    if not means:
        return "-"
    psnr, label = max(zip(means.values(), means, strict=True))
    return f"{label}: {psnr:.2f}"


def _mean_psnr_by_lambda(rows: Sequence[RowDict]) -> dict[str, float]:
    values = defaultdict(list)
    for row in rows:
        values[_label_lambda(row)].append(row["psnr_after"])
    means = {}
    for label, found in values.items():
        finite = list(filter(math.isfinite, found))
        means[label] = fmean(finite or found)
    return means


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
    optimizers: dict[object, str] = {}
    for row in rows:
        model = row["tv"], row["color"], _is_gray(row)
        if optimizers.setdefault(model, row["optimizer"]) != row["optimizer"]:
            return names
    return [name for name in names if name != "optimizer"]


def _describe(row: RowDict, name: str) -> str:
    value = row[name]
    if value is None:
        return "none"
    return f"chroma {value}" if name == "chroma_given" else str(value)


def _label_lambda(row: RowDict) -> str:
    if not row["criterion"]:
        return f"{row['weight']:.4g}"
    if row["strength"] == 1:
        return AUTO
    return "{strength:g} auto".format_map(row)


def _sort_key(label: str) -> tuple[bool, float]:
    """Return where a lambda stands among others: those chosen come last, by their strength."""
    return label.endswith(AUTO), float(label.removesuffix(AUTO) or 1)

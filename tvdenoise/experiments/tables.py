"""Rows of a sweep in tables: the mean figures of every setting, and the best lambda of each picture."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from statistics import fmean, stdev

from tvdenoise.files.rows import RowDict, RowDicts
from tvdenoise.options.settings import OPTIONS

# The keys that columns stand for: noise, and every setting that sweeps vary; lambda and its strength make the lines.
VARIED = ["noise"]
VARIED += [name for name, option in OPTIONS.items() if option.is_varied and name not in ("weight", "strength")]
VARIED[VARIED.index("chroma")] = "chroma_given"  # as rows call it

AUTO = "auto"  # the label of a chosen lambda, behind the strength if that is not 1

LARGEST = 10**300
EVERY = "all"  # the name of an only group
Combine = Callable[[Sequence[float]], float]

# Characters that mean something else to LaTeX, and how they are written there.
LATEX = {character: f"\\{character}" for character in "&%$#_{}"}
LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}


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

    def latex(self) -> str:
        """Return the table in LaTeX, as a ``tabular`` that needs no package, under its title as a comment."""
        escapes = str.maketrans(LATEX)
        numbers = len(self.header) - 1
        columns = "l" + "r" * numbers
        lines = [f"% {self.title}", rf"\begin{{tabular}}{{{columns}}}"]
        for line in (self.header, *self.body):
            cells = [cell.translate(escapes) for cell in line]
            lines.append(rf"{' & '.join(cells)} \\")
        lines.insert(3, r"\hline")
        return "\n".join([*lines, r"\end{tabular}"])

    def text(self) -> str:
        """Return the table in columns, the first of them aligned left."""
        lines = [self.header, *self.body]
        columns = zip(*lines, strict=True)
        widths = [max(map(len, column)) for column in columns]
        text = self.title
        for line in lines:
            cells = list(map(str.rjust, line, widths))
            cells[0] = line[0].ljust(widths[0])
            text += "\n" + "  ".join(cells).rstrip()
        return text


def summary_tables(rows: Iterable[RowDict]) -> list[Table]:
    """Return a table of all settings, and where rows have a PSNR another of the best lambdas."""
    done = [row for row in rows if row["status"] == "done"]
    measured = [row for row in done if row["psnr_after"] is not None]
    tables = []
    if done:
        tables.append(_list_settings(done))
    if measured:
        tables.append(_list_best(measured))
    return tables


def _list_settings(rows: RowDicts) -> Table:
    """Return a line for each setting and each lambda, without columns that would say nothing."""
    lines = []
    for group, own in group_rows(rows).items():
        by_label = _group_by_lambda(own)
        best = _find_best_label(by_label)
        for label in sorted(by_label, key=_sort_key):
            is_best = label == best and len(by_label) > 1
            mark = "*" if is_best else ""
            cells = [summarise(by_label[label]) for summarise in COLUMNS.values()]
            lines.append([group, label, mark, *cells])
    header = ["setting", "lambda", "best", *COLUMNS]
    columns = zip(*lines, strict=True)
    nothing = {"", "-", EVERY}
    is_told = [not nothing.issuperset(column) for column in columns]
    body = [list(compress(line, is_told)) for line in lines]
    title = "Means over pictures and seeds; of certified distances the largest"
    return Table(title, list(compress(header, is_told)), body)


def _list_best(rows: RowDicts) -> Table:
    """Return a line for each picture."""
    groups = group_rows(rows)
    body = []
    pictures = dict.fromkeys(row["input"] for row in rows)
    for picture in pictures:
        title = " ".join(picture.splitlines())
        cells = [_find_best(own, picture) for own in groups.values()]
        body.append([title, *cells])
    return Table("The best lambda of each picture, and its PSNR", ["picture", *groups], body)


def _find_best(rows: RowDicts, picture: str) -> str:
    own = [row for row in rows if row["input"] == picture]
    by_label = _group_by_lambda(own)
    label = _find_best_label(by_label)
    if label is None:
        return "-"
    psnr = _summarise(by_label[label], "psnr_after", ".2f")
    return f"{label}: {psnr}"


def _find_best_label(by_label: Mapping[str, RowDicts]) -> str | None:
    """Return the lambda of the highest mean PSNR, if any run has one."""
    means = {}
    for label, own in by_label.items():
        values = _known(own, "psnr_after")
        if values:
            means[label] = _mean(values)
    return max(means, key=means.__getitem__, default=None)


def _group_by_lambda(rows: Iterable[RowDict]) -> dict[str, list[RowDict]]:
    groups = defaultdict(list)
    for row in rows:
        groups[_label_lambda(row)].append(row)
    return groups


def _known(rows: Iterable[RowDict], key: str) -> list[float]:
    values = [row[key] for row in rows if row[key] is not None]
    # Whole numbers of foreign rows may be too large for a float.
    return [value if isinstance(value, float) else min(value, LARGEST) for value in values]


def _mean(values: Sequence[float]) -> float:
    """Return the mean of those that are finite, unless none is."""
    finite = list(filter(math.isfinite, values))
    return fmean(finite or values)


def _summarise(rows: Iterable[RowDict], key: str, digits: str, combine: Combine = _mean) -> str:
    values = _known(rows, key)
    return format(combine(values), digits) if values else "-"


def _spread(rows: Iterable[RowDict]) -> str:
    """Return the standard deviation, over seeds, of the mean PSNR over pictures."""
    by_seed = defaultdict(list)
    for row in rows:
        by_seed[row["seed"]].append(row)
    known = [_known(own, "psnr_after") for own in by_seed.values()]
    means = [_mean(values) for values in known if values]
    if len(means) < 2 or math.inf in means:
        return "-"
    return f"{stdev(means):.3f}"


COLUMNS: Mapping[str, Callable[[RowDicts], str]] = {
    "PSNR (dB)": partial(_summarise, key="psnr_after", digits=".2f"),
    "std over seeds": _spread,
    "SSIM": partial(_summarise, key="ssim_after", digits=".4f"),
    "seconds": partial(_summarise, key="seconds", digits=".3f"),
    "steps": partial(_summarise, key="steps", digits=".0f"),
    "certified within": partial(_summarise, key="rms_bound", digits="#.2g", combine=max),  # true of all
}
"""What is said of runs that differ in picture and seed alone, by its heading."""


def group_rows(rows: RowDicts) -> dict[str, list[RowDict]]:
    """Return the rows by the values that vary among them: each group is a column of a table, or a curve.

    Rows of gray pictures are in the groups of all colour models, as their results are the same by all.
    """
    coloured = [row for row in rows if not _is_gray(row)]
    models = dict.fromkeys((row["color"], row["chroma_given"]) for row in coloured)
    repeated: list[RowDict] = []
    for row in rows:
        if models and _is_gray(row):
            for color, chroma in models:
                repeated.append({**row, "color": color, "chroma_given": chroma})
        else:
            repeated.append(row)
    names = _find_varied(repeated)
    groups = defaultdict(list)
    for row in repeated:
        words = [_describe(row, name) for name in names]
        group = ", ".join(words) or EVERY
        groups[group].append(row)
    return groups


def name_runs(rows: RowDicts) -> dict[str, RowDict]:
    """Return runs of a picture by what tells them apart."""
    names = _find_varied(rows)
    runs: dict[str, RowDict] = {}
    for row in rows:
        words = [_describe(row, name) for name in names]
        words.append(f"lambda {_label_lambda(row)}")
        runs.setdefault(", ".join(words), row)
    return {_add_psnr(name, row): row for name, row in runs.items()}


def _add_psnr(name: str, row: RowDict) -> str:
    if row["psnr_after"] is None:
        return name
    return f"{name}: {row['psnr_after']:.2f} dB"


def _is_gray(row: RowDict) -> bool:
    sides = dict(zip(row["axes"], row["shape"], strict=False))
    return sides.get("S", sides.get("C", 1)) == 1


def _find_varied(rows: RowDicts) -> list[str]:
    """Return the keys of which the rows have several values."""
    names = []
    for name in VARIED:
        values = {row[name] for row in rows}
        if len(values) > 1:
            names.append(name)
    # Left to "auto", the optimizer follows from the model, and says nothing more.
    optimizers: dict[object, str] = {}
    for row in rows:
        model = row["tv"], row["color"], row["noise_model"], _is_gray(row)
        optimizer = row["optimizer"]
        if optimizers.setdefault(model, optimizer) != optimizer:
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
    number = label.removesuffix(AUTO) or 1
    return label.endswith(AUTO), float(number)

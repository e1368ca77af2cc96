"""Options that several commands have."""

from collections.abc import Callable
from typing import Annotated

import typer


def one_of(*names: str) -> Callable[[str], list[str]]:
    """Return what completes one of some names in a shell."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def some_of(*names: str) -> Callable[[str], list[str]]:
    """Return what completes the last of a list of some names."""

    def completed(incomplete: str) -> list[str]:
        listed, comma, last = incomplete.rpartition(",")
        return [f"{listed}{comma}{name}" for name in names if name.startswith(last)]

    return completed


Axes = Annotated[
    str | None,
    typer.Option(
        metavar="LETTERS",
        help="Name the axes of an array or a TIFF: Y, X, S or C for colours, others for pages. Default: what it says.",
        rich_help_panel="Input",
    ),
]

Range = Annotated[
    str | None,
    typer.Option(
        "--range",
        metavar="LO,HI",
        help="The numbers that stand for 0 and 1. Default: the type's range; floats beyond -1 to 2, their own.",
        rich_help_panel="Input",
    ),
]

MaxPixels = Annotated[
    int | None,
    typer.Option(metavar="INTEGER", help="Refuse pictures of more pixels per page [2^30].", rich_help_panel="Input"),
]

Volume = Annotated[
    bool,
    typer.Option(
        "--volume",
        help="Couple the slices of a stack along its depth too, instead of denoising them one by one.",
        rich_help_panel="Model",
    ),
]

Spacing = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER",
        help="Distance between the slices of a volume, in pixel widths: 2.5 for 500 nm where pixels have 200. "
        "Default: what a TIFF of ImageJ or OME tells, else 1.",
        rich_help_panel="Model",
    ),
]

Rate = Annotated[
    float | None,
    typer.Option(
        metavar="FLOAT",
        help="The optimizer's rate; alternating has none. Default: the method's own.",
        rich_help_panel="Solver",
    ),
]

Tolerance = Annotated[
    float | None,
    typer.Option(
        metavar="FLOAT",
        help="The result is certified to lie within this RMS of the exact minimiser, as a fraction of the range. "
        "Default: 0.001, or 0.04 lambda where that is less.",
        rich_help_panel="Solver",
    ),
]

MaxSteps = Annotated[
    int | None,
    typer.Option(
        metavar="INTEGER",
        help="Step limit. Default: 10000 of alternating and fista, 25 of lbfgs, 500 of others.",
        rich_help_panel="Solver",
    ),
]

Device = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="auto (an accelerator, if the picture is worth it), cpu, cuda, cuda:1, mps, xpu.",
        autocompletion=one_of("auto", "cpu", "cuda", "mps", "xpu"),
        rich_help_panel="Solver",
    ),
]

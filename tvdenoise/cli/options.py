"""Options that several commands have."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any

import typer

from tvdenoise.options.settings import DEFAULTS, OPTIONS, PRESETS, Settings, flag_of


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


def setting(name: str, *, in_sweep: bool = False) -> Any:  # noqa: ANN401 (typer's own type of options)
    """Return the declared option of a setting as typer takes it; sweeps take several values of some."""
    option = OPTIONS[name]
    flags = option.flags or (flag_of(name),)
    if in_sweep and option.is_varied:
        return typer.Option(
            *flags,
            metavar="LIST|FROM:TO:COUNT" if name == "weight" else "LIST",
            help=option.list_help,
            autocompletion=some_of(*option.rule.names),
            rich_help_panel="Grid",
        )
    return typer.Option(
        *flags,
        metavar=option.rule.metavar,
        help=option.help if in_sweep else f"{option.help} {option.typed_help}".rstrip(),
        autocompletion=one_of(*option.rule.names),
        rich_help_panel=option.panel,
    )


def with_settings(command: Callable[..., Any], *, in_sweep: bool = False) -> Callable[..., Any]:
    """Return a command with an option for each setting; it gets their values in the argument ``given``, by name.

    What is None is missing there. In a sweep the settings that it varies are the texts of lists.
    """
    own = inspect.signature(command, eval_str=True)
    parameters = []
    for parameter in own.parameters.values():
        if parameter.name == "given":
            parameters += [_parameter(name, in_sweep=in_sweep) for name in OPTIONS]
        else:
            parameters.append(parameter)

    def run(**values: Any) -> Any:  # noqa: ANN401 (typer's values, and the command's result)
        given = {name: values.pop(name) for name in OPTIONS}
        return command(**values, given={name: value for name, value in given.items() if value is not None})

    run.__doc__ = command.__doc__
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


_TEXTS = ("weight", "sigma", "device")
"""The settings that are typed as texts, such as 25/255, whatever they are in Python."""


def _parameter(name: str, *, in_sweep: bool) -> inspect.Parameter:
    """Return the parameter of a command for a setting."""
    kinds = {field.name: field.type for field in fields(Settings)}
    is_list = in_sweep and OPTIONS[name].is_varied
    kind: Any = str if is_list or name in _TEXTS else kinds[name]
    default = DEFAULTS[name]
    if is_list and default is not None:
        default = str(default)
    elif not is_list and any(name in preset and preset[name] != default for preset in PRESETS.values()):
        default = None  # a preset may decide; the help says what it is else
    annotation = Annotated[kind | None, setting(name, in_sweep=in_sweep)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

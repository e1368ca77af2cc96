"""Options that several commands have."""

import inspect
from collections.abc import Callable
from dataclasses import field, fields
from typing import Annotated, Any, TypeVar

import typer

from tvdenoise.cli.values import parse_path
from tvdenoise.options.rules import DeviceName, Number
from tvdenoise.options.settings import DEFAULTS, OPTIONS, Settings, flag_of

_Arguments = TypeVar("_Arguments")

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
        help="The numbers that stand for 0 and 1. Default: the type's range; of floats beyond -1 to 2, or that spread "
        "less than 1/255, their own.",
        rich_help_panel="Input",
    ),
]

MaxPixels = Annotated[
    int | None,
    typer.Option(
        metavar="INTEGER",
        help="Refuse pictures of more pixels per page. Default: 2^29, fewer in files too small to hold so many.",
        rich_help_panel="Input",
    ),
]


def in_panel(panel: str | None) -> Callable[..., Any]:
    """Return what declares a field as an option in a part of the help, by flags and what else Typer takes."""

    def declare(*flags: str, default: object = None, **details: Any) -> Any:  # noqa: ANN401 (as dataclasses' field)
        option = typer.Option(*flags, rich_help_panel=panel, case_sensitive=False, **details)
        return field(default=default, metadata={"option": option})

    return declare


def declare_sources(text: str, **details: Any) -> Any:  # noqa: ANN401 (as dataclasses' field)
    """Return the field of the pictures that are named, with its help."""
    argument = typer.Argument(metavar="INPUT", parser=parse_path, help=text, show_default=False, **details)
    return field(default=None, metadata={"option": argument})


def setting(name: str, *, in_sweep: bool = False) -> Any:  # noqa: ANN401 (typer's own type of options)
    """Return the declared option of a setting as typer takes it; sweeps take several values of some."""
    option = OPTIONS[name]
    metavar = option.rule.metavar
    text = option.help
    panel: str | None = option.panel
    if in_sweep and option.is_varied:
        metavar = "LIST|FROM:TO:COUNT" if name == "weight" else "LIST"
        text = option.list_help
        panel = "Grid"
    elif not in_sweep:
        text = f"{text} {option.typed_help}".rstrip()

    def complete(incomplete: str) -> list[str]:
        """Complete a name, in a list the last one."""
        listed, comma, last = incomplete.rpartition(",")
        return [f"{listed}{comma}{word}" for word in option.rule.names if word.startswith(last)]

    flags = option.flags or (flag_of(name),)
    return typer.Option(
        *flags, metavar=metavar, help=text, autocompletion=complete, rich_help_panel=panel, case_sensitive=False
    )


def with_settings(
    arguments: type[_Arguments], run: Callable[[_Arguments], int], *, in_sweep: bool = False
) -> Callable[..., int]:
    """Return a command that runs a function with the arguments that are typed, and has its docstring for help.

    Each field of the dataclass ``arguments`` declares an option, and ``given`` stands for one of each setting: it gets
    their values by name, without those that are None. In a sweep the settings that it varies are the texts of lists.
    """
    parameters = []
    for own in fields(arguments):  # type: ignore[arg-type]
        if own.name == "given":
            parameters += [_setting_parameter(name, in_sweep=in_sweep) for name in OPTIONS]
        else:
            option = own.metadata.get("option")
            parameters.append(_make_parameter(own.name, own.type, own.default, option))

    def command(**values: Any) -> int:  # noqa: ANN401 (typer's values)
        given = {name: values.pop(name) for name in OPTIONS}
        given = {name: value for name, value in given.items() if value is not None}
        return run(arguments(**values, given=given))  # type: ignore[call-arg]

    # What Typer reads of a command.
    command.__doc__ = run.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _setting_parameter(name: str, *, in_sweep: bool) -> inspect.Parameter:
    kinds: dict[str, Any] = {own.name: own.type for own in fields(Settings)}
    kind = kinds[name]
    default = DEFAULTS[name]
    is_list = in_sweep and OPTIONS[name].is_varied
    # Lists, numbers such as 25/255 and names are read by the rule, which says what is wrong with one.
    if is_list or isinstance(OPTIONS[name].rule, Number | DeviceName):
        kind = str
        default = None if default is None else str(default)
    return _make_parameter(name, kind | None, default, setting(name, in_sweep=in_sweep))


def _make_parameter(name: str, kind: Any, default: object, option: object) -> inspect.Parameter:  # noqa: ANN401
    if option is not None:  # else it is in the type
        kind = Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)

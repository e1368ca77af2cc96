"""An experiment in a TOML file: every option of ``tvdenoise sweep`` by its name."""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from tvdenoise.errors import InputError, reason
from tvdenoise.options.settings import OPTIONS

# Options that a file may write as lists, and those that it means from where it lies.
LISTS = ("noise", "seed", *(name for name, option in OPTIONS.items() if option.is_varied))
PATHS = ("sources", "reference", "out", "report", "plot")


def read(path: Path, context: typer.Context) -> dict[str, Any]:
    """Return what an experiment's file says, by the names of parameters."""
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from error
    except (ValueError, RecursionError) as error:  # the latter of brackets in brackets
        raise InputError(path, f"it is no TOML ({reason(error, named=False)})", "correct it") from error
    parameters = {"inputs": "sources"}  # by the keys that a file may have
    for parameter in context.command.params:
        flags = [option for option in parameter.opts if option.startswith("--")]
        if flags and parameter.name not in ("config", "help"):
            parameters[flags[0].removeprefix("--")] = str(parameter.name)
    found: dict[str, Any] = {}
    for key, value in content.items():
        key = key.replace("_", "-")
        name = parameters.get(key)
        if name is None:
            near = get_close_matches(key, parameters, n=1)
            remedy = f"choose from {', '.join(parameters)}"
            if near:
                remedy = f"did you mean {near[0]}?"
            raise InputError(path, f"{key!r} is unknown", remedy)
        items = value if isinstance(value, list) else [value]
        if name in LISTS:
            value = ",".join(map(str, items))
        elif name == "sources" and items:
            value = [path.parent / str(item) for item in items]
        elif name in PATHS:
            if isinstance(value, list):
                raise InputError(path, f"{key} is not a path", "give one in quotes")
            value = path.parent / str(value)
        found[name] = value
    return found

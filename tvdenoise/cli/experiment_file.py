"""An experiment in a TOML file: every option of ``tvdenoise sweep`` by its name."""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from tvdenoise.errors import InputError, reason
from tvdenoise.options.settings import OPTIONS

LISTED = ("noise", "seed", *(name for name, option in OPTIONS.items() if option.is_varied))
"""Options that are lists, which a file may write as such."""

PATHS = ("sources", "reference", "out", "report", "plot")
"""Options that are paths, which a file means from where it lies."""


def read(path: Path, context: typer.Context) -> dict[str, Any]:
    """Return what an experiment's file says, by the names of parameters."""
    try:
        with path.open("rb") as file:
            said = tomllib.load(file)
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from error
    except (ValueError, RecursionError) as error:  # the latter of brackets in brackets
        raise InputError(path, f"it is no TOML ({reason(error, named=False)})", "correct it") from error
    own: dict[str, str] = {"inputs": "sources"} | {
        option.removeprefix("--"): str(parameter.name)
        for parameter in context.command.params
        for option in parameter.opts
        if option.startswith("--") and parameter.name not in ("config", "help")
    }
    found: dict[str, Any] = {}
    for key, value in said.items():
        key = key.replace("_", "-")
        if key not in own:
            near = get_close_matches(key, own, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(own)}"
            raise InputError(path, f"{key!r} is unknown", remedy)
        name = own[key]
        if name in LISTED:
            value = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        elif name in PATHS:
            if value == [] or (isinstance(value, list) and name != "sources"):
                raise InputError(path, f"{key} is not a path", "give one in quotes")
            places = [path.parent / str(place) for place in (value if isinstance(value, list) else [value])]
            value = places if name == "sources" else places[0]
        found[name] = value
    return found

"""An option is declared once: whatever offers options offers every one, with the default and the rule declared."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from tvdenoise import Grid, denoise
from tvdenoise.errors import SettingError
from tvdenoise.experiments.tables import VARIED
from tvdenoise.files.rows import Row, TrialRow
from tvdenoise.options.rules import Number
from tvdenoise.options.settings import DEFAULTS, OPTIONS, Settings, flag_of

PICTURE = np.zeros((4, 4))
NOT_A_VALUE = object()


@pytest.mark.parametrize("name", OPTIONS)
def test_python_has_its_default_and_its_help(name):
    assert inspect.signature(denoise).parameters[name].default == DEFAULTS[name]
    help_of_denoise = " ".join(inspect.getdoc(denoise).split())
    unit = f" ({OPTIONS[name].unit})" if OPTIONS[name].unit else ""
    assert f" {name}{unit} {OPTIONS[name].help}" in help_of_denoise


@pytest.mark.parametrize("command", [[], ["sweep"]])
def test_commands_offer_all_of_them(command, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = run(*command, "--help")
    assert all(f" {flag_of(name)} " in out for name in OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_all_apply_the_rule(name):
    value = (NOT_A_VALUE,) if OPTIONS[name].is_varied else NOT_A_VALUE
    for use in (Settings, lambda **given: denoise(PICTURE, **given)):
        with pytest.raises(SettingError, match=f"^{name}: <object"):
            use(**{name: NOT_A_VALUE})
    with pytest.raises(SettingError, match=f"^{name}: <object"):
        Grid(**{name: value})


def test_an_option_that_nobody_declared():
    for use in (Settings, Grid, lambda **given: denoise(PICTURE, **given)):
        with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
            use(nothing=1)


def test_rows_have_its_column():
    columns = {name for name, option in OPTIONS.items() if option.is_column}
    assert Settings().columns().keys() == columns
    assert columns <= set(Row.__dataclass_fields__)


def test_rows_tell_runs_of_a_sweep_apart():
    """By all that it varies: lambda and its strength in the lines of tables, all else in their columns."""
    keys = TrialRow("a", None, "done").as_dict().keys()
    assert {"weight", "strength", *VARIED} <= keys
    varied = [name for name, option in OPTIONS.items() if option.is_varied]
    assert len(VARIED) == 1 + len(varied) - 2  # noise, and all but lambda and its strength


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if isinstance(option.rule, Number)])
def test_numbers_may_be_typed_as_fractions(name, run, here):
    for command in (["in.png", "-o", "out.png"], ["sweep", "in.png"]):
        _, _, err = run(*command, flag_of(name), "x/255")
        assert err.startswith(f"tvdenoise: {flag_of(name)}: 'x/255' is n")


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.needs])
def test_what_an_option_needs(name):
    """It is refused without, alone and in a grid, and tried where a grid has it for some of its runs."""
    needs = OPTIONS[name].needs
    value = 0.5
    other = {"weight": 0.1, "color": "rgb", "volume": False}[needs.name]
    with pytest.raises(SettingError, match=f"{name}: {needs.problem}; {needs.remedy}"):
        Settings(**{needs.name: other, name: value})
    assert getattr(Settings(**{needs.name: needs.values[0], name: value}), name) == value
    if not OPTIONS[needs.name].is_varied:
        return
    given = {name: (value,) if OPTIONS[name].is_varied else value}
    with pytest.raises(SettingError, match=f"{name}: {needs.problem}"):
        Grid(**given, **{needs.name: (other,)})
    without, with_it = Grid(**given, **{needs.name: (other, needs.values[0])}).settings()
    assert (getattr(without, name), getattr(with_it, name)) == (DEFAULTS[name], value)


def test_all_runs_of_a_grid_have_one_model():
    """Where nothing is said of it: the best if every lambda is chosen, else the plainest."""
    grids = {
        ("isotropic", "auto"): [Grid(), Grid(strength=(0.7, 1.5))],
        ("anisotropic", "rgb"): [Grid((0.1, "auto")), Grid((0.1, 0.2))],
        ("isotropic", "rgb"): [Grid((0.1, "auto"), tv=("isotropic",))],
    }
    for model, of_that in grids.items():
        assert {(run.tv, run.color) for grid in of_that for run in grid.settings()} == {model}


def test_numbers_of_any_library_become_pythons():
    settings = Settings(np.float32(0.5), max_steps=np.int64(3))
    assert (type(settings.weight), type(settings.max_steps)) == (float, int)
    assert Settings(device=torch.device("cpu")).device == "cpu"
    with pytest.raises(SettingError, match=r"tol: 1000.*is not a finite number above 0"):
        replace(settings, tol=10**400)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_steps", 10**400), ("device", torch.float32), ("volume", np.zeros(2)), ("weight", np.zeros(2))],
)
def test_odd_values_are_refused_in_a_line(name, value):
    for use in (
        Settings,
        lambda **given: Grid(**{key: (one,) if OPTIONS[key].is_varied else one for key, one in given.items()}),
    ):
        with pytest.raises(SettingError, match=f"^{name}: "):
            use(**{name: value})


@pytest.mark.parametrize("values", [np.array(0.5), torch.tensor(0.5), 0.5, "0.5"])
def test_one_value_is_not_several(values):
    with pytest.raises(SettingError, match=r"^weight: .* is not several values; give such as"):
        Grid(weight=values)

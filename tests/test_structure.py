"""The structure that CONTRIBUTING describes, read from the code."""

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import tvdenoise
from tvdenoise.methods import METHODS, NOT_OFFERED
from tvdenoise.rows import FILE_RULES, Figures
from tvdenoise.sweeping import TrialRow

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tvdenoise"


def room_of(path: Path) -> str:
    """The module or sub-package directly in the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Rooms of this package and third-party modules that a file imports, wherever in it the statement stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            top, *rest = name.split(".")
            if top == "tvdenoise":
                found.add(
                    rest[0] if (PACKAGE / rest[0]).is_dir() or (PACKAGE / f"{rest[0]}.py").exists() else "tvdenoise"
                )
            elif top not in sys.stdlib_module_names:
                found.add(top)
    return found - {room_of(path)}


def layers() -> dict[str, set[str]]:
    """The table of CONTRIBUTING: room -> what it may import."""
    rows = re.findall(r"^\| `([\w/]+)` \|.*\| ([^|]*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    return {room.rstrip("/"): set(re.findall(r"\w+", allowed)) for room, allowed in rows}


def test_every_key_of_a_row_is_documented():
    told = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "experiments.md").read_text()))
    assert set(TrialRow("a", None, "done").as_dict()) <= told


def test_imports_go_downward_only():
    table = layers()
    order = list(table)
    files = [path for path in PACKAGE.rglob("*.py") if room_of(path) not in ("__init__", "__main__")]
    assert {room_of(path) for path in files} == set(table)
    for path in files:
        room = room_of(path)
        for name in imports(path):
            if name in table:
                assert order.index(name) < order.index(room), f"{path} imports {name}, which stands above it"
            assert name in table[room] | {"tvdenoise"}, f"{path} imports {name}: not in CONTRIBUTING's table"


def test_table_allows_no_more_than_is_used():
    for room, allowed in layers().items():
        files = [path for path in PACKAGE.rglob("*.py") if room_of(path) == room]
        assert allowed == set().union(*(imports(path) for path in files)) - {"tvdenoise"}, room


def test_importing_the_package_loads_no_torch():
    program = "import sys, tvdenoise; tvdenoise.__version__; dir(tvdenoise); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"


def test_every_public_name_is_there():
    """None is a room's too, which would take its place once that is imported."""
    assert set(tvdenoise.__all__) <= set(dir(tvdenoise))
    assert all(hasattr(tvdenoise, name) for name in tvdenoise.__all__)
    assert not {path.stem for path in PACKAGE.iterdir()} & set(tvdenoise.__all__)


def test_readme_lists_the_methods():
    readme = (ROOT / "README.md").read_text()
    for name, method in METHODS.items():
        assert f"| `{name}` | {method.help} |" in readme
    for name, reason in NOT_OFFERED.items():
        assert f"| `{name}` | not offered: {reason} |" in readme


def test_every_figure_of_a_page_has_a_rule_for_files():
    assert set(FILE_RULES) == {field.name for field in dataclasses.fields(Figures)}

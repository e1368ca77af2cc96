"""The structure that docs/architecture.md describes, read from the code."""

import ast
import dataclasses
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import tvdenoise
from tvdenoise.api.aggregation import RULES
from tvdenoise.api.result import Result
from tvdenoise.files.rows import TrialRow
from tvdenoise.options.methods import METHODS, NOT_OFFERED

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tvdenoise"


FOLDERS = re.findall(r"^\| `(\w+)/?` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
"""The table of docs/architecture.md, lowest first."""

KEEPERS = {
    "PIL": {"images", "experiments"},
    "typer": {"cli"},
    "tqdm": {"cli"},
    "triton": {"kernels"},
    "numba": {"kernels"},
}
KEEPERS |= {name: {"images"} for name in ("astropy", "imagecodecs", "netpbmfile", "tifffile")}
"""Who alone may import some packages."""


def folder_of(module: str) -> str:
    """The folder, or the module, directly in the package."""
    return module.split(".")[1]


def modules() -> dict[str, Path]:
    """Every module below the package, by its dotted name."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.name.startswith("__")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it the statement stands."""
    known, found = modules(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else node.module for name in names}
    return found - {"tvdenoise"}  # which has the version


def test_the_table_of_folders_is_complete():
    assert set(map(folder_of, modules())) == set(FOLDERS)


def test_few_modules_lie_at_the_door():
    assert len(list(PACKAGE.glob("*.py"))) <= 6


def test_every_folder_says_what_it_is_for():
    for name, path in modules().items():
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text())), name


def test_imports_go_downward_only():
    for name, path in modules().items():
        own = folder_of(name)
        for other in imports(path):
            if other.startswith("tvdenoise."):
                is_below = FOLDERS.index(folder_of(other)) <= FOLDERS.index(own)
                assert is_below, f"{name} imports {other}, from a later row of the table"


def test_no_modules_import_each_other():
    """Within a folder either: TopologicalSorter raises CycleError."""
    graph = {name: imports(path) - {name.rpartition(".")[0]} for name, path in modules().items()}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def test_packages_are_imported_where_they_belong():
    for name, path in modules().items():
        for top in {other.split(".")[0] for other in imports(path)} & set(KEEPERS):
            assert folder_of(name) in KEEPERS[top], f"{name} imports {top}"


def test_optimizers_know_torch_alone():
    for name, path in modules().items():
        if ".optimizers" in name:
            others = {other for other in imports(path) if ".optimizers" not in other}
            assert {other.split(".")[0] for other in others} - set(sys.stdlib_module_names) <= {"torch"}, name


def test_every_key_of_a_row_is_documented():
    told = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "experiments.md").read_text()))
    assert set(TrialRow("a", None, "done").as_dict()) <= told


def test_importing_the_package_loads_no_torch():
    program = "import sys, tvdenoise; tvdenoise.__version__; dir(tvdenoise); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"


def test_every_public_name_is_there():
    """None is a room's too, which would take its place once that is imported."""
    assert set(tvdenoise.__all__) <= set(dir(tvdenoise))
    assert all(hasattr(tvdenoise, name) for name in tvdenoise.__all__)
    assert not {path.stem for path in PACKAGE.iterdir()} & set(tvdenoise.__all__)


def test_the_page_of_methods_lists_them():
    page = (ROOT / "docs" / "methods.md").read_text()
    for name, method in METHODS.items():
        assert f"| `{name}` | {method.help} |" in page
    for name, reason in NOT_OFFERED.items():
        assert f"| `{name}` | not offered: {reason} |" in page


def test_the_training_loop_of_the_page_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "methods.md").read_text(), re.DOTALL)
    exec(program, {})
    assert float(capsys.readouterr().out) > 0


def test_every_figure_of_a_result_has_a_rule_for_several_pages():
    names = {field.name for field in dataclasses.fields(Result)}
    assert names - {"image", "status", "pages"} <= set(RULES)

"""How much a line of Python holds: ``python benchmarks/readability.py tvdenoise [OTHER FOLDER ...]``, a column each.

The same script measures any project: name the folder of its package. Code lines are those that are neither blank, nor a
comment, nor part of a docstring; nodes are those of Python's syntax tree without the marks of loading and storing.
"""

import ast
import io
import tokenize
from pathlib import Path
from typing import Annotated

import typer

LONG = 40
"""Lines of a function, its docstring among them, beyond which it is long."""

SPACE = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.COMMENT}


class Count(ast.NodeVisitor):
    """What there is in some files."""

    def __init__(self) -> None:
        self.files = self.lines = self.code = self.comments = 0
        self.nodes = self.conditionals = self.tuple_assignments = 0
        self.functions: list[tuple[int, str]] = []
        self._docstrings: set[int] = set()

    def add(self, path: Path) -> None:
        """Take in a file."""
        text = path.read_text("utf-8")
        self._docstrings = set()
        self.visit(ast.parse(text))
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        lines = {
            line for token in tokens if token.type not in SPACE for line in range(token.start[0], token.end[0] + 1)
        }
        self.files += 1
        self.lines += text.count("\n")
        self.code += len(lines - self._docstrings)
        self.comments += sum(token.type == tokenize.COMMENT for token in tokens)

    def generic_visit(self, node: ast.AST) -> None:
        """Count a node."""
        self.nodes += not isinstance(node, ast.expr_context)
        self.conditionals += isinstance(node, ast.IfExp)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            self.tuple_assignments += any(isinstance(target, ast.Tuple) for target in node.targets)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            self._docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.functions.append(((node.end_lineno or node.lineno) - node.lineno + 1, node.name))
        super().generic_visit(node)

    def rows(self) -> dict[str, str]:
        """Return the figures by what they mean."""
        code = max(1, self.code)
        lengths = sorted(self.functions, reverse=True)
        return {
            "files": f"{self.files}",
            "lines": f"{self.lines}",
            "code lines": f"{self.code}",
            "nodes per code line": f"{self.nodes / code:.2f}",
            "conditional expressions per 100 code lines": f"{100 * self.conditionals / code:.2f}",
            "a, b = x, y per 100 code lines": f"{100 * self.tuple_assignments / code:.2f}",
            "comments per 100 code lines": f"{100 * self.comments / code:.2f}",
            f"functions over {LONG} lines": f"{sum(length > LONG for length, _ in lengths)}",
            "the longest": ", ".join(f"{name} {length}" for length, name in lengths[:3]),
        }


def main(folders: Annotated[list[Path], typer.Argument(help="Folders of Python files.")]) -> None:
    """Print a table with a column for each folder."""
    columns = []
    for folder in folders:
        count = Count()
        for path in sorted(folder.rglob("*.py")):
            count.add(path)
        columns.append(count.rows())
    print("| | " + " | ".join(folder.resolve().name for folder in folders) + " |")
    print("|---" * (len(folders) + 1) + "|")
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(column[name] for column in columns) + " |")


if __name__ == "__main__":
    typer.run(main)

"""The exit codes of init actions: the same in every script, and those that docs/nodes.md explains."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.unit.init_actions.conftest import INIT_ACTIONS

SHELL = sorted(path for path in INIT_ACTIONS.rglob("*.sh"))
PYTHON = sorted(path for path in INIT_ACTIONS.rglob("*.py"))


def stated() -> dict[str, int]:
    """Names and codes, as node-bundle.sh has them."""
    (table,) = re.findall(
        r"declare -grA EXIT_CODES=\((.*?)\n\)", (INIT_ACTIONS / "node-bundle.sh").read_text(), re.DOTALL
    )
    return {name: int(code) for name, code in re.findall(r"\[(\w+)\]=(\d+)", table)}


def in_python(file: Path) -> dict[str, int]:
    """Names and codes in a Python program: members of Exit, and constants in capitals that are named like a code."""
    found = {}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Assign):
            (target,) = node.targets
            names = [item.id for item in getattr(target, "elts", [target]) if isinstance(item, ast.Name)]
            values = getattr(node.value, "elts", [node.value])
            pairs = zip(names, values, strict=False)
            found |= {name.lower(): item.value for name, item in pairs if isinstance(item, ast.Constant)}
    return {name: code for name, code in found.items() if name in stated()}


def test_every_code_is_explained_once_and_no_other() -> None:
    documentation = (Path(__file__).parents[3] / "docs" / "nodes.md").read_text()
    (table,) = re.findall(r"^\| code \| what failed \|\n\| -+ \| -+ \|\n((?:\|.*\n)+)", documentation, re.MULTILINE)
    rows = [row.split("|")[1].strip() for row in table.splitlines()]
    assert sorted(map(int, rows)) == sorted(stated().values())


@pytest.mark.parametrize("file", PYTHON, ids=lambda path: path.name)
def test_python_has_the_same_codes(file: Path) -> None:
    codes = in_python(file)
    assert codes.items() <= stated().items()
    # Those that have codes of their own; without this, a test that can no longer read them would pass.
    assert len(codes) >= {"yarn_queues.py": 8, "queues_taken.py": 3}.get(file.name, 0)


@pytest.mark.parametrize("file", SHELL, ids=lambda path: path.name)
def test_scripts_fail_with_names_that_have_a_code(file: Path) -> None:
    names = set(re.findall(r"\bfail ([a-z_]+) ", file.read_text()))
    assert names <= set(stated())


@pytest.mark.parametrize("name", sorted(stated()))
def test_every_code_is_used(name: str) -> None:
    used = [file for file in SHELL if re.search(rf"\bfail {name} ", file.read_text())]
    used += [file for file in PYTHON if re.search(rf"\bExit\.{name.upper()}\b|\b{name.upper()},", file.read_text())]
    assert used

"""What looks like a secret in what a release carries: sources, default arguments, workloads. Never shows the value."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

from secret_looking import looks_like, may_name_a_secret, named_like_a_secret, secrets_in

from dag_gate.findings import Archive, Finding

MARKER = "gate: not a secret"
_EXPECTED = "no secret in a release: a connection, or a secret of Secret Manager, that the task reads when it runs"


def in_sources(archive: Archive, files: dict[str, bytes]) -> Iterator[Finding]:
    """Yield a finding per line of a file, and per workload's fact, that looks like a secret."""
    for name, content in files.items():
        try:
            text = content.decode()
        except UnicodeDecodeError:
            continue
        lines = text.splitlines()
        # Nearly every file is done with these two looks at the whole of it.
        found = (
            {number: kind for number, line in enumerate(lines, 1) if (kind := looks_like(line))}
            if looks_like(text)
            else {}
        )
        if name.endswith(".py") and may_name_a_secret(text):
            found |= _named(text)
        for number, kind in sorted(found.items()):
            if MARKER not in lines[number - 1]:
                yield Finding(archive.team, name, "secret", f"line {number} holds {kind}", _expected(name), line=number)
        if name.endswith("workloads.json"):
            yield from _in_document(archive, name, text)


def in_arguments(archive: Archive, dag: Any, file: str) -> Iterator[Finding]:
    """Yield a finding per default argument or parameter of a DAG that looks like a secret, also a computed one."""
    given = {"default_args": dict(dag.default_args or {}), "params": _plain(dag.params)}
    for path, kind in secrets_in(given):
        where = ".".join(str(part) for part in path)
        yield Finding(archive.team, file, "secret", f"{where} holds {kind}", _EXPECTED, dag=dag.dag_id)


def _in_document(archive: Archive, name: str, text: str) -> Iterator[Finding]:
    for path, kind in secrets_in(json.loads(text).get("workloads", {})):
        where = ".".join(str(part) for part in path)
        yield Finding(archive.team, name, "secret", f"platform_workloads.{where} holds {kind}", _EXPECTED)


def _named(text: str) -> dict[int, str]:
    """Lines at which a text is given to something whose name says that it is a secret."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return {}
    found = {}
    for node in ast.walk(tree):
        for name, value in _pairs(node):
            if named_like_a_secret(name) and isinstance(value, ast.Constant) and _is_a_value(value.value):
                found[value.lineno] = f"a text for {name}"
    return found


def _pairs(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(node, ast.Assign):
        yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        yield from ((target.attr, node.value) for target in node.targets if isinstance(target, ast.Attribute))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, node.value
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


def _is_a_value(value: Any) -> bool:
    """Whether a constant is a text of its own; a template is read when the task runs."""
    return isinstance(value, str) and bool(value) and "{{" not in value


def _expected(name: str) -> str:
    return f"{_EXPECTED} (a line that is none says so: # {MARKER})" if name.endswith(".py") else _EXPECTED


def _plain(params: Any) -> dict[str, Any]:
    dump = getattr(params, "dump", None)
    return dump() if callable(dump) else dict(params or {})

"""Import an archive as Airflow does, file by file, with the time each takes."""

from __future__ import annotations

import importlib
import time
import traceback
import zipfile
from types import ModuleType, SimpleNamespace
from typing import Any

from airflow.models import dagbag
from airflow.models.dag import DagContext
from airflow.utils.timeout import timeout

from dag_gate.findings import Archive, Finding, Imported, Policies
from dag_gate.isolation import Access, Watch, watching

_EXPECTED = {
    "variable": "a template, {{ var.value.NAME }}, which is read when the task runs",
    "connection": "a connection id handed to the operator, which reads the connection when the task runs",
}
_EXPECTED_ELSEWHERE = "nothing of that kind while the file is imported; do it in a task"


def import_archive(archive: Archive, policies: Policies, watch: Watch) -> Imported:
    """Import every file at the root of an archive, in its order, and return its DAGs and what was wrong."""
    imported = Imported()
    failures: dict[str, Finding] = {}

    def timed_import(name: str, *_more: Any) -> ModuleType:
        started = time.perf_counter()
        try:
            with timeout(policies.import_seconds, f"longer than {policies.import_seconds:g} s"):
                return importlib.import_module(name)
        except BaseException as error:
            # Airflow forgets the DAGs of all files before one that fails, and what is no Exception ends it; this gate
            # wants to see everything, so to Airflow the file is an empty one.
            failures[f"{name}.py"] = _failure(archive, f"{name}.py", error)
            for registered in [one for one in DagContext.autoregistered_dags if one[1].__name__ == name]:
                DagContext.autoregistered_dags.discard(registered)
            return ModuleType(name)
        finally:
            imported.seconds[f"{name}.py"] = time.perf_counter() - started

    dagbag.importlib = SimpleNamespace(import_module=timed_import)
    with watching(watch, archive.path):
        bag = dagbag.DagBag(archive.path, include_examples=False, collect_dags=True)
    dagbag.importlib = importlib

    for location, message in bag.import_errors.items():
        file = _member(archive, location)
        if file not in failures:
            failures[file] = _bagging_failure(archive, file, str(message))
    explained = {access.file for access in watch.accesses}
    imported.findings += [_access(archive, access) for access in watch.accesses]
    imported.findings += [found for file, found in failures.items() if not _explained(found, file, explained)]
    imported.dags = dict(bag.dags)
    imported.files = {dag_id: _member(archive, dag.fileloc) for dag_id, dag in bag.dags.items()}
    return imported


def members(archive: Archive) -> dict[str, bytes]:
    """All files of an archive."""
    with zipfile.ZipFile(archive.path) as package:
        return {name: package.read(name) for name in package.namelist()}


def _explained(found: Finding, file: str, explained: set[str]) -> bool:
    """Whether an import failed only because of what was refused, which is a finding of its own already."""
    refused = "ForbiddenAtImportError" in found.message or "Variable" in found.message
    return refused and bool({file, found.file} & explained)


def _access(archive: Archive, access: Access) -> Finding:
    return Finding(
        team=archive.team,
        file=access.file,
        line=access.line,
        kind="at_import",
        message=f"{access.what} while the file is imported",
        expected=_EXPECTED.get(access.forbidden, _EXPECTED_ELSEWHERE),
    )


def _failure(archive: Archive, file: str, error: BaseException) -> Finding:
    """An import that failed, with the innermost line in the archive."""
    places = [
        (frame.filename.removeprefix(archive.path).lstrip("/"), frame.lineno or 0)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(archive.path)
    ]
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(archive.path):
        places.append((error.filename.removeprefix(archive.path).lstrip("/"), error.lineno or 0))
    place, line = places[-1] if places else (file, 0)
    via = f" (imported by {file})" if place != file else ""
    return Finding(
        team=archive.team,
        file=place,
        line=line,
        kind="import_error",
        message=f"{type(error).__name__}: {error}{via}",
        expected="a file that Airflow can import",
    )


def _bagging_failure(archive: Archive, file: str, message: str) -> Finding:
    """A file that was imported, but whose DAG Airflow refuses."""
    if "CycleException" in message or "Cycle" in message:
        return Finding(archive.team, file, "cycle", message, "tasks without a cycle")
    if "DuplicatedId" in message:
        return Finding(archive.team, file, "duplicate_id", message, "a DAG id of its own for every DAG")
    return Finding(archive.team, file, "import_error", message, "a DAG that Airflow takes")


def _member(archive: Archive, location: str) -> str:
    return location.removeprefix(archive.path).lstrip("/") or location

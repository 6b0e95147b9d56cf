"""Everything the gate does about a request, in one process."""

from __future__ import annotations

import contextlib
import importlib
import re
import time
from collections import defaultdict
from typing import Any

import airflow

from dag_gate import secrets
from dag_gate.findings import Finding, Request
from dag_gate.imports import import_archive, members
from dag_gate.isolation import Watch, install
from dag_gate.policies import check_dag, duplicates

_PROVIDER_IMPORT = re.compile(rb"^(?:from|import) (airflow\.providers\.[\w.]+)", re.MULTILINE)


def judge(document: dict[str, Any]) -> dict[str, Any]:
    """Import all archives of a request and return the report: DAGs and seconds per archive, and all findings."""
    request = Request.from_dict(document)
    started = time.perf_counter()
    watch = Watch()
    install(watch)
    contents = {archive.team: members(archive) for archive in request.archives}
    _import_providers(contents)
    report: dict[str, Any] = {"airflow": airflow.__version__, "start_seconds": time.perf_counter() - started}
    findings: list[Finding] = []
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    report["archives"] = {}
    for archive in request.archives:
        imported = import_archive(archive, request.policies, watch)
        findings += imported.findings
        findings += secrets.in_sources(archive, contents[archive.team])
        for dag_id, dag in imported.dags.items():
            file = imported.files[dag_id]
            places[dag_id].append((archive.team, file))
            findings += check_dag(dag, file, archive, request.policies)
            findings += secrets.in_arguments(archive, dag, file)
        report["archives"][archive.team] = {
            "release": archive.release,
            "dags": dict(sorted(imported.files.items())),
            "seconds": imported.seconds,
        }
    findings += duplicates(places)
    report["findings"] = [found.to_dict() for found in dict.fromkeys(findings)]
    return report


def _import_providers(contents: dict[str, dict[str, bytes]]) -> None:
    """Import what the files import of Airflow's providers, so that no file's time holds the seconds that takes."""
    sources = [content for files in contents.values() for name, content in files.items() if name.endswith(".py")]
    for module in sorted({found.decode() for source in sources for found in _PROVIDER_IMPORT.findall(source)}):
        # What cannot be imported is told of the file that tries.
        with contextlib.suppress(Exception):
            importlib.import_module(module)

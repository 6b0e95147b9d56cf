"""``python -m dag_gate REQUEST REPORT``: read a request, import everything, write one report. Both are JSON files."""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import airflow

from dag_gate import secrets
from dag_gate.findings import Finding, Request
from dag_gate.imports import import_archive, members
from dag_gate.isolation import Watch, install
from dag_gate.policies import check_dag, duplicates


def main(arguments: list[str]) -> None:
    """Run the gate; it ends with 0 also where it found something, which the report says."""
    warnings.simplefilter("ignore")
    request_file, report_file = map(Path, arguments)
    report = judge(Request.from_dict(json.loads(request_file.read_text())))
    report_file.write_text(json.dumps(report))


def judge(request: Request) -> dict[str, Any]:
    """Import all archives and return the report: DAGs and seconds per archive, and all findings."""
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
    """Import what nearly all DAGs import, so that no file's time holds the seconds that takes."""
    if any(b"dataproc" in content for files in contents.values() for content in files.values()):
        importlib.import_module("airflow.providers.google.cloud.operators.dataproc")


if __name__ == "__main__":
    main(sys.argv[1:])

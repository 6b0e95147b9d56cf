# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask the gate about a release: one process in Airflow's own Python environment, which leads to no credentials.

A verdict of ``nothing wrong`` is remembered for the very same archives, policies, gate and environment, in a file that
only its user can write. Findings are never remembered.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import secret_looking
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import DagArchive
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError

_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
_OUTPUT_SHOWN = 3000


class GateError(ComputeError):
    """The gate itself could not be run; says nothing about the DAGs."""


@dataclass(frozen=True)
class GateSettings:
    """How to run the gate: Airflow's ``python``, the ``directory`` that holds ``dag_gate``, seconds, and the cache."""

    python: str
    directory: str
    policies: Mapping[str, Any]
    timeout: float = 600.0
    cache: str = ""


def ask_gate(archives: Sequence[DagArchive], settings: GateSettings) -> dict[str, Any]:
    """Return the gate's report on these archives, ``remembered`` when it is one of an earlier run. Raises GateError."""
    python = _checked_python(settings.python)
    memory = _memory(archives, settings, python)
    if memory is not None and (report := _remembered(memory)) is not None:
        return {**report, "remembered": True}
    report = _run(archives, settings, python)
    if memory is not None and not report["findings"]:
        _remember(memory, report)
    return {**report, "remembered": False}


def _checked_python(python: str) -> Path:
    path = Path(python).expanduser()
    if not path.is_file() or not os.access(path, os.X_OK):
        raise GateError(
            f"{path} is not there, so nothing can be imported as Airflow would. Install Airflow's environment with"
            " `make setup`, or name the Python of another one in dag_release_airflow_python"
        )
    return path


def _run(archives: Sequence[DagArchive], settings: GateSettings, python: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="dag-gate-") as directory:
        work = Path(directory).resolve()
        listed = []
        for archive in archives:
            path = work / f"dataplatform-{archive.team}.zip"
            path.write_bytes(archive.data)
            listed.append({"team": archive.team, "release": archive.release, "path": str(path)})
        (work / "request.json").write_text(json.dumps({"archives": listed, "policies": dict(settings.policies)}))
        (work / "secret_looking.py").write_text(inspect.getsource(secret_looking))
        command = [str(python), "-m", "dag_gate", str(work / "request.json"), str(work / "report.json")]
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                command,
                env=_environment(work, settings.directory),
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=settings.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GateError(
                f"The gate has not ended after {settings.timeout:g} s. A file that never ends when it is imported is"
                f" stopped and named, so this is another reason. It had printed: {_tail(error.stdout)}"
            ) from error
        try:
            return json.loads((work / "report.json").read_text())
        except (OSError, ValueError) as error:
            raise GateError(
                f"The gate ended with {done.returncode} and without a report. {python} has to have Airflow and its"
                f" Google provider. It printed: {_tail(done.stdout)}"
            ) from error


def _environment(work: Path, gate: str) -> dict[str, str]:
    """An environment in which there are no credentials, no proxy, no settings of Airflow, and a home of its own."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        "HOME": str(work),
        "AIRFLOW_HOME": str(work / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",
        # The machine's account, which code could ask the metadata server for, is not there either.
        "NO_GCE_CHECK": "true",
        "PYTHONPATH": f"{work}{os.pathsep}{gate}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }


def _tail(output: str | bytes | None) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return text.strip()[-_OUTPUT_SHOWN:] or "nothing"


def _memory(archives: Sequence[DagArchive], settings: GateSettings, python: Path) -> Path | None:
    """The file that a verdict on exactly this would be in; None where verdicts are not kept."""
    if not settings.cache:
        return None
    digest = hashlib.sha256()
    for part in (
        *sorted(f"{archive.team} {archive.sha256}" for archive in archives),
        json.dumps(dict(settings.policies), sort_keys=True),
        inspect.getsource(secret_looking),
        *_gate_version(Path(settings.directory)),
        *_installed(python),
    ):
        digest.update(f"{len(part)}:{part}".encode())
    return Path(settings.cache).expanduser() / f"{digest.hexdigest()}.json"


def _gate_version(directory: Path) -> list[str]:
    return [
        f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted((directory / "dag_gate").glob("*.py"))
    ]


def _installed(python: Path) -> list[str]:
    """What is installed beside a Python, as names and versions of distributions."""
    library = python.absolute().parent.parent / "lib"
    return [str(library.resolve()), *sorted(path.name for path in library.glob("python*/site-packages/*.dist-info"))]


def _remembered(memory: Path) -> dict[str, Any] | None:
    """An earlier verdict, only if nobody but this user can have written it."""
    try:
        with memory.open(encoding="utf-8") as stream:
            found = os.fstat(stream.fileno())
            folder = memory.parent.stat()
            private = all(
                entry.st_uid == os.getuid() and not entry.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
                for entry in (found, folder)
            )
            report = json.load(stream) if private else None
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) and report.get("findings") == [] else None


def _remember(memory: Path, report: Mapping[str, Any]) -> None:
    """Keep a verdict; a machine where that is not possible asks the gate every time."""
    try:
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=memory.parent, prefix=".verdict-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(dict(report), stream)
        Path(name).replace(memory)
    except OSError:
        return


def describe(findings: Sequence[Mapping[str, Any]], origins: Mapping[str, Mapping[str, str]]) -> list[str]:
    """One line per finding: file and line, DAG and task, what it is and what was expected.

    ``origins`` are the source files by team and name in the archive. What is in every archive is said once.
    """
    lines = []
    for found in findings:
        file = origins.get(found["team"], {}).get(found["file"], f"{found['file']} (archive of {found['team']})")
        place = f"{file}:{found['line']}" if found.get("line") else file
        where = [f"DAG {found['dag']}"] if found.get("dag") else []
        where += [f"task {found['task']}"] if found.get("task") else []
        subject = f"{', '.join(where)}: " if where else ""
        lines.append(f"{place}: {subject}{found['message']}; expected {found['expected']}")
    return list(dict.fromkeys(lines))

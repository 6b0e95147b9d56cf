"""What tests of ``playbooks/drift.yml`` share: a run of it with its report, and what it asked for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.integration.conftest import LocalCloud
from tests.integration.test_site import play

PLAYBOOK = "playbooks/drift.yml"
NO_DRIFT, DRIFT, ERROR = 0, 10, 2
# Calls by POST that only ask: who am I, and commands of Airflow, of which these plays run exports and lists alone.
ASKING = ("oauth2", "executeAirflowCommand", "pollAirflowCommand")


@dataclass(frozen=True)
class Look:
    """One run: how it ended, what it printed, the report it wrote and the requests it made."""

    code: int
    output: str
    report: dict[str, Any]
    requests: list[dict[str, Any]]

    @property
    def drift(self) -> dict[tuple[str, str], Any]:
        """By kind and name the state, or the fields that differ as {field: (wanted, live)}."""
        return {
            (one["kind"], one["name"]): {field["field"]: (field["wanted"], field["live"]) for field in one["fields"]}
            or one["state"]
            for one in self.report["drift"]
        }

    @property
    def writes(self) -> list[str]:
        """Requests that could change something."""
        return [
            f"{one['method']} {one['host']}{one['path']}"
            for one in self.requests
            if one["method"] != "GET" and not any(word in f"{one['host']}{one['path']}" for word in ASKING)
        ]

    @property
    def lists(self) -> Counter[str]:
        """How often each collection was listed, further pages not counted; objects by the prefix asked for."""
        found: Counter[str] = Counter()
        for one in self.requests:
            query = parse_qs(one.get("query", ""))
            if one["method_id"].endswith(".list") and "pageToken" not in query:
                found[f"{one['path']} {query.get('prefix', [''])[0]}".strip()] += 1
        return found


def look(cloud: LocalCloud, directory: Path, *arguments: str) -> Look:
    """Run the playbook and read its report, an empty one where it wrote none."""
    file = directory / "drift.json"
    file.unlink(missing_ok=True)
    cloud.clear_requests()
    run = play(cloud, PLAYBOOK, "-e", f"drift_file={file}", *arguments, check=False)
    report = json.loads(file.read_text()) if file.exists() else {}
    return Look(run.returncode, run.stdout + run.stderr, report, cloud.requests())

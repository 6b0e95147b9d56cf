# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task airflow_dag_run as a whole: followed to the end, failed, paused, too slow, interrupted, looked at only."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_dag_run import run
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import (
    RunFailedError,
    RunInterruptedError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.airflow_stand_in import Airflow

JOB = {
    "reference": {"jobId": "flights-etl-run-1"},
    "placement": {"clusterName": "flights-etl-1a"},
    "labels": {"owner": "ada", "team": "growth", "dag": "flights-etl", "run": "run-1"},
    "status": {"state": "DONE", "stateStartTime": "2026-01-02T03:04:05Z"},
}


class DagRunner(Airflow):
    """An environment with one DAG; each look at the tasks of a run shows the next of ``looks``, then the last again."""

    def __init__(self, *looks: dict[str, str | None], ends: str = "success") -> None:
        super().__init__()
        self.looks = list(looks)
        self.ends = ends
        self.runs: dict[str, str] = {}
        self.paused = "False"
        self.on_look: Callable[[], None] = lambda: None

    def pages(self, url: str, *_arguments: Any, **_options: Any) -> list[dict[str, Any]]:
        """A list call: of the run's jobs."""
        return [JOB] if url.endswith("/jobs") else []

    def _run(self, argv: list[str]) -> tuple[int, list[str]]:
        command = " ".join(argv[:2])
        rows: list[dict[str, Any]] = []
        if command == "dags list":
            rows = [{"dag_id": "flights-etl", "is_paused": self.paused}]
        elif command == "dags list-runs":
            rows = [{"run_id": name, "state": state} for name, state in self.runs.items()]
        elif command == "dags trigger":
            self.runs[argv[argv.index("--run-id") + 1]] = "running"
        else:
            self.on_look()
            look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
            if len(self.looks) == 1:
                self.runs = dict.fromkeys(self.runs, self.ends)
            rows = [{"task_id": task, "state": state} for task, state in look.items()]
        return 0, [json.dumps(rows)] if rows else ["No data found"]

    @property
    def triggered(self) -> int:
        """How many runs were started."""
        return sum(argv[:2] == ["dags", "trigger"] for argv in self.commands)


def task(airflow: DagRunner, *, check: bool = False, said: list[str] | None = None, **options: Any) -> dict[str, Any]:
    """Run the task with its defaults."""
    params = {
        "environment": "etl",
        "location": None,
        "dag": "flights-etl",
        "run_id": "run-1",
        "conf": {},
        "state": "finished",
        "timeout": 0.0,
        "wait_timeout": 5.0,
        **options,
    }
    return run(params, airflow, Reporter(check_mode=check, progress=(said if said is not None else []).append))


def test_a_run_is_followed_to_its_end_and_its_jobs_are_named() -> None:
    airflow = DagRunner({"create": "running", "run": None}, {"create": "success", "run": "success"})
    said: list[str] = []
    result = task(airflow, said=said)
    assert (result["changed"], result["state"]) == (True, "success")
    assert result["tasks"] == {"create": "success", "run": "success"}
    assert [line.partition(" ")[2] for line in said] == [
        "DAG flights-etl: run run-1 started",
        "task create: running",
        "task create: success",
        "task run: success",
    ]
    assert "Job flights-etl-run-1: DONE" in result["summary"]


def test_a_failed_run_fails_the_task_with_task_and_logs() -> None:
    airflow = DagRunner({"create": "success", "run": "failed", "delete": "success"}, ends="failed")
    with pytest.raises(RunFailedError, match=r"failed: run\..*gs://.*/logs/dag_id=flights-etl/run_id=run-1/") as caught:
        task(airflow)
    assert caught.value.to_result()["tasks"]["run"] == "failed"


def test_a_run_that_exists_is_followed_and_not_started_again() -> None:
    airflow = DagRunner({"run": "success"})
    airflow.runs["run-1"] = "running"
    assert task(airflow)["changed"] is False
    assert airflow.triggered == 0


def test_a_paused_dag_is_refused_before_anything_is_started() -> None:
    airflow = DagRunner({"run": "success"})
    airflow.paused = "True"
    with pytest.raises(ValidationError, match="is paused in etl"):
        task(airflow)
    assert airflow.triggered == 0


def test_check_mode_starts_nothing() -> None:
    airflow = DagRunner({"run": "success"})
    assert task(airflow, check=True)["changed"] is True
    airflow.runs["run-1"] = "running"
    assert task(airflow, check=True)["changed"] is False
    assert airflow.triggered == 0


def test_a_run_that_is_only_started_is_not_waited_for() -> None:
    airflow = DagRunner({"run": None}, {"run": "success"})
    assert task(airflow, state="started")["tasks"] == {"run": "none"}


def test_following_ends_after_its_time_and_says_that_the_run_goes_on() -> None:
    airflow = DagRunner({"run": "running"}, ends="running")
    with pytest.raises(RunFailedError, match=r"has not ended after 0\.1 s; it goes on"):
        task(airflow, timeout=0.1)


def test_an_interruption_ends_the_following_and_not_the_run() -> None:
    airflow = DagRunner({"run": "running"}, ends="running")
    airflow.on_look = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(RunInterruptedError, match="run run-1 of DAG flights-etl goes on in Airflow"):
        task(airflow)
    assert airflow.runs == {"run-1": "running"}

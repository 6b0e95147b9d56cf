# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of DAGs: ids, states, and what is asked of Airflow's command line to start and find one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import airflow_dag_run, airflow_runs
from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_dag_run import DagRuns
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    AirflowCommandError,
    CommandOutput,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError


class Airflow:
    """A command line that knows two DAGs; ``lost_answers`` commands work and report a failure."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.commands: list[str] = []
        self.lost_answers = 0
        self.refuses = False

    def run(self, _environment: str, command: str, parameters: Sequence[str]) -> CommandOutput:
        """Answer one command as Airflow 2.11 prints it."""
        self.commands.append(command)
        if command == "dags list":
            rows = [{"dag_id": "flights-etl", "is_paused": "False"}, {"dag_id": "flights-ml", "is_paused": "True"}]
        elif command == "dags list-runs":
            rows = [{"run_id": run_id, "state": state} for run_id, state in self.runs.items()]
        else:
            run_id = parameters[parameters.index("--run-id") + 1]
            if self.refuses or run_id in self.runs:
                return CommandOutput(command, ("airflow.exceptions.DagRunAlreadyExists",), 1)
            self.runs[run_id] = "queued"
            if self.lost_answers:
                self.lost_answers -= 1
                return CommandOutput(command, ("airflow.exceptions.DagRunAlreadyExists",), 1)
            rows = [{"run_id": run_id}]
        if not rows:
            return CommandOutput(command, ("No data found",), 0)
        return CommandOutput(command, ("[2026-01-02T03:04:05] {plugins.py:37} INFO", json.dumps(rows)), 0)


def test_a_new_run_id_is_one_that_labels_can_hold() -> None:
    run_id = airflow_runs.new_run_id(datetime(2026, 11, 29, 5, tzinfo=UTC), "1f2e3d")
    assert run_id == "manual-20261129t050000z-1f2e3d"
    assert airflow_runs.id_problems("flights-etl", run_id) == []


@pytest.mark.parametrize(("dag", "run_id"), [("--help", None), ("a b", None), ("etl", "Manual__1"), ("etl", "-x")])
def test_ids_that_are_options_or_no_labels_are_refused(dag: str, run_id: str | None) -> None:
    assert len(airflow_runs.id_problems(dag, run_id)) == 1


def test_jobs_of_a_run_are_not_those_of_a_dag_with_a_longer_name() -> None:
    asked: list[dict[str, str]] = []
    api: Any = SimpleNamespace(list_jobs=lambda labels: asked.append(labels) or [])
    assert airflow_dag_run._jobs(api, None, "flights", "again") == []
    assert asked == [{"run": "again", "dag": "flights"}]


def test_states_by_task_and_what_is_new_in_them() -> None:
    rows = [
        {"task_id": "create", "state": "success"},
        {"task_id": "run", "state": None},
        {"task_id": "part", "state": "running", "map_index": "0"},
    ]
    states = airflow_runs.task_states(rows)
    assert states == {"create": "success", "run": "none", "part[0]": "running"}
    assert airflow_runs.news({"part[0]": "running"}, states) == ["task create: success"]
    assert not airflow_runs.have_ended(states)
    assert not airflow_runs.have_ended({})
    assert airflow_runs.have_ended({"create": "failed", "run": "upstream_failed", "delete": "success"})


def test_a_failure_names_the_task_that_failed_itself() -> None:
    states = {"create": "success", "clean": "failed", "train": "upstream_failed", "delete": "success"}
    assert airflow_runs.failed_tasks(states) == ["clean"]
    assert airflow_runs.failed_tasks({"train": "upstream_failed"}) == ["train"]
    message = airflow_runs.failure("etl", "run-1", "failed", states, "gs://bucket/logs/")
    assert "run run-1 of DAG etl is failed; failed: clean." in message
    assert "gs://bucket/logs/" in message


def test_the_summary_shows_every_task() -> None:
    text = airflow_runs.summary("etl", "run-1", "success", {"create": "success", "delete": "skipped"}, [])
    assert text.splitlines() == ["DAG etl, run run-1: success", "  create  success", "  delete  skipped"]


def test_a_dag_that_is_not_there_is_named_with_the_near_miss() -> None:
    with pytest.raises(ValidationError, match=r"no DAG 'flights-elt'.*'flights-etl'"):
        DagRuns(Airflow(), "dev").find_dag("flights-elt")


def test_a_run_is_started_once() -> None:
    airflow = Airflow()
    runs = DagRuns(airflow, "dev")
    assert runs.state("flights-etl", "run-1") == ""
    assert runs.start("flights-etl", "run-1", {"day": 1})
    assert not runs.start("flights-etl", "run-1", {})
    assert airflow.commands.count("dags trigger") == 1
    assert runs.state("flights-etl", "run-1") == "queued"


def test_a_start_whose_answer_was_lost_is_one() -> None:
    airflow = Airflow()
    airflow.lost_answers = 1
    assert DagRuns(airflow, "dev").start("flights-etl", "run-1", {})


def test_a_start_that_airflow_refuses_is_an_error() -> None:
    airflow = Airflow()
    airflow.refuses = True
    with pytest.raises(AirflowCommandError, match="DagRunAlreadyExists"):
        DagRuns(airflow, "dev").start("flights-etl", "run-1", {})

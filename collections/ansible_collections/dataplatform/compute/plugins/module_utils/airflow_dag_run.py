# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The core of airflow_dag_run: start a run of a DAG in a Composer environment, follow its tasks, say how it ended."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_runs import (
    ENDED_RUNS,
    dag_label,
    failure,
    have_ended,
    id_problems,
    new_run_id,
    news,
    run_state,
    summary,
    task_states,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import ComposerApi, dag_folder
from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import DataprocApi
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import Deadline, PollPace, TaskProgress
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import describe_job
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import (
    RunFailedError,
    RunInterruptedError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

_JSON = ("--output", "json")
_LONGEST_PAUSE = 10.0


class DagRuns:
    """Runs of the DAGs of one environment, through Airflow's command line."""

    def __init__(self, api: ComposerApi, environment: str) -> None:
        self._api = api
        self._environment = environment

    def find_dag(self, dag: str) -> dict[str, Any]:
        """Return ``dag_id`` and ``is_paused`` of a DAG. Raises ValidationError with the near miss."""
        rows = self._ask("dags list", "--columns", "dag_id,is_paused")
        found = next((row for row in rows if row["dag_id"] == dag), None)
        if found is None:
            hint = near_miss(dag, [row["dag_id"] for row in rows])
            raise ValidationError([f"dag: {self._environment} has no DAG {dag!r}; {hint}"], "the run")
        return found

    def start(self, dag: str, run_id: str, conf: Mapping[str, Any]) -> bool:
        """Start the run; False when there is one of this id already. Raises AirflowCommandError."""
        if self.state(dag, run_id):
            return False
        options = ("--conf", json.dumps(conf, sort_keys=True)) if conf else ()
        answer = self._api.run(self._environment, "dags trigger", ("--run-id", run_id, *options, *_JSON, dag))
        # A request that is repeated because its answer was lost finds the run that the first one made.
        if answer.exit_code and not self.state(dag, run_id):
            answer.require_success()
        return True

    def state(self, dag: str, run_id: str) -> str:
        """Return the state of a run, empty when there is none."""
        return run_state(self._ask("dags list-runs", "--dag-id", dag), run_id)

    def tasks(self, dag: str, run_id: str) -> dict[str, str]:
        """Return {task: state}."""
        return task_states(self._ask("tasks states-for-dag-run", dag, run_id))

    def _ask(self, command: str, *parameters: str) -> list[dict[str, Any]]:
        answer = self._api.run(self._environment, command, (*parameters, *_JSON)).require_success()
        # Airflow says "No data found" in words, in every format.
        return answer.payload() if "No data found" not in answer.text else []


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Start a run and, unless told otherwise, follow it to its end; returns what the task returns (see RETURN)."""
    dag, wanted_id = params["dag"], params["run_id"]
    problems = id_problems(dag, wanted_id)
    if params["timeout"] < 0:
        problems.append(f"timeout is {params['timeout']:g}; expected seconds, or 0 for no limit")
    if problems:
        raise ValidationError(problems, "the options")
    with Interruption() as interruption:
        api = ComposerApi(client, client.project, params["location"] or client.region, sleep=interruption.pause)
        environment = api.wait_until_running(params["environment"], params["wait_timeout"])
        runs = DagRuns(api, params["environment"])
        if runs.find_dag(dag)["is_paused"] in (True, "True"):
            raise ValidationError(
                [f"dag: {dag!r} is paused in {params['environment']}; its runs wait until somebody unpauses it"],
                "the run",
            )
        run_id = wanted_id or new_run_id(datetime.now(UTC), uuid.uuid4().hex[:6])
        result: dict[str, Any] = {"changed": True, "dag": dag, "run_id": run_id, "state": "", "tasks": {}, "jobs": []}
        if reporter.check_mode:
            changed = not (wanted_id and runs.state(dag, run_id))
            return {**result, "changed": changed, "summary": f"DAG {dag} would be run."}
        progress = TaskProgress(reporter, interruption, show_output=False)
        result["changed"] = runs.start(dag, run_id, params["conf"])
        progress.note(f"DAG {dag}: run {run_id} {'started' if result['changed'] else 'was started before'}")
        if params["state"] == "finished":
            _follow(result, runs, progress, interruption, params["timeout"])
        else:
            result.update(tasks=runs.tasks(dag, run_id), state=runs.state(dag, run_id))
        result["jobs"] = _jobs(DataprocApi(client, client.project, client.region), client, dag, run_id)
    result["summary"] = summary(dag, run_id, result["state"], result["tasks"], result["jobs"])
    if result["state"] == "failed":
        bucket = dag_folder(environment)[0]
        logs = f"gs://{bucket}/logs/dag_id={dag}/run_id={run_id}/"
        raise RunFailedError(f"{failure(dag, run_id, 'failed', result['tasks'], logs)}\n{result['summary']}", result)
    return result


def _follow(
    result: dict[str, Any], runs: DagRuns, progress: TaskProgress, interruption: Interruption, timeout: float
) -> None:
    """Look at the run until it has ended; its state and those of its tasks go into ``result``."""
    dag, run_id = result["dag"], result["run_id"]
    deadline, pace = Deadline(timeout), PollPace(_LONGEST_PAUSE)
    while True:
        states = runs.tasks(dag, run_id)
        changes = news(result["tasks"], states)
        for line in changes:
            progress.note(line)
        result["tasks"] = states
        if have_ended(states):
            result["state"] = runs.state(dag, run_id)
            if result["state"] in ENDED_RUNS:
                return
        if interruption.requested:
            raise RunInterruptedError(
                f"interrupted; run {run_id} of DAG {dag} goes on in Airflow. Follow it again with run_id, or end it in"
                " Airflow's web interface",
                result,
            )
        if deadline.passed:
            raise RunFailedError(
                f"run {run_id} of DAG {dag} has not ended after {deadline.seconds:g} s; it goes on in Airflow", result
            )
        interruption.pause(pace.pause_after(news=bool(changes)))


def _jobs(api: DataprocApi, client: GoogleClient, dag: str, run_id: str) -> list[dict[str, Any]]:
    """Describe the Dataproc jobs of a run, the earliest first; they carry its id and its DAG's as labels."""
    jobs = api.list_jobs({"run": run_id, "dag": dag_label(dag)})
    jobs.sort(key=lambda job: str((job.get("statusHistory") or [job.get("status") or {}])[0].get("stateStartTime")))
    return [describe_job(job, client.project, client.region, []) for job in jobs]


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "environment": {"type": "str", "required": True},
            "location": {"type": "str"},
            "dag": {"type": "str", "required": True},
            "run_id": {"type": "str"},
            "conf": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["finished", "started"], "default": "finished"},
            "timeout": {"type": "float", "default": 0.0},
            "wait_timeout": {"type": "float", "default": 600.0},
        }
    ),
    run=run,
)

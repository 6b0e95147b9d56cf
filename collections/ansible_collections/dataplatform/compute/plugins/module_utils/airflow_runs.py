# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of DAGs: their ids, what Airflow's command line says of them, and how that reads. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.run_summary import job_summary

ENDED_TASKS = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States of a task that it leaves only when somebody clears it."""

ENDED_RUNS = frozenset({"success", "failed"})

_RUN_ID = re.compile(r"[a-z0-9_-]{1,63}")
_DAG_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}")
_LONGEST_LABEL = 63
_HASH_CHARACTERS = 8


def new_run_id(now: datetime, distinct: str) -> str:
    """Return an id for a run that is started now; ``distinct`` keeps two of the same second apart.

    It is made of what a label may hold, so the labels of what the run makes in Dataproc carry it unchanged.
    """
    return f"manual-{now:%Y%m%dt%H%M%Sz}-{distinct}"


def id_problems(dag: str, run_id: str | None) -> list[str]:
    """Return what is wrong with the ids; both become arguments of a command."""
    problems = []
    if not _DAG_ID.fullmatch(dag) or dag.startswith("-"):
        problems.append(f"dag is {dag!r}; expected letters, digits, dots, hyphens and underscores")
    if run_id is not None and (not _RUN_ID.fullmatch(run_id) or run_id.startswith("-")):
        problems.append(
            f"run_id is {run_id!r}; expected 1 to 63 lower-case letters, digits, hyphens and underscores, which labels"
            " can hold"
        )
    return problems


def dag_label(dag: str) -> str:
    """Return the label ``dag`` of what a DAG's runs make in Dataproc: its id, or what a label can hold and a hash."""
    plain = re.sub(r"[^a-z0-9_-]", "-", dag.lower())
    if plain == dag and len(plain) <= _LONGEST_LABEL:
        return plain
    distinct = hashlib.sha256(dag.encode()).hexdigest()[:_HASH_CHARACTERS]
    return f"{plain[: _LONGEST_LABEL - _HASH_CHARACTERS - 1]}-{distinct}"


def task_states(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return {task: state} of ``airflow tasks states-for-dag-run``; a task that was not scheduled yet is ``none``."""
    states = {}
    for row in rows:
        index = str(row.get("map_index") or "")
        name = f"{row['task_id']}[{index}]" if index else str(row["task_id"])
        states[name] = str(row.get("state") or "none")
    return states


def run_state(rows: Sequence[Mapping[str, Any]], run_id: str) -> str:
    """Return the state of one run among those of ``airflow dags list-runs``; empty when it is not there."""
    return next((str(row.get("state") or "") for row in rows if row.get("run_id") == run_id), "")


def have_ended(states: Mapping[str, str]) -> bool:
    """Return whether no task of a run has anything left to do."""
    return bool(states) and ENDED_TASKS.issuperset(states.values())


def news(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what changed between two looks, one line for each task."""
    return [
        f"task {task}: {state.replace('_', ' ')}" for task, state in now.items() if state != before.get(task, "none")
    ]


def failed_tasks(states: Mapping[str, str]) -> list[str]:
    """Return the tasks that failed themselves; those that failed for others come only when there are no such."""
    for wanted in ("failed", "upstream_failed"):
        tasks = [task for task, state in states.items() if state == wanted]
        if tasks:
            return tasks
    return []


def failure(dag: str, run_id: str, state: str, states: Mapping[str, str], logs: str) -> str:
    """Return why a run did not succeed and where to read on."""
    tasks = failed_tasks(states)
    which = f"; failed: {', '.join(tasks)}" if tasks else ""
    return (
        f"run {run_id} of DAG {dag} is {state}{which}. The last line of a failed task's log gives the reason; logs:"
        f" {logs}"
    )


def summary(dag: str, run_id: str, state: str, states: Mapping[str, str], jobs: Sequence[Mapping[str, Any]]) -> str:
    """Return how a run went, for a person: its tasks, then each of its Dataproc jobs."""
    width = max(map(len, states), default=0)
    lines = [f"DAG {dag}, run {run_id}: {state}"]
    lines += [f"  {task:<{width}}  {found}" for task, found in states.items()]
    return "\n".join([*lines, *(job_summary(job) for job in jobs)])

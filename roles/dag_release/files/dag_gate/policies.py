"""What every DAG has to keep to. Works on Airflow's objects, imports nothing of Airflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from dag_gate.findings import Archive, Finding, Policies

# What stands for a team where the files of all teams are released together.
LOOSE_FILES = "files"
# The provider's operator, and that of the platform's library.
_CREATE_A_CLUSTER = frozenset({"DataprocCreateClusterOperator", "CreateCluster"})


def check_dag(dag: Any, file: str, archive: Archive, policies: Policies) -> Iterator[Finding]:
    """Yield everything about one DAG that the platform does not allow."""

    def finding(kind: str, message: str, expected: str, task: Any = None) -> Finding:
        return Finding(
            team=archive.team,
            file=file,
            kind=kind,
            message=message,
            expected=expected,
            dag=dag.dag_id,
            task=task.task_id if task is not None else "",
        )

    tag = f"release:{archive.release}"
    if tag not in (dag.tags or ()):
        yield finding(
            "release_tag",
            f"its tags are {sorted(dag.tags or ())}",
            f"the tag {tag}, which the library's helper for DAGs adds; without it nobody can tell which release runs",
        )
    if dag.dagrun_timeout is not None:
        yield finding(
            "dagrun_timeout",
            f"dagrun_timeout is {dag.dagrun_timeout}",
            "none: it ends a run without its teardown, and clusters stay; set execution_timeout on the tasks",
        )
    for task in dag.tasks:
        if task.execution_timeout is None:
            yield finding("execution_timeout", "has no execution_timeout", "a timedelta, or one in default_args", task)
        if (task.retries or 0) < policies.min_retries:
            yield finding("retries", f"retries is {task.retries or 0}", f"at least {policies.min_retries}", task)
        if not _may_own(task.owner, policies.owners, archive.team):
            expected = _expected_owner(task.owner, policies.owners, archive.team)
            yield finding("owner", f"owner is {task.owner!r}", expected, task)
        if creates_cluster(task) and not has_teardown(task):
            yield finding(
                "teardown",
                "creates a cluster that no teardown deletes",
                "a task that deletes it, marked with .as_teardown(setups=...)",
                task,
            )


def creates_cluster(task: Any) -> bool:
    """Whether a task makes a cluster that its run has to delete; a mapped task is asked for its operator's class."""
    kind = getattr(task, "operator_class", None)
    kind = kind if isinstance(kind, type) else type(task)
    return any(base.__name__ in _CREATE_A_CLUSTER for base in kind.__mro__)


def has_teardown(task: Any) -> bool:
    """Whether a teardown follows that runs whatever becomes of the task: its setup is the task or comes before it."""
    begun = {task.task_id} | {before.task_id for before in task.get_flat_relatives(upstream=True)}
    return any(
        setup.is_setup and setup.task_id in begun
        for following in task.get_flat_relatives(upstream=False)
        if following.is_teardown
        for setup in following.upstream_list
    )


def duplicates(places: dict[str, list[tuple[str, str]]]) -> Iterator[Finding]:
    """Yield one finding per DAG id that several archives define; ``places`` are (team, file) by id."""
    for dag_id, defined in sorted(places.items()):
        if len(defined) > 1:
            team, file = defined[-1]
            others = ", ".join(f"{other_file} of {other_team}" for other_team, other_file in defined[:-1])
            yield Finding(
                team, file, "duplicate_id", f"the DAG id is taken by {others}", "an id of its own", dag=dag_id
            )


def _may_own(owner: str, owners: Mapping[str, str], team: str) -> bool:
    """Whether the user is of the team; loose files of all teams are one tree, which any user may own a part of."""
    return owner in owners if team == LOOSE_FILES else owners.get(owner) == team


def _expected_owner(owner: str, owners: Mapping[str, str], team: str) -> str:
    if owner in owners:
        return f"a user of the team {team}; {owner} is of the team {owners[owner]}, which would pay for the task"
    known = sorted(user for user in owners if _may_own(user, owners, team))
    close = get_close_matches(owner, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known) or 'none'}"
    return f"{'a user' if team == LOOSE_FILES else f'a user of the team {team}'}; {hint}"

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The core of airflow_metadata: read what there is, plan, import only what changed, delete only what is ours."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_metadata_commands import Metadata
from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_metadata_plan import (
    CONNECTIONS,
    KINDS,
    POOLS,
    VARIABLES,
    Change,
    MetadataPlan,
    Objects,
    diff,
    owned_names,
    plan_metadata,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    ComposerApi,
    EnvironmentNotFoundError,
    dag_folder,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_names import MARKER_VARIABLE, key_problem
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    PartialFailureError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import secrets_in
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

_LONGEST = {VARIABLES: 250, CONNECTIONS: 200, POOLS: 250}
_CONNECTION_FIELDS = {"conn_type", "host", "schema", "login", "port", "description", "extra"}


class InterruptedByUserError(ComputeError):
    """The person pressed Ctrl-C, or the play was terminated."""


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Bring variables, connections and pools into the wanted state; returns what the task returns (see RETURN)."""
    desired = check_desired({kind: plain(params[kind]) for kind in KINDS if params[kind] is not None})
    with Interruption() as interruption:

        def pause(seconds: float) -> None:
            interruption.pause(seconds)
            if interruption.requested:
                raise InterruptedByUserError("interrupted")

        api = ComposerApi(client, client.project, params["location"] or client.region, sleep=pause)
        try:
            live = api.wait_until_running(params["environment"], params["wait_timeout"])
        except EnvironmentNotFoundError as error:
            if not reporter.check_mode:
                raise
            reporter.warn(f"{error}. Shown is what a run makes once it exists.")
            plan = plan_metadata(desired, {})
            return _result(plan, plan.changes)
        bucket = dag_folder(live)[0]
        metadata = Metadata(client, api, params["environment"], bucket, timeout=params["command_timeout"], sleep=pause)
        plan = plan_metadata(desired, _read(metadata, desired, reporter), purge=params["purge"])
        if reporter.check_mode or not plan.changed:
            return _result(plan, plan.changes)
        done: list[Change] = []
        try:
            metadata.apply(plan, done.append)
        except ComputeError as error:
            raise _partial(plan, done, error) from error
    return _result(plan, plan.changes)


def _read(metadata: Metadata, desired: Objects, reporter: Reporter) -> Objects:
    """Return what there is; connections, whose export holds passwords, only where some are wanted or are ours."""
    first = [kind for kind in KINDS if kind == VARIABLES or (kind in desired and (kind == POOLS or desired[kind]))]
    live = metadata.read(first)
    owned = owned_names(live[VARIABLES].get(MARKER_VARIABLE))
    if CONNECTIONS in desired and CONNECTIONS not in live and owned[CONNECTIONS]:
        live |= metadata.read([CONNECTIONS])
    unsafe = [name for kind in KINDS for name in owned[kind] if key_problem(name, _LONGEST[kind])]
    if unsafe:
        # Somebody wrote them there: a name is an argument of a command.
        reporter.warn(f"{MARKER_VARIABLE} holds names that are none of ours and are left alone: {', '.join(unsafe)}")
        kept = {kind: [name for name in owned[kind] if name not in unsafe] for kind in KINDS}
        live[VARIABLES] = {**live[VARIABLES], MARKER_VARIABLE: kept}
    return live


def check_desired(desired: Objects) -> Objects:
    """Return what is wanted, pools completed; raises ValidationError with every problem, showing no value. Pure."""
    problems: list[str] = []
    for kind, objects in desired.items():
        for name in objects:
            problem = key_problem(str(name), _LONGEST[kind])
            if problem:
                problems.append(f"{kind} has {name!r}: {problem}")
    for where, looks in secrets_in(desired.get(VARIABLES, {})):
        problems.append(
            f"variables.{'.'.join(map(str, where))} looks like {looks}; expected no secret: keep it in Secret Manager"
            " as airflow-variables-NAME"
        )
    for name, connection in desired.get(CONNECTIONS, {}).items():
        problems += _connection_problems(name, connection)
    for name, pool in desired.get(POOLS, {}).items():
        problems += _pool_problems(name, pool)
    if problems:
        raise ValidationError(problems, "the metadata")
    pools = {
        name: {"slots": pool["slots"], "description": "", "include_deferred": False, **pool}
        for name, pool in desired.get(POOLS, {}).items()
    }
    return {**desired, POOLS: pools} if POOLS in desired else desired


def _connection_problems(name: str, connection: Any) -> list[str]:
    where = f"connections.{name}"
    if not isinstance(connection, dict) or not isinstance(connection.get("conn_type"), str):
        return [f"{where} has no conn_type; expected a mapping with conn_type and fields of it"]
    place = f"keep the connection in Secret Manager as airflow-connections-{name}"
    problems = [f"{where}.{key} is refused: {place}" for key in ("password", "uri") if key in connection]
    problems += [
        f"{where}.{key} is unknown; expected {', '.join(sorted(_CONNECTION_FIELDS))}"
        for key in sorted(set(connection) - _CONNECTION_FIELDS - {"password", "uri"})
    ]
    problems += [
        f"{where}.{'.'.join(map(str, path))} looks like {looks}; expected no secret: {place}"
        for path, looks in secrets_in(connection)
        if path[0] not in ("password", "uri")
    ]
    return problems


def _pool_problems(name: str, pool: Any) -> list[str]:
    slots = pool.get("slots") if isinstance(pool, dict) else None
    if not isinstance(slots, int) or isinstance(slots, bool) or slots < -1:
        return [f"pools.{name} has slots {slots!r}; expected a whole number from 0, or -1 for no limit"]
    unknown = sorted(set(pool) - {"slots", "description", "include_deferred"})
    return [f"pools.{name}.{key} is unknown; expected slots, description, include_deferred" for key in unknown]


def _result(plan: MetadataPlan, done: list[Change]) -> dict[str, Any]:
    return {
        "changed": plan.changed,
        "results": [change.to_result() for change in done],
        "diff": diff(plan),
    }


def _partial(plan: MetadataPlan, done: list[Change], error: ComputeError) -> PartialFailureError:
    left = [change for change in plan.changes if change not in done]
    names = {
        title: ", ".join(f"{change.kind[:-1]} {change.name}" for change in changes) or "nothing"
        for title, changes in (("Made", done), ("Left", left))
    }
    made = MetadataPlan(done, plan.owned_before, plan.owned_before, plan.owned_before)
    return PartialFailureError(
        f"{error}\nMade: {names['Made']}. Left: {names['Left']}. A repeated run continues from here",
        {**_result(made, done), "changed": bool(done)},
    )


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "environment": {"type": "str", "required": True},
            "location": {"type": "str"},
            "variables": {"type": "dict"},
            "connections": {"type": "dict"},
            "pools": {"type": "dict"},
            "purge": {"type": "bool", "default": True},
            "wait_timeout": {"type": "float", "default": 1800.0},
            "command_timeout": {"type": "float", "default": 300.0},
        }
    ),
    run=run,
)

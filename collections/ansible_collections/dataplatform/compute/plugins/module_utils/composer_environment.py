# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The core of composer_environment: read, plan, and apply one type of update after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import composer_names, composer_plan
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    PASSING_STATES,
    ROOT,
    ComposerApi,
    EnvironmentStateError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    ConflictError,
    GoogleApiError,
    PartialFailureError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import label_problems
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import Deadline, wait_for_operation

CREATE, UPDATE, DELETE, NONE = "create", "update", "delete", "none"
# What Composer answers, as text only, to an update that asks for what is there.
_NO_CHANGE = ("no change in configuration", "does not result in any change")
_BUSY = ("in state updating", "in state creating")


class Converger:
    """Brings one environment into the wanted state; every wait ends with ``timeout`` seconds from the beginning."""

    def __init__(
        self,
        client: GoogleClient,
        api: ComposerApi,
        environment: str,
        wanted: composer_plan.Wanted,
        *,
        timeout: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._api = api
        self._environment = environment
        self.wanted = wanted
        self._deadline = Deadline(timeout)
        self._sleep = sleep

    @property
    def name(self) -> str:
        """The environment's full name."""
        return self._api.environment_name(self._environment)

    def create(self, config: dict[str, Any]) -> bool:
        """Create the environment and wait for it; return whether it was us, and not somebody at the same time."""
        body = composer_plan.creation_body(self.name, self.wanted, config)
        try:
            operation = self._client.request("POST", f"{ROOT}/{self._api.parent}/environments", json=body)
        except ConflictError as error:
            return error.attempts > 1
        self._wait(operation, f"create {self._environment}")
        return True

    def delete(self) -> None:
        """Delete the environment and wait until it is gone; its bucket stays."""
        operation = self._client.request("DELETE", f"{ROOT}/{self.name}")
        self._wait(operation, f"delete {self._environment}")

    def running(self) -> dict[str, Any]:
        """Return the environment once it is RUNNING."""
        return self._api.wait_until_running(self._environment, self._deadline.left())

    def apply(self, update: composer_plan.Update) -> bool:
        """Make one update and wait for it; return whether it changed anything. A busy environment is waited for."""
        url = f"{ROOT}/{self.name}"
        answer_lost = False
        while True:
            try:
                operation = self._client.request("PATCH", url, params={"updateMask": update.mask}, json=update.body)
                self._wait(operation, f"update {update.kind} of {self._environment}")
            except ComputeError as error:
                words = str(error).lower()
                if any(text in words for text in _NO_CHANGE):
                    return answer_lost
                if not isinstance(error, GoogleApiError) or not any(text in words for text in _BUSY):
                    raise
                if self._deadline.left() <= 0:
                    raise EnvironmentStateError(
                        f"{self._environment} takes no update, it is being changed by somebody else: {error}"
                    ) from error
                # An earlier attempt of this very request may be what the environment is busy with.
                answer_lost = answer_lost or error.attempts > 1
                self._sleep(min(1.0, self._deadline.left()))
                self.running()
                continue
            return True

    def _wait(self, operation: dict[str, Any], what: str) -> None:
        wait_for_operation(self._client, ROOT, operation, what, self._deadline, sleep=self._sleep)


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Report drift, or put it right; returns what the task returns (see the module's RETURN)."""
    wanted = _wanted(params)
    api = ComposerApi(client, client.project, params["location"] or client.region)
    reading_only = params["state"] == "drift" or reporter.check_mode
    converger = Converger(client, api, params["environment"], wanted, timeout=params["wait_timeout"])
    live = api.find_environment(params["environment"])
    if params["state"] == "absent":
        return _delete(params, converger, live, reporter)
    created = False
    if live is None:
        if params["state"] == "drift" or params["create"] is None:
            api.get_environment(params["environment"])  # raises, with the name that was probably meant
        body = composer_plan.creation_body(converger.name, wanted, params["create"])
        if reading_only:
            # What the environment is created with lacks packages, which the same run then adds.
            found = composer_plan.differences(wanted, body)
            planned = composer_plan.updates(found, body, upgrade=params["upgrade"])
            return _creation(params, body, _result(params, {}, found, planned, planned))
        created = converger.create(params["create"])
        live = converger.running()
    elif not reading_only and live.get("state") in PASSING_STATES:
        live = converger.running()
    found = composer_plan.differences(wanted, live)
    planned = composer_plan.updates(found, live, upgrade=params["upgrade"])
    _refuse_downgrade(planned)
    if reading_only:
        if live.get("state") in PASSING_STATES:
            reporter.warn(f"{params['environment']} is {live['state']}; what is shown may change until that has ended.")
        done = [] if params["state"] == "drift" else planned
        return _result(params, live, found, planned, done)
    if planned and live.get("state") != "RUNNING":
        raise EnvironmentStateError(
            f"{params['environment']} is in state {live.get('state', 'unknown')}, expected RUNNING. Nothing was changed"
        )
    done = _apply(converger, planned, lambda done: _result(params, live, found, planned, done))
    if done:
        live = api.get_environment(params["environment"])
    result = _result(params, live, found, planned, done)
    if created:
        return _creation(params, body, result)
    return result


def _delete(
    params: dict[str, Any], converger: Converger, live: dict[str, Any] | None, reporter: Reporter
) -> dict[str, Any]:
    """Delete what carries every label that is stated; raises ValidationError for what does not."""
    result = _result(params, live or {}, [], [], [])
    if live is None or live.get("state") == "DELETING":
        return result
    labels = converger.wanted.labels or {}
    wrong = [f"{key}={value}" for key, value in labels.items() if (live.get("labels") or {}).get(key) != value]
    if wrong or not labels:
        problem = f"{params['environment']} does not carry {', '.join(wrong)}" if wrong else "labels is empty"
        raise ValidationError([f"{problem}; expected the labels that mark the environment as ours"], "the deletion")
    if not reporter.check_mode:
        converger.delete()
    header = f"Composer environment {params['environment']}"
    before = {"labels": live.get("labels"), "config": live.get("config")}
    diff = {"before_header": header, "after_header": f"{header} (delete)", "before": before, "after": {}}
    return {**result, "changed": True, "action": DELETE, "diff": [diff]}


def _apply(
    converger: Converger, planned: list[composer_plan.Update], result: Callable[[list[composer_plan.Update]], Any]
) -> list[composer_plan.Update]:
    """Apply updates in turn; return those that changed something. Raises PartialFailureError at the first failure."""
    done: list[composer_plan.Update] = []
    for index, update in enumerate(planned):
        try:
            if converger.apply(update):
                done.append(update)
        except ComputeError as error:
            finished = ", ".join(one.kind for one in done) or "nothing"
            left = ", ".join(one.kind for one in planned[index:])
            raise PartialFailureError(
                f"{update.kind} was not updated: {error}\nUpdated before: {finished}. Left: {left}. A repeated run"
                " continues from here",
                result(done),
            ) from error
    return done


def _result(
    params: dict[str, Any],
    live: dict[str, Any],
    found: list[composer_plan.Difference],
    planned: list[composer_plan.Update],
    done: list[composer_plan.Update],
) -> dict[str, Any]:
    changed = [one for update in done for one in update.differences]
    left = [one for one in found if one not in changed]
    before, after = composer_plan.sides(changed)
    header = f"Composer environment {params['environment']}"
    return {
        "changed": bool(done),
        "action": UPDATE if done else NONE,
        "updates": [update.kind for update in done],
        "pending": [update.kind for update in planned if update not in done],
        "drift": [one.shown() for one in found],
        "remaining": [one.shown() for one in left],
        "table": composer_plan.table(left) if left else [],
        "environment": facts(params["environment"], live),
        "diff": [{"before_header": header, "after_header": header, "before": before, "after": after}] if done else [],
    }


def _creation(params: dict[str, Any], body: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    header = f"Composer environment {params['environment']}"
    empty = _result(params, {}, [], [], [])
    diff = {"before_header": f"{header} (absent)", "after_header": f"{header} (create)", "before": {}, "after": body}
    return {**empty, **result, "changed": True, "action": CREATE, "diff": [diff, *result.get("diff", [])]}


def facts(name: str, live: dict[str, Any]) -> dict[str, Any]:
    """Return what other tasks need to know of an environment; empty texts for what it does not have (yet)."""
    config = live.get("config") or {}
    folder = str(config.get("dagGcsPrefix") or "")
    bucket = str((live.get("storageConfig") or {}).get("bucket") or "")
    return {
        "name": name,
        "state": str(live.get("state") or ("" if live else "ABSENT")),
        "bucket": bucket or folder.removeprefix("gs://").partition("/")[0],
        "dag_gcs_prefix": folder,
        "airflow_uri": str(config.get("airflowUri") or ""),
        "image_version": str((config.get("softwareConfig") or {}).get("imageVersion") or ""),
        "service_account": str((config.get("nodeConfig") or {}).get("serviceAccount") or ""),
    }


def _wanted(params: dict[str, Any]) -> composer_plan.Wanted:
    """Return what is stated; raises ValidationError with everything Composer would refuse."""
    maps = {
        name: {str(key): None if value is None else str(value) for key, value in params[name].items()}
        for name in ("pypi_packages", "airflow_config_overrides", "environment_variables", "labels")
        if params[name] is not None
    }
    problems = label_problems({key: value or "" for key, value in maps.get("labels", {}).items()})
    checks: dict[str, Callable[[str, str], tuple[str, str]]] = {
        "pypi_packages": composer_names.package_problem,
        "airflow_config_overrides": lambda key, _value: composer_names.override_problem(key),
        "environment_variables": lambda key, _value: composer_names.environment_variable_problem(key),
    }
    for name, check in checks.items():
        for key, value in maps.get(name, {}).items():
            problem, near = check(key, value or "")
            if problem:
                problems.append(f"{name}.{key}: {problem}" + (f"; did you mean {near!r}?" if near else ""))
    image = params["image_version"]
    problem = composer_names.image_problem(image) if image else ""
    if problem:
        problems.append(f"image_version is {image!r}: {problem}")
    if params["wait_timeout"] <= 0:
        problems.append(f"wait_timeout is {params['wait_timeout']:g}; expected seconds above 0")
    if problems:
        raise ValidationError(problems, f"what is wanted of {params['environment']}")
    return composer_plan.Wanted(image_version=image, **maps)


def _refuse_downgrade(planned: list[composer_plan.Update]) -> None:
    for update in planned:
        one = update.differences[0]
        if update.kind == composer_plan.IMAGE and composer_plan.is_downgrade(one.wanted or "", one.live or ""):
            problem = f"image_version is {one.wanted!r}, older than {one.live!r} that runs; Composer only upgrades"
            raise ValidationError([problem], "the plan")


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "environment": {"type": "str", "required": True},
            "location": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "drift", "absent"], "default": "present"},
            "image_version": {"type": "str"},
            "upgrade": {"type": "bool", "default": False},
            "airflow_config_overrides": {"type": "dict"},
            "environment_variables": {"type": "dict"},
            "pypi_packages": {"type": "dict"},
            "labels": {"type": "dict"},
            "create": {"type": "dict"},
            "wait_timeout": {"type": "float", "default": 3600.0},
        }
    ),
    run=run,
)

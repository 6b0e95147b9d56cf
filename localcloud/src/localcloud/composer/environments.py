"""Environments: create, read, change and delete them; their Airflow follows."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from localcloud.composer.bucket import prepare_bucket
from localcloud.composer.configuration import AirflowSpec
from localcloud.composer.defaults import complete
from localcloud.composer.environment_operations import MESSAGE_TYPE, describe_operation, start_operation
from localcloud.composer.images import resolve
from localcloud.composer.names import (
    EnvironmentName,
    label_problems,
    name_problems,
    new_bucket_name,
    no_such_environment,
    parse_name,
    problems,
    wrong_state,
)
from localcloud.composer.packages import missing_packages
from localcloud.composer.processes import AirflowError, AirflowProcesses
from localcloud.composer.software import software_problems
from localcloud.composer.updates import plan_update
from localcloud.dataproc.background import Background
from localcloud.errors import ApiError, already_exists
from localcloud.operations import Operation, Operations

COLLECTION = "composer/environments"
_RESTARTING = ("config.softwareConfig.airflowConfigOverrides", "config.softwareConfig.envVariables")


class Environments:
    """The environments of an instance. Rows hold {"resource": the environment}."""

    def __init__(  # noqa: PLR0917  (the parts of an instance)
        self, settings: Any, store: Any, clock: Any, operations: Operations, storage: Any, airflow: AirflowProcesses
    ) -> None:
        """Keep environments in `store`, let `airflow` run them."""
        self._settings = settings
        self._store = store
        self._clock = clock
        self._operations = operations
        self._storage = storage
        self._airflow = airflow
        self._work = Background()
        self._start_operation = partial(start_operation, operations)
        self._register(operations)

    def _register(self, operations: Operations) -> None:
        def describe(operation: Operation) -> dict[str, Any]:
            return describe_operation(operation, self._clock.now())

        operations.register(
            "composer.create",
            finish=self._finish_create,
            fail=self._fail_create,
            describe=describe,
            ready=lambda operation: self._started(operation, self._spec(operation.payload["name"])),
        )
        operations.register(
            "composer.update",
            finish=self._finish_update,
            fail=self._fail_update,
            describe=describe,
            ready=self._updated,
        )
        operations.register("composer.delete", finish=self._finish_delete, describe=describe, ready=self._removed)

    def get(self, name: EnvironmentName) -> dict[str, Any]:
        """Return an environment. Raises ApiError 404."""
        row = self._store.get(_key(name))
        if row is None:
            raise no_such_environment(str(name))
        return row["resource"]

    def list(self, location: str | None = None) -> list[dict[str, Any]]:
        """Return the environments of a location, or all, in order of their names."""
        found = [row["resource"] for _key, row in self._store.list(COLLECTION)]
        return [item for item in found if location in (None, "-", parse_name(item["name"]).location)]

    def create(self, parent: str, body: dict[str, Any], method_id: str) -> dict[str, Any]:
        """Start to create an environment; return the operation. Raises ApiError."""
        given = body.get("name", "")
        prefix = f"{parent}/environments/"
        if not given.startswith(prefix) or "/" in given.removeprefix(prefix):
            raise problems(f"Environment name '{given}' is invalid, expected '{prefix}ENVIRONMENT_ID'.")
        name = parse_name(given) if given != prefix else EnvironmentName(*parent.split("/")[1::2], "")
        config = body.get("config", {})
        software = config.get("softwareConfig", {})
        found = name_problems(name) + label_problems(body.get("labels", {})) + software_problems(software)
        if software.get("pypiPackages"):
            found.append(
                "User-provided PyPi dependencies forbidden at environment creation. Please create an environment "
                "without dependencies then perform an update."
            )
        if found:
            raise problems(*found)
        if self._store.get(_key(name)) is not None:
            raise already_exists(f"Environment {name} already exists.")
        named = body.get("storageConfig", {}).get("bucket")
        if named and not self._storage.bucket_exists(named):
            raise problems(f"Bucket '{named}' does not exist.")
        bucket = named or new_bucket_name(name)
        completed = complete(name, config, bucket, self._settings.project_number)
        if missing := self._airflow.missing():
            raise wrong_state(f"localcloud: {missing}")
        prepare_bucket(self._storage, bucket, name)
        now = self._clock.timestamp()
        resource = {
            "name": str(name),
            "config": completed,
            "uuid": str(uuid.uuid4()),
            "state": "CREATING",
            "createTime": now,
            "updateTime": now,
            **{field: body[field] for field in ("labels", "mode") if body.get(field)},
            "storageConfig": {"bucket": bucket},
        }
        with self._store.transaction():
            self._store.put(_key(name), COLLECTION, {"resource": resource})
            operation = self._start_operation("CREATE", resource, method_id)
        self._begin(operation["name"], self._spec(str(name)))
        return operation

    def patch(self, name: EnvironmentName, body: dict[str, Any], mask: str | None, method_id: str) -> dict[str, Any]:
        """Start an update of one type; return the operation. Raises ApiError."""
        resource = self.get(name)
        _require_state(resource, "update", "RUNNING")
        asked = body.get("config", {}).get("softwareConfig", {})
        if asked.get("imageVersion"):
            body = {**body, "config": {"softwareConfig": {**asked, "imageVersion": resolve(asked["imageVersion"])}}}
        update = plan_update(resource, body, mask)
        changed = update.environment
        software = changed["config"]["softwareConfig"]
        found = label_problems(changed.get("labels", {})) + software_problems(software)
        if found:
            raise problems(*found)
        with self._store.transaction():
            self._store.put(_key(name), COLLECTION, {"resource": {**resource, "state": "UPDATING"}})
            payload = {"changed": changed, "field": update.field}
            operation = self._start_operation("UPDATE", resource, method_id, payload)
        if update.field in _RESTARTING:
            self._begin(operation["name"], self._spec_of(changed))
        return operation

    def delete(self, name: EnvironmentName, method_id: str) -> dict[str, Any]:
        """Start to delete an environment, not its bucket; return the operation. Raises ApiError."""
        resource = self.get(name)
        _require_state(resource, "delete", "RUNNING", "ERROR")
        with self._store.transaction():
            self._store.put(_key(name), COLLECTION, {"resource": {**resource, "state": "DELETING"}})
            operation = self._start_operation("DELETE", resource, method_id)
        self._work.done(operation["name"], lambda: self._airflow.remove(name.directory))
        return operation

    def resume(self) -> None:
        """Start the Airflow of the environments that an instance which starts finds."""
        for resource in self.running():
            self.restart(resource)

    def running(self) -> list[dict[str, Any]]:
        """Return the environments whose Airflow is to run."""
        return [resource for resource in self.list() if resource["state"] in ("RUNNING", "UPDATING")]

    def restart(self, resource: dict[str, Any]) -> None:
        """See to it, in the background, that an environment's Airflow runs."""
        spec = self._spec_of(resource)
        key = f"keep {spec.directory}"
        try:
            if self._work.done(key, lambda: self._airflow.start(spec)):
                self._work.forget(key)
        except AirflowError:
            self._work.forget(key)
            raise

    def _spec(self, name: str) -> AirflowSpec:
        return self._spec_of(self.get(parse_name(name)))

    def _spec_of(self, resource: dict[str, Any]) -> AirflowSpec:
        name = parse_name(resource["name"])
        software = resource["config"]["softwareConfig"]
        return AirflowSpec(
            directory=name.directory,
            name=name.id,
            location=name.location,
            project=self._settings.project,
            bucket=resource["storageConfig"]["bucket"],
            overrides=software.get("airflowConfigOverrides", {}),
            variables=software.get("envVariables", {}),
        )

    def _begin(self, operation: str, spec: AirflowSpec) -> bool:
        return self._work.done(operation, lambda: self._airflow.start(spec))

    def _started(self, operation: Operation, spec: AirflowSpec) -> bool:
        try:
            return self._begin(operation.name, spec)
        except AirflowError as problem:
            raise ApiError(400, f"localcloud: {problem}", "FAILED_PRECONDITION") from None

    def _updated(self, operation: Operation) -> bool:
        changed, field = operation.payload["changed"], operation.payload["field"]
        if field == "config.softwareConfig.pypiPackages":
            missing = missing_packages(changed["config"]["softwareConfig"].get("pypiPackages", {}))
            if missing:
                raise ApiError(400, f"Failed to install Python packages.\nlocalcloud: {missing}", "FAILED_PRECONDITION")
        return field not in _RESTARTING or self._started(operation, self._spec_of(changed))

    def _removed(self, operation: Operation) -> bool:
        directory = parse_name(operation.payload["name"]).directory
        return self._work.done(operation.name, lambda: self._airflow.remove(directory))

    def _finish_create(self, operation: Operation) -> dict[str, Any]:
        return self._settle(self.get(parse_name(operation.payload["name"])), "RUNNING")

    def _finish_update(self, operation: Operation) -> dict[str, Any]:
        return self._settle(operation.payload["changed"], "RUNNING")

    def _finish_delete(self, operation: Operation) -> dict[str, Any]:
        self._store.delete(_key(parse_name(operation.payload["name"])))
        return {"@type": "type.googleapis.com/google.protobuf.Empty"}

    def _fail_create(self, operation: Operation, _error: ApiError) -> None:
        name = parse_name(operation.payload["name"])
        self._settle(self.get(name), "ERROR")
        self._work.done(f"stop {operation.name}", lambda: self._airflow.stop(name.directory))

    def _fail_update(self, operation: Operation, _error: ApiError) -> None:
        # Google goes back to what was there.
        resource = self.get(parse_name(operation.payload["name"]))
        self._settle(resource, "RUNNING")
        self.restart(resource)

    def _settle(self, resource: dict[str, Any], state: str) -> dict[str, Any]:
        """Store an environment as an operation leaves it; return the operation's response, which has no state."""
        settled = {**resource, "state": state, "updateTime": self._clock.timestamp()}
        self._store.put(_key(parse_name(resource["name"])), COLLECTION, {"resource": settled})
        return {"@type": f"{MESSAGE_TYPE}.Environment", **{k: v for k, v in settled.items() if k != "state"}}


def _key(name: EnvironmentName) -> str:
    return f"{COLLECTION}/{name.location}/{name.id}"


def _require_state(resource: dict[str, Any], verb: str, *states: str) -> None:
    if resource["state"] not in states:
        raise wrong_state(f"Cannot {verb} environment in state {resource['state']}.")

"""Releases in a real bucket, with an Airflow that is a few lines: it runs what it last fetched from the bucket.

What the real one says is tested against a Composer environment, in test_sync_dags.py; here every step can be stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import CommandOutput
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import (
    RELEASE_FILE,
    DagArchive,
    build_archive,
    read_archive,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import new_record
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_release_plan import NONE, RELEASE, plan_team
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import KeptReleases, LiveReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_switch import (
    AirflowEnvironment,
    Outcome,
    ReleaseSwitch,
    Target,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage

ARTIFACTS, COMPOSER = "artifacts", "composer-bucket"
NOISE = "[2026-01-02T03:04:05.000+0000] {plugins.py:37} INFO - setup plugin alembic.autogenerate.schemas"


def create_buckets(client: GoogleClient) -> None:
    """Make the two buckets."""
    for name in (ARTIFACTS, COMPOSER):
        client.request(
            "POST",
            "https://storage.googleapis.com/storage/v1/b",
            params={"project": "local-project"},
            json={"name": name, "location": "EUROPE-WEST1"},
        )


def objects(client: GoogleClient, bucket: str, prefix: str = "") -> dict[str, dict[str, Any]]:
    """All objects of a bucket by name."""
    return {item["name"]: item for item in TreeStorage(client, bucket, prefix).list_tree()}


def archive(*dags: str, team: str = "growth", broken: str = "") -> DagArchive:
    """An archive whose DAGs are named in its files; ``broken`` is what the environment cannot import of it."""
    files = {f"{dag}.py": dag.encode() for dag in dags}
    if broken:
        files["broken.txt"] = broken.encode()
    return build_archive(team, "test", files, '{"workloads": {}}')


@dataclass
class SmallAirflow:
    """Fetches the archives ``delay`` looks after they changed, as Composer does minutes later; then runs them.

    What is in an archive as ``broken.txt`` is its import error, and the file ``lost`` can no longer be imported.
    """

    client: GoogleClient
    delay: int = 2
    looks: int = 0
    fetched: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    lost: str = ""
    on_look: Callable[[int], None] = lambda _number: None

    def get_environment(self, _name: str) -> dict[str, Any]:
        """Say where its DAG folder is."""
        return {"config": {"dagGcsPrefix": f"gs://{COMPOSER}/dags"}}

    def wait_until_running(self, _name: str, _timeout: float) -> None:
        """Nothing to wait for."""

    def run(self, _environment: str, command: str, _parameters: Any = (), _timeout: float = 0) -> CommandOutput:
        """Answer the two commands that a verification gives."""
        if command == "dags list":
            self.looks += 1
            self.on_look(self.looks)
            self._fetch()
            rows: list[dict[str, Any]] = [
                {"dag_id": dag, "tags": [], "fileloc": file, "last_parsed_time": "now"}
                for dag, file in self.foreign.items()
            ]
            for name, data in self.fetched.items():
                files = read_archive(data)
                tag = f"release:{json.loads(files[RELEASE_FILE])['release']}"
                if not self._error(data):
                    rows += [
                        {
                            "dag_id": file[:-3],
                            "tags": [{"name": tag}],
                            "fileloc": f"/home/airflow/gcs/dags/{name}/{file}",
                            "last_parsed_time": "now",
                        }
                        for file in files
                        if file.endswith(".py")
                    ]
            return CommandOutput(command, (NOISE, json.dumps(rows)), 0)
        errors = [
            {"filepath": f"/home/airflow/gcs/dags/{name}/x.py", "error": error}
            for name, data in self.fetched.items()
            if (error := self._error(data))
        ]
        return CommandOutput(command, (NOISE, json.dumps(errors)), 1 if errors else 0)

    def _error(self, data: bytes) -> str:
        files = read_archive(data)
        return "ImportError: a lost package" if self.lost in files else files.get("broken.txt", b"").decode()

    def _fetch(self) -> None:
        present = {}
        storage = TreeStorage(self.client, COMPOSER, "dags/")
        for item in storage.list_tree():
            if item["name"].endswith(".zip"):
                present[item["name"]] = storage.read(item["name"], str(item["generation"]))
        for name in list(self.fetched):
            if name not in present:
                del self.fetched[name]
        for name, data in present.items():
            if self.fetched.get(name) == data:
                self.pending.pop(name, None)
            elif self.pending.get(name, (0, b""))[1] != data:
                self.pending[name] = (self.looks + self.delay, data)
            elif self.looks >= self.pending[name][0]:
                self.fetched[name] = self.pending.pop(name)[1]


@dataclass
class Releaser:
    """Releases archives as the module does, without sources and gate."""

    client: GoogleClient
    airflow: SmallAirflow
    by: str = "ada@example.com"
    deadline: float = 60.0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = KeptReleases(self.client, ARTIFACTS, "test")
        self.live = LiveReleases(self.client, COMPOSER, "dags")

    def targets(self, archives: Mapping[str, DagArchive], *, again: bool = False) -> list[Target]:
        """What has to be done for these archives, by team."""
        present, kept = self.live.list(archives), self.kept.list()
        found = []
        for team, one in archives.items():
            plan = plan_team(team, one.release, present.get(team), again=again)
            if plan.action == NONE:
                continue
            dags = {name[:-3]: name for name in one.files if name.endswith(".py")}
            record = new_record(
                one, dags, released_by=self.by, released_at="2026-01-01T00:00:00+00:00", previous=plan.previous
            )
            found.append(
                Target(
                    record,
                    one.data if plan.action == RELEASE else None,
                    plan.previous,
                    present.get(team),
                    kept.get(team, {}).get(one.release),
                )
            )
        return found

    def switch(self, targets: list[Target]) -> Outcome:
        """Carry it out."""
        environment = AirflowEnvironment(self.airflow, "etl", self.deadline, sleep=lambda _seconds: None)
        switch = ReleaseSwitch(self.kept, self.live, environment, released_by=self.by, progress=self.said.append)
        return switch.run(targets, environment.look() if targets else None)

    def release(self, one: DagArchive) -> Outcome:
        """Release one archive."""
        return self.switch(self.targets({one.team: one}))

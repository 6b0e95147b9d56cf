"""The facts of a release, rendered from the inventory: ``release/release.json`` and ``release/workloads.json``.

They are read when the first DAG asks for them, from the library's own package, so a packaged archive works as loose
files do. What is wrong is said once, with the key and what was expected.
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

PLACEMENTS = ("own", "shared")
PRIORITIES = ("critical", "normal", "low")
#: What stands for a team where the files of all teams are released together, as loose files.
ALL_TEAMS = "files"


class ReleaseError(ValueError):
    """The facts of the release cannot be used; the message names the key."""


class Release(NamedTuple):
    """What DAGs know about the environment they run in; bodies keep Google's JSON names."""

    release: str
    team: str
    environment: str
    project: str
    region: str
    staging_bucket: str
    zones: tuple[str, ...]
    schedules: bool
    users: Mapping[str, Mapping[str, Any]]
    clusters: Mapping[str, Mapping[str, Any]]
    launcher: Mapping[str, Any]
    scripts: Mapping[str, str]
    workloads: Mapping[str, Mapping[str, Any]]
    teams: Mapping[str, Mapping[str, Any]]
    placeholders: Mapping[str, str]

    @property
    def ownership(self) -> dict[str, str]:
        """The labels of everything this platform made in this environment; what lacks them is never touched."""
        return {"managed-by": "dataplatform-compute", "environment": self.environment}

    def user(self, owner: str) -> Mapping[str, Any]:
        """Return team and worker slots of a user. Raises ReleaseError for an unknown one."""
        return pick(self.users, owner, "owner", "users of the inventory (platform_users)")

    def member(self, owner: str) -> Mapping[str, Any]:
        """Return what ``user`` does. Raises ReleaseError for a user of another team too: theirs to spend, not ours.

        A release of loose files is of all teams, so every user is one of it.
        """
        user = self.user(owner)
        if self.team not in (user["team"], ALL_TEAMS):
            raise ReleaseError(
                f"owner {owner!r} is of the team {user['team']!r}, "
                f"expected a user of {self.team!r}, whose release this is"
            )
        return user

    def cost_center(self, owner: str) -> str:
        """Return who pays for what a user runs. Raises ReleaseError for an unknown user or team."""
        team = self.user(owner)["team"]
        return pick(self.teams, team, "team", "teams of the inventory (platform_teams)")["cost_center"]

    def cluster(self, template: str, placement: str) -> Mapping[str, Any]:
        """Return labels and configuration of a cluster. Raises ReleaseError for an unknown template or placement."""
        placements = pick(self.clusters, template, "template", "cluster templates (platform_cluster_templates)")
        return pick(placements, placement, "placement", f"placements of the template {template!r}")

    def script(self, script: str) -> str:
        """Return where the release has a script of ``jobs/``. Raises ReleaseError for an unknown one."""
        return pick(self.scripts, script, "script", "scripts under jobs/")


def pick(values: Mapping[str, Any], name: Any, what: str, expected: str) -> Any:
    """Return ``values[name]``. Raises ReleaseError with the near miss, or all there are, when it is not there."""
    if name in values:
        return values[name]
    near = difflib.get_close_matches(str(name), values, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {_listing(values)}"
    raise ReleaseError(f"{what} {name!r} is not one of the {expected}; {hint}")


@functools.cache
def current() -> Release:
    """Return the release this library is part of. Raises ReleaseError when it has none or a damaged one."""
    return load(_read("release.json"), _read("workloads.json"))


def load(release: Any, facts: Any) -> Release:
    """Check two parsed documents and return them as a Release. Raises ReleaseError naming the key."""
    for key in ("release", "team", "environment"):
        expect(release, key, str, "release.json")
    for key in ("environment", "project", "region", "staging_bucket"):
        expect(facts, key, str, "workloads.json")
    for key in ("users", "clusters", "launcher", "scripts", "workloads", "teams", "placeholders"):
        expect(facts, key, dict, "workloads.json")
    expect(facts, "zones", list, "workloads.json")
    expect(facts, "schedules", bool, "workloads.json")
    if release["environment"] != facts["environment"]:
        raise ReleaseError(
            f"workloads.json: environment is {facts['environment']!r}, "
            f"but release.json is of the environment {release['environment']!r}"
        )
    for name, user in facts["users"].items():
        expect(user, "team", str, f"workloads.json: users.{name}")
        expect(user, "slots", int, f"workloads.json: users.{name}")
    for name, team in facts["teams"].items():
        expect(team, "cost_center", str, f"workloads.json: teams.{name}")
    for name, placements in facts["clusters"].items():
        for placement in PLACEMENTS:
            expect(placements, placement, dict, f"workloads.json: clusters.{name}")
            for key in ("labels", "config"):
                expect(placements[placement], key, dict, f"workloads.json: clusters.{name}.{placement}")
    return Release(
        release=release["release"],
        team=release["team"],
        environment=facts["environment"],
        project=facts["project"],
        region=facts["region"],
        staging_bucket=facts["staging_bucket"],
        zones=tuple(facts["zones"]),
        schedules=facts["schedules"],
        users=facts["users"],
        clusters=facts["clusters"],
        launcher=facts["launcher"],
        scripts=facts["scripts"],
        workloads=facts["workloads"],
        teams=facts["teams"],
        placeholders=facts["placeholders"],
    )


_KINDS = {str: "a text", int: "a whole number", dict: "a mapping", list: "a list", bool: "true or false"}


def expect(document: Any, key: str, kind: type, where: str) -> None:
    """Raise ReleaseError unless ``document[key]`` is there and of this kind."""
    if not isinstance(document, Mapping):
        raise ReleaseError(f"{where}: is {type(document).__name__}, expected a mapping")
    separator = "." if ": " in where else ": "
    if key not in document:
        near = difflib.get_close_matches(key, document, n=1)
        hint = f", did you mean it by {near[0]!r}?" if near else ""
        raise ReleaseError(f"{where}{separator}{key} is missing, expected {_KINDS[kind]}{hint}")
    value = document[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ReleaseError(f"{where}{separator}{key} is {value!r}, expected {_KINDS[kind]}")


def _read(name: str) -> Any:
    try:
        text = importlib.resources.files(__package__).joinpath("release", name).read_text(encoding="utf-8")
    except (FileNotFoundError, KeyError, NotADirectoryError) as error:
        raise ReleaseError(
            f"{__package__}/release/{name} is not there: this library runs from a release, which "
            "playbooks/sync_dags.yml makes"
        ) from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise ReleaseError(f"{name}: is not JSON: {error}") from error


def _listing(values: Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "none"

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What differs between a Composer environment and what is wanted of it, and the updates that put it right. Pure.

Composer takes one type of update per request. Only what is stated is compared: keys that somebody else has set, and
what Google fills in, are no drift. A stated null means that the key shall not be there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import (
    sides_without_secrets,
    without_secrets,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.text_table import text_table

# Update types in the order in which they are applied: what else is wanted may need the new image.
IMAGE, PACKAGES, OVERRIDES, VARIABLES, LABELS = (
    "config.softwareConfig.imageVersion",
    "config.softwareConfig.pypiPackages",
    "config.softwareConfig.airflowConfigOverrides",
    "config.softwareConfig.envVariables",
    "labels",
)
_MAPS = (PACKAGES, OVERRIDES, VARIABLES, LABELS)
_VERSION = re.compile(r"composer-([0-9.]+|latest)-airflow-([0-9.]+|latest)")


@dataclass(frozen=True)
class Wanted:
    """What is stated of an environment; None is left alone. Values of the maps are texts, or None for no such key."""

    image_version: str | None = None
    pypi_packages: dict[str, str | None] | None = None
    airflow_config_overrides: dict[str, str | None] | None = None
    environment_variables: dict[str, str | None] | None = None
    labels: dict[str, str | None] | None = None

    def map_of(self, kind: str) -> dict[str, str | None]:
        """The stated keys of an update type."""
        maps = {
            PACKAGES: self.pypi_packages,
            OVERRIDES: self.airflow_config_overrides,
            VARIABLES: self.environment_variables,
            LABELS: self.labels,
        }
        return maps[kind] or {}


@dataclass(frozen=True)
class Difference:
    """One value that is not as wanted; None stands for absent."""

    kind: str
    key: str
    wanted: str | None
    live: str | None

    @property
    def path(self) -> str:
        """Where it is in Google's resource."""
        return f"{self.kind}.{self.key}" if self.key else self.kind

    def shown(self) -> dict[str, Any]:
        """Path, wanted and live value for people: what looks like a secret is not shown."""
        wanted, live = (without_secrets(value, self.key) for value in (self.wanted, self.live))
        return {"path": self.path, "wanted": wanted, "live": live}


@dataclass(frozen=True)
class Update:
    """One request: a body and the mask of what of it counts."""

    kind: str
    mask: str
    body: dict[str, Any]
    differences: tuple[Difference, ...]


def differences(wanted: Wanted, live: dict[str, Any]) -> list[Difference]:
    """Return what differs, in the order in which it is put right."""
    found = []
    image = str(_live_value(live, IMAGE) or "")
    if wanted.image_version and not same_image(wanted.image_version, image):
        found.append(Difference(IMAGE, "", wanted.image_version, image or None))
    for kind in _MAPS:
        present = _live_value(live, kind) or {}
        for key, value in sorted(wanted.map_of(kind).items()):
            if present.get(key) != value:
                found.append(Difference(kind, key, value, present.get(key)))
    return found


def updates(found: list[Difference], live: dict[str, Any], *, upgrade: bool) -> list[Update]:
    """Return one update for each type that differs; without ``upgrade`` the image stays as it is."""
    result = []
    for kind in (IMAGE, *_MAPS):
        ours = tuple(one for one in found if one.kind == kind)
        if not ours or (kind == IMAGE and not upgrade):
            continue
        if kind == IMAGE:
            mask, value = IMAGE, ours[0].wanted
        elif kind == VARIABLES:
            # There is no mask for single variables: what is not sent is cleared.
            mask, value = VARIABLES, merged(_live_value(live, kind) or {}, ours)
        else:
            # A key in the mask that is not in the body is deleted; keys that are in neither stay.
            mask, value = ",".join(one.path for one in ours), merged({}, ours)
        result.append(Update(kind, mask, nested(kind, value), ours))
    return result


def merged(present: dict[str, str], found: tuple[Difference, ...]) -> dict[str, str]:
    """Return the keys that are present with the differences put right."""
    result = {**present, **{one.key: one.wanted for one in found}}
    return {key: value for key, value in result.items() if value is not None}


def creation_body(name: str, wanted: Wanted, config: dict[str, Any]) -> dict[str, Any]:
    """Return the environment to create; packages are not part of it, Composer installs them by an update."""
    stated = {kind: {k: v for k, v in wanted.map_of(kind).items() if v is not None} for kind in (OVERRIDES, VARIABLES)}
    software = {kind.rpartition(".")[2]: value for kind, value in stated.items() if value}
    if wanted.image_version:
        software["imageVersion"] = wanted.image_version
    labels = {key: value for key, value in (wanted.labels or {}).items() if value is not None}
    software = {**config.get("softwareConfig", {}), **software}
    return {"name": name, "labels": labels, "config": {**config, "softwareConfig": software}}


def same_image(wanted: str, live: str) -> bool:
    """Return whether a wanted version (which may be an alias) is what the server resolved it to.

    ``composer-2-airflow-2`` and ``composer-2.17.9-airflow-2.11`` both are ``composer-2.17.9-airflow-2.11.1``.
    """
    one, other = _VERSION.match(wanted), _VERSION.match(live)
    if wanted == live or not one or not other:
        return wanted == live
    return all(
        part == "latest" or f"{found}.".startswith(f"{part}.")
        for part, found in zip(one.groups(), other.groups(), strict=True)
    )


def is_downgrade(wanted: str, live: str) -> bool:
    """Return whether the wanted image has an older Composer or an older Airflow, which Google refuses."""
    numbers = []
    for image in (wanted, live):
        match = _VERSION.match(image)
        if not match or "latest" in match.groups():
            return False
        numbers.append([[int(number) for number in part.split(".")] for part in match.groups()])
    return any(one < other[: len(one)] for one, other in zip(*numbers, strict=True))


def table(found: list[Difference]) -> list[str]:
    """Return the differences as the lines of a table: path, wanted, live."""
    shown = [one.shown() for one in found]
    return text_table(
        ("path", "wanted", "live"), [(one["path"], _cell(one["wanted"]), _cell(one["live"])) for one in shown]
    )


def sides(found: list[Difference]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the live and the wanted values of the differences, by path, for ``--diff``."""
    before = {one.path: one.live for one in found if one.live is not None}
    after = {one.path: one.wanted for one in found if one.wanted is not None}
    return sides_without_secrets(before, after)


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return a body that holds a value at a dotted path."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


def _live_value(live: dict[str, Any], path: str) -> Any:
    value: Any = live
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _cell(value: str | None) -> str:
    if value is None:
        return "(absent)"
    text = value.replace("\n", "\\n") or "(empty)"
    return text if len(text) <= 60 else f"{text[:57]}..."

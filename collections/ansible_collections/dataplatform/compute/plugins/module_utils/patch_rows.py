# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of a patch plan: everything that is pinned, and what there is instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.image_lifecycle import (
    custom_image_life,
    image_life,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_images import Image
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_plan import Facts, PatchPlan, makes_a_bundle

HEADERS = ("what", "pinned", "candidate", "note")
_SAME = "-"
# What follows a package's name, with or without extras before it.
_EXACT = re.compile(r"^(?:\[[^]]*\])?\s*===?\s*([^\s,*]+)$")


@dataclass(frozen=True)
class Surroundings:
    """What is pinned elsewhere than in the pins, and only shown.

    ``templates`` are cluster configurations by template, ``custom_images`` the moments at which custom images were made
    (None for one that does not exist), ``composer_images`` the versions that Composer offers, the default one first,
    ``composer_packages`` the newest version of each of its packages by normalized name; None where nobody knows.
    """

    lifecycle: Mapping[str, Any]
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    custom_images: Mapping[str, datetime | None] = field(default_factory=dict)
    composer: Mapping[str, Any] | None = None
    composer_images: Sequence[str] = ()
    composer_packages: Mapping[str, str] | None = None


def rows(facts: Facts, plan: PatchPlan, around: Surroundings) -> list[tuple[str, str, str, str]]:
    """Return one row for each thing that is pinned, in the order of :data:`HEADERS`."""
    return [
        _image_row(facts, plan, around),
        *_template_rows(facts, around),
        _environment_row(facts, plan),
        _actions_row(facts, plan),
        _bundle_row(facts, plan),
        *_composer_rows(around),
    ]


def _image_row(facts: Facts, plan: PatchPlan, around: Surroundings) -> tuple[str, str, str, str]:
    pinned, candidate = facts.pins["dataproc_image"], plan.candidate["dataproc_image"]
    return (
        "Dataproc image",
        pinned,
        candidate if candidate != pinned else _SAME,
        _joined(_made(facts.images, pinned, facts), _life(pinned, around, facts)),
    )


def _template_rows(facts: Facts, around: Surroundings) -> list[tuple[str, str, str, str]]:
    """Templates that name an image of their own; it is changed in the inventory, by hand."""
    found = []
    for name, config in sorted(around.templates.items()):
        version = (config.get("softwareConfig") or {}).get("imageVersion")
        custom = {(config.get(group) or {}).get("imageUri") for group in ("masterConfig", "workerConfig")} - {None}
        if custom:
            found += [
                (
                    f"  template {name}",
                    uri.rpartition("/")[2],
                    _SAME,
                    _custom(around.custom_images.get(uri), around, facts),
                )
                for uri in sorted(custom)
            ]
        elif version not in (None, facts.pins["dataproc_image"]):
            note = _joined("named by the template itself", _life(version, around, facts))
            found.append((f"  template {name}", version, _SAME, note))
    return found


def _environment_row(facts: Facts, plan: PatchPlan) -> tuple[str, str, str, str]:
    pinned, candidate = facts.pins["environment"], plan.candidate["environment"]
    if pinned is None and candidate is None:
        return ("Dask environment", "none", _SAME, "jobs use the node's own Python")
    raised = len(facts.lock.raised) if facts.lock else 0
    note = f"{raised} packages are newer in their ranges" if raised else ""
    if facts.lock and (facts.lock.unknown or facts.lock.refused):
        note = "newer packages are not known" if facts.lock.unknown else "newer packages cannot be used"
    return ("Dask environment", _lock(pinned), _lock(candidate) if candidate != pinned else _SAME, note)


def _actions_row(facts: Facts, plan: PatchPlan) -> tuple[str, str, str, str]:
    pinned, candidate = facts.pins["init_actions"], plan.candidate["init_actions"]
    if candidate == pinned:
        return ("initialization actions", _count(pinned), _SAME, "")
    return ("initialization actions", _count(pinned), _count(candidate), "")


def _bundle_row(facts: Facts, plan: PatchPlan) -> tuple[str, str, str, str]:
    pinned = facts.pins["node_bundle"]
    shown = pinned[:12] if pinned else "not pinned"
    if plan.candidate["environment"] != facts.pins["environment"]:
        return ("node bundle", shown, "made with it", "holds the address of the Dask environment")
    there = facts.checkout.node_bundle
    changes = makes_a_bundle(facts, plan.candidate) and there != pinned
    return ("node bundle", shown, there[:12] if changes else _SAME, "")


def _composer_rows(around: Surroundings) -> list[tuple[str, str, str, str]]:
    """Airflow is patched by whoever owns its environment; a canary cluster says nothing about it."""
    composer = around.composer
    if composer is None:
        return []
    pinned = composer["image_version"]
    newest = next(iter(around.composer_images), pinned)
    how = "Terraform's" if composer["managed_by"] == "terraform" else "site.yml -e composer_upgrade=true"
    return [
        ("Composer image", pinned, newest if newest != pinned else _SAME, f"changed by {how}"),
        *(
            _package_row(name, wanted or "", around.composer_packages)
            for name, wanted in sorted((composer.get("pypi_packages") or {}).items())
        ),
    ]


def _package_row(name: str, wanted: str, newest: Mapping[str, str] | None) -> tuple[str, str, str, str]:
    """A package that Composer installs beside its own; whether its image takes another, only Composer can say."""
    shown = (f"  package {name}", wanted or "any version")
    version = (newest or {}).get(re.sub(r"[-_.]+", "-", name).lower())
    if version is None:
        return (*shown, _SAME, "which is the newest is not known")
    exact = _EXACT.search(wanted)
    if exact is None:
        return (*shown, _SAME, f"the newest is {version}")
    return (*shown, version if version != exact[1] else _SAME, "changed in composer.yml")


def _made(images: Sequence[Image], version: str, facts: Facts) -> str:
    found = next((image for image in images if image.version == version), None)
    return f"{(facts.now - found.created).days} days old" if found else "not listed by Google any more"


def _custom(made: datetime | None, around: Surroundings, facts: Facts) -> str:
    if made is None:
        return "custom image, of unknown age"
    life = custom_image_life(made.date(), facts.now.date(), dict(around.lifecycle))
    return f"custom image, {(facts.now - made).days} days old, {_left('usable', life['days_left'])}"


def _life(version: str, around: Surroundings, facts: Facts) -> str:
    life = image_life(version, facts.now.date(), dict(around.lifecycle))
    return _joined(_left("supported", life["support_days_left"]), _left("creatable", life["days_left"]))


def _left(what: str, days: int | None) -> str:
    if days is None:
        return ""
    return f"{what} for {days} more days" if days >= 0 else f"NOT {what} any more"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _lock(environment: Mapping[str, str] | None) -> str:
    return f"lock {environment['lock_sha256'][:12]}" if environment else "none"


def _count(actions: Mapping[str, str] | None) -> str:
    return f"{len(actions)} scripts" if actions else "not pinned"

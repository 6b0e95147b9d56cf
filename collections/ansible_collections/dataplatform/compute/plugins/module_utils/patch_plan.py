# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of an environment is pinned to what, what is current, and whether a patching run may bring it. Pure.

Where an environment comes first (``after`` is null) the candidates are the newest versions and what the checkout holds;
everywhere else they are the pins of the environment before it, unchanged, by the record of its canary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.maintenance_window import next_opening
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_images import Image, newest_of_track
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import (
    pins_id,
    record_matches,
    same_but_bundle,
    same_in_common,
)

NOTHING, CANDIDATE, BLOCKED = "nothing", "candidate", "blocked"
PARTS = ("dataproc_image", "environment", "init_actions")
"""What moves from environment to environment. The node bundle does not: it holds the environment's own addresses."""

_ACTIONS = "init-actions/"
# By it nodes have the Dask environment; it is enabled with one, and goes with it.
_ENVIRONMENT_ACTION = "dask-environment.sh"
_RENEWED = "nothing but the record: the present pins are tried again"


@dataclass(frozen=True)
class Checkout:
    """What this checkout and inventory would give: SHA-256 by name, and the commit it is at."""

    commit: str
    init_actions: Mapping[str, str]
    node_bundle: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Upstream:
    """The environment whose pins come here."""

    environment: str
    pins: Mapping[str, Any]
    record: Mapping[str, Any] | None


@dataclass(frozen=True)
class Lock:
    """The lock of the Dask environment as its ranges give it today.

    ``raised`` has one line for each package that is another than in the committed lock. ``unknown`` says why the
    package index could not be asked, and ``refused`` why no environment is built of what it gave, such as a known
    vulnerability; either is empty otherwise, and with either the lock is the pinned one.
    """

    sha256: str
    raised: list[str]
    unknown: str
    refused: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything the plan is made of. ``now`` is in UTC. ``renew`` asks for a new record where nothing is newer."""

    pins: Mapping[str, Any]
    record: Mapping[str, Any] | None
    patching: Mapping[str, Any]
    checkout: Checkout
    images: list[Image]
    now: datetime
    upstream: Upstream | None = None
    lock: Lock | None = None
    only: tuple[str, ...] = PARTS
    ignore_window: bool = False
    renew: bool = False


@dataclass(frozen=True)
class PatchPlan:
    """``decision`` is one of ``nothing``, ``candidate`` and ``blocked``; ``reasons`` say why it is blocked."""

    decision: str
    candidate: dict[str, Any]
    changes: list[str]
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan(facts: Facts) -> PatchPlan:
    """Return the candidate pins, without their node bundle, and whether they may be tried now."""
    candidate = _candidate(facts)
    changes = _changes(facts, candidate)
    if not changes and facts.renew:
        changes = [_RENEWED]
    notes = _notes(facts)
    no_way = _no_record_upstream(facts) or _left_upstream(facts)
    if no_way:
        return PatchPlan(BLOCKED, candidate, changes, [no_way], notes)
    unknown = _unknown(facts)
    if not changes and unknown:
        # Nobody may call an environment current that nobody could be asked about.
        return PatchPlan(BLOCKED, candidate, changes, unknown, notes)
    if not changes:
        # What the environment before this one has come to is nothing to be held against one that has it already.
        return PatchPlan(NOTHING, candidate, [], [], notes)
    rolled_back = _rolled_back_here(facts, candidate)
    if rolled_back:
        notes.append(rolled_back)
        if not facts.renew:
            return PatchPlan(NOTHING, candidate, [], [], notes)
        # With their bundle: what the checkout would give may be what was left.
        candidate, changes = dict(facts.pins), [_RENEWED]
    reasons = [*_upstream_problems(facts), *_withdrawn_image(facts, candidate), *_window_problem(facts)]
    return PatchPlan(BLOCKED if reasons else CANDIDATE, candidate, changes, reasons, notes)


def _unknown(facts: Facts) -> list[str]:
    """Why nobody can say of some part whether it is current."""
    found = []
    if facts.lock is not None and facts.lock.unknown:
        found.append(f"the package index cannot be asked: {facts.lock.unknown}")
    if facts.lock is not None and facts.lock.refused:
        found.append(f"the newest packages cannot be used: {facts.lock.refused}")
    version = facts.pins["dataproc_image"]
    looked_up = facts.upstream is None and "dataproc_image" in facts.only
    if looked_up and newest_of_track(facts.images, version) is None:
        found.append(f"Google lists no usable Dataproc image of the track of {version}")
    return found


def without_bundle(pins: Mapping[str, Any]) -> dict[str, Any]:
    """The pins as far as they are the same in every environment."""
    return {**pins, "node_bundle": None}


def _candidate(facts: Facts) -> dict[str, Any]:
    """The pins to try. Without a record of the environment before, or for parts left out, the present ones."""
    wanted = dict(facts.pins)
    if facts.upstream is not None:
        source: Mapping[str, Any] = _of_upstream(facts.upstream, facts.checkout)
    else:
        newest = newest_of_track(facts.images, facts.pins["dataproc_image"])
        source = {"init_actions": dict(facts.checkout.init_actions)}
        if newest is not None:
            source = {**source, "dataproc_image": newest.version}
        pinned = facts.pins["environment"]
        if facts.lock is not None and pinned is not None and facts.lock.sha256 != pinned["lock_sha256"]:
            # Its hashes are known when it is built.
            source = {**source, "environment": {"lock_sha256": facts.lock.sha256}}
    for part in facts.only:
        if part in source:
            wanted[part] = source[part]
    if not makes_a_bundle(facts, wanted):
        return wanted
    files = facts.upstream.record["files"] if facts.upstream and facts.upstream.record else facts.checkout.files
    wanted["init_actions"] = _with_the_environments(wanted["init_actions"], wanted["environment"], files)
    # Made anew where it is used, from the same files and the environment's own facts.
    return without_bundle(wanted)


def makes_a_bundle(facts: Facts, candidate: Mapping[str, Any]) -> bool:
    """Whether a node bundle belongs to it: it has the same files as the actions, and the environment's address."""
    return "init_actions" in facts.only or candidate["environment"] != facts.pins["environment"]


def _with_the_environments(
    actions: Mapping[str, str] | None, environment: Mapping[str, str] | None, files: Mapping[str, str]
) -> dict[str, str] | None:
    """Initialization actions by which nodes have this environment: the present one may have none, or had one."""
    if actions is None:
        return None
    others = {name: digest for name, digest in actions.items() if name != _ENVIRONMENT_ACTION}
    digest = actions.get(_ENVIRONMENT_ACTION) or files.get(f"{_ACTIONS}{_ENVIRONMENT_ACTION}")
    return {**others, _ENVIRONMENT_ACTION: digest} if environment is not None and digest else others


def _of_upstream(upstream: Upstream, checkout: Checkout) -> dict[str, Any]:
    """The parts that come from there: of its files the initialization actions that this environment enables."""
    if not upstream.record:
        return {}
    files = upstream.record["files"]
    tried = {name: files[f"{_ACTIONS}{name}"] for name in checkout.init_actions if f"{_ACTIONS}{name}" in files}
    return {**{part: upstream.pins[part] for part in ("dataproc_image", "environment")}, "init_actions": tried}


def _changes(facts: Facts, candidate: Mapping[str, Any]) -> list[str]:
    """One line for each part that would become another, in words."""
    pins, found = facts.pins, []
    if candidate["dataproc_image"] != pins["dataproc_image"]:
        found.append(f"Dataproc image {pins['dataproc_image']} -> {candidate['dataproc_image']}")
    if candidate["environment"] != pins["environment"]:
        raised = f" ({', '.join(facts.lock.raised)})" if facts.lock and facts.lock.raised else ""
        found.append(f"Dask environment {_short(pins['environment'])} -> {_short(candidate['environment'])}{raised}")
    before, after = pins["init_actions"], candidate["init_actions"]
    if after != before:
        found.append(f"initialization actions: {_differences(before, after)}")
    if makes_a_bundle(facts, candidate) and facts.checkout.node_bundle != pins["node_bundle"]:
        found.append(f"node bundle {_hash(pins['node_bundle'])} -> {_hash(facts.checkout.node_bundle)}")
    return found


def _differences(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> str:
    if before is None:
        return "not pinned yet"
    names = sorted(set(before) | set(after or {}))
    return ", ".join(name for name in names if before.get(name) != (after or {}).get(name)) or "not pinned any more"


def _left_upstream(facts: Facts) -> str:
    """Why pins that this environment has must go: the one before it has gone back from them."""
    if facts.upstream is None or not facts.upstream.record:
        return ""
    left = facts.upstream.record.get("withdrawn") or []
    ids = {entry["id"] for entry in left}
    earlier = [entry["pins"] for entry in facts.upstream.record.get("previous") or []]
    good = [pins for pins in (facts.upstream.pins, *earlier) if pins_id(pins) not in ids]
    if any(same_in_common(facts.pins, pins) for pins in good):
        return ""
    for entry in left:
        # What it went back to is good here, too: it left a node bundle, which is made anew from the files, or an action
        # that this environment does not enable. And what came here since came from pins that it has found good since.
        came_since = record_matches(facts.pins, facts.record) and facts.record["promoted_at"] > entry["at"]
        if (
            same_in_common(facts.pins, entry["pins"])
            and not same_in_common(facts.pins, entry["instead"])
            and not came_since
        ):
            return (
                f"{facts.upstream.environment} went back from these pins on {entry['at'][:10]}"
                f" ({entry['reason']}). Next step: go back here, too, with -e rollback=true"
            )
    return ""


def _rolled_back_here(facts: Facts, candidate: Mapping[str, Any]) -> str:
    # That of an environment which is not built yet nobody knows.
    bundle = candidate["node_bundle"] or facts.checkout.node_bundle
    known = candidate["environment"] == facts.pins["environment"]
    for entry in (facts.record or {}).get("withdrawn") or []:
        left = entry["pins"]
        if same_but_bundle(left, candidate) and not (known and left["node_bundle"] != bundle):
            return (
                f"These candidates were rolled back here on {entry['at'][:10]} ({entry['reason']}); waiting for others."
                " To try them again, take that entry of `withdrawn` out of pins.yml"
            )
    return ""


def _no_record_upstream(facts: Facts) -> str:
    """Why nothing can come from the environment before this one."""
    if facts.upstream is None or (facts.upstream.record and record_matches(facts.upstream.pins, facts.upstream.record)):
        return ""
    name, record = facts.upstream.environment, facts.upstream.record
    what = "has other pins than its record says: they were changed by hand" if record else "has no green record"
    return f"{name} {what}. {_patch_again(name)}"


def _patch_again(environment: str) -> str:
    return (
        f"Next step: playbooks/patch.yml -i inventories/{environment}, and commit its pins.yml; where nothing is newer"
        " there, -e patching_renew=true tries the present pins again"
    )


def _upstream_problems(facts: Facts) -> list[str]:
    if facts.upstream is None or facts.upstream.record is None:
        return []
    name, record = facts.upstream.environment, facts.upstream.record
    problems = []
    age = facts.now - _moment(record["promoted_at"])
    limit = timedelta(days=facts.patching["record_days"])
    if age > limit:
        problems.append(
            f"the green record of {name} is {age.days} days old, and platform_patching.record_days is {limit.days}."
            f" {_patch_again(name)}"
        )
    recorded = record["files"]
    ran = facts.upstream.pins["init_actions"] or {}
    untried = sorted(file for file, digest in ran.items() if recorded.get(f"{_ACTIONS}{file}") != digest)
    if untried and "init_actions" in facts.only:
        problems.append(
            f"{name} was patched in part, so its canary ran another {', '.join(untried)} than its checkout had."
            f" Next step: patch all parts of {name}, or here the same ones as there (patching_only)"
        )
    other = sorted(
        file
        for file in set(recorded) | set(facts.checkout.files)
        if recorded.get(file) != facts.checkout.files.get(file)
    )
    if other:
        shown = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
        problems.append(
            f"the green record of {name} is of commit {record['commit'][:12]}, and this checkout"
            f" ({facts.checkout.commit[:12]}) has another {shown}. Next step: check out what {name} has, or patch"
            f" {name} from this checkout first"
        )
    return problems


def _withdrawn_image(facts: Facts, candidate: Mapping[str, Any]) -> list[str]:
    version = candidate["dataproc_image"]
    if version == facts.pins["dataproc_image"] or any(image.version == version for image in facts.images):
        return []
    return [f"Dataproc image {version} is not listed by Google any more: it was withdrawn"]


def _window_problem(facts: Facts) -> list[str]:
    window = facts.patching["window"]
    if window is None or facts.ignore_window:
        return []
    opening = next_opening(window, facts.now)
    if opening <= facts.now:
        return []
    return [
        f"outside the maintenance window; it opens on {opening:%A %Y-%m-%d at %H:%M} UTC."
        " To patch now: -e patching_ignore_window=true"
    ]


def _notes(facts: Facts) -> list[str]:
    notes = []
    version = facts.pins["dataproc_image"]
    if not any(image.version == version for image in facts.images):
        notes.append(f"the pinned Dataproc image {version} is not listed by Google any more")
    if facts.lock is not None and facts.lock.unknown:
        notes.append(f"packages of the Dask environment were not looked up: {facts.lock.unknown}")
    if facts.lock is not None and facts.lock.refused:
        notes.append(f"the newest packages of the Dask environment are not taken: {facts.lock.refused}")
    return notes


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _short(environment: Mapping[str, str] | None) -> str:
    return f"of lock {environment['lock_sha256'][:12]}" if environment else "none"


def _hash(digest: str | None) -> str:
    return digest[:12] if digest else "not pinned"

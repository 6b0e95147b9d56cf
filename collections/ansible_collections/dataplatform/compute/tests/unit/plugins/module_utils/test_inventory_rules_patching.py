# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about versions: one broken fact, one finding that names key, expectation and near miss."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_rules import check_inventory
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    Finding,
    Source,
    read_source,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import pins_id
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts

NOWHERE = Source(positions={}, duplicates=[], directory="inventories/test")
SHA = "ab" * 32
MOMENT = "2026-11-29T05:00:00Z"


def sound_record(pins: dict[str, Any]) -> dict[str, Any]:
    """A record of these pins, with one set of previous ones."""
    origin = {
        "id": pins_id(pins),
        "promoted_at": MOMENT,
        "commit": f"{'c' * 40}+changes",
        "files": {"init-actions/node-bundle.sh": SHA},
        "canary": {
            "at": MOMENT,
            "cluster": "canary-1",
            "jobs": {"groups": {"results": {"rows": 3}, "seconds": 41.5, "memory_mb": 900}},
        },
        "rolled_back_from": None,
    }
    left = {**copy.deepcopy(pins), "node_bundle": None}
    kept = {"pins": left, "instead": copy.deepcopy(pins)}
    withdrawn = [{"id": pins_id(left), "at": MOMENT, "reason": "the canary failed", **kept}]
    return {
        **origin,
        "previous": [{"pins": copy.deepcopy(pins), "record": copy.deepcopy(origin)}],
        "withdrawn": withdrawn,
    }


def facts_with(path: str, value: object) -> dict[str, Any]:
    """Sound facts, with a record, and one value of them replaced; parts of the path are separated by '/'."""
    facts = sound_facts()
    facts["platform_pin_record"] = sound_record(facts["platform_pins"])
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    target: Any = facts
    for parent in parents:
        target = target[parent]
    target[last] = value
    return facts


# (path to break, value, key of the finding, part of what was expected, near miss)
CASES = [
    ("platform_pins", "2.3.10-debian12", "platform_pins", "a mapping", ""),
    ("platform_pins/environment", {"lock_sha256": SHA, "squashfs_sha256": SHA}, "platform_pins.environment",
     "the key 'archive_sha256'", ""),
    ("platform_pins/environment", {"lock_sha256": "x", "squashfs_sha256": SHA, "archive_sha256": SHA},
     "platform_pins.environment.lock_sha256", "SHA-256", ""),
    ("platform_pins/init_actions", {}, "platform_pins.init_actions", "at least one", ""),
    ("platform_pins/init_actions", {"lib/node.sh": SHA}, "platform_pins.init_actions.lib/node.sh",
     "a file under init-actions/", ""),
    ("platform_pins/init_actions", {"node-bundle.sh": SHA[1:]}, "platform_pins.init_actions.node-bundle.sh",
     "SHA-256", ""),
    ("platform_pins/node_bundle", 12, "platform_pins.node_bundle", "SHA-256", ""),
    ("platform_pins/node_bundel", SHA, "platform_pins.node_bundel", "unknown key", "node_bundle"),
    ("platform_pin_record", [], "platform_pin_record", "a mapping or null", ""),
    ("platform_pin_record/id", 123456789012, "platform_pin_record.id", "in quotes", ""),
    ("platform_pin_record/id", None, "platform_pin_record.id", "null in all of id", ""),
    ("platform_pin_record/promoted_at", "yesterday", "platform_pin_record.promoted_at", "a moment in UTC", ""),
    ("platform_pin_record/promoted_at", "2026-11-31T05:00:00Z", "platform_pin_record.promoted_at", "that exists", ""),
    ("platform_pin_record/commit", "main", "platform_pin_record.commit", "hash of a commit", ""),
    ("platform_pin_record/files", {"jobs/run_dask.py": "x"}, "platform_pin_record.files.jobs/run_dask.py",
     "SHA-256", ""),
    ("platform_pin_record/canary/at", "2026-13-01T05:00:00Z", "platform_pin_record.canary.at", "that exists", ""),
    ("platform_pin_record/canary/jobs/groups/seconds", -1, "platform_pin_record.canary.jobs.groups.seconds",
     "a number from 0", ""),
    ("platform_pin_record/previous/0/pins/dataproc_image", "2.3",
     "platform_pin_record.previous[0].pins.dataproc_image", "full pin", ""),
    ("platform_pin_record/previous/0/record/id", "0123456789ab", "platform_pin_record.previous[0].record.id",
     "the id of the pins beside it", ""),
    ("platform_pin_record/withdrawn/0/id", "0123456789ab", "platform_pin_record.withdrawn[0].id",
     "the id of the pins beside it", ""),
    ("platform_pin_record/withdrawn/0/reason", "", "platform_pin_record.withdrawn[0].reason", "not empty", ""),
    ("platform_pin_record/withdrawn/0/at", "2026-02-30T00:00:00Z", "platform_pin_record.withdrawn[0].at",
     "that exists", ""),
    ("platform_patching/after", "Dev", "platform_patching.after", "name of an environment", ""),
    ("platform_patching/record_days", 0, "platform_patching.record_days", "1 to 365", ""),
    ("platform_patching/keep", 0, "platform_patching.keep", "from 1 to 20", ""),
    ("platform_patching/bounds/seconds", 0.5, "platform_patching.bounds.seconds", "a factor from 1", ""),
    ("platform_patching/window/days", ["mo"], "platform_patching.window.days[0]", "one of mon, tue", "mon"),
    ("platform_patching/window/days", [], "platform_patching.window.days", "at least one", ""),
    ("platform_patching/window/from", 1200, "platform_patching.window.from", "in quotes", ""),
    ("platform_patching/window/until", "24:00", "platform_patching.window.until", "hours and minutes", ""),
    ("platform_patching/window/until", "20:00", "platform_patching.window.until", "another time than from", ""),
    ("platform_patching/owner", "grce", "platform_patching.owner", "platform_users: ada, grace", "grace"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}={case[1]}"[:80] for case in CASES])
def test_one_broken_fact_is_one_finding(case: tuple[str, object, str, str, str]) -> None:
    path, value, key, expected, suggestion = case
    findings = [finding for finding in check_inventory(facts_with(path, value), NOWHERE) if finding.key == key]
    assert len(findings) == 1, check_inventory(facts_with(path, value), NOWHERE)
    assert expected in findings[0].expected
    assert findings[0].suggestion == suggestion


def test_a_record_and_no_window_are_sound() -> None:
    assert check_inventory(facts_with("platform_patching/window", None), NOWHERE) == []


def test_pins_that_somebody_changed_since_are_no_mistake() -> None:
    facts = facts_with("platform_pins/node_bundle", SHA)
    assert check_inventory(facts, NOWHERE) == []


@pytest.fixture(name="inventories")
def inventories_directory(tmp_path: Path) -> Path:
    """Two environments side by side, and one directory that is none."""
    for name in ("dev", "prod"):
        pins = tmp_path / name / "group_vars/all/pins.yml"
        pins.parent.mkdir(parents=True)
        pins.write_text(yaml.safe_dump({"platform_pins": "nonsense"}))
    (tmp_path / "common").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("after", "suggestion"), [("dve", "dev"), ("prod", ""), ("common", ""), ("staging", "")], ids=str
)
def test_only_an_environment_beside_this_one_goes_before_it(inventories: Path, after: str, suggestion: str) -> None:
    source = Source(positions={}, duplicates=[], directory=str(inventories / "prod"))
    facts = {**facts_with("platform_patching/after", after), "platform_environment": "prod"}
    expected = "expected an inventory beside prod/ with group_vars/all/pins.yml: dev"
    assert check_inventory(facts, source) == [
        Finding("platform_patching.after", repr(after), expected, suggestion, source.directory)
    ]


def test_an_environment_beside_this_one_is_sound(inventories: Path) -> None:
    source = Source(positions={}, duplicates=[], directory=str(inventories / "prod"))
    facts = {**facts_with("platform_patching/after", "dev"), "platform_environment": "prod"}
    assert check_inventory(facts, source) == []


@pytest.mark.parametrize(
    ("before_dev", "chain"),
    [("prod", "prod after dev after prod"), ("dev", "prod after dev after dev")],
    ids=["back to this one", "among the others"],
)
def test_the_chain_of_environments_has_an_end(inventories: Path, before_dev: str, chain: str) -> None:
    patching = inventories / "dev/group_vars/all/patching.yml"
    patching.write_text(yaml.safe_dump({"platform_patching": {"after": before_dev}}))
    source = Source(positions={}, duplicates=[], directory=str(inventories / "prod"))
    facts = {**facts_with("platform_patching/after", "dev"), "platform_environment": "prod"}
    expected = f"expected an end, for without one no version ever comes: {chain}"
    assert check_inventory(facts, source) == [
        Finding("platform_patching.after", "'dev'", expected, file=source.directory)
    ]


@pytest.mark.parametrize(
    "written", ["platform_patching: {after: null}", "platform_patching: nonsense", "[", "", "a: !vault x"], ids=str
)
def test_what_is_wrong_in_another_environment_is_not_said_here(inventories: Path, written: str) -> None:
    (inventories / "dev/group_vars/all/patching.yml").write_text(written)
    source = Source(positions={}, duplicates=[], directory=str(inventories / "prod"))
    facts = {**facts_with("platform_patching/after", "dev"), "platform_environment": "prod"}
    assert check_inventory(facts, source) == []


def test_nonsense_in_a_file_of_pins_is_one_finding_with_file_and_line(inventories: Path) -> None:
    facts = {**sound_facts(), "platform_environment": "dev", "platform_pins": "nonsense"}
    findings = check_inventory(facts, read_source(inventories / "dev"))
    assert [str(finding) for finding in findings] == [
        f"{inventories}/dev/group_vars/all/pins.yml:1: platform_pins: 'nonsense': expected a mapping"
    ]

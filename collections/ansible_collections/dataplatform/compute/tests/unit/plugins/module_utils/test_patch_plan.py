# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_images import Image
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_plan import (
    BLOCKED,
    CANDIDATE,
    NOTHING,
    Checkout,
    Facts,
    Lock,
    PatchPlan,
    Upstream,
    plan,
    without_bundle,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import pins_id, withdraw

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
OLD, NEW, NEWEST = "2.3.10-debian12", "2.3.11-debian12", "2.3.12-debian12"
FILES = {"init-actions/node-bundle.sh": "a" * 64, "jobs/run_dask.py": "b" * 64}
CHECKOUT = Checkout("c" * 40, {"node-bundle.sh": "a" * 64}, "d" * 64, FILES)
PATCHING: dict[str, Any] = {"after": None, "record_days": 14, "window": None}
PINS: dict[str, Any] = {
    "dataproc_image": OLD,
    "environment": None,
    "init_actions": dict(CHECKOUT.init_actions),
    "node_bundle": CHECKOUT.node_bundle,
}
ENVIRONMENT = {"lock_sha256": "1" * 64, "squashfs_sha256": "2" * 64, "archive_sha256": "3" * 64}


def images(*versions: str) -> list[Image]:
    return [Image(version, NOW) for version in versions]


def first(**changes: Any) -> Facts:
    """An environment that no other comes before, with nothing to do."""
    return replace(Facts(PINS, None, PATCHING, CHECKOUT, images(OLD), NOW), **changes)


def record(pins: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": pins_id(pins),
        "promoted_at": "2026-11-28T12:00:00Z",
        "commit": "e" * 40,
        "files": FILES,
        "canary": {},
        "rolled_back_from": None,
        "previous": [],
        "withdrawn": [],
        **changes,
    }


def second(pins: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """An environment behind `dev`, which has a newer image and another node bundle."""
    dev = {**PINS, "dataproc_image": NEW, "node_bundle": "9" * 64}
    facts = Facts(
        pins or PINS,
        None,
        {**PATCHING, "after": "dev"},
        CHECKOUT,
        images(OLD, NEW),
        NOW,
        upstream=Upstream("dev", dev, record(dev)),
    )
    return replace(facts, **changes)


def only_reason(found: PatchPlan) -> str:
    assert found.decision == BLOCKED
    (reason,) = found.reasons
    return reason


def test_nothing_newer_is_nothing_to_do() -> None:
    assert plan(first()) == PatchPlan(NOTHING, without_bundle(PINS), [])


def test_a_newer_image_of_the_track_is_a_candidate() -> None:
    found = plan(first(images=images(OLD, NEW, "2.3.12-rocky9", "2.4.1-debian12")))
    assert (found.decision, found.candidate["dataproc_image"]) == (CANDIDATE, NEW)
    assert found.changes == [f"Dataproc image {OLD} -> {NEW}"]


def test_what_is_not_pinned_yet_is_a_candidate() -> None:
    found = plan(first(pins={**PINS, "init_actions": None, "node_bundle": None}))
    assert found.decision == CANDIDATE
    assert found.candidate["init_actions"] == CHECKOUT.init_actions
    assert found.changes == ["initialization actions: not pinned yet", f"node bundle not pinned -> {'d' * 12}"]


def test_a_changed_init_action_is_named() -> None:
    found = plan(first(pins={**PINS, "init_actions": {"node-bundle.sh": "f" * 64, "gone.sh": "0" * 64}}))
    assert found.changes == ["initialization actions: gone.sh, node-bundle.sh"]


def test_raised_packages_make_a_candidate_without_hashes_yet() -> None:
    lock = Lock("7" * 64, ["pandas 3.0.5 -> 3.1.0"], "")
    found = plan(first(pins={**PINS, "environment": ENVIRONMENT}, lock=lock))
    assert found.candidate["environment"] == {"lock_sha256": "7" * 64}
    assert found.changes == [f"Dask environment of lock {'1' * 12} -> of lock {'7' * 12} (pandas 3.0.5 -> 3.1.0)"]


def test_nothing_is_current_that_the_index_could_not_be_asked_about() -> None:
    lock = Lock(ENVIRONMENT["lock_sha256"], [], "no route to host")
    facts = first(pins={**PINS, "environment": ENVIRONMENT}, lock=lock)
    assert only_reason(plan(facts)) == "the package index cannot be asked: no route to host"
    # What is known to be newer goes ahead, and the rest is said.
    found = plan(replace(facts, images=images(OLD, NEW)))
    assert (found.decision, found.notes) == (
        CANDIDATE,
        ["packages of the Dask environment were not looked up: no route to host"],
    )


def test_packages_that_may_not_be_used_are_no_candidate_and_said() -> None:
    lock = Lock(ENVIRONMENT["lock_sha256"], [], "", "known vulnerabilities in pillow: CVE-1")
    facts = first(pins={**PINS, "environment": ENVIRONMENT}, lock=lock)
    assert only_reason(plan(facts)) == "the newest packages cannot be used: known vulnerabilities in pillow: CVE-1"
    found = plan(replace(facts, images=images(OLD, NEW)))
    assert (found.decision, found.notes) == (
        CANDIDATE,
        ["the newest packages of the Dask environment are not taken: known vulnerabilities in pillow: CVE-1"],
    )


@pytest.mark.parametrize("listed", [(), ("2.3.10-rocky9", "2.2.80-debian12")], ids=["nothing", "other tracks"])
def test_no_image_is_current_where_google_lists_none_of_its_track(listed: tuple[str, ...]) -> None:
    reason = only_reason(plan(first(images=images(*listed))))
    assert reason == f"Google lists no usable Dataproc image of the track of {OLD}"
    # What is known to be newer goes ahead; where an image may not change, none is missed.
    assert plan(first(images=images(*listed), pins={**PINS, "init_actions": None})).decision == CANDIDATE
    assert plan(first(images=images(*listed), only=("init_actions",))).decision == NOTHING


def test_current_pins_get_a_new_record_where_that_is_asked_for() -> None:
    found = plan(first(renew=True))
    assert (found.decision, found.candidate) == (CANDIDATE, without_bundle(PINS))
    assert found.changes == ["nothing but the record: the present pins are tried again"]
    newer = plan(first(renew=True, images=images(OLD, NEW)))
    assert newer.changes == [f"Dataproc image {OLD} -> {NEW}"]


def test_parts_that_are_left_out_keep_their_pins() -> None:
    facts = first(images=images(OLD, NEW), pins={**PINS, "init_actions": None}, only=("dataproc_image",))
    found = plan(facts)
    assert found.candidate == {**PINS, "init_actions": None, "dataproc_image": NEW}


def test_a_new_environment_takes_a_new_bundle_with_it_whatever_else_is_left_out() -> None:
    pins = {**PINS, "environment": ENVIRONMENT}
    newer = Lock("9" * 64, ["numpy 2.4.6 -> 2.4.7"], "")
    found = plan(first(pins=pins, lock=newer, only=("environment",)))
    assert found.candidate == {**pins, "environment": {"lock_sha256": "9" * 64}, "node_bundle": None}
    same = Lock(ENVIRONMENT["lock_sha256"], [], "")
    assert plan(first(pins=pins, lock=same, only=("environment",))).candidate == pins


def test_a_withdrawn_image_is_left_for_the_newest_there_is() -> None:
    found = plan(first(images=images("2.3.9-debian12")))
    assert found.candidate["dataproc_image"] == "2.3.9-debian12"
    assert found.notes == [f"the pinned Dataproc image {OLD} is not listed by Google any more"]


def test_what_was_rolled_back_is_not_tried_again() -> None:
    candidate = {**PINS, "dataproc_image": NEW}
    facts = first(images=images(OLD, NEW), record=record(PINS, withdrawn=[left(candidate)]))
    found = plan(facts)
    assert (found.decision, found.changes) == (NOTHING, [])
    assert found.notes[0].startswith("These candidates were rolled back here on 2026-11-28 (slow)")


def left(pins: dict[str, Any], instead: dict[str, Any] | None = None) -> dict[str, Any]:
    """The entry of these pins among those that were rolled back, by default to the pins of these tests."""
    return withdraw(None, pins, "2026-11-28T12:00:00Z", "slow", instead=instead or PINS)["withdrawn"][0]


def test_another_bundle_than_the_one_that_was_rolled_back_is_another_candidate() -> None:
    bad = {**PINS, "node_bundle": "5" * 64}
    facts = first(record=record(PINS, withdrawn=[left(bad)]), checkout=replace(CHECKOUT, node_bundle="5" * 64))
    assert plan(facts).decision == NOTHING
    assert plan(facts).notes[0].startswith("These candidates were rolled back here on 2026-11-28 (slow)")
    mended = replace(facts, checkout=replace(CHECKOUT, node_bundle="6" * 64))
    assert (plan(mended).decision, plan(mended).changes) == (
        CANDIDATE,
        [f"node bundle {'d' * 12} -> {'6' * 12}"],
    )


def test_present_pins_are_renewed_also_while_what_was_rolled_back_is_the_newest() -> None:
    bad = {**PINS, "dataproc_image": NEW}
    facts = first(images=images(OLD, NEW), record=record(PINS, withdrawn=[left(bad)]))
    assert plan(facts).decision == NOTHING
    renewed = plan(replace(facts, renew=True))
    assert (renewed.decision, renewed.candidate) == (CANDIDATE, PINS)
    assert renewed.changes == ["nothing but the record: the present pins are tried again"]


@pytest.mark.parametrize("since", ["rolled back", "patched again", "patched so often that nothing else tells of it"])
def test_a_bundle_that_the_environment_before_went_back_from_is_no_reason_to_go_back(since: str) -> None:
    """Its other parts are those that it went back to, and a bundle is made anew here."""
    bad = {**PINS, "node_bundle": "5" * 64}
    newer = {**PINS, "dataproc_image": NEW}
    kept = [{"pins": PINS, "record": None}] if since == "patched again" else []
    now = PINS if since == "rolled back" else newer
    dev = Upstream("dev", now, record(now, withdrawn=[left(bad)], previous=kept))
    assert plan(second(PINS, upstream=dev)).decision == (NOTHING if since == "rolled back" else CANDIDATE)


def test_an_environment_comes_with_the_action_by_which_nodes_have_it() -> None:
    script = {"init-actions/dask-environment.sh": "8" * 64}
    files = {**FILES, **script}
    dev = {
        **PINS,
        "environment": ENVIRONMENT,
        "init_actions": {**PINS["init_actions"], "dask-environment.sh": "8" * 64},
    }
    come = second(
        PINS, upstream=Upstream("dev", dev, record(dev, files=files)), checkout=replace(CHECKOUT, files=files)
    )
    assert plan(come).candidate == without_bundle(dev)
    assert plan(replace(come, only=("environment",))).candidate == without_bundle(dev)
    # And goes with it, although it is still enabled here.
    enabled = replace(CHECKOUT, files=files, init_actions=dev["init_actions"])
    gone = second(dev, upstream=Upstream("dev", PINS, record(PINS, files=files)), checkout=enabled)
    assert plan(gone).candidate == without_bundle(PINS)


def test_what_the_environment_before_has_not_tried_blocks() -> None:
    """Patched in part, it ran the action that it had pinned, and not that of its checkout."""
    dev = {**PINS, "dataproc_image": NEW, "init_actions": {"node-bundle.sh": "0" * 64}}
    facts = second(upstream=Upstream("dev", dev, record(dev)))
    assert "its canary ran another node-bundle.sh than its checkout had" in only_reason(plan(facts))
    assert plan(replace(facts, only=("dataproc_image",))).decision == CANDIDATE


def test_without_actions_a_bundle_that_is_not_pinned_stays_so() -> None:
    facts = first(pins={**PINS, "node_bundle": None}, only=("dataproc_image",))
    assert plan(facts).decision == NOTHING
    newer = plan(replace(facts, images=images(OLD, NEW)))
    assert newer.changes == [f"Dataproc image {OLD} -> {NEW}"]


def test_packages_that_were_rolled_back_are_not_tried_again() -> None:
    """Of a candidate only the lock is known; what was withdrawn has all hashes of its build."""
    bad = {**PINS, "environment": {**ENVIRONMENT, "lock_sha256": "7" * 64, "archive_sha256": "6" * 64}}
    pins = {**PINS, "environment": ENVIRONMENT}
    facts = first(pins=pins, lock=Lock("7" * 64, [], ""), record=record(pins, withdrawn=[left(bad)]))
    found = plan(facts)
    assert (found.decision, found.changes) == (NOTHING, [])
    assert plan(replace(facts, lock=Lock("8" * 64, [], ""))).decision == CANDIDATE


def test_the_pins_of_the_environment_before_come_unchanged_but_for_the_bundle() -> None:
    found = plan(second())
    assert found.decision == CANDIDATE
    assert found.candidate == {**PINS, "dataproc_image": NEW, "node_bundle": None}


def test_of_what_was_tried_before_comes_what_is_enabled_here() -> None:
    """`dev` has Kerberos, this environment has not; its files were tried all the same."""
    dev = {**PINS, "init_actions": {"node-bundle.sh": "a" * 64, "service-principal.sh": "4" * 64}}
    files = {**FILES, "init-actions/service-principal.sh": "4" * 64}
    facts = second(upstream=Upstream("dev", dev, record(dev, files=files)))
    assert plan(facts).candidate["init_actions"] == {"node-bundle.sh": "a" * 64}
    assert plan(facts).decision == NOTHING


def test_the_same_pins_as_before_are_nothing_to_do() -> None:
    assert plan(second({**PINS, "dataproc_image": NEW})).decision == NOTHING


def test_an_environment_before_that_has_no_record_blocks() -> None:
    assert only_reason(plan(second(upstream=Upstream("dev", PINS, None)))).startswith("dev has no green record")


def test_pins_changed_by_hand_after_their_canary_block() -> None:
    dev = {**PINS, "dataproc_image": NEW}
    reason = only_reason(plan(second(upstream=Upstream("dev", dev, record(PINS)))))
    assert reason.startswith("dev has other pins than its record says")


@pytest.mark.parametrize(("at", "blocked"), [("2026-11-15T12:00:01Z", False), ("2026-11-15T11:59:59Z", True)])
def test_a_record_may_be_as_old_as_the_limit(at: str, blocked: bool) -> None:
    dev = {**PINS, "dataproc_image": NEW}
    found = plan(second(upstream=Upstream("dev", dev, record(dev, promoted_at=at))))
    assert found.decision == (BLOCKED if blocked else CANDIDATE)
    assert [reason for reason in found.reasons if "-e patching_renew=true" not in reason] == []


def test_a_record_of_other_files_blocks_and_names_them() -> None:
    dev = {**PINS, "dataproc_image": NEW}
    recorded = record(dev, files={**FILES, "jobs/run_dask.py": "0" * 64})
    reason = only_reason(plan(second(upstream=Upstream("dev", dev, recorded))))
    assert "of commit eeeeeeeeeeee, and this checkout (cccccccccccc) has another jobs/run_dask.py" in reason


def test_an_image_that_was_withdrawn_after_its_canary_blocks() -> None:
    assert f"{NEW} is not listed by Google any more" in only_reason(plan(second(images=images(OLD))))


def test_pins_that_the_environment_before_went_back_from_have_to_go() -> None:
    bad = {**PINS, "dataproc_image": NEW}
    dev = Upstream("dev", PINS, record(PINS, withdrawn=[left(bad)]))
    assert "dev went back from these pins on 2026-11-28 (slow)" in only_reason(plan(second(bad, upstream=dev)))


@pytest.mark.parametrize("kept", [True, False], ids=["among the previous pins", "no longer kept"])
def test_pins_that_came_after_it_went_back_from_their_like_are_good(kept: bool) -> None:
    """`dev` mended the bundle that made it go back from an image, brought the image again, and went on."""
    mended, newer = ({**PINS, "dataproc_image": image} for image in (NEW, NEWEST))
    listed = images(OLD, NEW, NEWEST)
    previous = [{"pins": mended, "record": None}] if kept else []
    withdrawn = [left({**mended, "node_bundle": "5" * 64})]
    dev = Upstream("dev", newer, record(newer, withdrawn=withdrawn, previous=previous))
    since, before = ({"promoted_at": f"2026-11-{day}T12:00:00Z"} for day in (29, 27))
    assert plan(second(mended, upstream=dev, images=listed, record=record(mended, **since))).decision == CANDIDATE
    found = plan(second(mended, upstream=dev, images=listed, record=record(mended, **before)))
    assert found.decision == (CANDIDATE if kept else BLOCKED)


def test_they_have_to_go_also_where_other_actions_are_enabled() -> None:
    """`dev` has Kerberos, this environment has not: what both have is what was left."""
    kerberos = {"init_actions": {**PINS["init_actions"], "service-principal.sh": "4" * 64}}
    bad = {**PINS, "dataproc_image": NEW}
    dev = {**PINS, **kerberos}
    upstream = Upstream("dev", dev, record(dev, withdrawn=[left({**bad, **kerberos}, dev)]))
    assert "dev went back from these pins" in only_reason(plan(second(bad, upstream=upstream)))
    # What was left for an action that is not enabled here is good here.
    other = {**dev, "init_actions": {**dev["init_actions"], "service-principal.sh": "5" * 64}}
    newer = {**dev, "dataproc_image": NEW}
    files = {**FILES, "init-actions/service-principal.sh": "4" * 64}
    upstream = Upstream("dev", newer, record(newer, files=files, withdrawn=[left(other, dev)]))
    found = plan(second(PINS, upstream=upstream, checkout=replace(CHECKOUT, files=files)))
    assert (found.decision, found.reasons) == (CANDIDATE, [])


def test_the_window_blocks_until_it_opens_or_is_ignored() -> None:
    patching = {**PATCHING, "window": {"days": ["mon"], "from": "20:00", "until": "22:00"}}
    facts = first(images=images(OLD, NEW), patching=patching)
    assert "opens on Monday 2026-11-30 at 20:00 UTC" in only_reason(plan(facts))
    assert plan(replace(facts, ignore_window=True)).decision == CANDIDATE
    assert plan(replace(facts, now=datetime(2026, 11, 30, 21, 0, tzinfo=UTC))).decision == CANDIDATE
    assert plan(replace(facts, images=images(OLD))).decision == NOTHING

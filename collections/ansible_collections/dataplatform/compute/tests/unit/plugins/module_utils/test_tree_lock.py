# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The waiting and fencing rules of the lock, on a stand-in that only answers what the manifest looks like."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import tree_lock, tree_storage
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, TransportError
from ansible_collections.dataplatform.compute.plugins.module_utils.process_identity import this_process
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import ConcurrentWriterError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_manifest import WRITING, ManifestHeader
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_plan import TreePlan
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import ObjectState

ELSEWHERE = "other-host:42 other-boot/pid:[1] 99"


class Storage:
    """Answers `state` from a script and records writes."""

    uri = "gs://b/p"

    def __init__(self, states: list[ObjectState | None] | None = None) -> None:
        self.states = states or []
        self.patches: list[Mapping[str, str]] = []
        self.patch_error: ComputeError | None = None
        self.may_write: Callable[[], None] = lambda: None

    def state(self, _name: str) -> ObjectState | None:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def upload(self, _name: str, _resource: Any, _read: Any, generation: str) -> str:
        return str(int(generation) + 1)

    def patch_metadata(self, _name: str, metadata: Mapping[str, str], _generation: str, attempts: int = 1) -> None:
        if self.patch_error is not None:
            raise self.patch_error
        self.patches.append(metadata)


def state(age: float, metageneration: str = "1", generation: str = "5", what: str = WRITING) -> ObjectState:
    return ObjectState(generation, metageneration, "md5", {"gcs-tree-state": what}, age)


def manifest(writer: str = ELSEWHERE) -> ManifestHeader:
    return ManifestHeader("5", "owner", WRITING, "hash", 0, "run", writer)


def wait(storage: Storage, header: ManifestHeader, said: list[str] | None = None) -> list[float]:
    pauses: list[float] = []
    progress = (lambda _text: None) if said is None else said.append
    tree_lock.wait_for_other_writer(storage, header, progress, sleep=pauses.append)
    return pauses


def test_a_writer_elsewhere_is_dead_when_its_lease_is_over() -> None:
    assert wait(Storage([state(tree_lock.LEASE + 1)]), manifest()) == []


def test_a_silent_writer_elsewhere_is_waited_for() -> None:
    ages = [88.0, 89.0, 90.0, 91.0]
    said: list[str] = []
    assert len(wait(Storage([state(age) for age in ages]), manifest(), said)) == 3
    assert [line.partition("; ")[2] for line in said] == ["waiting up to 2 s to see whether it is alive"]


@pytest.mark.parametrize("later", [state(1.0, metageneration="2"), state(1.0, generation="6")])
def test_a_writer_that_gives_a_sign_of_life_wins(later: ObjectState) -> None:
    with pytest.raises(ConcurrentWriterError, match="the run other-host:42 holds its lock"):
        wait(Storage([state(10.0), later]), manifest())


@pytest.mark.parametrize("later", [None, state(1.0, generation="6", what="complete"), state(1.0, what="interrupted")])
def test_a_writer_that_finishes_lets_the_next_one_list_again(later: ObjectState | None) -> None:
    assert len(wait(Storage([state(10.0), later]), manifest())) == 1


def test_a_dead_process_of_this_machine_is_not_waited_for() -> None:
    script = (
        "from ansible_collections.dataplatform.compute.plugins.module_utils.process_identity import this_process;"
        "print(this_process())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=_environment()
    )
    assert wait(Storage([state(0.0)]), manifest(done.stdout.strip())) == []


def test_a_living_process_of_this_machine_is_waited_for() -> None:
    with pytest.raises(ConcurrentWriterError):
        wait(Storage([state(0.0), state(0.0, metageneration="2")]), manifest(this_process()))


def test_a_process_number_used_again_is_not_mistaken_for_the_writer() -> None:
    name, world, _started = this_process().split(" ")
    assert wait(Storage([state(0.0)]), manifest(f"{name} {world} 1")) == []


def test_an_unknown_writer_counts_as_elsewhere() -> None:
    assert len(wait(Storage([state(89.0), state(91.0)]), manifest("nonsense"))) == 1


def test_a_lost_lock_stops_writing() -> None:
    storage = Storage()
    lock = tree_lock.TreeLock(storage, "owner", renewal_interval=0.01)
    lock.acquire(None, TreePlan(wanted_hash="h"))
    storage.may_write()
    storage.patch_error = ConcurrentWriterError("Somebody else is writing")
    deadline = time.monotonic() + 60
    with pytest.raises(ConcurrentWriterError, match="lost its lock"):
        while time.monotonic() < deadline:
            storage.may_write()
            time.sleep(0.01)


def test_a_lock_that_cannot_be_renewed_stops_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage()
    storage.patch_error = TransportError("no network")
    lock = tree_lock.TreeLock(storage, "owner", renewal_interval=0.01)
    lock.acquire(None, TreePlan(wanted_hash="h"))
    storage.may_write()
    # Only now, so that the lock is good above however long that took; renewals in vain do not lengthen it.
    time.sleep(0.3)
    monkeypatch.setattr(tree_lock, "RENEWAL_VALID", 0.2)
    with pytest.raises(ConcurrentWriterError, match="could not renew"):
        storage.may_write()


def test_a_long_run_shows_that_it_is_alive_and_releases_at_its_end() -> None:
    storage = Storage()
    lock = tree_lock.TreeLock(storage, "owner", renewal_interval=0.01)
    lock.acquire(None, TreePlan(wanted_hash="h"))
    deadline = time.monotonic() + 60
    while len(storage.patches) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    lock.release()
    assert storage.patches[-1] == {"gcs-tree-state": "interrupted"}
    assert {"gcs-tree-renewal": "2"} in storage.patches


def test_the_lease_outlives_the_longest_write() -> None:
    assert tree_lock.RENEWAL_INTERVAL * 2 < tree_lock.RENEWAL_VALID
    assert tree_lock.RENEWAL_VALID + 2 * tree_storage._WRITE_TIMEOUT < tree_lock.LEASE


def _environment() -> dict[str, str]:
    collections = str(next(path for path in sys.path if path.endswith("collections")))
    return {"PYTHONPATH": collections}

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Execute a plan: concurrently, each item on its own, so that one failure neither stops nor hides the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.bodies import still_differs, update_body
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    ConflictError,
    GoogleApiError,
    NotFoundError,
    OperationTimeoutError,
    PreconditionFailedError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Call, Kind, Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.plan import (
    CREATE,
    DELETE,
    ERROR,
    ERROR_DUE_TO_UPDATE,
    NONE,
    REPLACE,
    PlannedItem,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import Deadline, poll, wait_for_operation

STABLE_STATES = ("", "RUNNING", ERROR, ERROR_DUE_TO_UPDATE, "STOPPED", "UNKNOWN")


@dataclass
class Outcome:
    """What became of one planned item."""

    item: PlannedItem
    action: str
    message: str
    error: ComputeError | None = None
    deleted: bool = False
    """The live resource was deleted before the error: a replacement that stopped halfway."""

    @property
    def changed(self) -> bool:
        """Return whether anything became different at Google, also by work that failed halfway."""
        return self.action != NONE and (self.error is None or self.deleted)

    def diff(self) -> dict[str, Any]:
        """Return the two sides of this item for ``--diff``; a replacement that stopped halfway leaves nothing."""
        diff = self.item.diff()
        if self.error is not None and self.deleted:
            return {**diff, "after_header": f"{self.item.kind.name} {self.item.id} (deleted only)", "after": {}}
        return diff

    def to_result(self) -> dict[str, Any]:
        """Return the entry of ``results``."""
        diff = self.diff()
        result = {
            "kind": self.item.kind.name,
            "id": self.item.id,
            "action": self.action,
            "changed": self.changed,
            "message": self.message,
            "diff": {"before": diff["before"], "after": diff["after"]} if self.item.changed else {},
        }
        if self.error is not None:
            result["failed"] = True
            result["error"] = self.error.to_result()["error"]
        return result


class Applier:
    """Executes planned items of one kind in one scope."""

    def __init__(self, client: GoogleClient, scope: Scope, *, wait: bool, wait_timeout: float) -> None:
        self._client = client
        self._scope = scope
        self._wait = wait
        self._wait_timeout = wait_timeout
        self._stop = threading.Event()

    def apply(self, items: list[PlannedItem], concurrency: int, progress: Callable[[str], None]) -> list[Outcome]:
        """Execute the items, at most ``concurrency`` at once, and return their outcomes in the order of the plan."""
        busy = [item for item in items if item.changed or self._unsettled(item)]
        outcomes = {id(item): Outcome(item, NONE, item.message) for item in items}
        if busy:
            with ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(busy)))) as pool:
                try:
                    for item, outcome in zip(busy, pool.map(self._guarded, busy), strict=True):
                        outcomes[id(item)] = outcome
                        if outcome.error is not None or item.kind.long_running:
                            progress(f"{item.kind.name} {item.id}: {outcome.message}")
                except BaseException:
                    # Leaving the block joins every thread: those that only wait for Google must not hold it up.
                    self._stop.set()
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        return [outcomes[id(item)] for item in items]

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise ComputeError("interrupted while it was waited for; it goes on at Google, run again to pick it up")

    def _guarded(self, item: PlannedItem) -> Outcome:
        try:
            return self._apply_one(item)
        except ComputeError as error:
            return Outcome(item, item.action, f"{item.action} failed: {error}", error)
        except Exception as error:
            # A defect must not hide what the other threads did.
            failure = ComputeError(f"unexpected {type(error).__name__}: {error}")
            return Outcome(item, item.action, f"{item.action} failed: {failure}", failure)

    def _apply_one(self, item: PlannedItem) -> Outcome:
        if self._unsettled(item):
            self._wait_until_stable(item)
        if item.action == CREATE:
            return self._create(item)
        if item.action == DELETE:
            self._delete(item, wait=self._wait)
            return Outcome(item, DELETE, f"deleted: {item.message}")
        if item.action == REPLACE:
            return self._replace(item)
        if item.action == NONE:
            return Outcome(item, NONE, item.message)
        return self._update(item)

    def _call(self, call: Call) -> dict[str, Any]:
        return self._client.request(call.method, call.url, params=call.params or None, json=call.json)

    def _finish(self, item: PlannedItem, what: str, answer: dict[str, Any], *, wait: bool) -> str:
        """Wait for the operation a call started; return what to add to the message."""
        if not item.kind.long_running:
            return ""
        if not wait:
            return f" (started, not waited for: {answer.get('name', 'unknown operation')})"
        deadline = Deadline(self._wait_timeout)
        what = f"{what} {item.id}"
        wait_for_operation(self._client, item.kind.operations_url, answer, what, deadline, sleep=self._pause)
        return ""

    def _create(self, item: PlannedItem) -> Outcome:
        target = item.desired or {}
        try:
            answer = self._call(item.kind.create_call(self._scope, item.id, target))
        except ConflictError as error:
            return self._after_conflict(item, error)
        note = self._finish(item, "create", answer, wait=self._wait)
        return Outcome(item, CREATE, f"created{note}")

    def _replace(self, item: PlannedItem) -> Outcome:
        self._delete(item, wait=True)
        try:
            outcome = self._create(item)
        except ComputeError as error:
            message = f"replace failed: it was deleted, but not created anew; a repeated run creates it. {error}"
            return Outcome(item, REPLACE, message, error, deleted=True)
        # Whoever created the new one, the old one was deleted here.
        return Outcome(item, REPLACE, item.message if outcome.action == CREATE else outcome.message)

    def _after_conflict(self, item: PlannedItem, error: ConflictError) -> Outcome:
        """It exists although it did not a moment ago: our own lost answer, somebody else, or another project's name."""
        other_project = ""
        if item.kind.name == "storage_bucket":
            other_project = "; bucket names are global, so another project may have the name: then choose another"
        try:
            live = self._call(item.kind.get_call(self._scope, item.id))
        except GoogleApiError as unseen:
            raise ComputeError(f"{item.id} exists but cannot be read{other_project}. ({error})") from unseen
        differences = still_differs(item.kind, item.desired or {}, live)
        if differences:
            raise ComputeError(
                f"somebody else created {item.id} at the same time, and it differs in {'; '.join(differences[:5])}"
                f"{other_project}."
                " Run again to compare with what is there now"
            ) from error
        if item.kind.long_running and self._wait:
            self._wait_until_stable(item)
        if error.attempts > 1:
            return Outcome(item, CREATE, "created (an answer was lost on the way)")
        return Outcome(item, NONE, "somebody else created it at the same time, exactly as wanted")

    def _update(self, item: PlannedItem) -> Outcome:
        target, live = item.desired or {}, item.live or {}
        paths = [change.path for change in item.changes]
        body = update_body(item.kind, target, item.kind.schema.normalise(live), paths)
        try:
            answer = self._call(item.kind.update_call(self._scope, item.id, body, live, paths))
        except NotFoundError as error:
            raise ComputeError(f"somebody else deleted {item.id} in the meantime. Run again to create it") from error
        except GoogleApiError as error:
            if not _lost_race(item.kind, error):
                raise
            return self._after_lost_race(item, error)
        note = self._finish(item, "update", answer, wait=self._wait)
        return Outcome(item, item.action, f"{item.message}{note}")

    def _after_lost_race(self, item: PlannedItem, error: GoogleApiError) -> Outcome:
        """The live resource moved on: by our own lost answer (then nothing differs any more), or by somebody else."""
        live = self._call(item.kind.get_call(self._scope, item.id))
        if not still_differs(item.kind, item.desired or {}, live):
            return Outcome(item, item.action, item.message)
        raise ComputeError(
            f"somebody else changed {item.id} at the same time. Run again to compare with what is there now. ({error})"
        ) from error

    def _delete(self, item: PlannedItem, *, wait: bool) -> None:
        try:
            answer = self._call(item.kind.delete_call(self._scope, item.id, item.live or {}))
            self._finish(item, "delete", answer, wait=wait)
        except NotFoundError:
            return

    def _unsettled(self, item: PlannedItem) -> bool:
        """Return whether the live resource is on its way from one state to another."""
        if item.live is None or not item.kind.long_running or not (self._wait or item.changed):
            return False
        return item.kind.state(item.live) not in STABLE_STATES

    def _wait_until_stable(self, item: PlannedItem) -> None:
        """Wait for work that somebody (perhaps an interrupted run of ours) has under way on the resource."""
        deadline = Deadline(self._wait_timeout)

        def fetch() -> dict[str, Any]:
            try:
                return self._call(item.kind.get_call(self._scope, item.id))
            except NotFoundError:
                return {}

        seen, in_time = poll(
            fetch, lambda live: not live or item.kind.state(live) in STABLE_STATES, deadline, self._pause
        )
        state = item.kind.state(seen) if seen else "absent"
        if not in_time:
            raise OperationTimeoutError(
                f"{item.id} is still {state} after {deadline.seconds:g} s; run again later, or raise wait_timeout", seen
            )
        if state in (ERROR, ERROR_DUE_TO_UPDATE) and item.action == NONE:
            raise ComputeError(f"{item.id} ended in the state {state}: {item.kind.state_detail(seen)}")


def _lost_race(kind: Kind, error: GoogleApiError) -> bool:
    # FAILED_PRECONDITION alone is no sign of a race: Dataproc answers it to what the state of a cluster forbids.
    return isinstance(error, (ConflictError, PreconditionFailedError)) or error.status == kind.outdated_status

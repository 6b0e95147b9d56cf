# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The canary's cluster and those that killed canaries left: created, found, deleted and seen to be gone."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.canary_plan import CanaryPlan
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import printable, split_uri
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    GoogleApiError,
    NotFoundError,
    TransportError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import Deadline, PollPace
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import RunTools
from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import operation_state

_OUTPUT_URI = re.compile(r"see output in: (gs://\S+)")
_TAIL_LINES = 20
_TAIL_BYTES = 16 * 1024


class CanaryCluster:
    """The cluster of one canary."""

    def __init__(self, tools: RunTools, plan: CanaryPlan) -> None:
        self._api = tools.api
        self._objects = tools.objects
        self._progress = tools.progress
        self._interruption = tools.interruption
        self._poll = tools.limits.poll
        self._plan = plan
        self.touched = False
        """Whether Google was told to create or delete anything."""

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self._plan.name

    def leftovers(self) -> list[dict[str, Any]]:
        """The clusters that earlier canaries of the same owners left.

        Raises ValidationError when the canary's own name is taken by a cluster that is not to be swept away.
        """
        found = self._api.list_clusters(self._plan.mark) if self._plan.sweep else []
        names = [one["clusterName"] for one in found]
        if self._plan.name not in names and (taken := self._api.find_cluster(self._plan.name)):
            raise ValidationError(
                [
                    f"cluster: {self._plan.name} exists already in {self._api.parent}, {_state(taken)}, with the "
                    f"labels {taken.get('labels') or {}}; choose another name, or delete it"
                ],
                "the canary",
            )
        return found

    def create(self) -> tuple[dict[str, Any], float]:
        """Create the cluster; it, as Dataproc has it, and the seconds it took.

        Raises ComputeError with Google's reason, and with the end of the output of a failed initialization action.
        Returns early, with a cluster that is not there yet, when the person interrupts.
        """
        started = time.monotonic()
        operation = self._api.create_cluster(self._plan.cluster, str(uuid.uuid4()))
        self.touched = True
        self._progress.note(f"cluster {self._plan.name}: creating")
        limit = self._plan.create_timeout
        operation = self.wait(operation, f"creation of cluster {self._plan.name}", limit, "create_timeout")
        error = operation.get("error")
        if error:
            raise ComputeError(self._creation_text(error))
        return self._api.find_cluster(self._plan.name) or {}, round(time.monotonic() - started, 1)

    def wait(self, operation: dict[str, Any], what: str, seconds: float, limit_name: str) -> dict[str, Any]:
        """Wait until an operation is done or the person interrupts. Raises ComputeError after ``seconds``."""
        deadline, pace, seen = Deadline(seconds), PollPace(self._poll), ""
        while not operation.get("done") and not self._interruption.requested:
            state = operation_state(operation)
            if deadline.passed:
                raise ComputeError(f"{what} is still {state} after {seconds:g} s ({limit_name})")
            if state != seen:
                self._progress.note(f"{what}: {state}")
            self._interruption.pause(pace.pause_after(news=state != seen))
            seen = state
            operation = self._api.get_operation(operation["name"])
        return operation

    def sweep(self, leftovers: Iterable[Mapping[str, Any]]) -> None:
        """Delete what earlier canaries left, or as much of it as is done when the person interrupts.

        Raises ComputeError naming what is still there when the time is up.
        """
        left = self._delete(leftovers, until_interrupted=True)
        if left and not self._interruption.requested:
            raise ComputeError(left)

    def delete(self) -> str:
        """Delete what was created, if anything, and wait until it is gone; what is still there as a sentence, or empty.

        Never raises an error of Google's or of the way there: whatever is refused is tried again until the time is up.
        """
        # Asked anew: a creation whose answer was lost may have left a cluster all the same.
        try:
            own = self._api.find_cluster(self._plan.name)
        except (GoogleApiError, TransportError):
            own = {"clusterName": self._plan.name}
        return self._delete([own], until_interrupted=False) if own else ""

    def _delete(self, clusters: Iterable[Mapping[str, Any]], *, until_interrupted: bool) -> str:
        waiting = {one["clusterName"]: one.get("clusterUuid", "") for one in clusters}
        troubles: dict[str, str] = {}
        deadline, pace = Deadline(self._plan.delete_timeout), PollPace(self._poll)
        while True:
            for name, identity in list(waiting.items()):
                try:
                    if self._is_gone(name, identity):
                        del waiting[name]
                        self._progress.note(f"cluster {name}: gone")
                except (GoogleApiError, TransportError) as error:
                    troubles[name] = str(error)
            if not waiting or deadline.passed or (until_interrupted and self._interruption.requested):
                break
            self._interruption.pause(pace.pause_after(news=False))
        waited = f"after {self._plan.delete_timeout:g} s (delete_timeout)"
        place = f"--region={self._api.region} --project={self._api.project}"
        return "; ".join(
            f"cluster {name} is still there {waited}{': ' + troubles[name] if name in troubles else ''}; "
            f"delete it with gcloud dataproc clusters delete {name} {place}"
            for name in waiting
        )

    def _is_gone(self, name: str, identity: str) -> bool:
        """Whether the cluster is gone; one that nothing deletes yet is told to go."""
        live = self._api.find_cluster(name)
        labels = (live or {}).get("labels") or {}
        ours = all(labels.get(key) == value for key, value in self._plan.mark.items())
        if live is None or not ours or (identity and live.get("clusterUuid") != identity):
            return True
        if _state(live) != "DELETING":
            try:
                self._api.delete_cluster(name, live.get("clusterUuid", ""), str(uuid.uuid4()))
            except NotFoundError:
                return True
            self.touched = True
            self._progress.note(f"cluster {name}: deleting")
        return False

    def _creation_text(self, error: Mapping[str, Any]) -> str:
        message = str(error.get("message") or "Google gave no reason")
        code = error.get("status") or error.get("code") or ""
        lines = [f"Google could not create the cluster: {message}" + (f" (code {code})" if code else "")]
        named = _OUTPUT_URI.search(message)
        tail = self._tail(named[1].rstrip(".,;)")) if named else []
        if tail:
            lines += [f"Last {len(tail)} lines of its output:", *(f"    {line}" for line in tail)]
        return "\n".join(lines)

    def _tail(self, uri: str) -> list[str]:
        # A help, never a reason to hide the failure: the account may not read the staging bucket.
        try:
            bucket, name = split_uri(uri)
            size = next((part.size for part in self._objects.list_objects(bucket, name) if part.name == name), 0)
            data = self._objects.read_range(bucket, name, max(0, size - _TAIL_BYTES), size) if size else b""
        except (ComputeError, ValueError):
            return []
        return [printable(line) for line in data.decode(errors="replace").splitlines()][-_TAIL_LINES:]


def _state(cluster: Mapping[str, Any]) -> str:
    return str((cluster.get("status") or {}).get("state") or "of unknown state")

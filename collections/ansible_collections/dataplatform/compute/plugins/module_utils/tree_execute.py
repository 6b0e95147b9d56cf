# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Execute the plan of a tree: ordered groups in parallel, deletions last, errors that say how far it came."""

from __future__ import annotations

import mimetypes
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    GoogleApiError,
    PartialFailureError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_manifest import md5_metadata
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_plan import (
    Change,
    TreePlan,
    TreePolicy,
    WantedFile,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_scan import (
    changed_file,
    read_part,
    read_planned,
    still_as_planned,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import (
    CHUNK_BYTES,
    TreeStorage,
    is_checksum_refusal,
)

PROGRESS_INTERVAL = 5.0

# Only the types Python itself knows: the files of the machine (/etc/mime.types) differ from one to the next.
_CONTENT_TYPES = mimetypes.MimeTypes()


class InterruptedTreeError(PartialFailureError):
    """A run stopped between its first write and its last; running it again finishes the work."""

    def __init__(self, cause: ComputeError, uri: str, done: Sequence[Change], total: int) -> None:
        self.cause = cause
        names = {action: sorted(change.name for change in done if change.action == action) for action in _ACTIONS}
        super().__init__(
            f"{cause} ({len(done)} of {total} changes of {uri} were made before this, "
            "each object whole; run again to finish.)",
            {
                "changed": True,
                "uri": uri,
                "created": names["create"],
                "updated": names["update"],
                "deleted": names["delete"],
            },
        )

    def details(self) -> dict[str, Any]:
        """Return the facts of what stopped the run, and its type."""
        return {**self.cause.details(), "cause": type(self.cause).__name__}


_ACTIONS = ("create", "update", "delete")


class TreeExecutor:
    """Carries out the writes and deletions of one plan; the lock around it is the caller's."""

    def __init__(
        self,
        storage: TreeStorage,
        policy: TreePolicy,
        concurrency: int,
        progress: Callable[[str], None],
        progress_interval: float = PROGRESS_INTERVAL,
    ) -> None:
        self._storage = storage
        self._policy = policy
        self._concurrency = concurrency
        self._progress = progress
        self._progress_interval = progress_interval
        self._done: list[Change] = []
        self._stop = threading.Event()

    def run(self, plan: TreePlan) -> None:
        """Make every change of the plan; a group starts when all of the one before are confirmed.

        Raises InterruptedTreeError with the first failure. Requests under way are then waited for, no new one starts.
        """
        total = len(plan.changes)
        guard = self._storage.may_write

        def may_write() -> None:
            guard()
            if self._stop.is_set():
                raise ComputeError("Stopped, because another request of this run failed")

        self._storage.may_write = may_write
        try:
            for group in (plan.early_deletions, *plan.uploads, plan.deletions):
                self._run_group(group, total)
        except ComputeError as error:
            raise InterruptedTreeError(error, self._storage.uri, self._done, total) from error
        finally:
            self._storage.may_write = guard

    def _run_group(self, group: Sequence[Change], total: int) -> None:
        if not group:
            return
        remaining = iter(group)
        lock = threading.Lock()

        def work() -> None:
            while not self._stop.is_set():
                with lock:
                    change = next(remaining, None)
                if change is None:
                    return
                self._make(change)
                self._done.append(change)

        workers = min(self._concurrency, len(group))
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="gcs-tree") as pool:
            try:
                self._wait([pool.submit(work) for _worker in range(workers)], total)
            except BaseException:
                self._stop.set()
                raise

    def _wait(self, futures: Sequence[Any], total: int) -> None:
        """Wait for all workers, or the first failure; speak up every few seconds."""
        pending = set(futures)
        last_spoken = time.monotonic()
        while pending:
            finished, pending = wait(pending, timeout=self._progress_interval, return_when=FIRST_EXCEPTION)
            for future in finished:
                future.result()
            if pending and time.monotonic() - last_spoken >= self._progress_interval:
                last_spoken = time.monotonic()
                self._progress(f"{self._storage.uri}: {len(self._done)} of {total} changes made")

    def _make(self, change: Change) -> None:
        generation = change.listed.generation if change.listed else "0"
        if change.wanted is None:
            self._storage.delete(change.name, generation)
            return
        try:
            self._upload(change.wanted, generation)
        except GoogleApiError as error:
            if is_checksum_refusal(error) and not still_as_planned(change.wanted):
                raise changed_file(change.wanted, "the server refused it by its checksum") from error
            raise

    def _upload(self, wanted: WantedFile, generation: str) -> None:
        resource: dict[str, Any] = {
            "contentType": content_type(wanted.name),
            "md5Hash": wanted.md5,
            "metadata": {**self._policy.metadata, **md5_metadata(wanted.md5)},
        }
        if self._policy.cache_control is not None:
            resource["cacheControl"] = self._policy.cache_control
        if wanted.size <= CHUNK_BYTES:
            self._storage.upload(wanted.name, resource, lambda: read_planned(wanted), generation)
        else:
            self._storage.upload_in_chunks(
                wanted.name, resource, wanted.size, lambda offset, length: read_part(wanted, offset, length), generation
            )


def content_type(name: str) -> str:
    """Guess the media type from the name; what is unknown (or compressed) is application/octet-stream."""
    guessed, encoding = _CONTENT_TYPES.guess_type(name)
    return guessed if guessed and not encoding else "application/octet-stream"

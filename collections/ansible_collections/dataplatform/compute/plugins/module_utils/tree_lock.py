# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One writer at a time: the manifest object as a lock with a lease, and as the commit point of a run.

A run that has something to change first writes the manifest in state `writing`, on the condition that nobody has
written it since it was listed; of two runs that start together one gets a precondition failure. While it writes it
renews the manifest, and it starts no request when its last renewal is older than RENEWAL_VALID. A later run that
finds `writing` takes over only when that cannot be a living writer: the writer was a process of this machine that no
longer exists, or the manifest has not been renewed for LEASE seconds of the server's clock. LEASE is longer than
RENEWAL_VALID plus the longest single request, so the two never write at the same time.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.process_identity import (
    is_dead_process_of_this_machine,
    this_process,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import ConcurrentWriterError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_manifest import (
    COMPLETE,
    INTERRUPTED,
    WRITING,
    ManifestHeader,
    Ownership,
    is_writing,
    manifest_body,
    manifest_metadata,
    renewal_metadata,
    state_metadata,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import MANIFEST_NAME
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_plan import TreePlan
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_scan import md5_base64
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage

LEASE = 90.0
RENEWAL_INTERVAL = 8.0
RENEWAL_VALID = 25.0

_POLL_INTERVAL = 2.0
_RELEASE_ATTEMPTS = 4  # Cloud Storage answers 429 to more than about one update of an object per second


class TreeLock:
    """The right to write one tree, from `acquire` to `commit` or `release`."""

    def __init__(self, storage: TreeStorage, owner: str, renewal_interval: float = RENEWAL_INTERVAL) -> None:
        self._storage = storage
        self._owner = owner
        self._run = secrets.token_hex(8)
        self._writer = this_process()
        self._generation = "0"
        self._renewal_interval = renewal_interval
        self._renewed_at = 0.0
        self._lost: ComputeError | None = None
        self._stopped = threading.Event()
        self._renewer: threading.Thread | None = None

    def acquire(self, manifest: ManifestHeader | None, plan: TreePlan) -> None:
        """Mark the tree as being written, with what is owned now and what is about to be written.

        Raises ConcurrentWriterError when somebody else did so after the listing.
        """
        self._generation = manifest.generation if manifest else "0"
        pending = {change.name: change.wanted.md5 for group in plan.uploads for change in group if change.wanted}
        self._write(WRITING, plan, Ownership(files=plan.files_now, pending=pending))
        self._storage.may_write = self.check
        self._renewer = threading.Thread(target=self._renew, name="gcs-tree-lock", daemon=True)
        self._renewer.start()

    def check(self) -> None:
        """Raise ConcurrentWriterError when this run may no longer write, because its lock is lost or too old."""
        if self._lost is not None:
            raise ConcurrentWriterError(
                f"This run lost its lock on {self._storage.uri} and stopped writing: {self._lost}"
            ) from self._lost
        if time.monotonic() - self._renewed_at > RENEWAL_VALID:
            raise ConcurrentWriterError(
                f"This run could not renew its lock on {self._storage.uri} for {RENEWAL_VALID:.0f} s and stopped "
                "writing. Run again to finish."
            )

    def commit(self, manifest: ManifestHeader | None, plan: TreePlan) -> None:
        """Write the manifest of the finished tree; also usable without `acquire` when no object changes."""
        self._stop_renewing()
        if self._renewer is None:
            self._generation = manifest.generation if manifest else "0"
        self._write(COMPLETE, plan, Ownership(files=plan.files_after))

    def release(self) -> None:
        """Say that this run has stopped before its end, so that the next one need not wait. Never raises.

        Where this fails (no network any more), the lease ends by itself.
        """
        self._stop_renewing()
        self._storage.may_write = lambda: None
        try:
            self._storage.patch_metadata(
                MANIFEST_NAME, state_metadata(INTERRUPTED), self._generation, attempts=_RELEASE_ATTEMPTS
            )
        except ComputeError:
            return

    def _write(self, state: str, plan: TreePlan, ownership: Ownership) -> None:
        body = manifest_body(self._owner, ownership)
        metadata = manifest_metadata(
            owner=self._owner,
            state=state,
            wanted_hash=plan.wanted_hash,
            kept=plan.kept_after,
            run=self._run,
            writer=self._writer,
        )
        resource = {
            "contentType": "application/json",
            "cacheControl": "no-store",
            "md5Hash": md5_base64(body),
            "metadata": metadata,
        }
        started = time.monotonic()
        self._generation = self._storage.upload(MANIFEST_NAME, resource, lambda: body, self._generation)
        self._renewed_at = started

    def _renew(self) -> None:
        count = 0
        while not self._stopped.wait(self._renewal_interval):
            count += 1
            started = time.monotonic()
            try:
                self._storage.patch_metadata(MANIFEST_NAME, renewal_metadata(count), self._generation)
            except ConcurrentWriterError as error:
                self._lost = error
                return
            except ComputeError:
                # Not reachable at the moment: `check` stops the run when this goes on for too long.
                continue
            self._renewed_at = started

    def _stop_renewing(self) -> None:
        self._stopped.set()
        if self._renewer is not None:
            self._renewer.join()


def wait_for_other_writer(
    storage: TreeStorage,
    manifest: ManifestHeader,
    progress: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the writer that a `writing` manifest names has finished, or is certainly gone; then list again.

    Raises ConcurrentWriterError as soon as it shows that it is alive and at work.
    """
    if is_dead_process_of_this_machine(manifest.writer):
        return
    first_seen = None
    first_look = True
    while True:
        state = storage.state(MANIFEST_NAME)
        if state is None or not is_writing(state.metadata):
            return
        seen = (state.generation, state.metageneration)
        first_seen = first_seen or seen
        if seen != first_seen or state.generation != manifest.generation:
            raise ConcurrentWriterError(
                f"Somebody else is writing {storage.uri}: {_shown(manifest.writer)} holds its lock. "
                "Nothing was changed; run again when the other one has finished."
            )
        if state.age > LEASE:
            return
        if first_look:
            progress(
                f"{storage.uri} is marked as being written by {_shown(manifest.writer)}, last heard of "
                f"{state.age:.0f} s ago; waiting up to {LEASE - state.age:.0f} s to see whether it is alive"
            )
            first_look = False
        sleep(_POLL_INTERVAL)


def _shown(writer: str) -> str:
    return f"the run {writer.partition(' ')[0] or 'of an unknown machine'}"

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One patching run at a time in an environment: an object in its artefact bucket that a run makes and deletes.

The object is made on the condition that there is none, so of two runs that start together one is refused. It belongs to
the process of the whole play, not of a task. A later run takes it over when that process ran on this machine and is
gone, or when the lease is over by the server's clock; what it finds then tells that a run was cut short, and must be
finished.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.process_identity import (
    is_dead_process_of_this_machine,
    is_live_process_of_this_machine,
    process_identity,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import ConcurrentWriterError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_scan import md5_base64
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import ObjectState, TreeStorage

NAME = "lock"
_NEW = "0"
_BODY = b"A patching run is at work in this environment, or was cut short. The object's metadata say which.\n"


class LockedError(ComputeError):
    """Another run is at work, or may be: nobody here can tell."""


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Take the lock, give it back, or look who has it; see the module's documentation."""
    storage = TreeStorage(client, params["bucket"], f"patching/{params['environment']}/")
    state = storage.state(NAME)
    if params["state"] == "read":
        return {"changed": False, **_described(state, params["lease"])}
    if params["state"] in ("free", "unfinished"):
        return _end(storage, state, params, reporter)
    if params["lease"] <= 0:
        raise ValidationError([f"lease is {params['lease']:g}; expected seconds above 0"], "the options of patch_lock")
    if params["run"]:
        return _renew(storage, state, params, reporter)
    found = _described(state, params["lease"])
    if state is not None and not _is_over(state, params["lease"]):
        raise LockedError(_who_has_it(storage, found))
    result = {"changed": True, "run": secrets.token_hex(6), "interrupted": found["held"], "held_by": found["held_by"]}
    if not reporter.check_mode:
        _write(storage, params, result["run"], state.generation if state else _NEW)
    return result


def _write(storage: TreeStorage, params: Mapping[str, Any], run_id: str, generation: str) -> None:
    # The task is a child of the play's process, which lives as long as the run.
    metadata = {"run": run_id, "process": process_identity(os.getppid()), "purpose": params["purpose"]}
    resource = {
        "contentType": "text/plain",
        "cacheControl": "no-store",
        "md5Hash": md5_base64(_BODY),
        "metadata": metadata,
    }
    try:
        storage.upload(NAME, resource, lambda: _BODY, generation)
    except ConcurrentWriterError as error:
        raise LockedError(
            f"Another patching run took {storage.uri_of(NAME)} at the same moment. Nothing was changed; run again when"
            " it has ended."
        ) from error


def _renew(
    storage: TreeStorage, state: ObjectState | None, params: Mapping[str, Any], reporter: Reporter
) -> dict[str, Any]:
    """Let the lease begin anew; raises LockedError where another run has taken the lock over."""
    if state is None or state.metadata.get("run") != params["run"]:
        raise LockedError(
            f"{storage.uri_of(NAME)} is not this run's any more: its lease of {params['lease']:g} s was over, or"
            " somebody deleted it. This run ends here; run again when no other is at work."
        )
    if not reporter.check_mode:
        storage.patch_metadata(NAME, {"purpose": params["purpose"]}, state.generation, attempts=4)
    return {"changed": True, "run": params["run"], "interrupted": False, "held_by": ""}


def _end(
    storage: TreeStorage, state: ObjectState | None, params: Mapping[str, Any], reporter: Reporter
) -> dict[str, Any]:
    """Delete the lock, or leave it without an owner for whoever comes next; if it is still that of this run."""
    ours = state is not None and state.metadata.get("run") == params["run"]
    if state is not None and ours and not reporter.check_mode:
        if params["state"] == "free":
            storage.delete(NAME, state.generation)
        else:
            storage.patch_metadata(NAME, {"process": "", "purpose": "unfinished"}, state.generation, attempts=4)
    return {"changed": ours, "run": params["run"], "interrupted": False, "held_by": ""}


def _is_over(state: ObjectState, lease: float) -> bool:
    process = state.metadata.get("process", "")
    if not process or is_dead_process_of_this_machine(process):
        return True
    # A lease is for those of whom nobody here can know.
    return state.age > lease and not is_live_process_of_this_machine(process)


def _described(state: ObjectState | None, lease: float) -> dict[str, Any]:
    if state is None:
        return {"held": False, "alive": False, "held_by": "", "purpose": "", "run": "", "seconds_left": 0}
    return {
        "held": True,
        "alive": not _is_over(state, lease),
        "held_by": state.metadata.get("process", "").partition(" ")[0] or "a process that has ended",
        "purpose": state.metadata.get("purpose", ""),
        "run": state.metadata.get("run", ""),
        "seconds_left": max(0, round(lease - state.age)),
    }


def _who_has_it(storage: TreeStorage, found: Mapping[str, Any]) -> str:
    return (
        f"{storage.uri_of(NAME)} belongs to a run ({found['purpose'] or 'patching'}) by {found['held_by']}, which may"
        " be alive. Nothing was changed. Run again when it has ended; if it was cut short on another machine, in"
        f" {found['seconds_left']} s, or at once with a shorter lease (-e patching_lease_seconds=1). Do not delete that"
        " object: it tells the next run what to finish."
    )


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "bucket": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["held", "free", "unfinished", "read"], "default": "held"},
            "purpose": {"type": "str", "default": "patching"},
            "run": {"type": "str"},
            "lease": {"type": "float", "default": 14400.0},
        }
    ),
    run=run,
    constraints={"required_if": [["state", "free", ["run"]], ["state", "unfinished", ["run"]]]},
)

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The core of gcs_tree: list, plan, and where something differs: lock, execute, commit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import (
    ConcurrentWriterError,
    MissingBucketError,
    OwnershipError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_execute import TreeExecutor
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_lock import TreeLock, wait_for_other_writer
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_manifest import (
    COMPLETE,
    WRITING,
    ManifestHeader,
    Ownership,
    parse_body,
    tree_hash,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import MANIFEST_NAME, normalised_prefix
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_plan import (
    ListedObject,
    TreePlan,
    TreePolicy,
    WantedFile,
    describe,
    plan_tree,
    summary,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_scan import (
    crc32c_base64,
    scan_directory,
    wanted_from_content,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage, listed_object

LARGEST_CONCURRENCY = 64

ARGUMENTS: dict[str, dict[str, Any]] = {
    "bucket": {"type": "str", "required": True},
    "prefix": {"type": "str", "required": True},
    "source": {"type": "path"},
    "content": {"type": "dict"},
    "content_base64": {"type": "dict"},
    "owner": {"type": "str", "default": "dataplatform-compute"},
    "delete": {"type": "bool", "default": True},
    "order": {"type": "list", "elements": "str", "default": []},
    "protected": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "cache_control": {"type": "str"},
    "metadata": {"type": "dict", "default": {}},
    "concurrency": {"type": "int", "default": 32},
}


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Make the prefix equal to the source; returns what the task returns (see the module's RETURN)."""
    prefix = _checked_prefix(params)
    policy = TreePolicy(
        delete=params["delete"],
        order=params["order"],
        protected=params["protected"],
        exclude=params["exclude"],
        cache_control=params["cache_control"],
        metadata={str(key): str(value) for key, value in params["metadata"].items()},
    )
    storage = TreeStorage(client, params["bucket"], prefix)
    with ThreadPoolExecutor(max_workers=1) as pool:
        listing = pool.submit(_list, storage, params["owner"])
        wanted = _wanted(params, prefix)
        try:
            listed, manifest = listing.result()
        except MissingBucketError:
            if not reporter.check_mode:
                raise
            reporter.warn(
                f"The bucket {storage.bucket} does not exist yet; shown is what a run writes once it is there."
            )
            listed, manifest = {}, None

    if manifest is not None and manifest.state == WRITING:
        if reporter.check_mode:
            reporter.warn(f"{storage.uri} is being written, or a run was cut off: this is a look at a moving tree.")
        else:
            wait_for_other_writer(storage, manifest, reporter.progress)
            listed, manifest = _list(storage, params["owner"])

    ownership = _ownership(storage, manifest, wanted)
    plan = plan_tree(wanted, listed, ownership, policy, manifest=manifest, crc32c_of=crc32c_base64)
    for name, reason in sorted(plan.left_alone.items()):
        if "somebody else" in reason:
            reporter.warn(f"{storage.uri_of(name)} {reason}.")
    if plan.changed and not reporter.check_mode:
        lock = TreeLock(storage, params["owner"])
        executor = TreeExecutor(storage, policy, params["concurrency"], reporter.progress)
        _execute(lock, executor, manifest, plan)
    return _result(storage, plan, with_diff=reporter.diff)


def _checked_prefix(params: dict[str, Any]) -> str:
    problems = []
    prefix = ""
    try:
        prefix = normalised_prefix(params["prefix"])
    except ValueError as error:
        problems.append(str(error))
    if "/" in params["bucket"] or not params["bucket"]:
        problems.append(f"bucket {params['bucket']!r} is not a bucket name; expected the name alone, without gs://")
    if not 1 <= params["concurrency"] <= LARGEST_CONCURRENCY:
        problems.append(f"concurrency is {params['concurrency']}, expected 1 to {LARGEST_CONCURRENCY}")
    if problems:
        raise ValidationError(problems, "the options of gcs_tree")
    return prefix


def _wanted(params: dict[str, Any], prefix: str) -> dict[str, WantedFile]:
    """Read the source; an empty directory is refused, because it would empty the tree."""
    if params["source"] is None:
        return wanted_from_content(
            params["content"] or {}, params["exclude"], prefix, content_base64=params["content_base64"]
        )
    wanted = scan_directory(params["source"], params["exclude"], prefix)
    if not wanted:
        raise ValidationError(
            [
                f"source {params['source']!r} holds no file to upload, which would empty the tree; "
                "if that is what you want, say it with `content: {}` instead of source"
            ]
        )
    return wanted


def _list(storage: TreeStorage, owner: str) -> tuple[dict[str, ListedObject], ManifestHeader | None]:
    """List the tree and take the manifest out of it; OwnershipError when the tree is somebody else's."""
    listed = {}
    manifest = None
    for item in storage.list_tree():
        if item["name"] != MANIFEST_NAME:
            listed[item["name"]] = listed_object(item)
            continue
        try:
            manifest = ManifestHeader.from_listing(item)
        except ValueError as error:
            raise _unreadable(storage, error) from error
        if manifest.owner != owner:
            raise OwnershipError(
                f"{storage.uri} belongs to owner {manifest.owner!r}, this task's owner is {owner!r}: nothing was "
                f"changed. Use another prefix, or set owner to {manifest.owner!r} to take part in that tree."
            )
    return listed, manifest


def _ownership(storage: TreeStorage, manifest: ManifestHeader | None, wanted: dict[str, WantedFile]) -> Ownership:
    """Return what earlier runs wrote; the manifest's content is fetched only where its header does not say it all."""
    if manifest is None:
        return Ownership()
    files = {name: file.md5 for name, file in wanted.items()}
    if manifest.state == COMPLETE and manifest.kept == 0 and manifest.tree_hash == tree_hash(files):
        return Ownership(files=files)
    content = storage.read(MANIFEST_NAME, manifest.generation)
    if content is None:
        raise ConcurrentWriterError(
            f"Somebody else is writing {storage.uri}: its manifest was replaced after this run had listed it. "
            "Nothing was changed; run again when the other one has finished."
        )
    try:
        return parse_body(content)
    except ValueError as error:
        raise _unreadable(storage, error) from error


def _unreadable(storage: TreeStorage, error: ValueError) -> OwnershipError:
    return OwnershipError(
        f"{storage.uri_of(MANIFEST_NAME)} is not a manifest this version can read: {error}. Nothing was changed. "
        "Delete that object to start anew: what lies there then counts as not owned and is never deleted."
    )


def _execute(lock: TreeLock, executor: TreeExecutor, manifest: ManifestHeader | None, plan: TreePlan) -> None:
    """Lock, change, commit; where only the manifest is outdated, its conditional write alone is all three."""
    if plan.changes:
        lock.acquire(manifest, plan)
        try:
            executor.run(plan)
        except BaseException:
            lock.release()
            raise
    lock.commit(manifest, plan)


def _result(storage: TreeStorage, plan: TreePlan, *, with_diff: bool) -> dict[str, Any]:
    result = {
        "changed": plan.changed,
        "uri": storage.uri,
        "tree_hash": plan.wanted_hash,
        "created": plan.names("create"),
        "updated": plan.names("update"),
        "differences": {change.name: asdict(change.difference) for change in plan.changes if change.difference},
        "deleted": plan.names("delete"),
        "adopted": sorted(plan.adopted),
        "unchanged": len(plan.unchanged),
        "left_alone": dict(sorted(plan.left_alone.items())),
        "bytes_uploaded": sum(change.wanted.size for change in plan.changes if change.wanted),
        "summary": f"{storage.uri}: {summary(plan)}",
    }
    if plan.changed and with_diff:
        result["diff"] = [describe(plan, storage.uri)]
    return result


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(ARGUMENTS),
    run=run,
    constraints={
        "mutually_exclusive": [("source", "content"), ("source", "content_base64")],
        "required_one_of": [("source", "content", "content_base64")],
    },
)

"""storage.buckets: insert, get, list, patch, update, delete."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from starlette.responses import Response

from localcloud.errors import ApiError
from localcloud.storage.access import (
    bucket_controls,
    bucket_entries,
    default_object_controls,
    default_object_entries,
    is_uniform,
    team_entries,
)
from localcloud.storage.bucket_settings import (
    WRITABLE,
    check_types,
    kept_seconds,
    location_type,
    normalise,
)
from localcloud.storage.call import Call, Parts, no_content
from localcloud.storage.catalog import BucketRow
from localcloud.storage.projects import project_number
from localcloud.storage.resources import API, bucket_etag, check_storage_class, dump, timestamp

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


def check_bucket_name(name: Any) -> str:
    """Return a valid bucket name. Raises ApiError 400."""
    if not isinstance(name, str) or not name:
        raise ApiError(400, "Required parameter: name", reason="required")
    labels = name.split(".")
    valid = (
        _NAME.fullmatch(name)
        and not _ADDRESS.fullmatch(name)
        and all(0 < len(label) <= 63 for label in labels)
        and not name.startswith("goog")
        and "google" not in name
    )
    if not valid:
        raise ApiError(400, f"Invalid bucket name: '{name}'")
    return name


def create_bucket(parts: Parts, project: str, body: dict[str, Any]) -> BucketRow:
    """Create a bucket from a Bucket body. Raises ApiError 400 or 409."""
    name = check_bucket_name(body.get("name"))
    settings = {field: value for field, value in body.items() if field in WRITABLE and value is not None}
    check_types(settings)
    location = str(body.get("location") or "US").upper()
    now = parts.clock.now()
    moment = timestamp(now)
    resource: dict[str, Any] = {
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"{API}/b/{name}",
        "name": name,
        "projectNumber": project_number(parts.settings, project),
        "generation": str(parts.catalog.next_generation()),
        "metageneration": "1",
        "location": location,
        "locationType": location_type(location, body.get("customPlacementConfig")),
        "storageClass": check_storage_class(body.get("storageClass") or "STANDARD"),
        "etag": bucket_etag(1),
        "timeCreated": moment,
        "updated": moment,
    }
    if resource["locationType"] != "region":
        resource["rpo"] = "DEFAULT"
    settings.setdefault("iamConfiguration", {})
    explicit = "softDeletePolicy" in settings
    settings.setdefault("softDeletePolicy", {"retentionDurationSeconds": "604800"})
    resource |= {field: value for field, value in settings.items() if field != "storageClass"}
    normalise(resource, {}, now)
    # Google keeps deleted objects for a week by default; here only a policy that somebody asked for costs disk space.
    row = BucketRow(name, project, 1, kept_seconds(resource) if explicit else 0, dump(resource), None, None, None)
    with parts.catalog.transaction():
        existing = parts.catalog.find_bucket(name)
        if existing is not None:
            raise ApiError(409, "Your previous request to create the named bucket succeeded and you already own it.")
        parts.catalog.insert_bucket(row)
    return row


async def insert(call: Call) -> Response:
    """Serve storage.buckets.insert."""
    project = call.query.get("project")
    if not project:
        raise ApiError(400, "Required parameter: project", reason="required")
    body = await call.body()
    row = create_bucket(call.parts, project, body)
    # Only a request that sets lists is answered with lists, unless it asks.
    full = call.query.get("projection") or ("full" if "acl" in body or "defaultObjectAcl" in body else "noAcl")
    return call.answer(_with_access(call, row, full))


async def get(call: Call) -> Response:
    """Serve storage.buckets.get."""
    row = call.catalog.bucket(call.names[0])
    call.conditions().check(0, row.metageneration, reading=True)
    return call.answer(_with_access(call, row, call.query.get("projection", "noAcl")))


async def list_buckets(call: Call) -> Response:
    """Serve storage.buckets.list: the buckets of one project in order of their names."""
    project = call.query.get("project")
    if not project:
        raise ApiError(400, "Required parameter: project", reason="required")
    prefix = call.query.get("prefix", "")
    size = call.page_size()
    rows = call.catalog.list_buckets(project, prefix, call.query.get("pageToken", ""), size + 1)
    projection = call.query.get("projection", "noAcl")
    answer: dict[str, Any] = {"kind": "storage#buckets"}
    if len(rows) > size:
        rows = rows[:size]
        answer["nextPageToken"] = rows[-1].name
    if rows:
        answer["items"] = [json.loads(_with_access(call, row, projection)) for row in rows]
    if call.flag("softDeleted"):
        answer.pop("items", None)
    return call.answer_value(answer)


async def patch(call: Call) -> Response:
    """Serve storage.buckets.patch: null removes a field, objects merge, lists replace."""
    return _change(call, await call.body(), replace=False)


async def update(call: Call) -> Response:
    """Serve storage.buckets.update: what the body leaves out goes back to its default."""
    return _change(call, await call.body(), replace=True)


def _change(call: Call, body: dict[str, Any], replace: bool) -> Response:
    changes = {field: value for field, value in body.items() if field in WRITABLE}
    check_types({field: value for field, value in changes.items() if value is not None})
    with call.catalog.transaction():
        row = call.catalog.bucket(call.names[0])
        call.conditions().check(0, row.metageneration)
        before = json.loads(row.resource)
        resource = {field: value for field, value in before.items() if not replace or field not in WRITABLE}
        if replace:
            changes.setdefault("storageClass", before["storageClass"])
            resource["iamConfiguration"] = before["iamConfiguration"]
            resource["softDeletePolicy"] = before["softDeletePolicy"]
        merge(resource, changes)
        resource["storageClass"] = check_storage_class(resource.get("storageClass") or "STANDARD")
        _check_locked_settings(before, resource, call.parts.clock.now())
        normalise(resource, before, call.parts.clock.now())
        kept = kept_seconds(resource) if "softDeletePolicy" in changes else row.soft_delete
        row = call.catalog.change_bucket(row._replace(soft_delete=kept), resource)
    return call.answer(_with_access(call, row, call.query.get("projection", "full")))


def merge(resource: dict[str, Any], changes: dict[str, Any]) -> None:
    """Merge a JSON patch (RFC 7386) into a resource in place."""
    for field, value in changes.items():
        if value is None:
            resource.pop(field, None)
        elif isinstance(value, dict):
            below = resource.get(field)
            resource[field] = below = dict(below) if isinstance(below, dict) else {}
            merge(below, value)
        else:
            resource[field] = value


def _check_locked_settings(before: dict[str, Any], after: dict[str, Any], now: datetime) -> None:
    """Refuse what cannot be undone. Raises ApiError 403 or 400."""
    policy, changed = before.get("retentionPolicy", {}), after.get("retentionPolicy", {})
    if policy.get("isLocked") and int(changed.get("retentionPeriod", 0)) < int(policy["retentionPeriod"]):
        raise ApiError(
            403, f"Cannot reduce retention duration of a locked Retention Policy for bucket '{before['name']}'."
        )
    access = before["iamConfiguration"]["uniformBucketLevelAccess"]
    enabled = after.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("enabled")
    if access["enabled"] and not enabled and datetime.fromisoformat(access["lockedTime"]) < now:
        raise ApiError(400, "Cannot disable uniform bucket-level access after its lockedTime.")


async def delete(call: Call) -> Response:
    """Serve storage.buckets.delete: only an empty bucket can be deleted."""
    name = call.names[0]
    with call.catalog.transaction():
        row = call.catalog.bucket(name)
        call.conditions().check(0, row.metageneration)
        if call.catalog.has_objects(name):
            raise ApiError(409, "The bucket you tried to delete is not empty.")
        call.catalog.delete_bucket(name)
    return no_content()


async def lock_retention_policy(call: Call) -> Response:
    """Serve storage.buckets.lockRetentionPolicy."""
    if "ifMetagenerationMatch" not in call.query:
        raise ApiError(400, "Required parameter: ifMetagenerationMatch", reason="required")
    with call.catalog.transaction():
        row = call.catalog.bucket(call.names[0])
        call.conditions().check(0, row.metageneration)
        resource = json.loads(row.resource)
        if "retentionPolicy" not in resource:
            raise ApiError(400, f"Bucket '{row.name}' has no retention policy to lock.")
        resource["retentionPolicy"]["isLocked"] = True
        row = call.catalog.change_bucket(row, resource)
    return call.answer(row.resource)


def _with_access(call: Call, row: BucketRow, projection: str) -> str:
    """Return the JSON of a bucket, with owner and lists when the caller asks for the full projection."""
    if projection != "full" or is_uniform(row):
        return row.resource
    resource = json.loads(row.resource)
    resource["acl"] = bucket_controls(row, bucket_entries(call, row))
    resource["defaultObjectAcl"] = default_object_controls(row, default_object_entries(call, row))
    resource["owner"] = {"entity": next(iter(team_entries(call, row)))}
    return dump(resource)

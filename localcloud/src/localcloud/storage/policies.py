"""What belongs to buckets beside their settings: IAM policies, storage layout, notifications, the service agent."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from localcloud.errors import ApiError
from localcloud.storage.access import is_uniform
from localcloud.storage.call import Call, no_content
from localcloud.storage.catalog import BucketRow
from localcloud.storage.projects import project_number
from localcloud.storage.resources import API, bucket_etag, dump


def _default_policy(bucket: BucketRow) -> dict[str, Any]:
    """Return the bindings a new bucket has: the project's basic roles hold the legacy bucket roles."""
    kinds = {"OWNER": ["projectEditor", "projectOwner"], "READER": ["projectViewer"]}
    bindings = []
    for what in ("Bucket", "Object"):
        # Without uniform access the project's roles reach objects through their access control lists.
        if what == "Object" and not is_uniform(bucket):
            continue
        for level, teams in kinds.items():
            members = [f"{team}:{bucket.project}" for team in teams]
            bindings.append({"role": f"roles/storage.legacy{what}{level.title()}", "members": members})
    return {"bindings": bindings}


def _render(bucket: BucketRow) -> dict[str, Any]:
    policy = json.loads(bucket.policy) if bucket.policy else _default_policy(bucket)
    return {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{bucket.name}",
        "version": 1,
        **policy,
        "etag": bucket_etag(bucket.metageneration),
    }


async def get_iam_policy(call: Call) -> Response:
    """Serve storage.buckets.getIamPolicy."""
    return call.answer_value(_render(call.catalog.bucket(call.names[0])))


async def set_iam_policy(call: Call) -> Response:
    """Serve storage.buckets.setIamPolicy; an etag that is not the current one is refused."""
    body = await call.body()
    bindings = body.get("bindings", [])
    if not isinstance(bindings, list) or not all(
        isinstance(binding, dict) and binding.get("role") for binding in bindings
    ):
        raise ApiError(400, f"Invalid value for field bindings: {dump(bindings)[:200]}", reason="invalid")
    with call.catalog.transaction():
        bucket = call.catalog.bucket(call.names[0])
        if body.get("etag") and body["etag"] != bucket_etag(bucket.metageneration):
            raise ApiError(412, "The etag of the policy does not match: it was changed since it was read.")
        policy = {
            "version": body.get("version", 1),
            "bindings": [binding for binding in bindings if binding.get("members")],
        }
        bucket = call.catalog.change_bucket(bucket._replace(policy=dump(policy)), json.loads(bucket.resource))
    return call.answer_value(_render(bucket))


async def test_iam_permissions(call: Call) -> Response:
    """Serve storage.buckets.testIamPermissions: whoever reaches localcloud may do everything."""
    call.catalog.bucket(call.names[0])
    if len(call.names) > 1:
        call.catalog.object(call.names[0], call.names[1], call.integer("generation"))
    answer: dict[str, Any] = {"kind": "storage#testIamPermissionsResponse"}
    permissions = call.values("permissions")
    return call.answer_value(answer | {"permissions": permissions} if permissions else answer)


async def get_storage_layout(call: Call) -> Response:
    """Serve storage.buckets.getStorageLayout."""
    bucket = json.loads(call.catalog.bucket(call.names[0]).resource)
    layout = {
        "kind": "storage#storageLayout",
        "bucket": bucket["name"],
        "location": bucket["location"],
        "locationType": bucket["locationType"],
        "hierarchicalNamespace": {"enabled": bool(bucket.get("hierarchicalNamespace", {}).get("enabled"))},
    }
    return call.answer_value(layout)


async def list_nothing(call: Call) -> Response:
    """Serve the lists of what localcloud's buckets never have: managed folders, folders, caches."""
    call.catalog.bucket(call.names[0])
    return call.answer_value({"kind": f"storage#{call.method.split('.')[1]}"})


async def get_service_account(call: Call) -> Response:
    """Serve storage.projects.serviceAccount.get: the address of the project's service agent."""
    number = project_number(call.parts.settings, call.names[0])
    address = f"service-{number}@gs-project-accounts.iam.gserviceaccount.com"
    return call.answer_value({"kind": "storage#serviceAccount", "email_address": address})


async def list_notifications(call: Call) -> Response:
    """Serve storage.notifications.list."""
    bucket = call.catalog.bucket(call.names[0])
    rows = call.parts.store.connection.execute(
        "SELECT resource FROM storage_notifications WHERE bucket = ? ORDER BY id", (bucket.name,)
    )
    items = [json.loads(text) for (text,) in rows]
    return call.answer_value({"kind": "storage#notifications"} | ({"items": items} if items else {}))


async def insert_notification(call: Call) -> Response:
    """Serve storage.notifications.insert: the configuration is kept, nothing is published."""
    body = await call.body()
    for field in ("topic", "payload_format"):
        if not isinstance(body.get(field), str):
            raise ApiError(400, f"Required parameter: {field}", reason="required")
    with call.catalog.transaction() as connection:
        bucket = call.catalog.bucket(call.names[0])
        row = connection.execute(
            "SELECT max(id) FROM storage_notifications WHERE bucket = ?", (bucket.name,)
        ).fetchone()
        identifier = (row[0] or 0) + 1
        resource = {
            **body,
            "kind": "storage#notification",
            "id": str(identifier),
            "etag": str(identifier),
            "selfLink": f"{API}/b/{bucket.name}/notificationConfigs/{identifier}",
        }
        connection.execute(
            "INSERT INTO storage_notifications (bucket, id, resource) VALUES (?, ?, ?)",
            (bucket.name, identifier, dump(resource)),
        )
    return call.answer_value(resource)


def _notification(call: Call) -> str:
    bucket, identifier = call.names
    row = call.parts.store.connection.execute(
        "SELECT resource FROM storage_notifications WHERE bucket = ? AND id = ?", (bucket, identifier)
    ).fetchone()
    if row is None:
        call.catalog.bucket(bucket)
        raise ApiError(404, f"The specified notification config {identifier} does not exist.")
    return row[0]


async def get_notification(call: Call) -> Response:
    """Serve storage.notifications.get."""
    return call.answer(_notification(call))


async def delete_notification(call: Call) -> Response:
    """Serve storage.notifications.delete."""
    _notification(call)
    with call.catalog.transaction() as connection:
        connection.execute("DELETE FROM storage_notifications WHERE bucket = ? AND id = ?", call.names)
    return no_content()

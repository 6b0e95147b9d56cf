"""Access control lists and owners, as buckets without uniform bucket-level access have them.

localcloud stores and answers them, so that clients which copy or print them work; it does not enforce them.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from localcloud.errors import ApiError
from localcloud.storage.call import Call, no_content
from localcloud.storage.catalog import BucketRow, ObjectRow
from localcloud.storage.projects import project_number
from localcloud.storage.resources import API, bucket_etag, dump, object_etag

Entries = dict[str, str]  # entity -> role
_TEAMS = (("owners", "OWNER"), ("editors", "OWNER"), ("viewers", "READER"))
_DOCUMENT = "https://cloud.google.com/storage/docs/uniform-bucket-level-access"
_PREDEFINED: dict[str, Entries] = {
    "authenticatedRead": {"allAuthenticatedUsers": "READER"},
    "publicRead": {"allUsers": "READER"},
    "publicReadWrite": {"allUsers": "WRITER"},
}


def is_uniform(bucket: BucketRow) -> bool:
    """Return whether a bucket has uniform bucket-level access, and therefore no access control lists."""
    access = json.loads(bucket.resource).get("iamConfiguration", {}).get("uniformBucketLevelAccess", {})
    return bool(access.get("enabled"))


def team_entries(call: Call, bucket: BucketRow) -> Entries:
    """Return the entries of the project's teams, the default of buckets and of the objects in them."""
    number = project_number(call.parts.settings, bucket.project)
    return {f"project-{team}-{number}": role for team, role in _TEAMS}


def predefined_entries(call: Call, bucket: BucketRow, name: str) -> Entries:
    """Return the entries of a predefined list for an object. Raises ApiError 400 for an unknown name."""
    known = ("private", "projectPrivate", "bucketOwnerRead", "bucketOwnerFullControl", *_PREDEFINED)
    if name not in known:
        raise ApiError(400, f"Invalid value for parameter predefinedAcl: '{name}', expected one of: {', '.join(known)}")
    owner = {_owner(call): "OWNER"}
    if name == "projectPrivate":
        return team_entries(call, bucket) | owner
    return owner | _PREDEFINED.get(name, {})


def initial_acl(call: Call, bucket: str, predefined: str | None) -> str | None:
    """Return the stored list of a new object for a predefined name, None for the bucket's default.

    Raises ApiError 404, or 400 for an unknown name or a bucket with uniform access.
    """
    if not predefined:
        return None
    row = call.catalog.bucket(bucket)
    if is_uniform(row):
        raise ApiError(
            400,
            "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled. "
            f"Read more at {_DOCUMENT}",
        )
    return dump(predefined_entries(call, row, predefined))


def bucket_entries(call: Call, bucket: BucketRow) -> Entries:
    """Return the access control list of a bucket."""
    return json.loads(bucket.acl) if bucket.acl else team_entries(call, bucket)


def default_object_entries(call: Call, bucket: BucketRow) -> Entries:
    """Return the list that new objects of a bucket get."""
    return json.loads(bucket.default_object_acl) if bucket.default_object_acl else team_entries(call, bucket)


def object_entries(call: Call, row: ObjectRow, bucket: BucketRow) -> Entries:
    """Return the access control list of an object."""
    if row.acl:
        return json.loads(row.acl)
    return default_object_entries(call, bucket) | {_owner(call): "OWNER"}


def _owner(call: Call) -> str:
    return f"user-{call.parts.settings.service_account_email}"


def _entry(entity: str, role: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"entity": entity, "role": role}
    kind, _, value = entity.partition("-")
    if kind in ("user", "group"):
        entry["email"] = value
    elif kind == "domain":
        entry["domain"] = value
    elif kind == "project":
        team, _, number = value.rpartition("-")
        entry["projectTeam"] = {"projectNumber": number, "team": team}
    return entry


def bucket_controls(bucket: BucketRow, entries: Entries) -> list[dict[str, Any]]:
    """Render bucket entries as BucketAccessControls."""
    return [
        {
            "kind": "storage#bucketAccessControl",
            "id": f"{bucket.name}/{entity}",
            "selfLink": f"{API}/b/{bucket.name}/acl/{quote(entity, safe='')}",
            "bucket": bucket.name,
            **_entry(entity, role),
            "etag": bucket_etag(bucket.metageneration),
        }
        for entity, role in entries.items()
    ]


def default_object_controls(bucket: BucketRow, entries: Entries) -> list[dict[str, Any]]:
    """Render default entries as ObjectAccessControls, which belong to no object yet."""
    etag = bucket_etag(bucket.metageneration)
    return [
        {"kind": "storage#objectAccessControl", **_entry(entity, role), "etag": etag}
        for entity, role in entries.items()
    ]


def object_controls(row: ObjectRow, entries: Entries) -> list[dict[str, Any]]:
    """Render object entries as ObjectAccessControls."""
    link = f"{API}/b/{row.bucket}/o/{quote(row.name, safe='')}/acl"
    return [
        {
            "kind": "storage#objectAccessControl",
            "id": f"{row.bucket}/{row.name}/{row.generation}/{entity}",
            "selfLink": f"{link}/{quote(entity, safe='')}",
            "bucket": row.bucket,
            "object": row.name,
            "generation": str(row.generation),
            **_entry(entity, role),
            "etag": object_etag(row.generation, row.metageneration),
        }
        for entity, role in entries.items()
    ]


def with_access(call: Call, row: ObjectRow, bucket: BucketRow, projection: str) -> str:
    """Return the JSON of an object, with owner and acl when the caller asks for the full projection."""
    if projection != "full" or is_uniform(bucket):
        return row.resource
    resource = json.loads(row.resource)
    resource["owner"] = {"entity": _owner(call)}
    resource["acl"] = object_controls(row, object_entries(call, row, bucket))
    return dump(resource)


class _List:
    """One of the three lists, located by a call: its entries, how they are rendered and stored."""

    def __init__(self, call: Call, collection: str) -> None:
        self.call = call
        self.collection = collection
        bucket = self.bucket = call.catalog.bucket(call.names[0])
        if is_uniform(bucket):
            what = "an object" if collection == "o" else "a bucket"
            raise ApiError(
                400,
                f"Cannot get legacy ACL for {what} when uniform bucket-level access is enabled. See {_DOCUMENT}",
            )
        self.row: ObjectRow | None = None
        if collection == "o":
            self.row = call.catalog.object(bucket.name, call.names[1], call.integer("generation"))
            self.entries = object_entries(call, self.row, bucket)
        else:
            self.entries = (bucket_entries if collection == "acl" else default_object_entries)(call, bucket)

    def render(self, entries: Entries) -> list[dict[str, Any]]:
        if self.row is not None:
            return object_controls(self.row, entries)
        return (bucket_controls if self.collection == "acl" else default_object_controls)(self.bucket, entries)

    def find(self, entity: str) -> dict[str, Any]:
        if entity not in self.entries:
            raise ApiError(404, f"The specified entity does not exist: {entity}")
        return self.render({entity: self.entries[entity]})[0]

    def save(self, entries: Entries) -> None:
        text = dump(entries)
        with self.call.catalog.transaction():
            if self.row is not None:
                self.call.catalog.change_metadata(self.row, json.loads(self.row.resource), text)
                return
            column = "acl" if self.collection == "acl" else "default_object_acl"
            self.call.catalog.change_bucket(self.bucket._replace(**{column: text}), json.loads(self.bucket.resource))


_KINDS = {
    "acl": "storage#bucketAccessControls",
    "defaultObjectAcl": "storage#objectAccessControls",
    "o": "storage#objectAccessControls",
}
_ROLES = ("OWNER", "WRITER", "READER")


def handlers(collection: str) -> dict[str, Any]:
    """Return the handlers of one collection of controls: `acl`, `defaultObjectAcl` or `o` (of objects)."""

    async def list_controls(call: Call) -> Response:
        found = _List(call, collection)
        return call.answer_value({"kind": _KINDS[collection], "items": found.render(found.entries)})

    async def get_control(call: Call) -> Response:
        return call.answer_value(_List(call, collection).find(call.names[-1]))

    async def put_control(call: Call) -> Response:
        body = await call.body()
        found = _List(call, collection)
        inserting = call.request.method == "POST"
        entity = body.get("entity") if inserting else call.names[-1]
        role = body.get("role")
        if not isinstance(entity, str) or not entity:
            raise ApiError(400, "Required parameter: entity", reason="required")
        if role not in _ROLES:
            raise ApiError(400, f"Invalid value for field role: {dump(role)}, expected one of: {', '.join(_ROLES)}")
        if not inserting:
            found.find(entity)
        found.save(found.entries | {entity: role})
        return call.answer_value(_List(call, collection).find(entity))

    async def delete_control(call: Call) -> Response:
        found = _List(call, collection)
        found.find(call.names[-1])
        found.save({entity: role for entity, role in found.entries.items() if entity != call.names[-1]})
        return no_content()

    found = {"list": list_controls, "get": get_control, "insert": put_control, "update": put_control}
    return found | {"delete": delete_control}

"""A gRPC request as an HTTP request, and an HTTP answer as a gRPC message or status, by Google's HTTP rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from google.api_core import path_template, rest_helpers
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from localcloud.errors import STATUS_BY_CODE, ApiError, invalid_argument
from localcloud.rpc.table import Method, Table

_FIELD_MASK = FieldMask.DESCRIPTOR.full_name


@dataclass(frozen=True)
class HttpRequest:
    """What a REST client would send: `path` is percent-encoded, `body` JSON or empty."""

    method: str
    path: str
    query: str
    body: bytes


def http_request(table: Table, method: Method, content: bytes) -> HttpRequest:
    """Return the HTTP request that a serialised gRPC request stands for. Raises ApiError 400 when there is none."""
    try:
        message = method.request.FromString(content)
    except DecodeError:
        raise ApiError(400, "The request is not a message of the type this method takes.", "INTERNAL") from None
    if unknown := sorted(set(_unknown(message))):
        # Dropping them, as Google does, would leave out of a cluster what its author asked for.
        raise invalid_argument(
            f"The client is newer than localcloud's table of gRPC messages, which lacks: {', '.join(unknown)}."
        )
    try:
        found = path_template.transcode(method.rules, message=message)
    except ValueError:
        raise invalid_argument(_mismatch(method, message)) from None
    body = found.get("body")
    return HttpRequest(
        found["method"].upper(),
        found["uri"],
        urlencode(_query(table, found["query_params"])),
        b"" if body is None else json.dumps(_plain(table, body)).encode(),
    )


def grpc_message(table: Table, method: Method, body: bytes) -> bytes:
    """Return the serialised gRPC answer that a JSON answer stands for. Raises ValueError when it fits no message."""
    try:
        answer = json_format.ParseDict(
            json.loads(body), method.response(), ignore_unknown_fields=True, descriptor_pool=table.pool
        )
    except json_format.ParseError as error:
        raise ValueError(f"the answer is no {method.response.DESCRIPTOR.full_name}: {error}") from None
    return answer.SerializeToString()


def error_of(code: int, body: bytes) -> dict[str, Any]:
    """Return what an HTTP error answer says: code name, message and details. XML and text have no more than a code."""
    status = STATUS_BY_CODE.get(code, "UNKNOWN")
    try:
        error = json.loads(body)["error"]
        return {"status": error.get("status", status), "message": error["message"], "details": error.get("details", [])}
    except (ValueError, KeyError, TypeError):
        return {"status": status, "message": body.decode("utf-8", "replace"), "details": []}


def rich_status(table: Table, code: int, error: dict[str, Any]) -> bytes:
    """Return the serialised google.rpc.Status for the details of an error; `code` is the number of its status."""
    content = {"code": code, "message": error["message"], "details": error["details"]}
    status = table.message("google.rpc.Status")()
    return json_format.ParseDict(
        content, status, ignore_unknown_fields=True, descriptor_pool=table.pool
    ).SerializeToString()


def _unknown(message: Message) -> Iterator[str]:
    """Yield each field of a message that its type does not have, as "full.name.of.Message field 7"."""
    for unknown in UnknownFieldSet(message):
        yield f"{message.DESCRIPTOR.full_name} field {unknown.field_number}"
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if isinstance(value, Message):
            yield from _unknown(value)
            continue
        for each in value.values() if isinstance(value, Mapping) else value:
            if isinstance(each, Message):
                yield from _unknown(each)


def _plain(table: Table, message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, descriptor_pool=table.pool)


def _query(table: Table, message: Message) -> list[tuple[str, Any]]:
    """Return query parameters. Masks go as they came: keys of maps, such as labels, have no camelCase form."""
    masks = []
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.full_name == _FIELD_MASK:
            masks.append((field.json_name, ",".join(value.paths)))
            message.ClearField(field.name)
    return rest_helpers.flatten_query_params(_plain(table, message), strict=True) + masks


def _mismatch(method: Method, message: Message) -> str:
    """Say which fields do not fit, and what was expected: each rule names fields of the request's address."""
    problems = []
    for rule in method.rules:
        for part in path_template._VARIABLE_RE.finditer(rule["uri"]):
            name, pattern = part["name"], part["template"] or "*"
            value = path_template.get_field(message, name) or ""
            if not path_template.validate(f"{{{name}={pattern}}}", value):
                problems.append(f"{name} is {value!r}, expected {pattern}")
    return "; or ".join(dict.fromkeys(problems))

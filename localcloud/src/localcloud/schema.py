"""Checking of request bodies and query parameters against discovery schemas, with the texts of Google's front end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.enum_numbers import name_of, number_of
from localcloud.errors import ApiError
from localcloud.names import camel_case, snake_case
from localcloud.scalars import RefusedError, converter_for, proto_type

if TYPE_CHECKING:
    from localcloud.discovery import Method

# Query parameters of every method that the documents do not list.
SYSTEM_PARAMETERS = frozenset({"userIp", "userProject", "$userProject"})
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
# How Google's proto names the body field of a method, where that is not the schema's own name in snake_case.
_BODY_FIELDS = {"AutoscalingPolicy": "policy", "WorkflowTemplate": "template"}
# Described as required, yet Google is on record accepting a request without them.
_NOT_REQUIRED = frozenset({"WorkflowTemplate.jobs", "WorkflowTemplate.placement"})

Schema = Mapping[str, Any]


class Violations:
    """Everything wrong with one request; Google reports all of it at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: list[tuple[str, str]] = []

    def add(self, path: str, description: str) -> None:
        """Note a violation of the field at `path` (empty: of the request)."""
        self._found.append((path, description))

    def unknown(self, path: str, name: str) -> None:
        """Note a field that the message at `path` does not have."""
        at = f" at '{path}'" if path else ""
        self.add(path, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')

    def invalid(self, path: str, kind: str, value: Any) -> None:
        """Note a value that is not of its field's type."""
        self.add(path, f"Invalid value at '{path}' ({kind}), {json.dumps(value, ensure_ascii=False)}")

    def raise_if_any(self) -> None:
        """Raise ApiError 400 with all violations, one a line, when there are any."""
        if not self._found:
            return
        violations = [
            {"field": path, "description": description} if path else {"description": description}
            for path, description in self._found
        ]
        message = "\n".join(description for _, description in self._found)
        raise ApiError(400, message, details=[{"@type": _BAD_REQUEST, "fieldViolations": violations}])


class Checker:
    """Checks against the schemas of one API."""

    def __init__(self, package: str, schemas: Schema, strict: bool) -> None:
        """Use `schemas` of `package` (such as "dataproc.v1"); `strict` refuses unknown names."""
        self.package = package
        self.schemas = schemas
        self.strict = strict

    def check(self, method: Method, body: Any) -> dict[str, Any]:
        """Return `body` normalised for `method`; raises ApiError 400. See Service.validate_body."""
        name = method.request_schema or ""
        prefix = "" if name.endswith("Request") else _BODY_FIELDS.get(name, snake_case(name))
        # A patch carries only what changes.
        supplied = None if method.http_method == "PATCH" or not self.strict else frozenset(method.parameters)
        check = _BodyCheck(self, supplied)
        if not isinstance(body, dict | None):
            check.violations.add("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')
            check.violations.raise_if_any()
        if not prefix:
            # Where the body is the whole request, what the path gives may be repeated in it.
            body = {key: item for key, item in (body or {}).items() if camel_case(key) not in method.parameters}
        checked = check.message(name, self.schemas[name], body or {}, prefix)
        check.violations.raise_if_any()
        return checked

    def check_query(self, method: Method, query: Mapping[str, str], common: Schema) -> dict[str, Any]:
        """Return the typed parameters of `method`; raises ApiError 400. See Service.validate_query."""
        check = _BodyCheck(self, None)
        result: dict[str, Any] = {}
        for key, text in query.items():
            if key in common or key in SYSTEM_PARAMETERS or key.removeprefix("$") in common:
                continue
            name = key if key in method.parameters else camel_case(key)
            described = method.parameters.get(name)
            if described is not None and described.get("location") == "query":
                texts = query.getlist(key) if hasattr(query, "getlist") else [text]
                values = [check.parameter(name, described, item) for item in texts]
                result[name] = values if described.get("repeated") else values[-1]
            elif self.strict:
                check.violations.add(
                    "",
                    f'Invalid JSON payload received. Unknown name "{key}": Cannot bind query parameter. '
                    f"Field '{key}' could not be found in request message.",
                )
        for name, described in method.parameters.items():
            if described.get("required") and described.get("location") == "query" and not result.get(name):
                check.violations.add(name, f"Required parameter: {name}")
        check.violations.raise_if_any()
        return result

    def encode_enums(self, name: str | None, value: Any) -> Any:
        """Return `value`, a message of schema `name`, with enum names replaced by their numbers."""
        if name is None or not isinstance(value, dict):
            return value
        properties = self.schemas.get(name, {}).get("properties", {})
        return {
            key: self._encode(f"{name}.{key}", properties[key], item) if key in properties else item
            for key, item in value.items()
        }

    def _encode(self, name: str, schema: Schema, value: Any) -> Any:
        if "$ref" in schema:
            return self.encode_enums(schema["$ref"], value)
        if isinstance(value, list) and "items" in schema:
            return [self._encode(name, schema["items"], item) for item in value]
        if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), Mapping):
            return {key: self._encode(name, schema["additionalProperties"], item) for key, item in value.items()}
        if "enum" in schema and isinstance(value, str):
            return number_of(f"{self.package}:{name}", schema["enum"], value)
        return value


class _BodyCheck:
    """One pass over one request."""

    def __init__(self, checker: Checker, supplied: frozenset[str] | None) -> None:
        """`supplied` names what the path gives, or is None where nothing can be missing."""
        self._checker = checker
        self._supplied = supplied
        self.violations = Violations()

    def message(self, name: str, schema: Schema, value: dict[str, Any], path: str) -> dict[str, Any]:
        """Return a message normalised, noting what is wrong with it."""
        properties = schema.get("properties")
        if properties is None:
            return self._map(name, schema, value, path)
        result: dict[str, Any] = {}
        for key, item in value.items():
            field = key if key in properties else camel_case(key)
            described = properties.get(field)
            if described is None:
                if key == "@type":
                    result[key] = item
                elif self._checker.strict:
                    self.violations.unknown(path, key)
            elif item is not None and not described.get("readOnly"):
                result[field] = self._value(f"{name}.{field}", described, item, _join(path, field))
        if self._supplied is not None:
            self._require(name, properties, result, path)
        return result

    def parameter(self, name: str, described: Schema, text: str) -> Any:
        """Return one query parameter with its type, noting what is wrong with it."""
        if described.get("type") == "boolean":
            if text.lower() not in ("true", "false", "1", "0", ""):
                self.violations.invalid(snake_case(name), "TYPE_BOOL", text)
            return text.lower() in ("true", "1")
        value: Any = int(text) if "enum" in described and text.isdigit() else text
        return self._scalar(name, described, value, snake_case(name))

    def _require(self, name: str, properties: Schema, value: Schema, path: str) -> None:
        """Note fields whose description begins with "Required." and that are missing or empty.

        Numbers and booleans are left out: a missing one is its zero value on the wire.
        """
        for field, described in properties.items():
            if not described.get("description", "").startswith("Required.") or described.get("readOnly"):
                continue
            if described.get("type") in ("integer", "number", "boolean") or field in (self._supplied or ()):
                continue
            if f"{name}.{field}" in _NOT_REQUIRED:
                continue
            if value.get(field) in (None, "", []):
                at = _join(path, field)
                self.violations.add(at, f"Required field '{at}' is missing or empty")

    def _map(self, name: str, schema: Schema, value: dict[str, Any], path: str) -> dict[str, Any]:
        items = schema.get("additionalProperties")
        if isinstance(items, Mapping):
            return {
                key: self._value(f"{name}.value", items, item, f"{path}[{key}]")
                for key, item in value.items()
                if item is not None
            }
        if self._checker.strict:
            for key in value:
                self.violations.unknown(path, key)
            return {}
        return dict(value)

    def _value(self, name: str, schema: Schema, value: Any, path: str) -> Any:
        reference = schema.get("$ref")
        if reference:
            name, schema = reference, self._checker.schemas[reference]
        kind = schema.get("type", "any")
        if kind == "object":
            if isinstance(value, dict):
                return self.message(name, schema, value, path)
            self.violations.invalid(path, self._message_type(name, schema), value)
        elif kind == "array":
            if isinstance(value, list):
                items = schema["items"]
                return [self._value(name, items, item, f"{path}[{index}]") for index, item in enumerate(value)]
            self.violations.invalid(path, "repeated field, expected a list", value)
        elif isinstance(value, list) and kind != "any":
            field = path.rpartition(".")[2]
            self.violations.add(
                path,
                f"Invalid JSON payload received. Unknown name \"{field}\" at '{path}': "
                "Proto field is not repeating, cannot start list.",
            )
        else:
            return self._scalar(name, schema, value, path)
        return value

    def _message_type(self, name: str, schema: Schema) -> str:
        if name in self._checker.schemas:
            return f"type.googleapis.com/google.cloud.{self._checker.package}.{name}"
        return "TYPE_MESSAGE" if "properties" in schema else "map field, expected an object"

    def _scalar(self, name: str, schema: Schema, value: Any, path: str) -> Any:
        kind, style = schema.get("type", "any"), schema.get("format", "")
        if kind == "string" and "enum" in schema:
            known = name_of(f"{self._checker.package}:{name}", schema["enum"], value)
            if known is None:
                owner, _, field = name.rpartition(".")
                enum = f"{owner}.{field[:1].upper()}{field[1:]}".lstrip(".")
                self.violations.invalid(path, f"type.googleapis.com/google.cloud.{self._checker.package}.{enum}", value)
            return known
        converter = converter_for(kind, style)
        if converter is None:
            return value
        try:
            return converter(value, style)
        except RefusedError as refused:
            if refused.description:
                self.violations.add(path, f"Invalid value at '{path}' {refused.description}")
            else:
                self.violations.invalid(path, proto_type(kind, style), value)
            return value


def _join(path: str, field: str) -> str:
    return f"{path}.{snake_case(field)}" if path else snake_case(field)

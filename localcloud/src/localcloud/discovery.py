"""Google's discovery documents as routing tables and schemas.

The documents come with google-api-python-client; each is read on first use (22 ms for Dataproc) and kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import googleapiclient.discovery_cache

from localcloud import schema

# These APIs accept fields and query parameters they do not know; all others refuse them. Unmodified clients rely on
# it: google.cloud modules put `project` into a bucket's body and `start_time` into a dns change.
LENIENT_APIS = frozenset({"storage", "dns"})
# These APIs answer errors with errors[].
LEGACY_APIS = frozenset({"storage", "dns", "compute"})

# A group in a pattern must not count among the parameters; some patterns say so themselves.
_CAPTURING = re.compile(r"\((?!\?)")
_PARAMETER = re.compile(r"\{(\+?)([A-Za-z0-9_]+)\}")


class Method:
    """One method of an API, as its discovery document describes it."""

    def __init__(self, document: Mapping[str, Any], api: str) -> None:
        """Read one method entry of the document of `api`."""
        self.id: str = document["id"]
        self.api = api
        self.http_method: str = document["httpMethod"]
        self.path: str = document["path"]
        self.parameters: dict[str, Any] = document.get("parameters", {})
        self.request_schema: str | None = document.get("request", {}).get("$ref")
        self.response_schema: str | None = document.get("response", {}).get("$ref")
        self.media_paths: list[str] = [
            protocol["path"] for protocol in document.get("mediaUpload", {}).get("protocols", {}).values()
        ]
        self.supports_media_download: bool = document.get("supportsMediaDownload", False)

    @property
    def verb(self) -> str:
        """Last part of the method id: create, list, setIamPolicy..."""
        return self.id.rpartition(".")[2]

    def __repr__(self) -> str:
        """Name the method in logs and test failures."""
        return f"Method({self.id})"


class _Route:
    """A method and the expression its raw (still percent-encoded) path matches."""

    def __init__(self, method: Method, template: str) -> None:
        self.method = method
        self.names: list[str] = []
        parts: list[str] = []
        literal = 0
        position = 0
        for found in _PARAMETER.finditer(template):
            parts.append(re.escape(template[position : found.start()]))
            literal += found.start() - position
            plus, name = found.groups()
            self.names.append(name)
            pattern = "[^/]+"
            if plus:
                pattern = method.parameters.get(name, {}).get("pattern", ".+").removeprefix("^").removesuffix("$")
                literal += len(pattern.replace("[^/]+", ""))
            parts.append(f"({_CAPTURING.sub('(?:', pattern)})")
            position = found.end()
        parts.append(re.escape(template[position:]))
        literal += len(template) - position
        self.literal_length = literal
        expression = "".join(parts)
        self.regex = re.compile(expression)
        # Paths of another depth cannot match: routes are looked up by depth, except the few that swallow slashes.
        flattened = expression.replace("[^/]", "x")
        self.depth = None if ".*" in flattened or ".+" in flattened else flattened.count("/")


class Service:
    """One version of one API: its methods, routes and schemas."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Compile the routes of a discovery document."""
        self.name: str = document["name"]
        self.version: str = document["version"]
        self.base_path: str = "/" + document.get("servicePath", "").lstrip("/")
        self.schemas: dict[str, Any] = document.get("schemas", {})
        self.common_parameters: dict[str, Any] = document.get("parameters", {})
        self.strict = self.name not in LENIENT_APIS
        self.methods: dict[str, Method] = {}
        self._routes: dict[tuple[str, int | None], list[_Route]] = {}
        for entry in _walk(document):
            method = Method(entry, self.name)
            self.methods[method.id] = method
            templates = [self.base_path + method.path, *method.media_paths]
            if method.supports_media_download:
                templates.append("/download" + self.base_path + method.path)
            for template in templates:
                route = _Route(method, template)
                self._routes.setdefault((method.http_method, route.depth), []).append(route)
        for routes in self._routes.values():
            routes.sort(key=lambda route: -route.literal_length)
        self._checker = schema.Checker(f"{self.name}.{self.version}", self.schemas, strict=self.strict)

    def match(self, http_method: str, raw_path: str) -> tuple[Method, dict[str, str]] | None:
        """Return the method that serves a path and its decoded path parameters, or None.

        `raw_path` is percent-encoded as it came, with its leading slash and without a query: `o/x%2Fa` is one segment.
        """
        for depth in (raw_path.count("/"), None):
            for route in self._routes.get((http_method, depth), ()):
                found = route.regex.fullmatch(raw_path)
                if found:
                    return route.method, dict(zip(route.names, map(unquote, found.groups()), strict=True))
        return None

    def validate_body(self, method: Method, body: Any) -> dict[str, Any]:
        """Check a request body as Google's front end does and return it normalised.

        Names become camelCase, enum numbers become names, 64-bit integers become strings, nulls and output-only fields
        are dropped. Raises ApiError 400, with Google's text, that lists every violation. Where the API is lenient,
        unknown fields are dropped without a word.
        """
        if method.request_schema is None:
            return {}
        return self._checker.check(method, body)

    def validate_query(self, method: Method, query: Mapping[str, str]) -> dict[str, Any]:
        """Check query parameters; return the method's own ones with their types (camelCase names, int, bool, str).

        Raises ApiError 400 for an unknown parameter (strict APIs) or a value of a wrong type.
        """
        return self._checker.check_query(method, query, self.common_parameters)

    def encode_enums(self, method: Method, answer: Any) -> Any:
        """Return an answer with every enum as its number, which is what `$alt=json;enum-encoding=int` asks for."""
        return self._checker.encode_enums(method.response_schema, answer)


def _walk(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from resource.get("methods", {}).values()
    for child in resource.get("resources", {}).values():
        yield from _walk(child)


def documents_directory() -> Path:
    """Return where google-api-python-client keeps its discovery documents."""
    return Path(googleapiclient.discovery_cache.__file__).parent / "documents"


_loaded: dict[tuple[str, str], Service] = {}


def is_loaded(name: str, version: str) -> bool:
    """Whether `load` would answer at once."""
    return (name, version) in _loaded


def load(name: str, version: str) -> Service:
    """Return the service `name` at `version`, for example load("storage", "v1"); raises LookupError."""
    service = _loaded.get((name, version))
    if service is None:
        service = _loaded[name, version] = _read(name, version)
    return service


def _read(name: str, version: str) -> Service:
    if not re.fullmatch(r"[a-z0-9]+", name):
        raise LookupError(f"not the name of an API: {name!r}")
    path = documents_directory() / f"{name}.{version}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LookupError(f"no discovery document for {name} {version} (expected {path})") from None
    return Service(json.loads(text))

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Build the bodies of writing requests from a planned change. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.compare import compare, without_nulls
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Kind, Path
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import SERVER_LABEL_PREFIX


def update_body(kind: Kind, target: dict[str, Any], live: dict[str, Any], changed: list[Path]) -> dict[str, Any]:
    """Return the body of an update: whole, merge patch or masked, as the kind wants it. ``live`` is normalised."""
    if kind.updates == "merge":
        return _merge_patch(target, changed)
    if kind.updates == "mask":
        return _masked(target, changed)
    return _with_server_defaults(kind, without_nulls(target), live)


def _with_server_defaults(kind: Kind, body: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Keep what Google filled in and the user does not state: a PUT without it would drop it."""
    for dotted in sorted(kind.server_defaults):
        *parents, name = dotted.split(".")
        source: Any = live
        target: Any = body
        for part in parents:
            source = source.get(part) if isinstance(source, dict) else None
            target = target.get(part) if isinstance(target, dict) else None
        if isinstance(source, dict) and isinstance(target, dict) and name in source:
            target.setdefault(name, source[name])
    return body


def _merge_patch(target: dict[str, Any], changed: list[Path]) -> dict[str, Any]:
    """Return only what differs; null removes a field, a list is sent whole."""
    patch: dict[str, Any] = {}
    for path in changed:
        # A list is replaced as a whole, so a difference inside it means the list.
        whole = tuple(path[: next((at for at, part in enumerate(path) if isinstance(part, int)), len(path))])
        node = patch
        for part in whole[:-1]:
            node = node.setdefault(part, {})
        node[whole[-1]] = without_nulls(_lookup(target, whole))
    return patch


def _masked(target: dict[str, Any], changed: list[Path]) -> dict[str, Any]:
    """Return the stated values of the changed fields; one that is absent from it is cleared by the mask."""
    body: dict[str, Any] = {}
    for path in changed:
        whole = ("labels",) if path[0] == "labels" else path
        value = _lookup(target, whole)
        if whole == ("labels",) and isinstance(value, dict):
            # Google keeps its own labels in an update and does not take them from a client.
            value = {key: one for key, one in value.items() if not key.startswith(SERVER_LABEL_PREFIX)}
        node = body
        for part in whole[:-1]:
            node = node.setdefault(part, {})
        if value is not None:
            node[whole[-1]] = value
    return body


def _lookup(value: Any, path: Path) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def still_differs(kind: Kind, target: dict[str, Any], live: dict[str, Any]) -> list[str]:
    """Return what differs between a target and Google's answer, as lines for a message."""
    # Users write the last part of Google's name.
    normalised = {**kind.schema.normalise(live), kind.id_field: kind.live_id(live)}
    return [str(change) for change in compare(kind, target, normalised).changes]

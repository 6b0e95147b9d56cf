# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text of an environment's pins.yml: the same pins and the same record are the same bytes. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.pins import PINS, RECORD

try:
    import yaml
except ImportError:  # always there with Ansible; absent only where a plugin is merely inspected
    yaml = None

_HEADER = """\
---
# Which versions new clusters of this environment get, down to the last byte. Playbooks write this file: patch.yml all
# of it, build_environment.yml the Dask environment. It is to be committed; comments of yours are not kept.
# inventories/README.md says what the entries mean.
"""
# The order people read it in; names that are not here come after these, sorted.
_ORDER = {
    name: place
    for place, name in enumerate(
        (
            *("dataproc_image", "environment", "init_actions", "node_bundle"),
            *("lock_sha256", "squashfs_sha256", "archive_sha256"),
            *("id", "promoted_at", "commit", "at", "cluster", "jobs", "reason", "files", "canary"),
            *("rolled_back_from", "pins", "instead", "record", "previous", "withdrawn"),
        )
    )
}
# Texts to some readers of YAML, numbers to others.
_HALF_A_NUMBER = re.compile(r"[0-9]+e[0-9]+", re.IGNORECASE)
_NO_BREAKS = 10**6


def plain(value: Any) -> Any:
    """``value`` as JSON has it: without Ansible's tags, and a copy of its own."""
    return json.loads(json.dumps(value, allow_nan=False))


def pin_file_text(pins: dict[str, Any], record: dict[str, Any] | None) -> str:
    """The whole file for these facts."""
    body = yaml.dump(
        {PINS: _ordered(plain(pins)), RECORD: _ordered(plain(record))},
        Dumper=_dumper(),
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=_NO_BREAKS,
    )
    return _HEADER + body


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: (_ORDER.get(key, len(_ORDER)), key))}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _dumper() -> type[yaml.SafeDumper]:
    """A dumper with the inventory's style: lists are indented, and what is no text without quotes has double ones."""

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, **_options: Any) -> None:
            super().increase_indent(flow, indentless=False)

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        resolved = dumper.resolve(yaml.ScalarNode, value, (True, False))
        quoted = resolved != "tag:yaml.org,2002:str" or _HALF_A_NUMBER.fullmatch(value)
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if quoted else None)

    Dumper.add_representer(str, text)
    return Dumper

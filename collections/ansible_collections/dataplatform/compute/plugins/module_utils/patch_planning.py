# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``patch_plan``: ask Google what is current, and compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import list_image_versions
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_images import (
    custom_image_created,
    list_images,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_plan import (
    PARTS,
    Checkout,
    Facts,
    Lock,
    Upstream,
    plan,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_rows import HEADERS, Surroundings, rows
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.text_table import text_table


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Return the plan, and a table of everything that is pinned; makes no write call."""
    upstream = params["upstream"]
    facts = Facts(
        pins=params["pins"],
        record=params["record"],
        patching=params["patching"],
        checkout=Checkout(**params["checkout"]),
        lock=Lock(**params["lock"]) if params["lock"] else None,
        images=list_images(client),
        now=datetime.now(UTC),
        upstream=Upstream(upstream["environment"], upstream["pins"], upstream["record"]) if upstream else None,
        only=tuple(params["only"] or PARTS),
        ignore_window=params["ignore_window"],
        renew=params["renew"],
    )
    found = plan(facts)
    table = rows(facts, found, _surroundings(params, client))
    lines = text_table(HEADERS, table)
    # A task's result would have its lines folded.
    reporter.progress("\n".join(lines))
    return {
        "changed": False,
        **asdict(found),
        "rows": [dict(zip(HEADERS, row, strict=True)) for row in table],
        "table": lines,
    }


def _surroundings(params: Mapping[str, Any], client: GoogleClient) -> Surroundings:
    """What is pinned elsewhere in the inventory, and shown only."""
    composer = params["composer"]
    return Surroundings(
        lifecycle=params["lifecycle"],
        templates=params["templates"],
        custom_images={uri: custom_image_created(client, uri) for uri in _custom_images(params["templates"])},
        composer=composer,
        composer_images=list_image_versions(client, client.project, composer["location"]) if composer else [],
        composer_packages=params["composer_packages"],
    )


def _custom_images(templates: Mapping[str, Any]) -> set[str]:
    groups = ("masterConfig", "workerConfig", "secondaryWorkerConfig")
    found = {(config.get(group) or {}).get("imageUri") for config in templates.values() for group in groups}
    return {uri for uri in found if uri}


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "pins": {"type": "dict", "required": True},
            "record": {"type": "dict"},
            "patching": {"type": "dict", "required": True},
            "upstream": {
                "type": "dict",
                "options": {
                    "environment": {"type": "str", "required": True},
                    "pins": {"type": "dict", "required": True},
                    "record": {"type": "dict"},
                },
            },
            "checkout": {
                "type": "dict",
                "required": True,
                "options": {
                    "commit": {"type": "str", "required": True},
                    "init_actions": {"type": "dict", "required": True},
                    "node_bundle": {"type": "str", "required": True},
                    "files": {"type": "dict", "required": True},
                },
            },
            "lock": {
                "type": "dict",
                "options": {
                    "sha256": {"type": "str", "required": True},
                    "raised": {"type": "list", "elements": "str", "default": []},
                    "unknown": {"type": "str", "default": ""},
                    "refused": {"type": "str", "default": ""},
                },
            },
            "lifecycle": {"type": "dict", "required": True},
            "templates": {"type": "dict", "default": {}},
            "composer": {"type": "dict"},
            "composer_packages": {"type": "dict"},
            "only": {"type": "list", "elements": "str", "choices": list(PARTS)},
            "ignore_window": {"type": "bool", "default": False},
            "renew": {"type": "bool", "default": False},
        }
    ),
    run=run,
)

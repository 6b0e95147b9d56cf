# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The environment's pins: what they are, how old, how many days are left, and when a canary last proved them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.image_lifecycle import (
    SUPPORTED,
    UNKNOWN,
    image_life,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import parse_time
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import record_matches

_SHORT = 12
_FLOATING = "not pinned: those of the checkout that converged last"


@dataclass(frozen=True)
class Pin:
    """One row: ``note`` says how long it holds or where it came from, ``attention`` whether somebody should act."""

    name: str
    value: str
    note: str
    attention: bool = False


def describe_pins(
    pins: Mapping[str, Any], record: Mapping[str, Any] | None, images: Mapping[str, Any], now: datetime
) -> list[Pin]:
    """The rows; the facts platform_pins, platform_pin_record and platform_dataproc_images."""
    return [_image(str(pins.get("dataproc_image") or ""), images, now), *_artifacts(pins), _canary(pins, record, now)]


def _image(image: str, images: Mapping[str, Any], now: datetime) -> Pin:
    life = image_life(image, now.date(), dict(images))
    ends = {"clusters can be made": life["days_left"], "supported": life["support_days_left"]}
    notes = [
        f"{what} for {days} more days" if days >= 0 else f"{what} no longer, since {-days} days"
        for what, days in ends.items()
        if days is not None
    ]
    note = ", ".join(notes) or "how long it can be used is not announced"
    return Pin("Dataproc image", image, note, life["state"] not in (SUPPORTED, UNKNOWN))


def _artifacts(pins: Mapping[str, Any]) -> list[Pin]:
    environment, actions, bundle = (pins.get(name) for name in ("environment", "init_actions", "node_bundle"))
    return [
        Pin("Dask environment", _short(environment["lock_sha256"]), "")
        if environment
        else Pin("Dask environment", "-", "none: jobs use the node's Python"),
        Pin("init actions", f"{len(actions)} pinned", "") if actions else Pin("init actions", "-", _FLOATING),
        Pin("node bundle", _short(bundle), "") if bundle else Pin("node bundle", "-", _FLOATING),
    ]


def _canary(pins: Mapping[str, Any], record: Mapping[str, Any] | None, now: datetime) -> Pin:
    if not record or not record.get("id"):
        return Pin("canary", "-", "no record: no patch run has promoted these pins")
    canary = record.get("canary") or {}
    notes = [f"promoted {_age(record.get('promoted_at'), now)}"]
    if canary.get("jobs"):
        notes.append(f"smoke jobs: {', '.join(sorted(canary['jobs']))}")
    if record.get("rolled_back_from"):
        notes.append(f"rolled back from {record['rolled_back_from']}")
    notes.append(f"earlier pins to go back to: {len(record.get('previous') or [])}")
    proved = record_matches(pins, record)
    if not proved:
        notes.insert(0, "of other pins: these were changed since")
    return Pin("canary", _age(canary.get("at"), now), ", ".join(notes), not proved)


def _age(moment: str | None, now: datetime) -> str:
    found = parse_time(moment)
    if found is None:
        return "never"
    days = (now - found).days
    return f"{days} days ago" if days > 1 else "yesterday" if days == 1 else "today"


def _short(text: Any) -> str:
    return str(text or "-")[:_SHORT]

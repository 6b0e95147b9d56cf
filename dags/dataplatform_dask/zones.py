"""Where a cluster goes, and what a failed creation means: another zone, another try, or the end. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# How Compute Engine says that a zone has no machines left, in the texts Dataproc passes on.
_STOCK_OUT = re.compile(
    r"ZONE_RESOURCE_POOL_EXHAUSTED|RESOURCE_POOL_EXHAUSTED|STOCKOUT"
    r"|does not have enough resources available|(currently|temporarily) unavailable in the .*zone"
    r"|Try a different zone",
    re.IGNORECASE,
)


def is_stock_out(reason: str) -> bool:
    """Whether a creation failed because its zone is exhausted: another zone of the region may still have machines."""
    return bool(_STOCK_OUT.search(reason))


def places(config: Mapping[str, Any], zones: Sequence[str]) -> list[str | None]:
    """Return the zones to try, in order.

    The template's own zone comes first; a template without one leaves the first choice to Dataproc (None).
    """
    own = (config.get("gceClusterConfig") or {}).get("zoneUri")
    first = own.rsplit("/", 1)[-1] if own else None
    return [first, *(zone for zone in zones if zone != first)]


def placed(config: Mapping[str, Any], zone: str | None) -> dict[str, Any]:
    """Return the configuration with its zone set; None leaves it as it is."""
    if zone is None:
        return dict(config)
    return {**config, "gceClusterConfig": {**(config.get("gceClusterConfig") or {}), "zoneUri": zone}}


def with_lifetime(config: Mapping[str, Any], *, idle_seconds: int, age_seconds: int) -> dict[str, Any]:
    """Return the configuration with idle and max-age deletion; what the template sets wins."""
    lifecycle = dict(config.get("lifecycleConfig") or {})
    lifecycle.setdefault("idleDeleteTtl", f"{idle_seconds}s")
    if "autoDeleteTime" not in lifecycle:
        lifecycle.setdefault("autoDeleteTtl", f"{age_seconds}s")
    return {**config, "lifecycleConfig": lifecycle}

"""How many workers an autoscaling policy wants, from averages of YARN's memory: the documented rules, as a function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Group:
    """Bounds, weight and size of one group of workers."""

    size: int
    least: int
    most: int
    weight: float


@dataclass(frozen=True)
class Sample:
    """YARN's memory at one moment, in MiB."""

    pending_mb: float
    available_mb: float


def groups_of(policy: dict[str, Any], primary: int, secondary: int) -> tuple[Group, Group]:
    """Return (primary workers, secondary workers) of a cluster of these sizes under `policy`."""
    found = []
    for field, size, least in (("workerConfig", primary, 2), ("secondaryWorkerConfig", secondary, 0)):
        bounds = policy.get(field, {})
        found.append(
            Group(size, bounds.get("minInstances", least), bounds.get("maxInstances", 0), bounds.get("weight", 1))
        )
    return found[0], found[1]


def wanted_sizes(
    policy: dict[str, Any], primary: Group, secondary: Group, samples: Sequence[Sample], node_mb: int
) -> tuple[int, int]:
    """Return the (primary, secondary) sizes that the policy wants; the present ones when it wants no change.

    `samples` are those of the last cooldown period, `node_mb` is what one node offers.
    """
    bounded = _within(primary), _within(secondary)
    if not samples:
        return bounded
    yarn = policy.get("basicAlgorithm", {}).get("yarnConfig", {})
    exact = sum(sample.pending_mb - sample.available_mb for sample in samples) / len(samples) / node_mb
    total = primary.size + secondary.size
    if exact > 0:
        change = math.ceil(round(exact * yarn.get("scaleUpFactor", 0), 6))
        fraction = yarn.get("scaleUpMinWorkerFraction", 0)
    else:
        change = math.ceil(round(exact * yarn.get("scaleDownFactor", 0), 6))
        fraction = yarn.get("scaleDownMinWorkerFraction", 0)
    if abs(change) < fraction * total:
        return bounded
    return _spread(replace(primary, size=bounded[0]), replace(secondary, size=bounded[1]), change)


def _within(group: Group) -> int:
    return max(group.least, min(group.size, group.most))


def _spread(primary: Group, secondary: Group, change: int) -> tuple[int, int]:
    """Return the sizes after `change` workers came or went one by one, each where the weights want it most."""
    sizes = [primary.size, secondary.size]
    groups = (primary, secondary)
    for _ in range(abs(change)):
        if change > 0:
            open_groups = [index for index in (0, 1) if sizes[index] < groups[index].most and groups[index].weight > 0]
            if not open_groups:
                break
            # Primary first among equals.
            chosen = min(open_groups, key=lambda index: (sizes[index] / groups[index].weight, index))
            sizes[chosen] += 1
        else:
            open_groups = [index for index in (0, 1) if sizes[index] > groups[index].least]
            if not open_groups:
                break
            chosen = max(open_groups, key=lambda index: (_share(sizes[index], groups[index].weight), index))
            sizes[chosen] -= 1
    return sizes[0], sizes[1]


def _share(size: int, weight: float) -> float:
    return size / weight if weight > 0 else math.inf

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about where things are: networks, zones, key and bucket locations."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, KeyPath, format_key

Located = Iterator[tuple[KeyPath, Finding]]

# Google keeps four addresses of every subnetwork (cloud.google.com/vpc/docs/subnets).
_RESERVED_ADDRESSES = 4


def check_subnetworks(network: dict[str, Any]) -> Located:
    """Every CIDR is valid and private, none overlaps another, no name is used twice."""
    seen: list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]] = []
    names: dict[str, int] = {}
    for index, subnetwork in enumerate(network["subnetworks"]):
        path: KeyPath = ("platform_network", "subnetworks", index)
        name = subnetwork["name"]
        if name in names:
            yield _at((*path, "name"), name, f"expected a name of its own; subnetworks[{names[name]}] has it too")
        names.setdefault(name, index)
        cidr, suggestion = _parse(subnetwork["cidr"])
        if cidr is None or not cidr.is_private:
            expected = "expected a private network such as 10.10.3.0/24"
            yield _at((*path, "cidr"), subnetwork["cidr"], expected, suggestion)
            continue
        for other_name, other in seen:
            if cidr.version == other.version and cidr.overlaps(other):
                expected = f"expected no overlap, but {other_name} is {other}"
                yield _at((*path, "cidr"), subnetwork["cidr"], expected)
        seen.append((name, cidr))


def check_dataproc_subnetwork(network: dict[str, Any], sizes: dict[str, Any]) -> Located:
    """The nodes' subnetwork is one of those listed, and a cluster of the largest size has enough addresses in it."""
    wanted = network["dataproc_subnetwork"]
    path: KeyPath = ("platform_network", "dataproc_subnetwork")
    found = {subnetwork["name"]: subnetwork["cidr"] for subnetwork in network["subnetworks"]}
    if wanted not in found:
        yield path, Finding(format_key(path), repr(wanted), f"expected one of the subnetworks: {', '.join(found)}")
        return
    cidr, _suggestion = _parse(found[wanted])
    nodes = sizes["cluster"]["workers_max"] + 1
    if cidr is not None and cidr.num_addresses - _RESERVED_ADDRESSES < nodes:
        usable = max(cidr.num_addresses - _RESERVED_ADDRESSES, 0)
        yield _at(path, wanted, f"expected addresses for {nodes} nodes, but {cidr} has {usable}")


def check_key_location(kms_key: str, region: str) -> Located:
    """Disks and regional buckets can only use a key of their own region."""
    location = kms_key.split("/")[3]
    if location != region:
        yield _at(
            ("platform_kms_key",), kms_key, f"expected a key in gcp_region {region}", kms_key.replace(location, region)
        )


def check_zones(templates: dict[str, Any], region: str) -> Located:
    """A template that insists on a zone names one of the environment's region."""
    for name, template in templates.items():
        zone = template["config"].get("gceClusterConfig", {}).get("zoneUri")
        if zone and not zone.startswith(f"{region}-"):
            path: KeyPath = ("platform_cluster_templates", name, "config", "gceClusterConfig", "zoneUri")
            yield _at(path, zone, f"expected a zone of gcp_region {region}")


def check_buckets_differ(buckets: dict[str, str]) -> Located:
    """Each purpose has its own bucket: they differ in lifecycle and in who may write."""
    used: dict[str, str] = {}
    for purpose, bucket in buckets.items():
        if bucket in used:
            yield _at(
                ("platform_buckets", purpose), bucket, f"expected a bucket of its own; {used[bucket]} has the same"
            )
        used.setdefault(bucket, purpose)


def _parse(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network | None, str]:
    """The network, or None with the network that was probably meant (host bits set)."""
    try:
        return ipaddress.ip_network(text), ""
    except ValueError:
        pass
    try:
        return None, str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return None, ""


def _at(path: KeyPath, value: object, expected: str, suggestion: str = "") -> tuple[KeyPath, Finding]:
    return path, Finding(format_key(path), repr(value), expected, suggestion)

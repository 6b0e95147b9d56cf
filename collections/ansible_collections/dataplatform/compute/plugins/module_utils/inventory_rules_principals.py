# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the service principals that clusters have where there is a realm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, KeyPath


def check_ticket_has_an_owner(realm: dict[str, Any] | None, account: str | None) -> Iterator[tuple[KeyPath, Finding]]:
    """Programs of one account use the ticket; it is that of the workloads' scripts."""
    if realm and account is None:
        expected = "expected an account that owns the ticket, such as yarn, because platform_kerberos is set"
        yield ("platform_job_account",), Finding("platform_job_account", "null", expected)

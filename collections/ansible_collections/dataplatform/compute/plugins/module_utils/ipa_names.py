# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Principals and realms: how names are checked and compared, and the krb5.conf of a client. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
_SERVICE = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]*/{_HOST}")
EXAMPLE = "dask/etl.dev.corp.internal"


def canonical(principal: str, realm: str) -> str:
    """The principal with its realm, as FreeIPA and the KDC name it."""
    return principal if "@" in principal else f"{principal}@{realm}"


def principal_problems(principals: Iterable[str], realm: str) -> list[str]:
    """Why these cannot be service principals of the realm, one line each; empty when they can."""
    problems = []
    seen: set[str] = set()
    for name in principals:
        service, at, own_realm = name.partition("@")
        if not _SERVICE.fullmatch(service):
            problems.append(f"principal {name!r}: expected SERVICE/HOST, such as {EXAMPLE}")
        elif at and own_realm != realm:
            problems.append(f"principal {name!r}: is not of the realm {realm}; did you mean '{service}@{realm}'?")
        elif canonical(name, realm) in seen:
            problems.append(f"principal {name!r}: is named twice")
        seen.add(canonical(name, realm))
    return problems


def krb5_conf(
    realm: str,
    kdcs: Sequence[str],
    domain: str = "",
    ticket_cache: str = "",
    ticket_seconds: int = 0,
) -> str:
    """The text of a krb5.conf that trusts no DNS.

    ``kdcs`` are HOST or HOST:PORT. ``domain`` (whose hosts are of the realm), ``ticket_cache`` (where programs look for
    a ticket) and ``ticket_seconds`` (the life to ask for) are left out when empty.
    """
    defaults = {
        "default_realm": realm,
        # A name in a ticket is the name that was asked for: DNS is not to be trusted with it.
        "dns_lookup_kdc": "false",
        "dns_lookup_realm": "false",
        "dns_canonicalize_hostname": "false",
        "rdns": "false",
        # TCP only: tickets of FreeIPA do not fit a datagram, and firewalls drop them in silence.
        "udp_preference_limit": "1",
    }
    if ticket_cache:
        defaults["default_ccache_name"] = f"FILE:{ticket_cache}"
    if ticket_seconds:
        defaults["ticket_lifetime"] = f"{ticket_seconds}s"
    lines = ["[libdefaults]", *(f"  {key} = {value}" for key, value in defaults.items())]
    lines += ["", "[realms]", f"  {realm} = {{", *(f"    kdc = {kdc}" for kdc in kdcs), "  }"]
    if domain:
        lines += ["", "[domain_realm]", f"  .{domain} = {realm}", f"  {domain} = {realm}"]
    return "\n".join(lines) + "\n"

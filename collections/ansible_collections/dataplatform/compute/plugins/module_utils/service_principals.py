# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service principal of each cluster template: its name, its secret, and what nodes are told of it. Pure.

Names are made here and nowhere else; nothing here is secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_names import (
    canonical,
    krb5_conf,
    principal_problems,
)

SERVICE = "dask"
# Where programs on a node find the ticket; init-actions/service-principal.sh puts it there.
TICKET_CACHE = "/run/service-principal/ticket"


def service_principals(
    realm: Mapping[str, Any] | None,
    templates: Iterable[str],
    *,
    environment: str,
    project: str,
    account: str | None,
) -> dict[str, dict[str, Any]]:
    """Return ``principals`` and ``metadata`` by template, and ``bundle_files``: texts by path in the node bundle.

    ``realm`` is the fact ``platform_kerberos``; without it (None) all three are empty. ``account`` is who owns the
    ticket on nodes. Raises ValidationError with everything that could be no principal.
    """
    if not realm:
        return {"principals": {}, "metadata": {}, "bundle_files": {}}
    principals = {name: _principal(name, realm, environment, project) for name in templates}
    problems = principal_problems((one["principal"] for one in principals.values()), realm["realm"])
    if not account:
        problems.append(f"platform_job_account: {account!r}, expected the account that owns the ticket on nodes")
    if problems:
        raise ValidationError(problems, "the service principals")
    metadata = {
        name: {"service-principal": one["principal"], "service-principal-secret": one["secret_name"]}
        for name, one in principals.items()
    }
    files = {
        "kerberos/krb5.conf": krb5_conf(realm["realm"], realm["kdcs"], realm["domain"], TICKET_CACHE),
        "kerberos/service-principal.conf": f"account={account}\nrealm={realm['realm']}\n",
    }
    return {"principals": principals, "metadata": metadata, "bundle_files": files}


def _principal(template: str, realm: Mapping[str, Any], environment: str, project: str) -> dict[str, Any]:
    """Names of one template's principal; ``service``, ``resource`` and ``grant`` begin what the modules take of it."""
    host = f"{template}-{environment}.{realm['domain']}"
    secret = f"keytab-{template}-{environment}"
    principal = canonical(f"{SERVICE}/{host}", realm["realm"])
    secret_name = f"projects/{project}/secrets/{secret}"
    return {
        "template": template,
        "principal": principal,
        "secret": secret,
        "secret_name": secret_name,
        "service": {"name": principal},
        "resource": {"name": secret, "annotations": {"service-principal": principal}},
        "grant": {"resource": secret_name},
    }

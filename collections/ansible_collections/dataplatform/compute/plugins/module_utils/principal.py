# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The core of gcp_principal_info: ask Google whose token this is."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, UnauthenticatedError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

USERINFO_URL = "https://www.googleapis.com/oauth2/v2/userinfo"


def run(params: dict[str, Any], client: GoogleClient, _reporter: Reporter) -> dict[str, Any]:
    """Return principal, project and credential kind; raises CredentialsError with the next step when there is none."""
    loaded = client.loaded_credentials
    try:
        answer = client.request("GET", USERINFO_URL)
    except UnauthenticatedError as error:
        raise ComputeError(
            f"Google does not accept the credentials of {loaded.source}: {error.message} The token may have expired"
            " or the key may be revoked; log in again."
        ) from error
    principal = answer.get("email")
    if not principal:
        raise ComputeError(
            f"The token of {loaded.source} does not say whose it is: it lacks the scope"
            " https://www.googleapis.com/auth/userinfo.email. Add it to 'scopes', or log in again with that scope."
        )
    return {
        "changed": False,
        "principal": principal,
        "project": params.get("project") or loaded.project or "",
        "auth_kind": loaded.auth_kind,
        "credential_type": loaded.credential_type,
        "source": loaded.source,
    }


DEFINITION = TaskDefinition(argument_spec=add_common_arguments(), run=run)

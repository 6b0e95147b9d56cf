# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Documentation that the modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Common options: who calls Google, how, and for which project."""

    DOCUMENTATION = r"""
options:
  project:
    description:
      - Google Cloud project id.
      - Without it, the variable E(GCP_PROJECT) is used, then the project that the credentials name.
    type: str
  region:
    description:
      - Google Cloud region, such as V(europe-west1). What has no region has no use for it.
      - Without it, the variable E(GCP_REGION) is used.
    type: str
  auth_kind:
    description:
      - Where the credentials come from.
      - V(application) are the application default credentials (E(GOOGLE_APPLICATION_CREDENTIALS), then the login of
        C(gcloud auth application-default login), then the metadata server).
      - V(serviceaccount) is a key, from O(service_account_file) or O(service_account_contents).
      - V(machineaccount) is the account of the machine, from its metadata server.
      - V(accesstoken) is a ready token in O(access_token).
      - Without it, the variable E(GCP_AUTH_KIND) is used.
    type: str
    choices: [application, serviceaccount, machineaccount, accesstoken]
    default: application
  service_account_file:
    description:
      - Path of a service account's key file in JSON.
      - Without it, the variable E(GCP_SERVICE_ACCOUNT_FILE) is used.
    type: path
  service_account_contents:
    description:
      - A service account's key itself, as a mapping or as JSON text. Keep it in a vault.
      - Without it, the variable E(GCP_SERVICE_ACCOUNT_CONTENTS) is used.
    type: jsonarg
  service_account_email:
    description:
      - Which of the machine's accounts to use with O(auth_kind=machineaccount).
      - Without it, the variable E(GCP_SERVICE_ACCOUNT_EMAIL) is used.
    type: str
  access_token:
    description:
      - An OAuth2 access token, for O(auth_kind=accesstoken).
      - Without it, the variable E(GCP_ACCESS_TOKEN) is used.
    type: str
  scopes:
    description:
      - OAuth2 scopes to ask for. Left out, these are C(cloud-platform) and C(userinfo.email).
      - Without it, the variable E(GCP_SCOPES) is used.
    type: list
    elements: str
  request_timeout:
    description:
      - Seconds to wait for an answer to one request, before the request is made again.
    type: float
    default: 60.0
notes:
  - Requests that answer 408, 429, 500, 502, 503 or 504, that are cut off or get no connection, are repeated up to
    five times with growing, random pauses; C(Retry-After) is honoured.
  - Proxies and certificate authorities are taken from the standard variables (E(HTTPS_PROXY), E(REQUESTS_CA_BUNDLE)),
    also when a play sets them with C(environment).
  - On a local connection without C(become) and C(async) the task runs inside the Ansible process, which makes it
    about ten times cheaper. Otherwise it runs as a normal module.
requirements:
  - google-auth >= 2.30
  - requests >= 2.32
  - tenacity >= 8.2
"""

    REGION = r"""
options:
  region:
    description:
      - Google Cloud region, such as V(europe-west1).
      - Without it, the variable E(GCP_REGION) is used.
    type: str
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
"""

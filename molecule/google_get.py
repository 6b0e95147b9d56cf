"""Print Google's answer to one GET, so that a scenario sees a resource as it is and not as the role under test says.

    python molecule/google_get.py https://dataproc.googleapis.com/v1/projects/P/regions/R/autoscalingPolicies

Application-default credentials and the proxy of the environment; any answer but 2xx ends in an error with its text.
"""

from __future__ import annotations

import sys

import google.auth
from google.auth.transport.requests import AuthorizedSession


def main() -> None:
    """Ask for the one address given."""
    credentials, _project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    response = AuthorizedSession(credentials).get(sys.argv[1], timeout=60)
    if not response.ok:
        sys.exit(f"GET {sys.argv[1]} answered {response.status_code}: {response.text}")
    sys.stdout.write(response.text)


if __name__ == "__main__":
    main()

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The third-party libraries of the collection, imported in one guarded place.

A controller without them still loads documentation and argument specifications; a task that needs them fails with one
message (``require_libraries``).
"""

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import MissingLibraryError

MISSING: list[str] = []

try:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.utils import get_environ_proxies
except ImportError:
    requests = None
    HTTPAdapter = object
    get_environ_proxies = None
    MISSING.append("requests")

try:
    import google.auth
    import google.auth.compute_engine
    import google.auth.exceptions
    import google.auth.transport.requests
    import google.oauth2.credentials
    import google.oauth2.service_account
except ImportError:
    google = None
    MISSING.append("google-auth")

try:
    import tenacity
except ImportError:
    tenacity = None
    MISSING.append("tenacity")

__all__ = ["MISSING", "HTTPAdapter", "get_environ_proxies", "google", "requests", "require_libraries", "tenacity"]


def require_libraries() -> None:
    """Raise MissingLibraryError, with the command that helps, unless every library is there."""
    if MISSING:
        names = " ".join(MISSING)
        raise MissingLibraryError(
            f"Python libraries are missing: {names}. Install them for the Python that runs Ansible: pip install {names}"
        )

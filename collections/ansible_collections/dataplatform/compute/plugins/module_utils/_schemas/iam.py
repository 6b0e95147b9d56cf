# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Written by scripts/refresh_schemas.py from iam.v1 (revision 20261023, google-api-python-client 2.202.0)."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, dict[str, dict[str, Any]]] = {
    "ServiceAccount": {
        "description": {"type": "string"},
        "disabled": {"type": "boolean", "output_only": True},
        "displayName": {"type": "string"},
        "email": {"type": "string", "required": True},
        "etag": {"type": "string", "format": "byte", "output_only": True},
        "name": {"type": "string", "output_only": True},
        "oauth2ClientId": {"type": "string", "output_only": True},
        "projectId": {"type": "string", "output_only": True},
        "uniqueId": {"type": "string", "output_only": True},
    }
}

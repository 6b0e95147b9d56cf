"""Project numbers, which buckets and access control lists name beside project ids."""

from __future__ import annotations

import zlib

from localcloud.settings import Settings


def project_number(settings: Settings, project: str) -> str:
    """Return the number of a project: the configured one for the instance's own, a stable made-up one for others."""
    if project in (settings.project, settings.project_number):
        return settings.project_number
    return project if project.isdigit() else str(200_000_000_000 + zlib.crc32(project.encode()))

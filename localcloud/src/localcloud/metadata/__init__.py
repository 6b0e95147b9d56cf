"""The metadata server that every node of a local cluster has, as a Compute Engine machine has one."""

from __future__ import annotations

from localcloud.metadata.server import MetadataServer
from localcloud.metadata.values import Machine

__all__ = ["Machine", "MetadataServer"]

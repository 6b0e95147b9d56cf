# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a tree synchronisation refuses or stops at, beyond the errors of a single request."""

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


class ConcurrentWriterError(ComputeError):
    """Somebody else writes (or wrote, since the listing) the same tree."""


class FileChangedError(ComputeError):
    """A source file is not the one that was planned: it changed while the tree was read or uploaded."""


class MissingBucketError(ComputeError):
    """The bucket does not exist, or this account may not know that it does."""


class OwnershipError(ComputeError):
    """The tree, or a protected object in it, belongs to somebody else, or its manifest cannot be read."""

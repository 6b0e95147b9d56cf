"""The local cloud for tests of jobs that read and write buckets."""

from tests.integration.conftest import localcloud, started_localcloud

__all__ = ["localcloud", "started_localcloud"]

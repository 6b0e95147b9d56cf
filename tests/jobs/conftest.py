"""The local cloud for tests of jobs that read and write buckets."""

from tests.integration.conftest import localcloud

__all__ = ["localcloud"]

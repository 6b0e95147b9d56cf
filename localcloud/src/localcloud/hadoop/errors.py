"""What can go wrong with a local Hadoop cluster; every message is meant for people."""

from __future__ import annotations


class HadoopError(Exception):
    """A cluster's daemon cannot start, does not answer, or refuses what was asked."""


class HadoopMissing(HadoopError):
    """Java or Hadoop's jars are not on this machine; the message says what to install."""

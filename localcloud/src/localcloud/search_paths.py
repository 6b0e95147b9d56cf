"""Where programs and libraries are looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Where programs are on a node.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def put_in_front(environment: Mapping[str, str], directories: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which each variable of `directories` begins with that directory."""
    found = dict(environment)
    for variable, directory in directories.items():
        found[variable] = os.pathsep.join(filter(None, (directory, found.get(variable, ""))))
    return found

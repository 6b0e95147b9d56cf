"""Which node image stands for which version of Dataproc's image."""

from __future__ import annotations

import re

from localcloud.hadoop import HadoopError
from localcloud.podman.commands import inspect

_VERSION = re.compile(r"(\d+\.\d+)(?:\.\d+)?(?:-(debian\d+))?")
_REPOSITORY = "localhost/localcloud-node"
DEFAULT = f"{_REPOSITORY}:2.3-debian12"


def image_of(version: str) -> str:
    """Return the node image of a version such as 2.3.10-debian12. Raises HadoopError when there is none here."""
    found = _VERSION.fullmatch(version)
    image = f"{_REPOSITORY}:{found[1]}-{found[2] or 'debian12'}" if found else ""
    if not image or inspect("image", image) is None:
        raise HadoopError(
            f"there is no node image of version {version} here ({image or 'not a version'}); scripts/node_image.sh "
            f"builds {DEFAULT}"
        )
    return image

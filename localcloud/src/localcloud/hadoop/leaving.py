"""The file that tells the ResourceManager which nodes shall leave, and in how many seconds."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from localcloud.files import write_public


class LeavingNodes:
    """Hadoop's exclude file in its XML form, which has a time limit for each node."""

    def __init__(self, path: Path) -> None:
        """Keep the list in `path`."""
        self._path = path

    def read(self) -> dict[str, int]:
        """Return the seconds that each address may take."""
        root = ET.fromstring(self._path.read_text(encoding="utf-8"))  # noqa: S314  (our own file)
        return {host.findtext("name", ""): int(host.findtext("timeout", "0")) for host in root.iter("host")}

    def write(self, leaving: dict[str, int]) -> None:
        """Replace the list."""
        root = ET.Element("hosts")
        for address, seconds in sorted(leaving.items()):
            host = ET.SubElement(root, "host")
            ET.SubElement(host, "name").text = address
            ET.SubElement(host, "timeout").text = str(seconds)
        write_public(self._path, b'<?xml version="1.0"?>\n' + ET.tostring(root) + b"\n")

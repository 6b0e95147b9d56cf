"""Where YARN's daemons on this node answer, by Hadoop's own configuration."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from xml.etree import ElementTree

YARN_SITE = Path("/etc/hadoop/conf/yarn-site.xml")
_REFERENCE = re.compile(r"\$\{([^}$\s]+)\}")


def web_address(site: Path, name: str, default_port: int) -> tuple[str, int]:
    """Return (host, port) of the web server that property `name` sets; of this host where it sets none.

    Raises OSError, also when the file cannot be understood.
    """
    try:
        root = ElementTree.parse(site).getroot()  # noqa: S314  written by the cluster's own administrator
    except ElementTree.ParseError as problem:
        raise OSError(f"{site} is not XML: {problem}") from problem
    properties = {
        (element.findtext("name") or "").strip(): (element.findtext("value") or "").strip()
        for element in root.iter("property")
    }
    address = _REFERENCE.sub(lambda found: properties.get(found[1], ""), properties.get(name, ""))
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        host, port = "", str(default_port)
    # A server on all addresses listens on this one.
    return (socket.gethostname() if host in ("", "0.0.0.0") else host), int(port)  # noqa: S104  compared, not bound

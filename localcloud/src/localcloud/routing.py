"""Which API a host and path belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Every host that the proxy accepts: what the server's certificate covers. All others are refused, so that nothing a
# client does by mistake leaves the machine.
SERVED_HOSTS = re.compile(
    r"(?:[a-z0-9_-]+\.)?googleapis\.com|[a-z0-9._-]+\.storage\.googleapis\.com|accounts\.google\.com"
)

_REGIONAL = re.compile(r"[a-z]+-[a-z]+\d+-([a-z]+)")
_LEGACY_PATHS = re.compile(r"/(?:upload/|download/|resumable/upload/|batch/)?([a-z]+)/(v\d+[a-z0-9]*)(?:/|$)")
_VERSION = re.compile(r"/(v\d+[a-z0-9]*)(?:/|$)")
_OAUTH_HOSTS = frozenset({"oauth2.googleapis.com", "accounts.google.com", "openidconnect.googleapis.com"})
_STORAGE_SUFFIX = ".storage.googleapis.com"


@dataclass(frozen=True)
class Target:
    """An API and its version; `version` is empty where the path names none."""

    api: str
    version: str


def bare_host(host: str) -> str:
    """Return a Host header's name without its port, in lower case."""
    return host.rpartition(":")[0].lower() if re.search(r":\d+$", host) else host.lower()


def target_of(host: str, path: str) -> Target:
    """Return the API that serves `path` on `host`.

    Storage and OAuth have several hosts; www.googleapis.com serves the older APIs by path; every other API has its
    name, possibly behind a region, as first label.
    """
    if host == "storage.googleapis.com" or host.endswith(_STORAGE_SUFFIX):
        return Target("storage", "v1")
    if host in _OAUTH_HOSTS:
        return Target("oauth2", "v2")
    if host == "www.googleapis.com":
        if path.startswith(("/oauth2/", "/robot/")):
            return Target("oauth2", "v2")
        found = _LEGACY_PATHS.match(path)
        return Target(found[1], found[2]) if found else Target("www", "")
    label = host.partition(".")[0]
    regional = _REGIONAL.fullmatch(label)
    api = regional[1] if regional else label
    # The older APIs keep their name in the path on hosts of their own, too.
    found = _VERSION.match(path.removeprefix(f"/{api}"))
    return Target(api, found[1] if found else "")

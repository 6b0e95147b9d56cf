"""Writes one object to Cloud Storage with the node's own token: a node may have no library of Google's."""

from __future__ import annotations

import json
import os
import ssl
import urllib.parse
import urllib.request

SECONDS = 30


def write(address: str, text: str) -> None:
    """Write ``gs://BUCKET/NAME``, whole or not at all. Raises OSError naming the address."""
    bucket, _, name = address.removeprefix("gs://").partition("/")
    query = urllib.parse.urlencode({"uploadType": "media", "name": name})
    url = f"https://storage.googleapis.com/upload/storage/v1/b/{urllib.parse.quote(bucket, safe='')}/o?{query}"
    headers = {"Authorization": f"Bearer {_token()}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=text.encode(), headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS, context=ssl.create_default_context()):  # noqa: S310
            return
    except OSError as error:
        raise OSError(f"{address} cannot be written: {error}") from error


def _token() -> str:
    """A token of the node's service account, from the metadata server."""
    host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    request = urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})
    # Never through a proxy: the server is the node's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=SECONDS) as response:
        return str(json.load(response)["access_token"])

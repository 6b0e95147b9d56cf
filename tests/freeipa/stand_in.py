"""The stand-in for FreeIPA as tests use it: started on loopback, known by its name to this process and its children."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.freeipa.realm import Realm

REPOSITORY = Path(__file__).parents[2]
HOST = "ipa.corp.internal"
REALM = "CORP.INTERNAL"
PYTHON = "/usr/bin/python3"
USER, PASSWORD = "admin", "Secret.123"
NEEDED = {"krb5kdc": "krb5-kdc", "kadmin.local": "krb5-admin-server", "kinit": "krb5-user"} | {
    "ipa-getkeytab": "freeipa-client",
    "openssl": "openssl",
}


@dataclass
class StandIn:
    """A running server."""

    directory: Path
    kdc_port: int
    ldap_port: int
    https_port: int

    @property
    def authority(self) -> Path:
        """The certificate that clients trust."""
        return self.directory / "ca.crt"

    @property
    def realm(self) -> Realm:
        """The realm, for a look into the KDC's database."""
        return Realm(self.directory, REALM, HOST, "127.0.0.1", self.kdc_port)

    @property
    def client_environment(self) -> dict[str, str]:
        """What lets a program, and what it starts, reach the server by its name, without a change to this machine."""
        return {
            "LD_PRELOAD": "libnss_wrapper.so",
            "NSS_WRAPPER_HOSTS": str(self.directory / "hosts"),
            "KRB5_CONFIG": str(self.directory / "krb5.conf"),
        }

    def version(self, principal: str) -> int:
        """The number of a principal's current keys; 0 when there are none."""
        return self.realm.version(principal)

    def switch(self, **wanted: Any) -> list[str]:
        """Turn the server's switches for tests; what was called until now."""
        address = f"https://127.0.0.1:{self.https_port}/stand-in"
        request = urllib.request.Request(address, json.dumps(wanted).encode())
        trust = ssl.create_default_context(cafile=self.authority)
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        with urllib.request.build_opener(*handlers).open(request, timeout=30) as answer:
            return json.load(answer)["calls"]


def missing() -> str:
    """What this machine lacks for the stand-in; empty when it lacks nothing."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    packages = [package for program, package in NEEDED.items() if not shutil.which(program, path=path)]
    probe = subprocess.run([PYTHON, "-c", "import gssapi, pyasn1_modules"], capture_output=True, check=False)
    if probe.returncode:
        packages += ["python3-gssapi", "python3-pyasn1-modules"]
    if not list(Path("/usr/lib").glob("*/libnss_wrapper.so")):
        packages.append("libnss-wrapper")
    return f"Debian packages are missing: {' '.join(packages)}" if packages else ""


def command(directory: Path, *options: str, address: str = "127.0.0.1") -> tuple[list[str], dict[str, Any]]:
    """The server's command for a directory, whose ``hosts`` is written, and the options of Popen that go with it."""
    (directory / "hosts").write_text(f"{address} {HOST}\n127.0.0.1 localhost\n")
    client = StandIn(directory, 0, 0, 0).client_environment
    words = [PYTHON, "-m", "tests.freeipa", f"--directory={directory}", f"--host={HOST}", f"--address={address}"]
    path = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "PYTHONDONTWRITEBYTECODE": "1"}
    return [*words, *options], {"cwd": REPOSITORY, "env": {**path, **client}, "text": True}


@contextlib.contextmanager
def stand_in(directory: Path, address: str = "127.0.0.1", **ports: int) -> Iterator[StandIn]:
    """Start a server of its own in ``directory``; nothing of it is left afterwards but the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    words, options = command(directory, *(f"--{name}-port={port}" for name, port in ports.items()), address=address)
    process = subprocess.Popen(words, **options, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError(f"the stand-in for FreeIPA did not start (code {process.wait(10)})")
        yield StandIn(directory, **json.loads(line))
    finally:
        # It ends with its standard input.
        process.communicate(timeout=30)

"""A Kerberos realm of one's own: MIT's KDC in a directory, on an unprivileged port."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_ENCTYPES = {
    "aes256-cts-hmac-sha1-96": 18,
    "aes128-cts-hmac-sha1-96": 17,
    "aes256-cts-hmac-sha384-192": 20,
    "aes128-cts-hmac-sha256-128": 19,
}
_KEY = re.compile(r"^ *(\d+) (\S+) \(([\w-]+)\) +\(0x([0-9a-f]+)\)$", re.MULTILINE)


class KerberosError(Exception):
    """A Kerberos tool failed; the message is what it said."""


@dataclass(frozen=True)
class Key:
    """One entry of a keytab."""

    version: int
    enctype: int
    value: bytes


@dataclass
class Realm:
    """The realm; everything it has on disk is below ``directory``."""

    directory: Path
    name: str
    host: str
    address: str
    port: int
    ticket_life: str = "10h"
    # What stands before the KDC's command line, to have it in another network.
    entering: Sequence[str] = ()
    # The directory of another KDC of the realm, whose database this one has, too.
    twin: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def environment(self) -> dict[str, str]:
        """What the server's tools need; clients need KRB5_CONFIG only."""
        return {
            **os.environ,
            "KRB5_CONFIG": str(self.directory / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
            "LC_ALL": "C",
        }

    def create(self) -> None:
        """Make the database."""
        self.configure()
        self._run("kdb5_util", "create", "-s", "-P", "master key of tests", "-r", self.name)

    def configure(self) -> None:
        """Write what tools, clients and the KDC read."""
        self.directory.mkdir(parents=True, exist_ok=True)
        place, database = self.directory, self.twin or self.directory
        (place / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {self.name}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            f" dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n"
            f"[realms]\n {self.name} = {{\n  kdc = {self.host}:{self.port}\n }}\n"
            f"[domain_realm]\n {self.host} = {self.name}\n"
        )
        listen = f"{self.address}:{self.port}"
        (place / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = {listen}\n kdc_tcp_listen = {listen}\n[realms]\n {self.name} = {{\n"
            f"  database_name = {database}/principal\n  key_stash_file = {database}/stash\n"
            f"  acl_file = {database}/kadm5.acl\n"
            f"  max_life = {self.ticket_life}\n"
            "  supported_enctypes = aes256-cts:normal aes128-cts:normal\n }\n"
        )

    def start(self, skew_seconds: int = 0) -> None:
        """Answer clients, ``skew_seconds`` ahead of this machine's clock; returns when it does."""
        environment = {**self.environment, **_clock(skew_seconds)}
        with (self.directory / "kdc.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.entering, "krb5kdc", "-n"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((self.address, self.port), timeout=1).close()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise KerberosError((self.directory / "kdc.log").read_text()) from error
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Answer nobody; the database stays."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def kadmin(self, *words: str) -> str:
        """Run one request of kadmin.local; its output."""
        output = self._run("kadmin.local", *words)
        # kadmin ends with code 0 for most of what it refuses.
        if re.search(r"^[a-z_]+: (?!.*(created|added|changed|modified))", output, re.MULTILINE):
            raise KerberosError(output.strip())
        return output

    def keys(self, principal: str) -> list[Key]:
        """The current keys, as ``ipa-getkeytab -r`` gets them; empty when there are none."""
        if self.version(principal) == 0:
            return []
        with self._keytab(principal) as keytab:
            listing = self._run("klist", "-keK", str(keytab))
        return [
            Key(int(version), _ENCTYPES[enctype], bytes.fromhex(value))
            for version, _principal, enctype, value in _KEY.findall(listing)
        ]

    def keytab(self, *principals: str) -> bytes:
        """A keytab with the current keys."""
        with self._keytab(*principals) as keytab:
            return keytab.read_bytes()

    @contextlib.contextmanager
    def _keytab(self, *principals: str) -> Iterator[Path]:
        file = self.directory / f"keys-{time.monotonic_ns()}.keytab"
        try:
            self.kadmin("ktadd", "-k", str(file), "-norandkey", *principals)
            yield file
        finally:
            file.unlink(missing_ok=True)

    def version(self, principal: str) -> int:
        """The number of the current keys; 0 when there are none."""
        listing = self.kadmin("getprinc", principal)
        return max((int(version) for version in re.findall(r"^Key: vno (\d+)", listing, re.MULTILINE)), default=0)

    def has_password(self, principal: str, password: str) -> str:
        """Why the KDC does not accept a password; empty when it does."""
        done = subprocess.run(
            ["kinit", "-c", "MEMORY:", principal],
            env=self.environment,
            input=f"{password}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        return f"{done.stderr}{done.stdout}".strip() if done.returncode else ""

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KerberosError(f"{command[0]}: {done.stdout.strip()}")
        return done.stdout


def _clock(skew_seconds: int) -> dict[str, str]:
    """What gives a process another clock; the command faketime would stay between it and who has to stop it."""
    if not skew_seconds:
        return {}
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    preloaded = [str(library), *os.environ.get("LD_PRELOAD", "").split()]
    return {"LD_PRELOAD": " ".join(preloaded), "FAKETIME": f"{skew_seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

"""TLS of one run: a certificate made for it, kept in files only their reader can read.

Scheduler, workers and clients share one self-signed certificate, as ``distributed.Security.temporary`` makes it: who
has the key belongs to the run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Security

CERTIFICATE = "dask.crt"
KEY = "dask.key"


@dataclass(frozen=True)
class RunSecurity:
    """Certificate and private key of the run, PEM text."""

    certificate: str
    key: str

    @classmethod
    def create(cls) -> RunSecurity:
        """Make a certificate; needs distributed and cryptography."""
        from distributed import Security  # noqa: PLC0415 - the launcher's own process must start without this import

        security = Security.temporary()
        return cls(certificate=security.tls_ca_file, key=security.tls_client_key)

    @classmethod
    def take(cls, directory: Path) -> RunSecurity:
        """What ``write`` put into a directory, which is removed from there."""
        taken = cls(certificate=(directory / CERTIFICATE).read_text(), key=(directory / KEY).read_text())
        for name in (CERTIFICATE, KEY):
            (directory / name).unlink()
        return taken

    def write(self, directory: Path, uid: int | None = None, gid: int | None = None) -> dict[str, str]:
        """Write both as files only their owner reads; returns the environment that makes Dask use them."""
        paths = {}
        for name, text in ((CERTIFICATE, self.certificate), (KEY, self.key)):
            path = directory / name
            path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:  # noqa: PTH123
                stream.write(text)
            if uid is not None:
                os.chown(path, uid, -1 if gid is None else gid)
            paths[name] = str(path)
        return tls_environment(paths[CERTIFICATE], paths[KEY])

    def dask_security(self) -> Security:
        """The same as an object for ``Client``."""
        from distributed import Security  # noqa: PLC0415 - as above

        return Security(
            require_encryption=True,
            tls_ca_file=self.certificate,
            **{
                f"tls_{role}_{part}": text
                for role in ("client", "scheduler", "worker")
                for part, text in (("cert", self.certificate), ("key", self.key))
            },
        )


def tls_environment(certificate: str, key: str) -> dict[str, str]:
    """Environment variables that make any Dask process speak TLS with these files."""
    environment = {
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": certificate,
    }
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        environment[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = certificate
        environment[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = key
    return environment

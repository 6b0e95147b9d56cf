"""A company's network as far as nodes see it: a KDC, and a web site that serves who has a ticket, under their names."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.podman.commands import podman
from localcloud.podman.images import image_of
from tests.freeipa.realm import Realm
from tests.freeipa.stand_in import HOST, REALM, StandIn

DOMAIN = "corp.internal"
WEB = f"intranet.{DOMAIN}"
TEXT = "rates of today\n"
_SERVICE = f"HTTP/{WEB}@{REALM}"
_MODULES = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_gssapi")
_SITE = """\
ServerRoot {place}
ServerName {web}
Listen 80
PidFile {place}/apache.pid
DefaultRuntimeDir {place}
ErrorLog {place}/error.log
LogFormat "%a %>s %u" visits
CustomLog {place}/visits.log visits
User www-data
Group www-data
{modules}
DocumentRoot {place}/site
<Directory {place}/site>
  AuthType GSSAPI
  AuthName "{realm}"
  GssapiCredStore keytab:{place}/http.keytab
  GssapiAllowedMech krb5
  Require valid-user
</Directory>
"""


@dataclass(frozen=True)
class Intranet:
    """A network with both on it."""

    realm: Realm
    place: Path

    def visits(self) -> list[tuple[str, int, str]]:
        """Who was answered what: address, status, and principal or ``-``."""
        found = re.findall(r"^(\S+) (\d+) (.*)$", (self.place / "visits.log").read_text(), re.MULTILINE)
        return [(address, int(status), user) for address, status, user in found]


def missing() -> str:
    """What this machine lacks for the web site; empty when it lacks nothing."""
    modules = Path("/usr/lib/apache2/modules/mod_auth_gssapi.so")
    return "" if modules.exists() else "Debian packages are missing: apache2 libapache2-mod-auth-gssapi"


@contextlib.contextmanager
def intranet(network: str, ipa: StandIn, directory: Path) -> Iterator[Intranet]:
    """Bring both up on a network of podman's; what the realm's KDC there has on disk is in ``directory``."""
    aliases = [f"--network-alias={name}" for name in (HOST, WEB)]
    name = f"{network}-intranet"
    podman(
        "run", "--detach", f"--name={name}", f"--network={network}", *aliases, image_of("2.3-debian12"), "sleep", "inf"
    )
    # Below a directory that Apache's account may pass.
    place = Path(tempfile.mkdtemp(prefix="intranet-"))
    try:
        networks = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
        process, address = podman("inspect", f"--format={{{{.State.Pid}}}} {networks}", name).split()
        inside = ["nsenter", f"--net=/proc/{process}/ns/net", "--"]
        realm = Realm(directory, REALM, HOST, address, ipa.kdc_port, entering=inside, twin=ipa.directory)
        realm.configure()
        realm.kadmin("addprinc", "-randkey", "+requires_preauth", _SERVICE)
        realm.start()
        try:
            with _web_site(place, realm):
                yield Intranet(realm, place)
        finally:
            realm.stop()
    finally:
        podman("rm", "--force", "--time=0", name)
        shutil.rmtree(place)


@contextlib.contextmanager
def _web_site(place: Path, realm: Realm) -> Iterator[None]:
    (place / "site").mkdir()
    (place / "site" / "rates.txt").write_text(TEXT)
    (place / "http.keytab").write_bytes(realm.keytab(_SERVICE))
    (place / "http.keytab").chmod(0o400)
    shutil.chown(place / "http.keytab", "www-data")
    place.chmod(0o755)
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in _MODULES)
    (place / "apache.conf").write_text(_SITE.format(place=place, web=WEB, realm=REALM, modules=modules))
    # Apache's account reads it, too.
    shutil.copy(realm.directory / "krb5.conf", place)
    environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "KRB5_CONFIG": str(place / "krb5.conf")}
    command = [*realm.entering, "apache2", "-f", str(place / "apache.conf"), "-D", "FOREGROUND"]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection((realm.address, 80), timeout=1):
                break
            assert process.poll() is None, (place / "error.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)

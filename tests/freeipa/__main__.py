"""A stand-in for a FreeIPA server, as a program: a real KDC, and LDAP and HTTPS in front of it.

    /usr/bin/python3 -m tests.freeipa --directory DIRECTORY [--host NAME] [--address ADDRESS] [--kdc-port N ...]

Needs Debian's krb5-kdc, krb5-admin-server, krb5-user, openssl, python3-gssapi and python3-pyasn1-modules. Everything
is below DIRECTORY: krb5.conf and ca.crt for clients, and the KDC's database. One line of JSON on the standard output
says that it answers, and where. It ends with its standard input, or on SIGTERM.

The host's name has to lead clients to the address, and must not be localhost: LDAP clients replace that name.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

from tests.freeipa.certificates import make_certificates
from tests.freeipa.realm import Realm

# Names and passwords of users: an administrator, the account a controller uses, and somebody without any right.
USERS = {"admin": "Secret.123", "controller": "Controller.123", "nobody": "Nobody.123"}


def free_port(address: str) -> int:
    """A port nobody listens on."""
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])


def make_realm(options: argparse.Namespace) -> Realm:
    """The realm with its server's own principals."""
    kdc_port = options.kdc_port or free_port(options.address)
    realm = Realm(options.directory, options.realm, options.host, options.address, kdc_port)
    realm.create()
    # What Kerberos libraries in this process read.
    os.environ |= realm.environment | {"KRB5_KTNAME": str(options.directory / "server.keytab")}
    servers = [f"{service}/{options.host}@{options.realm}" for service in ("ldap", "HTTP")]
    for principal in servers:
        realm.kadmin("addprinc", "-randkey", principal)
    realm.kadmin("ktadd", "-k", str(options.directory / "server.keytab"), *servers)
    make_certificates(options.directory, options.host, options.address)
    return realm


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="freeipa")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--host", default="ipa.corp.internal")
    parser.add_argument("--realm", default="CORP.INTERNAL")
    parser.add_argument("--address", default="127.0.0.1")
    for name in ("kdc", "ldap", "https"):
        parser.add_argument(f"--{name}-port", type=int, default=0)
    options = parser.parse_args()
    options.directory = options.directory.absolute()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()

    realm = make_realm(options)
    realm.start()
    try:
        serve(options, realm, ended)
    finally:
        realm.stop()


def serve(options: argparse.Namespace, realm: Realm, ended: threading.Event) -> None:
    """Answer clients of LDAP and HTTPS until the event."""
    # After the environment is set, which the Kerberos library of gssapi reads.
    from tests.freeipa import ldap_server, rpc_server
    from tests.freeipa.directory import Directory

    directory = Directory(realm)
    for name, password in USERS.items():
        directory.add_user(name, password)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.directory / "server.crt", options.directory / "server.key")

    def switch(wanted: dict[str, Any]) -> None:
        """What tests ask for: ``kdc`` up or down, the KDC's ``skew_seconds``, ``faults``, ``expire_sessions``."""
        if wanted.get("expire_sessions"):
            sessions.principals.clear()
        sessions.faults.extend(wanted.get("faults", []))
        if "kdc" in wanted:
            realm.stop()
            if wanted["kdc"] == "up":
                realm.start(wanted.get("skew_seconds", 0))

    sessions = rpc_server.Sessions(switch=switch)
    servers = [
        ldap_server.serve(directory, tls, (options.address, options.ldap_port)),
        rpc_server.serve(directory, sessions, tls, (options.address, options.https_port)),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    ldap_port, https_port = (server.server_address[1] for server in servers)
    print(json.dumps({"kdc_port": realm.port, "ldap_port": ldap_port, "https_port": https_port}), flush=True)
    ended.wait()
    for server in servers:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()

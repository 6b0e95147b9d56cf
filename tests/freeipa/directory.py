"""FreeIPA's services, members and rights, as far as keytabs go; keys are the KDC's."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from tests.freeipa.realm import Key, Realm

READ, WRITE = "read", "write"
KINDS = ("user", "group", "host", "hostgroup")
_SERVICE = re.compile(r"^[^/@\s]+/[A-Za-z0-9.-]+$")


class IpaError(Exception):
    """What FreeIPA refuses: code and name of its ``errors.py``."""

    def __init__(self, code: int, name: str, message: str) -> None:
        self.code, self.name, self.message = code, name, message
        super().__init__(message)


def not_found(message: str) -> IpaError:
    """4001."""
    return IpaError(4001, "NotFound", message)


@dataclass
class Service:
    """A service's entry: who may read and who may write its keys, by kind of member."""

    principal: str
    managedby_host: list[str] = field(default_factory=list)
    allowed: dict[str, dict[str, list[str]]] = field(
        default_factory=lambda: {operation: {kind: [] for kind in KINDS} for operation in (READ, WRITE)}
    )


class Directory:
    """All entries; safe to share between threads."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self.lock = threading.RLock()
        self.services: dict[str, Service] = {}
        # Members of groups; users are everybody in one.
        self.groups = {"admins": ["admin"], "ipausers": ["admin", "controller", "nobody"]}
        self.hosts: list[str] = [realm.host]

    def add_user(self, name: str, password: str) -> None:
        """Make a user whose password does not have to be changed first."""
        with self.lock:
            self.realm.kadmin("addprinc", "-pw", password, "+requires_preauth", f"{name}@{self.realm.name}")

    def known(self, kind: str) -> list[str]:
        """Names of all entries of a kind."""
        users = sorted({user for members in self.groups.values() for user in members})
        return {"user": users, "group": list(self.groups), "host": self.hosts, "hostgroup": []}[kind]

    def canonical(self, name: str) -> str:
        """The principal with its realm; refuses what is no service of this realm."""
        service, _at, realm = name.partition("@")
        if realm and realm != self.realm.name:
            message = "The realm for the principal does not match the realm for this IPA server"
            raise IpaError(4005, "RealmMismatch", message)
        if not _SERVICE.match(service):
            raise IpaError(4004, "MalformedServicePrincipal", "Service principal is not of the form service/host")
        return f"{service}@{self.realm.name}"

    def service(self, name: str) -> Service:
        """The entry of a service."""
        principal = self.canonical(name)
        if principal not in self.services:
            raise not_found(f"{principal}: service not found")
        return self.services[principal]

    def is_admin(self, principal: str) -> bool:
        """Whether the group admins has this user."""
        return principal.removesuffix(f"@{self.realm.name}") in self.groups["admins"]

    def need_admin(self, principal: str, operation: str, subject: str) -> None:
        """Refuse everybody else what only they may."""
        if not self.is_admin(principal):
            message = f"Insufficient access: Insufficient '{operation}' privilege to {operation} the entry '{subject}'."
            raise IpaError(2100, "ACIError", message)

    def add_service(self, name: str, *, skip_host_check: bool, force: bool) -> Service:
        """Make a service that has no keys."""
        principal = self.canonical(name)
        host = principal.partition("/")[2].partition("@")[0]
        if principal in self.services:
            raise IpaError(4002, "DuplicateEntry", f'service with name "{principal}" already exists')
        if host not in self.hosts and not skip_host_check:
            raise not_found(f"The host '{host}' does not exist to add a service to.")
        if host not in self.hosts and not force:
            raise not_found(f"Host '{host}' does not have corresponding DNS A/AAAA record")
        self.realm.kadmin("addprinc", "-nokey", "+requires_preauth", principal)
        self.services[principal] = Service(principal, [host] if host in self.hosts else [])
        return self.services[principal]

    def delete_service(self, name: str) -> str:
        """Remove a service and its keys."""
        principal = self.service(name).principal
        self.realm.kadmin("delprinc", "-force", principal)
        del self.services[principal]
        return principal

    def change_members(
        self, service: Service, operation: str, members: dict[str, list[str]], *, add: bool
    ) -> tuple[int, dict[str, list[list[str]]]]:
        """Let members read or write keys, or no longer; how many were changed, and who was not and why.

        FreeIPA keeps names of all kinds in lower case, however they were written.
        """
        completed = 0
        failed: dict[str, list[list[str]]] = {kind: [] for kind in KINDS}
        for kind, names in members.items():
            present = service.allowed[operation][kind]
            for name in map(str.lower, names):
                if name not in self.known(kind):
                    failed[kind].append([name, "no such entry"])
                elif add == (name in present):
                    failed[kind].append([name, f"This entry is {'already' if add else 'not'} a member"])
                else:
                    completed += 1
                    present.append(name) if add else present.remove(name)
        return completed, failed

    def may(self, principal: str, operation: str, service: Service) -> bool:
        """Whether keys may be read or written: admins may write all, and read none that they are not listed for."""
        if operation == WRITE and (self.is_admin(principal) or principal == service.principal):
            return True
        user = principal.removesuffix(f"@{self.realm.name}")
        allowed = service.allowed[operation]
        groups = [group for group, members in self.groups.items() if user in members]
        return user in allowed["user"] or bool(set(groups) & set(allowed["group"]))

    def new_keys(self, service: Service) -> list[Key]:
        """Replace all keys: FreeIPA keeps no old ones."""
        self.realm.kadmin("cpw", "-randkey", service.principal)
        return self.realm.keys(service.principal)

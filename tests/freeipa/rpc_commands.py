"""The commands of FreeIPA's API that services and their keytabs need, in the shapes that FreeIPA answers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.freeipa.directory import KINDS, READ, WRITE, Directory, IpaError, Service

VERSION = "2.251"
_MEMBERS = {
    "service_allow_retrieve_keytab": (READ, True),
    "service_disallow_retrieve_keytab": (READ, False),
    "service_allow_create_keytab": (WRITE, True),
    "service_disallow_create_keytab": (WRITE, False),
}


def call(directory: Directory, caller: str, method: str, params: list[Any]) -> dict[str, Any]:
    """Run one command for ``caller``; the ``result`` of the answer, or IpaError."""
    name = method.partition("/")[0]
    arguments, options = params
    if str(options.get("version", VERSION)).partition(".")[0] != VERSION.partition(".")[0]:
        raise IpaError(901, "VersionError", f"{options['version']} client incompatible with {VERSION} server at 'json'")
    command = _COMMANDS.get(name)
    with directory.lock:
        if name in _MEMBERS:
            return _change_members(directory, caller, name, arguments, options)
        if command is None:
            raise IpaError(905, "CommandError", f"unknown command '{name}'")
        return command(directory, caller, arguments, options)


def entry(directory: Directory, service: Service) -> dict[str, Any]:
    """An entry as ``all`` shows it: attributes are lists, what has no value is not there."""
    suffix = ",".join(f"dc={part}" for part in directory.realm.name.lower().split("."))
    shown: dict[str, Any] = {
        "dn": f"krbprincipalname={service.principal},cn=services,cn=accounts,{suffix}",
        "krbprincipalname": [service.principal],
        "krbcanonicalname": [service.principal],
        "has_keytab": directory.realm.version(service.principal) > 0,
        "objectclass": ["krbprincipal", "krbprincipalaux", "krbticketpolicyaux", "ipaobject", "ipaservice", "top"],
    }
    if service.managedby_host:
        shown["managedby_host"] = service.managedby_host
    for operation in (READ, WRITE):
        for kind in KINDS:
            if service.allowed[operation][kind]:
                shown[f"ipaallowedtoperform_{operation}_keys_{kind}"] = list(service.allowed[operation][kind])
    return shown


def _ping(_directory: Directory, _caller: str, _arguments: list[Any], _options: dict[str, Any]) -> dict[str, Any]:
    return {"summary": f"IPA server version 4.9.11. API version {VERSION}"}


def _show(directory: Directory, _caller: str, arguments: list[Any], _options: dict[str, Any]) -> dict[str, Any]:
    service = directory.service(arguments[0])
    return {"result": entry(directory, service), "value": service.principal, "summary": None}


def _find(directory: Directory, _caller: str, arguments: list[Any], _options: dict[str, Any]) -> dict[str, Any]:
    wanted = arguments[0] if arguments and arguments[0] else ""
    found = [service for name, service in sorted(directory.services.items()) if wanted in name]
    result = [{"dn": entry(directory, service)["dn"], "krbprincipalname": [service.principal]} for service in found]
    return {"result": result, "count": len(found), "truncated": False, "summary": f"{len(found)} services matched"}


def _add(directory: Directory, caller: str, arguments: list[Any], options: dict[str, Any]) -> dict[str, Any]:
    directory.need_admin(caller, "add", f"krbprincipalname={arguments[0]}")
    service = directory.add_service(
        arguments[0], skip_host_check=options.get("skip_host_check", False), force=options.get("force", False)
    )
    summary = f'Added service "{service.principal}"'
    return {"result": entry(directory, service), "value": service.principal, "summary": summary}


def _mod(directory: Directory, caller: str, arguments: list[Any], _options: dict[str, Any]) -> dict[str, Any]:
    service = directory.service(arguments[0])
    directory.need_admin(caller, "write", service.principal)
    raise IpaError(4202, "EmptyModlist", "no modifications to be performed")


def _delete(directory: Directory, caller: str, arguments: list[Any], _options: dict[str, Any]) -> dict[str, Any]:
    directory.need_admin(caller, "delete", f"krbprincipalname={arguments[0]}")
    principals = [directory.delete_service(name) for name in arguments[0]]
    return {"result": {"failed": []}, "value": principals, "summary": f'Deleted service "{principals[0]}"'}


def _change_members(
    directory: Directory, caller: str, name: str, arguments: list[Any], options: dict[str, Any]
) -> dict[str, Any]:
    operation, add = _MEMBERS[name]
    service = directory.service(arguments[0])
    directory.need_admin(caller, "write", f"ipaAllowedToPerform;{operation}_keys")
    members = {kind: list(options.get(kind) or []) for kind in KINDS}
    completed, failed = directory.change_members(service, operation, members, add=add)
    return {
        "result": entry(directory, service),
        "completed": completed,
        # Never empty, also when all went well.
        "failed": {f"ipaallowedtoperform_{operation}_keys": failed},
    }


_COMMANDS: dict[str, Callable[[Directory, str, list[Any], dict[str, Any]], dict[str, Any]]] = {
    "ping": _ping,
    "service_show": _show,
    "service_find": _find,
    "service_add": _add,
    "service_mod": _mod,
    "service_del": _delete,
}

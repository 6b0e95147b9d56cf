#!/usr/bin/env python3
"""Write localcloud's table of gRPC methods, and the messages they take, from Google's client libraries.

localcloud answers gRPC calls as the REST requests they stand for. Which request that is, Google's libraries know: their
gRPC transport names each method with its messages, their REST transport its HTTP rules. What the controller's
environment lacks is read from Airflow's; neither needs to be there when localcloud runs.
Run it after an upgrade of the libraries: .venv/bin/python scripts/refresh_grpc.py
(with --check it only says, by exit status 1, that something would change).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import pkgutil
import sys
import typing
from importlib import import_module
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, empty_pb2
from google.rpc import error_details_pb2, status_pb2

PACKAGES = (
    "google.cloud.dataproc_v1",
    "google.cloud.orchestration.airflow.service_v1",
    "google.cloud.resourcemanager_v3",
    "google.cloud.secretmanager_v1",
)
# What operations and errors carry although no method names it.
ALSO = (empty_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dataplatform-compute"
TARGET = Path(__file__).parents[1] / "localcloud/src/localcloud/rpc"


class Table:
    """Collects methods by API, and the files that define their messages."""

    def __init__(self) -> None:
        self.methods: dict[str, dict[str, Any]] = {}
        self._files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
        for file in ALSO:
            self._add_file(file)

    def add_package(self, name: str) -> None:
        """Add every service of a library, and all messages it defines: operations carry some that no method names."""
        services = import_module(f"{name}.services")
        for service in pkgutil.iter_modules(services.__path__):
            self._add_service(f"{name}.services.{service.name}.transports")
        for exported in vars(import_module(f"{name}.types")).values():
            if hasattr(exported, "pb") and hasattr(exported.pb(), "DESCRIPTOR"):
                self._add_file(exported.pb().DESCRIPTOR.file)

    def descriptors(self) -> bytes:
        """Return the files as a FileDescriptorSet, each after those it depends on."""
        content = descriptor_pb2.FileDescriptorSet(file=self._files.values())
        return gzip.compress(content.SerializeToString(deterministic=True), mtime=0)

    def _add_service(self, transports: str) -> None:
        grpc_transport = _only_class(import_module(f"{transports}.grpc"), "GrpcTransport")
        rest_transport = _only_class(import_module(f"{transports}.rest_base"), "RestTransport")
        api = rest_transport.__bases__[0].DEFAULT_HOST.partition(".")[0]
        rows = self.methods.setdefault(api, {})
        for attribute in vars(grpc_transport).values():
            path = _path(attribute)
            if path is None:
                continue
            rules = getattr(rest_transport, f"_Base{path.rpartition('/')[2]}", None)
            options = rules._get_http_options() if hasattr(rules, "_get_http_options") else []
            if not options:
                continue
            request, response = _messages(attribute)
            row = rows.setdefault(path, {"request": request.full_name, "response": response.full_name, "rules": []})
            # Services of one API name different rules for what they share, such as operations.
            row["rules"] += [rule for rule in options if rule not in row["rules"]]
            for message in (request, response):
                self._add_file(message.file)

    def _add_file(self, file: Any) -> None:
        if file.name in self._files:
            return
        for dependency in sorted(file.dependencies, key=lambda each: each.name):
            self._add_file(dependency)
        content = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(content)
        if not content.public_dependency and not content.weak_dependency:
            # The libraries write these in an order that changes from run to run; no index refers to them.
            content.dependency.sort()
        self._files[file.name] = content


def _only_class(module: Any, suffix: str) -> Any:
    """Return the one class that a transport module defines under this kind of name."""
    (found,) = [
        value for name, value in vars(module).items() if name.endswith(suffix) and value.__module__ == module.__name__
    ]
    return found


def _path(attribute: Any) -> str | None:
    """Return the gRPC path that a property of a transport is the stub of, or None."""
    if not isinstance(attribute, property):
        return None
    constants = attribute.fget.__code__.co_consts
    return next((each for each in constants if isinstance(each, str) and each.startswith("/")), None)


def _messages(attribute: property) -> list[Any]:
    """Return the descriptors of a stub's request and response, which its annotation names."""
    (request,), response = typing.get_args(typing.get_type_hints(attribute.fget)["return"])
    if response is type(None):
        response = empty_pb2.Empty
    # Messages of the libraries' own wrap what protobuf knows.
    return [(each.pb() if hasattr(each, "pb") else each).DESCRIPTOR for each in (request, response)]


def main() -> int:
    """Write the files, or only compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 when a file is out of date")
    check = parser.parse_args().check
    sys.path += map(str, CACHE.glob("airflow/lib/python3*/site-packages"))
    table = Table()
    for package in PACKAGES:
        table.add_package(package)
    outdated = 0
    for name, content in {
        "methods.json": json.dumps(table.methods, indent=1, sort_keys=True).encode() + b"\n",
        "messages.binpb.gz": table.descriptors(),
    }.items():
        path = TARGET / name
        if path.is_file() and path.read_bytes() == content:
            print(f"{name}: up to date")
            continue
        outdated += 1
        print(f"{name}: {'out of date' if check else 'written'}")
        if not check:
            path.write_bytes(content)
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())

"""Which REST request a gRPC method stands for, and the messages it takes: written by scripts/refresh_grpc.py."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


@dataclass(frozen=True)
class Method:
    """One gRPC method: its messages, and its HTTP rules in the order in which they are tried."""

    request: type[Message]
    response: type[Message]
    rules: list[dict[str, str]]


class Table:
    """The methods of all APIs. Messages live in a pool of their own, apart from what other code imports."""

    def __init__(self) -> None:
        """Read the table (some 20 ms)."""
        package = resources.files(__package__)
        self._rows: dict[str, dict[str, Any]] = json.loads((package / "methods.json").read_bytes())
        self.pool = DescriptorPool()
        content = gzip.decompress((package / "messages.binpb.gz").read_bytes())
        for file in FileDescriptorSet.FromString(content).file:
            self.pool.Add(file)

    def find(self, api: str, path: str) -> Method | None:
        """Return the method at a gRPC path, such as /google.longrunning.Operations/GetOperation, of an API."""
        row = self._rows.get(api, {}).get(path)
        if row is None:
            return None
        return Method(self.message(row["request"]), self.message(row["response"]), row["rules"])

    def knows(self, path: str) -> bool:
        """Whether any API has a method at this path."""
        return any(path in rows for rows in self._rows.values())

    def message(self, name: str) -> type[Message]:
        """Return the class of the message with a full name. Raises KeyError."""
        return GetMessageClass(self.pool.FindMessageTypeByName(name))

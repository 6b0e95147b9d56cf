"""Two connections joined into one: what arrives at an end leaves at the other, no faster than that one takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class TunnelEnd(asyncio.Protocol):
    """One end; `join` makes two of them a tunnel."""

    def __init__(self, transport: Any = None) -> None:
        """Be the protocol of `transport`, or of a connection yet to be made."""
        self.transport = transport
        # Called when the connection is gone.
        self.on_lost: Callable[[], Any] = lambda: None
        self._other: TunnelEnd | None = None

    def join(self, other: TunnelEnd) -> None:
        """Make this end and `other` a tunnel."""
        self._other, other._other = other, self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a connection just made."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self._other and self._other.transport:
            self._other.transport.write(data)

    def pause_writing(self) -> None:
        """Read no more at the other end until this one has sent what it holds."""
        if self._other and self._other.transport:
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on at the other end."""
        if self._other and self._other.transport and not self._other.transport.is_closing():
            self._other.transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        """Close the other end, once it has sent what it holds."""
        self.on_lost()
        if self._other and self._other.transport:
            self._other.transport.close()

"""The server process: takes the lock of its home, listens on the loopback, serves until told to stop."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import json
import logging
import os
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import filelock
import psutil
import uvloop

from localcloud.certificates import server_context
from localcloud.environment import write_environment
from localcloud.files import write_private
from localcloud.hadoop import HadoopMissing
from localcloud.home import HomeError, prepare_home
from localcloud.instance import Instance
from localcloud.proxy import ProxyProtocol, ProxyServer
from localcloud.settings import Settings
from localcloud.store import StateError

LOOPBACK = "127.0.0.1"
_LOCK_SECONDS = 3.0
_NODE_SECONDS = 10.0
_log = logging.getLogger("localcloud")


class StartError(Exception):
    """The server cannot start; the message is for the person who typed `up`."""


class LockedError(StartError):
    """Another server holds this home."""


def serve(settings: Settings, on_ready: Callable[[Settings], None]) -> None:
    """Serve until SIGTERM or SIGINT; `on_ready` is called with the actual port. Raises StartError."""
    try:
        prepare_home(settings)
    except HomeError as error:
        raise StartError(str(error)) from None
    lock = take_lock(settings, _LOCK_SECONDS)
    try:
        listener = _listen(settings.port)
        settings = dataclasses.replace(settings, port=listener.getsockname()[1])
        uvloop.run(_serve(settings, listener, on_ready))
    except (StateError, HadoopMissing) as error:
        raise StartError(str(error)) from None
    finally:
        lock.release()


def take_lock(settings: Settings, seconds: float) -> filelock.FileLock:
    """Return the lock of the home, taken; it goes with the process, however that ends. Raises LockedError."""
    lock = filelock.FileLock(settings.lock_file, mode=0o600)
    try:
        lock.acquire(timeout=seconds, poll_interval=0.05)
    except filelock.Timeout:
        raise LockedError(f"another localcloud is running in {settings.home}") from None
    return lock


async def _serve(settings: Settings, listener: socket.socket, on_ready: Callable[[Settings], None]) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    instance = Instance(settings, lambda node: _serve_node(loop, proxy, node))
    proxy = ProxyServer(instance.application, server_context(settings))
    write_environment(settings)
    await instance.start()
    server = await loop.create_server(lambda: ProxyProtocol(proxy), sock=listener, backlog=512)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    instance.control.status = {
        "pid": os.getpid(),
        "port": settings.port,
        "pace": settings.pace,
        "started": started,
        "home": str(settings.home),
        "engine": _engine(settings, instance),
        "engine_note": instance.engine_note,
    }
    process = {**instance.control.status, "secret": instance.control_secret}
    write_private(settings.process_file, json.dumps(process).encode())
    ticker = loop.create_task(instance.run_ticker())
    _log.info("serving on http://%s:%d (pace %s)", LOOPBACK, settings.port, settings.pace)
    on_ready(settings)
    await stopping.wait()
    _log.info("stopping")
    # Clients are led elsewhere first, so that nobody finds variables of a server that is gone.
    settings.environment_file.unlink(missing_ok=True)
    server.close()
    ticker.cancel()
    await proxy.close()
    await instance.stop()
    settings.process_file.unlink(missing_ok=True)
    _log.info("stopped")


def _engine(settings: Settings, instance: Instance) -> str:
    """Return which engine it is in the end."""
    if not instance.runtime:
        return "process"
    return "podman" if settings.engine == "podman" else "yarn"


def _serve_node(loop: asyncio.AbstractEventLoop, proxy: ProxyServer, node: socket.socket) -> Callable[[], None]:
    """Serve on a socket that listens on a node; return what ends that. For other threads than the loop's."""
    starting = loop.create_server(lambda: ProxyProtocol(proxy), sock=node, backlog=512)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(_NODE_SECONDS)
    return lambda: loop.call_soon_threadsafe(server.close)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise StartError(
            f"port {port} on {LOOPBACK} cannot be used: {_owner_of(port) or error.strerror}. "
            "Choose another with `localcloud up --port N` (0: any free port), or stop that program."
        ) from None
    listener.setblocking(False)
    return listener


def _owner_of(port: int) -> str:
    """Return a description of the process that listens on `port`, as far as this user may see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                if connection.pid is None:
                    return "another user's process listens on it"
                process = psutil.Process(connection.pid)
                return f"process {process.pid} ({' '.join(process.cmdline())[:120]}) listens on it"
    except (psutil.Error, OSError):
        return "another process listens on it"
    return ""

"""The Dask scheduler's own process: ``python -m dask_on_yarn.scheduler_main HOST DASHBOARD_PORT DIRECTORY``.

It makes the run's certificate (in parallel with everything the launcher does meanwhile) and writes it to DIRECTORY,
serves on a free port of HOST and the dashboard on DASHBOARD_PORT, and says on standard output, as one line of JSON,
where it can be reached. Logs go to standard error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

import dask
from distributed import Scheduler

from dask_on_yarn import dashboard_entrance, run_state
from dask_on_yarn.security import RunSecurity

#: How many lost workers a task survives. Dask's own 3 is meant for tasks that kill their worker; here workers also go
#: by preemption, spot loss and a lost application master (all at once), none of which is the task's fault.
ALLOWED_FAILURES = 12


async def serve(host: str, dashboard_port: int, directory: Path) -> None:
    """Serve until SIGTERM, SIGINT or a client's ``shutdown``."""
    security = RunSecurity.create()
    security.write(directory)
    routes = "distributed.scheduler.http.routes"
    dask.config.set({routes: [dashboard_entrance.__name__, *dask.config.get(routes)]})
    scheduler = Scheduler(
        host=host,
        port=0,
        protocol="tls://",
        security=security.dask_security(),
        dashboard=True,
        dashboard_address=f"{host}:{dashboard_port}",
        allowed_failures=ALLOWED_FAILURES,
    )
    run_state.install(scheduler)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with scheduler:
        sys.stdout.write(json.dumps({"address": scheduler.address}) + "\n")
        sys.stdout.flush()
        ended = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(scheduler.finished())]
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        # Connections that are cut from here on would be the last errors in the driver's output, below the script's own.
        logging.disable(logging.CRITICAL)


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    host, dashboard_port, directory = sys.argv[1:]
    asyncio.run(serve(host, int(dashboard_port), Path(directory)))


if __name__ == "__main__":
    main()

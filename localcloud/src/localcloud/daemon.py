"""Entry point of the server process in the background: `python -m localcloud.daemon`, started by `localcloud up`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from localcloud import supervise
from localcloud.server import LockedError, StartError, serve
from localcloud.settings import Settings


def main() -> int:
    """Serve; tell the starter over the pipe `--report-to` how starting went. Returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pace", required=True)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--report-to", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    report = os.fdopen(arguments.report_to, "w", encoding="utf-8")

    def tell(text: str) -> None:
        report.write(text)
        report.close()

    try:
        settings = Settings(arguments.home, arguments.port, arguments.pace, engine=arguments.engine)
        serve(settings, lambda _settings: tell(supervise.READY))
    except StartError as error:
        tell(f"{supervise.LOCKED if isinstance(error, LockedError) else supervise.FAILED} {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

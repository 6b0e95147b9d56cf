"""The commands `localcloud airflow ...`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from localcloud.settings import Settings

LOGS = ("scheduler", "triggerer", "webserver", "dag_processor_manager")


def airflow_commands(control: Callable[..., dict[str, Any]], settings: Callable[[], Settings]) -> click.Group:
    """Return the group; `control` calls the running server, `settings` are those of the command line."""

    @click.group("airflow")
    def group() -> None:
        """Look into the Airflow of Composer environments. Its command line: gcloud composer environments run."""

    @group.command()
    @click.argument("environment", default="")
    @click.option(
        "--stop", is_flag=True, help="End the web server again; `down` and changes of the environment do, too."
    )
    def ui(environment: str, stop: bool) -> None:
        """Start Airflow's web server of ENVIRONMENT (default: the only one) on the loopback, and print the login."""
        wanted = {"action": "close-ui" if stop else "open-ui", "environment": environment}
        answer = control("POST", "/localcloud/airflow", wanted, timeout=240)
        if stop:
            click.echo("the web server has ended")
            return
        click.echo(f"{answer['url']}  user {answer['user']}, password {answer['password']}")

    @group.command()
    @click.argument("environment", default="")
    @click.option("--of", "part", type=click.Choice(LOGS), default="scheduler", show_default=True)
    @click.option("--lines", "-n", type=click.IntRange(1), default=50, show_default=True)
    def logs(environment: str, part: str, lines: int) -> None:
        """Print the last lines that a part of ENVIRONMENT's Airflow wrote; logs of tasks are in its bucket."""
        homes = settings().composer_directory / "environments"
        found = [path for path in sorted(homes.glob("*")) if environment in ("", path.name.partition("_")[2])]
        if len(found) != 1:
            there = ", ".join(path.name.partition("_")[2] for path in sorted(homes.glob("*"))) or "none"
            click.echo(f"localcloud: name one of the environments: {there}", err=True)
            sys.exit(1)
        _print_tail(found[0] / "logs" / f"{part}.log", lines)

    return group


def _print_tail(file: Path, lines: int) -> None:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        click.echo(f"localcloud: there is no {file}", err=True)
        sys.exit(1)
    for line in text.splitlines()[-lines:]:
        click.echo(line)

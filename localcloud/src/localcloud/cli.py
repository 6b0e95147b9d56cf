"""The command `localcloud`."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import shlex
import sys
from typing import Any, NoReturn

import click

from localcloud import journal, supervise
from localcloud.composer.cli import airflow_commands
from localcloud.compute.cli import image_commands
from localcloud.environment import merged_environment, read_environment
from localcloud.settings import DEFAULT_PORT, ENGINES, PACES, Settings, default_home


class _Commands(click.Group):
    """Commands that end with the message of what is wrong with the server."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except supervise.SuperviseError as error:
            _fail(str(error))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run a laptop-sized Google Cloud that unmodified clients reach through environment variables.

    Its state is kept in LOCALCLOUD_HOME (default: localcloud in ~/.local/state).
    """


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), help=f"Port on 127.0.0.1; 0: any free one.  [{DEFAULT_PORT}]")
@click.option("--pace", type=click.Choice(PACES), help="Waiting times: Google's own, or a hundredth.  [fast]")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    envvar="LOCALCLOUD_ENGINE",
    help="What clusters are made of: real YARN daemons as processes, or in containers with systemd that run their "
    "initialization actions (podman, root only), or nothing (jobs are plain processes).  "
    "[auto: yarn where Java, Hadoop's jars and Spark are there]",
)
@click.option("--foreground", is_flag=True, help="Stay in the foreground until Ctrl-C.")
def up(port: int | None, pace: str | None, engine: str | None, foreground: bool) -> None:
    """Start it, and return once it serves; does nothing when it is up."""
    settings = _settings()
    # After a kill it goes on as it was: the jobs that outlived it talk to its port.
    killed = supervise.read_process_file(settings) or {}
    settings = dataclasses.replace(
        settings,
        port=port if port is not None else killed.get("port", DEFAULT_PORT),
        pace=pace or killed.get("pace", settings.pace),
        engine=engine or killed.get("engine", settings.engine),
    )
    if foreground:
        _serve_here(settings)
        return
    process, started = supervise.start(settings)
    address = f"http://127.0.0.1:{process['port']} (pace {process['pace']}, home {settings.home})"
    click.echo(f"localcloud is up: {address}" if started else f"localcloud was up already: {address}")
    if process.get("engine_note"):
        click.echo(process["engine_note"])
    for name, wanted in (("port", port), ("pace", pace), ("engine", None if engine == "auto" else engine)):
        if wanted not in (None, 0, process[name]):
            click.echo(
                f"note: it keeps {name} {process[name]}; for {name} {wanted}: localcloud down, then up", err=True
            )


@main.command()
def down() -> None:
    """Stop it together with the jobs it runs; resources and objects are kept."""
    stopped = supervise.stop(_settings())
    click.echo("localcloud is down" if stopped else "localcloud was not running")


@main.command()
def status() -> None:
    """Say whether it is up (exit status 0) or not (3), or there and without an answer (1)."""
    settings = _settings()
    process = supervise.running(settings)
    if process is None:
        crashed = supervise.read_process_file(settings) is not None
        click.echo(
            "localcloud is not running" + (": it was killed; `localcloud up` goes on from there" if crashed else "")
        )
        sys.exit(3)
    click.echo(
        f"localcloud is up: http://127.0.0.1:{process['port']}, process {process['pid']}, pace {process['pace']}, "
        f"engine {process['engine']}, since {process['started']}, home {settings.home}"
    )
    overview = supervise.call(process, "GET", "/localcloud/overview")
    for cluster in overview["clusters"]:
        url = f", ResourceManager {cluster['resource_manager']}" if cluster["resource_manager"] else ""
        click.echo(f"cluster {cluster['name']} ({cluster['region']}): {cluster['state']}{url}")
    for job in overview["jobs"]:
        click.echo(f"job {job['id']} on {job['cluster']}: {job['state']}")
        for application in job["applications"]:
            click.echo(f"  {application['name']}: {application['state']} {application['url']}".rstrip())
    for item in overview["environments"]:
        parts = [f"{part} {'runs' if runs else 'is down'}" for part, runs in item["airflow"].items()]
        click.echo(
            f"environment {item['name']} ({item['location']}): {item['state']}, "
            f"{', '.join(parts) or 'Airflow does not run'}, bucket gs://{item['bucket']}"
        )


@main.command()
@click.option("--format", "style", type=click.Choice(["shell", "json"]), default="shell", show_default=True)
def env(style: str) -> None:
    """Print the variables that lead clients to it.

    With them set in a shell, pip, apt and git in that shell fail: their hosts are not Google's. Prefer
    `localcloud exec`.
    """
    variables = _environment(_settings())
    if style == "json":
        click.echo(json.dumps(variables, indent=2, sort_keys=True))
        return
    for name, value in sorted(variables.items()):
        click.echo(f"export {name}={shlex.quote(value)}")


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(command: tuple[str, ...]) -> NoReturn:
    """Run COMMAND led to it: its variables win over preset ones. `localcloud exec -- gcloud storage ls`."""
    variables = _environment(_settings())
    try:
        os.execvpe(command[0], command, merged_environment(variables))  # noqa: S606  (running it is the point)
    except FileNotFoundError:
        _fail(f"no such command: {command[0]}", 127)
    except PermissionError:
        _fail(f"cannot be executed: {command[0]}", 126)


@main.command()
@click.option("--unserved", is_flag=True, help="Only what localcloud does not serve, counted by method.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--clear", is_flag=True, help="Forget all requests so far.")
def requests(unserved: bool, as_json: bool, clear: bool) -> None:
    """List the requests it has answered; with --unserved, exit status 1 when there are any."""
    settings = _settings()
    process = supervise.running(settings)
    if clear:
        if process:
            supervise.call(process, "DELETE", "/localcloud/requests")
        else:
            journal.Journal(settings.journal_file).clear()
        return
    if process:
        supervise.call(process, "POST", "/localcloud/flush")
    entries = (entry for entry in journal.read(settings.journal_file) if not unserved or not entry["served"])
    if as_json:
        found = False
        for entry in entries:
            found = True
            click.echo(json.dumps(entry, ensure_ascii=False))
        sys.exit(1 if unserved and found else 0)
    if unserved:
        counts = collections.Counter((entry["method_id"], entry["host"]) for entry in entries)
        for (method_id, host), count in sorted(counts.items()):
            click.echo(f"{count:6d}  {method_id}  ({host})")
        sys.exit(1 if counts else 0)
    for entry in entries:
        fault = f"  fault: {entry['fault']}" if "fault" in entry else ""
        rpc = "  gRPC" if "rpc" in entry else ""
        click.echo(
            f"{entry['time']}  {entry['status']:3d}  {entry['duration'] * 1000:8.1f} ms  {entry['method_id']}  "
            f"{entry['method']} {entry['path']}{rpc}{fault}"
        )


@main.group()
def fault() -> None:
    """Make requests and operations fail on purpose."""


@fault.command("add")
@click.option("--method", default="*", show_default=True, help="Method id or glob: 'dataproc.projects.regions.jobs.*'.")
@click.option("--kind", help="status (default), reset, truncate, delay, disk-full, operation-error or operation-hang.")
@click.option("--status", help="HTTP status of the answer; of an operation-error also a name, such as INTERNAL.")
@click.option("--reason", help="Reason in errors[] of the older APIs.")
@click.option("--message", help="Message of the error.")
@click.option("--delay", type=float, help="Seconds before the request goes on.")
@click.option("--retry-after", type=int, help="Retry-After header, in seconds.")
@click.option("--after", type=int, help="Let this many matching requests pass first.")
@click.option("--count", type=int, help="Hit this many, then vanish; 0: all.")
def add_fault(**options: Any) -> None:
    """Add a fault and print its number."""
    given = {name: value for name, value in options.items() if value is not None}
    if "kind" not in given:
        given["kind"] = "delay" if "delay" in given and "status" not in given else "status"
    added = _control("POST", "/localcloud/faults", given)
    click.echo(f"fault {added['id']}: {_describe_fault(added)}")


@fault.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_faults(as_json: bool) -> None:
    """List the faults."""
    faults = _control("GET", "/localcloud/faults")["faults"]
    if as_json:
        click.echo(json.dumps(faults, indent=2))
        return
    for item in faults:
        click.echo(f"{item['id']:4d}  {_describe_fault(item)}")


@fault.command("clear")
@click.argument("number", type=int, required=False)
def clear_faults(number: int | None) -> None:
    """Remove fault NUMBER, or all of them."""
    path = "/localcloud/faults" if number is None else f"/localcloud/faults/{number}"
    removed = _control("DELETE", path)["removed"]
    if number is not None and not removed:
        _fail(f"there is no fault {number}; see `localcloud fault list`")
    click.echo(f"removed {removed} fault{'' if removed == 1 else 's'}")


@main.group()
def node() -> None:
    """Look at the nodes of clusters, and lose some on purpose."""


@node.command("list")
@click.argument("cluster", default="")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_nodes(cluster: str, as_json: bool) -> None:
    """List the nodes of CLUSTER, or of all clusters: memory in MiB, used of offered."""
    nodes = _control("GET", f"/localcloud/nodes/{cluster}")["nodes"]
    if as_json:
        click.echo(json.dumps(nodes, indent=2))
        return
    for item in nodes:
        click.echo(
            f"{item['name']:32s}  {item['group']:9s}  {item['address']:15s}  {item['state']:15s}  "
            f"{item['used_mb']:6d} of {item['memory_mb']:6d} MiB  {item['used_vcores']} of {item['vcores']} vcores  "
            f"{item['containers']} containers"
        )


@node.command("kill")
@click.argument("cluster")
@click.argument("name", metavar="NODE")
def kill_node(cluster: str, name: str) -> None:
    """Lose NODE of CLUSTER with all that runs on it, at once, as when its machine fails."""
    _control("POST", "/localcloud/nodes", {"action": "kill", "cluster": cluster, "node": name})
    click.echo(f"{name} is gone")


@node.command("preempt")
@click.argument("cluster")
@click.argument("name", metavar="NODE")
@click.option("--notice", type=click.FloatRange(0), help="Real seconds of notice.  [30, at the pace]")
def preempt_node(cluster: str, name: str, notice: float | None) -> None:
    """Take NODE of CLUSTER away as Compute Engine does a spot machine: notice, then it is lost.

    Its metadata server says `instance/preempted` = TRUE from now on. Nobody makes it again, except a resize or the
    autoscaler.
    """
    wanted = {"action": "preempt", "cluster": cluster, "node": name, "notice": notice}
    seconds = _control("POST", "/localcloud/nodes", wanted)["seconds"]
    click.echo(f"{name} is lost in {seconds:g} s")


@main.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Delete every resource, object, job, fault and journal line; credentials and certificates are kept.

    It need not be up; a state that another version has written becomes usable again.
    """
    settings = _settings()
    if not yes:
        click.confirm(f"Delete everything in the local cloud at {settings.home}?", abort=True)
    supervise.reset(settings)
    click.echo("localcloud is empty")


def _serve_here(settings: Settings) -> None:
    import logging  # noqa: PLC0415  (the server's modules are loaded only where they are needed)

    from localcloud.server import StartError, serve  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        serve(
            settings, lambda served: click.echo(f"localcloud is up: http://127.0.0.1:{served.port} (Ctrl-C stops it)")
        )
    except StartError as error:
        _fail(str(error))


def _settings() -> Settings:
    return Settings(default_home())


def _environment(settings: Settings) -> dict[str, str]:
    variables = read_environment(settings)
    if variables is None or supervise.running(settings) is None:
        _fail("localcloud is not running; start it with: localcloud up")
    return variables


def _control(method: str, path: str, body: Any = None, timeout: float = supervise.ANSWER_SECONDS) -> dict[str, Any]:
    process = supervise.running(_settings())
    if process is None:
        _fail("localcloud is not running; start it with: localcloud up")
    return supervise.call(process, method, path, body, timeout)


def _describe_fault(item: dict[str, Any]) -> str:
    parts = [item["kind"]]
    parts += [f"{name} {item[name]}" for name in ("status", "reason", "message", "delay", "retry_after") if item[name]]
    parts.append(f"on {item['method']}")
    if item["after"]:
        parts.append(f"after {item['after']} more")
    if item["count"]:
        parts.append(f"{item['hits']} of {item['count']} times")
    return ", ".join(parts)


def _fail(message: str, code: int = 1) -> NoReturn:
    click.echo(f"localcloud: {message}", err=True)
    sys.exit(code)


main.add_command(airflow_commands(_control, _settings))
main.add_command(image_commands(_control))

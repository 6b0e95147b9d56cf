# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of an environment as a table that a person reads in ten seconds: counts on top, worst first. Pure."""

from __future__ import annotations

from datetime import datetime

from ansible_collections.dataplatform.compute.plugins.module_utils.status_failures import Failure
from ansible_collections.dataplatform.compute.plugins.module_utils.status_report import Status, since
from ansible_collections.dataplatform.compute.plugins.module_utils.status_runs import Run
from ansible_collections.dataplatform.compute.plugins.module_utils.status_table import Detail, Section, render, span

_NONE = "-"


def as_text(status: Status, width: int) -> str:
    """The table."""
    broken = sum(cluster.broken for cluster in status.clusters)
    attention = sum(pin.attention for pin in status.pins)
    counts = [
        f"{len(status.failures)} failed in {status.hours:g} h",
        f"{len(status.waiting)} waiting",
        f"{len(status.running)} running",
        _counted(len(status.clusters), "cluster", "clusters") + (f", {broken} broken" if broken else ""),
        *([_counted(attention, "pin needs attention", "pins need attention")] if attention else []),
    ]
    sections = [_failures(status), _waits(status), _runs(status), _clusters(status), _pins(status), _releases(status)]
    title = f"{status.where}, {status.now:%Y-%m-%d %H:%M} UTC"
    return render(title, counts, sections, [*_slot_notes(status), *status.notes], width)


def _failures(status: Status) -> Section:
    rows, details = [], {}
    for number, (failure, more) in enumerate(_grouped(status)):
        ago = span((status.now - failure.ended).total_seconds())
        again = f" (and {more} before)" if more else ""
        rows.append((ago, failure.what + again, failure.owner or _NONE, failure.team or _NONE, failure.run or _NONE))
        log = f"log: {failure.log}" if failure.log else ""
        below = (log, failure.command(status.inventories))
        details[number] = Detail(failure.reason, tuple(line for line in below if line))
    heading = f"FAILED in the last {status.hours:g} hours"
    return Section(heading, ("AGO", "WORKLOAD", "OWNER", "TEAM", "RUN"), rows, details)


def _grouped(status: Status) -> list[tuple[Failure, int]]:
    """The last failure of everything that failed, with how often it failed before that, newest first."""
    last: dict[tuple[str, str], Failure] = {}
    count: dict[tuple[str, str], int] = {}
    for failure in status.failures:
        key = (failure.what, failure.owner)
        last.setdefault(key, failure)
        count[key] = count.get(key, 0) + 1
    return [(failure, count[key] - 1) for key, failure in last.items()]


def _waits(status: Status) -> Section:
    rows, details = [], {}
    for number, run in enumerate(status.waiting):
        rows.append(
            (
                span(since(run.submitted, status.now)),
                run.workload or _NONE,
                run.owner or _NONE,
                run.queue or _NONE,
                run.cluster,
                _left(run, status.now),
                run.run,
            )
        )
        details[number] = Detail(status.reasons[run.run].text if run.run in status.reasons else "")
    columns = ("AGE", "WORKLOAD", "OWNER", "QUEUE", "CLUSTER", "LEFT", "RUN")
    return Section("WAITING", columns, rows, details)


def _runs(status: Status) -> Section:
    rows = [
        (
            span(since(run.submitted, status.now)),
            run.workload or _NONE,
            run.owner or _NONE,
            run.team or _NONE,
            run.priority or _NONE,
            run.cluster,
            run.phase + (", no word from its agent" if run.substate == "STALE_STATUS" else ""),
            _left(run, status.now),
            run.run,
        )
        for run in status.running
    ]
    columns = ("AGE", "WORKLOAD", "OWNER", "TEAM", "PRIORITY", "CLUSTER", "STATE", "LEFT", "RUN")
    return Section("RUNNING", columns, rows)


def _clusters(status: Status) -> Section:
    rows, details = [], {}
    for number, cluster in enumerate(status.clusters):
        most = "?" if cluster.most_workers is None else cluster.most_workers
        other = "" if not cluster.image or cluster.image == status.pinned_image else " (not the pinned one)"
        goes = (cluster.deleted_at - status.now).total_seconds() if cluster.deleted_at else None
        rows.append(
            (
                span(since(cluster.created, status.now)),
                cluster.name,
                cluster.template or _NONE,
                cluster.placement or _NONE,
                cluster.owner or _NONE,
                cluster.state + (f" {cluster.substate}" if cluster.substate else ""),
                f"{cluster.workers}/{most}",
                span(max(0, goes)) if goes is not None else "never",
                f"{cluster.image or _NONE}{other}",
            )
        )
        details[number] = Detail(cluster.detail if cluster.broken else cluster.wants())
    columns = ("AGE", "CLUSTER", "TEMPLATE", "PLACEMENT", "OWNER", "STATE", "WORKERS", "DELETED IN", "IMAGE")
    return Section("CLUSTERS", columns, rows, details)


def _pins(status: Status) -> Section:
    rows = [(("! " if pin.attention else "") + pin.name, pin.value, pin.note) for pin in status.pins]
    return Section("PINS", ("WHAT", "PIN", ""), rows)


def _releases(status: Status) -> Section:
    rows = [
        (
            span(since(release.released_at, status.now)),
            release.team,
            release.release,
            release.released_by + ("" if release.verified else " (Airflow was not seen to run it)"),
        )
        for release in status.releases
    ]
    return Section("DAG RELEASES", ("AGE", "TEAM", "RELEASE", "BY"), rows)


def _slot_notes(status: Status) -> list[str]:
    at_limit = [
        f"{owner} ({held} of {status.slots_per_user})"
        for owner, held in sorted(status.held_slots().items())
        if held >= status.slots_per_user
    ]
    if not at_limit:
        return []
    return [f"Worker slots all taken, so a further DAG run waits in Airflow: {', '.join(at_limit)}."]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _left(run: Run, now: datetime) -> str:
    left = run.seconds_left(now)
    if left is None:
        return _NONE
    return f">= {span(left)}" if left else "due"

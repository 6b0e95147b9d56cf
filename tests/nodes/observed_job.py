"""One job on the cluster of nodes, watched from its start to its end, for all tests that need a job that ran."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.yarn.jobs.cluster import Cluster, Job

# A plain script: it computes with two workers, is idle until one of them was given back, and uses what both had.
JOB = """
import json, os, socket, ssl, sys, time, uuid, pathlib
from dask.distributed import Client

MARKS = pathlib.Path("/shared/dask-tmp")

def part(number):
    (MARKS / f"{number}-{uuid.uuid4()}").touch()
    # Long enough in all that the second worker comes while there is work, on a busy machine, too.
    time.sleep(2)
    return number

def who():
    import dask
    return [os.getuid(), list(sys.version_info[:2]), dask.__version__, sys.prefix, socket.gethostname()]

def write(name):
    path = pathlib.Path("/shared/projects") / name
    path.mkdir()
    (path / "file").write_text(socket.gethostname())
    return [socket.gethostname(), os.getuid()]

def stranger(address):
    host, _, port = address.rpartition("/")[2].rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(socket.create_connection((host, int(port)), timeout=10)) as connection:
            return "served" if connection.recv(1) else "refused"
    except (ssl.SSLError, ConnectionError):
        return "refused"

client = Client()
address = client.scheduler.address
# Nothing was waited for: what starts a script has a scheduler that answers and workers that come.
first = client.submit(sum, [1, 2]).result(timeout=120)
futures = client.map(part, range(40))
client.gather(futures)
workers = client.scheduler_info(n_workers=-1)["workers"]
facts = {"first": first, "address": address, "stranger": stranger(address), "workers": sorted(workers),
         "holders": len({holder for holders in client.who_has(futures).values() for holder in holders}),
         "wrote": {"driver": write("driver"), "worker": client.submit(write, "worker").result()},
         "who": list(client.run(who).values()), "script": who()}
print("RESULT", json.dumps(facts), flush=True)
while len(client.scheduler_info(n_workers=-1)["workers"]) > 1:
    time.sleep(0.2)
# Whoever watches has to see YARN without its container.
while not (MARKS / "seen").exists():
    time.sleep(0.2)
print("AFTER", sum(client.gather(futures)), flush=True)
"""


@dataclass(frozen=True)
class Observed:
    """What the job said, what YARN said meanwhile, and what was left of its data when a worker had gone."""

    facts: dict[str, Any]
    application_with_two_workers: dict[str, Any]
    allocated_with_one_worker: int
    after: int
    times_computed: list[int]


def observe(cluster: Cluster, marks: Path) -> Observed:
    """Run the job and watch it; ``marks`` is what nodes have at /shared/dask-tmp."""
    job = cluster.submit(JOB, min_workers=1, max_workers=2, worker_threads=1, idle_hold=8)
    application = job.wait_for(lambda: with_containers(job, 3), "an application of three containers")
    job.wait_for_output("RESULT ")
    (line,) = [line.partition("RESULT ")[2] for line in job.output.splitlines() if "RESULT " in line]
    allocated = job.wait_for(lambda: with_containers(job, 2), "a worker's container given back")["allocatedMB"]
    (marks / "seen").touch()
    output = job.succeeds()
    numbers = [int(path.name.partition("-")[0]) for path in marks.glob("*-*-*")]
    return Observed(
        facts=json.loads(line),
        application_with_two_workers=application,
        allocated_with_one_worker=allocated,
        after=int(re.search(r"AFTER (\d+)", output).group(1)),
        times_computed=[numbers.count(number) for number in range(40)],
    )


def with_containers(job: Job, containers: int) -> dict[str, Any]:
    """The job's application when it has so many containers; empty before."""
    application = job.application()
    return application if application.get("runningContainers") == containers else {}

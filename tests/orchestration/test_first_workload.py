"""``docs/first-workload.md`` as it stands: every block, in order, in a copy of the checkout.

The blocks for ``dev`` get one more option: a file of facts that make the local cloud ``dev``, since here is no Google.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, LocalCloud
from tests.integration.google import PROJECT, REGION, STORAGE, Google, wait_for
from tests.yarn.jobs.cluster import ARTIFACTS_BUCKET, DATA_BUCKET, running_cloud

COMPOSER = f"https://composer.googleapis.com/v1/projects/{PROJECT}/locations/{REGION}/environments/dataplatform-local"
PAGE = REPOSITORY / "docs" / "first-workload.md"
WORKLOADS = "inventories/common/workloads.yml"
SECONDS = 900
# The first test of a run also waits for the page's first block.
pytestmark = pytest.mark.timeout(2 * SECONDS)
# Where in the data bucket each example DAG writes: three of the inventory's workloads, three written by hand.
EXAMPLES = {
    "flights-etl": "flights-etl",
    "flights-analytics": "flights-analytics",
    "flights-delay-model": "flights-delay-model",
    "growth-flights": "growth/delays",
    "growth-analytics-nfs": "growth/answers",
    "platform-delay-model": "platform/model",
}


def blocks(language: str) -> list[str]:
    """The page's blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@dataclass
class Reader:
    """Somebody who follows the page in a checkout of their own."""

    checkout: Path
    cloud: LocalCloud
    outputs: list[str] = field(default_factory=list)

    def type(self, block: str) -> str:
        """Run a block as one shell script; what it printed."""
        completed = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.checkout,
            env={**self.cloud.environment_without_proxy(), "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
        assert completed.returncode == 0, f"{block}\n{completed.stdout}\n{completed.stderr}"
        self.outputs.append(completed.stdout)
        return completed.stdout


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A copy of what git knows, with the tools of this checkout, and a cloud with real YARN."""
    checkout = tmp_path_factory.mktemp("page") / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, target = REPOSITORY / name, checkout / name
        if source.exists() or source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    (checkout / ".venv").symlink_to((REPOSITORY / ".venv").resolve())
    with running_cloud(tmp_path_factory.mktemp("cloud") / "home", "yarn") as cloud:
        yield Reader(checkout, cloud)


def start_once(reader: Reader) -> None:
    """Bring up what the page's first block brings up, unless an earlier test has."""
    if not reader.outputs:
        reader.type(blocks("sh")[0])


def clusters(reader: Reader) -> dict[str, str]:
    """All clusters by name, with their placement."""
    answer = Google(reader.cloud.environment).get("clusters")
    return {one["clusterName"]: one["labels"]["placement"] for one in answer.get("clusters", [])}


def objects(reader: Reader, prefix: str, bucket: str = DATA_BUCKET) -> list[str]:
    """The names of a bucket's objects that begin so."""
    listed = f"{STORAGE}/storage/v1/b/{bucket}/o"
    answer = Google(reader.cloud.environment).call("GET", listed, params={"prefix": prefix}).json()
    return [item["name"] for item in answer.get("items", [])]


def jobs_of(reader: Reader, dag: str, run: str) -> list[dict[str, Any]]:
    """The jobs that a DAG run has submitted."""
    known = Google(reader.cloud.environment).get("jobs").get("jobs", [])
    return [job for job in known if (job["labels"].get("dag"), job["labels"].get("run")) == (dag, run)]


def runs_now(reader: Reader, dag: str, run: str) -> bool:
    """Whether a DAG run has a job that runs."""
    return "RUNNING" in [job["status"]["state"] for job in jobs_of(reader, dag, run)]


def live_archive(reader: Reader, team: str) -> dict[str, Any]:
    """The object that Airflow parses a team's DAGs from."""
    google = Google(reader.cloud.environment)
    prefix = google.call("GET", COMPOSER).json()["config"]["dagGcsPrefix"]
    bucket = prefix.removeprefix("gs://").partition("/")[0]
    return google.call("GET", f"{STORAGE}/storage/v1/b/{bucket}/o/dags%2Fdataplatform-{team}.zip").json()


def dev_facts(cloud: LocalCloud) -> dict[str, object]:
    """What makes this cloud the environment ``dev``."""
    composer = yaml.safe_load((REPOSITORY / "inventories/dev/group_vars/all/composer.yml").read_text())
    return {
        "gcp_project": PROJECT,
        "gcp_expected_principal": f"localcloud@{PROJECT}.iam.gserviceaccount.com",
        "platform_process_environment": cloud.environment,
        "platform_buckets": {name: f"{PROJECT}-dev-{name}" for name in ("artifacts", "data", "staging", "temp")},
        "platform_service_account": f"dataproc-node@{PROJECT}.iam.gserviceaccount.com",
        "platform_kms_key": f"projects/{PROJECT}/locations/europe-west1/keyRings/data-platform/cryptoKeys/dataproc",
        "platform_kerberos": None,
        "platform_nfs": None,
        # Here nobody's Terraform made one.
        "platform_composer": {
            **composer["platform_composer"],
            "location": "europe-west1",
            "managed_by": "ansible",
            "service_account": f"composer@{PROJECT}.iam.gserviceaccount.com",
        },
    }


@pytest.mark.slow
@pytest.mark.parametrize(("dag", "output"), EXAMPLES.items())
def test_examples_run_on_yarn_and_leave_their_output_and_no_cluster_of_their_own(
    reader: Reader, dag: str, output: str
) -> None:
    start_once(reader)
    # Nodes of a laptop are its processes and see its files: what is for NFS goes to the bucket, as the DAG says.
    conf = json.dumps({"conf": {"output": f"gs://{DATA_BUCKET}/{output}"} if dag == "growth-analytics-nfs" else {}})
    said = reader.type(f"source .venv/bin/activate; ansible-playbook playbooks/run_dag.yml -e dag={dag} -e '{conf}'")
    assert re.search(rf"DAG {dag}, run \S+: success$", said, re.MULTILINE)
    assert re.search(r"^ +YARN: +[1-9]\d* MiB s", said, re.MULTILINE)
    # A run deletes its own; the shared one stays until nobody has used it for its template's time.
    assert "own" not in clusters(reader).values()
    written = objects(reader, output)
    assert [name for name in written if name.endswith("/summary.json")], written
    assert [name for name in written if name.endswith(".parquet")], written


@pytest.mark.slow
def test_the_demo_dag_goes_on_through_a_release(reader: Reader) -> None:
    start_once(reader)
    dag, run = "flights-etl", "through-a-release"
    before = objects(reader, "", ARTIFACTS_BUCKET)
    with ThreadPoolExecutor(1) as another_terminal:
        command = f"ansible-playbook playbooks/run_dag.yml -e dag={dag} -e run_id={run}"
        followed = another_terminal.submit(reader.type, f"source .venv/bin/activate; {command}")
        # A run that failed before it had a job is told by what it printed.
        wait_for(lambda: followed.done() or runs_now(reader, dag, run), "a job that runs", SECONDS)
        # Now the same DAG names another object.
        with (reader.checkout / "jobs/examples/flights_etl.py").open("a") as script:
            script.write("# Nothing but another hash.\n")
        released = reader.type("source .venv/bin/activate; ansible-playbook playbooks/sync_dags.yml -e team=growth")
        said = followed.result()
    assert re.search(r"growth: release \w+ is live in place of \w+", released), released
    assert re.search(rf"DAG {dag}, run {run}: success$", said, re.MULTILINE)

    (job,) = jobs_of(reader, dag, run)
    began = next(past["stateStartTime"] for past in job["statusHistory"] if past["state"] == "RUNNING")
    times = [began, live_archive(reader, "growth")["updated"], job["status"]["stateStartTime"]]
    assert job["status"]["state"] == "DONE"
    assert sorted(times, key=datetime.fromisoformat) == times
    (other,) = [
        name for name in objects(reader, "", ARTIFACTS_BUCKET) if name.endswith("flights_etl.py") and name not in before
    ]
    assert other not in json.dumps(job)
    assert "own" not in clusters(reader).values()


def test_the_page_works_as_it_stands(reader: Reader) -> None:
    start, try_it, release, run, look, log, status, dev = blocks("sh")
    (script,), (entry,) = blocks("python"), blocks("yaml")

    reader.type(start)
    (reader.checkout / "jobs/busiest_routes.py").write_text(script)
    assert "JFK" in reader.type(try_it)

    with (reader.checkout / WORKLOADS).open("a") as workloads:
        workloads.write(entry)
    assert yaml.safe_load((reader.checkout / WORKLOADS).read_text())["platform_workloads"]["busiest-routes"]
    assert "+workload busiest-routes" in reader.type(release)

    said = reader.type(run)
    assert re.search(r"DAG busiest-routes, run \S+: success$", said, re.MULTILINE)
    job = re.search(r"Job (\S+): DONE", said)[1]
    assert "own" not in clusters(reader).values()
    assert ".parquet" in reader.type(look)
    assert "JFK" in reader.type(log.replace("JOB", job))
    assert "| 0 waiting | 0 running |" in reader.type(status)

    # Environments are projects of their own; the cloud has one, and forgets what was in it.
    reader.cloud.cli("reset", "--yes")
    facts = reader.checkout / "dev-facts.json"
    facts.write_text(json.dumps(dev_facts(reader.cloud)))
    said = reader.type(re.sub(r"^(ansible-playbook .*)$", rf"\1 -e @{facts}", dev, flags=re.MULTILINE))
    assert re.search(r"growth: release \w+ is live in place of nothing", said)
    assert re.search(r"localhost .* failed=0 ", said)


def test_the_entry_is_as_short_as_the_page_says() -> None:
    (entry,) = blocks("yaml")
    assert len(textwrap.dedent(entry).strip().splitlines()) <= 11

"""``site.yml`` against a local cloud: shows everything and does nothing, does it, does it once, and repairs drift."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.conftest import REPOSITORY, TOOLS, WITHOUT_AIRFLOW, LocalCloud
from tests.integration.google import PROJECT, STORAGE, Google

WRITES = ("POST", "PUT", "PATCH", "DELETE")
# Requests that are POST and change nothing: the token exchange.
NO_WRITES = ("oauth2.googleapis.com",)
WORKLOADS = ["flights-analytics", "flights-delay-model", "flights-etl"]
POLICIES = ["own-spot", "own-standard", "shared-spot", "shared-standard"]
BUCKETS = ["artifacts", "data", "dataproc-staging", "dataproc-temp"]


def play(cloud: LocalCloud, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``ansible-playbook`` as typed: only LOCALCLOUD_HOME tells which local cloud."""
    environment = {**cloud.environment_without_proxy(), "ANSIBLE_NOCOLOR": "1", **variables}
    completed = subprocess.run(
        [str(TOOLS / "ansible-playbook"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    if check and completed.returncode != 0:
        pytest.fail(f"{' '.join(arguments)}\n{completed.stdout}\n{completed.stderr}")
    return completed


def site(cloud: LocalCloud, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``site.yml`` without Airflow, which has a file of its own."""
    return play(cloud, "site.yml", *WITHOUT_AIRFLOW, *arguments, **options)


def changed(completed: subprocess.CompletedProcess[str]) -> int:
    """The number behind ``changed=`` in the recap."""
    return int(re.search(r"changed=(\d+)", completed.stdout).group(1))


def writes(cloud: LocalCloud) -> list[str]:
    """Requests of the journal that changed something."""
    return [
        f"{entry['method']} {entry['host']}{entry['path']}"
        for entry in cloud.requests()
        if entry["method"] in WRITES and entry["host"] not in NO_WRITES
    ]


def buckets(cloud: LocalCloud) -> dict[str, dict]:
    """All buckets by name."""
    answer = Google(cloud.environment).call("GET", f"{STORAGE}/storage/v1/b", params={"project": PROJECT}).json()
    return {bucket["name"]: bucket for bucket in answer.get("items", [])}


def stored(cloud: LocalCloud) -> list[str]:
    """Names of all artefacts."""
    answer = Google(cloud.environment).call("GET", f"{STORAGE}/storage/v1/b/local-project-artifacts/o").json()
    return [item["name"] for item in answer.get("items", [])]


def remove_object(cloud: LocalCloud, name: str) -> None:
    """Delete one artefact behind the inventory's back."""
    url = f"{STORAGE}/storage/v1/b/local-project-artifacts/o/{quote(name, safe='')}"
    Google(cloud.environment).call("DELETE", url)


def policy_ids(cloud: LocalCloud) -> list[str]:
    """Ids of all autoscaling policies."""
    return sorted(policy["id"] for policy in Google(cloud.environment).get("autoscalingPolicies").get("policies", []))


def template_ids(cloud: LocalCloud) -> list[str]:
    """Ids of all workflow templates."""
    answer = Google(cloud.environment).get("workflowTemplates")
    return sorted(template["id"] for template in answer.get("templates", []))


def label_bucket(cloud: LocalCloud, name: str, value: str) -> None:
    """Change one label of the data bucket behind the inventory's back."""
    url = f"{STORAGE}/storage/v1/b/local-project-data"
    Google(cloud.environment).call("PATCH", url, json={"labels": {name: value}})


def make_template_by_hand(cloud: LocalCloud) -> None:
    """Somebody's own workflow template: that of the inventory without labels."""
    google = Google(cloud.environment)
    template = google.get("workflowTemplates/flights-etl")
    google.post("workflowTemplates", {"id": "by-hand", **{key: template[key] for key in ("jobs", "placement")}})


@pytest.fixture(name="converged")
def converged_cloud(empty_localcloud: LocalCloud) -> Iterator[LocalCloud]:
    """A cloud that ``site.yml`` has converged once."""
    site(empty_localcloud)
    yield empty_localcloud


# Buckets, queues, node bundle, artefacts, autoscaling policies, workflow templates.
CHANGES = 6


def test_check_on_an_empty_cloud_shows_every_change_and_makes_none(empty_localcloud: LocalCloud) -> None:
    empty_localcloud.clear_requests()
    run = site(empty_localcloud, "--check", "--diff")
    assert changed(run) == CHANGES
    for name in [*POLICIES, "flights-etl", *(f"local-project-{bucket}" for bucket in BUCKETS)]:
        assert re.search(rf"^\+\+\+ after: \S+ {name} \(create\)$", run.stdout, re.MULTILINE), name
    assert re.search(r"^\+node-bundle.tar ", run.stdout, re.MULTILINE)
    for name in ("flights_etl.py", "etl-own.json", "ml-shared.json", "analytics-own.json"):
        assert re.search(rf"^\+[0-9a-f]{{64}}/{re.escape(name)} ", run.stdout, re.MULTILINE), name
    assert writes(empty_localcloud) == []


def test_first_run_makes_everything_and_the_second_nothing(empty_localcloud: LocalCloud) -> None:
    assert changed(site(empty_localcloud)) == CHANGES
    assert policy_ids(empty_localcloud) == POLICIES
    assert sorted(buckets(empty_localcloud)) == [f"local-project-{bucket}" for bucket in BUCKETS]
    assert template_ids(empty_localcloud) == WORKLOADS

    empty_localcloud.clear_requests()
    assert changed(site(empty_localcloud)) == 0
    assert writes(empty_localcloud) == []
    lists = [entry["path"] for entry in empty_localcloud.requests() if entry["method"] == "GET"]
    # Artefacts by hash, what is live, and the node bundle are three trees of one bucket.
    expected = {"/autoscalingPolicies": 1, "/workflowTemplates": 1, "/storage/v1/b": 1, "/o": 3}
    for collection, calls in expected.items():
        found = [path for path in lists if path.split("?")[0].endswith(collection)]
        assert len(found) == calls, (collection, lists)


def test_templates_pin_the_driver_and_the_script_that_were_uploaded(converged: LocalCloud) -> None:
    google = Google(converged.environment)
    job = google.get("workflowTemplates/flights-etl")["jobs"][0]["pysparkJob"]
    script = job["args"][job["args"].index("--script") + 1]
    pinned = {"run_dask.py": job["mainPythonFileUri"], "examples/flights_etl.py": script}
    for file, uri in pinned.items():
        assert re.fullmatch(rf"gs://local-project-artifacts/[0-9a-f]{{64}}/{Path(file).name}", uri)
        assert content(google, uri) == (REPOSITORY / "jobs" / file).read_bytes()
    (package,) = job["pythonFileUris"]
    with zipfile.ZipFile(io.BytesIO(content(google, package))) as archive:
        modules = {path.name for path in (REPOSITORY / "jobs" / "dask_on_yarn").glob("*.py")}
        assert {Path(name).name for name in archive.namelist()} == modules


def content(google: Google, uri: str) -> bytes:
    """What an object holds."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    url = f"{STORAGE}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    return google.call("GET", url, params={"alt": "media"}).content


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed: drift made with it was not tested")
def test_drift_made_with_gcloud_is_shown_and_repaired(converged: LocalCloud, tmp_path: Path) -> None:
    gcloud = ("gcloud", "dataproc")
    policy = tmp_path / "policy.yaml"
    converged.run(*gcloud, "autoscaling-policies", "export", "own-spot", f"--destination={policy}")
    policy.write_text(policy.read_text().replace("maxInstances: 8", "maxInstances: 80"))
    converged.run(*gcloud, "autoscaling-policies", "import", "own-spot", f"--source={policy}", "--quiet")
    converged.run(*gcloud, "workflow-templates", "delete", "flights-etl", "--quiet")
    converged.clear_requests()
    shown = site(converged, "--check", "--diff")
    assert changed(shown) == 2
    assert re.search(r"^-\s+maxInstances: 80$", shown.stdout, re.MULTILINE)
    assert re.search(r"^\+\s+maxInstances: 8$", shown.stdout, re.MULTILINE)
    assert "+++ after: dataproc_workflow_template flights-etl (create)" in shown.stdout
    assert writes(converged) == []

    assert changed(site(converged)) == 2
    assert changed(site(converged)) == 0
    repaired = Google(converged.environment).get("autoscalingPolicies/own-spot")
    assert repaired["secondaryWorkerConfig"]["maxInstances"] == 8
    assert template_ids(converged) == WORKLOADS


@pytest.mark.slow
def test_a_changed_bucket_label_is_repaired(converged: LocalCloud) -> None:
    label_bucket(converged, "cost-center", "wrong")
    shown = site(converged, "--check", "--diff")
    assert re.search(r"^-\s+cost-center: wrong$", shown.stdout, re.MULTILINE)
    assert changed(site(converged)) == 1
    assert buckets(converged)["local-project-data"]["labels"]["cost-center"] == "cc-1000"


def test_what_left_the_inventory_is_deleted_and_what_is_not_ours_stays(converged: LocalCloud, tmp_path: Path) -> None:
    fewer = json.dumps({"platform_workloads": {}})
    shown = site(converged, "--check", "--diff", "-e", fewer)
    assert "+++ after: dataproc_workflow_template flights-etl (delete)" in shown.stdout
    make_template_by_hand(converged)
    site(converged, "-e", fewer)
    assert template_ids(converged) == ["by-hand"]


def test_sync_jobs_uploads_jobs_and_touches_no_template(converged: LocalCloud) -> None:
    converged.clear_requests()
    assert changed(play(converged, "playbooks/sync_jobs.yml")) == 0
    assert changed(site(converged)) == 0
    assert writes(converged) == []
    (job,) = [item for item in stored(converged) if item.endswith("/flights_etl.py")]
    remove_object(converged, job)
    assert changed(play(converged, "playbooks/sync_jobs.yml")) == 1
    assert [request for request in writes(converged) if "dataproc" in request] == []
    assert job in stored(converged)


def test_the_credentials_of_another_environment_are_refused(empty_localcloud: LocalCloud) -> None:
    variables = dict(empty_localcloud.environment)
    empty_localcloud.clear_requests()
    run = play(empty_localcloud, "-i", "inventories/prod", "site.yml", check=False, **variables)
    assert run.returncode != 0
    assert "may only be changed by platform-deployer@acme-data-prod.iam.gserviceaccount.com" in run.stdout + run.stderr
    assert "localcloud@local-project.iam.gserviceaccount.com" in run.stdout + run.stderr
    assert [
        entry for entry in empty_localcloud.requests() if "dataproc" in entry["host"] or "storage" in entry["host"]
    ] == []


def test_local_without_a_local_cloud_says_what_to_do(tmp_path: Path, empty_localcloud: LocalCloud) -> None:
    run = site(empty_localcloud, check=False, LOCALCLOUD_HOME=str(tmp_path / "none"))
    assert run.returncode != 0
    assert ".venv/bin/localcloud up" in run.stdout + run.stderr


def test_teardown_deletes_what_is_ours_and_keeps_data_unless_told(converged: LocalCloud, tmp_path: Path) -> None:
    make_template_by_hand(converged)
    for wrong in ((), ("-e", "confirm=prod"), ("-e", "confirm=local", "-e", "include_data=prod")):
        assert play(converged, "playbooks/teardown.yml", *wrong, check=False).returncode != 0
    assert policy_ids(converged) == POLICIES

    play(converged, "playbooks/teardown.yml", "-e", "confirm=local")
    assert policy_ids(converged) == []
    assert template_ids(converged) == ["by-hand"]
    assert len(buckets(converged)) == len(BUCKETS)

    play(converged, "playbooks/teardown.yml", "-e", "confirm=local", "-e", "include_data=local")
    assert buckets(converged) == {}


def test_buckets_of_somebody_else_are_not_emptied(converged: LocalCloud) -> None:
    label_bucket(converged, "environment", "other")
    run = play(converged, "playbooks/teardown.yml", "-e", "confirm=local", "-e", "include_data=local", check=False)
    assert run.returncode != 0
    assert "local-project-data does not carry environment=local" in run.stdout + run.stderr
    assert len(buckets(converged)) == len(BUCKETS)


def test_doctor_is_content_with_a_local_cloud(empty_localcloud: LocalCloud) -> None:
    run = play(empty_localcloud, "playbooks/doctor.yml")
    for line in ("inventory", "reach dataproc.googleapis.com", "token", "APIs", "permissions"):
        assert re.search(rf"^ok      {line}: ", run.stdout, re.MULTILINE), line
    assert re.search(r"^note    Airflow dataplatform-local: There is no .* -> site.yml creates it", run.stdout, re.M)
    assert "FAILED" not in run.stdout


def test_doctor_misses_the_airflow_environment_of_terraform(empty_localcloud: LocalCloud) -> None:
    facts = {"environment": "etl", "location": "europe-west1", "managed_by": "terraform"}
    run = play(empty_localcloud, "playbooks/doctor.yml", "-e", json.dumps({"platform_composer": facts}), check=False)
    assert re.search(r"^ok      reach composer.googleapis.com: ", run.stdout, re.MULTILINE)
    assert re.search(r"^FAILED  Airflow etl: There is no .* -> apply its Terraform stack", run.stdout, re.MULTILINE)


def test_doctor_runs_everything_before_it_fails(empty_localcloud: LocalCloud) -> None:
    changes = json.dumps({"gcp_expected_principal": "somebody@example.com", "platform_pins": {"dataproc_image": "2.3"}})
    run = play(empty_localcloud, "playbooks/doctor.yml", "-e", changes, check=False)
    assert run.returncode != 0
    assert re.search(r"^FAILED  inventory: .*", run.stdout, re.MULTILINE)
    assert "expected a full pin" in run.stdout
    assert re.search(r"^FAILED  token: it is localcloud@.*expected somebody@example.com", run.stdout, re.MULTILINE)
    assert re.search(r"^ok      reach storage.googleapis.com: ", run.stdout, re.MULTILINE)


def test_doctor_asks_nobody_without_a_local_cloud(tmp_path: Path, empty_localcloud: LocalCloud) -> None:
    """Nor those of Google whom this process could reach: here the local cloud, which would know of it."""
    variables = {**empty_localcloud.environment, "LOCALCLOUD_HOME": str(tmp_path / "none")}
    empty_localcloud.clear_requests()
    run = play(empty_localcloud, "playbooks/doctor.yml", check=False, **variables)
    assert run.returncode == 2
    assert re.search(r"^FAILED  connection: none is prepared.* -> .*\.venv/bin/localcloud up$", run.stdout, re.M)
    assert re.search(r"^ok      inventory: ", run.stdout, re.MULTILINE)
    assert empty_localcloud.requests() == []


def test_doctor_names_the_certificate_authority(empty_localcloud: LocalCloud) -> None:
    environment = {**empty_localcloud.environment, "REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt"}
    changes = json.dumps({"platform_process_environment": environment})
    run = play(empty_localcloud, "playbooks/doctor.yml", "-e", changes, check=False)
    assert run.returncode != 0
    assert re.search(r"^FAILED  reach dataproc.googleapis.com: TLS: .*REQUESTS_CA_BUNDLE", run.stdout, re.MULTILINE)

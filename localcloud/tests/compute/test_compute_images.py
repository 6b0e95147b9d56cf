"""Images of Compute Engine over HTTP, as clients meet them, and the commands that add and withdraw some."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

API = "https://compute.googleapis.com/compute/v1"
PUBLIC = f"{API}/projects/cloud-dataproc/global/images"
OWN = f"{API}/projects/local-project/global/images"


def pages(session: requests.Session, url: str, **query: Any) -> list[dict[str, Any]]:
    """Return the pages of a list."""
    found = []
    while True:
        answer = session.get(url, params=query)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        if "nextPageToken" not in found[-1]:
            return found
        query["pageToken"] = found[-1]["nextPageToken"]


def listed(session: requests.Session, url: str = PUBLIC, **query: Any) -> dict[str, dict[str, Any]]:
    """Return the images of a list by name."""
    return {image["name"]: image for page in pages(session, url, **query) for image in page.get("items", ())}


def versions(session: requests.Session, **query: Any) -> set[str]:
    """Return the version labels of Dataproc's images."""
    return {image["labels"]["goog-dataproc-version"] for image in listed(session, **query).values()}


def test_dataprocs_images_are_listed_with_their_versions(session: requests.Session) -> None:
    (page,) = pages(session, PUBLIC)
    path = "projects/cloud-dataproc/global/images"
    url = f"https://www.googleapis.com/compute/v1/{path}"
    assert (page["kind"], page["id"], page["selfLink"]) == ("compute#imageList", path, url)
    names = [image["name"] for image in page["items"]]
    assert names == sorted(names)
    image = next(image for image in page["items"] if image["labels"]["goog-dataproc-version"] == "2-2-84-debian12")
    assert image["name"] == "dataproc-2-2-deb12-20260619-045100-rc01"
    assert image["selfLink"] == f"{url}/{image['name']}"
    assert (image["kind"], image["status"]) == ("compute#image", "READY")
    assert "deprecated" not in image
    # What custom-images takes for a timestamp: milliseconds, then six characters of an offset.
    created = datetime.strptime(image["creationTimestamp"][:-6], "%Y-%m-%dT%H:%M:%S.%f")
    assert created.replace(tzinfo=UTC).date().isoformat() == "2026-06-18"
    assert datetime.fromisoformat(image["creationTimestamp"]) == datetime(2026, 6, 19, 4, 51, tzinfo=UTC)


def test_an_image_has_a_name_and_a_number(session: requests.Session) -> None:
    image = session.get(f"{PUBLIC}/dataproc-2-3-deb12-20260515-045100-rc01").json()
    assert image["labels"] == {"goog-dataproc-version": "2-3-10-debian12"}
    assert session.get(f"{PUBLIC}/{image['id']}").json() == image
    missing = session.get(f"{PUBLIC}/none")
    text = "The resource 'projects/cloud-dataproc/global/images/none' was not found"
    error = {"message": text, "domain": "global", "reason": "notFound"}
    assert missing.json() == {"error": {"code": 404, "message": text, "errors": [error]}}


def test_pages_and_order(session: requests.Session) -> None:
    whole = listed(session)
    some = pages(session, PUBLIC, maxResults=10)
    assert [len(page["items"]) for page in some[:-1]] == [10] * (len(some) - 1)
    assert [image["name"] for page in some for image in page["items"]] == list(whole)
    newest = list(listed(session, orderBy="creationTimestamp desc").values())
    created = [datetime.fromisoformat(image["creationTimestamp"]) for image in newest]
    assert created == sorted(created, reverse=True)
    assert session.get(PUBLIC, params={"maxResults": 501}).status_code == 400
    assert session.get(PUBLIC, params={"orderBy": "status"}).status_code == 400


def test_filters_are_the_servers(session: requests.Session) -> None:
    assert listed(session, filter="labels.goog-dataproc-version:*") == listed(session)
    assert versions(session, filter='labels.goog-dataproc-version = "2-3-10-*"') == {
        f"2-3-10-{system}" for system in ("debian12", "rocky9", "ubuntu22")
    }
    releases = listed(session, filter='(name eq "dataproc-2-3-deb12-.*")(name ne ".*-eap")')
    assert releases
    assert all(name.startswith("dataproc-2-3-deb12-") and not name.endswith("-eap") for name in releases)
    assert "wrong" in session.get(PUBLIC, params={"filter": "wrong"}).json()["error"]["message"]


def test_other_projects(session: requests.Session) -> None:
    assert listed(session, f"{API}/projects/debian-cloud/global/images") == {}
    refused = session.get(f"{API}/projects/somebody-else/global/images")
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == (
        "Required 'compute.images.list' permission for 'projects/somebody-else'"
    )


def test_a_batch_is_answered_part_by_part(session: requests.Session) -> None:
    body = "".join(
        f"--x\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
        f"GET /compute/v1/projects/{project}/global/images HTTP/1.1\r\n\r\n\r\n"
        for number, project in enumerate(("cos-cloud", "other"))
    )
    answer = session.post(
        "https://compute.googleapis.com/batch/compute/v1",
        data=f"{body}--x--\r\n",
        headers={"Content-Type": "multipart/mixed; boundary=x"},
    )
    assert answer.status_code == 200
    assert [line for line in answer.text.splitlines() if line.startswith("HTTP/1.1 ")] == [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 403 Error",
    ]


@pytest.mark.parametrize("shut", ["down", "kill"])
def test_images_are_added_and_withdrawn_for_good(own_server: Any, shut: str, tmp_path: Path) -> None:
    own_server.command("image", "add", "2.3.12-debian12", "--created", "2026-11-20", "--node-path", str(tmp_path))
    own_server.command("image", "add", "mine", "--base", "2.3.11-debian12", "--created", "2025-01-01")
    own_server.command("image", "withdraw", "2.3.10-debian12")
    getattr(own_server, shut)()
    own_server.up()
    session = own_server.session()
    images = listed(session)
    added = images["dataproc-2-3-deb12-20261120-000000-rc01"]
    assert added["labels"]["goog-dataproc-version"] == "2-3-12-debian12"
    assert images["dataproc-2-3-deb12-20260515-045100-rc01"]["deprecated"]["state"] == "OBSOLETE"
    assert [name for name, image in images.items() if "deprecated" in image] == [
        "dataproc-2-3-deb12-20260515-045100-rc01"
    ]
    assert listed(session, OWN)["mine"]["labels"]["goog-dataproc-version"] == "2-3-11-debian12"
    shown = {image["name"]: image for image in json.loads(own_server.command("image", "list", "--json").stdout)}
    assert shown[added["name"]]["in_front"] == {"PATH": str(tmp_path)}
    own_server.command("reset", "--yes")
    assert "dataproc-2-3-deb12-20261120-000000-rc01" not in listed(session)


def test_two_images_of_one_day_have_names_of_their_own(own_server: Any) -> None:
    for version in ("2.3.12-debian12", "2.3.13-debian12"):
        own_server.command("image", "add", version, "--created", "2026-11-20")
    names = listed(own_server.session(), filter="labels.goog-dataproc-version = 2-3-13-debian12")
    assert list(names) == ["dataproc-2-3-deb12-20261120-000000-rc02"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("add", "2.3.12"), "no version in full"),
        (("add", "2.3.11-debian12"), "already"),
        (("add", "9.9.1-debian12"), "2.1, 2.2, 2.3"),
        (("add", "2.3.12-debian12", "--created", "yesterday"), "yesterday"),
        (("add", "2.3.12-debian12", "--created", "2999-01-01"), "future"),
        (("add", "2.3.12-debian12", "--node-path", "/nowhere"), "/nowhere"),
        (("add", "Mine", "--base", "2.3.11-debian12"), "Mine"),
        (("add", "mine", "--base", "2.3.999-debian12"), "2.3.999-debian12"),
        (("withdraw", "2.3.1-debian12"), "did you mean"),
    ],
)
def test_mistakes_are_named_and_change_nothing(server: Any, arguments: tuple[str, ...], text: str) -> None:
    before = server.command("image", "list").stdout
    refused = server.command("image", *arguments, check=False)
    assert refused.returncode != 0
    assert text in refused.stderr
    assert server.command("image", "list").stdout == before


@pytest.mark.skipif(not shutil.which("gcloud"), reason="SKIPPED, needs gcloud")
def test_gcloud_finds_images(server: Any) -> None:
    found = server.client(
        *("gcloud", "compute", "images", "list", "--project=cloud-dataproc"),
        "--filter=labels.goog-dataproc-version ~ ^2-3-\\d+-debian12$ AND NOT name ~ -eap$ AND status = READY",
        "--format=csv[no-heading=true](name,labels.goog-dataproc-version)",
        "--sort-by=~creationTimestamp",
    )
    assert found.returncode == 0, found.stderr
    assert "dataproc-2-3-deb12-20260619-045100-rc01,2-3-11-debian12" in found.stdout.splitlines()

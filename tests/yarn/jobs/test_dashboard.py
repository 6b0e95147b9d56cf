"""Dask's pages behind the tracking link of the YARN application."""

from __future__ import annotations

import re

import requests

from tests.yarn.jobs.cluster import Cluster
from tests.yarn.jobs.scripts import HOLD


def test_the_tracking_link_leads_to_the_workers(cluster: Cluster) -> None:
    job = cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1)
    job.wait_for_output("HOLDING")
    link = job.application()["trackingUrl"]
    assert f"/proxy/{job.application()['id']}/" in link
    assert link in job.output
    session = requests.Session()
    session.trust_env = False

    entrance = session.get(link, timeout=30)
    assert entrance.ok
    (page,) = re.findall(r'content="0; url=([^"]+)"', entrance.text)
    workers = session.get(link + page, timeout=30)
    assert re.findall(r"worker-\d+ on \S+ try \d+", workers.text) == [
        worker["name"] for worker in session.get(link + "json/identity.json", timeout=30).json()["workers"].values()
    ]
    for relative in ("info/main/logs.html", "statics/css/base.css"):
        assert session.get(link + relative, timeout=30).ok
    assert session.post(link, timeout=30).status_code >= 400
    job.cancel()
    job.finished()
    cluster.assert_nothing_is_left()

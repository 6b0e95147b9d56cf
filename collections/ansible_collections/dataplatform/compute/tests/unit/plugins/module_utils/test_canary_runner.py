# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A canary's cluster never stays: lost answers, a person who stops it, a defect of ours, Google out of reach."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_plan import CanaryJob, CanaryPlan
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_runner import CanaryRunner
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import GoogleApiError, TransportError
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import FollowLimits
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import (
    RunFailedError,
    RunInterruptedError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import RunTools

MARK = {"managed-by": "m", "environment": "e", "purpose": "canary"}
PLAN = CanaryPlan(
    cluster={"clusterName": "canary", "config": {}, "labels": MARK},
    jobs=(CanaryJob("smoke", {"pysparkJob": {}}, "gs://b/r.json", 5.0),),
    scale_in=None,
    sweep=True,
    create_timeout=5.0,
    delete_timeout=0.5,
)


class Silent:
    """Nobody watches."""

    def note(self, _text: str) -> None:
        """Say nothing."""

    def output(self, _source: str, _line: str) -> None:
        """Show nothing."""


class Objects:
    """A bucket with nothing in it."""

    def generation(self, _bucket: str, _name: str) -> str:
        """None."""
        return ""


class Api:
    """A service that keeps clusters; each test lets one thing of it go wrong."""

    project, region, parent = "p", "r", "projects/p/regions/r"

    def __init__(self, **clusters: dict[str, str]) -> None:
        self.clusters = {name: self.cluster(name, labels) for name, labels in clusters.items()}
        self.interruption = Interruption()
        self.deleted: list[str] = []

    @staticmethod
    def cluster(name: str, labels: dict[str, str]) -> dict[str, Any]:
        """A running cluster."""
        return {"clusterName": name, "clusterUuid": f"uuid-{name}", "labels": labels, "status": {"state": "RUNNING"}}

    def list_clusters(self, labels: dict[str, str]) -> list[dict[str, Any]]:
        """Those with the labels."""
        return [one for one in self.clusters.values() if labels.items() <= one["labels"].items()]

    def find_cluster(self, name: str) -> dict[str, Any] | None:
        """One, if it is there."""
        return self.clusters.get(name)

    def create_cluster(self, cluster: dict[str, Any], _request_id: str) -> dict[str, Any]:
        """Make one at once."""
        self.clusters[cluster["clusterName"]] = self.cluster(cluster["clusterName"], cluster["labels"])
        return {"name": "operations/create", "done": True}

    def delete_cluster(self, name: str, cluster_uuid: str, _request_id: str) -> dict[str, Any]:
        """Delete one at once."""
        assert self.clusters.pop(name)["clusterUuid"] == cluster_uuid
        self.deleted.append(name)
        return {"name": "operations/delete", "done": True}

    def find_job(self, _job_id: str) -> None:
        """There is none yet."""

    def submit_job(self, _job: dict[str, Any], _request_id: str) -> dict[str, Any]:
        """Refuse it."""
        raise GoogleApiError(400, "INVALID_ARGUMENT", "No such job type.", "u", "POST")


def runner(api: Api) -> CanaryRunner:
    """A canary of that service."""
    limits = FollowLimits(timeout=0.0, cancel_timeout=1.0, poll=0.01, output_lines=5)
    return CanaryRunner(RunTools(api, Objects(), Silent(), api.interruption, limits), PLAN)


def test_a_creation_whose_answer_was_lost_leaves_no_cluster():
    api = Api()
    create = api.create_cluster

    def lost(cluster: dict[str, Any], request_id: str) -> dict[str, Any]:
        create(cluster, request_id)
        raise TransportError("connection reset")

    api.create_cluster = lost
    with pytest.raises(RunFailedError, match="'create': connection reset; nothing is left behind") as failure:
        runner(api).run()
    assert (api.clusters, api.deleted) == ({}, ["canary"])
    assert failure.value.result["changed"] is True


def test_a_refused_job_takes_the_cluster_with_it():
    api = Api()
    with pytest.raises(RunFailedError, match=r"'job smoke': .*No such job type") as failure:
        runner(api).run()
    assert api.clusters == {}
    assert failure.value.result["failed_step"] == "job smoke"


def test_a_defect_of_ours_takes_the_cluster_too():
    api = Api()
    api.submit_job = lambda *_: {}["nothing"]
    with pytest.raises(KeyError):
        runner(api).run()
    assert api.clusters == {}


def test_who_stops_it_while_it_sweeps_gets_no_cluster():
    api = Api(old=MARK)
    delete = api.delete_cluster

    def stopped(*arguments: str) -> dict[str, Any]:
        api.interruption.requested = True
        return delete(*arguments)

    api.delete_cluster = stopped
    with pytest.raises(RunInterruptedError, match="'sweep'"):
        runner(api).run()
    assert (api.clusters, api.deleted) == ({}, ["old"])


def test_who_stops_it_does_not_wait_for_what_is_swept():
    api = Api(old=MARK)
    looks: list[str] = []

    def never_gone(name: str) -> dict[str, Any] | None:
        looks.append(name)
        return api.clusters.get(name)

    def stopped(name: str, *_: str) -> None:
        api.clusters[name]["status"] = {"state": "DELETING"}
        api.interruption.requested = True

    api.find_cluster, api.delete_cluster = never_gone, stopped
    with pytest.raises(RunInterruptedError, match="'sweep'"):
        runner(api).run()
    assert looks.count("old") == 1


def test_who_stops_it_before_it_begins_changes_nothing():
    api = Api(old=MARK)
    api.interruption.requested = True
    with pytest.raises(RunInterruptedError, match="before anything was started") as failure:
        runner(api).run()
    assert list(api.clusters) == ["old"]
    assert failure.value.result["changed"] is False


def test_a_cluster_that_cannot_be_deleted_is_named_with_the_reason():
    api = Api()

    def unreachable(*_: str) -> None:
        raise TransportError("no route to Google")

    api.delete_cluster = unreachable
    with pytest.raises(RunFailedError) as failure:
        runner(api).run()
    assert "cluster canary is still there after 0.5 s (delete_timeout): no route to Google" in str(failure.value)
    assert "gcloud dataproc clusters delete canary --region=r --project=p" in str(failure.value)
    assert "No such job type" in str(failure.value)


def test_a_leftover_that_stays_stops_the_canary():
    api = Api(old=MARK)

    def refused(*_: str) -> None:
        raise GoogleApiError(403, "PERMISSION_DENIED", "Not yours.", "u", "DELETE")

    api.delete_cluster = refused
    with pytest.raises(RunFailedError, match=r"'sweep': cluster old is still there .*Not yours") as failure:
        runner(api).run()
    assert list(api.clusters) == ["old"]
    assert failure.value.result["changed"] is False


def test_a_cluster_that_took_the_name_in_the_meantime_is_left_alone():
    api = Api()
    create = api.create_cluster

    def replaced(cluster: dict[str, Any], request_id: str) -> dict[str, Any]:
        operation = create({**cluster, "labels": {"owner": "somebody"}}, request_id)
        return {**operation, "error": {"message": "Already exists", "code": 6}}

    api.create_cluster = replaced
    with pytest.raises(RunFailedError, match="Already exists"):
        runner(api).run()
    assert list(api.clusters) == ["canary"]

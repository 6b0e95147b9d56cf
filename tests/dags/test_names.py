"""Names and labels: within Google's limits, and the same for the same run."""

from __future__ import annotations

import re

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_runs import dag_label
from dataplatform_dask import names

RUN = "scheduled__2026-01-02T05:00:00+00:00"
CLUSTER_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,49}[a-z0-9])?")
LABEL = re.compile(r"[a-z0-9_-]{1,63}")


@pytest.mark.parametrize("dag_id", ["flights-etl", "Team.Sub__DAG", "9lives", "x" * 250, "a" * 38 + "-" * 5 + "b"])
def test_names_fit(dag_id: str) -> None:
    assert CLUSTER_NAME.fullmatch(names.cluster_name(dag_id, RUN, "cluster", "now", try_number=12, placing=3))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", names.job_id(dag_id, RUN, "cluster.run", "now", try_number=12))
    assert all(LABEL.fullmatch(value) for value in names.run_labels(dag_id, RUN, "cluster").values())
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", names.request_id("create", dag_id, RUN, 1, 0))
    assert CLUSTER_NAME.fullmatch(names.shared_cluster_name("local", dag_id))


def test_every_try_zone_run_and_cluster_has_its_own_name() -> None:
    made = [
        names.cluster_name("d", run, cluster, began, try_number=try_number, placing=placing)
        for run in (RUN, "manual__1")
        for cluster in ("a", "b")
        for try_number in (1, 2)
        for placing in (0, 1)
        for began in ("then", "now")
    ]
    assert len(set(made)) == len(made)
    assert made[0] == names.cluster_name("d", RUN, "a", "then", try_number=1, placing=0)


def test_labels_that_had_to_change_do_not_collide() -> None:
    assert names.label_value("flights-etl") == "flights-etl"
    assert names.label_value("a+b") != names.label_value("a:b")
    assert names.label_value("y" * 70) != names.label_value("y" * 71)
    # Names that are labels already are left alone, so a changed one must not become one of them.
    assert names.label_value("A") != names.label_value("a")


@pytest.mark.parametrize("dag_id", ["flights", "flights-etl", "Team.Sub__DAG", "x" * 63, "y" * 64])
def test_a_playbook_finds_what_a_run_made(dag_id: str) -> None:
    assert dag_label(dag_id) == names.run_labels(dag_id, RUN)["dag"]


def test_filter_names_every_label() -> None:
    assert (
        names.filter_by({"run": "r", "dag": "d"}, "ACTIVE")
        == "status.state = ACTIVE AND labels.dag = d AND labels.run = r"
    )

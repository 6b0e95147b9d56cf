"""The building block of DAGs: a Dask cluster and the jobs on it.

with platform_dag("flights", owner="ada"):
    with DaskCluster(template="etl", owner="ada") as cluster:
        cluster.dask_job("clean", script="examples/flights_etl.py") >> cluster.dask_job("train", script=...)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, TaskGroup

from dataplatform_dask import names
from dataplatform_dask import release as releases
from dataplatform_dask.create_cluster import CreateCluster
from dataplatform_dask.delete_clusters import DeleteClusters
from dataplatform_dask.job_body import JobOptions, fill, job_seconds, pyspark_job
from dataplatform_dask.run_job import RunJob
from dataplatform_dask.shared_cluster import RunJobOnSharedCluster
from dataplatform_dask.worker_slots import WorkerSlots
from dataplatform_dask.zones import with_lifetime

if TYPE_CHECKING:
    from dataplatform_dask.dag import PlatformDag

# Lifetimes of clusters whose template sets none; seconds.
IDLE_SECONDS = 1800
AGE_SECONDS = 86400

_MARGIN = 300


class Begin(BaseOperator):
    """The setup that everything of a cluster stands on; Airflow passes it without running anything."""

    _is_empty = True
    ui_color = "#ffffff"

    def execute(self, context: Any) -> None:
        """Do nothing: it is there so that clearing one job clears the whole life of its cluster."""


class DaskCluster(TaskGroup):
    """A cluster of a run's own, or the shared one of its template, and the jobs on it.

    Own: ``begin`` -> ``create`` -> jobs -> ``delete``, beside them ``slots``, which occupies as many slots of the pool
    ``user-<owner>`` as the cluster may have workers (``workers``, by default all the owner may have). Shared: the jobs
    alone, each with its own slots. ``creation_timeout``, ``deletion_timeout`` and ``turn_timeout`` (waiting for slots)
    in seconds. ``labels`` come beside the platform's. Raises ReleaseError for unknown names, an owner of another team,
    another value for a label of the platform's, and more workers than the owner may have.
    """

    def __init__(
        self,
        *,
        template: str,
        owner: str,
        placement: str = "own",
        priority: str = "normal",
        name: str | None = None,
        workload: str | None = None,
        workers: int | None = None,
        labels: Mapping[str, str] | None = None,
        creation_timeout: float = 1800,
        deletion_timeout: float = 1800,
        turn_timeout: float = 43200,
        deferrable: bool | None = None,
        polling_seconds: float = 10,
        connection: str = "google_cloud_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(group_id=name or template, **kwargs)
        if not hasattr(self.dag, "platform_release"):
            raise TypeError(f"cluster {self.group_id}: it belongs into a DAG made by platform_dag(...)")
        dag: PlatformDag = self.dag
        release = dag.platform_release
        if priority not in releases.PRIORITIES:
            releases.pick(dict.fromkeys(releases.PRIORITIES), priority, "priority", "priorities")
        self.release = release
        self.owner, self.priority, self.placement = owner, priority, placement
        self.workload = workload or names.slug(f"{dag.dag_id}-{self.group_id}")
        self.slots = self._slots(workers)
        facts = release.cluster(template, placement)
        self.config = with_lifetime(facts["config"], idle_seconds=IDLE_SECONDS, age_seconds=AGE_SECONDS)
        self.cluster_labels = dict(facts["labels"])
        self.labels = {
            **self.cluster_labels,
            **release.ownership,
            "cost-center": names.label_value(release.cost_center(owner)),
            "owner": names.label_value(owner),
            "team": names.label_value(release.member(owner)["team"]),
            "workload": names.label_value(self.workload),
            "priority": priority,
        }
        self._add_labels(labels or {})
        self.shared_name = names.shared_cluster_name(release.environment, template)
        self.creation_timeout = creation_timeout
        self.common = {
            "project": release.project,
            "region": release.region,
            "group": self.group_id,
            "deferrable": deferrable,
            "polling_seconds": polling_seconds,
            "connection": connection,
            "task_group": self,
            "dag": dag,
        }
        self.jobs: list[RunJob] = []
        if placement == "own":
            self._add_life(deletion_timeout, turn_timeout)
        dag.dask_clusters.append(self)

    def dask_job(
        self,
        name: str,
        *,
        script: str,
        arguments: Sequence[str] = (),
        timeout: int = 3600,
        queue_timeout: int | None = None,
        idle_timeout: int | None = None,
        workers: tuple[int, int] | None = None,
        **kwargs: Any,
    ) -> RunJob:
        """Return the task that runs a script of ``jobs/`` as a Dask job.

        ``arguments`` go to the script; ``${data_bucket}`` and its like stand for the environment's own, and Airflow's
        templates work. ``workers``: least and most, by default what the cluster holds slots for; times in seconds.
        Raises ReleaseError for an unknown script or placeholder and for more workers than that.
        """
        least, most = workers or (1, self.slots)
        if not 1 <= least <= most <= self.slots:
            raise releases.ReleaseError(
                f"job {name}: workers is {workers}, expected at most {self.slots}, for which the cluster holds slots, "
                "and the least not above the most"
            )
        options = JobOptions(script, (), timeout, queue_timeout, idle_timeout, (least, most))
        workload = f"{self.workload}-{names.slug(name)}"
        body = {"pysparkJob": pyspark_job(self.release, workload, self.owner, self.priority, options)}
        filled = [fill(argument, self.release.placeholders) for argument in arguments]
        seconds = job_seconds(timeout, queue_timeout)
        return self.job(name, body, seconds, arguments=filled, record=workload, slots=most, **kwargs)

    def job(
        self,
        name: str,
        body: Mapping[str, Any],
        seconds: float,
        *,
        arguments: Sequence[str] = (),
        record: str | None = None,
        slots: int | None = None,
        **kwargs: Any,
    ) -> RunJob:
        """Return the task that runs a finished job body (Google's JSON names) for at most ``seconds``.

        ``slots``: of its owner's, which it takes on a shared cluster; by default those of the cluster.
        """
        taken = slots or self.slots
        settings = {
            **self.common,
            "task_id": name,
            "job": body,
            "arguments": arguments,
            "job_seconds": seconds,
            "run_directory": f"{self.release.launcher['run_directory']}/{record or self.workload}",
            "retries": 1,
            **kwargs,
        }
        if self.placement == "shared":
            task: RunJob = RunJobOnSharedCluster(
                **settings,
                labels={**self.labels, "slots": str(taken)},
                pool=names.pool_name(self.owner),
                pool_slots=taken,
                cluster_name=self.shared_name,
                cluster_labels={**self.cluster_labels, **self.release.ownership},
                config=self.config,
                zones=self.release.zones,
                creation_seconds=self.creation_timeout,
                execution_timeout=timedelta(seconds=self.creation_timeout + seconds + _MARGIN),
            )
        else:
            task = RunJob(
                **settings,
                labels=self.labels,
                cluster_task=self.create.task_id,
                execution_timeout=timedelta(seconds=seconds + _MARGIN),
            )
            self.create >> task >> self.delete
        self.jobs.append(task)
        return task

    def begin_after_what_jobs_wait_for(self) -> None:
        """Let the cluster begin only after the tasks outside it that its jobs wait for."""
        if self.placement != "own":
            return
        inside = set(self.children)
        after_this = set(self.begin.get_flat_relative_ids(upstream=False))
        for job in self.jobs:
            for task_id in job.upstream_task_ids - inside - after_this:
                self.begin.set_upstream(self.dag.get_task(task_id))

    def _add_life(self, deletion_timeout: float, turn_timeout: float) -> None:
        pool = names.pool_name(self.owner)
        common = {**self.common, "labels": self.labels}
        own = {**common, "labels": {**self.labels, "slots": str(self.slots)}}
        self.begin = Begin(task_id="begin", task_group=self, dag=self.dag)
        self.create = CreateCluster(
            task_id="create",
            config=self.config,
            zones=self.release.zones,
            slots_task=self.child_id("slots"),
            pool_of_owner=pool,
            creation_seconds=self.creation_timeout,
            turn_seconds=turn_timeout,
            execution_timeout=timedelta(seconds=turn_timeout + self.creation_timeout + _MARGIN),
            **own,
        )
        self.delete = DeleteClusters(
            task_id="delete",
            deletion_seconds=deletion_timeout,
            execution_timeout=timedelta(seconds=deletion_timeout + _MARGIN),
            **{**common, "retries": 5},
        )
        self.holder = WorkerSlots(
            task_id="slots",
            delete_task=self.delete.task_id,
            pool=pool,
            pool_slots=self.slots,
            execution_timeout=timedelta(seconds=turn_timeout + AGE_SECONDS),
            **common,
        )
        # `create` is a setup of the jobs but not of `delete`, which has to run after a failed creation too.
        self.create.as_setup()
        self.begin >> self.create
        self.delete.as_teardown(setups=self.begin)
        self.holder.as_teardown(setups=self.begin)

    def _add_labels(self, labels: Mapping[str, str]) -> None:
        for key, value in labels.items():
            if self.labels.setdefault(key, value) != value:
                raise releases.ReleaseError(
                    f"cluster {self.group_id}: label {key} is {value!r}, expected {self.labels[key]!r}, "
                    "as the platform sets it"
                )

    def _slots(self, workers: int | None) -> int:
        most = self.release.user(self.owner)["slots"]
        wanted = most if workers is None else workers
        if not 1 <= wanted <= most:
            raise releases.ReleaseError(
                f"cluster {self.group_id}: workers is {wanted}, expected 1 to {most}, the worker slots of "
                f"{self.owner}; a run that asks for more would wait for ever"
            )
        return wanted

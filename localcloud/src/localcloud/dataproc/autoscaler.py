"""The autoscaler: looks at YARN's memory, and changes the sizes of clusters that have a policy."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from localcloud.dataproc.autoscaling import Sample, groups_of, wanted_sizes
from localcloud.dataproc.cluster_engine import ClusterEngine, Snapshot
from localcloud.dataproc.clusters import Clusters
from localcloud.dataproc.names import parse_duration
from localcloud.dataproc.policies import Policies, policy_of
from localcloud.dataproc.records import Record, Records
from localcloud.errors import ApiError

_log = logging.getLogger("localcloud")


@dataclass
class _Period:
    """A cooldown period of one cluster: when it began (monotonic), and what was seen since."""

    began: float
    seen: float = 0.0
    samples: list[Sample] = field(default_factory=list)


class Autoscaler:
    """Evaluates policies by the clock: the pace shortens cooldown periods, but not the time that work takes."""

    def __init__(
        self, records: Records, policies: Policies, clusters: Clusters, engine: ClusterEngine, clock: Any
    ) -> None:
        """Scale the clusters in `records`, looked at through `engine`."""
        self._records = records
        self._policies = policies
        self._clusters = clusters
        self._engine = engine
        self._clock = clock
        self._periods: dict[str, _Period] = {}

    def tick(self) -> None:
        """Take a sample of every cluster with a policy, and evaluate those whose cooldown period is over."""
        if not self._engine.has_nodes:
            return
        for record in list(self._records.active()):
            identity = record.body["clusterUuid"]
            policy_id = policy_of(record.body)
            snapshot = self._engine.snapshot(identity)
            if record.body["status"]["state"] != "RUNNING" or policy_id is None or snapshot is None:
                # A period begins when the change before it is complete.
                self._periods.pop(identity, None)
                continue
            self._look(record, policy_id, snapshot)

    def _look(self, record: Record, policy_id: str, snapshot: Snapshot) -> None:
        identity = record.body["clusterUuid"]
        period = self._periods.setdefault(identity, _Period(time.monotonic()))
        if snapshot.taken > max(period.seen, period.began):
            period.seen = snapshot.taken
            metrics = snapshot.metrics
            period.samples.append(Sample(metrics.get("pendingMB", 0), metrics.get("availableMB", 0)))
        policy = self._policies.get(f"{record.location.path}/autoscalingPolicies/{policy_id}")
        cooldown = parse_duration(policy["basicAlgorithm"]["cooldownPeriod"]).total_seconds()
        if time.monotonic() - period.began < self._clock.duration(cooldown) or not period.samples:
            return
        self._periods[identity] = _Period(time.monotonic())
        self._evaluate(record, policy, snapshot, period.samples)

    def _evaluate(self, record: Record, policy: dict[str, Any], snapshot: Snapshot, samples: list[Sample]) -> None:
        present = [node.group for node in snapshot.nodes if node.alive]
        primary, secondary = groups_of(policy, present.count("worker"), present.count("secondary"))
        config = record.body["config"]
        node_mb = int(config["softwareConfig"]["properties"]["yarn:yarn.nodemanager.resource.memory-mb"])
        sizes = wanted_sizes(policy, primary, secondary, samples, node_mb)
        change = {}
        for group, now, wanted in zip(
            ("workerConfig", "secondaryWorkerConfig"), (primary.size, secondary.size), sizes, strict=True
        ):
            if now != wanted and (group in config or group == "secondaryWorkerConfig"):
                change[group] = {"numInstances": wanted}
        if not change:
            return
        _log.info("autoscaler: cluster %s: %s", record.id, change)
        timeout = policy["basicAlgorithm"].get("yarnConfig", {}).get("gracefulDecommissionTimeout")
        mask = ",".join(f"config.{group}.numInstances" for group in change)
        try:
            self._clusters.update(record.location, record.id, {"config": change}, mask, graceful_timeout=timeout)
        except ApiError as problem:
            _log.warning("autoscaler: cluster %s: %s", record.id, problem.message)

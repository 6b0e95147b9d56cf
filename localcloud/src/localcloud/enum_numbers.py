"""Numbers of enum values: google-cloud-* libraries over REST send numbers, and ask for them in answers.

Discovery documents list values without numbers. Nearly always the number is the position; the exceptions are below,
taken from the messages of google-cloud-dataproc, which a test compares with this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NUMBERS: dict[str, dict[str, int]] = {
    "dataproc.v1:AutotuningConfig.scenarios": {
        "SCENARIO_UNSPECIFIED": 0,
        "SCALING": 2,
        "BROADCAST_HASH_JOIN": 3,
        "MEMORY": 4,
        "NONE": 5,
        "AUTO": 6,
    },
    "dataproc.v1:ClusterStatus.state": {
        "UNKNOWN": 0,
        "CREATING": 1,
        "RUNNING": 2,
        "ERROR": 3,
        "DELETING": 4,
        "UPDATING": 5,
        "STOPPING": 6,
        "STOPPED": 7,
        "STARTING": 8,
        "ERROR_DUE_TO_UPDATE": 9,
        "REPAIRING": 10,
    },
    "dataproc.v1:JobStatus.state": {
        "STATE_UNSPECIFIED": 0,
        "PENDING": 1,
        "RUNNING": 2,
        "CANCEL_PENDING": 3,
        "CANCELLED": 4,
        "DONE": 5,
        "ERROR": 6,
        "CANCEL_STARTED": 7,
        "SETUP_DONE": 8,
        "ATTEMPT_FAILURE": 9,
    },
    "dataproc.v1:NodeGroupOperationMetadata.operationType": {
        "NODE_GROUP_OPERATION_TYPE_UNSPECIFIED": 0,
        "CREATE": 1,
        "UPDATE": 2,
        "DELETE": 3,
        "RESIZE": 4,
    },
    "dataproc.v1:SoftwareConfig.optionalComponents": {
        "COMPONENT_UNSPECIFIED": 0,
        "JUPYTER": 1,
        "HIVE_WEBHCAT": 3,
        "ZEPPELIN": 4,
        "ANACONDA": 5,
        "PRESTO": 6,
        "ZOOKEEPER": 8,
        "DRUID": 9,
        "SOLR": 10,
        "HBASE": 11,
        "RANGER": 12,
        "DOCKER": 13,
        "FLINK": 14,
        "TRINO": 17,
        "HUDI": 18,
        "ICEBERG": 19,
        "DELTA": 20,
        "PIG": 21,
        "JUPYTER_KERNEL_GATEWAY": 22,
    },
}


def name_of(field: str, names: Sequence[str], value: Any) -> str | None:
    """Return the name of an enum value given as name or number, or None when there is no such value.

    `field` is for example "dataproc.v1:JobStatus.state", `names` the values in the document's order.
    """
    if isinstance(value, str):
        return value if value in names else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    if field in NUMBERS:
        return next((name for name, number in NUMBERS[field].items() if number == value), None)
    return names[value] if 0 <= value < len(names) else None


def number_of(field: str, names: Sequence[str], value: str) -> int | str:
    """Return the number of an enum value; one whose number is not known stays a name, which clients also accept."""
    if field in NUMBERS:
        return NUMBERS[field].get(value, value)
    return names.index(value) if value in names else value

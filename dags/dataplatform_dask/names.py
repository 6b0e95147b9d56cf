"""Names of what a DAG run makes in Dataproc: clusters, jobs, request ids and the labels they are found by. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets

#: Dataproc's limits, in characters.
LONGEST_CLUSTER_NAME = 51
LONGEST_JOB_ID = 100
LONGEST_LABEL = 63

_HASH_CHARACTERS = 8


def short_hash(*parts: object) -> str:
    """Return eight hexadecimal digits that stand for the parts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:_HASH_CHARACTERS]


def unique() -> str:
    """Return a text that nothing had before."""
    return secrets.token_hex(8)


def slug(text: str) -> str:
    """Return text as lower-case letters, digits and single hyphens, beginning with a letter."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return plain if plain[:1].isalpha() else f"x{plain}"


def label_value(text: str) -> str:
    """Return text as a label value; what a label cannot hold is replaced, and a hash then keeps values apart.

    The same text gives the same value always: labels are how clusters of a run are found again.
    """
    plain = re.sub(r"[^a-z0-9_-]", "-", text.lower())
    if plain == text and len(plain) <= LONGEST_LABEL:
        return plain
    return f"{plain[: LONGEST_LABEL - _HASH_CHARACTERS - 1]}-{short_hash(text)}"


def run_labels(dag_id: str, run_id: str, cluster: str | None = None) -> dict[str, str]:
    """Return the labels of everything that one DAG run makes, or of one cluster of the run."""
    labels = {"dag": label_value(dag_id), "run": label_value(run_id)}
    if cluster is not None:
        labels["cluster"] = label_value(cluster)
    return labels


def cluster_name(dag_id: str, run_id: str, cluster: str, salt: str, *, try_number: int, placing: int) -> str:
    """Return the name of a run's cluster; every try, and every zone a try goes to, has a name of its own.

    ``salt``: from :func:`unique`, because a run that is deleted and made again counts its tries from one, and Dataproc
    would answer the second with what it did for the first.
    """
    ending = f"-{short_hash(dag_id, run_id, cluster, salt)}-{try_number}{chr(ord('a') + placing)}"
    return slug(dag_id)[: LONGEST_CLUSTER_NAME - len(ending)].rstrip("-") + ending


def shared_cluster_name(environment: str, template: str) -> str:
    """Return the name under which the shared cluster of a template is known."""
    return slug(f"shared-{environment}-{template}")[:LONGEST_CLUSTER_NAME].rstrip("-")


def job_id(dag_id: str, run_id: str, task_id: str, salt: str, *, try_number: int) -> str:
    """Return the id of the Dataproc job of one try of a task; ``salt`` as for clusters."""
    ending = f"-{short_hash(dag_id, run_id, task_id, salt)}-{try_number}"
    start = f"{slug(dag_id)}-{slug(task_id)}"[: LONGEST_JOB_ID - len(ending)].rstrip("-")
    return start + ending


def request_id(*parts: object) -> str:
    """Return a request id: the same request again is answered with the first one's operation."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:36]


def pool_name(owner: str) -> str:
    """Return the name of the Airflow pool that holds a user's worker slots."""
    return f"user-{owner}"


def filter_by(labels: dict[str, str], state: str | None = None) -> str:
    """Return the filter that lists what has all these labels, and is in a group of states (ACTIVE, ...)."""
    terms = [f"status.state = {state}"] if state else []
    return " AND ".join([*terms, *(f"labels.{key} = {value}" for key, value in sorted(labels.items()))])

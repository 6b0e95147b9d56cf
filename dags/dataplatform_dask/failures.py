"""Why something failed, in words, and who hears of it."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from dataplatform_dask.cloud import JobRecord

#: Failures are said by this logger, one line each; an alert on it reaches on-call.
LOG = logging.getLogger("dataplatform_dask.failures")

# Exit codes of the launcher after which there is no other try: the right or an option is wrong, or a time that the job
# was given is up. That it has no more of; waiting in the queue a second time would be twice of what was asked for.
_FINAL = frozenset({77, 78, 123, 124, 125})

# Lines of the launcher, and of Spark's and Hadoop's logs: "26/11/29 00:53:30 INFO SparkContext: ...".
_NOT_THE_SCRIPT = re.compile(r"dask: |\d\d/\d\d/\d\d \d\d:\d\d:\d\d |SLF4J: ")
_LONGEST_LINE = 500


class JobFailure(NamedTuple):
    """What to say of a failed job, and whether a retry can help."""

    message: str
    worth_another_try: bool


def job_failure(job: JobRecord, record_uri: str, connection: str) -> JobFailure:
    """Return why a job failed: the launcher's reason from its run record, else Dataproc's, and its last output."""
    record = _read_record(record_uri, connection)
    result = (record or {}).get("result") or {}
    code = result.get("exit_code")
    reason = result.get("reason") or job.detail or "Dataproc gives no reason"
    code_text = "" if code is None else f" with exit code {code}"
    last = _last_words(job.output, connection)
    said = f"; its output ends: {last}" if last else ""
    where = f"run record: {record_uri}" if record else "no run record: the driver did not get that far"
    message = f"job {job.job_id} failed{code_text}: {reason}{said}; {where}; output: {job.output or 'none'}"
    return JobFailure(message, code not in _FINAL)


def report_failure(context: Context) -> None:
    """Say in one line which task failed, why, and where its log is. The failure callback of every task."""
    ti = context["ti"]
    owner = context["task"].owner
    where = f"DAG {ti.dag_id} of {owner}, run {ti.run_id}: task {ti.task_id}"
    LOG.error("%s", failure_line(where, context.get("exception"), ti.log_url))


def failure_line(where: str, error: Any, log_url: str) -> str:
    """Return the line that a failure is reported with."""
    reason = " ".join(str(error or "no reason was given").split())
    return f"{where} failed: {reason} | log: {log_url}"


def _read_record(uri: str, connection: str) -> dict[str, Any] | None:
    try:
        return json.loads(_read(uri, connection))
    except Exception as error:
        # The job's failure is what matters; a record that cannot be read must not hide it.
        LOG.info("run record %s cannot be read: %s", uri, error)
        return None


def _last_words(prefix: str, connection: str) -> str:
    """Return the last line of a driver's output that is neither the launcher's nor Spark's."""
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    bucket, _, start = prefix.removeprefix("gs://").partition("/")
    try:
        parts = sorted(GCSHook(gcp_conn_id=connection).list(bucket_name=bucket, prefix=start)) if prefix else []
        # The last part may be empty as yet.
        text = b"".join(_read(f"gs://{bucket}/{part}", connection) for part in parts[-2:]).decode(errors="replace")
    except Exception as error:
        LOG.info("driver output %s cannot be read: %s", prefix, error)
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _NOT_THE_SCRIPT.match(line)]
    return lines[-1][:_LONGEST_LINE] if lines else ""


def _read(uri: str, connection: str) -> bytes:
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return GCSHook(gcp_conn_id=connection).download(bucket_name=bucket, object_name=name)

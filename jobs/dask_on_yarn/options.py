"""The launcher's command line: parsing and the checks that need nothing but the numbers themselves."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import NoReturn

from dask_on_yarn.exit_codes import BAD_OPTIONS, RunEnded

#: Heap of an executor's JVM in MiB; Spark refuses less than 450.
EXECUTOR_HEAP_MB = 512
#: Spark's own minimum overhead of an application master in MiB.
MASTER_OVERHEAD_MB = 384
#: Smallest worker container in MiB in which a JVM, a nanny and a worker fit.
SMALLEST_WORKER_MB = 1536

USER_NAME = re.compile(r"[a-z_][a-z0-9._-]{0,31}")
WORKLOAD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Options:
    """What one run was asked for; memory in MiB, times in seconds (None: no limit)."""

    script: str
    script_arguments: tuple[str, ...]
    owner: str
    workload: str
    priority: str
    user_workers: int | None
    min_workers: int
    max_workers: int
    worker_memory_mb: int
    worker_vcores: int
    worker_threads: int
    master_memory_mb: int
    timeout: float | None
    queue_timeout: float | None
    idle_timeout: float | None
    idle_hold: float
    run_directory: str | None
    price_vcore_hour: float | None
    price_gib_hour: float | None
    cache_size_mb: int
    script_account: str | None

    @property
    def queue(self) -> str:
        """The parent queue; the ResourceManager appends the owner's name."""
        return f"root.{self.priority}"

    @property
    def worker_reserved_mb(self) -> int:
        """What a worker's container keeps back from Dask: the JVM, Spark's Python processes and the nanny."""
        return min(2048, max(1024, self.worker_memory_mb // 6))

    @property
    def worker_limit_mb(self) -> int:
        """Dask's memory limit of a worker: the container without what is held back."""
        return self.worker_memory_mb - self.worker_reserved_mb


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RunEnded(BAD_OPTIONS, f"{message}; run_dask.py --help lists the options")


def parse(arguments: list[str]) -> Options:
    """Read the command line; everything after the first ``--`` belongs to the user's script.

    Raises RunEnded with BAD_OPTIONS and a message that names the option, its value and what was expected.
    """
    own, theirs = arguments, []
    if "--" in arguments:
        split = arguments.index("--")
        own, theirs = arguments[:split], arguments[split + 1 :]
    values = vars(_parser().parse_args(own))
    options = Options(script_arguments=tuple(theirs), **values)
    _check(options)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="run_dask.py", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--script", required=True, help="plain Dask script: a file, gs://... or anything fsspec opens")
    add("--owner", required=True, help="who the YARN application belongs to")
    add("--workload", required=True, help="name of the YARN application and of the run's directory")
    add("--priority", default="normal", help="queue below root: critical, normal, low")
    add("--user-workers", type=_count, help="most workers this owner may have on any cluster")
    add("--min-workers", type=_count_or_none, default=1, help="workers that stay; 0: only while there is work")
    add("--max-workers", type=_count, default=1, help="most workers of this run")
    add("--worker-memory-mb", type=_count, default=12288, help="container size, MiB")
    add("--worker-vcores", type=_count, default=4, help="vcores of a container")
    add("--worker-threads", type=_count, default=4, help="threads of a Dask worker")
    add("--master-memory-mb", type=_count, default=1024, help="container of the application master, MiB")
    add("--timeout", type=_seconds, help="seconds from the start of the script")
    add("--queue-timeout", type=_seconds, help="seconds from submission to the first worker")
    add("--idle-timeout", type=_seconds, help="seconds in which the script gives the workers nothing to do")
    add("--idle-hold", type=_seconds, default=60.0, help="seconds a worker must be unneeded before it is given back")
    add("--run-directory", help="where <job id>/run.json and performance-report.html are written; a directory or gs://")
    add("--price-vcore-hour", type=_price, help="price of a vcore hour for the cost estimate")
    add("--price-gib-hour", type=_price, help="price of a GiB hour for the cost estimate")
    add("--cache-size-mb", type=_count_or_none, default=0, help="local cache per worker for inputs read twice; 0: none")
    add("--script-account", help="account (name or uid) the script runs as when the driver runs as root")
    return parser


def _check(options: Options) -> None:
    for option, value, pattern in (
        ("--owner", options.owner, USER_NAME),
        ("--workload", options.workload, WORKLOAD_NAME),
        ("--priority", options.priority, USER_NAME),
    ):
        if not pattern.fullmatch(value):
            raise RunEnded(BAD_OPTIONS, f"{option} {value!r}: expected a name that matches {pattern.pattern}")
    if options.min_workers > options.max_workers:
        raise RunEnded(
            BAD_OPTIONS,
            f"--min-workers {options.min_workers} is more than --max-workers {options.max_workers}",
        )
    if options.worker_memory_mb < SMALLEST_WORKER_MB:
        raise RunEnded(
            BAD_OPTIONS,
            f"--worker-memory-mb {options.worker_memory_mb}: expected at least {SMALLEST_WORKER_MB} MiB, "
            f"of which {options.worker_reserved_mb} go to Spark and the nanny",
        )
    if options.master_memory_mb < 2 * MASTER_OVERHEAD_MB:
        raise RunEnded(
            BAD_OPTIONS,
            f"--master-memory-mb {options.master_memory_mb}: expected at least {2 * MASTER_OVERHEAD_MB} MiB, "
            f"of which {MASTER_OVERHEAD_MB} are Spark's overhead",
        )


def _count(text: str) -> int:
    value = _count_or_none(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of at least 1")
    return value


def _count_or_none(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) or float(text) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds above 0")
    return float(text)


def _price(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a price such as 0.0316")
    return float(text)

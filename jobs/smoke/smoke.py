"""Exercise the parts of Dask that jobs rely on, with answers that are known not to change: a plain Dask script.

A canary runs it on a cluster of new versions and compares what it answers, how long it took and how much memory with
what the last good cluster said. It makes its own data from whole numbers (no generator of random numbers, whose stream
a version may change), and every value is a multiple of 1/8 small enough that float64 adds it exactly: the answers do
not depend on the order of additions, hence not on the number of workers.

- arrays: reductions, a rechunk from rows to columns, a matrix product;
- tables: group, shuffle, join, quantile, text;
- Parquet: written below ``--temporary``, read back with a filter, and removed;
- delayed functions that add up as a tree;
- state that only workers have: it cannot be computed again, so it survives a worker's end only if it was moved before.
  With ``--scale-in-seconds`` the script holds it until a worker has left, and fails when none does or when it is lost.

``--results`` becomes one JSON object: ``results`` by name, ``versions``, ``seconds`` (without the waiting), ``parts``
(seconds by part), ``workers`` (first and last number seen) and ``workload``, which says what was computed: answers of
another workload cannot be compared.

The same file runs on a laptop and on a cluster: ``Client()`` without arguments starts workers on this machine unless
``DASK_SCHEDULER_ADDRESS`` names a scheduler. Both addresses are anything fsspec can open: a file, ``gs://...``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import itertools
import json
import math
import platform
import signal
import sys
import time
from collections.abc import Callable

import dask
import dask.array as da
import dask.dataframe as dd
import fsspec
import numpy as np
import pandas as pd
from dask.distributed import Client

PROGRAM = "smoke"
#: Changes with what is computed, so that answers are compared with those of the same computation only.
VERSION = 1
PARTS = 24
HELD_NUMBERS = 100_000
NAMES = pd.array([f"name-{number:02d}" for number in range(50)], dtype="string[pyarrow]")
PACKAGES = ("dask", "distributed", "numpy", "pandas", "pyarrow")
#: The line that says that state is held and a worker may leave, behind the program's name.
HOLDING = "holding state"

Results = dict[str, int | float | str]


def scrambled(numbers: np.ndarray) -> np.ndarray:
    """Spread whole numbers over 0 to 2^31 - 1, always in the same way."""
    return (numbers.astype("int64") * 2654435761 + 12345) % 2**31


def rounded(value: float) -> float:
    """Keep nine digits, which roots and quotients have in common on every processor."""
    return float(f"{value:.9g}")


def arrays(rows: int) -> Results:
    """Reduce, rechunk and multiply a square matrix of about ``rows`` whole numbers from 0 to 63."""
    side = math.isqrt(rows)
    matrix = da.fromfunction(
        lambda row, column: (scrambled(row * side + column) % 64).astype("float64"),
        shape=(side, side),
        chunks=(-(-side // 8), side),
        dtype="float64",
    )
    columns = matrix.rechunk((side, -(-side // 8)))
    product = columns @ columns.T
    total, spread, medians, trace, corner = dask.compute(
        matrix.sum(), matrix.std(), da.median(columns, axis=0).sum(), da.trace(product), product[-1, -1]
    )
    return {
        "array_sum": int(total),
        "array_standard_deviation": rounded(spread),
        "array_medians": rounded(medians),
        "matrix_trace": int(trace),
        "matrix_corner": int(corner),
    }


def table_part(bounds: tuple[int, int]) -> pd.DataFrame:
    """Return the rows from ``bounds[0]`` up to, not including, ``bounds[1]``."""
    number = np.arange(*bounds, dtype="int64")
    key = scrambled(number) % 997
    return pd.DataFrame(
        {
            "id": number,
            "key": key,
            "digit": number % 10,
            "value": (scrambled(number + 7) % 4096) / 8.0,
            "name": NAMES.take(key % len(NAMES)),
        }
    )


def bounds_of_parts(rows: int) -> list[tuple[int, int]]:
    """Cut ``rows`` rows into parts of about the same size."""
    cuts = [rows * part // PARTS for part in range(PARTS + 1)]
    return list(itertools.pairwise(cuts))


def table(rows: int) -> dd.DataFrame:
    """Return the table of ``rows`` rows; its parts are the same whatever the number of workers."""
    return dd.from_map(table_part, bounds_of_parts(rows), meta=table_part((0, 1)).iloc[:0])


def largest_group(part: pd.DataFrame) -> pd.DataFrame:
    """Return the sum and size of every group of a part that has all rows of its groups."""
    return part.groupby("key").agg(total=("value", "sum"), size=("id", "count")).reset_index()


def tables(rows: int) -> Results:
    """Group, shuffle and join the table, look for a quantile, and digest what its groups of text add up to."""
    frame = table(rows)
    by_name = frame.groupby("name").agg({"value": "sum", "id": "max"})
    groups = frame.shuffle("key").map_partitions(largest_group, meta={"key": "i8", "total": "f8", "size": "i8"})
    thirds = frame[frame.id % 3 == 0][["id", "value"]].rename(columns={"value": "other"})
    joined = frame.merge(thirds, on="id", how="inner")
    count, names, keys, groups, matches, product, quantile = dask.compute(
        frame.shape[0],
        by_name,
        frame.groupby("name").key.nunique(),
        groups,
        joined.shape[0],
        (joined.digit * joined.other).sum(),
        frame.digit.quantile(0.55),
    )
    names = names.assign(keys=keys).sort_index()
    lines = "\n".join(f"{row.Index} {row.value} {row.id} {row.keys}" for row in names.itertuples())
    top = groups.sort_values(["total", "key"], ascending=[False, True]).iloc[0]
    return {
        "table_rows": int(count),
        "table_names": len(names),
        "table_names_digest": hashlib.sha256(lines.encode()).hexdigest()[:16],
        "table_mean_of_names": rounded(names.value.mean()),
        "shuffle_groups": len(groups),
        "shuffle_largest_key": int(top.key),
        "shuffle_largest_total": rounded(top.total),
        "join_rows": int(matches),
        "join_product": rounded(product),
        "table_quantile": rounded(quantile),
    }


def parquet(rows: int, temporary: str) -> Results:
    """Write the table below ``temporary``, read a tenth of it back through a filter, and remove it."""
    address = f"{temporary.rstrip('/')}/table"
    filesystem, path = fsspec.url_to_fs(address)
    try:
        table(rows).to_parquet(address, write_index=False, overwrite=True)
        filesystem.invalidate_cache()
        files = len(filesystem.glob(f"{path}/*.parquet"))
        kept = dd.read_parquet(address, columns=["id", "value", "name"], filters=[("digit", "==", 3)])
        count, total, last = dask.compute(kept.shape[0], kept.value.sum(), kept.name.max())
    finally:
        if filesystem.exists(path):
            filesystem.rm(path, recursive=True)
    return {
        "parquet_files": files,
        "parquet_rows": int(count),
        "parquet_total": rounded(total),
        "parquet_last_name": str(last),
    }


@dask.delayed
def part_total(bounds: tuple[int, int]) -> int:
    """Add up the scrambled numbers of a part."""
    return int(scrambled(np.arange(*bounds)).sum())


@dask.delayed
def added(left: int, right: int) -> int:
    """Add two totals."""
    return left + right


def delayed_functions(rows: int) -> Results:
    """Add up the parts of the table as a tree of delayed functions."""
    totals = [part_total(bounds) for bounds in bounds_of_parts(rows)]
    while len(totals) > 1:
        pairs = [added(*totals[at : at + 2]) for at in range(0, len(totals) - 1, 2)]
        totals = pairs + totals[len(pairs) * 2 :]
    return {"delayed_total": int(totals[0].compute())}


def held_state(client: Client, scale_in_seconds: float) -> Results:
    """Give state to the workers, use it until one of them has left (if that is wanted), and see that all is there.

    Exits when no worker leaves within ``scale_in_seconds``; raises what Dask raises when the state is lost.
    """
    state = [scrambled(np.arange(HELD_NUMBERS) + part * HELD_NUMBERS) for part in range(PARTS)]
    held = client.scatter(state, hash=False)
    before = len(client.nthreads())
    print(f"{PROGRAM}: {HOLDING} on {before} workers", flush=True)
    end = time.monotonic() + scale_in_seconds
    while True:
        total = int(client.submit(sum, client.map(np.sum, held, pure=False), pure=False).result())
        if len(client.nthreads()) < before or not scale_in_seconds:
            break
        if time.monotonic() > end:
            sys.exit(f"{PROGRAM}: none of {before} workers left within {scale_in_seconds:g} s; one was to leave")
        time.sleep(0.5)
    print(f"{PROGRAM}: all state is there; {len(client.nthreads())} workers", flush=True)
    return {"held_total": total}


def versions() -> dict[str, str]:
    """Return the versions of Python and of what the computations rest on, here or on a worker."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def common_versions(client: Client) -> dict[str, str]:
    """Return the versions, and exit when a worker has others than this process."""
    here = versions()
    for worker, there in client.run(versions).items():
        if there != here:
            sys.exit(f"{PROGRAM}: worker {worker} has {there}; the script has {here}")
    return here


def run(client: Client, rows: int, temporary: str, scale_in_seconds: float) -> dict[str, object]:
    """Do all parts and return what is written to the results."""
    first = len(client.nthreads())
    computed: dict[str, Callable[[], Results]] = {
        "arrays": lambda: arrays(rows),
        "tables": lambda: tables(rows),
        "parquet": lambda: parquet(rows, temporary),
        "delayed": lambda: delayed_functions(rows),
    }
    results: Results = {}
    seconds: dict[str, float] = {}
    for name, compute in computed.items():
        started = time.monotonic()
        results |= compute()
        seconds[name] = round(time.monotonic() - started, 2)
        print(f"{PROGRAM}: {name} took {seconds[name]:.1f} s", flush=True)
    # Last, because it may cost a worker, and the times before are to be comparable.
    results |= held_state(client, scale_in_seconds)
    return {
        "workload": f"{PROGRAM} {VERSION}: {rows} rows",
        "results": results,
        "versions": common_versions(client),
        "seconds": round(sum(seconds.values()), 2),
        "parts": seconds,
        "workers": {"first": first, "last": len(client.nthreads())},
    }


def main() -> None:
    """Parse the arguments, run all parts and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", required=True, help="file or URL of the JSON object with the answers")
    parser.add_argument("--temporary", required=True, help="directory or URL for Parquet, which is removed")
    parser.add_argument("--rows", type=int, default=4_000_000, help="size of what is computed (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="workers to wait for (%(default)s)")
    parser.add_argument("--workers-seconds", type=float, default=600.0, help="how long to wait for them (%(default)s)")
    parser.add_argument(
        "--scale-in-seconds",
        type=float,
        default=0.0,
        help="wait so long for a worker to leave; 0: not at all",
    )
    arguments = parser.parse_args()
    if arguments.rows < PARTS:
        parser.error(f"--rows {arguments.rows}: expected at least {PARTS}")

    # Ending by an exception lets the Parquet be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Client() as client:
        client.wait_for_workers(arguments.workers, timeout=arguments.workers_seconds)
        print(f"{PROGRAM}: {len(client.nthreads())} workers; {arguments.rows} rows", flush=True)
        document = run(client, arguments.rows, arguments.temporary, arguments.scale_in_seconds)
    with fsspec.open(arguments.results, "w") as file:
        json.dump(document, file, indent=2)
    print(f"{PROGRAM}: {len(document['results'])} answers in {document['seconds']} s, in {arguments.results}")


if __name__ == "__main__":
    main()

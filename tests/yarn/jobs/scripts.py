"""Plain Dask scripts that tests submit. None of them knows the platform."""

COUNT = """
import sys, time
from dask.distributed import Client

def work(number, seconds):
    time.sleep(seconds)
    return number

with Client() as client:
    futures = client.map(work, range(int(sys.argv[1])), seconds=float(sys.argv[2]), pure=False)
    print("STARTED", flush=True)
    print("TOTAL", sum(client.gather(futures)), flush=True)
"""
"""Sums numbers, one task each: ``COUNT TASKS SECONDS_EACH``; prints STARTED, then TOTAL."""

HOLD = """
import sys, time
from dask.distributed import Client

with Client() as client:
    client.wait_for_workers(int(sys.argv[1]), timeout=300)
    print("HOLDING", flush=True)
    time.sleep(float(sys.argv[2]))
"""
"""Waits for workers and then does nothing: ``HOLD WORKERS SECONDS``; prints HOLDING."""

SHUFFLE = """
import json, pathlib, sys, time, uuid
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask.distributed import Client, wait

ROWS, PARTS = 200_000, 24

def part(number, marks):
    pathlib.Path(marks, f"{number}-{uuid.uuid4()}").touch()
    generator = np.random.default_rng(number)
    return pd.DataFrame({"key": generator.integers(0, 1000, ROWS), "value": generator.integers(0, 100, ROWS)})

with Client() as client:
    client.wait_for_workers(int(sys.argv[1]), timeout=300)
    frame = dd.from_map(part, range(PARTS), marks=sys.argv[3], meta={"key": "int64", "value": "int64"}).persist()
    wait(frame)
    print("IN MEMORY", flush=True)
    time.sleep(float(sys.argv[2]))
    shuffled = frame.shuffle("key", npartitions=PARTS).map_partitions(
        lambda piece: piece.groupby("key").value.sum().to_frame(), meta={"value": "int64"}
    )
    print("SHUFFLING", flush=True)
    sums = shuffled.compute()["value"]
    print("ANSWER " + json.dumps([int(sums.sum()), len(sums)]), flush=True)
"""
"""Holds a table in memory and shuffles it: ``SHUFFLE WORKERS PAUSE MARKS``; prints IN MEMORY, SHUFFLING and the ANSWER.

Every time a part of the table is made, a file appears in the directory MARKS: two for one part are a recomputation.
"""

READ_TWICE = """
import sys
import fsspec
import pandas as pd
from dask.distributed import Client

def total(source):
    with source as file:
        return int(pd.read_csv(file).number.sum())

with Client() as client:
    source = fsspec.open(sys.argv[1])
    first = client.submit(total, source, pure=False).result()
    source.fs.exists(sys.argv[2])
    print("SUMS", [first, client.submit(total, source, pure=False).result()])
"""
"""Sums the column ``number`` of a file twice, each time read anew by a worker, and looks for another one between the
readings, so that they can be told apart by what the cloud was asked: ``READ_TWICE URI BETWEEN``; prints SUMS."""

SHUT_DOWN = """
import time
from dask.distributed import Client

client = Client()
client.wait_for_workers(2, timeout=300)
client.shutdown()
print("SHUT DOWN", flush=True)
time.sleep(45)
print("WENT ON", flush=True)
"""
"""Ends the whole cluster by Dask's own call and goes on for 45 s; prints SHUT DOWN and WENT ON."""

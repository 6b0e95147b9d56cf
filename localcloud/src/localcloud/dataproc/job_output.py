"""Driver output in the bucket: a series of objects `driveroutput.000000000`, `.000000001`... that clients follow.

An object of the series may grow until the next one exists; an empty object ends the series: so gcloud reads it.
"""

from __future__ import annotations

from typing import Any

from localcloud.dataproc.engine import Engine

PART_BYTES = 256 * 1024
# A driver that writes all the time costs one upload of at most a part in this many seconds.
UPLOAD_INTERVAL_SECONDS = 0.8
_CONTENT_TYPE = "text/plain; charset=utf-8"


def upload(
    engine: Engine, storage: Any, name: str, *, bucket: str, prefix: str, progress: dict[str, int], last: bool
) -> bool:
    """Bring the series of objects under `prefix` up to date with the output of driver `name`.

    `progress` ({"part": index, "start": offset of the part, "end": offset uploaded so far}) is kept by the caller
    between calls; `last` also ends the series. Returns whether anything was written. Raises what the storage raises.
    """
    size = engine.output_size(name)
    wrote = False
    while progress["end"] < size:
        end = min(size, progress["start"] + PART_BYTES)
        data = engine.read_output(name, progress["start"], end)
        storage.write_object(bucket, f"{prefix}.{progress['part']:09d}", data, content_type=_CONTENT_TYPE)
        progress["end"] = end
        wrote = True
        if end - progress["start"] == PART_BYTES:
            progress["part"] += 1
            progress["start"] = end
        if not last:
            break
    if last:
        final = progress["part"] + (1 if progress["end"] > progress["start"] else 0)
        storage.write_object(bucket, f"{prefix}.{final:09d}", b"", content_type=_CONTENT_TYPE)
        wrote = True
    return wrote


def last_error_line(engine: Engine, name: str) -> str:
    """Return the last line of the output that names an exception, else its last line; empty when there is none."""
    size = engine.output_size(name)
    text = engine.read_output(name, max(0, size - 16 * 1024), size).decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line.partition(":")[0] or "Exception" in line.partition(":")[0]]
    return (named or lines or [""])[-1][:1000]

"""Run the day of twenty-five users on a real ResourceManager and draw how long they waited.

    .venv/bin/python tests/benchmarks/bench_users_day.py [--seed 20130101] [--output docs/images]

Writes users-day.png and users-day.json (every job's waiting time, what was used when) into the output directory.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from localcloud.hadoop import HadoopRuntime  # noqa: E402
from tests.yarn.load.day import jobs  # noqa: E402
from tests.yarn.load.plots import plot_day  # noqa: E402
from tests.yarn.support import compile_load  # noqa: E402
from tests.yarn.users_day import run_day  # noqa: E402


def main() -> None:
    """Run the day that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20130101, help="of the day's jobs (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images", help="default: docs/images")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    hadoop = HadoopRuntime.find()
    with tempfile.TemporaryDirectory() as scratch:
        classes = compile_load(hadoop, Path(scratch) / "classes")
        record, _ = run_day(jobs(options.seed), Path(scratch) / "yarn", hadoop, classes)
    (options.output / "users-day.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
    plot_day(record, options.output / "users-day.png")
    print(f"{len(record['jobs'])} jobs in {record['seconds']} s, {record['preempted']} containers preempted")
    for priority, wait in record["waits"].items():
        print(
            f"{priority:>9}: {wait['jobs']:3} jobs, first worker after {wait['median']:.1f} s (median), "
            f"{wait['p90']:.1f} s (p90), {wait['max']:.1f} s (at most)"
        )


if __name__ == "__main__":
    main()

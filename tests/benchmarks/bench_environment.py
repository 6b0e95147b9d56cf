"""Benchmark: from nothing to a Dask worker on a fresh node, by the environment image, by its archive, and by pip.

    .venv/bin/python tests/benchmarks/bench_environment.py [--runs 3]

One node, a container with systemd; a Cloud Storage and an index of wheels are on the same machine. Timed is from the
start of ``init-actions/dask-environment.sh`` (or of ``pip install`` of the same lock into a virtual environment that is
there already) until a ``dask worker`` that has imported its data libraries is registered with a scheduler, which runs
already. Ways take turns. "Without the download" leaves out fetching and checking the object, which depends on the
network. Load by others stretches all of it. Ends with code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))

from localcloud.settings import default_cluster_python  # noqa: E402
from tests.nodes.one_node import MOUNTPOINT, OneNode, one_node  # noqa: E402

LOCK = REPOSITORY / "requirements" / "cluster-environment.txt"
PYTHON = "/usr/bin/python3.11"
CACHE = default_cluster_python().parents[2]
LARGEST_PART_OF_PIP, IMAGE_SECONDS, ARCHIVE_SECONDS = 0.1, 5.0, 12.0
SCHEDULER = "tcp://127.0.0.1:8786"
PRELOAD = "import dask.dataframe, gcsfs, pandas, pyarrow\n"
WAIT = f"""
import asyncio
from distributed import rpc

async def main():
    async with rpc("{SCHEDULER}") as scheduler:
        print("waiting", flush=True)
        while not (await scheduler.identity())["workers"]:
            await asyncio.sleep(0.05)
    print("ready", flush=True)

asyncio.run(main())
"""


def build() -> tuple[Path, Path]:
    """The image and the archive of the lock, from the playbook's cache or built into it."""
    recipe = REPOSITORY / "roles" / "environment_image" / "files" / "build.sh"
    key = hashlib.sha256(f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()}{recipe.read_text()}".encode()).hexdigest()
    output = CACHE / "environments" / key
    if not output.exists():
        uv = subprocess.run([REPOSITORY / "scripts" / "find_uv.sh"], check=True, capture_output=True, text=True)
        tools = Path(sys.executable).parent
        defaults = yaml.safe_load((recipe.parents[1] / "defaults" / "main.yml").read_text())
        arguments = [LOCK, output, PYTHON, uv.stdout.strip(), tools / "cyclonedx-py"]
        subprocess.run([recipe, *arguments, *defaults["environment_image_modules"]], check=True)
    return output / "image" / "environment.sqfs", output / "archive" / "environment.tar.zst"


def wheels() -> Path:
    """A directory with the wheels of the lock."""
    directory = CACHE / f"wheels-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if not directory.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            subprocess.run([PYTHON, "-m", "venv", f"{work}/venv"], check=True)
            download = [f"{work}/venv/bin/pip", "download", "--quiet", "--require-hashes", "--only-binary=:all:"]
            subprocess.run([*download, "--requirement", LOCK, "--dest", f"{work}/wheels"], check=True)
            Path(work, "wheels").rename(directory)
    return directory


def until_registered(node: OneNode, waiting: subprocess.Popen[str], python: str) -> None:
    """Start a worker and return when the scheduler has it."""
    options = "--no-nanny --nthreads 2 --no-dashboard --local-directory /tmp --preload /bench/preload.py"
    node.shell(
        f"setsid {python} -m distributed.cli.dask_worker {SCHEDULER} {options} >/tmp/worker.log 2>&1 &"
        " echo $! >/run/worker"
    )
    output, errors = waiting.communicate(timeout=300)
    if output != "waiting\nready\n":
        sys.exit(f"the worker did not come up\n{errors}\n{node.shell('cat /tmp/worker.log')}")


def end_worker(node: OneNode) -> None:
    """Stop the worker; the scheduler forgets it when its connection ends."""
    node.shell("kill -KILL $(cat /run/worker); rm /run/worker")
    time.sleep(1)


def run_init_action(node: OneNode) -> str:
    """Have the environment by the init action; what it logged."""
    done = node.init_action()
    if done.returncode:
        sys.exit(done.stderr)
    return done.stderr


def run_pip(node: OneNode) -> str:
    """Have the lock by pip."""
    return node.shell(
        "TMPDIR=/tmp/pip /opt/pip/bin/python -m pip install --quiet --no-index --find-links http://127.0.0.1:8899/"
        " --no-cache-dir --disable-pip-version-check --require-hashes --requirement /bench/lock.txt"
    )


def once(node: OneNode, way: str, image: Path, archive: Path) -> tuple[float, float]:
    """Seconds in all, and of these the init action's download, of one fresh start."""
    node.reset()
    shutil.rmtree(node.opt / "pip", ignore_errors=True)
    if way == "pip":
        subprocess.run([PYTHON, "-m", "venv", node.opt / "pip"], check=True)
        node.shell("mkdir -p /tmp/pip")
    else:
        node.pin(
            node.publish("environment.sqfs", image.read_bytes()),
            node.publish("environment.tar.zst", archive.read_bytes()),
        )
        node.loop_devices(present=way == "image")
    waiting = node.start("/bench/scheduler/bin/python", "-u", "/bench/wait.py")
    time.sleep(5)
    started = time.perf_counter()
    log = run_pip(node) if way == "pip" else run_init_action(node)
    until_registered(node, waiting, "/opt/pip/bin/python" if way == "pip" else f"{MOUNTPOINT}/bin/python")
    seconds = time.perf_counter() - started
    print(log, end="", flush=True)
    end_worker(node)
    return seconds, sum(float(found) for found in re.findall(r"fetched .* \(([0-9.]+) s\)", log))


def measure(runs: int, work: Path) -> dict[str, list[tuple[float, float]]]:
    """Seconds and seconds of the download, by way."""
    image, archive = build()
    bench = work / "bench"
    (bench / "scheduler").mkdir(parents=True)
    subprocess.run(["tar", "--zstd", "--extract", "--file", archive, "--directory", bench / "scheduler"], check=True)
    (bench / "preload.py").write_text(PRELOAD)
    (bench / "wait.py").write_text(WAIT)
    shutil.copy(LOCK, bench / "lock.txt")
    (bench / "wheels").mkdir()
    found: dict[str, list[tuple[float, float]]] = {"image": [], "archive": [], "pip": []}
    with one_node(work, [f"{bench}:/bench:ro", f"{wheels()}:/bench/wheels:ro"]) as node:
        scheduler = (
            "setsid /bench/scheduler/bin/python -m distributed.cli.dask_scheduler --host 127.0.0.1 --no-dashboard"
        )
        node.shell(f"{scheduler} >/tmp/scheduler.log 2>&1 &")
        node.shell("setsid python3 -m http.server --bind 127.0.0.1 --directory /bench/wheels 8899 >/dev/null 2>&1 &")
        for _run in range(runs):
            for way, results in found.items():
                results.append(once(node, way, image, archive))
                print(f"{way}: {results[-1][0]:.2f} s, of these {results[-1][1]:.2f} s download", flush=True)
        node.reset()
    return found


def main() -> None:
    """Measure, print what docs/benchmarks.md shows, and compare with the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each way (default: 3)")
    with tempfile.TemporaryDirectory() as work:
        found = measure(parser.parse_args().runs, Path(work))
    whole = {way: statistics.median(seconds for seconds, _ in results) for way, results in found.items()}
    rest = {way: statistics.median(each - download for each, download in results) for way, results in found.items()}
    print(json.dumps(found))
    for way in found:
        print(f"| {way} | {whole[way]:.2f} | {rest[way]:.2f} | {whole['pip'] / whole[way]:.1f} |")
    bars = {
        f"image, of pip: {whole['image'] / whole['pip']:.3f}": whole["image"] <= LARGEST_PART_OF_PIP * whole["pip"],
        f"image, without the download: {rest['image']:.2f} s": rest["image"] <= IMAGE_SECONDS,
        f"archive: {whole['archive']:.2f} s": whole["archive"] <= ARCHIVE_SECONDS,
    }
    for bar, met in bars.items():
        print(f"{bar}: {'met' if met else 'MISSED'}")
    sys.exit(not all(bars.values()))


if __name__ == "__main__":
    main()

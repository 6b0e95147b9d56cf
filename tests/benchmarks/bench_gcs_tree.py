# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Compare gcs_tree with gcloud storage rsync, gsutil -m rsync and rclone on one tree and one local endpoint.

    .venv/bin/python tests/benchmarks/bench_gcs_tree.py [--files 1000] [--latency 0.02] [--runs 3]

Four phases, each tool with a source and a bucket of its own, tools interleaved within a phase so that load on the
machine hits all of them: first push; nothing changed; 10 files changed; a fresh checkout (same content, new times,
as in every CI run). Wall is the median; CPU is that of the tool's processes, the endpoint's is not in it. What counts
as gcs_tree is the module's process, which is what Ansible starts; the whole `ansible-playbook` is an extra row.
`--growth` measures gcs_tree alone at N and 10 N files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / "collections"
MODULE = COLLECTIONS / "ansible_collections/dataplatform/compute/plugins/modules/gcs_tree.py"
LOCALCLOUD = Path(sys.executable).with_name("localcloud")
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

PHASES = ("first push", "no change", "10 changed", "fresh checkout")
OURS = "gcs_tree"
WHOLE_PLAY = "ansible-playbook"
FOLDERS = 20
FILE_BYTES = 1600


@dataclass
class Sample:
    """One run of one tool: seconds, CPU seconds, peak memory in MiB, requests by kind."""

    wall: float
    cpu: float
    memory: float
    requests: Counter = field(default_factory=Counter)


@dataclass
class Tool:
    """How to make a bucket prefix equal to a directory with one tool; `command` gets (source, bucket, work folder)."""

    name: str
    command: Callable[[Path, str, Path], list[str]]
    needs: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        """Whether the tool's program is there."""
        return self.needs is None or shutil.which(self.needs) is not None


def main() -> None:
    """Run the benchmark and print its tables."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-gcs-tree-") as folder:
        work = Path(folder)
        with local_cloud(work / "cloud") as environment:
            if options.latency:
                _localcloud(
                    environment, "fault", "add", "--method", "*", "--kind", "delay", "--delay", str(options.latency)
                )
            if options.growth:
                growth(work, environment, options)
            else:
                comparison(work, environment, options)


def comparison(work: Path, environment: dict[str, str], options: argparse.Namespace) -> None:
    """Measure every installed tool in every phase and print table, requests and ratios."""
    candidates = [tool for tool in tools(environment) if not options.tools or tool.name in options.tools]
    for tool in candidates:
        if not tool.installed:
            print(f"not installed, left out: {tool.name} ({tool.needs})")
    present = [tool for tool in candidates if tool.installed]
    samples: dict[tuple[str, str], list[Sample]] = {(tool.name, phase): [] for tool in present for phase in PHASES}
    for run in range(options.runs):
        for tool in present:
            _tree(_source(work, tool, run), options.files)
            _create_bucket(_bucket(tool, run), environment)
        for phase in PHASES:
            for tool in present:
                source = _source(work, tool, run)
                _prepare(source, phase)
                sample = measure(tool, source, _bucket(tool, run), work, environment)
                samples[tool.name, phase].append(sample)
                print(f"run {run + 1} {phase}: {tool.name} {sample.wall:.2f} s", file=sys.stderr, flush=True)
        for tool in present:
            shutil.rmtree(_source(work, tool, run))
    print(f"\n{options.files} files of {FILE_BYTES} bytes, {options.latency * 1000:.0f} ms added per request, ", end="")
    print(f"{options.runs} runs; load at the end {os.getloadavg()[0]:.1f}\n")
    _print_table(present, samples)
    _print_ratios(present, samples, options.latency)


def growth(work: Path, environment: dict[str, str], options: argparse.Namespace) -> None:
    """Measure gcs_tree alone at N and 10 N files: time and memory must not grow faster than the number of files."""
    tool = next(tool for tool in tools(environment) if tool.name == OURS)
    medians: dict[tuple[int, str], tuple[float, float, float]] = {}
    for count in (options.files, options.files * 10):
        samples: dict[str, list[Sample]] = {phase: [] for phase in PHASES}
        for run in range(options.runs):
            source, bucket = work / f"growth-{count}-{run}", f"growth-{count}-{run}"
            _tree(source, count)
            _create_bucket(bucket, environment)
            for phase in PHASES:
                _prepare(source, phase)
                samples[phase].append(measure(tool, source, bucket, work, environment))
            shutil.rmtree(source)
        for phase in PHASES:
            medians[count, phase] = tuple(
                statistics.median(getattr(sample, key) for sample in samples[phase])
                for key in ("wall", "cpu", "memory")
            )
    print("| phase | files | wall s | CPU s | peak MiB | growth of wall, CPU, memory for 10 x files |")
    print("|---|---|---|---|---|---|")
    for phase in PHASES:
        small, large = medians[options.files, phase], medians[options.files * 10, phase]
        ratios = ", ".join(f"{after / before:.1f}x" for before, after in zip(small, large, strict=True))
        for count, row, note in ((options.files, small, ""), (options.files * 10, large, ratios)):
            print(f"| {phase} | {count} | {row[0]:.2f} | {row[1]:.2f} | {row[2]:.0f} | {note} |")


def tools(environment: dict[str, str]) -> list[Tool]:
    """Return all tools of the comparison, ours first."""
    key = environment["GOOGLE_APPLICATION_CREDENTIALS"]
    rclone = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_GCS_TYPE": "google cloud storage",
        "RCLONE_CONFIG_GCS_SERVICE_ACCOUNT_FILE": key,
        "RCLONE_CONFIG_GCS_BUCKET_POLICY_ONLY": "true",
    }
    return [
        Tool(OURS, _module_command, environment={"PYTHONPATH": str(COLLECTIONS)}),
        Tool(
            WHOLE_PLAY,
            _playbook_command,
            environment={"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)},
        ),
        Tool(
            "gcloud",
            lambda source, bucket, _work: [
                *("gcloud", "storage", "rsync", "-r", str(source), f"gs://{bucket}/dags"),
                *("--delete-unmatched-destination-objects", "--quiet"),
            ],
            needs="gcloud",
        ),
        Tool(
            "gsutil",
            lambda source, bucket, _work: [
                "gsutil",
                "-m",
                "-q",
                "rsync",
                "-r",
                "-d",
                str(source),
                f"gs://{bucket}/dags",
            ],
            needs="gsutil",
        ),
        Tool(
            "rclone",
            lambda source, bucket, _work: [
                *("rclone", "sync", "-q", "--checksum", "--fast-list", "--transfers", "32", "--checkers", "16"),
                *(str(source), f"GCS:{bucket}/dags"),
            ],
            needs="rclone",
            environment=rclone,
        ),
    ]


def measure(tool: Tool, source: Path, bucket: str, work: Path, environment: dict[str, str]) -> Sample:
    """Run a tool once and return what it took; ends the benchmark with its output when it fails."""
    command = tool.command(source, bucket, work)
    _localcloud(environment, "requests", "--clear")
    output = work / "output.txt"
    with output.open("wb") as stream:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env={**environment, **tool.environment}, cwd=work, stdout=stream, stderr=subprocess.STDOUT
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(
            f"{tool.name} failed with {process.returncode}: {command}\n{output.read_text(errors='replace')[-4000:]}"
        )
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, _requests(environment))


def _requests(environment: dict[str, str]) -> Counter:
    """Count the requests since the journal was cleared: lists, writes, and everything else."""
    journal = map(json.loads, _localcloud(environment, "requests", "--json").splitlines())
    counted: Counter = Counter()
    for entry in journal:
        if entry["method_id"] == "storage.objects.list":
            counted["list page"] += 1
        elif "storage" in entry["method_id"] and entry["method"] not in ("GET", "HEAD"):
            counted["write"] += 1
        else:
            counted["other"] += 1
    return counted


def _module_command(source: Path, bucket: str, work: Path) -> list[str]:
    arguments = work / f"{bucket}.json"
    parameters = {"bucket": bucket, "prefix": "dags", "source": str(source)}
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": parameters}))
    return [sys.executable, str(MODULE), str(arguments)]


def _playbook_command(source: Path, bucket: str, work: Path) -> list[str]:
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Synchronise",
                "dataplatform.compute.gcs_tree": {
                    "bucket": bucket,
                    "prefix": "dags",
                    "source": str(source),
                },
            }
        ],
    }
    playbook = work / f"{bucket}.yml"
    playbook.write_text(json.dumps([play]))
    return [str(PLAYBOOK), "-i", "localhost,", str(playbook)]


def _print_table(present: list[Tool], samples: dict[tuple[str, str], list[Sample]]) -> None:
    print("| tool | " + " | ".join(f"{phase}: wall [min-max] (CPU) requests" for phase in PHASES) + " | peak MiB |")
    print("|---" * (len(PHASES) + 2) + "|")
    for tool in present:
        cells = []
        for phase in PHASES:
            taken = samples[tool.name, phase]
            walls = [sample.wall for sample in taken]
            cpu = statistics.median(sample.cpu for sample in taken)
            counted = ", ".join(f"{count} {kind}" for kind, count in sorted(taken[-1].requests.items()))
            cells.append(
                f"{statistics.median(walls):.2f} [{min(walls):.2f}-{max(walls):.2f}] ({cpu:.2f}) {counted or '0'}"
            )
        memory = max(sample.memory for phase in PHASES for sample in samples[tool.name, phase])
        print(f"| {tool.name} | " + " | ".join(cells) + f" | {memory:.0f} |")


def _print_ratios(present: list[Tool], samples: dict[tuple[str, str], list[Sample]], latency: float) -> None:
    """Print how many times longer each peer takes, with the bar it is held against."""
    walls = {key: statistics.median(sample.wall for sample in taken) for key, taken in samples.items()}
    cpu = {key: statistics.median(sample.cpu for sample in taken) for key, taken in samples.items()}
    print("\n| compared with gcs_tree | " + " | ".join(PHASES) + " |\n" + "|---" * (len(PHASES) + 1) + "|")
    for tool in present:
        if tool.name in (OURS, WHOLE_PLAY) or (OURS, PHASES[0]) not in samples:
            continue
        cells = []
        for phase in PHASES:
            ours, theirs = walls[OURS, phase], walls[tool.name, phase]
            met, bar = _bar(tool.name, phase, ours, theirs, latency)
            verdict = f" ({bar}: {'met' if met else 'MISSED'})" if bar else ""
            cells.append(f"{theirs / ours:.1f}x wall{verdict}, {cpu[tool.name, phase] / cpu[OURS, phase]:.1f}x CPU")
        print(f"| {tool.name} | " + " | ".join(cells) + " |")


def _bar(peer: str, phase: str, ours: float, theirs: float, latency: float) -> tuple[bool, str]:
    """Return whether the bar is met, and the bar in words; no words where none is set."""
    if peer == "rclone":
        if phase == "first push":
            return ours < theirs, "faster"
        return (ours < theirs + 1.0, "within 1 s") if not latency else (True, "")
    if latency:
        return True, ""
    factor = 10 if phase == "fresh checkout" else 3
    return theirs >= factor * ours, f"at least {factor}x"


def _tree(source: Path, count: int) -> None:
    """Write `count` files of different text into 20 folders."""
    generator = random.Random(count)  # noqa: S311 - repeatable content, not a secret
    for folder in range(FOLDERS):
        (source / f"package_{folder:02d}").mkdir(parents=True)
    for number in range(count):
        path = source / f"package_{number % FOLDERS:02d}" / f"dag_{number:05d}.py"
        path.write_text(
            "".join(f"value_{generator.getrandbits(64):020d}\n" for _line in range(FILE_BYTES // 27 + 1))[:FILE_BYTES]
        )


def _prepare(source: Path, phase: str) -> None:
    """Bring a source into the state that a phase starts from."""
    if phase == "10 changed":
        for path in sorted(source.rglob("*.py"))[::97][:10]:
            path.write_text(path.read_text()[:-20] + f"# {time.time_ns():018d}"[-20:])
    elif phase == "fresh checkout":
        copy = source.with_name(source.name + "-copy")
        shutil.copytree(source, copy, copy_function=shutil.copyfile)
        shutil.rmtree(source)
        copy.rename(source)


def _source(work: Path, tool: Tool, run: int) -> Path:
    return work / f"source-{tool.name}-{run}"


def _bucket(tool: Tool, run: int) -> str:
    return f"bench-{tool.name.replace('_', '-')}-{run}"


def _create_bucket(bucket: str, environment: dict[str, str]) -> None:
    script = (
        "import sys; from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient;"
        "GoogleClient({'auth_kind': 'application'}).request('POST', 'https://storage.googleapis.com/storage/v1/b',"
        "params={'project': 'local-project'}, json={'name': sys.argv[1], 'location': 'europe-west1'})"
    )
    subprocess.run(
        [sys.executable, "-c", script, bucket], env={**environment, "PYTHONPATH": str(COLLECTIONS)}, check=True
    )


@contextmanager
def local_cloud(home: Path) -> Iterator[dict[str, str]]:
    """Bring up a local cloud of our own; yields the environment of its clients."""
    base = {**os.environ, "LOCALCLOUD_HOME": str(home)}
    _localcloud(base, "up", "--port", "0", "--engine", "process")
    try:
        environment = {**base, **json.loads(_localcloud(base, "env", "--format", "json"))}
        if shutil.which("gcloud"):
            key = environment["GOOGLE_APPLICATION_CREDENTIALS"]
            # gsutil knows no other way to a service account than gcloud's store of logins.
            subprocess.run(
                ["gcloud", "auth", "activate-service-account", "--key-file", key, "--quiet"],
                env=environment,
                check=True,
                capture_output=True,
            )
        yield environment
    finally:
        _localcloud(base, "down")


def _localcloud(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([str(LOCALCLOUD), *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"localcloud {' '.join(arguments)} failed: {done.stderr or done.stdout}")
    return done.stdout


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every request")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tools", nargs="+", help="only these")
    parser.add_argument("--growth", action="store_true", help="gcs_tree alone, at N and 10 N files")
    return parser.parse_args()


if __name__ == "__main__":
    main()

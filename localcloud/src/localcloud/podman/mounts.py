"""What containers see of this machine: programs, read-only, each at the path it has here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from localcloud.hadoop import HadoopRuntime


def program_directories(runtime: HadoopRuntime, python: Path) -> list[Path]:
    """Return the directories that Java, Hadoop, Spark and the clusters' Python need; none inside another."""
    wanted = {runtime.java_home, *_linked_directories(runtime.java_home), runtime.jars}
    if runtime.spark_home is not None:
        # pyspark runs from its own tree, but PySpark's scripts look for the one it is linked from.
        wanted |= {runtime.spark_home, runtime.spark_home.resolve()}
    if python.exists():
        wanted |= {python.parent.parent, python.parent.parent.resolve(), *_prefixes(python)}
    return _outermost(wanted)


def _linked_directories(home: Path) -> Iterator[Path]:
    """Return where Debian keeps what a JDK's directory only links to."""
    for path in home.rglob("*"):
        if path.is_symlink():
            target = path.resolve()
            if target.exists() and not target.is_relative_to(home):
                yield target if target.is_dir() else target.parent


def _prefixes(python: Path) -> set[Path]:
    """Return what a virtual environment's Python is built on."""
    answer = subprocess.run(
        [str(python), "-c", "import json, sys; print(json.dumps([sys.base_prefix, sys.base_exec_prefix]))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # Nodes have a /usr of their own.
    return {Path(prefix) for prefix in json.loads(answer.stdout)} - {Path("/usr")}


def _outermost(directories: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for directory in sorted(set(directories)):
        if not any(directory.is_relative_to(outer) for outer in found):
            found.append(directory)
    return found

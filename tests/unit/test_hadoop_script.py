"""scripts/hadoop.sh: jars that are not those of the lock never reach the cache that clusters use."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MAVEN = """#!/bin/sh
for word in "$@"; do
  case "$word" in -DoutputDirectory=*) directory="${word#*=}" ;; esac
done
for jar in hadoop-a hadoop-b; do echo "$jar $(cat "$CONTENT")" > "$directory/$jar.jar"; done
"""


class Checkout:
    """A checkout with this script, a Java and a Maven that is not the real one, and a cache of its own."""

    def __init__(self, directory: Path) -> None:
        for part in ("scripts/hadoop.sh", "requirements/hadoop/pom.xml", "requirements/hadoop/jars.sha256"):
            (directory / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / part, directory / part)
        for program, text in (("bin/mvn", MAVEN), ("java/bin/java", "#!/bin/sh\n")):
            (directory / program).parent.mkdir(parents=True)
            (directory / program).write_text(text)
            (directory / program).chmod(0o755)
        self.directory = directory
        self.cache = directory / "cache" / "dataplatform-compute"
        self.content = directory / "content"

    def run(self, *options: str, content: str = "right") -> subprocess.CompletedProcess[str]:
        """Run the script; Maven's jars hold ``content``."""
        self.content.write_text(content)
        environment = {
            "PATH": f"{self.directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "JAVA_HOME": str(self.directory / "java"),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
            "CONTENT": str(self.content),
            "HOME": str(self.directory),
        }
        command = [str(self.directory / "scripts" / "hadoop.sh"), *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    assert made.run("--lock").returncode == 0
    return made


def test_jars_of_the_lock_are_linked_and_not_fetched_again(checkout: Checkout) -> None:
    for content in ("right", "never asked for"):
        assert checkout.run(content=content).returncode == 0
        assert (checkout.cache / "hadoop" / "hadoop-a.jar").read_text() == "hadoop-a right\n"


def test_a_jar_with_another_checksum_is_refused_by_name(checkout: Checkout) -> None:
    refused = checkout.run(content="wrong")
    assert refused.returncode == 1
    assert "hadoop-a.jar" in refused.stderr
    assert list(checkout.cache.iterdir()) == []

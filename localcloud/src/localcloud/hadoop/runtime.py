"""Where this machine has Java, Hadoop and Spark."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from localcloud.hadoop.errors import HadoopMissing

# Hadoop 3.3 runs on Java 11 and, with packages opened, on 17 and 21; the `--add-opens` below are unknown to Java 8.
OLDEST_JAVA = 11
NEWEST_JAVA = 21
_NEEDED_CLASSES = ("hadoop-yarn-server-resourcemanager-", "hadoop-yarn-server-nodemanager-", "hadoop-yarn-client-")
# What every JVM here gets, Hadoop's and Spark's.
LIGHT_JVM = (
    # Start-up counts more than peak speed, and a dozen JVMs must fit a laptop.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    # No files in /tmp that outlive a killed JVM.
    "-XX:-UsePerfData",
)
_JVM_OPTIONS = (
    *LIGHT_JVM,
    "-Djava.net.preferIPv4Stack=true",
    # Guice and the web applications of Hadoop 3.3 look into these packages, which Java 17 closes.
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
)


def _cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "dataplatform-compute"


def _find_java() -> Path:
    """Return the home of a Java that Hadoop runs on. Raises HadoopMissing."""
    configured = os.environ.get("JAVA_HOME")
    if configured:
        java = Path(configured) / "bin" / "java"
        if not os.access(java, os.X_OK):
            raise HadoopMissing(f"JAVA_HOME is {configured}, which has no bin/java; expected the home of Java 17")
        return _checked(java)
    found = shutil.which("java")
    if found is None:
        raise HadoopMissing(
            "there is no Java: no java on PATH and JAVA_HOME is not set; "
            "install Java 17, on Debian: apt-get install openjdk-17-jre-headless"
        )
    return _checked(Path(found))


def _checked(java: Path) -> Path:
    java = java.resolve()
    home = java.parent.parent
    try:
        found = re.search(r'JAVA_VERSION="([^"]*)"', (home / "release").read_text(encoding="utf-8"))
        version = found[1] if found else ""
    except OSError:
        answer = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=60, check=False)
        found = re.search(r'version "([^"]*)"', answer.stderr)
        version = found[1] if found else ""
    major = re.match(r"(?:1\.)?(\d+)", version)
    if not major or not OLDEST_JAVA <= int(major[1]) <= NEWEST_JAVA:
        raise HadoopMissing(
            f"{java} is Java {version or 'of unknown version'}; Hadoop 3.3 needs Java {OLDEST_JAVA} to {NEWEST_JAVA} "
            "(best 17, on Debian: apt-get install openjdk-17-jre-headless); set JAVA_HOME to one"
        )
    return home


def _find_jars() -> Path:
    configured = os.environ.get("LOCALCLOUD_HADOOP_JARS")
    jars = Path(configured).expanduser().absolute() if configured else _cache() / "hadoop"
    missing = [name for name in _NEEDED_CLASSES if not any(jars.glob(f"{name}*.jar"))]
    if missing:
        origin = f"LOCALCLOUD_HADOOP_JARS is {jars}" if configured else f"{jars} is where they are expected"
        raise HadoopMissing(f"Hadoop's jars are missing ({origin}, without {missing[0]}*.jar); run scripts/hadoop.sh")
    # Whoever follows a symlink at every start would mix two versions when the link is moved meanwhile.
    return jars.resolve()


def _find_spark() -> Path | None:
    configured = os.environ.get("LOCALCLOUD_SPARK_HOME")
    home = Path(configured).expanduser().absolute() if configured else _cache() / "spark"
    if configured and not (home / "jars").is_dir():
        raise HadoopMissing(
            f"LOCALCLOUD_SPARK_HOME is {home}, which has no directory jars; expected a home of Spark 3.5"
        )
    candidates = [home, *sorted(home.glob("lib/python3.*/site-packages/pyspark"))]
    return next((candidate for candidate in candidates if (candidate / "jars").is_dir()), None)


def class_archive(java_home: Path, programs: Path) -> Path:
    """Return where the archive of classes for this Java and the programs in a directory is, or would be."""
    release = java_home / "release"
    java = zlib.crc32(release.read_bytes() if release.exists() else os.fsencode(java_home))
    return programs / f"classes-{java:08x}.jsa"


def _archive_options(java_home: Path, programs: Path) -> tuple[str, ...]:
    archive = class_archive(java_home, programs)
    # A JVM that cannot use the archive after all says nothing and starts as it would without.
    return (f"-XX:SharedArchiveFile={archive}",) if archive.exists() else ()


@dataclass(frozen=True)
class HadoopRuntime:
    """The programs that clusters are made of.

    `spark_home` is None where Spark is not installed; `options` go to every JVM that `command` runs, `spark_options` to
    Spark's: drivers, application masters and executors.
    """

    java_home: Path
    jars: Path
    spark_home: Path | None
    options: tuple[str, ...] = ()
    spark_options: tuple[str, ...] = ()

    @classmethod
    def find(cls) -> HadoopRuntime:
        """Return what is installed. Raises HadoopMissing with what to install.

        JAVA_HOME, LOCALCLOUD_HADOOP_JARS and LOCALCLOUD_SPARK_HOME go over PATH and the caches that setup makes.
        """
        java_home, jars, spark_home = _find_java(), _find_jars(), _find_spark()
        spark_options = _archive_options(java_home, spark_home) if spark_home else ()
        return cls(java_home, jars, spark_home, _archive_options(java_home, jars), spark_options)

    def command(self, main: str, conf: Path, *options: str, arguments: tuple[str, ...] = ()) -> list[str]:
        """Return the command that runs Hadoop's class `main` with the configuration directory `conf`.

        The jars come first: a class-data archive is valid only for a class path that begins like the one it was made
        with. No jar holds a file of the names in `conf`.
        """
        return self.java(*self.options, *options, "-cp", f"{self.class_path}:{conf}", main, *arguments)

    @property
    def class_path(self) -> str:
        """All jars, always in the same order."""
        return ":".join(sorted(str(jar) for jar in self.jars.glob("*.jar")))

    def java(self, *arguments: str) -> list[str]:
        """Return the command that runs a JVM as daemons need it."""
        return [str(self.java_home / "bin" / "java"), *_JVM_OPTIONS, *arguments]

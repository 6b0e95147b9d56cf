#!/usr/bin/env python3
# init-action-scope: hadoop-conf-dir
"""What a node says about itself, as one line of JSON: accounts, Python, kernel, programs, Hadoop's files and daemons.

It runs as an initialization action of every node, before Hadoop's daemons; in the driver on the master; and in the
containers of a YARN application, which import it. It only looks, and says nothing that is secret. Every value is a
text; what the node has not is ``none``.

A node that is told where its metadata are (GCE_METADATA_HOST) is no machine of its own: what is the machine's says
nothing about nodes then, and is left out. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import grp
import json
import os
import platform
import pwd
import shutil
import stat
import subprocess
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path

NONE = "none"
SYSTEM_CONF_DIRECTORY = "/etc/hadoop/conf"
ACCOUNTS = ("yarn", "hdfs", "spark")
DAEMONS = {
    "resource_manager": "hadoop-yarn-resourcemanager",
    "node_manager": "hadoop-yarn-nodemanager",
    "agent": "google-dataproc-agent",
}
LOGS = "/var/log"
LOG_NAME = "dataproc-initialization-script-"
SECONDS = 10


def facts() -> dict[str, str]:
    """Everything, by name."""
    found = {
        "role": metadata("attributes/dataproc-role"),
        "attributes": " ".join(name for name in metadata("attributes/").split() if name.startswith("dataproc-")),
        "python": platform.python_version(),
        "machine": "yes" if is_machine() else "no",
    }
    if is_machine():
        found.update(machine_facts(Path(SYSTEM_CONF_DIRECTORY)))
    return found


def is_machine() -> bool:
    """Whether this node is a machine of its own."""
    return not os.environ.get("GCE_METADATA_HOST")


def configuration_directory() -> str:
    """What HADOOP_CONF_DIR names: the system's directory where it leads there, by whatever name."""
    named = os.environ.get("HADOOP_CONF_DIR") or NONE
    return SYSTEM_CONF_DIRECTORY if os.path.realpath(named) == os.path.realpath(SYSTEM_CONF_DIRECTORY) else named


def machine_facts(conf: Path) -> dict[str, str]:
    """What only a machine of its own can tell about nodes."""
    found = {f"account.{name}": account(name) for name in ACCOUNTS}
    found.update(
        {
            "user": account_name(os.geteuid()),
            "python.executable": os.path.realpath(sys.executable),
            "os": os_name(),
            "squashfs": "yes" if has_module("squashfs") else "no",
            "loop": "yes" if Path("/dev/loop-control").exists() or has_module("loop") else "no",
            "kinit": shutil.which("kinit") or NONE,
            "mount.nfs": shutil.which("mount.nfs", path="/sbin:/usr/sbin:/bin:/usr/bin") or NONE,
            "zstd": shutil.which("zstd") or NONE,
            "systemd": "yes" if Path("/run/systemd/system").is_dir() else "no",
            "conf": owner_and_mode(conf),
            "conf.yarn-site": owner_and_mode(conf / "yarn-site.xml"),
            "init_logs": " ".join(sorted(path.name for path in Path(LOGS).glob(f"{LOG_NAME}*"))) or NONE,
        }
    )
    for name, unit in DAEMONS.items():
        found.update({f"{name}.{key}": value for key, value in daemon(unit).items()})
    return found


def metadata(path: str) -> str:
    """One value of the instance's metadata; the names of a listing, on one line."""
    host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
    request = urllib.request.Request(
        f"http://{host}/computeMetadata/v1/instance/{path}", headers={"Metadata-Flavor": "Google"}
    )
    # Never through a proxy: the server is the node's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return " ".join(response.read().decode(errors="replace").split()) or NONE
    except (OSError, HTTPException):
        return NONE


def account(name: str) -> str:
    """``UID:GID`` of an account."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return NONE
    return f"{entry.pw_uid}:{entry.pw_gid}"


def account_name(uid: int) -> str:
    """The account's name, its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The group's name, its number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def owner_and_mode(path: Path) -> str:
    """``USER:GROUP MODE`` of what a path leads to, such as ``root:root 0755``."""
    try:
        found = path.stat()
    except OSError:
        return NONE
    return f"{account_name(found.st_uid)}:{group_name(found.st_gid)} {stat.S_IMODE(found.st_mode):04o}"


def os_name() -> str:
    """Distribution and its version, such as ``debian 12``."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return NONE
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    return " ".join(fields.get(name, "?").strip('"') for name in ("ID", "VERSION_ID"))


def has_module(name: str) -> bool:
    """Whether the kernel has a file system or module, or could load it. Nothing is loaded."""
    known = Path("/proc/filesystems").read_text(encoding="utf-8").split()
    return name in known or Path(f"/sys/module/{name}").is_dir() or command("modprobe", "--dry-run", name) is not None


def daemon(unit: str) -> dict[str, str]:
    """State of a unit, and whose its main process is."""
    shown = command("systemctl", "show", "--property=LoadState,ActiveState,MainPID", unit) or ""
    fields = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if fields.get("LoadState") != "loaded":
        return {"state": NONE, "user": NONE}
    process = fields.get("MainPID", "0")
    try:
        user = account_name(Path(f"/proc/{process}").stat().st_uid) if process != "0" else NONE
    except OSError:
        user = NONE
    return {"state": fields.get("ActiveState") or NONE, "user": user}


def command(*words: str) -> str | None:
    """The output of a program; None when it is not there, fails, or takes too long."""
    path = os.pathsep.join((os.environ.get("PATH") or os.defpath, "/sbin", "/usr/sbin"))
    program = shutil.which(words[0], path=path)
    if program is None:
        return None
    try:
        ended = subprocess.run([program, *words[1:]], capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout if ended.returncode == 0 else None


if __name__ == "__main__":
    print(json.dumps(facts(), sort_keys=True))

#!/usr/bin/env python3
# init-action-scope: hadoop-conf-dir
"""Keep the FairScheduler's allocation file of a master the same as the one that is published in the bucket.

As an init action (no arguments) it fetches the file that the cluster's metadata `fair-scheduler-uri` names, before the
ResourceManager starts, and sees to it that a new generation is fetched every 10 seconds from then on: with a systemd
timer, or where systemd does not run, or the directory is not the system's, with a process of its own that ends when the
configuration directory vanishes. With systemd, lib/queues_taken.py of the node bundle looks after each start of the
ResourceManager whether it has taken the file; the unit yarn-queues-taken is failed when it has not.
The ResourceManager reads a changed file by itself. Workers do nothing.

A file is checked before it is renamed into place. What the ResourceManager could not load is refused: the old file
stays, and the line in the log says what is wrong.

    yarn_queues.py [install|refresh|loop] [--interval SECONDS]

The file is $HADOOP_CONF_DIR/fair-scheduler.xml (default /etc/hadoop/conf). Metadata and tokens come from the metadata
server (GCE_METADATA_HOST, default metadata.google.internal); proxies and certificate authorities from the environment.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import argparse
import contextlib
import enum
import errno
import fcntl
import hashlib
import http.client
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

SYSTEM_CONF_DIRECTORY = Path("/etc/hadoop/conf")
CONF_DIRECTORY = Path(os.environ.get("HADOOP_CONF_DIR", SYSTEM_CONF_DIRECTORY))
ALLOCATION_FILE = "fair-scheduler.xml"
# A directory, because Spark ships every file of the configuration directory, but no directory, to its containers.
STATE_DIRECTORY = "fair-scheduler.d"
SYSTEMD_RUNTIME = Path("/run/systemd/system")
UNIT_DIRECTORY = Path("/etc/systemd/system")
PROGRAM = Path("/usr/local/sbin/yarn_queues.py")
UNIT = "yarn-queues"
CHECK_PROGRAM = Path("/opt/dataplatform/bundle/lib/queues_taken.py")

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 10
INTERVAL_SECONDS = 10
LARGEST_FILE = 1 << 20
LARGEST_LOG = 256 << 10
# The one policy that is known to load and that puts everybody into a queue of their own.
PLACEMENT = [
    ("nestedUserQueue", {"create": "true"}, [("specified", {"create": "false"}, [])]),
    ("reject", {}, []),
]
# Elements that hold others and no text.
CONTAINERS = ("allocations", "queue", "queuePlacementPolicy", "rule", "user")

started = time.monotonic()


class Exit(enum.IntEnum):
    """What the exit code says."""

    DONE = 0
    USAGE = 2
    NO_METADATA = 3
    REFUSED = 4
    NOT_FOUND = 5
    NOT_PERMITTED = 6
    UNAVAILABLE = 7
    NOT_WRITABLE = 8
    NOT_TAKEN = 10
    DISK_FULL = 11


class Failure(Exception):
    """The end of a step, in words, with the exit code that stands for it."""

    def __init__(self, code: Exit, text: str) -> None:
        super().__init__(text)
        self.code = code


def begin_step() -> None:
    """From here on counts what the next line says."""
    global started  # noqa: PLW0603
    started = time.monotonic()


def log(text: str) -> None:
    """One line per step: when, what, and how many seconds it took."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(f"{stamp} yarn_queues: {text} ({time.monotonic() - started:.2f} s)", flush=True)
    begin_step()


def request(url: str, headers: dict[str, str], direct: bool) -> tuple[int, dict[str, str], bytes]:
    """GET with bounded retries; (status, headers, body), also for 304 and 4xx. Raises Failure(UNAVAILABLE).

    `direct`: not through a proxy, as for the metadata server.
    """
    handlers: list[Any] = [urllib.request.HTTPSHandler(context=ssl.create_default_context())]
    if direct:
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1))  # noqa: S311
        try:
            with opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            if error.code not in (408, 429) and error.code < 500:
                return error.code, {}, b""
            problem = f"HTTP {error.code}"
        except (OSError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error))
    raise Failure(Exit.UNAVAILABLE, f"{url} did not answer in {ATTEMPTS} attempts: {problem}")


def metadata(path: str) -> str | None:
    """A value of the instance's metadata, None when there is none. Raises Failure(NO_METADATA)."""
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    url = f"http://{host}/computeMetadata/v1/instance/{path}"
    try:
        status, _headers, body = request(url, {"Metadata-Flavor": "Google"}, direct=True)
    except Failure as error:
        raise Failure(Exit.NO_METADATA, f"no metadata: {error}") from error
    if status == 404:
        return None
    if status != 200:
        raise Failure(Exit.NO_METADATA, f"{url} answered HTTP {status}, expected 200")
    return body.decode()


def download(uri: str, known_generation: str) -> tuple[str, bytes] | None:
    """(generation, content) of the object, None when it still is the known generation. Raises Failure."""
    bucket, _, name = uri[len("gs://") :].partition("/")
    if not uri.startswith("gs://") or not bucket or not name:
        raise Failure(Exit.NO_METADATA, f"metadata fair-scheduler-uri is {uri!r}, expected gs://BUCKET/NAME")
    try:
        token = json.loads(metadata("service-accounts/default/token") or "")["access_token"]
    except (ValueError, LookupError, TypeError) as error:
        text = "the metadata server has no token: has this node a service account?"
        raise Failure(Exit.NO_METADATA, text) from error
    query = {"alt": "media", **({"ifGenerationNotMatch": known_generation} if known_generation else {})}
    url = "https://storage.googleapis.com/storage/v1/b/{}/o/{}?{}".format(
        urllib.parse.quote(bucket, safe=""), urllib.parse.quote(name, safe=""), urllib.parse.urlencode(query)
    )
    status, headers, body = request(url, {"Authorization": f"Bearer {token}"}, direct=False)
    if status == 304:
        return None
    if status == 404:
        raise Failure(Exit.NOT_FOUND, f"{uri} does not exist; publish it with playbooks/queues.yml")
    if status in (401, 403):
        raise Failure(Exit.NOT_PERMITTED, f"HTTP {status}: this node's service account may not read {uri}")
    if status != 200:
        raise Failure(Exit.UNAVAILABLE, f"{uri} answered HTTP {status}, expected 200 or 304")
    return headers.get("x-goog-generation", ""), body


def problem_of(content: bytes) -> str:
    """What is wrong with an allocation file, in words; empty when the ResourceManager can load it."""
    if len(content) > LARGEST_FILE or b"<!" in content.replace(b"<!--", b""):
        return f"it has {len(content)} bytes or declarations, expected plain XML of at most {LARGEST_FILE} bytes"
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  no declarations, bounded size
    except ElementTree.ParseError as error:
        return f"it is not XML: {error}"
    if root.tag != "allocations":
        return f"its root element is {root.tag!r}, expected 'allocations'"
    problems = [*queue_problems(root), *filter(None, map(text_problem, root.iter()))]
    placement = [rules_of(policy) for policy in root.iter("queuePlacementPolicy")]
    if placement != [PLACEMENT]:
        problems.append(f"its placement rules are {placement}, expected {[PLACEMENT]}, which are known to load")
    return "; ".join(problems)


def queue_problems(root: ElementTree.Element) -> Iterator[str]:
    """The queues and the rights at their top."""
    tops = [queue for queue in root if queue.tag in ("queue", "pool")]
    if [top.get("name") for top in tops] != ["root"]:
        yield f"its queues are {[top.get('name') for top in tops]}, expected the one queue 'root'"
        return
    if tops[0].find("queue") is None:
        yield "its queue 'root' has no queues in it"
    for tag in ("aclSubmitApps", "aclAdministerApps"):
        if tops[0].find(tag) is None:
            yield f"its queue 'root' lacks {tag}, which lets everybody into every queue"


def text_problem(element: ElementTree.Element) -> str:
    """What is wrong with the text of one element. The ResourceManager cannot read an empty one."""
    text = element.text or ""
    if element.tag in ("aclSubmitApps", "aclAdministerApps"):
        if not text:
            return f"it has an empty {element.tag}, expected users, or a single space for nobody"
        if text != " " and any(character.isspace() for character in text):
            return f"its {element.tag} is {text!r}, expected users with commas and no space: groups come after one"
    elif element.tag not in CONTAINERS and not text.strip():
        return f"its element {element.tag} is empty"
    elif element.tag == "weight" and not is_positive(text):
        return f"it has the weight {text!r}, expected a number above 0"
    return ""


def is_positive(text: str) -> bool:
    """Whether a text is a finite number above 0."""
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def rules_of(element: ElementTree.Element) -> list[Any]:
    """Placement rules as (name, other attributes, rules inside)."""
    return [
        (rule.get("name"), {key: value for key, value in rule.items() if key != "name"}, rules_of(rule))
        for rule in element
    ]


def refresh() -> Exit:
    """Fetch a new generation, check it, and rename it into place; nothing is written when there is none."""
    uri = metadata("attributes/fair-scheduler-uri")
    if not uri:
        raise Failure(Exit.NO_METADATA, "metadata has no fair-scheduler-uri: the cluster's template does not set it")
    target, state_file = CONF_DIRECTORY / ALLOCATION_FILE, CONF_DIRECTORY / STATE_DIRECTORY / "state.json"
    try:
        state_file.parent.mkdir(exist_ok=True)
        with locked(state_file.parent / "refresh.lock") as mine:
            if not mine:
                log("another refresh is running")
                return Exit.DONE
            return replace(uri, target, state_file)
    except OSError as error:
        raise writing_failed(CONF_DIRECTORY, error) from error


def writing_failed(directory: Path, error: OSError) -> Failure:
    """Why something could not be written into a directory."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return Failure(Exit.DISK_FULL if full else Exit.NOT_WRITABLE, f"{directory} cannot be written: {error}")


def replace(uri: str, target: Path, state_file: Path) -> Exit:
    """The refresh itself, under the lock."""
    state = read_state(state_file, uri)
    if state.get("sha256") != digest_of(target) and not state.get("refused"):
        # Somebody changed or removed the file here: fetch it whatever its generation.
        state = {}
    answer = download(uri, str(state.get("generation", "")))
    if answer is None:
        return Exit.REFUSED if state.get("refused") else Exit.DONE
    generation, content = answer
    problem = problem_of(content)
    if problem:
        write(state_file, json.dumps({"uri": uri, "generation": generation, "refused": problem}).encode())
        kept = "the old file stays" if target.exists() else "there is no older file"
        raise Failure(Exit.REFUSED, f"refused generation {generation} of {uri}: {problem}; {kept}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != digest_of(target):
        write(target, content)
        log(f"generation {generation} of {uri} is in place: {len(content)} bytes, sha256 {digest[:12]}")
    else:
        log(f"generation {generation} of {uri} is what is in place already")
    write(state_file, json.dumps({"uri": uri, "generation": generation, "sha256": digest}).encode())
    return Exit.DONE


def read_state(state_file: Path, uri: str) -> dict[str, Any]:
    """What the last refresh saw of this object; empty when it saw another one or left nothing readable."""
    try:
        state = json.loads(state_file.read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) and state.get("uri") == uri else {}


def digest_of(file: Path) -> str:
    """SHA-256 of a file's content, empty when it does not exist."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def write(target: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file at once: readers see the old one or the new one, also after a power cut."""
    new = target.with_name(f".{target.name}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(mode)
        new.replace(target)
    except OSError:
        # On a full disk, what there was room for.
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock while the block runs; False when somebody else has it. It goes with the process, whatever happens."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


SERVICE = """[Unit]
Description=Fetch the FairScheduler's allocation file
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={python} {program} refresh
EnvironmentFile=-/etc/environment
# Nothing is hidden: certificate authorities and Hadoop's files may be anywhere.
ProtectHome=read-only
ReadWritePaths={directory}
"""
CHECK = """[Unit]
Description=Look whether the ResourceManager has taken the queues
After=hadoop-yarn-resourcemanager.service

[Service]
Type=oneshot
# Who the ResourceManager is reads what it reads.
User=yarn
ExecStart={python} {check}
ProtectHome=yes
PrivateTmp=yes
BindReadOnlyPaths={directory}
"""
# With every start of the ResourceManager, also after a reboot.
CHECK_INSTALL = """
[Install]
WantedBy=hadoop-yarn-resourcemanager.service
"""
HARDENED = """Environment=HADOOP_CONF_DIR={directory}
TimeoutStartSec=180
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictSUIDSGID=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""
TIMER = """[Unit]
Description=Fetch the FairScheduler's allocation file every {interval} seconds

[Timer]
OnActiveSec={interval}s
OnUnitInactiveSec={interval}s
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def install(interval: int) -> Exit:
    """What the init action does: the first refresh, and the timer or the process that repeats it."""
    role = metadata("attributes/dataproc-role")
    if role not in ("Master", "Worker"):
        raise Failure(Exit.NO_METADATA, f"metadata dataproc-role is {role!r}, expected Master or Worker")
    if role != "Master":
        log(f"nothing to do on a node whose dataproc-role is {role!r}")
        return Exit.DONE
    result = refresh()
    # Another directory is not the machine's own Hadoop: the promise is to write nowhere else then.
    if SYSTEMD_RUNTIME.is_dir() and CONF_DIRECTORY == SYSTEM_CONF_DIRECTORY:
        install_timer(interval)
    else:
        detach(interval)
    return result


def install_timer(interval: int) -> None:
    """Install this program and its units, and start the timer."""
    if not CHECK_PROGRAM.is_file():
        raise Failure(Exit.NOT_FOUND, f"{CHECK_PROGRAM} does not exist: run node-bundle.sh first")
    directory = CONF_DIRECTORY.resolve()
    values = {"python": sys.executable, "program": PROGRAM, "check": CHECK_PROGRAM, "directory": directory}
    units = {
        f"{UNIT}.service": SERVICE + HARDENED,
        f"{UNIT}.timer": TIMER,
        f"{UNIT}-taken.service": CHECK + HARDENED + CHECK_INSTALL,
    }
    place(PROGRAM, Path(__file__).read_bytes(), 0o755)
    for name, text in units.items():
        place(UNIT_DIRECTORY / name, text.format(**values, interval=interval).encode())
    # Always, not only after a change: a run that was killed may have left that out.
    for command in (["daemon-reload"], ["enable", f"{UNIT}-taken.service"], ["enable", "--now", f"{UNIT}.timer"]):
        done = subprocess.run(["systemctl", *command], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise Failure(Exit.NOT_TAKEN, f"systemctl {' '.join(command)} failed: {done.stderr.strip()}")
    log(f"{UNIT}.timer fetches a new generation every {interval} s; {UNIT}-taken looks whether it is used")


def place(file: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file of the system, unless it is there already. Raises Failure."""
    try:
        if digest_of(file) != hashlib.sha256(content).hexdigest() or file.stat().st_mode & 0o7777 != mode:
            write(file, content, mode)
    except OSError as error:
        raise writing_failed(file.parent, error) from error


def detach(interval: int) -> None:
    """Start the loop as a process of its own that holds none of this one's streams."""
    if os.fork():
        os.wait()
        log(f"a process of its own fetches a new generation every {interval} s")
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    code = 1
    try:
        with (CONF_DIRECTORY / STATE_DIRECTORY / "refresh.log").open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = loop(interval)
    except Exception as error:
        log(f"ended by {error!r}")
    finally:
        os._exit(code)


def loop(interval: int) -> Exit:
    """Refresh until the configuration directory is gone. There is one loop per directory."""
    directory = CONF_DIRECTORY / STATE_DIRECTORY
    directory.mkdir(exist_ok=True)
    with locked(directory / "loop.lock") as mine:
        if not mine:
            log("another process does it already")
            return Exit.DONE
        said = ""
        while directory.is_dir():
            begin_step()
            try:
                refresh()
                said = ""
            except Failure as error:
                if str(error) != said and directory.is_dir():
                    said = str(error)
                    log(said)
            if directory.is_dir() and os.fstat(1).st_size > LARGEST_LOG:
                os.truncate(1, 0)
            time.sleep(interval)
    return Exit.DONE


def main() -> int:
    """Do what the arguments say; the exit code is one of Exit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", nargs="?", choices=("install", "refresh", "loop"), default="install")
    parser.add_argument("--interval", type=int, default=INTERVAL_SECONDS, help="seconds between two refreshes")
    arguments = parser.parse_args()
    try:
        if arguments.action == "refresh":
            return refresh()
        return install(arguments.interval) if arguments.action == "install" else loop(arguments.interval)
    except Failure as error:
        log(f"failed, {error.code.name}: {error}")
        return error.code


if __name__ == "__main__":
    sys.exit(main())

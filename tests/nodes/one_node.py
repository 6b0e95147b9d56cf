"""One node alone, in a container with systemd, with Google of its own, and small environments for it."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.podman.commands import podman
from localcloud.podman.images import image_of
from localcloud.podman.namespaces import entering, listen
from tests.unit.init_actions.fake_google import Google, certificate, serve

INIT_ACTIONS = Path(__file__).parents[2] / "init-actions"
MOUNTPOINT = "/opt/dataplatform/environment"
BUCKET = "acme-artifacts"
# What the init action asks for before it calls an environment one.
LIBRARIES = (
    "dask/__init__.py",
    "dask/dataframe.py",
    "distributed.py",
    "gcsfs.py",
    "numpy.py",
    "pandas.py",
    "pyarrow.py",
)
_PORT = 8377


@dataclass
class OneNode:
    """A node; ``opt`` is its /opt, seen from here, and ``google`` what its scripts are answered."""

    name: str
    process: int
    google: Google
    opt: Path
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command on the node."""
        words = [*entering(self.process), *map(str, command)]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **self.variables}
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command on the node to its end."""
        process = self.start(*command)
        output, errors = process.communicate(timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def shell(self, text: str) -> str:
        """Run shell code on the node that has to succeed; its output."""
        done = self.run("bash", "-c", text)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def restart(self) -> None:
        """Reboot it; its Google does not come back."""
        podman("restart", "--time=10", self.name)
        self.process = first_process(self.name)
        self.wait_for_systemd()

    def wait_for_systemd(self, seconds: float = 180) -> None:
        """Return when the node has booted."""
        deadline = time.monotonic() + seconds
        while self.run("systemctl", "is-system-running").stdout.strip() not in ("running", "degraded"):
            assert time.monotonic() < deadline, f"{self.name} did not boot in {seconds} seconds"
            time.sleep(0.1)

    def init_action(self, name: str = "dask-environment.sh") -> subprocess.CompletedProcess[str]:
        """Run an init action of the project."""
        return self.run(f"/init-actions/{name}")

    @property
    def store(self) -> Path:
        """Where the node keeps images and trees."""
        return self.opt / "dataplatform" / "environments"

    def downloads(self) -> list[str]:
        """What Cloud Storage was asked."""
        return [path for path in self.google.requests if path.startswith("/storage/")]

    def publish(self, name: str, content: bytes, sha256: str = "") -> str:
        """Put an object into the bucket under its hash; its address."""
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        self.google.objects[f"{BUCKET}/{sha256}/{name}"] = (1, content)
        return f"gs://{BUCKET}/{sha256}/{name}"

    def bundle(self, files: Mapping[str, str]) -> None:
        """Give the node a bundle of the functions that init actions share and these texts."""
        bundle = self.opt / "dataplatform" / "bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        shutil.copytree(INIT_ACTIONS / "lib", bundle / "lib")
        shutil.copy(INIT_ACTIONS / "node-bundle.sh", bundle)
        for path, text in files.items():
            (bundle / path).parent.mkdir(exist_ok=True)
            (bundle / path).write_text(text)

    def pin(self, squashfs: str, archive: str, lock: str = "lock") -> None:
        """Give the node the bundle that names an environment."""
        conf = (
            f"squashfs={squashfs}\narchive={archive}\n"
            f"lock_sha256={hashlib.sha256(lock.encode()).hexdigest()}\nmountpoint={MOUNTPOINT}\n"
        )
        self.bundle({"environment/environment.conf": conf})

    def publish_environment(self, tree: Path, lock: str = "lock") -> None:
        """Publish both forms of an environment and pin them."""
        image = self.publish("environment.sqfs", squashfs_of(tree))
        self.pin(image, self.publish("environment.tar.zst", archive_of(tree)), lock)

    def loop_devices(self, *, present: bool) -> None:
        """Let it mount images, or not."""
        make = "[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237"
        make += "; for n in 0 1 2 3 4 5 6 7; do [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n; done"
        self.shell(make if present else "rm -f /dev/loop*")

    def reset(self) -> None:
        """Make it a node again on which nothing ran yet."""
        self.shell(
            f"unit=$(systemd-escape --path --suffix=mount {MOUNTPOINT}); systemctl disable --now --quiet $unit 2>&1;"
            " systemctl disable --now --quiet node-metrics.service 2>&1; cd /etc/systemd/system;"
            " rm -rf $unit *.d/20-dask-environment.conf node-metrics.service /etc/*.d/node-metrics.conf;"
            " rm -rf /run/dask-metrics; systemctl daemon-reload;"
            " systemctl reset-failed; umount /opt/dataplatform/environments 2>&1; rm -rf /opt/dataplatform"
        )
        self.google.objects.clear()
        self.google.secrets.clear()
        self.google.requests.clear()
        self.google.faults.clear()
        self.google.before_answer = None
        self.google.points.clear()
        self.google.point_faults.clear()


def first_process(name: str) -> int:
    """The id, seen from here, of a container's first process."""
    return int(podman("inspect", "--format={{.State.Pid}}", name))


@contextlib.contextmanager
def one_node(directory: Path, mounts: Sequence[str] = ()) -> Iterator[OneNode]:
    """Boot a node; its /opt is below ``directory``, and ``mounts`` are podman's ``--volume``."""
    authority = certificate(directory)
    opt = directory / "opt"
    opt.mkdir()
    address = f"127.0.0.1:{_PORT}"
    variables = {
        "GCE_METADATA_HOST": address,
        "https_proxy": f"http://{address}",
        "CURL_CA_BUNDLE": "/authority.pem",
    }
    # What units find in their environment, as what is started from here does.
    manager = directory / "environment.conf"
    manager.write_text("[Manager]\n" + "".join(f'DefaultEnvironment="{k}={v}"\n' for k, v in variables.items()))
    name = f"one-node-{uuid.uuid4().hex[:8]}"
    volumes = [f"{manager}:/etc/systemd/system.conf.d/10-google.conf:ro"]
    volumes += [f"{INIT_ACTIONS}:/init-actions:ro", f"{opt}:/opt", f"{authority}:/authority.pem:ro", *mounts]
    podman(
        "run",
        "--detach",
        f"--name={name}",
        "--hostname=node",
        "--privileged",
        "--systemd=always",
        *(f"--volume={volume}" for volume in volumes),
        image_of("2.3-debian12"),
    )
    try:
        google = Google(attributes={"dataproc-role": "Worker"})
        process = first_process(name)
        server = serve(google, authority, listen(process, "127.0.0.1", _PORT))
        node = OneNode(name, process, google, opt, variables)
        node.wait_for_systemd()
        yield node
        server.shutdown()
        server.server_close()
    finally:
        podman("rm", "--force", "--time=0", name)


def small_environment(directory: Path, libraries: Sequence[str] = LIBRARIES) -> Path:
    """A tree like an environment image's, with modules that are empty."""
    packages = directory / "lib" / "python3.11" / "site-packages"
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "python").symlink_to("/usr/bin/python3.11")
    (directory / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    for library in libraries:
        module = packages / library
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text("")
    return directory


def squashfs_of(tree: Path) -> bytes:
    """A tree as an image."""
    image = tree.with_suffix(".sqfs")
    image.unlink(missing_ok=True)
    options = ["-quiet", "-no-progress", "-all-root"]
    subprocess.run(["mksquashfs", tree, image, *options], check=True, capture_output=True)
    return image.read_bytes()


def archive_of(tree: Path) -> bytes:
    """A tree as an archive."""
    command = ["tar", "--zstd", "--mode=a-w", "--create", "--directory", tree, "."]
    return subprocess.run(command, check=True, capture_output=True).stdout

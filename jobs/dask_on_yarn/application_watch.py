"""Keeps an eye on the run's application in the ResourceManager, and says what it waits for and for whom.

A thread asks, so that a slow ResourceManager never holds up the launcher; the launcher reads the last answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dask_on_yarn.exit_codes import CLUSTER_LOST, RunEnded
from dask_on_yarn.resource_manager import Application, ResourceManager, ResourceManagerError

#: Seconds between two questions while the application waits, and while it runs.
WAITING_INTERVAL, RUNNING_INTERVAL = 0.5, 2.0
#: How long the ResourceManager may be away, in seconds, before the run is given up: a restart or failover takes less.
SILENCE_SECONDS = 300.0
#: The same waiting line is repeated after so many seconds, so that a log shows that the launcher is alive.
REPEAT_SECONDS = 60.0

WAITING_STATES = frozenset({"NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED"})


@dataclass
class ApplicationWatch:
    """Finds the application by its tag; ``application`` is the last answer, ``say`` gets lines for people."""

    resource_manager: ResourceManager
    tag: str
    owner: str
    say: Callable[[str], None]
    worker_description: str
    application: Application | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _heard: float = field(default_factory=time.monotonic)
    _said: tuple[str, float] = ("", 0.0)
    _first_worker: bool = False
    _failing_since: float | None = None

    def start(self) -> None:
        """Begin asking, in a daemon thread."""
        threading.Thread(target=self._ask_forever, name="application-watch", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()

    def first_worker_came(self) -> None:
        """Nobody waits any more."""
        self._first_worker = True

    def check(self) -> None:
        """Raise RunEnded when the application ended although the run has not, or the ResourceManager went silent."""
        application = self.application
        if application is not None and application.is_finished:
            raise RunEnded(
                CLUSTER_LOST,
                f"YARN ended the application {application.id} ({application.state}/{application.final_status}): "
                f"{' '.join((application.diagnostics or 'no reason given').split())}",
            )
        silence = time.monotonic() - self._heard
        if silence > SILENCE_SECONDS:
            raise RunEnded(CLUSTER_LOST, f"the ResourceManager has not answered for {silence:.0f} s")

    def ask(self) -> Application | None:
        """Ask once and remember the answer; raises ResourceManagerError."""
        if self.application is None:
            found = self.resource_manager.applications(tag=self.tag)
            self.application = found[0] if found else None
        else:
            self.application = self.resource_manager.application(self.application.id)
        self._heard = time.monotonic()
        return self.application

    def wait_final(self, seconds: float) -> bool:
        """Whether the application is in a final state within ``seconds`` (true also when it never came to be)."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                application = self.ask()
            except ResourceManagerError:
                return False
            if application is None or application.is_finished:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)

    def _ask_forever(self) -> None:
        while not self._stop.is_set():
            try:
                self.ask()
                if self._failing_since is not None:
                    self.say(f"the ResourceManager answers again after {time.monotonic() - self._failing_since:.0f} s")
                    self._failing_since = None
                if not self._first_worker:
                    self._say_what_for()
            except ResourceManagerError as error:
                if self._failing_since is None:
                    self._failing_since = time.monotonic()
                    self.say(f"the ResourceManager does not answer, asking again for {SILENCE_SECONDS:.0f} s: {error}")
            self._stop.wait(RUNNING_INTERVAL if self._first_worker else WAITING_INTERVAL)

    def _say_what_for(self) -> None:
        line = self.waiting_line()
        said, when = self._said
        if line and (line != said or time.monotonic() - when > REPEAT_SECONDS):
            self.say(line)
            self._said = (line, time.monotonic())

    def waiting_line(self) -> str | None:
        """What the run waits for right now; None when there is nothing to say yet."""
        application = self.application
        if application is None:
            return None
        where = f"application {application.id}"
        if application.state == "RUNNING":
            return f"{where} runs in {application.queue}; waiting for {self.worker_description}"
        if application.state not in WAITING_STATES:
            return None
        others = [
            other
            for other in self.resource_manager.applications(user=self.owner, states=("RUNNING", "ACCEPTED"))
            if other.id < application.id
        ]
        if "maximum limit of runnable applications" not in application.diagnostics or not others:
            return f"{where} waits in {application.queue} for room on the cluster"
        running = [f'{other.id} "{other.name}"' for other in others if other.state == "RUNNING"]
        ahead = [f'{other.id} "{other.name}"' for other in others if other.state != "RUNNING"]
        line = f"{where} waits in {application.queue}: {self.owner} already runs {' and '.join(running) or 'enough'}"
        return f"{line}, and before this one waits {' and '.join(ahead)}" if ahead else line

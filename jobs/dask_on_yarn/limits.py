"""What a user may have: rights in a queue, and how many workers fit under the user's limit.

YARN enforces the same limits. The launcher checks first because a request above them would wait forever in YARN without
a word, and because YARN counts it as demand: the cluster would grow for workers that may never start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dask_on_yarn.allocation_file import Queue, QueueRules

UNLIMITED = 2**31 - 1


class LimitError(Exception):
    """Not even one worker fits under the limit; the message says what was asked and what is allowed."""


class NotAllowed(Exception):
    """The user has no right to submit to the queue; the message says who has, and where the user may go."""


@dataclass(frozen=True)
class Container:
    """Size of one YARN container: MiB and vcores."""

    memory_mb: int
    vcores: int

    def rounded(self, queue: Queue | None) -> Container:
        """Return what YARN accounts for it: requests are rounded up to full increments (1024 MiB by default)."""
        if queue is None:
            return self
        return Container(
            _round_up(self.memory_mb, queue.increment_memory_mb), _round_up(self.vcores, queue.increment_vcores)
        )


@dataclass(frozen=True)
class Granted:
    """Number of workers the job gets, and what to tell the user when that is less than was asked for."""

    min: int
    max: int
    messages: list[str] = field(default_factory=list)


def clamp(  # noqa: PLR0917 - what was asked, then what limits it
    wanted_min: int,
    wanted_max: int,
    worker: Container,
    master: Container,
    queue: Queue | None,
    user_workers: int | None,
    owner: str = "the user",
) -> Granted:
    """Clamp a wanted range of workers to the user's limit.

    ``master`` is the application master's container, which counts too. ``queue`` None is a cluster without queue
    limits, ``user_workers`` None no limit in number. Raises LimitError when no worker fits, ValueError on a wrong
    range.
    """
    if not 0 <= wanted_min <= wanted_max or wanted_max < 1:
        raise ValueError(f"workers are {wanted_min} to {wanted_max}, expected 0 <= minimum <= maximum and maximum >= 1")
    allowed, limit = _allowed_workers(worker, master, queue, user_workers)
    if allowed < 1:
        raise LimitError(
            f"{owner} asked for workers of {_size(worker.rounded(queue))} and a master of"
            f" {_size(master.rounded(queue))}; not one worker fits: {limit}"
        )
    granted = Granted(min(wanted_min, allowed), min(wanted_max, allowed))
    if wanted_max > allowed:
        granted.messages.append(f"{owner} asked for {_workers(wanted_max)} and gets {allowed}: {limit}")
    if wanted_min > allowed:
        granted.messages.append(f"at least {_workers(wanted_min)} were asked for; the job starts with {allowed}")
    return granted


def check_rights(
    owner: str,
    queue: Queue,
    rules: QueueRules | None = None,
    groups_of: Callable[[str], frozenset[str]] | None = None,
) -> None:
    """Raise NotAllowed unless a user may submit to a queue; with ``rules`` the message names queues they may use."""
    if queue.allows(owner, groups_of):
        return
    who = sorted(queue.users_allowed) + [f"group {group}" for group in sorted(queue.groups_allowed)]
    message = f"{queue.name} is for {', '.join(who) or 'nobody'}"
    if rules is not None:
        others = [name for name in rules.parent_queues() if rules.queue(name).allows(owner, groups_of)]
        message += f"; {owner} may use {', '.join(others) or 'no queue'}"
    else:
        message += f"; {owner} may not use it"
    raise NotAllowed(message)


def _allowed_workers(
    worker: Container, master: Container, queue: Queue | None, user_workers: int | None
) -> tuple[int, str]:
    """Return how many workers fit, and the limit in words."""
    size, reserved = worker.rounded(queue), master.rounded(queue)
    counts: list[tuple[int, str]] = []
    if queue is not None and queue.max_child_memory_mb is not None:
        fitting = (queue.max_child_memory_mb - reserved.memory_mb) // max(1, size.memory_mb)
        counts.append((fitting, _memory(queue.max_child_memory_mb)))
    if user_workers is not None:
        counts.append((user_workers, _workers(user_workers)))
    if queue is not None and queue.max_child_vcores is not None:
        fitting = (queue.max_child_vcores - reserved.vcores) // max(1, size.vcores)
        # Cores follow from the number of workers; they are worth a word only where they are what binds.
        if all(fitting < count for count, _ in counts):
            counts.append((fitting, f"{queue.max_child_vcores} vcores"))
    if not counts:
        return UNLIMITED, "no limit"
    place = f" (queue {queue.name})" if queue is not None else ""
    return max(0, min(count for count, _ in counts)), f"at most {' and '.join(w for _, w in counts)} per user{place}"


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"


def _memory(memory_mb: int) -> str:
    return f"{memory_mb // 1024} GiB" if memory_mb % 1024 == 0 else f"{memory_mb} MiB"


def _size(container: Container) -> str:
    return f"{_memory(container.memory_mb)} and {container.vcores} vcore{'' if container.vcores == 1 else 's'}"


def _round_up(value: int, increment: int) -> int:
    return -(-value // increment) * increment if increment > 0 else value

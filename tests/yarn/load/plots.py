"""The day of twenty-five users as a picture: how long jobs waited by priority, and who had the cluster when."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tests.yarn.load.day import PRIORITIES

COLORS = {"critical": "#b2182b", "normal": "#2166ac", "low": "#878787"}


def plot_day(day: dict[str, Any], path: Path) -> None:
    """Draw the recorded ``day`` (see ``run_day``) into the PNG ``path``."""
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    waiting, using = figure.subplots(2, 1, height_ratios=(1, 1))
    # The same jitter every time: the same day gives the same picture.
    chance = random.Random(0)  # noqa: S311
    for row, priority in enumerate(PRIORITIES):
        jobs = [job for job in day["jobs"] if job["priority"] == priority and job["worker_after"] is not None]
        heights = [row + chance.uniform(-0.28, 0.28) for _ in jobs]
        waiting.scatter([job["worker_after"] for job in jobs], heights, s=22, color=COLORS[priority], alpha=0.7)
        if jobs:
            median = day["waits"][priority]["median"]
            waiting.plot([median, median], [row - 0.38, row + 0.38], color="black", linewidth=1.5)
    waiting.set_yticks(range(len(PRIORITIES)), PRIORITIES)
    waiting.invert_yaxis()
    waiting.set_xlim(left=0)
    waiting.set_xlabel("seconds from submission to the first worker (line: median)")
    waiting.set_title(f"{len(day['jobs'])} jobs of {day['users']} users on {day['nodes']} nodes")

    seconds = [sample["seconds"] for sample in day["used"]]
    using.stackplot(
        seconds,
        [[sample[priority] for sample in day["used"]] for priority in PRIORITIES],
        labels=PRIORITIES,
        colors=[COLORS[priority] for priority in PRIORITIES],
        alpha=0.8,
    )
    using.axhline(day["vcores"], color="black", linewidth=0.8, linestyle="--")
    using.set_xlim(0, max(seconds))
    using.set_xlabel("seconds since the day began")
    using.set_ylabel("vcores in containers")
    using.legend(loc="upper right", ncols=3, frameon=False)
    for axes in (waiting, using):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)

"""Pictures of the web interfaces during a run of ``flights-delay-model``; ``scripts/screenshots.sh`` starts both.

Usage: screenshots.py DIRECTORY RUN_ID. Waits for the run's job to be at work, at most five minutes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

DAG = "flights-delay-model"
SIZE = {"width": 1600, "height": 900}
_WAIT_SECONDS = 300
_DRAWING_MS = 4000


def say(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_for(pattern: str, *command: str) -> re.Match[str]:
    """Return the last match in what a command prints, as soon as there is one."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        found = list(re.finditer(pattern, say(*command), re.MULTILINE))
        if found:
            return found[-1]
        time.sleep(1)
    raise SystemExit(f"screenshots: {' '.join(command)} has not shown {pattern!r} within {_WAIT_SECONDS} s")


def picture(page: Page, directory: Path, name: str, address: str) -> None:
    """Open an address and keep what is seen as DIRECTORY/NAME.png."""
    page.goto(address)
    keep(page, directory, name)


def keep(page: Page, directory: Path, name: str) -> None:
    """Keep what is seen once the page's scripts had time to draw."""
    page.wait_for_timeout(_DRAWING_MS)
    page.screenshot(path=directory / f"{name}.png")
    print(f"screenshots: {name}.png", flush=True)


def main(directory: Path, run_id: str) -> None:
    """Take all pictures; ``run_id`` is the run that Airflow's page shows."""
    directory.mkdir(parents=True, exist_ok=True)
    login = re.search(r"(http\S+)\s+user (\S+), password (\S+)", say("localcloud", "airflow", "ui"))
    if login is None:
        raise SystemExit("screenshots: `localcloud airflow ui` named no address, user and password")
    airflow, user, password = login.groups()
    with sync_playwright() as playwright:
        # Chromium refuses its own sandbox to root; it visits pages of this machine only.
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{airflow}/login/")
        page.fill("#username", user)
        page.fill("#password", password)
        page.click("input[type=submit]")
        page.wait_for_load_state()

        jobs = ["localcloud", "exec", "--", "gcloud", "dataproc", "jobs", "list", f"--filter=labels.run = {run_id}"]
        columns = "--format=value(reference.jobId, placement.clusterName, status.state)"
        job, cluster = wait_for(r"^(\S+)\t(\S+)\tRUNNING$", *jobs, columns).groups()
        manager = wait_for(rf"^cluster {cluster} .*, ResourceManager (http\S+)", "localcloud", "status").group(1)
        dashboard = wait_for(
            r"dashboard: (http://\S+)/status", "ansible-playbook", "playbooks/logs.yml", "-e", f"run={job}"
        ).group(1)
        picture(page, directory, "yarn-applications", f"{manager}/cluster/apps/RUNNING")
        picture(page, directory, "yarn-queues", f"{manager}/cluster/scheduler")
        picture(page, directory, "dask-workers", f"{dashboard}/info/main/workers.html")
        picture(page, directory, "dask-status", f"{dashboard}/status")
        picture(page, directory, "airflow-dags", f"{airflow}/home")
        page.goto(f"{airflow}/dags/{DAG}/grid?tab=graph&dag_run_id={run_id}")
        page.get_by_label("Expand all task groups").click()
        page.wait_for_timeout(_DRAWING_MS)
        page.get_by_label("fit view").click()
        keep(page, directory, "airflow-run")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

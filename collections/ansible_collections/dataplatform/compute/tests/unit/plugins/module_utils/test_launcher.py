# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of the driver."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.launcher import launcher_arguments, workflow_seconds
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts


def rendered(account: str | None = "yarn", arguments: tuple[str, ...] = (), **changes: Any) -> list[str]:
    """The arguments of the sound workload with some changes."""
    facts = sound_facts()
    return launcher_arguments(
        "flights",
        {**facts["platform_workloads"]["flights"], **changes},
        script_uri="gs://a/flights.py",
        script_arguments=arguments,
        settings={
            "sizes": facts["platform_sizes"],
            "prices": facts["platform_prices"],
            "run_directory": "gs://staging/runs",
            "account": account,
        },
    )


def options(arguments: list[str]) -> dict[str, str]:
    """What stands before ``--``, by option."""
    own = arguments[: arguments.index("--")]
    return dict(zip(own[::2], own[1::2], strict=True))


def test_sizes_limits_and_prices_come_from_the_inventory() -> None:
    assert options(rendered()) == {
        "--script": "gs://a/flights.py",
        "--owner": "ada",
        "--workload": "flights",
        "--priority": "normal",
        "--min-workers": "1",
        "--max-workers": "3",
        "--user-workers": "3",
        "--worker-memory-mb": "12288",
        "--worker-vcores": "4",
        "--worker-threads": "4",
        "--master-memory-mb": "1024",
        "--timeout": "1800",
        "--run-directory": "gs://staging/runs/flights",
        "--price-vcore-hour": "0.05",
        "--price-gib-hour": "0.005",
        "--script-account": "yarn",
    }


def test_a_workload_says_how_many_workers_and_how_long_it_waits() -> None:
    given = options(rendered(workers={"min": 0, "max": 10}, queue_timeout=90, idle_timeout=120))
    assert {name: given[f"--{name}"] for name in ("min-workers", "max-workers", "queue-timeout", "idle-timeout")} == {
        "min-workers": "0",
        "max-workers": "10",
        "queue-timeout": "90",
        "idle-timeout": "120",
    }


def test_nobody_in_particular_runs_the_script() -> None:
    assert "--script-account" not in rendered(account=None)


def test_arguments_of_the_workload_stay_behind_the_separator() -> None:
    arguments = rendered(arguments=("--owner", "grace", "--", "--priority", "critical"))
    assert arguments[arguments.index("--") + 1 :] == ["--owner", "grace", "--", "--priority", "critical"]
    assert options(arguments)["--owner"] == "ada"


def test_a_workflow_lives_longer_than_what_it_runs_but_no_longer_than_a_day() -> None:
    assert workflow_seconds({"timeout": 1800}) == 1800 + 1800 + 600
    assert workflow_seconds({"timeout": 1800, "queue_timeout": 60}) == 1800 + 60 + 600
    assert workflow_seconds({"timeout": 80000}) == 86400

"""localcloud's table of gRPC methods is what the installed libraries say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "refresh_grpc.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dataplatform-compute"


def test_nothing_would_change() -> None:
    if not (CACHE / "airflow").is_dir():
        pytest.skip("SKIPPED, needs Airflow's environment: `make setup` installs it")
    completed = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, f"{completed.stdout}{completed.stderr}\nRun {SCRIPT} and read its diff."

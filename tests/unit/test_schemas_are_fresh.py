"""The collection's generated schemas are what the installed discovery documents say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "refresh_schemas.py"


def test_nothing_would_change() -> None:
    completed = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, f"{completed.stdout}{completed.stderr}\nRun {SCRIPT} and read its diff."

"""Print the JSON that a command of Airflow prints in a Composer environment, past the code under test.

    python molecule/airflow_command.py PROJECT LOCATION ENVIRONMENT "pools list --output json"

Application-default credentials and the proxy of the environment; a command that fails ends in an error with its output.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import google.auth
from google.auth.transport.requests import AuthorizedSession


def main() -> None:
    """Run the one command given, wait for its end, and print its output from the first line of JSON on."""
    project, location, environment, command = sys.argv[1:]
    credentials, _project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = AuthorizedSession(credentials)
    name = f"projects/{project}/locations/{location}/environments/{environment}"

    def call(method: str, body: dict[str, Any]) -> dict[str, Any]:
        response = session.post(f"https://composer.googleapis.com/v1/{name}:{method}", json=body, timeout=60)
        if not response.ok:
            sys.exit(f"{method} answered {response.status_code}: {response.text}")
        return response.json()

    first, second, *parameters = command.split()
    execution = call("executeAirflowCommand", {"command": first, "subcommand": second, "parameters": parameters})
    lines: list[str] = []
    answer: dict[str, Any] = {}
    while not answer.get("outputEnd"):
        answer = call("pollAirflowCommand", {**execution, "nextLineNumber": len(lines) + 1})
        lines += [str(line.get("content", "")) for line in answer.get("output", [])]
        time.sleep(0.2)
    if answer.get("exitInfo", {}).get("exitCode"):
        sys.exit("\n".join(lines))
    start = next(index for index, line in enumerate(lines) if line[:2] in ("{", "[{", "{}"))
    end = max(index for index, line in enumerate(lines) if line.rstrip()[-1:] in ("}", "]"))
    sys.stdout.write("\n".join(lines[start : end + 1]))


if __name__ == "__main__":
    main()

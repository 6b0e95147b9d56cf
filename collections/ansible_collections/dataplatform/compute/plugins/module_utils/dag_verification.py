# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether an Airflow environment runs a release: every DAG of it shows its tag, and no file of it fails to import.

The bucket reaches Airflow minutes later, and not all of its machines at once: right after an upload, ``dags
list-import-errors`` still speaks of the release before it. So an error counts as one of this release only when it was
not there before the upload and is there twice in a row; errors that do not go away count at the deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import ComposerApi
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import Deadline, poll

_DAGS_SHOWN = 5
_COMMAND_SECONDS = 300.0
_COLUMNS = "dag_id,tags,fileloc,last_parsed_time"


@dataclass(frozen=True)
class Expected:
    """What an environment shall run of one team; ``files`` are names in the DAG folder, ``dags`` their ids."""

    team: str
    release: str
    files: frozenset[str]
    dags: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What an environment says: tags of the DAGs that its scheduler knows, file by DAG id, import error by file."""

    tags: Mapping[str, frozenset[str]]
    files: Mapping[str, str]
    errors: Mapping[str, str]

    def errors_of(self, names: Collection[str]) -> dict[str, str]:
        """The import errors of a release, whose files these are."""
        return {file: error for file, error in self.errors.items() if is_one_of(file, names)}


def look(api: ComposerApi, environment: str) -> Seen:
    """Ask an environment what it runs. Raises AirflowCommandError."""
    listed = api.run(environment, "dags list", ["--output", "json", "--columns", _COLUMNS], _COMMAND_SECONDS)
    # It ends with 1 when there are errors.
    failing = api.run(environment, "dags list-import-errors", ["--output", "json"], _COMMAND_SECONDS)
    dags = listed.require_success().payload()
    return Seen(
        # Of a DAG that the scheduler has not read yet, the command shows what it has just read itself: no time.
        tags={dag["dag_id"]: frozenset(_tag_names(dag.get("tags"))) for dag in dags if dag.get("last_parsed_time")},
        files={dag["dag_id"]: str(dag.get("fileloc") or "") for dag in dags},
        errors={str(entry["filepath"]): str(entry["error"]) for entry in failing.payload()},
    )


def missing(expected: Expected, seen: Seen) -> list[str]:
    """The DAGs of a release that do not show its tag."""
    tag = f"release:{expected.release}"
    return [dag for dag in expected.dags if tag not in seen.tags.get(dag, frozenset())]


@dataclass(frozen=True)
class Asked:
    """Who is asked while a release is verified: the environment, and whether a team's archive was replaced again."""

    look: Callable[[], Seen]
    overtaken: Callable[[str], str]
    sleep: Callable[[float], None]
    progress: Callable[[str], None]


class Verification:
    """Releases that an environment shall run, team by team; see :func:`verify`."""

    def __init__(self, expected: Sequence[Expected], before: Seen | None, asked: Asked) -> None:
        self.failed: dict[str, str] = {}
        self._open = {one.team: one for one in expected}
        self._before = before
        self._asked = asked
        self._suspected: dict[str, dict[str, str]] = {}
        self._states: dict[str, str] = {}

    def look(self) -> bool:
        """Ask once; whether every team is decided."""
        try:
            for team in list(self._open):
                if reason := self._asked.overtaken(team):
                    self._fail(team, reason)
            if not self._open:
                return True
            seen = self._asked.look()
        except ComputeError as error:
            # Airflow may be restarting, or the network away; what is not seen until the deadline counts as not run.
            for team in self._open:
                self._say(team, f"Airflow cannot be asked: {error}")
            return False
        for one in list(self._open.values()):
            self._judge(one, seen)
        return not self._open

    def end(self, seconds: float) -> None:
        """Fail what is not decided."""
        for team, state in list(self._states.items()):
            if team in self._open:
                self._fail(team, f"{state} (after {seconds:g} s)")

    def _judge(self, one: Expected, seen: Seen) -> None:
        errors, waiting = seen.errors_of(one.files), missing(one, seen)
        if not errors and not waiting:
            del self._open[one.team]
            self._asked.progress(f"{one.team}: Airflow runs release {one.release}, {len(one.dags)} DAGs")
            return
        known = self._before.errors if self._before is not None else errors
        new = {file: error for file, error in errors.items() if known.get(file) != error}
        if new and new == self._suspected.get(one.team):
            self._fail(one.team, _import_errors(new))
            return
        self._suspected[one.team] = new
        self._say(one.team, _import_errors(errors) if errors else _waiting(one, waiting))

    def _say(self, team: str, state: str) -> None:
        if self._states.get(team) != state:
            self._states[team] = state
            self._asked.progress(f"{team}: {state}")

    def _fail(self, team: str, reason: str) -> None:
        del self._open[team]
        self.failed[team] = reason


def verify(asked: Asked, expected: Sequence[Expected], before: Seen | None, deadline: Deadline) -> dict[str, str]:
    """Wait until the environment runs these releases; return why by team for those that it does not run.

    ``before`` is what it said before the upload, None where nobody asked.
    """
    verification = Verification(expected, before, asked)
    _last, in_time = poll(verification.look, bool, deadline, asked.sleep)
    if not in_time:
        verification.end(deadline.seconds)
    return verification.failed


def taken_ids(seen: Seen, dags: Iterable[str], names: Collection[str]) -> dict[str, str]:
    """The ids among ``dags`` that a file of another name defines in the environment, with that file."""
    return {dag: seen.files[dag] for dag in dags if dag in seen.files and not is_one_of(seen.files[dag], names)}


def is_one_of(file: str, names: Collection[str]) -> bool:
    """Whether a path that Airflow shows is one of these files of the DAG folder, or in one of them."""
    relative = file.partition("/dags/")[2]
    return relative in names or relative.partition("/")[0] in names


def _tag_names(tags: Any) -> list[str]:
    """Names of tags; Airflow shows them as a list of objects, of texts, or as one text."""
    if isinstance(tags, str):
        return [tag.strip() for tag in tags.split(",")]
    return [str(tag.get("name")) if isinstance(tag, Mapping) else str(tag) for tag in tags or []]


def _import_errors(errors: Mapping[str, str]) -> str:
    lines = "".join(f"\n{file}: {error.strip()}" for file, error in sorted(errors.items()))
    return f"{len(errors)} file{'s' if len(errors) > 1 else ''} cannot be imported in the environment:{lines}"


def _waiting(expected: Expected, waiting: Sequence[str]) -> str:
    more = f" and {len(waiting) - _DAGS_SHOWN} more" if len(waiting) > _DAGS_SHOWN else ""
    names = ", ".join(waiting[:_DAGS_SHOWN])
    return f"{len(waiting)} of {len(expected.dags)} DAGs do not show release {expected.release}: {names}{more}"

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sources of DAGs on disk: the library, the entry files, and what each team wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import LIBRARY, entry_names, module_name
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

_LEFT_OUT_SUFFIXES = frozenset({".pyc", ".md"})
_TEAMS = "teams"
_ENTRY = "entry"


@dataclass
class TeamSources:
    """What goes into one team's archive: contents by name in it, and the file each came from, for messages."""

    team: str
    files: dict[str, bytes] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)


def read_sources(directory: str, teams: Iterable[str]) -> dict[str, TeamSources]:
    """Return the sources of every team, from ``dataplatform_dask/``, ``entry/`` and ``teams/<team>/`` of a directory.

    Raises ValidationError with every finding: a directory or entry file that is missing, a file that cannot be read,
    names that clash. A team without a directory has the entry files and the library alone.
    """
    root = Path(directory)
    names = sorted(teams)
    problems = [f"{root / part} is no directory" for part in (LIBRARY, _ENTRY) if not (root / part).is_dir()]
    problems += _unknown_teams(root / _TEAMS, names)
    library = dict(_read(root / LIBRARY, f"{LIBRARY}/", problems))
    sources = {}
    for team in names:
        found = TeamSources(team)
        for entry, name in entry_names(team).items():
            path = root / _ENTRY / entry
            if path.is_file():
                _add(found, name, path, path.read_bytes(), problems)
            elif (root / _ENTRY).is_dir():
                problems.append(f"{path} is missing; every archive needs it")
        for name, (path, content) in library.items():
            _add(found, name, path, content, problems)
        for name, (path, content) in _read(root / _TEAMS / team, "", problems):
            _add(found, name, path, content, problems)
        sources[team] = found
    problems += _clashes(sources)
    if problems:
        raise ValidationError(list(dict.fromkeys(problems)), f"the DAGs in {root}")
    return sources


def _add(sources: TeamSources, name: str, path: Path, content: bytes, problems: list[str]) -> None:
    if name in sources.files:
        problems.append(f"{path} would be {name} in the archive of {sources.team}, which {sources.origins[name]} is")
        return
    sources.files[name] = content
    sources.origins[name] = str(path)


def _read(root: Path, prefix: str, problems: list[str]) -> Iterator[tuple[str, tuple[Path, bytes]]]:
    """Yield (name in the archive, (path, content)) of every file that is not what a run leaves behind."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if hidden or path.suffix in _LEFT_OUT_SUFFIXES or path.is_dir():
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            problems.append(f"{path} is a link out of {root}; expected a file")
            continue
        try:
            yield f"{prefix}{relative.as_posix()}", (path, path.read_bytes())
        except OSError as error:
            problems.append(f"{path} cannot be read: {error.strerror or error}")


def _unknown_teams(directory: Path, teams: list[str]) -> list[str]:
    if not directory.is_dir():
        return []
    known = ", ".join(teams)
    return [
        f"{path} is of no team; expected one of: {known}"
        for path in sorted(directory.iterdir())
        if path.is_dir() and path.name not in teams and not path.name.startswith((".", "__"))
    ]


def _clashes(sources: dict[str, TeamSources]) -> list[str]:
    """One line per module at the top of two teams' archives: a process that loads both would mix them up."""
    owners: dict[str, tuple[str, str]] = {}
    problems = []
    spelled: dict[str, str] = {}
    for team, found in sources.items():
        if (other := spelled.setdefault(module_name(team), team)) != team:
            problems.append(f"the teams {other} and {team} have the same name in Python, {module_name(team)}")
        tops = {name.partition("/")[0].removesuffix(".py"): name for name in found.files if name.endswith(".py")}
        for top, name in tops.items():
            if top == LIBRARY:
                continue
            owner, origin = owners.setdefault(top, (team, found.origins[name]))
            if owner != team:
                problems.append(
                    f"{found.origins[name]} and {origin} are both the module {top}; expected another name, such as"
                    f" {module_name(team)}_{top}"
                )
    return problems

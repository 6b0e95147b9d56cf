# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where in the files of an inventory a variable is written: file and line of every key, and keys written twice.

Ansible keeps no trace of this once variables are merged, so the YAML files are composed (not constructed: tags such as
``!vault`` stay untouched) a second time. Files are read in Ansible's own order, so the last position
is the one that won.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

try:
    import yaml
except ImportError:  # always there with Ansible; absent only where a plugin is merely inspected
    yaml = None

KeyPath = tuple["str | int", ...]

# What a finding about a whole file says in place of a key.
WHOLE_FILE = "(file)"


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """One thing wrong in an inventory, ready to be shown.

    ``file`` and ``line`` are filled in by :func:`Source.locate`; ``value`` is the text of the offending value, empty
    where there is none; ``suggestion`` is the near miss.
    """

    key: str
    value: str
    expected: str
    suggestion: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """One line: ``file:line: key: value: expected ...; did you mean '...'?``."""
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        value = f"{self.value}: " if self.value else ""
        near = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{where}{self.key}: {value}{self.expected}{near}"


@dataclasses.dataclass
class Source:
    """Positions of all variables of one inventory directory."""

    positions: dict[KeyPath, tuple[str, int]]
    duplicates: list[Finding]
    directory: str

    @property
    def unreadable(self) -> tuple[Finding, ...]:
        """Files that are not YAML."""
        return tuple(finding for finding in self.duplicates if finding.key == WHOLE_FILE)

    def variables(self) -> list[str]:
        """Names of all variables written in the files."""
        return [str(path[0]) for path in self.positions if len(path) == 1]

    def locate(self, path: KeyPath, finding: Finding) -> Finding:
        """Return ``finding`` with the position of ``path``, or of its closest parent that is written in a file."""
        for length in range(len(path), 0, -1):
            position = self.positions.get(path[:length])
            if position:
                return dataclasses.replace(finding, file=position[0], line=position[1])
        return dataclasses.replace(finding, file=self.directory)


def format_key(path: KeyPath) -> str:
    """Write a key path the way people read it: ``platform_network.subnetworks[1].cidr``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_source(directory: str | Path) -> Source:
    """Compose all YAML files below ``group_vars`` and ``host_vars`` of an inventory directory.

    A file that is not YAML becomes a finding too.
    """
    root = Path(directory)
    source = Source(positions={}, duplicates=[], directory=display_path(root))
    written_in: dict[str, tuple[Path, int]] = {}
    for file in _variable_files(root):
        name = display_path(file)
        node = _compose(file, name, source)
        if not isinstance(node, yaml.MappingNode):
            continue
        for key_node, _value in node.value:
            variable, line = key_node.value, key_node.start_mark.line + 1
            earlier = written_in.get(variable)
            # A file of the environment may override one of a shared directory; two files side by side may not disagree.
            if earlier and earlier[0] != file and earlier[0].resolve().parent == file.resolve().parent:
                expected = f"expected once; it is also in {display_path(earlier[0])}:{earlier[1]}"
                source.duplicates.append(Finding(variable, "", expected, file=name, line=line))
            written_in[variable] = (file, line)
        _collect(node, (), name, source)
    return source


def read_file_source(file: Path) -> Source:
    """Compose one file of variables; one that is not YAML, or no mapping, becomes a finding. Raises OSError."""
    source = Source(positions={}, duplicates=[], directory=display_path(file))
    node = _compose(file, source.directory, source)
    if isinstance(node, yaml.MappingNode):
        _collect(node, (), source.directory, source)
    elif not source.duplicates:
        source.duplicates.append(
            Finding(WHOLE_FILE, "", "expected a mapping of variables", file=source.directory, line=1)
        )
    return source


def display_path(path: Path) -> str:
    """The real path of a file, relative to the working directory where that is shorter."""
    resolved = path.resolve()
    try:
        return str(resolved.relative_to(Path.cwd()))
    except ValueError:
        return str(resolved)


def _compose(file: Path, name: str, source: Source) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        source.duplicates.append(Finding(WHOLE_FILE, "", f"expected YAML: {problem}", file=name, line=line))
        return None


def _variable_files(root: Path) -> Iterator[Path]:
    for folder in ("group_vars", "host_vars"):
        for entry in sorted((root / folder).glob("*")):
            yield from _walk(entry)


def _walk(entry: Path) -> Iterator[Path]:
    if entry.name.startswith(".") or entry.name.endswith("~"):
        return
    if entry.is_dir():
        for child in sorted(entry.iterdir()):
            yield from _walk(child)
    elif entry.suffix in {".yml", ".yaml"}:
        yield entry


def _collect(node: yaml.Node, path: KeyPath, file: str, source: Source) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            source.positions[(*path, index)] = (file, item.start_mark.line + 1)
            _collect(item, (*path, index), file, source)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        key, line = key_node.value, key_node.start_mark.line + 1
        if not isinstance(key, str):
            continue
        if key in seen:
            expected = f"expected once; it is also in line {seen[key]}, and only the last one counts"
            source.duplicates.append(Finding(format_key((*path, key)), "", expected, file=file, line=line))
        seen[key] = line
        if not path:
            _forget(source, key)
        source.positions[(*path, key)] = (file, line)
        _collect(value_node, (*path, key), file, source)


def _forget(source: Source, variable: str) -> None:
    """Drop what an earlier file said about a variable: Ansible replaces the whole value."""
    for path in [path for path in source.positions if path[0] == variable]:
        del source.positions[path]

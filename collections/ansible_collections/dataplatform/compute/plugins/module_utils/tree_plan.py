# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure plan of a tree synchronisation: (wanted files, listed objects, ownership) -> what to write and delete.

Nothing here reads a file or sends a request. Check mode and `--diff` show the very plan that a run executes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import OwnershipError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_manifest import (
    COMPLETE,
    ManifestHeader,
    Ownership,
    tree_hash,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import PatternList, folders_of

REST_OF_THE_TREE = "**"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file the tree shall hold; its bytes are in `data`, or at `path` on this machine."""

    name: str
    size: int
    md5: str
    path: str | None = None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as the listing shows it; `md5` is absent for composite objects of others."""

    name: str
    size: int
    generation: str
    md5: str | None = None
    crc32c: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """The property in which an object differs from the wanted file; of a content its checksum, where one is known."""

    field: str
    live: str | None
    wanted: str

    def __str__(self) -> str:
        return "content" if self.field == "content" else f"{self.field} {self.live} -> {self.wanted}"


@dataclass(frozen=True, slots=True)
class Change:
    """One write or deletion. `reason` is for people, `difference` what an update is for."""

    action: str
    name: str
    reason: str
    wanted: WantedFile | None = None
    listed: ListedObject | None = None
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class TreePolicy:
    """The options that decide about writes and deletions."""

    delete: bool = True
    order: Sequence[str] = ()
    protected: Sequence[str] = ()
    exclude: Sequence[str] = ()
    cache_control: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class TreePlan:
    """What a run does, in this order: `early_deletions`, each of `uploads` in turn, `deletions`, then the manifest.

    `files_now` and `files_after` are the owned names with their MD5s before and after the run; `kept_after` counts
    those of them that are not in the source, or lie there unowned.
    """

    wanted_hash: str
    early_deletions: list[Change] = field(default_factory=list)
    uploads: list[list[Change]] = field(default_factory=list)
    deletions: list[Change] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    left_alone: dict[str, str] = field(default_factory=dict)
    files_now: dict[str, str] = field(default_factory=dict)
    files_after: dict[str, str] = field(default_factory=dict)
    kept_after: int = 0
    manifest_outdated: bool = False

    @property
    def changes(self) -> list[Change]:
        """Every write and deletion, in the order of execution."""
        return [*self.early_deletions, *(change for group in self.uploads for change in group), *self.deletions]

    @property
    def changed(self) -> bool:
        """Whether executing the plan writes anything at all."""
        return self.manifest_outdated or bool(self.early_deletions or self.uploads or self.deletions)

    def names(self, action: str) -> list[str]:
        """Return the sorted names with this action (create, update, delete)."""
        return sorted(change.name for change in self.changes if change.action == action)


def plan_tree(
    wanted: Mapping[str, WantedFile],
    listed: Mapping[str, ListedObject],
    ownership: Ownership,
    policy: TreePolicy,
    *,
    manifest: ManifestHeader | None,
    crc32c_of: Callable[[WantedFile], str | None] = lambda _file: None,
) -> TreePlan:
    """Compare the wanted tree with the listed one.

    `listed` holds the objects below the prefix by relative name, without the manifest, whose header is `manifest`.
    `crc32c_of` is asked only for objects that have no MD5 (composite objects) and the wanted size.

    Raises OwnershipError, before anything is written, when the plan would overwrite a protected object of somebody
    else, or leave a file and a folder of the same name.
    """
    protected = PatternList(policy.protected)
    plan = TreePlan(wanted_hash=tree_hash({name: file.md5 for name, file in wanted.items()}))
    writes: list[Change] = []
    problems: list[str] = []
    foreign_unchanged = set()
    for name, file in wanted.items():
        present = listed.get(name)
        if present is None:
            writes.append(Change("create", name, "new", wanted=file))
            continue
        difference = _difference(file, present, policy, crc32c_of)
        ours = ownership.owns(name)
        if difference is None:
            plan.unchanged.append(name)
            if protected.matches(name) and not ours:
                foreign_unchanged.add(name)
            elif not ours:
                plan.adopted.append(name)
        elif protected.matches(name) and not ours:
            problems.append(f"{name} is protected and was not written by this tree, but the source wants to change it")
        else:
            writes.append(Change("update", name, str(difference), file, present, difference))
    deletions, kept, plan.left_alone = _extra_objects(wanted, listed, ownership, policy)
    early = _turning_into_folder_or_file(writes, deletions)
    problems += _file_and_folder_problems(wanted, listed, deletions, policy)
    if problems:
        raise OwnershipError("; ".join(problems))

    plan.early_deletions = early
    early_names = {change.name for change in early}
    plan.deletions = [change for change in deletions if change.name not in early_names]
    plan.uploads = _in_groups(writes, policy.order)
    plan.files_after = {name: file.md5 for name, file in wanted.items() if name not in foreign_unchanged} | kept
    plan.files_now = _owned_now(listed, ownership)
    plan.kept_after = len(kept) + len(foreign_unchanged)
    plan.manifest_outdated = _manifest_outdated(plan, manifest, ownership, policy)
    return plan


def _owned_now(listed: Mapping[str, ListedObject], ownership: Ownership) -> dict[str, str]:
    """Return the owned names with the MD5 that lies there, or the last one written where somebody changed it."""
    owned = {}
    for name, md5 in {**ownership.pending, **ownership.files}.items():
        present = listed.get(name)
        if present is not None:
            owned[name] = present.md5 if ownership.wrote(name, present.md5) else md5
    return owned


def _manifest_outdated(
    plan: TreePlan, manifest: ManifestHeader | None, ownership: Ownership, policy: TreePolicy
) -> bool:
    """Return whether the manifest says anything else than it shall say after the run.

    Where nothing is deleted, several sources may share a tree: what is owned counts, not whose source was last.
    """
    if manifest is None:
        return bool(plan.files_after)
    if manifest.state != COMPLETE or ownership.files != plan.files_after:
        return True
    same_source = manifest.tree_hash == plan.wanted_hash and manifest.kept == plan.kept_after
    return policy.delete and not same_source


def _difference(
    wanted: WantedFile,
    present: ListedObject,
    policy: TreePolicy,
    crc32c_of: Callable[[WantedFile], str | None],
) -> Difference | None:
    """Return the first property in which an object differs from the wanted file, or None."""
    if wanted.size != present.size:
        return Difference("size", str(present.size), str(wanted.size))
    if present.md5 is not None:
        if wanted.md5 != present.md5:
            return Difference("content", present.md5, wanted.md5)
    elif present.crc32c is None or crc32c_of(wanted) != present.crc32c:
        return Difference("content", None, wanted.md5)
    if policy.cache_control is not None and policy.cache_control != (present.cache_control or ""):
        return Difference("cacheControl", present.cache_control, policy.cache_control)
    for key, value in policy.metadata.items():
        if present.metadata.get(key) != value:
            return Difference(f"metadata.{key}", present.metadata.get(key), value)
    return None


def _extra_objects(
    wanted: Mapping[str, WantedFile],
    listed: Mapping[str, ListedObject],
    ownership: Ownership,
    policy: TreePolicy,
) -> tuple[list[Change], dict[str, str], dict[str, str]]:
    """Sort the owned objects that are not wanted; returns (deletions, what stays owned, why each of that stays)."""
    excluded = PatternList(policy.exclude)
    deletions = []
    kept = {}
    reasons = {}
    for name, present in listed.items():
        if name in wanted or not ownership.owns(name):
            continue
        reason = None
        if excluded.matches(name):
            reason = "matches an exclude pattern"
        elif not policy.delete:
            reason = "delete is false"
        elif not ownership.wrote(name, present.md5):
            reason = "was changed by somebody else since it was written; delete it by hand if it shall go"
        if reason is None:
            deletions.append(Change("delete", name, "no longer in the source", listed=present))
        else:
            reasons[name] = reason
            kept[name] = ownership.files.get(name) or ownership.pending[name]
    deletions.sort(key=lambda change: change.name)
    return deletions, kept, reasons


def _turning_into_folder_or_file(writes: Iterable[Change], deletions: Sequence[Change]) -> list[Change]:
    """Return the deletions that must come first, because a file becomes a folder or a folder becomes a file.

    These are the only deletions before uploads: an object `a` beside an object `a/b` stops file system clients.
    """
    new_names = {change.name for change in writes if change.action == "create"}
    new_folders = {folder for name in new_names for folder in folders_of(name)}
    return [
        change
        for change in deletions
        if change.name in new_folders or any(folder in new_names for folder in folders_of(change.name))
    ]


def _file_and_folder_problems(
    wanted: Mapping[str, WantedFile],
    listed: Mapping[str, ListedObject],
    deletions: Iterable[Change],
    policy: TreePolicy,
) -> list[str]:
    """Return one line per name that would be a file and a folder at once after the run."""
    going = {change.name for change in deletions}
    staying = [name for name in listed if name not in going]
    folders = {folder: name for name in (*staying, *wanted) for folder in folders_of(name)}
    hint = "" if policy.delete else " (delete is false, so nothing makes room for it)"
    problems = [
        f"{name} is a file in the source, but a folder in the bucket: {folders[name]}{hint}"
        for name in wanted
        if name in folders
    ]
    wanted_folders = {folder: name for name in wanted for folder in folders_of(name)}
    problems += [
        f"{name} is a file in the bucket, but a folder in the source: {wanted_folders[name]}{hint}"
        for name in staying
        if name in wanted_folders and name not in wanted
    ]
    return problems


def _in_groups(writes: Iterable[Change], order: Sequence[str]) -> list[list[Change]]:
    """Split the writes by the first pattern that matches; `**` (by default the end) takes what nothing else matches."""
    patterns = list(order)
    if REST_OF_THE_TREE not in patterns:
        patterns.append(REST_OF_THE_TREE)
    rest = patterns.index(REST_OF_THE_TREE)
    matchers = [(index, PatternList([pattern])) for index, pattern in enumerate(patterns) if index != rest]
    groups: list[list[Change]] = [[] for _pattern in patterns]
    for change in writes:
        index = next((index for index, matcher in matchers if matcher.matches(change.name)), rest)
        groups[index].append(change)
    return [sorted(group, key=lambda change: change.name) for group in groups if group]


def describe(plan: TreePlan, uri: str) -> dict[str, str]:
    """Return the plan as Ansible's diff: one line per object that changes, before and after."""
    before = []
    after = []
    for change in sorted(plan.changes, key=lambda change: change.name):
        if change.listed is not None:
            checksum = change.listed.md5 or change.listed.crc32c or "unknown"
            before.append(f"{change.name}  {change.listed.size} bytes  {checksum}\n")
        if change.wanted is not None:
            note = "" if change.action == "create" or change.reason == "content" else f"  ({change.reason})"
            after.append(f"{change.name}  {change.wanted.size} bytes  {change.wanted.md5}{note}\n")
    after += [f"{name}  (adopted: same content, owned from now on)\n" for name in sorted(plan.adopted)]
    before += [f"{name}  (not owned)\n" for name in sorted(plan.adopted)]
    return {
        "before_header": f"{uri} (bucket)",
        "after_header": f"{uri} (source)",
        "before": "".join(before),
        "after": "".join(after),
    }


def summary(plan: TreePlan) -> str:
    """Return one line for people: how many of what."""
    counts = [(plan.names(action), f"{action}d") for action in ("create", "update", "delete")]
    parts = [f"{len(names)} {word}" for names, word in counts if names]
    if plan.adopted:
        parts.append(f"{len(plan.adopted)} adopted")
    parts.append(f"{len(plan.unchanged)} unchanged")
    if plan.left_alone:
        parts.append(f"{len(plan.left_alone)} left alone")
    return ", ".join(parts)

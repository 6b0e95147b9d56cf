"""Reads the FairScheduler's allocation file the way the ResourceManager of Hadoop 3.3 reads it.

The launcher uses it to refuse or clamp a request with a clear message before YARN is asked; the ResourceManager
enforces the same file on its own. Semantics that surprise, all kept here:

- a user may submit to a queue when any queue on the path from ``root`` lets them submit or administer; ``root`` lets
  everybody when it says nothing, every other queue nobody;
- ACL text is ``users groups``, split at the first space and not trimmed: a leading space makes the names groups;
- ``maxChildResources`` limits only children that the file does not declare; ``maxResources`` binds the whole subtree;
- these ACLs bind whether ``yarn.acl.enable`` is set or not: the FairScheduler checks them itself.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from dask_on_yarn.hadoop_configuration import HadoopConfiguration

DEFAULT_FILE = "fair-scheduler.xml"
OLD_RESOURCE = r"(-?\d+)(?:\.\d*)?\s*{unit}"
PERCENTAGE = re.compile(r"\d+(\.\d*)?\s*%")
LIST_SEPARATOR = re.compile(r"\s*[,\n]\s*")


class AllocationFileError(Exception):
    """The allocation file cannot be used; the message names the file, the element, its text and what was expected."""


@dataclass(frozen=True)
class Acl:
    """Who may do something: everybody, or these users and the members of these groups."""

    everyone: bool = False
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Acl:
        """Read ``users groups`` as Hadoop's AccessControlList does."""
        parts = text.split(" ", 1)
        if any(part.strip() == "*" for part in parts):
            return cls(everyone=True)
        names = [frozenset(name for name in LIST_SEPARATOR.split(part.strip()) if name) for part in parts]
        return cls(users=names[0], groups=names[1] if len(names) > 1 else frozenset())

    def __or__(self, other: Acl) -> Acl:
        """Allow what either allows."""
        return Acl(self.everyone or other.everyone, self.users | other.users, self.groups | other.groups)


@dataclass(frozen=True)
class Resources:
    """An upper limit: MiB and vcores; None is no limit that a number can be given for (none, or a percentage)."""

    memory_mb: int | None = None
    vcores: int | None = None

    def __and__(self, other: Resources) -> Resources:
        """Return the limit where both bind."""
        return Resources(_smaller(self.memory_mb, other.memory_mb), _smaller(self.vcores, other.vcores))


@dataclass(frozen=True)
class Queue:
    """A priority queue and what it gives to each of its users' own queues; memory in MiB, None is unlimited."""

    name: str
    everyone: bool
    users_allowed: frozenset[str]
    groups_allowed: frozenset[str]
    max_child_memory_mb: int | None
    max_child_vcores: int | None
    increment_memory_mb: int = 1024
    increment_vcores: int = 1

    def allows(self, user: str, groups_of: Callable[[str], frozenset[str]] | None = None) -> bool:
        """Whether a user may submit; ``groups_of`` (default: this machine's) says which groups a user is in."""
        if self.everyone or user in self.users_allowed:
            return True
        return bool(self.groups_allowed) and not self.groups_allowed.isdisjoint((groups_of or groups_of_user)(user))


@dataclass
class _Declared:
    """One ``<queue>`` element."""

    acl: Acl
    is_parent: bool
    max_resources: Resources | None = None
    max_child_resources: Resources | None = None


@dataclass
class QueueRules:
    """Everything the launcher needs from one allocation file."""

    file: str
    increment_memory_mb: int = 1024
    increment_vcores: int = 1
    default_max_resources: Resources = field(default_factory=Resources)
    default_user_max_applications: int | None = None
    user_max_applications_of: dict[str, int] = field(default_factory=dict)
    declared: dict[str, _Declared] = field(default_factory=dict)

    def queue(self, name: str) -> Queue:
        """Return a declared queue by its full or short name (``root.normal``, ``normal``)."""
        full = _full_name(name)
        if full not in self.declared:
            raise AllocationFileError(
                f"{self.file} has no queue {full!r}; it has {', '.join(self.parent_queues()) or 'none'}"
            )
        path = _path(full)
        acl = Acl()
        limit = self.declared[full].max_child_resources or self.default_max_resources
        for ancestor in path:
            acl |= self.declared[ancestor].acl
            limit &= self.declared[ancestor].max_resources or Resources()
        return Queue(
            name=full,
            everyone=acl.everyone,
            users_allowed=acl.users,
            groups_allowed=acl.groups,
            max_child_memory_mb=limit.memory_mb,
            max_child_vcores=limit.vcores,
            increment_memory_mb=self.increment_memory_mb,
            increment_vcores=self.increment_vcores,
        )

    def user_max_applications(self, user: str) -> int | None:
        """Return how many applications of a user run at once over all queues (more wait); None is any number."""
        return self.user_max_applications_of.get(user, self.default_user_max_applications)

    def parent_queues(self) -> list[str]:
        """Return the queues that users' own queues are created under, in the order of the file."""
        return [name for name, queue in self.declared.items() if name != "root" and queue.is_parent]


def read(hadoop_conf_dir: str | Path) -> QueueRules | None:
    """Read the allocation file that ``yarn-site.xml`` of a configuration directory names; None: no FairScheduler."""
    configuration = HadoopConfiguration.read(hadoop_conf_dir)
    if not configuration.get("yarn.resourcemanager.scheduler.class").endswith("FairScheduler"):
        return None
    file = Path(hadoop_conf_dir) / configuration.get("yarn.scheduler.fair.allocation.file", DEFAULT_FILE)
    try:
        text = file.read_text()
    except OSError as error:
        raise AllocationFileError(
            f"{file} (yarn.scheduler.fair.allocation.file) cannot be read: {error.strerror}"
        ) from error
    rules = parse(text, str(file))
    rules.increment_memory_mb = configuration.get_int("yarn.resource-types.memory-mb.increment-allocation", 1024)
    rules.increment_vcores = configuration.get_int("yarn.resource-types.vcores.increment-allocation", 1)
    return rules


def parse(text: str, file: str = DEFAULT_FILE) -> QueueRules:
    """Parse the text of an allocation file; ``file`` is its name in errors."""
    try:
        top = ElementTree.fromstring(text)  # noqa: S314 - written by the cluster's own administrator
    except ElementTree.ParseError as error:
        raise AllocationFileError(f"{file} is not XML: {error}") from error
    if top.tag != "allocations":
        raise AllocationFileError(f"{file}: top element is <{top.tag}>, expected <allocations>")
    rules = QueueRules(file)
    queues = [element for element in top if element.tag in ("queue", "pool")]
    roots = [element for element in queues if element.get("name", "").strip().lower() == "root"]
    if roots and len(queues) > 1:
        raise AllocationFileError(f"{file}: queue root stands beside other queues, expected them inside it")
    if not roots:
        rules.declared["root"] = _Declared(Acl(everyone=True), is_parent=True)
    for element in queues:
        for name, declared in _load(element, "" if roots else "root", file):
            rules.declared[name] = declared
    for element in top:
        if element.tag == "userMaxAppsDefault":
            rules.default_user_max_applications = _whole_number(element, file)
        elif element.tag == "queueMaxResourcesDefault":
            rules.default_max_resources = _resources(element, file)
        elif element.tag == "user":
            for limit in element.iter("maxRunningApps"):
                rules.user_max_applications_of[element.get("name", "")] = _whole_number(limit, file)
    return rules


def groups_of_user(user: str) -> frozenset[str]:
    """Return the names of a user's groups on this machine; none for a user it does not know."""
    try:
        identifiers = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
    except KeyError:
        return frozenset()
    known = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    return frozenset(known[identifier] for identifier in identifiers if identifier in known)


def _load(element: ElementTree.Element, parent: str, file: str) -> Iterator[tuple[str, _Declared]]:
    short = element.get("name", "").strip()
    if not short or "." in short:
        raise AllocationFileError(f"{file}: queue name is {short!r}, expected a name without periods")
    name = f"{parent}.{short}" if parent else "root"
    children = [child for child in element if child.tag in ("queue", "pool")]
    acls = [Acl.parse(_text(child, file)) for child in element if child.tag in ("aclSubmitApps", "aclAdministerApps")]
    stated = {child.tag for child in element}
    if name == "root" and not {"aclSubmitApps", "aclAdministerApps"} <= stated:
        acls.append(Acl(everyone=True))
    declared = _Declared(Acl(), is_parent=bool(children) or element.get("type") == "parent")
    for acl in acls:
        declared.acl |= acl
    for child in element:
        if child.tag == "maxResources":
            declared.max_resources = _resources(child, file)
        elif child.tag == "maxChildResources":
            declared.max_child_resources = _resources(child, file)
    yield name, declared
    for child in children:
        yield from _load(child, name, file)


def _text(element: ElementTree.Element, file: str) -> str:
    if not element.text:
        # The ResourceManager refuses to start on an empty element; "nobody" is written as one space.
        raise AllocationFileError(f"{file}: <{element.tag}> is empty, expected text (a single space for nobody)")
    return element.text


def _whole_number(element: ElementTree.Element, file: str) -> int:
    text = _text(element, file).strip()
    try:
        return int(text)
    except ValueError:
        raise AllocationFileError(f"{file}: <{element.tag}> is {text!r}, expected a whole number") from None


def _resources(element: ElementTree.Element, file: str) -> Resources:
    text = _text(element, file).strip()
    try:
        if "=" in text:
            return _new_style(text)
        if "%" in text:
            if not PERCENTAGE.search(text):
                raise ValueError(text)
            return Resources()
        lower = text.lower()
        found = [re.search(OLD_RESOURCE.format(unit=unit), lower) for unit in ("mb", "vcores")]
        if not all(found):
            raise ValueError(text)
        memory, vcores = (int(match[1]) for match in found)
    except ValueError:
        raise AllocationFileError(
            f"{file}: <{element.tag}> is {text!r}, expected memory-mb=<MiB>,vcores=<number>"
            " or <MiB> mb, <number> vcores"
        ) from None
    return _checked(memory, vcores, text)


def _new_style(text: str) -> Resources:
    values: dict[str, int | None] = {}
    in_percent = "%" in text  # then every value must be
    for part in text.rstrip(",").split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name or not value:
            raise ValueError(text)
        if in_percent and not PERCENTAGE.fullmatch(value):
            raise ValueError(text)
        values[name] = None if in_percent else int(value)
    return _checked(values.get("memory-mb"), values.get("vcores"), text)


def _checked(memory_mb: int | None, vcores: int | None, text: str) -> Resources:
    if any(value is not None and value < 0 for value in (memory_mb, vcores)):
        raise ValueError(text)
    return Resources(memory_mb, vcores)


def _smaller(first: int | None, second: int | None) -> int | None:
    return min((value for value in (first, second) if value is not None), default=None)


def _full_name(name: str) -> str:
    return name if name == "root" or name.startswith("root.") else f"root.{name}"


def _path(full_name: str) -> list[str]:
    parts = full_name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]

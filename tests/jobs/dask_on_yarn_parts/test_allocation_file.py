"""The allocation file as the ResourceManager of Hadoop 3.3.6 reads it; the expectations were taken from its classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from dask_on_yarn import allocation_file
from dask_on_yarn.allocation_file import Acl, AllocationFileError, Resources
from dask_on_yarn.hadoop_configuration import HadoopConfigurationError

FILE = """<?xml version="1.0"?>
<allocations>
  <userMaxAppsDefault>1</userMaxAppsDefault>
  <user name="grace"><maxRunningApps>4</maxRunningApps></user>
  <queue name="root">
    <aclSubmitApps> </aclSubmitApps><aclAdministerApps>root</aclAdministerApps>
    <queue name="critical" type="parent"><weight>8</weight><aclSubmitApps>grace,linus</aclSubmitApps>
      <maxChildResources>memory-mb=43008,vcores=13</maxChildResources></queue>
    <queue name="normal" type="parent"><aclSubmitApps>ada,grace engineers</aclSubmitApps>
      <maxChildResources>43008 mb, 13 vcores</maxChildResources><maxResources>memory-mb=40960</maxResources></queue>
    <pool name="low" type="parent"><aclSubmitApps>*</aclSubmitApps></pool>
  </queue>
</allocations>
"""


def resources(text: str) -> Resources:
    queue = f'<queue name="q" type="parent"><maxChildResources>{text}</maxChildResources></queue>'
    limits = allocation_file.parse(f"<allocations>{queue}</allocations>").queue("q")
    return Resources(limits.max_child_memory_mb, limits.max_child_vcores)


@pytest.mark.parametrize(
    ("text", "memory_mb", "vcores"),
    [
        ("memory-mb=43008,vcores=13", 43008, 13),
        (" memory-mb = 43008 , vcores = 13 ", 43008, 13),
        ("memory-mb=43008,vcores=13,dask-worker=3", 43008, 13),
        ("memory-mb=1,vcores=2,", 1, 2),
        ("vcores=13", None, 13),
        ("43008 mb, 13 vcores", 43008, 13),
        ("13 vcores, 43008 mb", 43008, 13),
        ("43008MB,13VCORES", 43008, 13),
        ("43008 mb 13 vcores", 43008, 13),
        ("43008.5 mb, 13 vcores", 43008, 13),
        ("50%", None, None),
        ("50% memory, 20% cpu", None, None),
        ("memory-mb=50%,vcores=30%", None, None),
    ],
)
def test_resource_text(text: str, memory_mb: int | None, vcores: int | None) -> None:
    assert resources(text) == Resources(memory_mb, vcores)


@pytest.mark.parametrize(
    "text",
    [
        "43008 mb",
        "43008",
        "memory-mb=43g",
        "memory-mb=43008.5",
        "memory-mb=-1,vcores=1",
        "memory-mb=1,,vcores=2",
        "memory-mb=43008,vcores=50%",
    ],
)
def test_resource_text_that_yarn_refuses_is_named(text: str) -> None:
    with pytest.raises(AllocationFileError, match="maxChildResources") as failure:
        resources(text)
    assert repr(text) in str(failure.value)
    assert "expected memory-mb=<MiB>,vcores=<number>" in str(failure.value)


@pytest.mark.parametrize(
    ("text", "everyone", "users", "groups"),
    [
        ("ada,linus", False, {"ada", "linus"}, set()),
        (" ", False, set(), set()),
        ("*", True, set(), set()),
        (" *", True, set(), set()),
        ("* x", True, set(), set()),
        ("a*", False, {"a*"}, set()),
        ("ada data", False, {"ada"}, {"data"}),
        (" data", False, set(), {"data"}),
        # Traps: the text is split at its first space and not trimmed.
        ("ada, linus", False, {"ada"}, {"linus"}),
        ("\n  ada,linus\n", False, set(), {"ada", "linus"}),
        ("ada,linus ", False, {"ada", "linus"}, set()),
    ],
)
def test_acl_text(text: str, everyone: bool, users: set[str], groups: set[str]) -> None:
    acl = Acl.parse(text)
    assert acl.everyone is everyone
    if not everyone:
        assert (acl.users, acl.groups) == (users, groups)


def test_queue_takes_rights_and_limits_from_the_whole_path() -> None:
    rules = allocation_file.parse(FILE)
    normal = rules.queue("root.normal")
    assert normal.users_allowed == {"ada", "grace", "root"}
    assert normal.groups_allowed == {"engineers"}
    assert (normal.max_child_memory_mb, normal.max_child_vcores) == (40960, 13)
    assert rules.queue("critical") == rules.queue("root.critical")
    assert rules.queue("low").everyone
    assert rules.parent_queues() == ["root.critical", "root.normal", "root.low"]


def test_membership_of_a_group_counts() -> None:
    normal = allocation_file.parse(FILE).queue("normal")
    assert normal.allows("ada", lambda _: frozenset())
    assert normal.allows("mary", lambda _: frozenset({"engineers"}))
    assert not normal.allows("mary", lambda _: frozenset({"analysts"}))
    assert allocation_file.groups_of_user("root") >= {"root"}
    assert allocation_file.groups_of_user("no-such-user") == frozenset()


def test_a_root_that_says_nothing_lets_everybody_in() -> None:
    inside = '<queue name="q" type="parent"><aclSubmitApps>ada</aclSubmitApps></queue>'
    assert allocation_file.parse(f"<allocations>{inside}</allocations>").queue("q").everyone
    rooted = f'<allocations><queue name="root"><aclSubmitApps> </aclSubmitApps>{inside}</queue></allocations>'
    # The administrators of root are still everybody, and who administers a queue may submit to it.
    assert allocation_file.parse(rooted).queue("q").everyone
    closed = rooted.replace("</aclSubmitApps><queue", "</aclSubmitApps><aclAdministerApps> </aclAdministerApps><queue")
    assert allocation_file.parse(closed).queue("q").users_allowed == {"ada"}


def test_applications_at_once() -> None:
    rules = allocation_file.parse(FILE)
    assert rules.user_max_applications("ada") == 1
    assert rules.user_max_applications("grace") == 4
    assert allocation_file.parse("<allocations/>").user_max_applications("ada") is None


def test_default_limit_applies_where_no_child_limit_is_given() -> None:
    text = "<allocations><queueMaxResourcesDefault>2048 mb, 2 vcores</queueMaxResourcesDefault>"
    rules = allocation_file.parse(f'{text}<queue name="q" type="parent"/></allocations>')
    assert rules.queue("q").max_child_memory_mb == 2048


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<allocations>", "is not XML"),
        ("<queues/>", "top element is <queues>, expected <allocations>"),
        ('<allocations><queue name="a.b"/></allocations>', "queue name is 'a.b'"),
        ('<allocations><queue name="root"/><queue name="a"/></allocations>', "stands beside other queues"),
        ('<allocations><queue name="a"><aclSubmitApps/></queue></allocations>', "<aclSubmitApps> is empty"),
        ("<allocations><userMaxAppsDefault>one</userMaxAppsDefault></allocations>", "'one', expected a whole number"),
    ],
)
def test_errors_name_the_file_and_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(AllocationFileError) as failure:
        allocation_file.parse(text, "/etc/hadoop/conf/fair-scheduler.xml")
    assert "/etc/hadoop/conf/fair-scheduler.xml" in str(failure.value)
    assert message in str(failure.value)


def test_unknown_queue_lists_the_known_ones() -> None:
    with pytest.raises(AllocationFileError, match=r"no queue 'root.urgent'; it has root.critical, root.normal"):
        allocation_file.parse(FILE).queue("urgent")


def site(directory: Path, **properties: str) -> None:
    rows = "".join(
        f"<property><name>{name.replace('__', '-').replace('_', '.')}</name><value>{value}</value></property>"
        for name, value in properties.items()
    )
    (directory / "yarn-site.xml").write_text(f"<configuration>{rows}</configuration>")


FAIR = "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fair.FairScheduler"


def test_read_follows_yarn_site(tmp_path: Path) -> None:
    site(
        tmp_path,
        yarn_resourcemanager_scheduler_class=FAIR,
        yarn_resource__types_memory__mb_increment__allocation="512",
        base=str(tmp_path),
        yarn_scheduler_fair_allocation_file="${base}/queues.xml",
    )
    (tmp_path / "queues.xml").write_text(FILE)
    rules = allocation_file.read(tmp_path)
    assert rules.file == f"{tmp_path}/queues.xml"
    assert rules.queue("normal").increment_memory_mb == 512


def test_read_uses_the_file_on_the_class_path_by_default(tmp_path: Path) -> None:
    site(tmp_path, yarn_resourcemanager_scheduler_class=FAIR)
    (tmp_path / "fair-scheduler.xml").write_text(FILE)
    assert allocation_file.read(tmp_path).queue("normal").name == "root.normal"


def test_another_scheduler_has_no_rules(tmp_path: Path) -> None:
    site(tmp_path)
    assert allocation_file.read(tmp_path) is None


def test_a_missing_file_or_directory_is_named(tmp_path: Path) -> None:
    site(tmp_path, yarn_resourcemanager_scheduler_class=FAIR, yarn_scheduler_fair_allocation_file="/nowhere/queues.xml")
    with pytest.raises(AllocationFileError, match=r"/nowhere/queues.xml .*cannot be read: No such file"):
        allocation_file.read(tmp_path)
    with pytest.raises(HadoopConfigurationError, match=r"HADOOP_CONF_DIR is '.*/missing'"):
        allocation_file.read(tmp_path / "missing")

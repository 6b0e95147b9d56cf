"""Clamping and rights: the numbers, and the sentences a person reads."""

from __future__ import annotations

import dataclasses

import pytest
from dask_on_yarn import allocation_file
from dask_on_yarn.allocation_file import Queue
from dask_on_yarn.limits import Container, LimitError, NotAllowed, check_rights, clamp

WORKER, MASTER = Container(12288, 4), Container(1024, 1)
NORMAL = Queue("root.normal", False, frozenset({"ada", "grace"}), frozenset(), 43008, 13)


def test_ten_wanted_three_given() -> None:
    granted = clamp(1, 10, WORKER, MASTER, NORMAL, 3, "ada")
    assert (granted.min, granted.max) == (1, 3)
    assert granted.messages == [
        "ada asked for 10 workers and gets 3: at most 42 GiB and 3 workers per user (queue root.normal)"
    ]


def test_what_fits_is_granted_without_a_word() -> None:
    granted = clamp(2, 3, WORKER, MASTER, NORMAL, 3, "ada")
    assert (granted.min, granted.max, granted.messages) == (2, 3, [])


def test_the_minimum_is_clamped_too() -> None:
    granted = clamp(5, 5, WORKER, MASTER, NORMAL, 3, "ada")
    assert (granted.min, granted.max) == (3, 3)
    assert granted.messages[1] == "at least 5 workers were asked for; the job starts with 3"


def test_memory_binds_with_the_master_counted_and_requests_rounded_up() -> None:
    # 4 x 10240 + 1024 = 41984 fits; one MiB more is accounted as 11264 and the fourth does not.
    assert clamp(1, 9, Container(10240, 1), MASTER, NORMAL, None).max == 4
    assert clamp(1, 9, Container(10241, 1), MASTER, NORMAL, None).max == 3
    # 3 x 14336 is exactly the limit: with the master only two fit.
    assert clamp(1, 9, Container(14336, 1), MASTER, NORMAL, None).max == 2


def test_cores_are_named_where_they_bind() -> None:
    granted = clamp(1, 9, Container(1024, 6), MASTER, NORMAL, 3, "ada")
    assert granted.max == 2
    assert granted.messages == [
        "ada asked for 9 workers and gets 2: at most 42 GiB and 3 workers and 13 vcores per user (queue root.normal)"
    ]


def test_a_cluster_without_queue_limits_has_the_number_only() -> None:
    assert clamp(0, 10, WORKER, MASTER, None, 3, "ada").messages == [
        "ada asked for 10 workers and gets 3: at most 3 workers per user"
    ]
    free = dataclasses.replace(NORMAL, max_child_memory_mb=None, max_child_vcores=None)
    assert clamp(0, 500, WORKER, MASTER, free, None).max == 500


def test_not_one_worker_fits() -> None:
    with pytest.raises(LimitError) as failure:
        clamp(1, 1, Container(49152, 4), MASTER, NORMAL, 3, "ada")
    assert str(failure.value) == (
        "ada asked for workers of 48 GiB and 4 vcores and a master of 1 GiB and 1 vcore; not one worker fits:"
        " at most 42 GiB and 3 workers per user (queue root.normal)"
    )


@pytest.mark.parametrize("wanted", [(3, 2), (-1, 2), (0, 0)])
def test_a_wrong_range_is_refused(wanted: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected 0 <= minimum <= maximum"):
        clamp(*wanted, WORKER, MASTER, NORMAL, 3)


RULES = allocation_file.parse(
    """<allocations><queue name="root"><aclSubmitApps> </aclSubmitApps><aclAdministerApps> </aclAdministerApps>
    <queue name="critical" type="parent"><aclSubmitApps>linus,grace</aclSubmitApps></queue>
    <queue name="normal" type="parent"><aclSubmitApps>ada,linus,grace ops</aclSubmitApps></queue>
    <queue name="low" type="parent"><aclSubmitApps>*</aclSubmitApps></queue></queue></allocations>"""
)


def test_refusal_names_who_may_and_where_the_user_may_go() -> None:
    with pytest.raises(NotAllowed) as failure:
        check_rights("ada", RULES.queue("critical"), RULES)
    assert str(failure.value) == "root.critical is for grace, linus; ada may use root.normal, root.low"
    with pytest.raises(NotAllowed, match=r"root.normal is for ada, grace, linus, group ops; mary may use root.low"):
        check_rights("mary", RULES.queue("normal"), RULES)
    with pytest.raises(NotAllowed, match=r"root.critical is for grace, linus; ada may not use it"):
        check_rights("ada", RULES.queue("critical"))


def test_who_may_passes() -> None:
    check_rights("grace", RULES.queue("critical"), RULES)
    check_rights("anyone", RULES.queue("low"), RULES)
    check_rights("mary", RULES.queue("normal"), RULES, lambda _: frozenset({"ops"}))

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.lock_changes import lock_changes

LOCK = """\
contourpy==1.3.3 \\
    --hash=sha256:00
    # via matplotlib
pandas==3.0.5 \\
    --hash=sha256:01
"""


def test_the_same_versions_are_no_change_whatever_else_is_written() -> None:
    assert lock_changes(LOCK, LOCK.replace("via matplotlib", "via -r other.in")) == []


def test_changed_new_and_gone_packages_are_named() -> None:
    after = "contourpy==1.3.3 ; python_full_version < '3.12' \\\ncontourpy==1.4.0 \\\nnumpy==2.4.0\n"
    assert lock_changes(LOCK, after) == [
        "contourpy 1.3.3 -> 1.3.3 and 1.4.0",
        "numpy none -> 2.4.0",
        "pandas 3.0.5 -> none",
    ]

# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.text_table import text_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert text_table(("kind", "name"), [("bucket", "a"), ("x", "a-long-name")]) == [
        "kind    name",
        "bucket  a",
        "x       a-long-name",
    ]


def test_a_table_of_nothing_is_its_header() -> None:
    assert text_table(("kind", "name"), []) == ["kind  name"]

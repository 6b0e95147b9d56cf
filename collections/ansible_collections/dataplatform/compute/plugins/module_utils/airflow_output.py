# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Airflow's command line printed: the JSON document among the lines of its log. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def json_payload(lines: Sequence[str]) -> Any | None:
    """Return the first JSON object that begins a line, or list that begins and ends one; None when there is none.

    An export to standard output ends without a line of its own, and is followed by whatever is printed next.
    Lines of the log begin with a bracket too (``[2026-01-02T03:04:05] {plugins.py:37} INFO``) and are no JSON. What
    is logged behind the document is ignored.
    """
    decoder = json.JSONDecoder()
    text = "\n".join(lines)
    position = 0
    for line in lines:
        content = line.lstrip()
        if content[:1] in ("[", "{"):
            start = position + len(line) - len(content)
            try:
                found, end = decoder.raw_decode(text, start)
            except ValueError:
                pass
            else:
                # A number in brackets that a line of the log begins with is JSON as well, but does not end its line.
                if isinstance(found, dict) or not text[end:].partition("\n")[0].strip():
                    return found
        position += len(line) + 1
    return None

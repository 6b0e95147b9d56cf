"""The two spellings of field names: camelCase in JSON, snake_case in Google's messages and field masks."""

from __future__ import annotations

import functools
import re

_HUMP = re.compile(r"(?<!^)(?<![A-Z_])([A-Z])")


@functools.lru_cache(maxsize=4096)
def snake_case(name: str) -> str:
    """Return `numInstances` as `num_instances`."""
    return _HUMP.sub(r"_\1", name).lower()


@functools.lru_cache(maxsize=4096)
def camel_case(name: str) -> str:
    """Return `num_instances` as `numInstances`."""
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)

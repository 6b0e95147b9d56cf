"""ifGenerationMatch and its relatives: parsed from a query, checked against the object or bucket as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from localcloud.errors import ApiError


class ConditionNotMet(ApiError):
    """412, with the place of the condition that Google's error body names."""

    def __init__(self) -> None:
        """Use Google's text."""
        super().__init__(412, "At least one of the pre-conditions you specified did not hold.")

    def body(self, legacy: bool) -> dict:
        """Return the JSON body; see ApiError.body."""
        body = super().body(legacy)
        for error in body["error"].get("errors", []):
            error.update(locationType="header", location="If-Match")
        return body


class NotModified(ApiError):
    """304 for a read whose ...NotMatch condition names what is there."""

    def __init__(self) -> None:
        """A 304 has no body, so the text is only for logs."""
        super().__init__(304, "Not Modified")


@dataclass(frozen=True)
class Conditions:
    """What the caller demands of the current state; None demands nothing. A generation of 0 means: no such object."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, generation: int, metageneration: int, reading: bool = False) -> None:
        """Compare with the current numbers (both 0 when nothing is there).

        Raises ConditionNotMet (412), or NotModified (304) for a read that hits a ...NotMatch condition.
        """
        if self.generation_match is not None and self.generation_match != generation:
            raise ConditionNotMet
        if self.metageneration_match is not None and self.metageneration_match != metageneration:
            raise ConditionNotMet
        if self.generation_not_match == generation or self.metageneration_not_match == metageneration:
            raise NotModified if reading else ConditionNotMet


NO_CONDITIONS = Conditions()
_PARAMETERS = {
    "GenerationMatch": "generation_match",
    "GenerationNotMatch": "generation_not_match",
    "MetagenerationMatch": "metageneration_match",
    "MetagenerationNotMatch": "metageneration_not_match",
}


def parse_integer(name: str, text: str) -> int:
    """Return a 64-bit number given as the parameter `name`. Raises ApiError 400."""
    try:
        value = int(text)
    except ValueError:
        value = -(2**64)
    if not -(2**63) <= value < 2**63:
        raise ApiError(
            400, f"Invalid value for parameter {name}: '{text}' is not a 64-bit integer.", reason="invalidParameter"
        )
    return value


def parse_conditions(query: Mapping[str, str], prefix: str = "if") -> Conditions:
    """Return the conditions in a query; `prefix` is `ifSource` for those on the source of a copy."""
    found = {
        attribute: parse_integer(prefix + suffix, query[prefix + suffix])
        for suffix, attribute in _PARAMETERS.items()
        if prefix + suffix in query
    }
    return Conditions(**found) if found else NO_CONDITIONS

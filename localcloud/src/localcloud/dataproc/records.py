"""Resources of one kind in the store: what clients see (`body`) beside what only the service knows (`internal`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from localcloud.dataproc.names import Location


@dataclass
class Record:
    """One stored resource."""

    key: str
    body: dict[str, Any]
    internal: dict[str, Any] = field(default_factory=dict)

    @property
    def location(self) -> Location:
        """Project and region of the resource."""
        parts = self.key.split("/")
        return Location(parts[2], parts[4])

    @property
    def id(self) -> str:
        """Last part of the key."""
        return self.key.rpartition("/")[2]


class Records:
    """All resources of one kind. Those that still change by themselves are known by key without reading the store."""

    def __init__(self, store: Any, kind: str, is_active: Callable[[Record], bool] | None = None) -> None:
        """Keep resources of `kind` in `store`; `is_active` tells which of them need attention as time passes."""
        self.kind = kind
        self._store = store
        self._collection = f"dataproc/{kind}"
        self._is_active = is_active
        self._active: set[str] = set()
        if is_active:
            self._active = {key for key, entry in store.list(self._collection) if is_active(Record(key, **entry))}

    def transaction(self) -> AbstractContextManager[Any]:
        """Return a context in which several writes are kept together or not at all."""
        return self._store.transaction()

    def key(self, location: Location, identifier: str) -> str:
        """Return the key of one resource; both spellings of a location give the same."""
        return f"{location.key}/{self.kind}/{identifier}"

    def get(self, location: Location, identifier: str) -> Record | None:
        """Return a resource or None."""
        return self.by_key(self.key(location, identifier))

    def by_key(self, key: str) -> Record | None:
        """Return a resource by its key or None."""
        entry = self._store.get(key)
        return Record(key, **entry) if entry else None

    def save(self, record: Record) -> Record:
        """Create or replace a resource."""
        self._store.put(record.key, self._collection, {"body": record.body, "internal": record.internal})
        self._note(record)
        return record

    def create(self, record: Record) -> bool:
        """Create a resource; return False, changing nothing, when it exists."""
        created = self._store.create(record.key, self._collection, {"body": record.body, "internal": record.internal})
        if created:
            self._note(record)
        return created

    def delete(self, record: Record) -> None:
        """Remove a resource."""
        self._store.delete(record.key)

    def list(self, location: Location, after: str = "") -> Iterator[Record]:
        """Yield the resources of a location in order of their ids, those beyond `after`."""
        prefix = self.key(location, "")
        for key, entry in self._store.list(self._collection, after=prefix + after):
            if not key.startswith(prefix):
                return
            yield Record(key, **entry)

    def everywhere(self) -> Iterator[Record]:
        """Yield the resources of all locations."""
        for key, entry in self._store.list(self._collection):
            yield Record(key, **entry)

    def active(self) -> Iterator[Record]:
        """Yield the resources that may change as time passes."""
        for key in sorted(self._active):
            record = self.by_key(key)
            # Keys go here and nowhere else: what ended or was deleted in a transaction may be as it was after all.
            if record is None or not self._is_active(record):
                self._active.discard(key)
            else:
                yield record

    def _note(self, record: Record) -> None:
        if self._is_active is not None and self._is_active(record):
            self._active.add(record.key)

"""objects.list: pages over an index range, with prefixes, globs, versions; nothing is loaded beyond the page."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import NamedTuple

from starlette.responses import Response

from localcloud import partial
from localcloud.errors import ApiError
from localcloud.storage.access import with_access
from localcloud.storage.call import Call
from localcloud.storage.catalog import Catalog, ObjectRow
from localcloud.storage.globs import compile_glob, literal_prefix
from localcloud.storage.resources import dump

_LAST_CODE_POINT = 0x10FFFF


def end_of_prefix(prefix: str) -> str | None:
    """Return the smallest name that sorts behind every name with `prefix`; None when there is no such bound."""
    stem = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    # Surrogates are no characters: the next name behind U+D7FF starts at U+E000.
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)


class Position(NamedTuple):
    """Where the next page starts: behind this name and generation, or, without a generation, at this name."""

    name: str
    generation: int | None

    def token(self) -> str:
        """Return the page token for this position."""
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode()

    @classmethod
    def from_token(cls, token: str) -> Position:
        """Parse a page token. Raises ApiError 400."""
        try:
            name, generation = json.loads(base64.urlsafe_b64decode(token.encode()))
            if isinstance(name, str) and isinstance(generation, int | None):
                return cls(name, generation)
        except ValueError:
            pass
        raise ApiError(400, f"Invalid value for parameter pageToken: '{token}'", reason="invalidParameter")


class Selection(NamedTuple):
    """Which objects of a bucket a listing is about."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str | None = None
    glob: str = ""
    versions: bool = False
    soft_deleted: bool = False
    trailing_delimiter: bool = False


class Page(NamedTuple):
    """One page of a listing."""

    rows: list[ObjectRow]
    prefixes: list[str]
    following: Position | None


_LIVE_NAMES = "SELECT * FROM storage_objects WHERE bucket = ? AND state = 0 AND name >= ? ORDER BY name"
_ALL_VERSIONS = (
    "SELECT * FROM storage_objects WHERE bucket = ? AND name >= ? AND state IN (0, 1) ORDER BY name, generation"
)
_SOFT_DELETED = "SELECT * FROM storage_objects WHERE bucket = ? AND name >= ? AND state = 2 ORDER BY name, generation"


def _scan(catalog: Catalog, selection: Selection, lower: Position, upper: str | None) -> Iterator[ObjectRow]:
    """Yield rows from `lower` on in listing order; rows are read from the index only as they are consumed."""
    statement = _SOFT_DELETED if selection.soft_deleted else _ALL_VERSIONS if selection.versions else _LIVE_NAMES
    for values in catalog.store.connection.execute(statement, (selection.bucket, lower.name)):
        row = ObjectRow._make(values)
        if upper is not None and row.name >= upper:
            return
        if lower.generation is not None and row.name == lower.name:
            if not selection.versions and not selection.soft_deleted:
                continue
            if row.generation <= lower.generation:
                continue
        yield row


def read_page(catalog: Catalog, selection: Selection, after: Position | None, size: int) -> Page:
    """Return up to `size` objects and prefixes of a selection, from `after` on."""
    prefix = selection.prefix
    if selection.glob:
        literal = literal_prefix(selection.glob)
        if literal.startswith(prefix):
            prefix = literal
    lower = Position(max(prefix, selection.start), None)
    if after is not None and after.name >= lower.name:
        lower = after
    bounds = [bound for bound in (end_of_prefix(prefix) if prefix else None, selection.end) if bound is not None]
    upper = min(bounds) if bounds else None
    pattern = compile_glob(selection.glob) if selection.glob else None
    rows: list[ObjectRow] = []
    prefixes: list[str] = []
    while True:
        for row in _scan(catalog, selection, lower, upper):
            if pattern is not None and (
                not row.name.startswith(selection.prefix) or pattern.fullmatch(row.name) is None
            ):
                continue
            group = _group(row.name, selection)
            if len(rows) + len(prefixes) >= size:
                return Page(rows, prefixes, lower)
            if group is None:
                rows.append(row)
                lower = Position(row.name, row.generation)
                continue
            prefixes.append(group)
            if selection.trailing_delimiter and row.name == group:
                rows.append(row)
            following = end_of_prefix(group)
            if following is None:
                return Page(rows, prefixes, None)
            # What else begins with this prefix is skipped by seeking behind it.
            lower = Position(following, None)
            break
        else:
            return Page(rows, prefixes, None)


def _group(name: str, selection: Selection) -> str | None:
    """Return the prefix that stands for `name` in the listing, or None when the object itself is listed."""
    if not selection.delimiter:
        return None
    position = name.find(selection.delimiter, len(selection.prefix))
    return name[: position + len(selection.delimiter)] if position >= 0 else None


async def list_objects(call: Call) -> Response:
    """Serve storage.objects.list."""
    query = call.query
    selection = Selection(
        call.names[0],
        query.get("prefix", ""),
        query.get("delimiter", ""),
        query.get("startOffset", ""),
        query.get("endOffset") or None,
        query.get("matchGlob", ""),
        call.flag("versions"),
        call.flag("softDeleted"),
        call.flag("includeTrailingDelimiter"),
    )
    bucket = call.catalog.bucket(selection.bucket)
    if selection.soft_deleted:
        if selection.versions:
            raise ApiError(400, "versions and softDeleted cannot both be true.", reason="invalidParameter")
        call.catalog.purge_expired()
    after = Position.from_token(query["pageToken"]) if query.get("pageToken") else None
    page = read_page(call.catalog, selection, after, call.page_size())
    fields = query.pop("fields", "*")
    selector = partial.parse(fields)
    everything = "*" in selector
    projection = query.get("projection", "noAcl")
    parts = ['"kind":"storage#objects"'] if everything or "kind" in selector else []
    if page.following is not None and (everything or "nextPageToken" in selector):
        parts.append(f'"nextPageToken":{dump(page.following.token())}')
    if page.prefixes and (everything or "prefixes" in selector):
        parts.append(f'"prefixes":{dump(page.prefixes)}')
    if page.rows and (everything or "items" in selector):
        texts = [_item(row, with_access(call, row, bucket, projection)) for row in page.rows]
        texts = _select_items(texts, selector.get("items") or selector.get("*") or {}, fields)
        parts.append(f'"items":[{",".join(texts)}]')
    return call.answer("{" + ",".join(parts) + "}")


def _item(row: ObjectRow, text: str) -> str:
    """Return the listed resource: hashes of objects under a customer-managed key only come with objects.get."""
    if not row.encrypted:
        return text
    resource = json.loads(text)
    return dump({name: value for name, value in resource.items() if name not in ("md5Hash", "crc32c")})


def _select_items(texts: list[str], selector: partial.Selector, fields: str) -> list[str]:
    """Return the items reduced to `selector`, their part of `fields`; the usual one names a few plain fields."""
    if not selector or selector.get("*") == {}:
        return texts
    items = json.loads(f"[{','.join(texts)}]")
    if not any(selector.values()):
        return [dump({name: item[name] for name in selector if name in item}) for item in items]
    return [dump(item) for item in partial.select({"items": items}, fields)["items"]]

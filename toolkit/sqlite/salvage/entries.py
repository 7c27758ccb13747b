"""The rows of a schema, one by one: from records, and from the words on pages whose records are broken."""

from __future__ import annotations

import contextlib
import re
import struct
from dataclasses import dataclass

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.record import RawText, Value
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.salvage import wording
from toolkit.sqlite.salvage.carve import carve
from toolkit.sqlite.salvage.shape import SCHEMA

KINDS = ("table", "index", "view", "trigger")
_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE", re.IGNORECASE)


@dataclass(slots=True)
class Entry:
    """A row of the schema. `assumed`: its root is another database's, and has to be proved."""

    rowid: int
    kind: str
    name: str
    table: str
    root: int
    sql: str | None
    assumed: bool = False

    @property
    def virtual(self) -> bool:
        """Whether it is a virtual table."""
        return self.kind == "table" and bool(_VIRTUAL.match(self.sql or ""))

    def record(self, encoding: str) -> bytes:
        """Return the row as a record."""
        return record.encode([self.kind, self.name, self.table, self.root, self.sql], encoding)


def entry_of(rowid: int, values: list[Value], encoding: str) -> Entry | None:
    """Return the entry that a record of the schema is, None for one that is none."""
    if len(values) != 5 or not all(isinstance(value, RawText) for value in values[:3]):
        return None
    kind, name, table = (record.text(value, encoding) for value in values[:3])
    root, sql = values[3], values[4]
    if kind not in KINDS or not name or not table or not (root is None or isinstance(root, int)):
        return None
    if not (sql is None or isinstance(sql, RawText)):
        return None
    return Entry(rowid, kind, name, table, root or 0, None if sql is None else record.text(sql, encoding))


def page_entries(source: PageSource, number: int, encoding: str, page: bytes = b"") -> list[Entry]:
    """Return the entries of one page, sound or not, or of another image of it."""
    given = bool(page)
    page = page or source.page(number)
    node = nodes.parse(page, number, source.geometry)
    found: list[Entry] = []
    if node.kind == 13 and not node.faults:
        for cell in node.cells:
            payload = payload_from(source, page, cell)
            with contextlib.suppress(ValueError):
                entry = entry_of(cell.rowid, record.decode(payload or b""), encoding)
                found += [entry] if entry else []
    elif not given:
        for row in carve(source, number, SCHEMA, encoding).rows:
            entry = entry_of(row.rowid, row.values, encoding)
            found += [entry] if entry else []
    if not given and (node.faults or len(found) < node.count):
        found += _by_words(source, page, number, {(entry.kind, entry.name) for entry in found}, encoding)
    return found


def _by_words(source: PageSource, page: bytes, number: int, known: set[tuple[str, str]], encoding: str) -> list[Entry]:
    """Return what only the words of a page still tell; rowid 0."""
    head = 108 if number == 1 else 8
    count = min(struct.unpack_from(">H", page, head - 5)[0], 200)
    places = sorted(set(struct.unpack_from(f">{count}H", page, head)))
    extent = page[: source.geometry.usable]
    return [Entry(0, *words) for words in wording.found(extent, places, encoding) if (words[0], words[1]) not in known]

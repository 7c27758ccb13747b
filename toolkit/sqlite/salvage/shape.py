"""What the rows of a table must look like, learned from its CREATE statement by SQLite itself in memory."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit.sqlite.connect import quoted
from toolkit.sqlite.order import Order
from toolkit.sqlite.pages.record import CODECS, OddInt, RawText, Value

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Column:
    """A stored column: its name, affinity (`INTEGER TEXT BLOB REAL NUMERIC`), and whether NULL is allowed.

    `key` is the INTEGER PRIMARY KEY, which is stored as NULL; `optional` says that a shorter record may lack it;
    `generated` that SQLite works the value out and takes none.
    """

    name: str
    affinity: str
    not_null: bool
    key: bool
    optional: bool
    strict: str = ""
    default: str = ""
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its name, whether it is unique, of some rows only, and the table columns (-1 rowid, -2 expression).

    `orders` are how its columns are sorted.
    """

    name: str
    unique: bool
    partial: bool
    columns: tuple[int, ...]
    origin: str
    key_columns: int = 0
    orders: tuple[Order, ...] = ()


@dataclass(slots=True)
class Shape:
    """What the records of one table look like. `columns` are in the order of the records.

    `positions` leads from a column's number in the declaration to its place in the records. `nodes`: it holds the
    nodes of an R-tree, of which also a half is worth keeping. `orders` are how the key of a WITHOUT ROWID table is
    sorted.
    """

    name: str
    columns: tuple[Column, ...]
    without_rowid: bool = False
    keys: int = 0
    indexes: tuple[Index, ...] = ()
    positions: dict[int, int] = field(default_factory=dict)
    nodes: bool = False
    orders: tuple[Order, ...] = ()

    @property
    def least(self) -> int:
        """The fewest values that a record can have."""
        count = len(self.columns)
        while count > 1 and self.columns[count - 1].optional:
            count -= 1
        return count

    def misfit(self, values: list[Value], encoding: str) -> str | None:
        """Return why SQLite could not have stored `values` in this table, None when it could."""
        if not self.least <= len(values) <= len(self.columns):
            return f"{len(values)} values"
        for column, value in zip(self.columns, values, strict=False):
            if column.key:
                if value is not None:
                    return f"{column.name} is stored"
                continue
            if value is None:
                if column.not_null:
                    return f"{column.name} is NULL"
            elif not _fits(column, value, encoding):
                return f"{column.name} holds another type"
        return None

    def is_another(self, values: list[Value], encoding: str) -> bool:
        """Answer whether it is another table's row: it has values too many, or of another type in two columns."""
        typed = [pair for pair in zip(self.columns, values, strict=False) if pair[1] is not None and not pair[0].key]
        return len(values) > len(self.columns) or sum(not _fits(*pair, encoding) for pair in typed) > 1

    def strangeness(self, values: list[Value], encoding: str) -> int:
        """Count the values that the table could hold but hardly does: texts in numbers, blobs in texts, bad text."""
        strange = 2 * (len(self.columns) - len(values))
        for column, value in zip(self.columns, values, strict=False):
            if isinstance(value, RawText):
                strange += (column.affinity in ("INTEGER", "REAL")) + 3 * (not valid(value, encoding))
            elif isinstance(value, bytes):
                strange += column.affinity in ("INTEGER", "REAL", "TEXT", "NUMERIC")
            elif isinstance(value, int | float):
                strange += column.affinity == "BLOB"
        return strange


def valid(value: RawText, encoding: str) -> bool:
    """Answer whether a text is valid in the encoding."""
    try:
        value.decode(CODECS.get(encoding, "utf-8"))
    except UnicodeDecodeError:
        return False
    return True


def _fits(column: Column, value: Value, encoding: str) -> bool:
    if isinstance(value, OddInt) or value != value:  # noqa: PLR0124 - SQLite stores NULL for what is no number
        return False
    if column.strict and column.strict != "ANY":
        kinds: dict[str, tuple[type, ...]] = {
            "INTEGER": (int,),
            "INT": (int,),
            "REAL": (float, int),
            "TEXT": (RawText,),
            "BLOB": (bytes,),
        }
        if not isinstance(value, kinds.get(column.strict, (object,))):
            return False
        return not (column.strict == "BLOB" and isinstance(value, RawText))
    if column.affinity == "TEXT":
        return isinstance(value, bytes)
    if column.affinity in ("INTEGER", "REAL", "NUMERIC") and isinstance(value, RawText):
        with contextlib.suppress(UnicodeDecodeError):
            return not _NUMBER.fullmatch(value.decode(CODECS.get(encoding, "utf-8")))
    return True


def affinity(declared: str) -> str:
    """Return the affinity of a declared type (datatypes, section 3.1)."""
    word = declared.upper()
    if "INT" in word:
        return "INTEGER"
    if any(part in word for part in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in word or not word:
        return "BLOB"
    if any(part in word for part in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


SCHEMA = Shape(
    "sqlite_schema",
    (
        Column("type", "TEXT", not_null=True, key=False, optional=False),
        Column("name", "TEXT", not_null=True, key=False, optional=False),
        Column("tbl_name", "TEXT", not_null=True, key=False, optional=False),
        Column("rootpage", "INTEGER", not_null=False, key=False, optional=False),
        Column("sql", "TEXT", not_null=False, key=False, optional=False),
    ),
)
"""The shape of the schema's own rows."""


@contextlib.contextmanager
def blank() -> Iterator[sqlite3.Connection]:
    """Open a database in memory that takes foreign schemas as they are."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for pragma in ("foreign_keys=OFF", "legacy_alter_table=ON", "trusted_schema=ON"):
            connection.execute(f"PRAGMA {pragma}")
        yield connection


def learn(connection: sqlite3.Connection, name: str) -> Shape:
    """Return the shape of the table `name` of `connection`. Raises `sqlite3.Error`."""
    row = connection.execute("SELECT wr, strict FROM pragma_table_list WHERE name=? COLLATE NOCASE", (name,)).fetchone()
    without_rowid, strict = bool(row and row[0]), bool(row and row[1])
    info = connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
    indexes = tuple(_indexes(connection, name))
    integer_key = _integer_key(info, indexes, without_rowid=without_rowid)
    order = [row for row in info if row[6] in (0, 3)]
    keys = 0
    orders: tuple[Order, ...] = ()
    if without_rowid:
        primary = next(index for index in indexes if index.origin == "pk")
        leading = list(dict.fromkeys(number for number in primary.columns if number >= 0))
        keyed = [number for number in leading if any(row[0] == number and row[5] for row in info)]
        keys = len(keyed)
        orders = tuple(primary.orders[primary.columns.index(number)] for number in keyed)
        by_number = {row[0]: row for row in info}
        order = [by_number[number] for number in keyed] + [row for row in order if row[0] not in keyed]
    columns = tuple(
        Column(
            row[1],
            affinity(row[2]),
            not_null=bool(row[3]) or (without_rowid and bool(row[5])),
            key=row[0] == integer_key,
            optional=(not row[3] or row[4] is not None) and not row[5] and row[6] == 0,
            strict=row[2].upper() if strict else "",
            default=row[4] or "",
            generated=row[6] == 3,
        )
        for row in order
    )
    positions = {row[0]: at for at, row in enumerate(order)}
    return Shape(name, columns, without_rowid, keys, indexes, positions, orders=orders)


def _integer_key(
    info: list[tuple[int, str, str, int, object, int, int]], indexes: tuple[Index, ...], *, without_rowid: bool
) -> int:
    keys = [row for row in info if row[5]]
    if without_rowid or len(keys) != 1 or keys[0][2].upper() != "INTEGER":
        return -1
    return -1 if any(index.origin == "pk" for index in indexes) else keys[0][0]


def _indexes(connection: sqlite3.Connection, table: str) -> Iterator[Index]:
    for _, name, unique, origin, partial in connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall():
        rows = connection.execute(f"PRAGMA index_xinfo({quoted(name)})").fetchall()
        yield Index(
            name,
            bool(unique),
            bool(partial),
            tuple(row[1] for row in rows),
            origin,
            sum(row[5] for row in rows),
            tuple((bool(row[3]), str(row[4])) for row in rows),
        )

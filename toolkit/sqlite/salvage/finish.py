"""What SQLite itself does on the mended copy: indexes filled, constraints held, everything written anew."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sqlite3
from pathlib import Path

from toolkit.events import ShouldStop, never_stop
from toolkit.sqlite import blocks, collations, ddl
from toolkit.sqlite.connect import connect, quoted, uri
from toolkit.sqlite.integrity import integrity
from toolkit.sqlite.pages.record import RawText, Value
from toolkit.sqlite.salvage.carve import Row
from toolkit.sqlite.salvage.contain import contained, of_all
from toolkit.sqlite.salvage.disagree import Heard, Other, hear, left_unsure
from toolkit.sqlite.salvage.entries import Entry
from toolkit.sqlite.salvage.freeing import free_unused
from toolkit.sqlite.salvage.mend import Mended
from toolkit.sqlite.salvage.schema import run
from toolkit.sqlite.salvage.shape import Index, Shape
from toolkit.sqlite.translate import primary_code

_CACHE_KIB = 64 * 1024
_SORT_KIB = 2000
"""Page cache while an index is filled: SQLite sorts in runs of its size, twice as fast where caches hold one."""

_MOST_FREE = 4
"""A mended file of which more than one page in so many is free is written anew."""

_INDEX = re.compile(r"(?:in|from|of) index (.+?)$|index (.+)$")
_VALUE = re.compile(r"(?:NULL|non-\w+|NUMERIC|TEXT) value in ([^ ]+)\.(.+)$")
_CHECK = re.compile(r"CHECK constraint failed in (.+)$")


class Finish:
    """Brings one mended copy to its end. Rows that break a constraint go to `apart` as (table, row)."""

    def __init__(self, path: Path, mended: Mended, auto_vacuum: int, should_stop: ShouldStop = never_stop) -> None:
        self.path, self.mended = path, mended
        self.auto_vacuum = auto_vacuum
        self.apart: list[tuple[str, Row]] = []
        self.broken: list[str] = []
        self.lost: list[str] = []
        self.unfilled: dict[str, str] = {}
        self.doubts: list[str] = []
        self.checked = self.as_it_is = self.unruly = False
        self.connection = connect(path, "mode=rw")
        self.connection.set_progress_handler(should_stop, 200_000)
        try:
            self.run("PRAGMA cell_size_check=OFF", "PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF")
            self.run("PRAGMA writable_schema=ON", f"PRAGMA cache_size=-{_CACHE_KIB}", "PRAGMA temp_store=FILE")
            self.run("PRAGMA ignore_check_constraints=ON", "PRAGMA foreign_keys=OFF")
        except BaseException:
            self.connection.close()
            raise

    def run(self, *statements: str) -> None:
        """Run statements. Raises `sqlite3.Error`."""
        for statement in statements:
            self.connection.execute(statement).fetchall()

    def close(self) -> None:
        """Close the copy."""
        self.connection.close()

    def write(self, output: Path) -> None:
        """Do everything and write the output. Raises `sqlite3.Error`, `OSError`."""
        triggers = [entry for entry in self.mended.schema.entries if entry.kind == "trigger"]
        self.run("DELETE FROM sqlite_master WHERE type='trigger'", "PRAGMA writable_schema=RESET")
        self.run("PRAGMA writable_schema=ON")
        self._fill_unkeyed()
        for name in self.mended.indexes:
            self._clear_and_fill(name)
        self.run("PRAGMA ignore_check_constraints=OFF")  # else integrity_check does not look at them
        self.as_it_is = self.checked = self._is_sound()
        if not self.as_it_is:
            self._check_tables()
        self._enter(triggers)
        if self.as_it_is:
            self.close()
            os.rename(self.path, output)
        else:
            self._vacuum(output)

    def _is_sound(self) -> bool:
        """Answer whether the copy is sound as it is, with few enough free pages: then it need not be written anew."""
        if not self.mended.freed or self.lost:
            return False
        (free,), (pages,) = (
            self.connection.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_count")
        )
        if free * _MOST_FREE > pages:
            return False
        tables = [entry.name for entry in self.mended.schema.tables() if not self._all_filled(entry.name)]
        try:
            lines = integrity(self.connection, "quick_check", 1).messages
        except sqlite3.Error as error:
            if of_all(error):
                raise
            return False
        return not lines and not any(self._messages(name) for name in tables)

    def _enter(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.connection.execute(
                "INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)",
                tuple(
                    value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if value else value
                    for value in (entry.kind, entry.name, entry.table, entry.sql)
                ),
            )
        if entries:
            self.run("PRAGMA writable_schema=RESET", "PRAGMA writable_schema=ON")

    @functools.cached_property
    def _foreign(self) -> list[str]:
        """The collations that are missing."""
        return collations.foreign(self.connection)

    def _lose_foreign(self) -> None:
        """Let go of indexes in an order that only the application has, where SQLite is to write: it could not."""
        names = collations.ordered(self.connection, self._foreign) if self.mended.unkeyed else {}
        for entry in self.mended.schema.entries:
            if entry.kind == "index" and entry.sql and entry.name in names and entry.table in self.mended.unkeyed:
                self._lose_index(entry.name)

    def _fill_unkeyed(self) -> None:
        self._lose_foreign()
        for at, (name, taken) in enumerate(self.mended.unkeyed.items()):
            shape = taken.shape
            scratch = f"lifeboat_rows_{at}"
            defaults = ",".join(
                f"c{number}" + (f" DEFAULT ({column.default})" if column.default else "")
                for number, column in enumerate(shape.columns)
            )
            self.connection.execute(
                "INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql) VALUES ('table', ?1, ?1, ?2, ?3)",
                (scratch, taken.root, f"CREATE TABLE {scratch}({defaults})"),
            )
            self.run("PRAGMA writable_schema=RESET", "PRAGMA writable_schema=ON")
            with contained(functools.partial(self._not_filled, name)):
                self._take_rows(shape, scratch)
            self.connection.execute("DELETE FROM sqlite_master WHERE name=?", (scratch,))
            self.run("PRAGMA writable_schema=RESET", "PRAGMA writable_schema=ON")

    def _not_filled(self, name: str, why: str) -> None:
        self.unfilled[name] = why

    def _take_rows(self, shape: Shape, scratch: str) -> None:
        """Put the rows of a plain table into a WITHOUT ROWID one; those that SQLite does not take are kept apart.

        All at once where SQLite takes them, else one by one.
        """
        taken = [(number, column) for number, column in enumerate(shape.columns) if not column.generated]
        listed = ",".join(quoted(column.name) for _, column in taken)
        values = ",".join(f"c{number}" for number, _ in taken)
        insert = f"INSERT OR IGNORE INTO {quoted(shape.name)}({listed}) SELECT {values} FROM {scratch}"  # noqa: S608
        failed: list[str] = []
        with contained(failed.append):
            self.run(insert)
        if not failed:
            return
        for (rowid,) in self.connection.execute(f"SELECT rowid FROM {scratch}").fetchall():  # noqa: S608
            failed.clear()
            with contained(failed.append):
                self.connection.execute(f"{insert} WHERE rowid=?", (rowid,))
            if failed:
                row = self.connection.execute(f"SELECT * FROM {scratch} WHERE rowid=?", (rowid,)).fetchone()  # noqa: S608
                self.apart.append((shape.name, Row(0, b"", [_raw(value) for value in row], 0, 0)))

    def _reindex(self, name: str) -> None:
        """Fill an index anew; rows that break its uniqueness go, an index that SQLite cannot make is lost."""
        for _ in range(2):
            try:
                self.run(f"PRAGMA cache_size=-{_SORT_KIB}", f"REINDEX {quoted(name)}")
            except sqlite3.IntegrityError:
                if not self._unique(name):
                    break
            except Exception as error:
                if of_all(error):
                    raise
                break
            else:
                return
            finally:
                self.run(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._lose_index(name)

    def _lose_index(self, name: str) -> None:
        self.connection.execute("DELETE FROM sqlite_master WHERE type='index' AND name=?", (name,))
        self.run("PRAGMA writable_schema=RESET", "PRAGMA writable_schema=ON")
        self.lost.append(f"index {name}")

    def _index(self, name: str) -> tuple[Shape, Index] | None:
        for shape in self.mended.schema.shapes.values():
            for index in shape.indexes:
                if index.name == name:
                    return shape, index
        return None

    def _unique(self, name: str) -> bool:
        """Take out the rows that are second to have a key of a unique index; answer whether it was possible."""
        found = self._index(name)
        if found is None or found[1].partial or found[0].without_rowid:
            return False
        shape, index = found
        # index_xinfo appends the rowid (-1): what stands before it is the key
        places = [shape.positions.get(number, -1) for number in index.columns[: index.key_columns]]
        if any(place < 0 for place in places):
            return False
        names = ",".join(quoted(shape.columns[place].name) for place in places)
        table = quoted(shape.name)
        whole = " AND ".join(f"{quoted(shape.columns[place].name)} IS NOT NULL" for place in places)
        rows = self.connection.execute(
            f"SELECT rowid FROM {table} NOT INDEXED WHERE {whole} AND rowid NOT IN "  # noqa: S608
            f"(SELECT min(rowid) FROM {table} NOT INDEXED GROUP BY {names})"
        ).fetchall()
        self._remove(shape, [row[0] for row in rows])
        return bool(rows)

    def _remove(self, shape: Shape, rowids: list[int]) -> None:
        """Take rows out of a table, to be kept apart."""
        names = ",".join(quoted(column.name) for column in shape.columns)
        for rowid in rowids:
            row = self.connection.execute(
                f"SELECT {names} FROM {quoted(shape.name)} NOT INDEXED WHERE rowid=?",  # noqa: S608
                (rowid,),
            ).fetchone()
            if row is not None:
                self.apart.append((shape.name, Row(rowid, b"", [_raw(value) for value in row], 0, 0)))
            self.connection.execute(f"DELETE FROM {quoted(shape.name)} WHERE rowid=?", (rowid,))  # noqa: S608

    def _check_tables(self) -> None:
        """Let SQLite check each table with its indexes; fill indexes that disagree, take out rows that break a rule."""
        for entry in self.mended.schema.tables():
            with contained(functools.partial(self._not_filled, entry.name)):
                self._check_table(entry.name)

    def _check_table(self, table: str) -> None:
        messages = self._messages(table, full=not self._all_filled(table))
        if not messages:
            return
        indexes = [one.name for one in self.mended.schema.entries if one.kind == "index" and one.table == table]
        named = {match[1] or match[2] for message in messages if (match := _INDEX.search(message))}
        structural = any("tree page" in message.lower() or message.startswith("Tree ") for message in messages)
        right = [] if structural else self._hear(table, [name for name in indexes if name in named])
        for name in indexes:
            if name in named or structural:
                self._doubt_ghosts(table, name)
                self._clear_and_fill(name)
        self._take_values(table, right)
        self._rules(table, messages)
        left = self._messages(table)
        self.unruly |= bool(left)
        shape = self.mended.schema.shapes.get(table)
        keyed = bool(left) and shape is not None and shape.without_rowid
        if keyed or any("malformed" in message or "tree page" in message.lower() for message in left):
            self.broken.append(table)

    def _hear(self, table: str, names: list[str]) -> list[Other]:
        """Return the true values of rows that indexes have otherwise; say where nothing tells which are right."""
        shape, heard = self.mended.schema.shapes.get(table), dict[str, Heard]()
        if shape is None or self._of_virtual(table):
            return []
        (encoding,) = self.connection.execute("PRAGMA encoding").fetchone()
        for index in shape.indexes:
            if index.name in names:
                with contextlib.suppress(sqlite3.DatabaseError):
                    heard[index.name] = hear(self.connection, shape, index, encoding)
        sound = {index.name for index in shape.indexes} - set(self.mended.indexes)
        for name, count in left_unsure(heard, shape, sound).items():
            rows = "a row" if count == 1 else f"{count} rows"
            self.doubts.append(f"index {name} has other values for {rows} of {table}: nothing tells which are right")
        return [one for told in heard.values() for one in told.right]

    def _take_values(self, table: str, right: list[Other]) -> None:
        """Give rows the values that an index has of them, once all indexes agree with the table."""
        rows = set[int]()
        for one in right:
            listed = ",".join(f"{quoted(column)}=?" for column in one.columns)
            with contextlib.suppress(sqlite3.DatabaseError, UnicodeError):
                self.connection.execute(
                    f"UPDATE {quoted(table)} SET {listed} WHERE rowid=?",  # noqa: S608
                    (*one.values, one.rowid),
                )
                rows.add(one.rowid)
        if rows:
            self.mended.said.append(f"{len(rows)} rows of {table} got back a value that an index has of them")

    def _doubt_ghosts(self, table: str, name: str) -> None:
        """Say that an index names rows which its table does not hold: one of the two is older than the other.

        Not where a row with the same key lacks its entry: then it is the entry that was damaged.
        """
        found = self._index(name)
        if found is None or found[1].partial or found[0].without_rowid or self._of_virtual(table):
            return
        shape, index = found
        places = [shape.positions.get(number, -1) for number in index.columns[: index.key_columns]]
        keys = ",".join(quoted(shape.columns[place].name) for place in places if place >= 0) or "rowid"
        held, named = f"{quoted(table)} NOT INDEXED", f"{quoted(table)} INDEXED BY {quoted(name)}"
        ghosts = f"SELECT {keys} FROM {named} WHERE rowid NOT IN (SELECT rowid FROM {held})"  # noqa: S608
        unnamed = f"SELECT {keys} FROM {held} WHERE rowid NOT IN (SELECT rowid FROM {named})"  # noqa: S608
        with contextlib.suppress(sqlite3.DatabaseError):
            if self.connection.execute(f"SELECT EXISTS ({ghosts} EXCEPT {unnamed})").fetchone()[0]:
                self.doubts.append(f"index {name} names rows that {table} does not hold: one of them is older")

    def _of_virtual(self, table: str) -> bool:
        """Answer whether a table only serves a full-text or R-tree index, which is made anew from its content."""
        names = [entry.name for entry in self.mended.schema.entries if entry.virtual]
        return any(table.startswith(f"{name}_") for name in names) and not table.endswith("_content")

    def _clear_and_fill(self, name: str) -> None:
        if name not in self.lost and f"index {name}" not in self.lost:
            self._reindex(name)

    def _all_filled(self, table: str) -> bool:
        """Answer whether SQLite has just made every index of a table; one without rowids is an index itself."""
        shape = self.mended.schema.shapes.get(table)
        if shape is not None and shape.without_rowid and table not in self.mended.unkeyed:
            return False
        names = [entry.name for entry in self.mended.schema.entries if entry.kind == "index" and entry.table == table]
        return set(names) <= set(self.mended.indexes)

    def _messages(self, table: str, *, full: bool = True) -> list[str]:
        check = "integrity_check" if full else "quick_check"
        try:
            return list(integrity(self.connection, check, 0, table=table, foreign=self._foreign).messages)
        except sqlite3.Error as error:
            if primary_code(error) == sqlite3.SQLITE_CORRUPT:
                return ["malformed"]
            if primary_code(error) == sqlite3.SQLITE_ERROR:  # a function that is not here
                return []
            raise

    def _rules(self, table: str, messages: list[str]) -> None:
        """Take out the rows that break NOT NULL, STRICT types or a CHECK."""
        shape = self.mended.schema.shapes.get(table)
        if shape is None:
            return
        if any(_CHECK.search(message) for message in messages):
            if shape.without_rowid:
                self._remove_unchecked(shape)
            else:
                self._remove(shape, self._unchecked(shape))
        if shape.without_rowid:
            return
        for message in dict.fromkeys(messages):
            value = _VALUE.search(message)
            if value is None or value[1] != table:
                continue
            column = quoted(value[2])
            # SQLite takes IS NULL for false where a column is declared NOT NULL
            condition = f"typeof({column})='null'" if message.startswith("NULL") else None
            if message.startswith("non-") and not message.startswith("non-unique"):
                kind = message[4:].partition(" ")[0].lower()
                kinds = {"int": "integer"}.get(kind, kind)
                condition = f"typeof({column}) NOT IN ('{kinds}', 'null')"
            if condition is not None:
                rows = self.connection.execute(
                    f"SELECT rowid FROM {quoted(table)} NOT INDEXED WHERE {condition}"  # noqa: S608
                ).fetchall()
                self._remove(shape, [row[0] for row in rows])

    def _remove_unchecked(self, shape: Shape) -> None:
        """Take the rows that break a CHECK out of a table that has no rowids."""
        entry = self.mended.schema.find("table", shape.name)
        names = ",".join(quoted(column.name) for column in shape.columns)
        for expression in ddl.checks(entry.sql if entry is not None and entry.sql else ""):
            broken = f"FROM {quoted(shape.name)} WHERE NOT {expression}"
            with contextlib.suppress(sqlite3.OperationalError):
                for row in self.connection.execute(f"SELECT {names} {broken}").fetchall():
                    self.apart.append((shape.name, Row(0, b"", [_raw(value) for value in row], 0, 0)))
                self.run(f"DELETE {broken}")

    def _unchecked(self, shape: Shape) -> list[int]:
        """Return the rowids that an empty table of the same declaration does not take."""
        entry = self.mended.schema.find("table", shape.name)
        table = quoted(shape.name)
        stored = [row[1] for row in self.connection.execute(f"PRAGMA table_xinfo({table})") if not row[6]]
        names = ",".join(map(quoted, stored))
        key = "" if any(column.key for column in shape.columns) else "rowid,"
        with (
            contextlib.closing(sqlite3.connect("file::memory:", uri=True, isolation_level=None)) as other,
            contextlib.suppress(sqlite3.Error),
        ):
            other.execute("PRAGMA foreign_keys=OFF")
            run(other, entry.sql if entry is not None and entry.sql else "")
            other.execute("ATTACH ? AS source", (uri(self.path, "mode=ro"),))
            other.execute(
                f"INSERT OR IGNORE INTO main.{table}({key}{names}) "  # noqa: S608
                f"SELECT {key}{names} FROM source.{table} NOT INDEXED"
            )
            taken = f"SELECT rowid FROM main.{table}"  # noqa: S608
            rows = other.execute(
                f"SELECT rowid FROM source.{table} NOT INDEXED WHERE rowid NOT IN ({taken})"  # noqa: S608
            ).fetchall()
            return [row[0] for row in rows]
        return []

    def _vacuum(self, output: Path) -> None:
        self.run("PRAGMA writable_schema=OFF", f"PRAGMA auto_vacuum={self.auto_vacuum}")
        try:
            self.connection.execute("VACUUM INTO ?", (os.fspath(output),))
            self.checked = not self.unruly
        except sqlite3.Error as error:
            if primary_code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_INTERRUPT):
                raise
            with contextlib.suppress(FileNotFoundError):
                output.unlink()
            # a collation or function that is not here: the mended copy itself, its unused pages free
            self.connection.close()
            blocks.copy_file(os.fspath(self.path), os.fspath(output))
            free_unused(output)


def _raw(value: object) -> Value:
    if isinstance(value, str):
        return RawText(value.encode("utf-8", "surrogateescape"))
    return value  # type: ignore[return-value]

"""Exports hold everything, or do not exist; comparisons see every difference."""

from __future__ import annotations

import base64
import csv
import json
import os
import sqlite3
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.errors import CancelledError, DatabaseDamagedError, StorageError
from toolkit.sqlite import check
from toolkit.sqlite.compare import SchemaDifference, TableDifference, compare
from toolkit.sqlite.export import export


def strange(path: Path, encoding: str = "UTF-8") -> Path:
    """Make a database of everything that is hard to write down."""
    databases.shop(path, encoding=encoding)
    with databases.opened(path) as connection:
        connection.execute('CREATE TABLE "od""d; name"("col""umn" TEXT, [rowid] INT, value)')
        values = [
            b"blob\0\xff",
            "text with NUL \0 inside",
            "line\r\nbreaks\n\r'quotes' שלום 😀",
            float("inf"),
            float("-inf"),
            float("nan"),
            0.1,
            1e300,
            -(2**63),
            2**63 - 1,
            None,
            "",
            b"",
        ]
        connection.executemany(
            'INSERT INTO "od""d; name" VALUES (?, ?, ?)', [("x", n, v) for n, v in enumerate(values)]
        )
        if encoding == "UTF-8":
            connection.execute("INSERT INTO \"od\"\"d; name\" VALUES ('bad', -1, CAST(X'C3FF27' AS TEXT))")
        connection.execute("CREATE TABLE plain(a)")
        connection.execute("INSERT INTO plain(rowid, a) VALUES (77, 'kept'), (-5, 'too')")
        connection.execute("CREATE TABLE strict_one(a INTEGER CHECK (a > 0), b INTEGER AS (a * 2) STORED) STRICT")
        connection.execute("INSERT INTO strict_one(a) VALUES (4)")
        connection.execute("CREATE TABLE backwards(id INTEGER PRIMARY KEY DESC, a)")
        connection.execute("INSERT INTO backwards(rowid, id, a) VALUES (9, 3, 'x')")
        connection.execute("CREATE VIRTUAL TABLE places USING rtree(id, x1, x2, +label)")
        connection.execute("INSERT INTO places VALUES (1, 0, 1.5, 'here')")
        connection.execute("CREATE VIRTUAL TABLE bare USING fts5(body, content='')")
        connection.execute("INSERT INTO bare(rowid, body) VALUES (1, 'contentless')")
        connection.execute("DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)")
        connection.execute("ANALYZE")
    return path


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_the_script_makes_an_equal_database(tmp_path: Path, encoding: str) -> None:
    path = strange(tmp_path / "a.db", encoding)
    report = export(path, tmp_path / "a.sql", "sql")
    again = tmp_path / "again.db"
    with report.files[0].open("rb") as script:
        done = subprocess.run(["sqlite3", "-bail", again], stdin=script, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert compare(path, again).equal
    old, new = (check.check(name, level="full") for name in (path, again))
    assert new.ok, new.checks
    for field in ("tables", "user_version", "application_id", "encoding", "page_size", "schema_digest"):
        assert getattr(new, field) == getattr(old, field)
    assert report.tables["orders"] == 499
    with databases.opened(again) as connection:
        connection.text_factory = bytes
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name='orders'").fetchone() == (500,)
        assert connection.execute("SELECT count(*) FROM bare WHERE bare MATCH 'contentless'").fetchone() == (1,)
        assert connection.execute("SELECT rowid FROM plain ORDER BY 1").fetchall() == [(-5,), (77,)]
        with databases.opened(path) as original:
            original.text_factory = bytes
            query = 'SELECT typeof(value), value FROM "od""d; name" ORDER BY "rowid"'
            assert connection.execute(query).fetchall() == original.execute(query).fetchall()


def test_json_holds_every_value(tmp_path: Path) -> None:
    path = strange(tmp_path / "a.db")
    export(path, tmp_path / "a.json", "json")
    tables = json.loads((tmp_path / "a.json").read_bytes())["tables"]
    odd = [row["value"] for row in tables['od"d; name']]
    assert odd[:5] == [
        {"base64": base64.b64encode(b"blob\0\xff").decode()},
        "text with NUL \0 inside",
        "line\r\nbreaks\n\r'quotes' שלום 😀",
        {"real": "Infinity"},
        {"real": "-Infinity"},
    ]
    assert odd[-1] == {"base64": base64.b64encode(b"\xc3\xff'").decode(), "type": "text"}
    assert len(tables["orders"]) == 499
    assert tables["users"][0]["domain"] == "example1.org"
    assert "notes_data" not in tables
    assert tables["notes"][0]["title"] == "title 0"


def test_csv_has_a_file_for_each_table(tmp_path: Path) -> None:
    path = strange(tmp_path / "a.db")
    report = export(path, tmp_path / "csv", "csv")
    assert {file.name for file in report.files} >= {"orders.csv", "od%22d%3B name.csv"}
    with (tmp_path / "csv" / "orders.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == report.tables["orders"] == 499
    assert rows[7]["note"] == "note 7 " * 7
    lines = (tmp_path / "csv" / "plain.csv").read_bytes().split(b"\r\n")
    assert lines[0] == b'"a"'
    with pytest.raises(StorageError):
        export(path, tmp_path / "csv", "csv")


@pytest.mark.parametrize("form", ["sql", "json", "csv"])
def test_a_damaged_database_leaves_nothing(tmp_path: Path, form: str) -> None:
    path = databases.flipped_page(tmp_path / "a.db")
    with pytest.raises(DatabaseDamagedError):
        export(path, tmp_path / "out", form)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["a.db"]


def test_cancelled_leaves_nothing(tmp_path: Path) -> None:
    path = databases.big(tmp_path / "a.db", 5)
    with pytest.raises(CancelledError):
        export(path, tmp_path / "out.sql", "sql", should_stop=lambda: True)
    assert os.listdir(tmp_path) == ["a.db"]


def test_memory_stays_flat(tmp_path: Path) -> None:
    path = databases.big(tmp_path / "a.db", 24)
    tracemalloc.start()
    try:
        export(path, tmp_path / "out.sql", "sql")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out.sql").stat().st_size > 24 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


def changed(change: Callable[[sqlite3.Connection], object], path: Path) -> Path:
    with databases.opened(databases.shop(path)) as connection:
        change(connection)
    return path


def test_compare_tells_rows_by_their_keys(tmp_path: Path) -> None:
    left = databases.shop(tmp_path / "left.db")

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM orders WHERE id IN (3, 4)")
        connection.execute("UPDATE orders SET note = 'NEW' WHERE id IN (5, 6, 7)")
        connection.execute("UPDATE products SET price = 1 WHERE sku = 'sku-001'")
        connection.execute("INSERT INTO users(id, name) VALUES (1000, 'new')")
        connection.execute("UPDATE notes SET body = 'other' WHERE rowid = 1")
        connection.execute("CREATE TABLE extra(a)")
        connection.execute("INSERT INTO extra VALUES (1)")
        connection.execute("DROP INDEX orders_by_day")

    found = compare(left, changed(change, tmp_path / "right.db"))
    assert found.tables == (
        TableDifference("extra", None, 1, 0, 1, 0),
        TableDifference("notes", 50, 50, 0, 0, 1),
        TableDifference("orders", 500, 498, 2, 0, 3),
        TableDifference("products", 40, 40, 0, 0, 1),
        TableDifference("users", 50, 51, 0, 1, 0),
    )
    assert found.schema == (
        SchemaDifference("index", "orders_by_day", "left"),
        SchemaDifference("table", "extra", "right"),
    )
    assert not found.equal


def test_compare_sees_types_and_case(tmp_path: Path) -> None:
    for name, values in (("a", "(1, 'x')"), ("b", "(1.0, 'X')")):
        with databases.opened(tmp_path / name) as connection:
            connection.execute("CREATE TABLE t(id, v COLLATE NOCASE)")
            connection.execute(f"INSERT INTO t VALUES {values}")
    assert compare(tmp_path / "a", tmp_path / "b").tables == (TableDifference("t", 1, 1, 0, 0, 1),)
    assert compare(tmp_path / "a", tmp_path / "a").equal


def test_compare_counts_a_row_once(tmp_path: Path) -> None:
    statements = """
        CREATE TABLE t(id INTEGER PRIMARY KEY, body);
        CREATE VIRTUAL TABLE found USING fts5(body, content=t, content_rowid=id);
        CREATE VIRTUAL TABLE own USING fts5(body);
        CREATE TRIGGER come AFTER INSERT ON t BEGIN INSERT INTO found(rowid, body) VALUES (new.id, new.body); END;
    """
    for name in ("a", "b"):
        with databases.opened(tmp_path / name) as connection:
            connection.executescript(statements)
    with databases.opened(tmp_path / "b") as connection:
        connection.execute("INSERT INTO t VALUES (1, 'one')")
        connection.execute("INSERT INTO own VALUES ('two')")
    assert [one.table for one in compare(tmp_path / "a", tmp_path / "b").tables] == ["own", "t"]


def test_compare_counts_where_columns_differ(tmp_path: Path) -> None:
    left = databases.shop(tmp_path / "left.db")
    right = changed(lambda connection: connection.execute("ALTER TABLE users ADD age"), tmp_path / "right.db")
    found = compare(left, right)
    assert found.tables == (TableDifference("users", 50, 50, None, None, None),)
    assert found.schema == (SchemaDifference("table", "users", "changed"),)

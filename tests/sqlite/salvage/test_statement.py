"""A CREATE TABLE statement that no longer parses: the rows come back in a table of the same name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from toolkit.sqlite.pages.record import RawText
from toolkit.sqlite.salvage.statement import Records, retold

Repair = Callable[..., Repaired]

PEOPLE = (
    "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT NOT NULL, height REAL, "
    "email TEXT DEFAULT 'none', UNIQUE(email))"
)


def people(path: Path, sql: str = PEOPLE) -> Path:
    with databases.opened(path) as connection:
        connection.execute(sql)
        connection.execute("CREATE INDEX people_height ON people(height)")
        connection.execute("CREATE TABLE other(x)")
        connection.executemany("INSERT INTO other VALUES (?)", ((n,) for n in range(50)))
        connection.executemany(
            "INSERT INTO people(name, height, email) VALUES (?, ?, ?)",
            ((f"name {n}", n if n % 2 else n + 0.5, f"{n}@example.org") for n in range(300)),
        )
    return path


@pytest.mark.parametrize("noise", [b"\xff\xfe\xc3", b"\0\1\2"])
@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("REATE", 0),
        ("INTEGER PRIMARY", 9),
        ("NOT NULL", 3),
        (", height", -1),
        ("REAL", 1),
        ("'none'", 2),
        ("UNIQUE(", 5),
    ],
)
def test_the_rows_come_back_under_their_name(
    tmp_path: Path, repaired: Repair, words: str, at: int, noise: bytes
) -> None:
    original = people(tmp_path / "a.db")
    begin = original.read_bytes().index(PEOPLE.encode()) + PEOPLE.index(words) + at

    def damage(data: bytearray) -> None:
        data[begin : begin + 3] = noise

    result = repaired(original, damage)
    assert result.account.tables["other"].read == 50
    assert result.account.tables["people"].read == 300
    with databases.opened(result.output) as connection:
        rows = connection.execute("SELECT rowid, * FROM people").fetchall()
    assert [len(row) for row in rows] == [5] * 300
    assert [row[0] for row in rows] == list(range(1, 301))
    assert {row[2] for row in rows} == {f"name {n}" for n in range(300)}
    assert not result.account.whole


def test_a_table_without_rowids_gets_a_key_by_its_rows(tmp_path: Path, repaired: Repair) -> None:
    sql = "CREATE TABLE people(email TEXT, name TEXT, height REAL, PRIMARY KEY(email)) WITHOUT ROWID"
    original = people(tmp_path / "a.db", sql)
    begin = original.read_bytes().index(sql.encode()) + sql.index("PRIMARY KEY(")

    def damage(data: bytearray) -> None:
        data[begin : begin + 12] = b"\xff" * 12

    result = repaired(original, damage)
    assert result.missing == {}
    assert result.account.tables["people"].read == 300
    with databases.opened(result.output) as connection:
        assert connection.execute("SELECT wr FROM pragma_table_list WHERE name='people'").fetchone() == (1,)


def test_an_index_tells_the_name_of_a_column(tmp_path: Path, repaired: Repair) -> None:
    original = people(tmp_path / "a.db")
    begin = original.read_bytes().index(PEOPLE.encode()) + PEOPLE.index("height")

    def damage(data: bytearray) -> None:
        data[begin : begin + 2] = b"\xff("

    result = repaired(original, damage)
    assert (result.missing, result.objects) == ({}, set())
    assert not result.account.lost_objects


def test_the_statements_of_sqlite_itself_are_known(tmp_path: Path, repaired: Repair) -> None:
    original = people(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("ANALYZE")
    begin = original.read_bytes().index(b"sqlite_stat1(tbl,idx,stat)") + 10

    def damage(data: bytearray) -> None:
        data[begin : begin + 8] = b"\xff" * 8

    result = repaired(original, damage)
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())
    assert result.account.whole


@pytest.mark.parametrize(
    ("sql", "row", "expected"),
    [
        ("CREATE TABLE t(\n  a INT, -- the first\n  b TE?T NOT ?ULL,\n  c BLOB\n)", (1, "x", b"y"), 3),
        ("CREATE TABLE t(a INT, b TEXT?????? TEXT)", (1, "x", "y"), 3),
        ("CREATE TABLE t(a INT, b AS (a * 2) STOR??, c TEXT)", (1, "x"), 3),
        ("??????????????????????????", (1, "x", 2.5, None), 4),
    ],
)
def test_a_statement_fits_the_records(sql: str, row: tuple[object, ...], expected: int) -> None:
    values = [RawText(value.encode()) if isinstance(value, str) else value for value in row]
    records = Records([values] * 5, rowids=True, encoding="UTF-8")  # type: ignore[list-item]
    found = retold("t", sql.replace("?", "\ufffd"), records)
    assert found is not None
    with databases.opened(Path(":memory:")) as connection:
        connection.execute(found)
        assert len(connection.execute("PRAGMA table_xinfo(t)").fetchall()) == expected


def test_words_that_a_dropped_table_left_on_a_broken_page_make_no_table(tmp_path: Path, repaired: Repair) -> None:
    original = people(tmp_path / "a.db")
    dropped = "CREATE TABLE dropped(id INTEGER PRIMARY KEY, what TEXT, note TEXT)"
    with databases.opened(original) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute(dropped)
        connection.executemany("INSERT INTO dropped(what, note) VALUES (?, ?)", (("a", f"note {n}") for n in range(9)))
        connection.execute("DROP TABLE dropped")
    at = original.read_bytes().index(dropped.encode())

    def damage(data: bytearray) -> None:
        data[100:108] = bytes(8)
        data[at + 45 : at + 50] = b"\0\3\x91\2{"

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({}, {})
    assert "dropped" not in result.account.tables
    assert not result.account.lost_objects

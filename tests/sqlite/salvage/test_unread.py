"""A view or trigger that SQLite refuses costs itself only, not the rows of the whole file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from toolkit.sqlite.check import check

Repair = Callable[..., Repaired]

VIEW = "CREATE VIEW tall AS SELECT name, height FROM people WHERE height > 1.80 ORDER BY name COLLATE NOCASE, height"
TRIGGER = (
    "CREATE TRIGGER tall_insert INSTEAD OF INSERT ON tall WHEN NEW.height IS NOT NULL BEGIN "
    "INSERT INTO people(name, height) VALUES (NEW.name, NEW.height); END"
)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, height REAL)")
        connection.executemany(
            "INSERT INTO people(name, height) VALUES (?, ?)", ((f"name {n}", 1.5 + n / 1000) for n in range(400))
        )
        connection.execute(VIEW)
        connection.execute(TRIGGER)
    return path


def overwrite(original: Path, words: str, noise: bytes) -> Callable[[bytearray], None]:
    begin = original.read_bytes().index(words.encode())

    def damage(data: bytearray) -> None:
        data[begin : begin + len(noise)] = noise

    return damage


@pytest.mark.parametrize(
    ("words", "noise", "lost"),
    [
        ("ORDER BY name", bytes(13), "view tall"),
        ("NEW.height IS NOT", bytes(17), "trigger tall_insert"),
        ("NEW.height IS NOT", b"(((((((((((((((((", "trigger tall_insert"),
        ("VALUES (NEW.name,", b"VALUES (NEW.name;", "trigger tall_insert"),
    ],
)
def test_all_rows_come_back(
    tmp_path: Path, original: Path, repaired: Repair, words: str, noise: bytes, lost: str
) -> None:
    result = repaired(original, overwrite(original, words, noise))
    assert (result.missing, result.extra) == ({}, {})
    assert lost in result.account.lost_objects
    assert not result.account.whole


def test_it_comes_back_from_a_backup(tmp_path: Path, original: Path, repaired: Repair) -> None:
    backup = Path(shutil.copy(original, tmp_path / "backup.db"))
    result = repaired(original, overwrite(original, "ORDER BY name", bytes(13)), backup)
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())


def test_a_statement_with_zeros_is_damage_though_sqlite_reads_it(original: Path) -> None:
    data = bytearray(original.read_bytes())
    overwrite(original, "ORDER BY name", bytes(13))(data)
    original.write_bytes(data)
    found = check(original, level="full", values=True)
    assert [one.messages for one in found.checks if not one.ok] == [("the statement of view tall holds zeros",)]

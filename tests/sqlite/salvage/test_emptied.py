"""A database without a row whose page 1 is gone: the leaves that are left say that they are empty, and how large."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from toolkit.errors import UnrepairableError
from toolkit.sqlite import envelope
from toolkit.sqlite.salvage import repair

Repair = Callable[..., Repaired]

SCHEMA = (
    "CREATE TABLE one(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE two(k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
    "CREATE INDEX by_name ON one(name); CREATE VIEW names AS SELECT name FROM one;"
)
FILL = (
    "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
    "INSERT INTO one SELECT i, 'name ' || i FROM n"
)


def make(path: Path, *statements: str, size: int = 4096) -> Path:
    with databases.opened(path) as connection:
        connection.execute(f"PRAGMA page_size={size}")
        connection.executescript(SCHEMA)
        for statement in statements:
            connection.execute(statement)
    return path


def lose_page_1(size: int) -> Callable[[bytearray], None]:
    def damage(data: bytearray) -> None:
        data[:size] = random.Random(1).randbytes(size)

    return damage


@pytest.mark.parametrize("size", [512, 4096, 65536])
def test_it_comes_back_with_the_schema_of_a_backup(tmp_path: Path, repaired: Repair, size: int) -> None:
    original = make(tmp_path / "a.db", size=size)
    backup = make(tmp_path / "backup.db", FILL, size=size)
    result = repaired(original, lose_page_1(size), reference=backup)
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())
    assert result.account.complete  # so that a refill puts no row that was deleted since


def test_pages_of_deleted_rows_do_not_matter(tmp_path: Path, repaired: Repair) -> None:
    original = make(tmp_path / "a.db", FILL, "DELETE FROM one")
    result = repaired(original, lose_page_1(4096), reference=make(tmp_path / "backup.db", FILL))
    assert (result.extra, result.objects, result.account.complete) == ({}, set(), True)


@pytest.mark.parametrize("since", ["CREATE TABLE new(a)", "INSERT INTO two VALUES ('a', 1)"])
def test_what_the_backup_does_not_know_makes_it_incomplete(tmp_path: Path, repaired: Repair, since: str) -> None:
    backup = make(tmp_path / "backup.db")
    original = Path(shutil.copyfile(backup, tmp_path / "a.db"))
    with databases.opened(original) as connection:
        connection.execute(since)
    assert not repaired(original, lose_page_1(4096), reference=backup).account.complete


def test_without_a_backup_nothing_is_there(tmp_path: Path) -> None:
    original = make(tmp_path / "a.db")
    data = bytearray(original.read_bytes())
    lose_page_1(4096)(data)
    original.write_bytes(data)
    found = envelope.examine(original)
    assert (found.kind, found.page_size) == ("database", 4096)
    with pytest.raises(UnrepairableError):
        repair(original, tmp_path / "output.db", scratch=tmp_path)

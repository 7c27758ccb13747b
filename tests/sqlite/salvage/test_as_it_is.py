"""A large file that was mended is not written anew when SQLite finds it sound: the same rows, half the writing."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.sound import varied
from tests.sqlite.salvage.conftest import content, schema
from toolkit.sqlite.account import Account
from toolkit.sqlite.salvage import engine, finish, mend, repair


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mend, "SMALL", -1)
    monkeypatch.setattr(engine, "SMALL", -1)


def _damaged(path: Path, seed: int) -> None:
    """Overwrite some pages of a database with zeros or noise, never its first."""
    varied(path, seed, rows=400)
    with databases.opened(path) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    chance, data = random.Random(seed), bytearray(path.read_bytes())
    pages = len(data) // size
    for page in chance.sample(range(1, pages), max(1, pages // 40)):
        data[page * size : (page + 1) * size] = bytes(size) if chance.random() < 0.5 else chance.randbytes(size)
    path.write_bytes(data)


def _repaired(source: Path, folder: Path) -> tuple[Path, Account]:
    folder.mkdir()
    copy = folder / "copy.db"
    shutil.copyfile(source, copy)
    (folder / "scratch").mkdir()
    return folder / "output.db", repair(copy, folder / "output.db", scratch=folder / "scratch")


@pytest.mark.parametrize("seed", range(12))
def test_it_holds_what_it_would_if_it_were_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    source = tmp_path / "a.db"
    _damaged(source, seed)
    kept, account = _repaired(source, tmp_path / "kept")
    monkeypatch.setattr(finish, "_MOST_FREE", 1 << 40)
    anew, other = _repaired(source, tmp_path / "anew")
    assert (account.tables, account.lost_objects) == (other.tables, other.lost_objects)
    assert content(kept) == content(anew)
    assert schema(kept) == schema(anew)
    with databases.opened(kept) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _shop(path: Path) -> int:
    """Make a database of two tables and return a leaf of the index of the first."""
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB)")
        connection.execute("CREATE INDEX names ON t(name)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, zeroblob(?))",
            ((n, f"name {n}", 9000 if n % 50 == 0 else 20) for n in range(3000)),
        )
    return databases.root_page(path, "names")


def test_its_unused_pages_are_free_and_its_indexes_take_them(tmp_path: Path) -> None:
    source = tmp_path / "a.db"
    databases.flip_page(source, _shop(source))
    size = source.stat().st_size
    output, account = _repaired(source, tmp_path / "kept")
    assert account.checked
    assert account.whole
    assert output.stat().st_size <= size + 2 * 4096  # the pages of the old index hold the new one
    with databases.opened(output) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*), sum(length(data)) FROM t").fetchone() == (
            3000,
            60 * 9000 + 2940 * 20,
        )


def test_a_file_of_which_much_is_free_is_written_anew(tmp_path: Path) -> None:
    source = tmp_path / "a.db"
    index = _shop(source)
    with databases.opened(source) as connection:
        connection.execute("DELETE FROM t WHERE id > 300")
    databases.flip_page(source, index)
    output, account = _repaired(source, tmp_path / "anew")
    assert not account.checked
    with databases.opened(output) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (301,)

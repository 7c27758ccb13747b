"""A large file that was mended is not written anew when SQLite finds it sound: the same rows, half the writing."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.sound import varied
from tests.sqlite.salvage.conftest import content, schema
from toolkit.sqlite import second
from toolkit.sqlite.account import Account
from toolkit.sqlite.pages import scan
from toolkit.sqlite.salvage import engine, finish, mend, orphans, repair
from toolkit.sqlite.salvage.settle import Settled


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
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, zeroblob(?))",
            ((n, f"name {n}", 9000 if n % 50 == 0 else 20) for n in range(3000)),
        )
        connection.execute("COMMIT")
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


def test_rows_of_no_table_are_read_before_their_pages_are_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = databases.shop(tmp_path / "a.db", orders=900)
    data = bytearray(source.read_bytes())
    data[100:4096] = bytes(3996)
    source.write_bytes(data)
    monkeypatch.setattr(finish, "_MOST_FREE", 0)
    kept, account = _repaired(source, tmp_path / "kept")
    assert account.checked
    monkeypatch.setattr(mend, "MOST_UNPLACED", 0)
    anew, other = _repaired(source, tmp_path / "anew")
    assert not other.checked
    assert account.unplaced == other.unplaced >= 900
    assert content(kept) == content(anew)


def _used_up(source: Path, folder: Path, again: Callable[[Path], bool]) -> tuple[Path, Path, Account]:
    """Repair a copy that may be used up; return it, the output and the account."""
    folder.mkdir()
    copy = folder / "copy.db"
    shutil.copyfile(source, copy)
    (folder / "scratch").mkdir()
    account = repair(copy, folder / "output.db", scratch=folder / "scratch", again=lambda: again(copy))
    return copy, folder / "output.db", account


def test_a_copy_that_may_be_used_up_is_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "a.db"
    _damaged(source, 3)
    copy, output, account = _used_up(source, tmp_path / "moved", lambda _: False)
    assert not copy.exists()
    kept, other = _repaired(source, tmp_path / "copied")
    assert (account.tables, account.lost_objects) == (other.tables, other.lost_objects)
    assert output.read_bytes() == kept.read_bytes()


@pytest.mark.parametrize("wal", [False, True])
def test_a_sound_copy_that_is_used_up_stays_as_it_is(tmp_path: Path, *, wal: bool) -> None:
    source = tmp_path / "a.db"
    _shop(source)
    if wal:
        with databases.opened(source) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    copy, output, account = _used_up(source, tmp_path / "moved", lambda _: False)
    assert (account.strategy, copy.exists()) == ("none", False)
    assert output.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("there", [False, True])
def test_a_second_try_asks_for_the_copy_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    source = tmp_path / "a.db"
    databases.flip_page(source, _shop(source))
    tries: list[int] = []
    once = engine._Repair._mend_once

    def stumbling(self: engine._Repair, settled: Settled, number: int, doubted: frozenset[str]) -> engine._Way:
        way = once(self, settled, number, doubted)
        tries.append(number)
        way.broken = ["t"] if len(tries) == 1 else []
        return way

    def again(copy: Path) -> bool:
        if there:
            shutil.copyfile(source, copy)
        return there

    monkeypatch.setattr(engine._Repair, "_mend_once", stumbling)
    _, output, account = _used_up(source, tmp_path / "moved", again)
    assert tries == ([0, 100] if there else [0])
    assert account.tables["t"].read == 3000
    with databases.opened(output) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("seed", range(12, 15))
def test_two_processes_get_back_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    source = tmp_path / "a.db"
    _damaged(source, seed)
    monkeypatch.setattr(scan, "LARGE", 0)
    monkeypatch.setattr(orphans, "FEW", 0)
    monkeypatch.setattr(second, "has_room", lambda: False)
    alone, account = _repaired(source, tmp_path / "alone")
    begun: list[object] = []
    monkeypatch.setattr(second, "has_room", lambda: not begun.append(None))
    together, other = _repaired(source, tmp_path / "together")
    assert begun
    assert account == other
    assert together.read_bytes() == alone.read_bytes()

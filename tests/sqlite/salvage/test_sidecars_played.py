"""Sidecars that look strange beside their database and are of it all the same, or are not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.makers import databases, sidecars
from tests.sqlite.salvage.conftest import Repaired
from toolkit.sqlite import wal, walfit
from toolkit.sqlite.salvage import repair

Repair = Callable[..., Repaired]


def _keyed(path: Path, rows: int, word: str) -> None:
    """Make two tables, one of which is kept as an index, filled the other way round than VACUUM writes them."""
    with databases.opened(path) as connection:
        connection.executescript("CREATE TABLE plain(id INTEGER PRIMARY KEY, text TEXT); PRAGMA journal_mode=WAL;")
        connection.execute("CREATE TABLE keyed(k INTEGER PRIMARY KEY, text TEXT) WITHOUT ROWID")
        for table in ("keyed", "plain"):
            connection.execute("BEGIN")
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", ((n, f"{word} {n}" * 5) for n in range(rows)))
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _vacuumed(path: Path, kept: Path, rows: int, word: str) -> None:
    """Copy a database whose -wal holds a VACUUM, which changes the tree of most pages."""
    _keyed(path, rows, word)
    with databases.opened(path) as connection:
        connection.execute("DELETE FROM plain WHERE id % 50 = 7")
        connection.execute("VACUUM")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{kept}{suffix}")


def _signs(path: Path) -> list[str]:
    with open(path, "rb") as main, open(f"{path}-wal", "rb") as beside:
        read = wal.read(f"{path}-wal", page_size=4096)
        return [one.sign for one in walfit.misfits(main.fileno(), beside.fileno(), read)]


def test_a_wal_with_a_vacuum_is_played(tmp_path: Path, repaired: Repair) -> None:
    _vacuumed(tmp_path / "a.db", tmp_path / "b.db", 1500, "a text")
    assert _signs(tmp_path / "b.db") == ["kinds"]
    result = repaired(tmp_path / "b.db", lambda data: None)
    assert databases.row_counts(result.output) == {"plain": 1470, "keyed": 1500}
    assert result.account.strategy == "sidecars"


def test_a_wal_that_breaks_a_sound_database_is_left_aside(tmp_path: Path) -> None:
    _keyed(tmp_path / "a.db", 1500, "a text")
    _keyed(tmp_path / "b.db", 4000, "another text")
    with databases.opened(tmp_path / "b.db") as connection:
        connection.execute("UPDATE plain SET text = 'changed' WHERE id % 100 = 1")
        connection.execute("UPDATE keyed SET text = 'changed' WHERE k % 100 = 1")
        shutil.copyfile(tmp_path / "b.db-wal", tmp_path / "a.db-wal")
    assert _signs(tmp_path / "a.db") == ["hole"]
    (tmp_path / "scratch").mkdir()
    account = repair(tmp_path / "a.db", tmp_path / "output.db", scratch=tmp_path / "scratch")
    assert databases.row_counts(tmp_path / "output.db") == {"plain": 1500, "keyed": 1500}
    assert account.strategy == "none"


def test_a_journal_that_was_cut_within_a_page_is_not_whole(tmp_path: Path) -> None:
    source, output = sidecars.hot_journal_of(tmp_path / "a.db", sync=False), tmp_path / "output.db"
    journal = Path(f"{source}-journal")
    with open(journal, "r+b") as file:
        file.truncate(512 + 6 * (4096 + 8) + 1000)
    account = repair(source, output, scratch=tmp_path)
    assert any("-journal are broken or missing" in doubt for doubt in account.doubts)
    assert not account.whole


def test_a_journal_of_nothing_but_zeros_is_said(tmp_path: Path) -> None:
    path = sidecars.persisted_journal_of(tmp_path / "a.db")
    for number, wiped in enumerate((False, True)):
        if wiped:
            size = Path(f"{path}-journal").stat().st_size
            Path(f"{path}-journal").write_bytes(bytes(size))
        scratch = tmp_path / f"scratch-{number}"
        scratch.mkdir()
        account = repair(path, tmp_path / f"output-{number}.db", scratch=scratch)
        assert account.whole is not wiped
        assert any("zeros" in doubt for doubt in account.doubts) is wiped

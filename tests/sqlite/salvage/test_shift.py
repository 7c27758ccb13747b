"""Whole pages are missing from a file: at its end, or out of its middle."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from toolkit.sqlite import salvage
from toolkit.sqlite.salvage.shift import realign

PAGE = 1024


def _database(path: Path) -> set[tuple[object, ...]]:
    """Make a database of some 300 pages, half of which are of indexes; return its rows."""
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA page_size={PAGE}")
        db.execute("CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT NOT NULL, code TEXT NOT NULL)")
        db.execute("CREATE INDEX by_name ON names(name)")
        db.execute("CREATE INDEX by_code ON names(code)")
        rows = [(n, f"name {n * 7919 % 100_003:06}", f"code {n * 104_729 % 99_991:06}") for n in range(1, 3001)]
        db.executemany("INSERT INTO names VALUES (?,?,?)", rows)
    db.close()
    return set(rows)


def _repaired(damaged: Path, folder: Path) -> tuple[set[tuple[object, ...]], salvage.Account]:
    scratch = folder / "scratch"
    scratch.mkdir()
    account = salvage.repair(damaged, folder / "mended.db", scratch=scratch)
    db = sqlite3.connect(folder / "mended.db")
    found = set(db.execute("SELECT * FROM names"))
    db.close()
    return found, account


def test_a_file_that_was_cut_at_its_end_lies_where_it_should(tmp_path: Path) -> None:
    damaged = tmp_path / "cut.db"
    rows = _database(damaged)
    size = damaged.stat().st_size
    with open(damaged, "r+b") as file:
        file.truncate(size - size // PAGE // 5 * PAGE)
    assert realign(damaged, tmp_path / "moved.db", tmp_path) is None, "its pages would be read twice"
    found, account = _repaired(damaged, tmp_path)
    assert found < rows
    assert account.unplaced == 0


@pytest.mark.parametrize("taken", [20 * PAGE, 20 * PAGE + 300], ids=["whole pages", "and a part of one"])
def test_what_lies_behind_pages_that_were_taken_out_moves_back(tmp_path: Path, taken: int) -> None:
    damaged = tmp_path / "hole.db"
    rows = _database(damaged)
    data = damaged.read_bytes()
    begin = len(data) // PAGE // 2 * PAGE
    damaged.write_bytes(data[:begin] + data[begin + taken :])
    found, account = _repaired(damaged, tmp_path)
    assert found <= rows
    assert len(rows - found) < 22 * PAGE / 25, "more than the pages that were taken held"
    assert any("were taken out" in said for said in account.said)

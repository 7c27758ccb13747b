"""Thousands of gaps, as of the rows carved from hundreds of broken pages, cost each the same."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.makers.databases import opened
from tests.sqlite.refill.cutting import copied, rows
from toolkit.sqlite.account import Gap, TableAccount
from toolkit.sqlite.refill import fill, refill, wanted

TABLES = {
    "t(a INTEGER, b INTEGER, x TEXT, PRIMARY KEY(a, b)) WITHOUT ROWID": ("a", "b"),
    "t(a TEXT PRIMARY KEY, b INTEGER, x TEXT) WITHOUT ROWID": ("a",),
    "t(a INTEGER PRIMARY KEY, b INTEGER, x TEXT)": ("a",),
}


def steps(folder: Path, table: str, count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Fill `count` gaps that hold a row each, and return how many thousand steps SQLite's machine took."""
    folder.mkdir()
    backup, scratch = folder / "backup.db", folder / "scratch"
    scratch.mkdir()
    with opened(backup) as db:
        db.execute(f"CREATE TABLE {table}")
        values = ((f"{n:06d}" if "TEXT P" in table else n, n, "x" * 20) for n in range(2 * count + 200))
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", values)
    output = copied(backup, "out.db")
    with opened(output) as db:
        keys = db.execute(f"SELECT {', '.join(TABLES[table])} FROM t").fetchall()
        db.executemany("DELETE FROM t WHERE a = ?", ((key[0],) for key in keys[101 : 101 + 2 * count : 2]))
    edges = [key[0] if "INTEGER P" in table else key for key in keys[100 : 102 + 2 * count : 2]]
    gaps = tuple(Gap(after, before) for after, before in itertools.pairwise(edges))
    taken = [0]

    def step() -> bool:
        taken[0] += 1
        return False

    monkeypatch.setattr(fill, "STEPS", 1000)
    account = TableAccount(read=count + 200, carved=count, gaps=gaps)
    filled = refill(output, backup, {"t": account}, scratch=scratch, should_stop=step)
    assert filled["t"].refilled == count
    assert rows(output, "t") == rows(backup, "t")
    return taken[0]


@pytest.mark.parametrize("table", TABLES)
def test_twice_the_gaps_take_twice_the_steps(tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few = steps(tmp_path / "few", table, 400, monkeypatch)
    assert steps(tmp_path / "many", table, 1600, monkeypatch) < 5 * few


def test_gaps_between_rows_of_one_page_are_one_chain() -> None:
    gaps = [Gap(None, 3), Gap(3, 5), Gap(5, 9, 2), Gap(9, 12), Gap(12, 13), Gap(20, 30), Gap(30, None)]
    assert list(wanted._chains(gaps)) == [(0, 1), (3, 4), (5, 6)]
    assert list(wanted._chains([Gap(1, 2, 1)])) == []

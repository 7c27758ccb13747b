"""A file that was cut: a page that was freed before is no leaf of a tree whose other leaves lay behind the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from toolkit.sqlite.salvage.survey import Place, Tree

Repair = Callable[..., Repaired]


@pytest.mark.parametrize("table", ["t(k INTEGER PRIMARY KEY, v TEXT)", "t(k INT PRIMARY KEY, v TEXT) WITHOUT ROWID"])
def test_deleted_rows_do_not_fill_what_was_cut_off(tmp_path: Path, repaired: Repair, table: str) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute(f"CREATE TABLE {table}")
        for keys in (range(1000, 1100), range(1, 300)):
            connection.executemany("INSERT INTO t VALUES (?, ?)", ((key, f"row {key} " * 25) for key in keys))
        connection.execute("DELETE FROM t WHERE k BETWEEN 240 AND 290")  # the trunk of the freelist is cut off
        connection.execute("DELETE FROM t WHERE k > 1000")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]

    def damage(data: bytearray) -> None:
        del data[pages * 2 // 3 * 4096 :]

    result = repaired(original, damage)
    assert not result.extra
    assert result.missing["t"] < 200
    assert not result.account.whole


@pytest.mark.parametrize(
    ("lost", "cut_off"),
    [
        ([Place(0, depth=1, beyond=True)], True),
        ([Place(0, depth=1, beyond=True), Place(4, broken=True, depth=1)], True),
        ([Place(4, broken=True, depth=1)], False),  # the child before it may lead to the wrong page
        ([Place(0, depth=0, beyond=True)], False),
        ([], False),
    ],
)
def test_pages_are_looked_for_where_not_all_lay_behind_the_end(lost: list[Place], *, cut_off: bool) -> None:
    assert Tree("t", 2, True, [Place(3, depth=1), *lost], leaf_depth=1).cut_off is cut_off

"""A file that was cut: a page that was freed before is no leaf of a tree whose other leaves lay behind the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired

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

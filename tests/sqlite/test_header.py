"""The journal mode in the header of a copy."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.makers import databases
from toolkit.sqlite import header


def test_a_marked_copy_is_in_wal_mode_and_whole(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "shop.db")
    before = databases.row_counts(path)
    header.mark_wal(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    assert databases.row_counts(path) == before

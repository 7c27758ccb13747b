"""Pages that nothing holds become a freelist that SQLite takes as its own, of as many trunks as it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.sqlite.salvage.freeing import free_unused


@pytest.mark.parametrize("rows", [0, 40, 2000])
def test_pages_that_nothing_holds_are_free(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "app.db"
    with databases.opened(path) as connection:
        connection.executescript("PRAGMA page_size=512; CREATE TABLE t(text)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?)", ((f"text {number} " * 9,) for number in range(rows)))
        connection.execute("COMMIT")
        connection.execute("DELETE FROM t")
        (count,) = connection.execute("PRAGMA freelist_count").fetchone()
    with path.open("r+b") as file:
        file.seek(32)
        file.write(bytes(8))
    assert free_unused(path) == count
    with databases.opened(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA freelist_count").fetchone() == (count,)

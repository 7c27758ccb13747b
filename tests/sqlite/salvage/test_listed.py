"""Entries of lost indexes are no rows of a table WITHOUT ROWID that has as many columns."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from tests.sqlite.salvage.test_cures import span

Repair = Callable[..., Repaired]

TAGS = "CREATE TABLE tags(item INTEGER, tag INTEGER, PRIMARY KEY(item, tag)) WITHOUT ROWID"


def test_entries_of_an_index_are_no_rows(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.executescript(f"{TAGS};CREATE TABLE edges(src INT, dst INT); CREATE INDEX sources ON edges(src)")
        connection.executemany("INSERT INTO tags VALUES (?, ?)", ((n % 97, n * 7919 % 9973) for n in range(1200)))
        connection.executemany("INSERT INTO edges VALUES (?, ?)", ((n * 31 % 97, n * 7907 % 9967) for n in range(1200)))
    backup = shutil.copyfile(original, tmp_path / "backup.db")
    with databases.opened(original) as connection:
        connection.execute("DELETE FROM tags WHERE item = 5")

    def damage(data: bytearray) -> None:
        for page in (1, databases.root_page(original, "tags"), databases.root_page(original, "sources")):
            data[span(page)] = bytes(4096)

    result = repaired(original, damage, backup)
    assert not result.extra
    assert list(result.missing) in ([], ["tags"])
    assert result.missing.get("tags", 0) < 20, "the rows of its root, at most"

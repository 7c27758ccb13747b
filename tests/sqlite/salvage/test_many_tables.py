"""Thousands of tables: of each tree only what was asked of it is read, and nothing of it stays in memory."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.makers.databases import opened
from toolkit.sqlite.pages.walk import geometry_of
from toolkit.sqlite.salvage import owners
from toolkit.sqlite.salvage.adopt import Known
from toolkit.sqlite.salvage.holding import Holding
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.schema import sound

TABLES = 5


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with opened(path) as db:
        for n in range(TABLES):
            db.execute(f"CREATE TABLE t{n}(id INTEGER PRIMARY KEY, a TEXT, b INTEGER)")
            db.execute(f"CREATE INDEX i{n} ON t{n}(b)")
            db.executemany(
                f"INSERT INTO t{n} VALUES (?, ?, ?)", ((2 * k, f"row {k} of {n}", k % 9) for k in range(800))
            )
    return path


def image(path: Path) -> contextlib.closing[Image]:
    return contextlib.closing(Image(path, geometry_of(path.read_bytes()[:100], path.stat().st_size)))


def test_a_row_is_found_by_its_rowid(made: Path) -> None:
    with image(made) as source:
        root = next(entry.root for entry in sound(made).entries if entry.name == "t3")
        held = Holding.at(source, root)
        assert held is not None
        found = {rowid: held.find(rowid) for rowid in range(-1, 1601)}
    there = {rowid: values[1] for rowid, values in found.items() if values is not None}
    assert there == {2 * k: f"row {k} of 3".encode() for k in range(800)}


def test_no_page_of_a_table_that_fits_its_tree_stays_in_memory(made: Path) -> None:
    with image(made) as source:
        settling = owners._Settling(source, sound(made), Known(None), None)
        assert settling.done() == {}
        held = [one for one in settling.holdings.values() if one is not None]
    assert len(held) == 2 * TABLES
    assert all(one.rows and not one._nodes for one in held)

"""Makes a sound database, damages a copy of it, repairs that, and compares row by row."""

from __future__ import annotations

import collections
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.makers import databases
from toolkit.sqlite.account import Account
from toolkit.sqlite.salvage import repair

Content = dict[str, collections.Counter[str]]


def content(path: Path) -> Content:
    """Return the rows of each ordinary table with their rowids, type-exact."""
    found: Content = {}
    with databases.opened(path) as connection:
        connection.text_factory = lambda data: ("text", data)
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name <> 'lost_and_found' "
            "AND name NOT LIKE 'sqlite_stat%' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        ).fetchall()
        for ((_, raw),) in tables:
            name = raw.decode()
            if name.endswith(("_data", "_idx", "_segments", "_segdir", "_stat", "_docsize")):
                continue  # an index of words, which may be laid out otherwise
            keyed = connection.execute("SELECT wr FROM pragma_table_list WHERE name=?", (name,)).fetchone()[0]
            rows = connection.execute(f'SELECT {"" if keyed else "rowid,"} * FROM "{name}" NOT INDEXED')
            found[name] = collections.Counter(map(repr, rows))
    return found


def schema(path: Path) -> set[Any]:
    with databases.opened(path) as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        return set(
            connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name <> 'lost_and_found'")
        )


@dataclass
class Repaired:
    """A repair and what came of it: rows missing and rows too many by table."""

    account: Account
    output: Path
    missing: dict[str, int]
    extra: dict[str, int]
    objects: set[Any]


@pytest.fixture
def repaired(tmp_path: Path) -> Callable[..., Repaired]:
    """Return a function that damages a copy of `original` by `damage(bytearray)`, repairs it, and compares."""

    def run(original: Path, damage: Callable[[bytearray], None], reference: Path | None = None) -> Repaired:
        folder = tmp_path / "private"
        folder.mkdir()
        source, output, scratch = folder / "damaged.db", tmp_path / "output.db", tmp_path / "scratch"
        scratch.mkdir()
        for suffix in ("-wal", "-journal"):
            beside = Path(f"{original}{suffix}")
            if beside.exists():
                shutil.copyfile(beside, f"{source}{suffix}")
        data = bytearray(original.read_bytes())
        damage(data)
        source.write_bytes(data)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        account = repair(source, output, scratch=scratch, reference=reference)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, "the source was changed"
        assert not [suffix for suffix in ("-wal", "-shm", "-journal") if Path(f"{output}{suffix}").exists()]
        expected, objects = content(original), schema(original)
        with databases.opened(output) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = content(output)
        empty: collections.Counter[str] = collections.Counter()
        missing = {name: (rows - found.get(name, empty)).total() for name, rows in expected.items()}
        extra = {name: (rows - expected.get(name, empty)).total() for name, rows in found.items()}
        return Repaired(
            account,
            output,
            {name: count for name, count in missing.items() if count},
            {name: count for name, count in extra.items() if count},
            objects - schema(output),
        )

    return run

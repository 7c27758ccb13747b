"""Damaged tables WITHOUT ROWID in large files: sound leaves are taken as they are, and no row goes to another table."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.makers.databases import opened
from toolkit.sqlite import salvage
from toolkit.sqlite.pages import record
from toolkit.sqlite.salvage import engine, mend

WORDS = ["lorem", "ipsum", "dolor", "sit", "amet", "elit", "sed", "eiusmod", "tempor"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Two tables whose records have as many values: texts by a long text, and figures by two numbers."""
    rng, path = random.Random(4), tmp_path / "app.db"
    with opened(path) as db:
        db.executescript(
            "PRAGMA page_size=1024; CREATE TABLE words(k TEXT PRIMARY KEY, v TEXT, n INTEGER) WITHOUT ROWID;"
            "CREATE TABLE pairs(a INTEGER, b INTEGER, x REAL, PRIMARY KEY(a, b)) WITHOUT ROWID; BEGIN"
        )
        texts = ((" ".join(rng.choices(WORDS, k=9)) + f" {n}", rng.choice(WORDS), n) for n in range(3000))
        db.executemany("INSERT INTO words VALUES (?, ?, ?)", texts)
        db.executemany("INSERT INTO pairs VALUES (?, ?, ?)", ((n // 7, n % 7, rng.random()) for n in range(9000)))
        db.execute("COMMIT")
    return path


def rows(path: Path, table: str) -> set[tuple[object, ...]]:
    with opened(path) as db:
        return set(db.execute(f"SELECT *, typeof(n) FROM {table}" if table == "words" else f"SELECT * FROM {table}"))


def pages(path: Path, table: str, kind: str) -> list[int]:
    """Return the pages of one kind, `leaf` or `internal`, but for the root."""
    with opened(path) as db:
        found = db.execute("SELECT pageno FROM dbstat WHERE name=? AND pagetype=? AND path<>'/'", (table, kind))
        return [page for (page,) in found]


def overwrite(path: Path, numbers: list[int]) -> None:
    rng = random.Random(5)
    with path.open("r+b") as file:
        for number in numbers:
            file.seek((number - 1) * 1024)
            file.write(rng.randbytes(1024))


@pytest.mark.parametrize("large", [False, True])
def test_every_row_of_the_other_pages_comes_back_to_its_table(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, large: bool
) -> None:
    before = {name: rows(made, name) for name in ("words", "pairs")}
    overwrite(made, [*pages(made, "words", "internal")[:1], pages(made, "pairs", "leaf")[5]])
    for module in (mend, engine):
        monkeypatch.setattr(module, "SMALL", -1 if large else mend.SMALL)
    decoded, decode = [0], record.decode

    def counted(payload: bytes) -> list[record.Value]:
        decoded[0] += 1
        return decode(payload)

    monkeypatch.setattr(record, "decode", counted)
    (tmp_path / "scratch").mkdir()
    account = salvage.repair(made, tmp_path / "out.db", scratch=tmp_path / "scratch")
    after = {name: rows(tmp_path / "out.db", name) for name in before}
    assert after["words"] <= before["words"]
    assert after["pairs"] <= before["pairs"]
    assert 0 < len(before["words"]) - len(after["words"]) < 40  # the rows of the inner page itself
    assert 0 < len(before["pairs"]) - len(after["pairs"]) < 100
    assert all(account.tables[name].gaps for name in before)
    assert account.tables["words"].read + account.tables["words"].carved == len(after["words"])
    assert (decoded[0] < 12_000) is large


def test_a_page_is_of_one_table_only(tmp_path: Path) -> None:
    """Of two tables that look alike one lost its root, the other a leaf: what lies among its leaves is none of it."""
    path = tmp_path / "app.db"
    with opened(path) as db:
        db.execute("PRAGMA page_size=1024")
        for name, first in (("words", 0), ("pairs", 1)):
            db.execute(f"CREATE TABLE {name}(k INTEGER PRIMARY KEY, v TEXT, n INTEGER) WITHOUT ROWID")
            made = ((n, f"{n} " + WORDS[n % 9] * 4, n) for n in range(first, 4000, 2))
            db.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", made)
        roots = [db.execute("SELECT rootpage FROM sqlite_master WHERE name='words'").fetchone()[0]]
    before = {name: rows(path, name) for name in ("words", "pairs")}
    overwrite(path, [*roots, pages(path, "pairs", "leaf")[7]])
    (tmp_path / "scratch").mkdir()
    salvage.repair(path, tmp_path / "out.db", scratch=tmp_path / "scratch")
    for name, there in before.items():
        after = rows(tmp_path / "out.db", name)
        assert after <= there, name
        assert len(after) > len(there) * 0.9, name


def test_pages_come_back_where_the_schema_names_a_root_that_is_not_there(made: Path, tmp_path: Path) -> None:
    before = rows(made, "words")
    with opened(made) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name='words'").fetchone()[0]
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET rootpage=9999 WHERE name='words'")
    overwrite(made, [root])
    (tmp_path / "scratch").mkdir()
    account = salvage.repair(made, tmp_path / "out.db", scratch=tmp_path / "scratch")
    after = rows(tmp_path / "out.db", "words")
    assert after <= before
    assert len(after) > len(before) * 0.9
    assert account.doubts == ()

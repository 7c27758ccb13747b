"""Whole pages are missing from a file: at its end, or out of its middle."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from toolkit.sqlite import envelope, salvage
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.salvage import beheaded, borders, jumps, settle, shift
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
    assert realign(damaged, tmp_path / "moved.db") is None, "its pages would be read twice"
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


def _mixed(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """Make a database with long rows, which go over chains of pages, and small tables that only the schema names."""
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA page_size={PAGE}")
        db.execute("CREATE TABLE first(id INTEGER PRIMARY KEY, what TEXT NOT NULL, worth REAL NOT NULL)")
        db.execute("CREATE TABLE second(code TEXT NOT NULL, number INTEGER NOT NULL)")
        db.execute("CREATE TABLE third(id INTEGER PRIMARY KEY, a INT NOT NULL, b INT NOT NULL, c TEXT NOT NULL)")
        db.execute("CREATE TABLE pictures(id INTEGER PRIMARY KEY, picture BLOB NOT NULL)")
        db.execute("CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        db.executemany("INSERT INTO first VALUES (?,?,?)", [(n, f"what {n}", n / 3) for n in range(9)])
        db.executemany("INSERT INTO second VALUES (?,?)", [(f"code {n}", n) for n in range(20)])
        db.executemany("INSERT INTO third VALUES (?,?,?,?)", [(n, n, 3, "three") for n in range(20)])
        db.executemany("INSERT INTO names VALUES (?,?)", [(n, f"name {n * 7919 % 100_003:06}") for n in range(2000)])
        pictures = [(n, bytes([n]) * (3000 + 50 * n)) for n in range(1, 40)]
        db.executemany("INSERT INTO pictures VALUES (?,?)", pictures)
    rows = {name: set(db.execute(f"SELECT * FROM {name}")) for name in TABLES}
    db.close()
    return rows


TABLES = ("first", "second", "third", "pictures", "names")


def _lost(folder: Path, data: bytes, rows: dict[str, set[tuple[object, ...]]]) -> int:
    """Repair a file of these bytes; return how many rows are missing, none being another than it was."""
    damaged, scratch = folder / "damaged.db", folder / "scratch"
    damaged.write_bytes(data)
    scratch.mkdir()
    account = salvage.repair(damaged, folder / "mended.db", scratch=scratch)
    db = sqlite3.connect(folder / "mended.db")
    found = {name: set(db.execute(f"SELECT * FROM {name}")) for name in TABLES}
    db.close()
    assert all(found[name] <= rows[name] for name in TABLES), "a row was invented"
    lost = sum(len(rows[name] - found[name]) for name in TABLES)
    assert not lost or sum(table.lost for table in account.tables.values()) or account.doubts
    return lost


def _places(path: Path, *shares: float) -> list[int]:
    return [int(path.stat().st_size * share) for share in shares]


def test_bytes_put_in_and_taken_out_at_several_places(tmp_path: Path) -> None:
    rows = _mixed(tmp_path / "whole.db")
    data = (tmp_path / "whole.db").read_bytes()
    one, two, three = _places(tmp_path / "whole.db", 0.2, 0.5, 0.8)
    data = data[:one] + b"something else" * 9 + data[one:two] + data[two + 40 : three] + b"\r" + data[three:]
    assert _lost(tmp_path, data, rows) <= 2 * 3, "a row or two at each place"


def test_as_many_pages_put_in_as_taken_out(tmp_path: Path) -> None:
    rows = _mixed(tmp_path / "whole.db")
    data = (tmp_path / "whole.db").read_bytes()
    one, two, three = (place // PAGE * PAGE for place in _places(tmp_path / "whole.db", 0.3, 0.6, 0.9))
    data = data[:one] + data[one + PAGE : two] + data[two - 2 * PAGE : three] + data[three + 2 * PAGE :]
    assert len(data) == (tmp_path / "whole.db").stat().st_size - PAGE
    assert _lost(tmp_path, data, rows) <= PAGE // 14 + 2, "more than the pages that were taken held"


def test_pages_that_only_the_schema_names(tmp_path: Path) -> None:
    rows = _mixed(tmp_path / "whole.db")
    data = (tmp_path / "whole.db").read_bytes()
    assert _lost(tmp_path, data[: 2 * PAGE] + data[PAGE:], rows) == 0, "page 2 is there twice"


def test_a_large_page_with_the_border_is_not_read_for_each_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged, page = tmp_path / "large.db", 32768
    with sqlite3.connect(damaged) as db:
        db.execute(f"PRAGMA page_size={page}")
        db.execute("CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT)")
        db.executemany("INSERT INTO names VALUES (?,?)", ((n, f"name {n * 7919 % 100_003:06}") for n in range(20_000)))
    db.close()
    data = damaged.read_bytes()
    begin = len(data) // page // 2 * page + 12_345
    damaged.write_bytes(data[:begin] + random.Random(4).randbytes(5_000) + data[begin:])
    looked: list[int] = []
    intact = borders.intact

    def counting(page: bytes, pointing: bytes, number: int, geometry: Geometry) -> list[tuple[int, int]]:
        looked.append(number)
        return intact(page, pointing, number, geometry)

    monkeypatch.setattr(borders, "intact", counting)
    assert realign(damaged, tmp_path / "moved.db") is not None
    assert max(map(looked.count, looked)) < 20
    found, _ = _repaired(damaged, tmp_path)
    assert 19_990 < len(found) <= 20_000


def test_a_sound_file_with_a_long_life_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lived.db"
    chance = random.Random(1)
    db = sqlite3.connect(path)
    db.execute("PRAGMA page_size=512")
    db.execute("PRAGMA secure_delete=OFF")
    db.execute("CREATE TABLE pictures(id INTEGER PRIMARY KEY, picture BLOB NOT NULL, name TEXT UNIQUE)")
    for life in range(12):
        rows = [(bytes([life]) * chance.randrange(9000), f"picture {life} {n}") for n in range(40)]
        db.executemany("INSERT INTO pictures(picture, name) VALUES (?,?)", rows)
        db.commit()
        assert realign(path, tmp_path / "moved.db") is None, "chains run up and down, and over what others left"
        db.execute("DELETE FROM pictures WHERE id * 7919 % 3")
        db.commit()
        assert realign(path, tmp_path / "moved.db") is None, "what was freed still tells of its old life"
    db.close()


def test_pages_that_changed_places_are_not_moved_in_runs(tmp_path: Path) -> None:
    path = tmp_path / "swapped.db"
    _database(path)
    data = path.read_bytes()
    pages = [data[begin : begin + PAGE] for begin in range(0, len(data), PAGE)]
    for one in range(20, 200, 20):
        pages[one], pages[one + 1] = pages[one + 1], pages[one]
    path.write_bytes(b"".join(pages) + b"junk behind the last page")
    assert realign(path, tmp_path / "moved.db") is None


def test_a_database_like_it_behind_the_last_page_lends_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "whole.db"
    rows = _mixed(path)
    older = path.read_bytes()
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM names WHERE id % 9 > 2")  # so that hardly a page ends where its parent says
    db.close()
    rows["names"] = {row for row in rows["names"] if isinstance(row[0], int) and row[0] % 9 <= 2}
    assert _lost(tmp_path, path.read_bytes() + older, rows) == 0


def test_tables_that_look_alike_get_no_rows_of_each_other(tmp_path: Path) -> None:
    damaged = tmp_path / "alike.db"
    with sqlite3.connect(damaged) as db:
        db.execute(f"PRAGMA page_size={PAGE}")
        for number in range(40):
            db.execute(f"CREATE TABLE t{number}(name TEXT NOT NULL)")
            db.executemany(f"INSERT INTO t{number} VALUES (?)", [(f"of t{number}",)] * 3)
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 't20'").fetchone()[0]
    db.close()
    data = damaged.read_bytes()
    damaged.write_bytes(data[: (root - 1) * PAGE] + data[root * PAGE :])
    (tmp_path / "scratch").mkdir()
    salvage.repair(damaged, tmp_path / "mended.db", scratch=tmp_path / "scratch")
    db = sqlite3.connect(tmp_path / "mended.db")
    wrong = [n for n in range(40) for (name,) in db.execute(f"SELECT name FROM t{n}") if name != f"of t{n}"]
    db.close()
    assert not wrong


CHANGES = {
    "3 bytes missing": ((0.5, -3),),
    "more than a page missing": ((0.4, -PAGE - 77),),
    "5 bytes too many": ((0.6, 5),),
    "at three places": ((0.3, -3), (0.5, 9), (0.8, -100)),
}


@pytest.mark.parametrize("changes", CHANGES)
def test_bytes_missing_in_a_large_file_are_found_by_a_few_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: str
) -> None:
    for module in (shift, settle):
        monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(jumps, "WINDOW", 4)
    damaged = tmp_path / "moved.db"
    rows = _database(damaged)
    data = damaged.read_bytes()
    for share, moved in reversed(CHANGES[changes]):
        place = int(len(data) * share)
        data = data[:place] + (b"\x07" * moved if moved > 0 else b"") + data[place - min(moved, 0) :]
    damaged.write_bytes(data)
    found, account = _repaired(damaged, tmp_path)
    assert not found - rows
    assert len(found) >= len(rows) - 20 * len(CHANGES[changes])
    assert sum("was moved" in line for line in account.said) == len(CHANGES[changes])
    assert len(account.candidates) == 1, "the file as it lies need not be tried"


@pytest.mark.parametrize("cut", [0, 30 * PAGE])
def test_a_large_file_whose_pages_lie_right_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setattr(shift, "LARGE", 0)
    path = tmp_path / "right.db"
    _database(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - cut])
    assert not shift.worth_a_look(path, data[:100])


@pytest.mark.parametrize("lost", [300, PAGE])
def test_a_file_whose_beginning_is_missing_gets_its_pages_numbered_again(tmp_path: Path, lost: int) -> None:
    damaged, backup = tmp_path / "headless.db", tmp_path / "backup.db"
    rows = _database(damaged)
    data = damaged.read_bytes()
    backup.write_bytes(data)
    damaged.write_bytes(data[lost:])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    account = salvage.repair(damaged, tmp_path / "mended.db", scratch=scratch, reference=backup)
    assert f"{lost} bytes are missing before the first page" in account.said
    with sqlite3.connect(tmp_path / "mended.db") as db:
        found = set(db.execute("SELECT * FROM names"))
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    assert found == rows
    assert not list(scratch.glob("headed*"))


def test_zeros_over_the_first_page_are_not_taken_for_missing_bytes(tmp_path: Path) -> None:
    damaged = tmp_path / "zeroed.db"
    _database(damaged)
    damaged.write_bytes(bytes(PAGE) + damaged.read_bytes()[PAGE:])
    assert beheaded.missing(damaged, envelope.examine(damaged)) == 0

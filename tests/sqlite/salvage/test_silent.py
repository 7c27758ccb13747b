"""Losses that every page hides: the account must say that something is not right where nothing looks broken."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from tests.sqlite.salvage.test_cures import PAGE, page_of, span
from toolkit.sqlite.account import Gap
from toolkit.sqlite.salvage import engine, mend
from toolkit.sqlite.salvage.measure import Measure, measure

Repair = Callable[..., Repaired]


def two_tables(path: Path) -> Path:
    with databases.opened(path) as connection:
        connection.executescript(
            "CREATE TABLE one(id INTEGER PRIMARY KEY, a TEXT);"
            "CREATE TABLE two(id INTEGER PRIMARY KEY, n INT, b TEXT, c TEXT); CREATE INDEX two_n ON two(n); BEGIN"
        )
        connection.executemany("INSERT INTO one VALUES (?, ?)", ((n, f"a text {n} " * 4) for n in range(1, 600)))
        connection.executemany(
            "INSERT INTO two VALUES (?, ?, ?, ?)", ((n, n * 7, f"b {n}", "c" * 40) for n in range(1, 600))
        )
        connection.execute("COMMIT")
    return path


def long_texts(path: Path) -> Path:
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE letters(id INTEGER PRIMARY KEY, subject TEXT, body TEXT)")
        connection.executemany(
            "INSERT INTO letters VALUES (?, ?, ?)",
            ((n, f"subject {n}", f"letter {n}: " + chr(96 + n) * 3 * PAGE) for n in range(1, 9)),
        )
    return path


def lost_sector(data: bytearray) -> None:
    place = data.index(b"eee" * 500) // PAGE * PAGE + 1024
    data[place : place + 512] = bytes(512)


@pytest.mark.parametrize("small", [True, False])
def test_a_row_that_lost_a_sector_of_a_sound_file_is_kept_apart(
    tmp_path: Path, repaired: Repair, monkeypatch: pytest.MonkeyPatch, *, small: bool
) -> None:
    if not small:
        monkeypatch.setattr(mend, "SMALL", 4 * PAGE)
        monkeypatch.setattr(engine, "SMALL", 4 * PAGE)
    result = repaired(long_texts(tmp_path / "a.db"), lost_sector)
    assert (result.missing, result.extra) == ({"letters": 1}, {})
    assert result.account.unplaced == 1
    assert not result.account.whole


def test_a_page_written_over_another_is_a_gap_of_that_one(tmp_path: Path, repaired: Repair) -> None:
    original = two_tables(tmp_path / "a.db")
    source, target = page_of(original, "one", 2), page_of(original, "two", 3)

    def damage(data: bytearray) -> None:
        data[span(target)] = data[span(source)]

    result = repaired(original, damage)
    assert list(result.missing) == ["two"]
    assert not result.account.tables["two"].whole


def test_rows_that_share_overflow_pages_are_doubted(tmp_path: Path, repaired: Repair) -> None:
    original = long_texts(tmp_path / "a.db")
    data = original.read_bytes()
    first, other = (data.find(letter * 4000) // PAGE for letter in (b"b", b"c"))

    def damage(data: bytearray) -> None:
        data[first * PAGE : first * PAGE + 4] = data[other * PAGE : other * PAGE + 4]

    result = repaired(original, damage)
    assert result.missing
    assert not result.account.whole
    assert any("letters" in doubt for doubt in result.account.doubts)


@pytest.mark.parametrize("wrong", [b"\xff\xfe\xff", bytes(100)])
def test_a_text_that_was_overwritten_in_its_place_is_a_fault(tmp_path: Path, repaired: Repair, wrong: bytes) -> None:
    original = long_texts(tmp_path / "a.db")
    at = original.read_bytes().find(b"d" * 4000) + 200

    def damage(data: bytearray) -> None:
        data[at : at + len(wrong)] = wrong

    result = repaired(original, damage)
    assert result.account.strategy == "none"
    assert result.missing == {"letters": 1}
    assert result.account.complete
    assert not result.account.whole
    assert [fault.partition(":")[0] for fault in result.account.faults] == ["letters.body"]


def test_texts_that_an_application_stores_in_another_encoding_are_no_fault(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany(
            "INSERT INTO names(name) VALUES (CAST(? AS TEXT))",
            ((f"J\xfcrgen {n}".encode("latin-1"),) for n in range(40)),
        )
    assert repaired(original, lambda data: None).account.whole


def test_an_index_that_names_rows_which_the_table_lacks_is_said(tmp_path: Path, repaired: Repair) -> None:
    original = two_tables(tmp_path / "a.db")
    with databases.opened(original) as connection:
        row = connection.execute("SELECT * FROM two WHERE id = 300").fetchone()
        connection.execute("DELETE FROM two WHERE id = 300")
    before = original.read_bytes()
    with databases.opened(original) as connection:
        connection.execute("INSERT INTO two VALUES (?, ?, ?, ?)", row)
    now = original.read_bytes()
    (leaf,) = (n for n in range(1, len(now) // PAGE + 1) if b"b 300c" in now[span(n)])

    def damage(data: bytearray) -> None:
        data[span(leaf)] = before[span(leaf)]

    result = repaired(original, damage)
    assert result.missing == {"two": 1}
    assert not result.account.whole
    assert any("two_n" in doubt for doubt in result.account.doubts)


def test_an_index_entry_that_was_damaged_is_no_loss(tmp_path: Path, repaired: Repair) -> None:
    original = two_tables(tmp_path / "a.db")
    leaf = page_of(original, "two_n", 0)
    page = bytearray(original.read_bytes()[span(leaf)])
    pointer = int.from_bytes(page[12:14], "big")

    def damage(data: bytearray) -> None:
        data[(leaf - 1) * PAGE + pointer + page[pointer]] ^= 1  # the last byte of the third entry: its rowid

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({}, {})
    assert result.account.whole


def test_a_row_at_the_border_where_bytes_were_taken_out_is_said(tmp_path: Path, repaired: Repair) -> None:
    original = two_tables(tmp_path / "a.db")
    leaf = page_of(original, "two", 3)

    def damage(data: bytearray) -> None:
        at = leaf * PAGE - 500
        del data[at : at + 20]

    result = repaired(original, damage)
    assert sum(result.missing.values()) < 5
    assert not result.account.whole


@pytest.mark.parametrize("small", [mend.SMALL, -1])
def test_a_row_that_is_given_up_at_such_a_border_does_not_come_back_as_nulls(
    tmp_path: Path, repaired: Repair, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    for module in (mend, engine):
        monkeypatch.setattr(module, "SMALL", small)
    original = two_tables(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("DROP INDEX two_n")  # else SQLite sees that a row lacks its entry
    leaf = page_of(original, "two", 3)

    def damage(data: bytearray) -> None:
        data[leaf * PAGE - 500 : leaf * PAGE - 500] = b"\xaa" * 20

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({"two": 1}, {})
    assert not result.account.tables["two"].whole


def test_a_row_without_a_value_that_its_column_needs_is_kept_apart_in_a_large_file(
    tmp_path: Path, repaired: Repair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (mend, engine):
        monkeypatch.setattr(module, "SMALL", -1)
    original = databases.shop(tmp_path / "a.db")
    record = original.read_bytes().index("Ünsal 7 שלום".encode()) - 5

    def damage(data: bytearray) -> None:
        assert data[record] == 5
        data[record] = 0  # a record without any value

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({"users": 1}, {})
    assert result.account.tables["users"].doubtful == 1


def test_a_table_that_lay_behind_the_end_of_a_cut_file_is_a_gap(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE kept(id INTEGER PRIMARY KEY, a TEXT)")
        connection.execute("CREATE TABLE gone(id INTEGER PRIMARY KEY, a TEXT)")
        connection.execute("INSERT INTO kept VALUES (1, 'kept')")
        connection.execute("INSERT INTO gone VALUES (1, 'gone')")

    def damage(data: bytearray) -> None:
        del data[page_of(original, "gone") * PAGE - PAGE :]

    result = repaired(original, damage)
    assert result.missing == {"gone": 1}
    assert result.account.tables["gone"].gaps == (Gap(None, None),)
    assert result.account.tables["kept"].whole


@pytest.mark.parametrize("length", [400, 1200], ids=["zeros-in-it", "ends-early"])
def test_pages_found_again_whose_overflow_pages_are_lost_are_carved(
    tmp_path: Path, repaired: Repair, length: int
) -> None:
    """The first part of the file is zeros: the leaves at its end are adopted, and one of their rows lost its rest."""
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE letters(id INTEGER PRIMARY KEY, subject TEXT, body TEXT)")
        rows = [(n, f"subject {n}", f"letter {n}: " * (length if n == 490 else 2)) for n in range(1, 1000)]
        connection.executemany("INSERT INTO letters VALUES (?, ?, ?)", rows)
    reference = Path(shutil.copyfile(original, tmp_path / "reference.db"))
    data = original.read_bytes()
    (leaf,) = (number for number in range(2, len(data) // PAGE + 1) if b"subject 490" in data[span(number)])
    rest = [n for n in range(2, len(data) // PAGE + 1) if n != leaf and data[span(n)].count(b"letter 490") > 100]

    def damage(data: bytearray) -> None:
        data[: (leaf - 2) * PAGE] = bytes((leaf - 2) * PAGE)
        for number in rest:
            data[span(number)] = bytes(PAGE)

    result = repaired(original, damage, reference)
    account = result.account.tables["letters"]
    assert account.read + account.carved == 999 - result.missing["letters"] > 0
    assert not account.whole
    with databases.opened(result.output) as connection:
        left = {row[0] for row in connection.execute("SELECT id FROM letters")}
    assert {489, 491} <= left
    assert 490 not in left


@pytest.mark.parametrize("header", [struct.pack(">HH", 0, PAGE), bytes(4)], ids=["empty", "zeros"])
@pytest.mark.parametrize("cells", [True, False], ids=["the cells are there", "nothing is there"])
def test_a_leaf_that_says_it_is_empty_lost_its_rows(
    tmp_path: Path, repaired: Repair, header: bytes, *, cells: bool
) -> None:
    original = two_tables(tmp_path / "a.db")
    leaf = span(page_of(original, "one", 2))

    def damage(data: bytearray) -> None:
        data[leaf.start + 3 : leaf.start + 7] = header
        if not cells:
            data[leaf.start + 8 : leaf.stop] = bytes(PAGE - 8)

    result = repaired(original, damage)
    assert list(result.missing) == ([] if cells else ["one"])
    assert not result.extra
    assert cells or not result.account.whole


def test_a_page_with_broken_overflow_chains_goes_to_no_table_of_which_nothing_is_known(
    tmp_path: Path, repaired: Repair
) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE texts(body TEXT, other TEXT)")
        connection.execute("CREATE TABLE emptiness(a, b)")
        rows = [(f"text {n} " * (2000 if n % 40 == 0 else 8), "other") for n in range(1, 1000)]
        connection.executemany("INSERT INTO texts VALUES (?, ?)", rows)
    source, target = (page_of(original, "texts", child) for child in (3, 5))

    def damage(data: bytearray) -> None:
        data[span(target)] = data[span(source)]
        root = span(page_of(original, "emptiness"))
        data[root.start : root.start + 8] = bytes(8)

    result = repaired(original, damage)
    assert list(result.missing) == ["texts"]
    assert "emptiness" not in result.extra


def test_a_result_that_fails_its_checks_is_never_whole(
    tmp_path: Path, repaired: Repair, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = two_tables(tmp_path / "a.db")
    page = page_of(original, "one", 2)

    def failing(*arguments: object, **options: object) -> Measure:
        found = measure(*arguments, **options)  # type: ignore[arg-type]
        found.failed.append("a page is used twice")
        return found

    monkeypatch.setattr(engine, "measure", failing)
    result = repaired(original, lambda data: data.__setitem__(span(page), bytes(PAGE)), original)
    assert any("a page is used twice" in doubt for doubt in result.account.doubts)
    assert not result.account.complete


@pytest.mark.parametrize("module", ["fts3", "fts4", "fts5"])
def test_a_row_that_only_the_full_text_index_names_is_missed(tmp_path: Path, repaired: Repair, module: str) -> None:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE words USING {module}(body)")
        connection.executemany("INSERT INTO words VALUES (?)", ((f"word {n} été",) for n in range(60)))

    def damage(file: bytearray) -> None:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(bytes(file))
            connection.execute("DELETE FROM words_content WHERE rowid = 30")
            connection.commit()
            file[:] = connection.serialize()

    account = repaired(path, damage).account
    assert not account.whole
    told = account.tables["words_content"]
    assert (told.lost, told.named, told.gaps) == (1, frozenset({30}), (Gap(29, 31),))


def test_rows_without_rowid_whose_keys_were_changed_are_doubted(tmp_path: Path, repaired: Repair) -> None:
    """SQLite says that they are not in order, and each reads well under another key: only their index knows them."""
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE codes(code TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID")
        connection.execute("CREATE INDEX by_n ON codes(n)")
        connection.executemany("INSERT INTO codes VALUES (?, ?)", ((f"code {n:04} of many", n) for n in range(60)))
    root = databases.root_page(original, "codes")

    def damage(data: bytearray) -> None:
        begin = data.index(b"code 0030 of many", (root - 1) * PAGE)
        data[begin] ^= 0x10

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({"codes": 1}, {"codes": 1})
    assert result.account.doubts == ("index by_n names a row that codes does not hold",)


def test_an_entry_whose_key_was_changed_is_no_doubt_of_its_row(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE codes(code TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID")
        connection.execute("CREATE INDEX by_n ON codes(n)")
        connection.executemany("INSERT INTO codes VALUES (?, 7)", ((f"code {n:04} of many",) for n in range(60)))
    root = databases.root_page(original, "by_n")

    def damage(data: bytearray) -> None:
        begin = data.index(b"code 0030 of many", (root - 1) * PAGE)
        data[begin] ^= 0x10

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({}, {})
    assert not result.account.doubts

"""A -journal without SQLite: the pages as they were, whatever became of its header, and whether they must go back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.makers import databases, sidecars
from toolkit.sqlite import rollback, rollbackfit
from toolkit.sqlite.rollback import Journal
from toolkit.sqlite.rollbackfit import Standing

SIZES = [512, 1024, 4096]


def rolled_back(path: Path, journal: Journal, target: Path, pages: int) -> Path:
    """Write the database as it was before the transaction."""
    shutil.copyfile(path, target)
    with open(f"{path}-journal", "rb") as beside, target.open("r+b") as file:
        for page, record in journal.originals().items():
            file.seek((page - 1) * journal.page_size)
            file.write(rollback.image(beside.fileno(), journal, record))
        file.truncate(pages * journal.page_size)
    return target


def standing(path: Path) -> Standing:
    journal = rollback.read(f"{path}-journal", page_size=4096)
    with path.open("rb") as main, open(f"{path}-journal", "rb") as beside:
        return rollbackfit.judge(main.fileno(), beside.fileno(), journal).standing


@pytest.mark.parametrize("page_size", SIZES)
@pytest.mark.parametrize("sync", [True, False])
def test_the_originals_are_what_sqlite_rolls_back_to(tmp_path: Path, page_size: int, sync: bool) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db", page_size=page_size, sync=sync)
    journal = rollback.read(f"{path}-journal")
    assert (journal.state, journal.page_size) == ("hot", page_size)
    assert journal.stops == len(journal) == sum(journal.sound)
    assert journal.missing == 0
    assert (len(journal.segments) > 1) is sync
    assert journal.original_pages is not None
    assert standing(path) is Standing.HOT
    mine = rolled_back(path, journal, tmp_path / "mine.db", journal.original_pages)
    assert sidecars.rows_of(mine) == sidecars.rows_of(path)
    assert mine.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("page_size", SIZES)
@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize(
    ("at", "junk", "state"), [(0, bytes(28), "zeroed"), (0, bytes(512), "zeroed"), (3, b"\xff", "broken")]
)
def test_a_lost_header_hides_nothing(
    tmp_path: Path, page_size: int, sync: bool, at: int, junk: bytes, state: str
) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db", page_size=page_size, sync=sync)
    whole = rollback.read(f"{path}-journal")
    with open(f"{path}-journal", "r+b") as file:
        file.seek(at)
        file.write(junk)
    journal = rollback.read(f"{path}-journal", page_size=page_size)
    assert (journal.state, journal.page_size, journal.sector) == (state, page_size, whole.sector)
    assert list(journal.records()) == list(whole.records())
    assert journal.original_pages in (whole.original_pages, None)
    assert journal.stops == 0
    assert standing(path) is Standing.HALF


def test_the_page_size_is_found_without_the_database(tmp_path: Path) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db", page_size=1024, sync=False)
    with open(f"{path}-journal", "r+b") as file:
        file.write(bytes(512))
    assert rollback.read(f"{path}-journal").page_size == 1024


def test_a_wrong_record_stops_sqlite_but_not_the_others(tmp_path: Path) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db")
    whole = rollback.read(f"{path}-journal")
    with open(f"{path}-journal", "r+b") as file:
        file.seek(whole.record(3).offset + 4096 - 400)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    journal = rollback.read(f"{path}-journal")
    assert (len(journal), journal.stops) == (len(whole), 2)
    assert [record.number for record in journal.records() if not record.sound] == [3]


def test_a_journal_that_was_cut_says_what_is_missing(tmp_path: Path) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db")
    whole = rollback.read(f"{path}-journal")
    os.truncate(f"{path}-journal", whole.record(whole.segments[0].count).offset)
    journal = rollback.read(f"{path}-journal")
    assert (len(journal), journal.missing) == (whole.segments[0].count - 1, 1)


@pytest.mark.parametrize("page_size", SIZES)
@pytest.mark.parametrize("undone", [False, True])
def test_a_finished_journal_is_finished(tmp_path: Path, page_size: int, undone: bool) -> None:
    path = sidecars.persisted_journal_of(tmp_path / "a.db", page_size=page_size, rollback=undone)
    journal = rollback.read(f"{path}-journal", page_size=page_size)
    assert journal.state == "zeroed"
    assert len(journal)
    assert standing(path) is Standing.FINISHED


def test_records_of_an_older_transaction_are_not_taken(tmp_path: Path) -> None:
    path = sidecars.persisted_journal_of(tmp_path / "a.db", page_size=512)
    longer = len(rollback.read(f"{path}-journal", page_size=512))
    with databases.opened(path) as connection:
        connection.execute("PRAGMA journal_mode=persist")
        connection.execute("UPDATE t SET name = 'x' WHERE id = 1")
    journal = rollback.read(f"{path}-journal", page_size=512)
    assert 0 < len(journal) < longer // 2
    assert standing(path) is Standing.FINISHED


def test_a_transaction_that_has_written_nothing_yet(tmp_path: Path) -> None:
    path, made = tmp_path / "a.db", sidecars.persisted_journal_of(tmp_path / "made.db")
    with databases.opened(made) as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET name = 'x' WHERE id < 9")
        sidecars.take(made, path)
        connection.execute("ROLLBACK")
    assert standing(path) is Standing.FINISHED


def test_a_hot_journal_beside_another_state_of_the_database(tmp_path: Path) -> None:
    path, older = sidecars.hot_journal_of(tmp_path / "a.db"), tmp_path / "older.db"
    journal = rollback.read(f"{path}-journal")
    assert journal.original_pages is not None
    shutil.copyfile(rolled_back(path, journal, older, journal.original_pages), path)
    assert standing(path) is Standing.HOT
    with databases.opened(older) as connection:
        for n in range(3):
            connection.execute("UPDATE t SET name = ? WHERE id = 1", (n,))
    shutil.copyfile(older, path)
    assert standing(path) is Standing.STALE
    databases.shop(tmp_path / "other.db", page_size=1024)
    shutil.copyfile(tmp_path / "other.db", path)
    assert standing(path) is Standing.STALE


@pytest.mark.parametrize("version", ["same", "another"])
@pytest.mark.parametrize("page_1", [True, False])
def test_a_hot_journal_of_another_database_after_as_many_commits(tmp_path: Path, version: str, page_1: bool) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db")
    beside = Path(f"{path}-journal")
    journal = bytearray(beside.read_bytes())
    first = journal.index(b"SQLite format 3\0")
    other = bytearray(databases.shop(tmp_path / "b.db", orders=300).read_bytes())
    for at in (24, 92):
        other[at : at + 4] = journal[first + 24 : first + 28]
    if version == "same":
        other[40:44] = journal[first + 40 : first + 44]
    if not page_1:
        journal[first - 4 : first] = (2).to_bytes(4, "big")
    assert standing(path) is Standing.HOT
    beside.write_bytes(journal)
    path.write_bytes(other)
    assert standing(path) is Standing.STALE


def test_the_super_journal_of_several_databases(tmp_path: Path) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db")
    name = os.fsencode(tmp_path / "a.db-mj12345678")
    with open(f"{path}-journal", "ab") as file:  # section 3: name, its length, its sum, magic
        file.write((0x40000000 // 4096 + 1).to_bytes(4, "big") + name)
        file.write(len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + rollback.MAGIC)
    assert rollback.read(f"{path}-journal").super_journal == os.fsdecode(name)
    assert standing(path) is Standing.FINISHED
    Path(os.fsdecode(name)).write_bytes(b"here")
    assert standing(path) is Standing.HOT


def test_an_empty_journal(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=5)
    Path(f"{path}-journal").write_bytes(b"")
    assert rollback.read(f"{path}-journal").state == "empty"
    assert standing(path) is Standing.NONE


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 90_000), st.binary(min_size=1, max_size=600)), max_size=4), st.integers(0, 4))
def test_damage_never_raises(tmp_path: Path, writes: list[tuple[int, bytes]], cut: int) -> None:
    model = tmp_path / "a.db"
    if not model.exists():
        sidecars.hot_journal_of(model, page_size=512)
    data = bytearray(Path(f"{model}-journal").read_bytes())
    for place, junk in writes:
        at = place % len(data)
        data[at : at + len(junk)] = junk[: len(data) - at]
    where = tmp_path / "damaged"
    where.write_bytes(data[: len(data) - cut * 777])
    journal = rollback.read(where, page_size=512)
    assert journal.stops <= len(journal) == len(journal.pages) == len(journal.offsets)
    with model.open("rb") as main, where.open("rb") as beside:
        rollbackfit.judge(main.fileno(), beside.fileno(), journal)


@pytest.mark.parametrize("hit", [[1], [1, 2], [-1], [1, 5, -1]])
def test_a_lost_header_further_on_hides_no_records(tmp_path: Path, hit: list[int]) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db", page_size=512)
    whole = rollback.read(f"{path}-journal")
    with open(f"{path}-journal", "r+b") as file:
        for number in hit:
            file.seek(whole.segments[number].offset)
            file.write(b"\xaa" * 28)
    journal = rollback.read(f"{path}-journal")
    assert journal.stops == sum(segment.count for segment in whole.segments[: hit[0]])
    if hit == [1, 2]:  # two in a row: what lies between is not known, but that it is missing is
        assert len(journal) == len(whole) - whole.segments[1].count - whole.segments[2].count
        assert journal.missing >= whole.segments[1].count + whole.segments[2].count
        return
    assert [record.page for record in journal.records()] == [record.page for record in whole.records()]
    assert journal.missing == 0
    assert rolled_back(path, journal, tmp_path / "mine.db", whole.original_pages or 0).read_bytes() == (
        rolled_back(path, whole, tmp_path / "whole.db", whole.original_pages or 0).read_bytes()
    )


def test_headers_of_an_older_transaction_are_not_those_of_one_that_was_cut_off(tmp_path: Path) -> None:
    path = sidecars.persisted_journal_of(tmp_path / "a.db", page_size=512)
    longer = len(rollback.read(f"{path}-journal", page_size=512))
    hot = tmp_path / "hot.db"
    with databases.opened(path) as connection:
        for pragma in ("journal_mode=persist", "synchronous=FULL", "cache_size=5"):
            connection.execute(f"PRAGMA {pragma}")
        before = connection.execute("SELECT * FROM t ORDER BY id").fetchall()
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET data = randomblob(70) WHERE id < 60")
        sidecars.take(path, hot)
        connection.execute("ROLLBACK")
    journal = rollback.read(f"{hot}-journal", page_size=512)
    assert journal.state == "hot"
    assert 0 < len(journal) < longer // 2
    assert journal.missing == 0
    assert sidecars.rows_of(rolled_back(hot, journal, tmp_path / "mine.db", journal.original_pages or 0)) == before

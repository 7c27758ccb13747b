"""A -wal without SQLite says what SQLite does with it, and more: what one wrong bit would hide."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.makers import databases, sidecars
from toolkit.sqlite import wal, walfit, walsum
from toolkit.sqlite.wal import Trust, Wal

FRAME = wal.FRAME


def laid_over(path: Path, read: Wal, target: Path, *, replayed: bool = False) -> Path:
    """Write the database as the newest images of a WAL make it, as a checkpoint would."""
    shutil.copyfile(path, target)
    with open(f"{path}-wal", "rb") as beside, target.open("r+b") as file:
        for page, frame in read.newest(replayed=replayed).items():
            file.seek((page - 1) * read.page_size)
            file.write(wal.image(beside.fileno(), read, frame))
        file.truncate(read.database_pages * read.page_size)
    return target


@pytest.mark.parametrize("page_size", [512, 1024, 4096, 65536])
@pytest.mark.parametrize("restarts", [0, 2])
def test_the_newest_images_are_what_sqlite_reads(tmp_path: Path, page_size: int, restarts: int) -> None:
    path = sidecars.wal_of(tmp_path / "a.db", page_size=page_size, restarts=restarts)
    read = wal.read(f"{path}-wal")
    assert (read.header, read.page_size, read.torn) == ("valid", page_size, 0)
    assert read.chained == read.replayed == read.committed > 0
    assert read.hidden == 0
    assert (Trust.STALE in read.trusts) is bool(restarts)
    laid = laid_over(path, read, tmp_path / "laid.db", replayed=True)
    assert sidecars.rows_of(laid) == sidecars.rows_of(path)


def test_a_transaction_that_never_ended_is_not_replayed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with databases.opened(sidecars.wal_of(tmp_path / "made.db")) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA cache_size=5")
        connection.execute("UPDATE t SET name = 'done' WHERE id < 5")
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET data = randomblob(300)")
        sidecars.take(tmp_path / "made.db", path)
        connection.execute("ROLLBACK")
    read = wal.read(f"{path}-wal")
    assert 0 < read.replayed == read.committed < read.current
    assert Trust.UNCOMMITTED in read.trusts
    assert read.hidden == 0
    assert sidecars.rows_of(laid_over(path, read, tmp_path / "laid.db")) == sidecars.rows_of(path)


def test_what_a_rollback_left_is_not_taken_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with databases.opened(sidecars.wal_of(tmp_path / "made.db")) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA cache_size=5")
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET data = randomblob(300)")
        connection.execute("ROLLBACK")
        connection.execute("UPDATE t SET name = 'done' WHERE id < 5")
        sidecars.take(tmp_path / "made.db", path)
    read = wal.read(f"{path}-wal")
    assert read.current > read.chained
    assert read.hidden == 0
    assert sidecars.rows_of(laid_over(path, read, tmp_path / "laid.db")) == sidecars.rows_of(path)


FIELDS = {"page": 2, "commit": 6, "salt": 9, "other salt": 13, "sum": 17, "other sum": 21}


@pytest.mark.parametrize("at", FIELDS.values(), ids=FIELDS.keys())
@pytest.mark.parametrize("number", [1, 7, -1], ids=["first", "middle", "last"])
def test_a_wrong_field_of_a_frame_is_set_right_by_its_neighbours(tmp_path: Path, at: int, number: int) -> None:
    path = sidecars.wal_of(tmp_path / "a.db", restarts=1)
    whole = wal.read(f"{path}-wal")
    number = whole.committed if number < 0 else number
    flip(path, whole, number, at)
    read = wal.read(f"{path}-wal")
    assert read.replayed < number <= read.committed == whole.committed
    assert read.hidden == read.committed - read.replayed
    assert [read.frame(n).page for n in range(1, 1 + read.committed)] == list(whole.pages[: whole.committed])
    assert list(read.commits[: read.committed]) == list(whole.commits[: whole.committed])
    expected = Trust.PLAUSIBLE if number == whole.committed and "sum" in _field(at) else Trust.PROVEN
    assert read.frame(number).trust is expected
    assert Trust.BAD not in read.trusts


def _field(at: int) -> str:
    return next(name for name, offset in FIELDS.items() if offset == at)


def flip(path: Path, read: Wal, number: int, at: int) -> None:
    with open(f"{path}-wal", "r+b") as file:
        place = read.frame(number).offset - FRAME + at
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x54]))


def test_a_wrong_page_hides_nothing_behind_it(tmp_path: Path) -> None:
    path = sidecars.wal_of(tmp_path / "a.db")
    whole = wal.read(f"{path}-wal")
    flip(path, whole, 5, FRAME + 3000)
    read = wal.read(f"{path}-wal")
    assert (read.chained, read.committed) == (4, whole.committed)
    trusts = [read.frame(n).trust for n in range(1, read.committed + 1)]
    assert trusts.count(Trust.PROVEN) + trusts.count(Trust.REPLAYED) == read.committed - 1
    assert read.frame(5).trust is Trust.PLAUSIBLE


def test_frames_of_zeros_are_lost_and_the_rest_is_believed(tmp_path: Path) -> None:
    path = sidecars.wal_of(tmp_path / "a.db")
    whole = wal.read(f"{path}-wal")
    with open(f"{path}-wal", "r+b") as file:
        file.seek(whole.frame(5).offset - FRAME)
        file.write(bytes(2 * (FRAME + 4096)))
    read = wal.read(f"{path}-wal")
    assert [read.frame(n).trust for n in (5, 6)] == [Trust.BAD, Trust.BAD]
    assert read.committed == whole.committed
    assert sum(trust >= Trust.PLAUSIBLE for trust in read.trusts) == whole.committed - 2


@pytest.mark.parametrize("damage", [(0, 32), (0, 1), (4, 5), (8, 12), (13, 14), (16, 24), (25, 26)])
@pytest.mark.parametrize("page_size", [512, 4096])
def test_a_lost_header_hides_nothing(tmp_path: Path, damage: tuple[int, int], page_size: int) -> None:
    path = sidecars.wal_of(tmp_path / "a.db", restarts=1, page_size=page_size)
    whole = wal.read(f"{path}-wal")
    rows = sidecars.rows_of(laid_over(path, whole, tmp_path / "whole.db"))
    with open(f"{path}-wal", "r+b") as file:
        file.seek(damage[0])
        there = file.read(damage[1] - damage[0])
        file.seek(damage[0])
        file.write(bytes(32) if damage == (0, 32) else bytes(byte ^ 0xFF for byte in there))
    read = wal.read(f"{path}-wal")
    assert read.header == ("zeroed" if damage == (0, 32) else "broken")
    assert (read.page_size, read.salt, read.replayed) == (page_size, whole.salt, 0)
    assert read.committed == read.hidden == whole.committed
    assert {read.frame(n).trust for n in range(1, read.committed + 1)} == {Trust.PROVEN}
    if read.checkpoint is not None:
        assert read.checkpoint == whole.checkpoint
    assert sidecars.rows_of(laid_over(path, read, tmp_path / "laid.db")) == rows


def test_one_frame_and_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    made = sidecars.wal_of(tmp_path / "made.db", transactions=0)
    with databases.opened(made) as connection:
        connection.execute("UPDATE t SET name = 'done' WHERE id = 5")
        sidecars.take(made, path)
    with open(f"{path}-wal", "r+b") as file:
        file.write(bytes(32))
        file.truncate(32 + FRAME + 4096)
    read = wal.read(f"{path}-wal")
    assert (read.page_size, len(read)) == (4096, 1)
    assert read.checkpoint == 0


@pytest.mark.parametrize(("size", "state"), [(0, "empty"), (31, "short"), (32, "valid"), (500, "valid")])
def test_a_wal_without_frames(tmp_path: Path, size: int, state: str) -> None:
    path = sidecars.wal_of(tmp_path / "a.db")
    os.truncate(f"{path}-wal", size)
    read = wal.read(f"{path}-wal")
    assert (read.header, len(read), read.newest(), read.database_pages) == (state, 0, {}, 0)
    assert read.torn == (size if state == "short" else max(0, size - 32))


def test_big_endian_sums_are_read_too(tmp_path: Path) -> None:
    path = sidecars.wal_of(tmp_path / "a.db")
    data = bytearray(Path(f"{path}-wal").read_bytes())
    whole = wal.read(f"{path}-wal")
    data[3] |= 1
    sums = walsum.forward(data[:24], (0, 0), big=True)
    data[24:32] = b"".join(one.to_bytes(4, "big") for one in sums)
    for frame in whole.frames():
        at = frame.offset - FRAME
        sums = walsum.forward(data[at : at + 8], sums, big=True)
        sums = walsum.forward(data[frame.offset : frame.offset + 4096], sums, big=True)
        data[at + 16 : at + 24] = b"".join(one.to_bytes(4, "big") for one in sums)
    Path(f"{path}-wal").write_bytes(data)
    assert wal.read(f"{path}-wal").replayed == whole.replayed
    Path(f"{path}-wal").write_bytes(bytes(32) + data[32:])
    lost = wal.read(f"{path}-wal")
    assert (lost.big, lost.committed, lost.checkpoint) == (True, whole.committed, whole.checkpoint)
    assert sidecars.rows_of(path)  # SQLite made the frames again when it opened the lost one


@given(data=st.binary(min_size=8, max_size=4096), start=st.tuples(*[st.integers(0, 2**32 - 1)] * 2), big=st.booleans())
def test_sums_can_be_taken_back(data: bytes, start: tuple[int, int], big: bool) -> None:
    data = data[: len(data) // 8 * 8]
    end = walsum.forward(data, start, big=big)
    assert walsum.backward(data, end, big=big) == start
    first, second = walsum.between(start, walsum.forward(data[:8], start, big=big))
    order = "big" if big else "little"
    assert first.to_bytes(4, order) + second.to_bytes(4, order) == data[:8]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 300_000), st.binary(min_size=1, max_size=600)), max_size=4), st.integers(0, 4))
def test_damage_never_raises(tmp_path: Path, writes: list[tuple[int, bytes]], cut: int) -> None:
    model = tmp_path / "a.db"
    if not model.exists():
        sidecars.wal_of(model, page_size=1024, restarts=1)
    data = bytearray(Path(f"{model}-wal").read_bytes())
    for place, junk in writes:
        at = place % len(data)
        data[at : at + len(junk)] = junk[: len(data) - at]
    where = tmp_path / "damaged-wal"
    where.write_bytes(data[: len(data) - cut * 777])
    read = wal.read(where, page_size=1024)
    assert read.replayed <= read.chained <= len(read)
    assert read.replayed <= read.committed <= len(read)
    newest = read.newest()
    assert all(frame.page == page for page, frame in newest.items())
    assert not read.lost() & {
        page for page, frame in newest.items() if frame.trust is Trust.REPLAYED and not read.hidden
    }


def signs(path: Path) -> dict[str, bool]:
    read = wal.read(f"{path}-wal")
    with path.open("rb") as main, open(f"{path}-wal", "rb") as beside:
        return {one.sign: one.certain for one in walfit.misfits(main.fileno(), beside.fileno(), read)}


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("page_size", [512, 4096])
def test_a_wal_fits_its_own_database(tmp_path: Path, restarts: int, page_size: int) -> None:
    assert signs(sidecars.wal_of(tmp_path / "a.db", restarts=restarts, page_size=page_size)) == {}


def test_a_wal_fits_while_a_checkpoint_is_half_done(tmp_path: Path) -> None:
    path, made = tmp_path / "a.db", tmp_path / "made.db"
    with databases.opened(made) as one, databases.opened(made) as other:
        one.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, data)")
        one.execute("PRAGMA journal_mode=wal")
        for n in range(60):
            one.execute("INSERT INTO t VALUES (NULL, randomblob(900))")
            if n == 30:
                other.execute("BEGIN")
                other.execute("SELECT count(*) FROM t").fetchone()
        one.execute("PRAGMA wal_checkpoint(PASSIVE)")
        for _ in range(5):
            one.execute("INSERT INTO t VALUES (NULL, randomblob(900))")
        sidecars.take(made, path)
    assert signs(path) == {}


def test_a_wal_left_beside_a_restored_backup(tmp_path: Path) -> None:
    path = sidecars.wal_of(tmp_path / "a.db")
    with databases.opened(sidecars.wal_of(tmp_path / "b.db")) as connection:
        for n in range(20):
            connection.execute(f"CREATE TABLE more{n}(x)")
        connection.execute(f"VACUUM INTO '{tmp_path}/backup.db'")
    shutil.copyfile(tmp_path / "backup.db", path)
    assert signs(path)["rollback-mode"]
    assert "schema-older" in signs(path)


def test_a_wal_of_an_earlier_time(tmp_path: Path) -> None:
    path, made = tmp_path / "a.db", tmp_path / "made.db"
    with databases.opened(sidecars.wal_of(made)) as connection:
        connection.execute("CREATE TABLE early(x)")
        sidecars.take(made, path)
    for n in range(5):
        with databases.opened(made) as connection:
            connection.execute("INSERT INTO t SELECT NULL, 'late', randomblob(90) FROM t")
            connection.execute(f"PRAGMA user_version={n}")
    shutil.copyfile(made, path)
    assert signs(path)["older"]


def test_a_wal_of_another_database(tmp_path: Path) -> None:
    path = sidecars.wal_of(tmp_path / "a.db")
    databases.shop(tmp_path / "other.db", page_size=1024, journal="wal")
    shutil.copyfile(tmp_path / "other.db", path)
    assert signs(path) == {"page-size": True}
    databases.shop(tmp_path / "larger.db", orders=3000, journal="wal", encoding="UTF-16le")
    shutil.copyfile(tmp_path / "larger.db", path)
    assert signs(path)["encoding"]


def test_sqlite_reads_what_the_makers_make(tmp_path: Path) -> None:
    rows = sidecars.rows_of(sidecars.wal_of(tmp_path / "a.db"))
    assert len(rows) == 260
    assert sqlite3.sqlite_version_info >= (3, 40)

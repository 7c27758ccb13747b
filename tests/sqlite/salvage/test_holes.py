"""Rows that lost a part of their values to a block that was overwritten are kept apart, whatever stands beside it."""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from toolkit.events import never_stop
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.record import OddInt
from toolkit.sqlite.pages.scan import scan
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.pages.walk import geometry_of
from toolkit.sqlite.salvage import blanks, engine, mend
from toolkit.sqlite.salvage.torn import has_torn

Repair = Callable[..., Repaired]
PAGE = 4096
KEYED = ["(id INTEGER PRIMARY KEY, a TEXT, n INT, b TEXT)", "(id INT PRIMARY KEY, a TEXT, n INT, b TEXT) WITHOUT ROWID"]


def made(path: Path, columns: str, rows: list[tuple[object, ...]], encoding: str = "UTF-8") -> Path:
    with databases.opened(path) as connection:
        connection.execute(f"PRAGMA encoding='{encoding}'")
        connection.execute(f"CREATE TABLE t{columns}")
        connection.executemany(f"INSERT INTO t VALUES ({','.join('?' * len(rows[0]))})", rows)
        connection.execute("CREATE TABLE other(x)")
        connection.executemany("INSERT INTO other VALUES (?)", ((b"other %d" % n,) for n in range(400)))
    return path


def overwritten(file: bytearray, at: int, what: bytes) -> None:
    """Overwrite the block that byte `at` lies in, and break a page of the other table so that it is seen."""
    begin = at // 512 * 512
    file[begin : begin + 512] = what
    other = file.index(b"other 399") // PAGE * PAGE
    file[other + 5 : other + 7] = b"\0\1"


@pytest.mark.parametrize("columns", KEYED)
@pytest.mark.parametrize(
    ("what", "encoding"),
    [
        (bytes(512), "UTF-8"),
        (b"\xff" * 512, "UTF-16le"),
        ((b"The quick brown fox. " * 30)[:512], "UTF-8"),
        ((b"bad!" * 128), "UTF-16be"),
    ],
    ids=["zeros", "ones", "text", "wide"],
)
def test_a_block_of_a_pattern_leaves_no_row(
    tmp_path: Path, repaired: Repair, columns: str, what: bytes, encoding: str
) -> None:
    rows = [(n, f"row {n} " * 140, n * 1000, f"tail {n}") for n in range(1, 41)]
    original = made(tmp_path / "a.db", columns, rows, encoding)
    needle = "row 20 ".encode({"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}[encoding])
    result = repaired(original, lambda file: overwritten(file, file.index(needle) + 600, what))
    assert result.extra == {}
    assert result.missing["t"] <= 2
    assert not result.account.whole


@pytest.mark.parametrize("columns", KEYED)
def test_zeros_beside_a_block_of_zeros_do_not_hide_it(tmp_path: Path, repaired: Repair, columns: str) -> None:
    rows = [(n, f"row {n} " * 260, n, f"tail {n}") for n in range(1, 41)]
    original = made(tmp_path / "a.db", columns, rows)

    def damage(file: bytearray) -> None:
        at = file.index(b"row 20 ") // 512 * 512 + 1024
        overwritten(file, at, bytes(512))
        file[at + 512] = file[at - 1] = 0  # as the bytes of a number can be

    result = repaired(original, damage)
    assert result.extra == {}
    assert 1 <= result.missing["t"] <= 2


def test_numbers_that_lost_their_bytes_are_known_by_their_size(tmp_path: Path, repaired: Repair) -> None:
    columns = "(id INTEGER PRIMARY KEY, " + ", ".join(f"c{n} INT" for n in range(120)) + ")"
    rows = [(n, *(100_000 + n * at for at in range(120))) for n in range(1, 60)]
    original = made(tmp_path / "a.db", columns, rows)

    def damage(file: bytearray) -> None:
        at = file.index((100_000 + 20 * 119).to_bytes(3, "big")) - 300
        file[at : at + 40] = bytes(40)  # no block: the numbers alone tell
        overwritten(file, len(file) - 1, bytes(512))

    result = repaired(original, damage)
    assert result.extra.get("t", 0) == 0
    assert 1 <= result.missing["t"] <= 2
    assert result.account.tables["t"].doubtful == 1


def test_only_what_is_written_too_long_is_odd() -> None:
    for number in (-129, -128, -1, 0, 1, 127, 128, 32767, 32768, 1 << 23, -(1 << 31), 1 << 47, (1 << 63) - 1):
        assert not any(isinstance(value, OddInt) for value in record.decode(record.encode([number])))
    (odd,) = record.decode(bytes((2, 2, 0, 5)))
    assert isinstance(odd, OddInt)
    (old,) = record.decode(bytes((2, 2, 0xFF, 0x80)))  # -128 as versions before 3.7 wrote it
    assert not isinstance(old, OddInt)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_zeros_of_sound_rows_are_no_holes(tmp_path: Path, encoding: str) -> None:
    rows = [
        (n, 0.0, bytes(n * 13), "a\0b", bytes(3) + b"\xff" * (n * 7) + b"\1", "x" * (n * 11), 0) for n in range(300)
    ]
    path = made(tmp_path / "a.db", "(id INTEGER PRIMARY KEY, f, z BLOB, t TEXT, y BLOB, x TEXT, n INT)", rows, encoding)
    with path.open("rb") as file:
        geometry = geometry_of(file.read(100), path.stat().st_size)
    with PageSource(path, geometry) as source:
        leaves = [page for page in range(2, source.page_count + 1) if source.page(page)[0] == 13]
        assert len(leaves) > 20
        assert not [page for page in leaves if has_torn(source, page, encoding)]


@pytest.mark.parametrize("columns", [one.replace("n INT", "n INT CHECK (n >= 1000)") for one in KEYED])
def test_a_row_that_breaks_a_check_is_kept_apart(tmp_path: Path, repaired: Repair, columns: str) -> None:
    rows = [(n, f"row {n} " * 20, n * 1000, f"tail {n}") for n in range(1, 200)]
    original = made(tmp_path / "a.db", columns, rows)

    def damage(file: bytearray) -> None:
        at = file.index(b"row 150 " * 20 + (150_000).to_bytes(3, "big")) + 160
        file[at : at + 3] = (-150_000).to_bytes(3, "big", signed=True)
        overwritten(file, len(file) - 1, bytes(512))

    result = repaired(original, damage)
    assert result.extra.get("t", 0) == 0
    assert result.account.tables["t"].doubtful == 1


@pytest.mark.parametrize("indexed", [True, False])
def test_a_leaf_that_lost_a_part_of_its_header_hides_no_rows(tmp_path: Path, repaired: Repair, indexed: bool) -> None:
    original = made(tmp_path / "a.db", "(id INTEGER PRIMARY KEY, n INT)", [(n, n + 1000) for n in range(1, 2001)])
    if indexed:
        with databases.opened(original) as connection:
            connection.execute("CREATE INDEX t_n ON t(n)")

    def damage(file: bytearray) -> None:
        page = next(at for at in range(PAGE, len(file), PAGE) if file[at] == 13 and file[at + 3] == 1)
        file[page + 4 : page + 8] = bytes(4)  # the count is 256 now, and the cell content begins nowhere

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({}, {})
    assert result.account.whole is indexed


@pytest.mark.parametrize("torn", [False, True])
def test_pages_of_an_unknown_index_do_not_fill_the_holes_of_a_table(
    tmp_path: Path, repaired: Repair, torn: bool
) -> None:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE t(a INT, b INT, v REAL NOT NULL, q INT, PRIMARY KEY(a, b)) WITHOUT ROWID")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, NULL)", ((n % 7, 9000 + n, n + n % 2 / 2) for n in range(1500))
        )
        connection.execute("CREATE TABLE log(at INT, level INT)")
        connection.executemany("INSERT INTO log VALUES (?, ?)", ((9000 + n, n % 5) for n in range(900)))
        connection.execute("CREATE INDEX log_level ON log(level, at DESC)")

    def damage(file: bytearray) -> None:
        page = file.index(struct.pack(">d", 701.5)) // PAGE * PAGE
        file[page : page + PAGE] = bytes(PAGE)
        for at in range(PAGE, len(file), PAGE):
            first = at + int.from_bytes(file[at + 8 : at + 10], "big")
            if torn and file[at] == 10 and file[first + 1] == 4:  # a leaf of the index: it loses cell pointers
                file[at + 512 : at + 1024] = bytes(512)
        connection = sqlite3.connect(":memory:")
        connection.deserialize(bytes(file))
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("DELETE FROM sqlite_master WHERE tbl_name='log'")
        connection.commit()
        file[:] = connection.serialize()
        connection.close()

    result = repaired(path, damage)
    assert result.extra == {}
    assert 50 < result.missing["t"] < 500


@pytest.mark.parametrize(("encoding", "codec"), [("UTF-8", "utf-8"), ("UTF-16le", "utf-16-le")])
def test_a_text_that_was_overwritten_is_kept_apart(tmp_path: Path, repaired: Repair, encoding: str, codec: str) -> None:
    rows = [(n, f"row {n} günstig " * 30, n, f"tail {n}") for n in range(1, 101)]
    original = made(tmp_path / "a.db", KEYED[0], rows, encoding)

    def damage(file: bytearray) -> None:
        at = file.index("row 50 ".encode(codec)) + 100
        overwritten(file, len(file) - 1, bytes(512))
        file[at : at + 360] = random.Random(5).randbytes(360)

    result = repaired(original, damage)
    assert (result.missing["t"], result.extra.get("t", 0), result.account.tables["t"].doubtful) == (1, 0, 1)


def test_texts_of_another_encoding_are_a_habit(tmp_path: Path, repaired: Repair) -> None:
    original = made(tmp_path / "a.db", KEYED[0], [(n, f"row {n}", n, "tail") for n in range(1, 101)])
    with databases.opened(original) as connection:
        connection.execute("UPDATE t SET a = CAST(? AS TEXT)", ("günstig".encode("latin-1"),))
    result = repaired(original, lambda file: overwritten(file, len(file) - 1, bytes(512)))
    assert "t" not in result.missing
    assert result.account.tables["t"].doubtful == 0


@pytest.mark.parametrize("place", [PAGE - 512, 0])
def test_a_block_at_the_edge_of_an_overflow_page_is_seen(tmp_path: Path, repaired: Repair, place: int) -> None:
    blobs = [(n, None, n, random.Random(n).randbytes(3 * PAGE)) for n in range(1, 9)]
    original = made(tmp_path / "a.db", KEYED[0], blobs)

    def damage(file: bytearray) -> None:
        page = file.index(blobs[4][3][-2000 if place == 0 else 4000 :][:50]) // PAGE * PAGE  # the last page, or another
        overwritten(file, len(file) - 1, bytes(512))
        file[page + place : page + place + 512] = bytes(512)

    result = repaired(original, damage)
    assert result.extra.get("t", 0) == 0
    assert (result.missing["t"], result.account.tables["t"].doubtful) == (1, 1)


@pytest.mark.parametrize("blank", [bytes(512), b"\xff" * 512], ids=["zeros", "ones"])
@pytest.mark.parametrize("where", ["leaf", "chain"])
def test_a_block_without_anything_leaves_no_row_in_a_large_file(
    tmp_path: Path, repaired: Repair, monkeypatch: pytest.MonkeyPatch, blank: bytes, where: str
) -> None:
    for module in (mend, engine):
        monkeypatch.setattr(module, "SMALL", -1)
    values = [(n, (f"row {n} " * (140 if where == "leaf" else 1400)).encode(), n, f"tail {n}") for n in range(1, 41)]
    original = made(tmp_path / "a.db", KEYED[0], values)
    at = original.read_bytes().index(b"row 20 ") + (600 if where == "leaf" else 6000)
    result = repaired(original, lambda file: overwritten(file, at, blank))
    assert result.extra == {}
    assert result.missing["t"] == 1
    assert not result.account.whole


def test_free_space_and_the_ends_of_chains_are_no_reason_to_read_a_row(tmp_path: Path) -> None:
    rows = [(n, b"x" * (5000 if n % 3 else 100), n, "") for n in range(1, 200)]
    path = made(tmp_path / "a.db", KEYED[0], rows)
    with PageSource(path, geometry_of(path.read_bytes()[:100], path.stat().st_size)) as source:
        assert blanks.blanked(source, scan(source), never_stop) == frozenset()

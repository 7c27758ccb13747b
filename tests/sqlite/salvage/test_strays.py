"""Cells and pages that nothing leads to: a table gets back its own, and nothing deleted, nothing of another table."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from tests.sqlite.salvage.test_cures import PAGE, expect_whole, page_of, span

Repair = Callable[..., Repaired]


def made(path: Path, rows: int, *after: str, more: str = "") -> Path:
    """Make a table whose deleted rows stay in the file; `after` are statements that are run one by one."""
    with databases.opened(path) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.executescript(f"CREATE TABLE t(id INTEGER PRIMARY KEY, n INT, text TEXT); {more}")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)",
            ((one, one * 7919 % 100_003, f"text {one} " * 4) for one in range(1, rows + 1)),
        )
        connection.execute("COMMIT")
        for statement in after:
            connection.execute(statement)
    return path


def moved(data: bytearray, page: int) -> int:
    """Give a page a second place behind the end of the file; return its number."""
    data += data[span(page)]
    data[28:32] = struct.pack(">I", len(data) // PAGE)
    return len(data) // PAGE


def fragments(data: bytearray, leaf: int) -> None:
    data[(leaf - 1) * PAGE + 7] ^= 0x30


def free_blocks(data: bytearray, leaf: int) -> None:
    data[(leaf - 1) * PAGE + 1 : (leaf - 1) * PAGE + 3] = b"\x0f\xfe"


def content(data: bytearray, leaf: int) -> None:
    data[(leaf - 1) * PAGE + 5 : (leaf - 1) * PAGE + 7] = b"\x00\x02"


def a_pointer(data: bytearray, leaf: int) -> None:
    data[(leaf - 1) * PAGE + 8 + 4 : (leaf - 1) * PAGE + 8 + 6] = b"\x00\x00"


@pytest.mark.parametrize("damage", [fragments, free_blocks, content, a_pointer])
@pytest.mark.parametrize("where", ["at the end", "in the middle"])
def test_deleted_rows_of_a_leaf(
    tmp_path: Path, repaired: Repair, where: str, damage: Callable[[bytearray, int], None]
) -> None:
    """SQLite moves the border of the content over a deleted last cell, and joins free cells: some stay whole."""
    gone, whole = ((39, 38, 40), 38) if where == "at the end" else ((21, 20, 19), 20)
    path = made(tmp_path / "a.db", 40, *(f"DELETE FROM t WHERE id={one}" for one in gone))
    leaf = page_of(path, "t")
    assert path.read_bytes().count(f"text {whole} ".encode() * 4) == 1
    expect_whole(repaired(path, lambda data: damage(data, leaf)), "carve")


def test_deleted_rows_on_free_pages(tmp_path: Path, repaired: Repair) -> None:
    """Where a leaf is lost beside rows that were deleted, their pages would fit in its place."""
    path = made(tmp_path / "a.db", 2000, "DELETE FROM t WHERE id BETWEEN 500 AND 1500")
    leaf = next(page for at in range(40) if b"text 1501 " in path.read_bytes()[span(page := page_of(path, "t", at))])
    result = repaired(path, lambda data: data.__setitem__(span(leaf), bytes(PAGE)))
    assert 0 < result.missing["t"] < 100
    assert result.extra == {}


def test_a_copy_of_a_leaf_that_is_there_does_not_fill_the_hole_of_another(tmp_path: Path, repaired: Repair) -> None:
    path = made(tmp_path / "a.db", 2000)
    lost, there, first = page_of(path, "t", 3), page_of(path, "t", 9), page_of(path, "t", 0)

    def damage(data: bytearray) -> None:
        moved(data, there)
        moved(data, first)
        data[span(lost)] = bytes(PAGE)

    result = repaired(path, damage)
    assert result.extra == {}
    assert 0 < result.missing["t"] < 100
    assert result.account.tables["t"].read + result.account.tables["t"].carved == 2000 - result.missing["t"]


def test_of_two_copies_of_a_lost_leaf_one_is_taken(tmp_path: Path, repaired: Repair) -> None:
    path = made(tmp_path / "a.db", 2000)
    lost = page_of(path, "t", 3)

    def damage(data: bytearray) -> None:
        older = moved(data, moved(data, lost))
        data[span(older)] = bytes(data[span(older)]).replace(b"text", b"TEXT")
        data[span(lost)] = bytes(PAGE)

    result = repaired(path, damage)
    assert "t" not in result.missing or result.missing == result.extra
    assert result.account.tables["t"].read + result.account.tables["t"].carved == 2000
    assert result.account.unplaced > 0


def test_a_leaf_of_another_table_that_an_index_contradicts(tmp_path: Path, repaired: Repair) -> None:
    other = "CREATE INDEX by_n ON t(n); CREATE TABLE other(id INTEGER PRIMARY KEY, n INT, text TEXT)"
    fill = "INSERT INTO other SELECT id, n + 1, text || '!' FROM t"
    path = made(tmp_path / "a.db", 2000, fill, more=other)
    lost, foreign = page_of(path, "t", 3), page_of(path, "other", 3)

    def damage(data: bytearray) -> None:
        moved(data, foreign)
        data[span(lost)] = bytes(PAGE)

    result = repaired(path, damage)
    assert result.extra == {}
    assert list(result.missing) == ["t"]


def test_a_row_that_an_index_contradicts_is_kept_apart(tmp_path: Path, repaired: Repair) -> None:
    path = made(tmp_path / "a.db", 2000, more="CREATE INDEX by_n ON t(n)")
    leaf = page_of(path, "t", 3)
    page = path.read_bytes()[span(leaf)]
    with databases.opened(path) as connection:
        rows = connection.execute("SELECT id, n FROM t WHERE n > 70000").fetchall()
    key, value = next(row for row in rows if b"text %d " % row[0] in page)

    def damage(data: bytearray) -> None:
        at = data.index(struct.pack(">I", value)[1:] + b"text %d " % key, *span(leaf).indices(len(data))[:2])
        data[at + 1] ^= 0x10
        data[(leaf - 1) * PAGE + 8 : (leaf - 1) * PAGE + 12] = bytes(4)

    result = repaired(path, damage)
    assert (result.missing, result.extra) == ({"t": 1}, {})
    with databases.opened(result.output) as connection:
        rows = connection.execute(f"SELECT * FROM {result.account.unplaced_in}").fetchall()
    assert [row for row in rows if f"text {key} " in str(row)]


@pytest.mark.parametrize("wrong", [1, 40])
def test_a_rowid_that_breaks_the_order_costs_no_other_row(tmp_path: Path, repaired: Repair, wrong: int) -> None:
    path = made(tmp_path / "a.db", 2000)
    leaf = page_of(path, "t", 3)
    page = path.read_bytes()[span(leaf)]
    pointers = struct.unpack_from(">30H", page, 8)

    def damage(data: bytearray) -> None:
        at = (leaf - 1) * PAGE + pointers[20] + 1
        data[at : at + 2] = page[pointers[wrong if wrong < 30 else 29] + 1 :][:2]

    result = repaired(path, damage)
    assert result.extra == {}
    assert result.missing == {"t": 1}


def test_rows_without_rowid_are_found_where_no_pointer_leads_to_them(tmp_path: Path, repaired: Repair) -> None:
    keyed = "CREATE TABLE keyed(word TEXT PRIMARY KEY, n INT, text TEXT) WITHOUT ROWID"
    fill = "INSERT INTO keyed SELECT 'word ' || (id * 7919 % 2003), n, text FROM t"
    path = made(tmp_path / "a.db", 600, fill, more=keyed)
    leaf = page_of(path, "keyed", 3)

    def damage(data: bytearray) -> None:
        data[(leaf - 1) * PAGE + 8 : (leaf - 1) * PAGE + 48] = bytes(40)

    result = repaired(path, damage)
    assert (result.missing, result.extra) == ({}, {})


def test_deleted_rows_of_a_lost_freelist_are_not_of_a_table_that_lacks_others(tmp_path: Path, repaired: Repair) -> None:
    path = made(tmp_path / "a.db", 2000, "DELETE FROM t WHERE id BETWEEN 900 AND 1500")
    lost = page_of(path, "t", 3)

    def damage(data: bytearray) -> None:
        trunk = int.from_bytes(data[32:36], "big")
        assert trunk
        data[span(trunk)] = data[span(lost)] = bytes(PAGE)
        data[32:40] = bytes(8)

    result = repaired(path, damage)
    assert result.extra == {}
    assert 0 < result.missing["t"] < 100


def test_overflow_pages_of_a_row_whose_chain_ends_elsewhere_are_the_others(tmp_path: Path, repaired: Repair) -> None:
    path = made(tmp_path / "a.db", 20, "UPDATE t SET text = text || hex(zeroblob(8000)) WHERE id IN (7, 12)")
    with databases.opened(path) as connection:
        sql = "SELECT pageno FROM dbstat WHERE name='t' AND pagetype='overflow' ORDER BY path"
        chains = [page for (page,) in connection.execute(sql)]
    first, second = chains[: len(chains) // 2], chains[len(chains) // 2 :]
    assert len(first) == len(second) > 2

    def damage(data: bytearray) -> None:
        data[(first[0] - 1) * PAGE : (first[0] - 1) * PAGE + 4] = struct.pack(">I", second[0])

    result = repaired(path, damage)
    assert (result.missing, result.extra) == ({"t": 1}, {})


@pytest.mark.parametrize("to", ["index", "nothing"])
def test_a_leaf_that_nothing_leads_to_any_more_comes_back(tmp_path: Path, repaired: Repair, to: str) -> None:
    """The pointer to it is damaged: it leads to a page of an index, or is lost."""
    path = made(tmp_path / "a.db", 2000, more="CREATE INDEX by_n ON t(n)")
    root, index = page_of(path, "t"), page_of(path, "by_n", 2)

    def damage(data: bytearray) -> None:
        at = (root - 1) * PAGE + 12 + 2 * 5
        if to == "nothing":
            data[at : at + 2] = bytes(2)
            return
        (cell,) = struct.unpack_from(">H", data, at)
        data[(root - 1) * PAGE + cell : (root - 1) * PAGE + cell + 4] = struct.pack(">I", index)

    result = repaired(path, damage)
    assert (result.missing, result.extra, result.account.tables["t"].gaps) == ({}, {}, ())


def test_a_lost_pointer_and_its_lost_leaf_are_a_gap_where_it_was(tmp_path: Path, repaired: Repair) -> None:
    path = made(tmp_path / "a.db", 2000)
    root, lost = page_of(path, "t"), page_of(path, "t", 5)
    before = [int(line.split(b" ")[1]) for line in path.read_bytes()[span(lost)].split(b"text")[1:] if line[:1] == b" "]

    def damage(data: bytearray) -> None:
        data[(root - 1) * PAGE + 12 + 2 * 5 : (root - 1) * PAGE + 12 + 2 * 6] = bytes(2)
        data[span(lost)] = bytes(PAGE)

    result = repaired(path, damage)
    (gap,) = result.account.tables["t"].gaps
    assert (gap.after, gap.before) == (min(before) - 1, max(before) + 1)
    assert result.missing == {"t": max(before) - min(before) + 1}


@pytest.mark.parametrize("wrong", [0, 2, 5, 10])
def test_a_leaf_whose_kind_is_wrong_keeps_its_rows(tmp_path: Path, repaired: Repair, wrong: int) -> None:
    path = made(tmp_path / "a.db", 2000)
    leaf = page_of(path, "t", 5)
    result = repaired(path, lambda data: data.__setitem__((leaf - 1) * PAGE, wrong))
    assert (result.missing, result.extra, result.account.tables["t"].gaps) == ({}, {}, ())


@pytest.mark.parametrize("broken", [False, True])
def test_rows_of_the_schema_are_no_tables_rows(tmp_path: Path, repaired: Repair, *, broken: bool) -> None:
    """A leaf of the schema that nothing leads to would fit a table of five columns of which nothing is known."""
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE five(a BIGINT NOT NULL, b BIGINT NOT NULL, c TEXT, d BIGINT, e TEXT)")
        for one in range(60):
            connection.execute(f"CREATE TABLE other_{one}(id INTEGER PRIMARY KEY, note TEXT DEFAULT '{'x' * 200}')")
    data = path.read_bytes()
    leaf = next(page for page in range(2, len(data) // PAGE) if b"CREATE TABLE" in data[span(page)])
    root = page_of(path, "five")

    def damage(data: bytearray) -> None:
        content(data, moved(data, leaf)) if broken else moved(data, leaf)
        data[span(root)] = bytes(range(256)) * (PAGE // 256)

    result = repaired(path, damage)
    assert (result.missing, result.extra) == ({}, {})

"""The page walk against what SQLite reads, and against every kind of structural damage."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.makers import databases
from tests.makers.sound import varied
from toolkit.sqlite.pages import PageSource, geometry_of, record, scan, walk
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.record import RawText
from toolkit.sqlite.pages.rows import rows


def source_of(path: Path) -> PageSource:
    with path.open("rb") as file:
        return PageSource(path, geometry_of(file.read(100), path.stat().st_size))


def codes(path: Path) -> set[str]:
    return {finding.code for finding in walk(path)}


def stored(path: Path, table: str) -> list[tuple[int, list[Any]]]:
    """Return (rowid, values) as SQLite reads them, of the columns that are stored."""
    with databases.opened(path) as connection:
        connection.text_factory = bytes
        info = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
        names = [row[1].decode() for row in info if row[6] in (0, 3)]
        return [
            (row[0], list(row[1:]))
            for row in connection.execute(f"SELECT rowid, {','.join(names)} FROM {table} ORDER BY rowid")
        ]


@pytest.mark.parametrize("seed", range(40))
def test_a_sound_database_is_never_called_damaged(tmp_path: Path, seed: int) -> None:
    kind = varied(tmp_path / "a.db", seed, rows=60)
    with databases.opened(tmp_path / "a.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert list(walk(tmp_path / "a.db")) == [], kind


@pytest.mark.parametrize("seed", range(8))
def test_what_is_found_sound_at_a_glance_is_sound_cell_by_cell(tmp_path: Path, seed: int) -> None:
    """A scan looks at leaves of like cells all at once; one changed byte must not get past it."""
    path = tmp_path / "a.db"
    varied(path, seed, rows=300)
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    with source_of(path) as source:
        geometry = source.geometry
        leaves = [page for page in range(2, geometry.page_count + 1) if source.page(page)[0] in (10, 13)]
        heads = {page: nodes.parse(source.page(page), page, geometry) for page in leaves}
    for page, node in heads.items():  # in the header, the pointers, or where a cell has its sizes and its key
        places = [*range(8 + 2 * node.count), *(at + step for at in node.pointers for step in range(6))]
        data[(page - 1) * geometry.page_size + min(chance.choice(places), geometry.page_size - 1)] = chance.randrange(
            256
        )
    path.write_bytes(data)
    with PageSource(path, geometry) as source:
        found = scan.scan(source)
        for page in leaves:
            node = nodes.parse(source.page(page), page, geometry)
            if found.kinds[page] in (10, 13) and page not in found.faults:
                assert not node.faults, page
                assert found.counts[page] == node.count
                if node.kind == 13 and node.cells:
                    assert (found.first[page], found.last[page]) == (node.cells[0].rowid, node.cells[-1].rowid)
            else:
                assert node.faults or node.kind not in (10, 13), page


@pytest.mark.parametrize("seed", range(12))
def test_the_rows_of_the_pages_are_those_of_sqlite(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.db"
    encoding = str(varied(path, seed, rows=80)["encoding"])
    with databases.opened(path) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_master WHERE type='table'"))
    with source_of(path) as source:
        for table in {"plain", "counted", "loose"} & set(roots):
            expected = stored(path, table)
            found = []
            for rowid, values in rows(source, roots[table]):
                if table != "loose":
                    assert values[0] is None  # an INTEGER PRIMARY KEY is kept as the rowid
                    values[0] = rowid
                plain = [
                    record.text(value, encoding).encode() if isinstance(value, RawText) else value for value in values
                ]
                found.append((rowid, plain))
            assert [(row, list(map(_real, values))) for row, values in found] == [
                (row, list(map(_real, values))) for row, values in expected
            ]


def _real(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_a_walk_of_files_left_by_others_agrees(tmp_path: Path) -> None:
    for maker in (databases.shop, databases.zeroed_journal, databases.broken_fts, databases.broken_keys):
        assert list(walk(maker(tmp_path / f"{maker.__name__}.db"))) == []


def test_a_stale_page_count_is_no_damage(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db")
    data = bytearray(path.read_bytes())
    data[28:32] = struct.pack(">I", 3)
    data[92:96] = struct.pack(">I", 1)  # written by a library before 3.7.0
    path.write_bytes(data)
    assert list(walk(path)) == []


def test_a_file_that_grew_in_large_steps_is_no_damage(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db")
    with path.open("ab") as file:
        file.write(bytes(1 << 20))
    assert list(walk(path)) == []
    with path.open("ab") as file:
        file.write(b"something")
    assert codes(path) == {"page-count"}


def leaf(path: Path, table: str = "orders") -> int:
    """Return the second child of the root of `table`."""
    root = databases.root_page(path, table)
    page = path.read_bytes()[(root - 1) * 4096 : root * 4096]
    pointers = struct.unpack_from(">2H", page, 12)
    return int(struct.unpack_from(">I", page, pointers[1])[0])


def change(path: Path, page: int, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096 + offset)
        file.write(data)


@pytest.mark.parametrize(
    ("offset", "data", "code"),
    [
        (0, b"\0", "page-header"),
        (0, b"\x0a", "page-kind"),
        (3, b"\xff\xff", "page-header"),
        (5, b"\xff\xff", "page-header"),
        (8, b"\xff\xff", "cell-pointer"),
        (7, b"\x33", "free-blocks"),
        (1, b"\0\x03", "free-blocks"),
    ],
)
def test_a_broken_leaf_is_named(tmp_path: Path, offset: int, data: bytes, code: str) -> None:
    path = databases.shop(tmp_path / "a.db")
    page = leaf(path)
    change(path, page, offset, data)
    findings = list(walk(path))
    assert [(finding.page, finding.name) for finding in findings if finding.code == code] == [(page, "orders")]


def test_overlapping_cells_are_named(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db")
    page = leaf(path)
    content = path.read_bytes()[(page - 1) * 4096 :][:4096]
    change(path, page, 8, content[10:12])
    assert "key-order" in codes(path)
    assert "cell-overlap" in codes(path)


def test_pages_in_each_others_place_are_named(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=900)
    root = databases.root_page(path, "orders")
    data = path.read_bytes()
    pointers = struct.unpack_from(">2H", data, (root - 1) * 4096 + 12)
    children = [data[(root - 1) * 4096 + at :][:4] for at in pointers]
    change(path, root, pointers[0], children[1])
    change(path, root, pointers[1], children[0])
    assert codes(path) == {"key-order"}
    change(path, root, pointers[1], children[1])
    assert codes(path) == {"key-order", "page-used-twice", "page-unreachable"}
    change(path, root, pointers[1], b"\x7f\0\0\0")
    assert "child-outside" in codes(path)


def test_a_broken_chain_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE t(x)")
        connection.execute("INSERT INTO t VALUES (zeroblob(20000))")
    assert codes(path) == set()
    page = next(number for number in range(3, 8) if path.read_bytes()[(number - 1) * 4096 + 3])
    for following in (0, page, 9999, 2):
        change(path, page, 0, struct.pack(">I", following))
        assert "overflow-chain" in codes(path), following


def test_a_broken_freelist_is_named(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=3000)
    with databases.opened(path) as connection:
        connection.execute("DELETE FROM orders")
    assert codes(path) == set()
    trunk = int.from_bytes(path.read_bytes()[32:36], "big")
    count = path.read_bytes()[36:40]
    change(path, 1, 36, b"\0\0\0\x01")
    assert codes(path) == {"freelist"}
    change(path, 1, 36, count)
    change(path, trunk, 0, struct.pack(">I", trunk))
    assert "freelist" in codes(path)
    change(path, trunk, 0, struct.pack(">II", 0, 70000))
    assert codes(path) == {"freelist", "page-unreachable"}


def test_a_broken_pointer_map_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("PRAGMA auto_vacuum=FULL")
        connection.execute("CREATE TABLE t(x)")
        connection.execute("INSERT INTO t VALUES (zeroblob(20000))")
    assert codes(path) == set()
    change(path, 2, 7, b"\x09")
    assert codes(path) == {"pointer-map"}


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    assert "page-count" in codes(databases.truncated(tmp_path / "a.db"))


@pytest.mark.parametrize("seed", range(150))
def test_random_damage_ends_and_raises_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "a.db"
    varied(path, seed % 5, rows=20)
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 5, 200))):
        at = chance.randrange(100, len(data))
        data[at : at + 8] = chance.choice((bytes(8), b"\xff" * 8, chance.randbytes(8)))
    del data[chance.randrange(len(data) // 2, len(data)) :]
    path.write_bytes(data)
    findings = list(walk(path))
    assert len(findings) < 20 * (len(data) // 512 + 1000)

"""Each cure with a file that needs just that cure: every row and object comes back."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.sound import varied
from tests.sqlite.salvage.conftest import Repaired
from toolkit.errors import LifeboatError, UnrepairableError
from toolkit.sqlite.salvage import repair
from toolkit.sqlite.salvage.measure import measure

Repair = Callable[..., Repaired]
PAGE = 4096


def expect_whole(result: Repaired, *strategies: str) -> None:
    """Assert that nothing is missing and nothing was added."""
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())
    assert result.account.strategy in strategies
    assert not result.account.lost_objects


def span(page: int) -> slice:
    return slice((page - 1) * PAGE, page * PAGE)


def page_of(path: Path, name: str, *way: int) -> int:
    """Return the page that the children numbers `way` lead to from the root of `name`."""
    page, data = databases.root_page(path, name), path.read_bytes()
    for child in way:
        begin = (page - 1) * PAGE
        (pointer,) = struct.unpack_from(">H", data, begin + 12 + 2 * child)
        (page,) = struct.unpack_from(">I", data, begin + pointer)
    return int(page)


@pytest.mark.parametrize("seed", range(24))
def test_a_sound_database_comes_out_as_it_is(tmp_path: Path, repaired: Repair, seed: int) -> None:
    varied(tmp_path / "a.db", seed, rows=60)
    result = repaired(tmp_path / "a.db", lambda data: None)
    expect_whole(result, "none")
    assert result.output.read_bytes() == (tmp_path / "a.db").read_bytes()
    assert result.account.whole


def test_a_sound_database_with_a_collation_of_its_own_comes_out_as_it_is(tmp_path: Path) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.create_collation("OWN", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT COLLATE OWN UNIQUE)")
        connection.executemany("INSERT INTO t(name) VALUES (?)", ((f"name {n}",) for n in range(500)))
    (tmp_path / "scratch").mkdir()
    account = repair(original, tmp_path / "output.db", scratch=tmp_path / "scratch")
    assert account.strategy == "none"
    assert (tmp_path / "output.db").read_bytes() == original.read_bytes()


def test_a_damaged_database_with_a_collation_of_its_own_is_mended(tmp_path: Path) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.create_collation("OWN", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE INDEX own ON t(name COLLATE OWN)")
        connection.executemany("INSERT INTO t(name) VALUES (?)", ((f"name {n}",) for n in range(900)))
    root = databases.root_page(original, "t")
    databases.flip_page(original, root)
    (tmp_path / "scratch").mkdir()
    account = repair(original, tmp_path / "output.db", scratch=tmp_path / "scratch")
    with databases.opened(tmp_path / "output.db") as connection:
        assert connection.execute("SELECT count(*), min(id), max(id) FROM t NOT INDEXED").fetchone() == (900, 1, 900)
    assert account.lost_objects == ("index own",)


def test_a_sound_database_with_a_wal_comes_out_with_what_the_wal_holds(tmp_path: Path, repaired: Repair) -> None:
    original = databases.wal(tmp_path / "a.db", shm=False)
    data = original.read_bytes(), Path(f"{original}-wal").read_bytes()
    result = repaired(original, lambda data: None)
    expect_whole(result, "sidecars")
    assert result.output.read_bytes()[18:20] == b"\2\2"
    assert databases.row_counts(result.output)["orders"] == 800
    assert data[0] != result.output.read_bytes()


def test_a_hot_journal_is_rolled_back(tmp_path: Path, repaired: Repair) -> None:
    expect_whole(repaired(databases.hot_journal(tmp_path / "a.db"), lambda data: None), "sidecars")


@pytest.mark.parametrize(
    ("at", "data"),
    [
        (0, bytes(16)),
        (16, b"\x03\xe8"),
        (18, b"\x07\x07"),
        (20, b"\x28"),
        (21, bytes(3)),
        (28, b"\xff" * 4),
        (32, b"\0\0\0\x09\0\0\0\x07"),
        (44, b"\0\0\0\x09"),
        (56, b"\0\0\0\x02"),
        (0, bytes(100)),
    ],
)
def test_a_broken_header_is_mended(tmp_path: Path, repaired: Repair, at: int, data: bytes) -> None:
    def damage(file: bytearray) -> None:
        file[at : at + len(data)] = data

    expect_whole(repaired(databases.shop(tmp_path / "a.db"), damage), "header", "vacuum", "none")


def test_bytes_before_the_file_are_taken_away(tmp_path: Path, repaired: Repair) -> None:
    def damage(file: bytearray) -> None:
        file[0:0] = b"HTTP/1.1 200 OK\r\n\r\n"

    expect_whole(repaired(databases.shop(tmp_path / "a.db"), damage), "header")


@pytest.mark.parametrize("name", ["orders_by_user", "orders_by_day", "sqlite_autoindex_users_1"])
@pytest.mark.parametrize("content", [bytes(PAGE), b"\xa5" * PAGE])
def test_a_broken_index_is_made_anew(tmp_path: Path, repaired: Repair, name: str, content: bytes) -> None:
    original = databases.shop(tmp_path / "a.db")

    def damage(file: bytearray) -> None:
        file[span(page_of(original, name))] = content

    result = repaired(original, damage)
    expect_whole(result, "indexes")
    assert result.account.whole


def test_a_broken_full_text_index_is_made_anew(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db")

    def damage(file: bytearray) -> None:
        file[span(page_of(original, "notes_data"))] = bytes(PAGE)

    result = repaired(original, damage)
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())
    assert result.account.complete
    with databases.opened(result.output) as connection:
        connection.execute("INSERT INTO notes(notes, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("SELECT count(*) FROM notes WHERE notes MATCH 'quick'").fetchone() == (50,)


def test_a_broken_r_tree_is_made_anew(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1, +name)")
        connection.executemany(
            "INSERT INTO boxes VALUES (?, ?, ?, 0, 1, ?)", ((n, n, n + 0.5, f"box {n}") for n in range(500))
        )
        rows = connection.execute("SELECT * FROM boxes ORDER BY id").fetchall()
        connection.execute("UPDATE boxes_node SET data = zeroblob(length(data)) WHERE nodeno = 1")
        connection.execute("DELETE FROM boxes_parent")
    result = repaired(original, lambda data: None)
    assert result.account.strategy == "virtual"
    with databases.opened(result.output) as connection:
        assert connection.execute("SELECT * FROM boxes ORDER BY id").fetchall() == rows
        assert connection.execute("SELECT rtreecheck('boxes')").fetchone() == ("ok",)


def test_a_broken_freelist_goes_away(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db", orders=2000)
    with databases.opened(original) as connection:
        connection.execute("DELETE FROM orders WHERE id % 5 > 0")
        connection.execute("DROP TABLE audit")
    trunk = int.from_bytes(original.read_bytes()[32:36], "big")

    def damage(file: bytearray) -> None:
        file[span(trunk)] = b"\xff" * PAGE

    expect_whole(repaired(original, damage), "vacuum")


def test_a_broken_pointer_map_is_made_anew(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("PRAGMA auto_vacuum=FULL")
        connection.execute("CREATE TABLE t(x)")
        connection.executemany("INSERT INTO t VALUES (?)", ((bytes(300),) for _ in range(200)))

    def damage(file: bytearray) -> None:
        file[span(2)] = b"\x09" * PAGE

    result = repaired(original, damage)
    expect_whole(result, "vacuum")
    with databases.opened(result.output) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (1,)


@pytest.mark.parametrize("content", [bytes(PAGE), b"\xa5" * PAGE])
def test_leaves_that_lost_their_root_are_adopted(tmp_path: Path, repaired: Repair, content: bytes) -> None:
    original = databases.shop(tmp_path / "a.db", orders=1500)

    def damage(file: bytearray) -> None:
        file[span(page_of(original, "orders"))] = content
        file[span(page_of(original, "audit"))] = content

    expect_whole(repaired(original, damage), "mend")


def test_two_pages_in_each_others_place_change_back(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db", orders=1500)
    one, other = span(page_of(original, "orders", 1)), span(page_of(original, "audit", 1))

    def damage(file: bytearray) -> None:
        file[one], file[other] = file[other], file[one]

    expect_whole(repaired(original, damage), "mend")


@pytest.mark.parametrize("broken", [slice(0, 8), slice(0, 1), slice(3, 5), slice(5, 7)])
@pytest.mark.parametrize("name", ["orders", "audit"])
def test_cells_are_carved_from_a_page_with_a_broken_header(
    tmp_path: Path, repaired: Repair, name: str, broken: slice
) -> None:
    original = databases.shop(tmp_path / "a.db", orders=800)
    begin = (page_of(original, name, 1) - 1) * PAGE

    def damage(file: bytearray) -> None:
        file[begin + broken.start : begin + broken.stop] = b"\xee" * (broken.stop - broken.start)

    expect_whole(repaired(original, damage), "carve", "mend")


def test_cells_are_carved_from_a_page_without_pointers(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db", orders=800)
    begin = (page_of(original, "orders", 1) - 1) * PAGE

    def damage(file: bytearray) -> None:
        file[begin + 8 : begin + 60] = bytes(52)

    expect_whole(repaired(original, damage), "carve")


def test_rows_without_rowid_are_carved(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db")
    begin = (page_of(original, "products", 1) - 1) * PAGE

    def damage(file: bytearray) -> None:
        file[begin : begin + 8] = bytes(8)

    expect_whole(repaired(original, damage), "carve")


def test_deleted_rows_never_come_back(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, f"name of {n}") for n in range(2000)))
        connection.execute("DELETE FROM t WHERE id % 7 IN (0, 3)")
        connection.execute("DELETE FROM t WHERE id BETWEEN 600 AND 1200")
    page = page_of(original, "t", 1)

    def damage(file: bytearray) -> None:
        file[span(databases.root_page(original, "t"))] = bytes(PAGE)
        file[(page - 1) * PAGE : (page - 1) * PAGE + 1] = b"\0"

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({}, {})


def test_the_schema_comes_from_a_reference_when_page_1_is_lost(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db", orders=800)
    reference = tmp_path / "reference.db"
    with databases.opened(original) as connection:
        connection.execute("VACUUM INTO ?", (str(reference),))
    with databases.opened(original) as connection:  # since then
        connection.execute("DELETE FROM orders WHERE id % 9 = 0")
        connection.executemany("INSERT INTO orders(user_id, note) VALUES (?, 'new')", ((1,) for _ in range(300)))

    def damage(file: bytearray) -> None:
        file[span(1)] = bytes(PAGE)

    result = repaired(original, damage, reference)
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())


def test_what_breaks_a_rule_is_kept_apart(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        sql = connection.execute("SELECT sql FROM sqlite_master WHERE name='users'").fetchone()[0]
        connection.execute("UPDATE sqlite_master SET sql=? WHERE name='users'", (sql.replace(" NOT NULL", ""),))
    with databases.opened(original) as connection:
        connection.execute("UPDATE users SET name = NULL WHERE id = 7")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql=? WHERE name='users'", (sql,))
    result = repaired(original, lambda data: None)
    assert (result.missing, result.extra) == ({"users": 1}, {})
    assert (result.account.tables["users"].doubtful, result.account.unplaced) == (1, 1)
    with databases.opened(result.output) as connection:
        assert connection.execute("SELECT id, mark, c2 FROM lost_and_found").fetchall() == [
            (7, "users", "user7@example0.org")
        ]


def test_lost_rows_are_told(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db", orders=900)

    def damage(file: bytearray) -> None:
        file[span(page_of(original, "orders", 1))] = bytes(PAGE)
        file[span(page_of(original, "audit", 1))] = bytes(PAGE)

    result = repaired(original, damage)
    assert result.missing.keys() == {"orders", "audit"}
    orders, audit = result.account.tables["orders"], result.account.tables["audit"]
    assert orders.lost == len(orders.named or ()) == result.missing["orders"]
    (gap,) = audit.gaps
    assert isinstance(gap.before, int)
    assert isinstance(gap.after, int)
    assert gap.before - gap.after - 1 == result.missing["audit"]
    assert not result.account.whole


@pytest.mark.parametrize("maker", [databases.zero_bytes, databases.not_a_database])
def test_what_is_no_database_cannot_be_repaired(tmp_path: Path, maker: Callable[[Path], Path]) -> None:
    (tmp_path / "scratch").mkdir()
    with pytest.raises(UnrepairableError):
        repair(maker(tmp_path / "a.db"), tmp_path / "output.db", scratch=tmp_path / "scratch")
    assert not (tmp_path / "output.db").exists()


def test_a_stop_leaves_nothing(tmp_path: Path) -> None:
    original = databases.flipped_page(tmp_path / "a.db")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(LifeboatError, match="cancelled"):
        repair(original, tmp_path / "output.db", scratch=tmp_path / "scratch", should_stop=lambda: True)
    assert not (tmp_path / "output.db").exists()


@pytest.mark.parametrize("moved", [1, 100, PAGE, -PAGE, -7])
def test_pages_behind_moved_bytes_go_back(tmp_path: Path, repaired: Repair, moved: int) -> None:
    original = databases.shop(tmp_path / "a.db", orders=3000)
    at = 60 * PAGE + 2000

    def damage(file: bytearray) -> None:
        if moved > 0:
            file[at:at] = b"\xaa" * moved
        else:
            del file[at : at - moved]

    result = repaired(original, damage)
    assert sum(result.missing.values()) <= 120  # of the page or two in which the border lies
    assert (result.extra, result.objects) == ({}, set())


def test_a_schema_row_whose_record_is_broken_is_read_by_its_words(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db")
    place = original.read_bytes().index(b"tableproductsproducts")

    def damage(file: bytearray) -> None:
        file[place - 6 : place] = b"\xff" * 6

    result = repaired(original, damage)
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())


def test_rows_of_an_unknown_schema_are_kept(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db", orders=900)

    def damage(file: bytearray) -> None:
        file[span(1)] = bytes(PAGE)

    result = repaired(original, damage)
    assert result.account.unplaced >= 900
    assert not result.account.whole
    with databases.opened(result.output) as connection:
        assert connection.execute("SELECT count(*) FROM lost_and_found WHERE c4 LIKE 'note %'").fetchone()[0] >= 700


def test_a_counter_that_is_no_number_is_set_by_the_rows(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq='many' WHERE name='orders'")
    result = repaired(original, lambda data: None)
    with databases.opened(result.output) as connection:
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name='orders'").fetchall() == [(500,)]


def test_a_row_with_a_torn_block_is_doubtful(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, f"name {n} " * 120) for n in range(40)))
    page = page_of(original, "t", 4)
    other = page_of(original, "t", 9)

    def damage(file: bytearray) -> None:
        file[(page - 1) * PAGE + 2048 : (page - 1) * PAGE + 2560] = bytes(512)
        file[(other - 1) * PAGE : (other - 1) * PAGE + 1] = b"\0"  # so that something is seen to be wrong

    result = repaired(original, damage)
    assert result.extra == {}
    assert 1 <= result.account.tables["t"].doubtful <= result.missing["t"] <= 2


def test_a_journal_of_another_database_is_left_aside(tmp_path: Path) -> None:
    original = databases.shop(tmp_path / "a.db", orders=900)
    databases.hot_journal(tmp_path / "b.db", orders=300)
    (tmp_path / "b.db-journal").rename(tmp_path / "a.db-journal")
    (tmp_path / "scratch").mkdir()
    account = repair(original, tmp_path / "output.db", scratch=tmp_path / "scratch")
    assert account.strategy == "none"
    assert databases.row_counts(tmp_path / "output.db")["orders"] == 900
    assert (tmp_path / "output.db").read_bytes() == original.read_bytes()


def test_a_wal_behind_a_wrong_checksum_is_played(tmp_path: Path, repaired: Repair) -> None:
    original = databases.wal(tmp_path / "a.db", shm=False)
    beside = Path(f"{original}-wal")
    data = bytearray(beside.read_bytes())
    data[32 + 16] ^= 0xFF  # the sum of the first frame
    beside.write_bytes(data)
    result = repaired(original, lambda file: None)
    assert databases.row_counts(result.output)["orders"] == 800


def _pairs(path: Path) -> Path:
    """Make a WITHOUT ROWID table with a stored generated column, and a plain table beside it."""
    with databases.opened(path) as connection:
        connection.executescript(
            "PRAGMA page_size=4096; CREATE TABLE plain(id INTEGER PRIMARY KEY, text TEXT);"
            "CREATE TABLE pairs(k TEXT NOT NULL, n INT NOT NULL, v ANY, both TEXT AS (k || '/' || n) STORED,"
            " PRIMARY KEY(k, n)) WITHOUT ROWID, STRICT; BEGIN;"
        )
        connection.executemany("INSERT INTO plain VALUES (?, ?)", ((n, f"text {n}") for n in range(1, 400)))
        connection.executemany("INSERT INTO pairs(k, n, v) VALUES (?, ?, ?)", ((f"k{n}", n, n) for n in range(1500)))
        connection.execute("COMMIT")
    return path


def test_a_generated_column_of_a_table_without_rowid_is_made_anew(tmp_path: Path, repaired: Repair) -> None:
    original = _pairs(tmp_path / "a.db")
    leaf = page_of(original, "pairs", 2)

    def damage(data: bytearray) -> None:
        data[span(leaf)] = bytes(PAGE)

    result = repaired(original, damage)
    assert list(result.missing) == ["pairs"]
    assert 0 < result.missing["pairs"] < 300
    assert result.extra == {}
    assert result.account.tables["pairs"].gaps


def test_a_table_that_cannot_be_written_leaves_the_others_whole(
    tmp_path: Path, repaired: Repair, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = _pairs(tmp_path / "a.db")
    leaf = page_of(original, "pairs", 2)

    def damage(data: bytearray) -> None:
        data[span(leaf)] = bytes(PAGE)

    def broken(*_: object, **__: object) -> None:
        raise IndexError("a byte that is not there")

    monkeypatch.setattr("toolkit.sqlite.salvage.unkeyed.Unkeyed.collect", broken)
    result = repaired(original, damage)
    assert result.missing == {"pairs": 1500}
    assert result.account.tables["plain"].whole
    assert not result.account.whole
    assert any("pairs" in doubt for doubt in result.account.doubts)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE marred(id INTEGER PRIMARY KEY, some_column TEXT)",
        "CREATE VIEW marred AS SELECT id AS some_column FROM plain",
        "CREATE TRIGGER marred AFTER INSERT ON plain BEGIN SELECT 'some_column'; END",
        "CREATE INDEX marred ON plain(text, 'some_column')",
        "CREATE INDEX some_column ON plain(text)",
        "CREATE TABLE some_column(id INTEGER PRIMARY KEY, x UNIQUE)",
        "CREATE TABLE marred(id INTEGER PRIMARY KEY, x COLLATE some_column)",
        "CREATE VIRTUAL TABLE marred USING fts5(some_column)",
    ],
)
@pytest.mark.parametrize("noise", [b"\xff\xfe\xc3", b"'\xff;", b"202"])
def test_bytes_in_the_schema_that_are_no_text_cost_no_other_table(
    tmp_path: Path, repaired: Repair, statement: str, noise: bytes
) -> None:
    original = _pairs(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.create_collation("some_column", lambda one, other: (one > other) - (one < other))
        connection.execute(statement.replace("'some_column'", "1+1"))
    at = original.read_bytes().rfind(b"1+1" if "'some_column'" in statement else b"some_column", 0, PAGE)

    leaf = page_of(original, "pairs", 2)

    def damage(data: bytearray) -> None:
        data[at : at + 3] = noise
        data[span(leaf)] = bytes(PAGE)

    result = repaired(original, damage)
    assert list(result.missing) == ["pairs"]
    assert result.missing["pairs"] < 300
    assert noise == b"202" or [*result.account.lost_objects, *result.account.doubts]


def test_what_was_checked_already_is_only_counted(tmp_path: Path) -> None:
    original = _pairs(tmp_path / "a.db")
    assert measure(original, checked=True) == measure(original)
    leaf = page_of(original, "pairs", 2)
    data = bytearray(original.read_bytes())
    data[span(leaf)] = bytes(PAGE)
    original.write_bytes(data)
    assert not measure(original).sound
    assert measure(original, checked=True).rows.get("plain") == 399


def test_rows_that_vacuum_numbered_anew_find_their_table_beside_an_older_backup(
    tmp_path: Path, repaired: Callable[..., Repaired]
) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE names(name TEXT, born INTEGER)")
        connection.executemany("INSERT INTO names VALUES (?, ?)", ((f"name {n}", 1900 + n) for n in range(900)))
        connection.execute("CREATE TABLE other(a TEXT, b TEXT, c TEXT)")
        connection.execute("INSERT INTO other VALUES ('a', 'b', 'c')")
    reference = tmp_path / "reference.db"
    reference.write_bytes(original.read_bytes())
    with databases.opened(original) as connection:
        connection.execute("DELETE FROM names WHERE rowid < 60")
        connection.execute("VACUUM")
    root = page_of(original, "names")
    result = repaired(original, lambda data: data.__setitem__(span(root), bytes(PAGE)), reference)
    assert (result.missing, result.extra) == ({}, {})
    assert result.account.tables["names"].whole

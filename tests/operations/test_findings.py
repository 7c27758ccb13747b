"""Every finding that the reference names is provoked by a file that has just that fault, and a sound one has none."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases, mounts, sidecars
from tests.makers.applications import Shop, configured, shop
from tests.makers.holding import locked
from toolkit.archive.manifest import DatabaseRecord
from toolkit.operations import diagnose
from toolkit.operations.diagnose import DiagnosedTarget, DiagnoseRequest
from toolkit.operations.diagnosing import around as findings_around
from toolkit.operations.diagnosing import checks as findings
from toolkit.operations.diagnosing import pages as findings_pages
from toolkit.operations.diagnosing.codes import KINDS, Finding, Severity
from toolkit.sqlite import check, rollback
from toolkit.sqlite.pages import PageFinding
from toolkit.sqlite.plausible import cell_end, pointers

Make = Callable[[Path], object]


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20)


def look(made: Shop, *words: str | Path, quick: bool = False) -> list[DiagnosedTarget]:
    named = diagnose.named(made.session(), [str(word) for word in words])
    report = made.job(
        "diagnose", lambda session, job: diagnose.run(session, DiagnoseRequest(profiles=named, quick=quick), job)
    )
    return report.targets


def put(path: Path, at: int, junk: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(junk)


def shop_with(*writes: tuple[int, bytes]) -> Make:
    """Return what makes a shop with bytes written over its header."""

    def make(path: Path) -> None:
        databases.shop(path, orders=60)
        for at, junk in writes:
            put(path, at, junk)

    return make


def changed(change: Callable[[bytes], bytes]) -> Make:
    def make(path: Path) -> None:
        path.write_bytes(change(databases.shop(path, orders=60).read_bytes()))

    return make


def said(*statements: str) -> Make:
    def make(path: Path) -> None:
        databases.shop(path, orders=60)
        with databases.opened(path) as connection:
            for statement in statements:
                connection.execute(statement)

    return make


def tree(path: Path, *, vacuum: str = "NONE") -> bytearray:
    """Make a table of three levels, one with an overflow chain, an index and free pages; return the bytes."""
    with databases.opened(path) as connection:
        connection.execute("PRAGMA page_size=512")
        connection.execute(f"PRAGMA auto_vacuum={vacuum}")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
        connection.execute("CREATE TABLE long(a)")
        connection.execute("CREATE INDEX by_a ON t(a)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, f"value {n}") for n in range(150)))
        connection.execute("INSERT INTO long VALUES (zeroblob(3000))")
        connection.execute("CREATE TABLE gone(a)")
        connection.execute("INSERT INTO gone VALUES (zeroblob(5000))")
        connection.execute("COMMIT")
        connection.execute("DROP TABLE gone")
    return bytearray(path.read_bytes())


def of_tree(change: Callable[[bytearray, dict[str, int]], None], *, vacuum: str = "NONE") -> Make:
    """Return what makes such a table and changes its bytes; roots are given as offsets by name."""

    def make(path: Path) -> None:
        data = tree(path, vacuum=vacuum)
        roots = {name: (databases.root_page(path, name) - 1) * 512 for name in ("t", "long", "by_a")}
        change(data, roots)
        path.write_bytes(data)

    return make


def leaf_of(data: bytearray, root: int) -> int:
    """Return the offset of the first leaf of the tree at `root`."""
    while data[root] != 0x0D:
        root = (struct.unpack_from(">I", data, root + pointers(data[root : root + 512])[0])[0] - 1) * 512
    return root


def set_right_child(value: Callable[[bytearray, dict[str, int]], int]) -> Callable[[bytearray, dict[str, int]], None]:
    return lambda data, roots: struct.pack_into(">I", data, roots["t"] + 8, value(data, roots))


def first_child(data: bytearray, roots: dict[str, int]) -> int:
    return int(struct.unpack_from(">I", data, roots["t"] + pointers(data[roots["t"] : roots["t"] + 512])[0])[0])


def overflow(data: bytearray, roots: dict[str, int]) -> None:
    page = data[roots["long"] : roots["long"] + 512]
    (at,) = pointers(page)
    end = cell_end(page, at, 0x0D, 512)
    assert end is not None
    head = struct.unpack_from(">I", page, end - 4)[0]
    struct.pack_into(">I", data, (head - 1) * 512, 0)


def leaf_header(at: int, junk: Callable[[bytearray], bytes]) -> Callable[[bytearray, dict[str, int]], None]:
    def change(data: bytearray, roots: dict[str, int]) -> None:
        leaf = leaf_of(data, roots["t"])
        new = junk(data[leaf : leaf + 512])
        data[leaf + at : leaf + at + len(new)] = new

    return change


def stale_wal(path: Path) -> None:
    sidecars.wal_of(path)
    with databases.opened(path.with_name("later.db")) as later:
        later.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB)")
    shutil.copyfile(path.with_name("later.db"), path)


def wal_with(at: int, junk: bytes) -> Make:
    def make(path: Path) -> None:
        sidecars.wal_of(path)
        put(Path(f"{path}-wal"), at, junk)

    return make


def journal_with(at: int, junk: bytes) -> Make:
    def make(path: Path) -> None:
        sidecars.hot_journal_of(path)
        put(Path(f"{path}-journal"), at, junk)

    return make


def stale_journal(path: Path) -> None:
    sidecars.hot_journal_of(path)
    put(path, 24, b"\0\0\x01\0")
    put(path, 92, b"\0\0\x01\0")


def broken_record(path: Path) -> None:
    sidecars.hot_journal_of(path)
    journal = rollback.read(f"{path}-journal")
    put(Path(f"{path}-journal"), journal.record(2).offset + 4096 - 200, b"\xee")


def many_tables(path: Path) -> None:
    with databases.opened(path) as connection:
        connection.execute("BEGIN")
        for n in range(200):
            connection.execute(f"CREATE TABLE t{n}(a, b, c, d)")
        connection.execute("COMMIT")
    data = path.read_bytes()
    child = struct.unpack_from(">I", data, pointers(data[:4096], first=True)[0])[0]
    databases.flip_page(path, child)


def rtree(path: Path) -> None:
    with databases.opened(path) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE VIRTUAL TABLE places USING rtree(id, x0, x1)")
        connection.executemany("INSERT INTO places VALUES (?, ?, ?)", ((n, n, n + 1) for n in range(200)))
        connection.execute("DELETE FROM places_rowid WHERE rowid = 7")
        connection.execute("COMMIT")


def bad_text(path: Path) -> None:
    data = databases.shop(path, orders=60).read_bytes()
    path.write_bytes(data.replace(b"user7@example", b"user\xff@example"))
    with databases.opened(path) as connection:
        connection.execute("REINDEX")


def broken_constraint(path: Path) -> None:
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE t(a CHECK (a > 0), b DEFAULT 'CHECK (b)' /* CHECK (no) */)")
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("INSERT INTO t VALUES (-1, 1)")


def unparsable(path: Path) -> None:
    databases.shop(path, orders=60)
    with databases.opened(path) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql='CREATE TABLE nonsense (' WHERE name='audit'")


def large_wal(path: Path) -> None:
    sidecars.wal_of(path)
    os.truncate(f"{path}-wal", 80 << 20)


def unknown_function(path: Path) -> None:
    with databases.opened(path) as connection:
        connection.create_collation("own", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE TABLE t(a COLLATE own)")
        connection.execute("CREATE INDEX i ON t(a)")
        connection.executemany("INSERT INTO t VALUES (?)", (("b",), ("a",)))


def other_mode(path: Path) -> None:
    sidecars.wal_of(path)
    path.chmod(0o640)
    os.chmod(f"{path}-wal", 0o600)


def without_sync(path: Path) -> None:
    sidecars.hot_journal_of(path, sync=False)


def lost_sector(path: Path) -> None:
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE letters(body TEXT)")
        connection.execute("INSERT INTO letters VALUES (?)", ("a letter " * 2000,))
    put(path, path.stat().st_size - 8192 + 1024, bytes(512))


def lost_counter(path: Path) -> None:
    databases.shop(path)
    with databases.opened(path) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 3")


RANDOM = random.Random(9)

PROVOKED: dict[str, Make] = {
    "empty": databases.zero_bytes,
    "not-a-database": databases.not_a_database,
    "encrypted": lambda path: path.write_bytes(RANDOM.randbytes(40960)),
    "damaged": many_tables,
    "prefix": changed(lambda data: b"\xef\xbb\xbf" + data),
    "line-ends": changed(lambda data: data.replace(b"\n", b"\r\n")),
    "size": databases.truncated,
    "page-1": shop_with((100, bytes(8))),
    "header": shop_with((0, bytes(100))),
    "magic": shop_with((3, b"!")),
    "page-size": shop_with((16, b"\x13\x37")),
    "versions": shop_with((18, b"\x09")),
    "reserved": shop_with((20, b"\x30")),
    "fractions": shop_with((21, b"\x41")),
    "encoding": shop_with((59, b"\x02")),
    "schema-format": shop_with((44, b"\0\0\0\x07")),
    "expansion": shop_with((80, b"abc")),
    "auto-vacuum": shop_with((64, b"\0\0\0\x01")),
    "page-header": databases.flipped_page,
    "page-kind": of_tree(set_right_child(lambda _, roots: roots["by_a"] // 512 + 1)),
    "page-used-twice": of_tree(set_right_child(first_child)),
    "page-unreachable": of_tree(set_right_child(first_child)),
    "child-outside": of_tree(set_right_child(lambda *_: 0x7FFFFFF0)),
    "cell-pointer": of_tree(leaf_header(8, lambda _: b"\0\x02")),
    "cell-overlap": of_tree(leaf_header(8, lambda leaf: bytes(leaf[10:12]))),
    "free-blocks": of_tree(leaf_header(7, lambda leaf: bytes([leaf[7] + 3]))),
    "key-order": of_tree(leaf_header(8, lambda leaf: bytes(leaf[10:12] + leaf[8:10]))),
    "overflow-chain": of_tree(overflow),
    "freelist": of_tree(lambda data, _: struct.pack_into(">I", data, 36, 3)),
    "pointer-map": of_tree(lambda data, _: struct.pack_into(">BI", data, 512 + 5 * 9, 5, 77), vacuum="INCREMENTAL"),
    "integrity": databases.flipped_page,
    "rows": databases.flipped_page,
    "schema": unparsable,
    "constraints": broken_constraint,
    "foreign-keys": databases.broken_keys,
    "full-text": databases.broken_fts,
    "r-tree": rtree,
    "text": bad_text,
    "sectors": lost_sector,
    "sequence": lost_counter,
    "wal-header": wal_with(0, bytes(32)),
    "wal-frames": wal_with(32 + 24 + 200, b"\xee" * 9),
    "wal-foreign": stale_wal,
    "wal-left": sidecars.wal_of,
    "wal-large": large_wal,
    "journal-header": journal_with(0, bytes(28)),
    "journal-records": broken_record,
    "journal-foreign": stale_journal,
    "hot-journal": sidecars.hot_journal_of,
    "sidecar-mode": other_mode,
    "not-checked": unknown_function,
    "old-sqlite": said("PRAGMA journal_mode=wal"),
    "synchronous-off": without_sync,
    "other-names": lambda path: os.link(databases.shop(path, orders=5), path.with_name("second.db")),
    "others-write": lambda path: databases.shop(path, orders=5).chmod(0o666),
    "counters": shop_with((92, b"\0\0\0\x01")),
}
"""The files; what needs more than one file, or another user or disk, has a test of its own below."""

APART = {
    "missing", "deleted", "replaced", "locked", "read-only", "unreadable", "rows-lost", "rows-fewer", "sidecars",
    "sidecar-owner", "in-use", "network", "space-low", "files-missing", "files-changed", "tree-depth",
}  # fmt: skip


def test_every_finding_is_provoked() -> None:
    assert set(PROVOKED) | APART == set(KINDS)


@pytest.mark.parametrize("code", PROVOKED)
def test_a_finding_is_made(made: Shop, code: str) -> None:
    if code in ("wal-left", "hot-journal") and os.geteuid():
        pytest.skip("needs root to see that nobody has it open")
    if code == "old-sqlite" and sqlite3.sqlite_version_info >= (3, 51, 3):
        pytest.skip("needs a library with the WAL-reset bug")
    path = made.root / "odd.db"
    PROVOKED[code](path)
    before = {one.name: one.read_bytes() for one in made.root.glob("odd.db*")}
    (target,) = look(made, path)
    found = [one for one in target.findings if one.code == code]
    assert found, [(one.code, one.message) for one in target.findings]
    assert {one.severity for one in found} == {KINDS[code].severity}
    assert target.healthy is all(one.severity is Severity.NOTICE for one in target.findings)
    assert target.healthy is (KINDS[code].severity is Severity.NOTICE)
    assert all(one.message and "{" not in one.remedy for one in found)
    after = {one.name: one.read_bytes() for one in made.root.glob("odd.db*")}
    assert after == before


@pytest.mark.parametrize("code", ["foreign-keys", "text", "wal-header", "magic"])
def test_a_profile_accepts_it(made: Shop, code: str) -> None:
    path = made.root / "odd.db"
    PROVOKED[code](path)
    configured(made, f"databases: [{{path: {path}, accept: [{code}]}}]")
    (target,) = look(made, "shop")
    assert target.healthy


def test_what_is_hidden_by_a_wal_is_found(made: Shop) -> None:
    path = made.root / "odd.db"
    sidecars.wal_of(path)
    put(path, 0, b"lost")
    (target,) = look(made, path)
    assert not target.healthy
    assert "magic" in [one.code for one in target.findings]


def test_an_empty_database_with_a_wal_is_not_opened(made: Shop) -> None:
    path = sidecars.wal_of(made.root / "odd.db")
    os.truncate(path, 0)
    size = os.path.getsize(f"{path}-wal")
    (target,) = look(made, path)
    assert "do not open it" in target.findings[0].evidence[0]
    assert os.path.getsize(f"{path}-wal") == size


def test_what_else_is_wrong_behind_a_lost_magic(made: Shop) -> None:
    path = databases.broken_keys(made.root / "odd.db")
    put(path, 0, b"lost")
    (target,) = look(made, path)
    assert [one.code for one in target.findings if one.severity is not Severity.NOTICE] == ["magic", "foreign-keys"]
    assert target.tables["orders"] == 503


def test_missing_and_unreadable(made: Shop) -> None:
    folder = made.root / "folder.db"
    folder.mkdir()
    configured(made, f"databases: [{made.root}/none.db, {folder}]")
    assert [target.findings[0].code for target in look(made, "shop")] == ["missing", "unreadable"]


def test_deleted_and_replaced_under_an_application(made: Shop) -> None:
    path = made.root / "odd.db"
    with databases.Writer(path, pause=0.01) as writer:
        for suffix in ("", "-wal", "-shm"):
            os.unlink(f"{path}{suffix}")
        (target,) = look(made, path)
        assert [one.code for one in target.findings] == ["deleted"]
        assert str(writer.pid) in target.findings[0].evidence[0]
        databases.shop(path, orders=5)
        (target,) = look(made, path)
        (found,) = (one for one in target.findings if one.code == "replaced")
        assert (target.healthy, found.severity) == (False, Severity.WARNING)
        save = found.remedy.partition(": ")[2]
        os.kill(writer.pid, signal.SIGSTOP)
        subprocess.run(["sh", "-c", save], check=True)
        os.kill(writer.pid, signal.SIGCONT)
    assert databases.consistent(path.with_name("odd.db.deleted")) > 0
    assert [one.code for one in look(made, path)[0].findings if one.severity is not Severity.NOTICE] == []


@pytest.mark.parametrize("statement", ["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"])
def test_kept_locked(made: Shop, statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.operations.diagnosing.database.STUCK", 0.2)
    monkeypatch.setattr("toolkit.operations.diagnosing.database.PATIENCE", 0.2)
    path = databases.shop(made.root / "odd.db", orders=5)
    with locked(path, statement) as pid:
        (target,) = look(made, path)
    (found,) = (one for one in target.findings if one.code == "locked")
    assert f"process {pid}" in found.evidence[0]
    assert ("everybody" in found.evidence[0]) is (statement == "BEGIN EXCLUSIVE")
    assert ("in-use" in [one.code for one in target.findings]) is (statement == "BEGIN EXCLUSIVE")
    assert target.healthy


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_what_its_owner_cannot_write(made: Shop) -> None:
    folder = made.root / "own"
    folder.mkdir()
    path = databases.shop(folder / "odd.db", orders=5)
    os.chown(path, 12345, 12345)

    def found() -> list[str]:
        (target,) = look(made, path)
        assert target.healthy
        return [line for one in target.findings if one.code == "read-only" for line in one.evidence]

    assert found() == [f"12345, its owner, may not write to {folder}"]
    os.chown(folder, 0, 12345)
    folder.chmod(0o775)
    assert found() == []
    path.chmod(0o444)
    assert found() == [f"12345, its owner, may not write to {path}"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_file_system(made: Shop) -> None:
    (made.root / "disk").mkdir()
    path = databases.shop(made.root / "disk" / "odd.db", orders=5)
    with mounts.read_only(path.parent):
        (target,) = look(made, path)
    found = [line for one in target.findings if one.code == "read-only" for line in one.evidence]
    assert found == ["the file system is mounted read-only"]


def test_what_is_no_regular_file(made: Shop) -> None:
    os.mkfifo(made.root / "pipe.db")
    configured(made, f"databases: [{made.root}/pipe.db]")
    assert [one.code for one in look(made, "shop")[0].findings] == ["not-a-database"]


def test_an_application_with_an_encoding_of_its_own(made: Shop) -> None:
    path = made.root / "latin.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE t(a)")
        connection.executemany(
            "INSERT INTO t VALUES (CAST(? AS TEXT))", (("é".encode("latin-1") * n,) for n in range(9))
        )
    (target,) = look(made, path)
    assert (target.healthy, [one.code for one in target.findings if one.code != "space-low"]) == (True, ["not-checked"])


def test_tables_that_shrank(made: Shop) -> None:
    configured(made, f"databases: [{made.database}]\nalarms: {{shrink: 50%}}")
    made.back_up("shop")
    made.execute("DELETE FROM orders WHERE id > 15")
    assert "rows-fewer" not in [one.code for one in look(made, "shop")[0].findings]
    made.execute("DELETE FROM orders WHERE id > 5")
    found = {one.code: one for one in look(made, "shop")[0].findings}
    assert found["rows-fewer"].severity is Severity.WARNING
    record = DatabaseRecord(name="x", path="/x", tables={"notes": 9, "notes_idx": 90, "notes_content": 9})
    assert findings.of_losses({"notes": 9, "notes_idx": 1, "notes_content": 9}, record, "b", "/x", 0.5) == []
    made.execute("DELETE FROM orders")
    assert "rows-lost" in [one.code for one in look(made, "shop")[0].findings]


def test_files_that_are_gone(made: Shop) -> None:
    config = made.root / "shop.toml"
    config.write_text("a = 1")
    for n in range(4):
        (made.uploads / f"more{n}").write_text("x")
    configured(made, f"databases: [{made.database}]\nfiles: [{made.uploads}]\nconfig_files: [{config}]")
    made.back_up("shop")
    assert len(look(made, "shop")) == 1
    (made.uploads / "more0").unlink()
    (target,) = (one for one in look(made, "shop") if one.findings and one.findings[0].code == "files-missing")
    assert target.healthy
    config.write_text("a = 22")
    assert "files-changed" in [one.findings[0].code for one in look(made, "shop") if one.findings]
    config.unlink()
    (target,) = (one for one in look(made, "shop") if one.findings and one.findings[0].code == "files-missing")
    assert (target.healthy, target.path) == (False, str(config))
    assert not any(one.code.startswith("files") for target in look(made, "shop", quick=True) for one in target.findings)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_file_system(made: Shop, tmp_path: Path) -> None:
    with mounts.small_filesystem(tmp_path / "small", size=2 << 20) as small:
        databases.shop(small / "a.db", orders=50)
        (small / "filler").write_bytes(bytes(shutil.disk_usage(small).free - (40 << 10)))
        (target,) = look(made, small / "a.db")
        assert (target.healthy, "space-low" in [one.code for one in target.findings]) == (True, True)


def test_the_file_system_is_known(made: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings_around.file_system("/proc/self") == "proc"
    assert findings_around.file_system("/no/such/place") == ""
    here = findings_around.file_system(made.database)
    assert here
    assert here not in findings_around.NETWORK
    monkeypatch.setattr(findings_around, "NETWORK", {here})  # as if it were one
    (target,) = look(made, made.database)
    assert (target.healthy, "network" in [one.code for one in target.findings]) == (True, True)


def test_a_copy_with_a_sidecar_that_was_not_read(tmp_path: Path) -> None:
    path = sidecars.wal_of(tmp_path / "a.db")
    found = findings.of_checks(check.check(path, level="counts"), str(path))
    assert [one.code for one in found] == ["sidecars"]


def test_pages_are_told_by_code_and_tree() -> None:
    seen = [PageFinding("tree-depth", n, name, f"said of {n}") for name in ("a", "b") for n in (4, 5)]
    found: list[Finding] = findings_pages.of_pages(seen, "/srv/a.db")
    assert [(one.code, one.subject, len(one.evidence)) for one in found] == [
        ("tree-depth", "a", 2),
        ("tree-depth", "b", 2),
    ]


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: databases.shop(path, encoding="UTF-16le", journal="wal"),
        sidecars.wal_of,
        sidecars.hot_journal_of,
        sidecars.persisted_journal_of,
        said("CREATE TRIGGER own AFTER INSERT ON notes_content BEGIN SELECT 1; END"),
        said("PRAGMA user_version=9", "VACUUM", "DELETE FROM orders WHERE id % 2"),
        lambda path: tree(path, vacuum="FULL"),
    ],
    ids=["utf-16", "wal", "hot journal", "persisted journal", "trigger on a shadow table", "free pages", "vacuum"],
)
def test_sound_databases_are_healthy(made: Shop, make: Make, quick: bool) -> None:
    path = made.root / "sound.db"
    make(path)
    (target,) = look(made, path, quick=quick)
    assert target.healthy, target.findings
    assert {one.severity for one in target.findings} <= {Severity.NOTICE}
    assert "not-checked" not in [one.code for one in target.findings]


def test_the_last_look_is_remembered(made: Shop) -> None:
    from toolkit.operations import status

    configured(made, f"databases: [{made.database}]")
    look(made, "shop", quick=True)
    (target,) = status.run(made.session()).targets
    assert target.last_check is not None
    assert (target.last_check.kind, target.last_check.result) == ("quick", "ok")
    databases.flip_page(made.database, databases.root_page(made.database, "orders"))
    look(made, made.database)
    (target,) = status.run(made.session()).targets
    assert target.last_check is not None
    assert (target.state, target.last_check.result) == ("bad", "damaged")
    assert "damaged" in [reason.code for reason in target.reasons]

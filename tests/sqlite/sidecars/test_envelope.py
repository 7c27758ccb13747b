"""What lies around the pages is found and undone: byte for byte where that can be known, and never on a sound file."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.makers import corpus, databases
from toolkit.sqlite import envelope
from toolkit.sqlite.plausible import is_btree

Damage = Callable[[bytes], bytes]


def laid(data: bytes, at: int, junk: bytes) -> bytes:
    return data[:at] + junk + data[at + len(junk) :]


def page_size_of(data: bytes) -> int:
    said = int.from_bytes(data[16:18], "big")
    return 65536 if said == 1 else said


RANDOM = random.Random(5)


def as_windows_reads(data: bytes) -> str:
    """Return bytes as Windows-1252, in which five of them are no letters and stay as they are."""
    return "".join(
        bytes([byte]).decode("cp1252" if byte not in b"\x81\x8d\x8f\x90\x9d" else "latin-1") for byte in data
    )


def another() -> bytes:
    """Return a database that is larger than the others, with pages of another size."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA page_size=2048")
        connection.execute("CREATE TABLE t(a, b)")
        connection.executemany("INSERT INTO t VALUES (?,?)", ((n, "text" * 20) for n in range(9000)))
        return connection.serialize()


UNDONE: dict[str, tuple[str, Damage]] = {
    "magic changed": ("magic", lambda data: laid(data, 5, b"!")),
    "magic zeroed": ("magic", lambda data: laid(data, 0, bytes(16))),
    "page size doubled": (
        "page-size",
        lambda data: laid(data, 16, (2 * page_size_of(data) % 65535).to_bytes(2, "big")),
    ),
    "page size halved": ("page-size", lambda data: laid(data, 16, (page_size_of(data) // 2).to_bytes(2, "big"))),
    "page size 0": ("page-size", lambda data: laid(data, 16, bytes(2))),
    "page size absurd": ("page-size", lambda data: laid(data, 16, b"\x13\x37")),
    "write version": ("versions", lambda data: laid(data, 18, b"\x09")),
    "read version": ("versions", lambda data: laid(data, 19, b"\x05")),
    "reserved bytes": ("reserved", lambda data: laid(data, 20, bytes([data[20] + 24]))),
    "payload shares": ("fractions", lambda data: laid(data, 21, b"\x41")),
    "another encoding": ("encoding", lambda data: laid(data, 59, bytes([data[59] % 3 + 1]))),
    "no encoding": ("encoding", lambda data: laid(data, 56, b"\0\0\0\x09")),
    "schema format": ("schema-format", lambda data: laid(data, 44, b"\0\0\0\x07")),
    "schema format 0": ("schema-format", lambda data: laid(data, 44, bytes(4))),
    "expansion": ("expansion", lambda data: laid(data, 80, b"abc")),
    "three bytes before": ("prefix", lambda data: b"\xef\xbb\xbf" + data),
    "a page before": ("prefix", lambda data: bytes(4096) + data),
    "HTTP before": ("prefix", lambda data: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + data),
    "UTF-8 of Latin-1": ("line-ends", lambda data: data.decode("latin-1").encode()),
    "UTF-8 of Windows-1252": ("line-ends", lambda data: as_windows_reads(data).encode()),
    "CR LF": ("line-ends", lambda data: data.replace(b"\n", b"\r\n")),
    "bytes behind": ("trailing", lambda data: data + b"junk at the end" * 7),
    "a page behind": ("trailing", lambda data: data + RANDOM.randbytes(page_size_of(data))),
    "itself behind": ("trailing", lambda data: data + data),
    "another database behind": ("trailing", lambda data: data + another()),
    "page count": ("page-count", lambda data: laid(data, 28, (1).to_bytes(4, "big"))),
}


def mended(path: Path, data: bytes, **options: bool) -> tuple[envelope.Envelope, envelope.Mending, bytes]:
    path.write_bytes(data)
    seen = envelope.examine(path, thorough=True, **options)
    target = path.with_name("mended.db")
    done = envelope.mend(path, target, **options)
    assert path.read_bytes() == data
    return seen, done, target.read_bytes()


@pytest.fixture(scope="module", params=[("UTF-8", 512), ("UTF-16le", 4096), ("UTF-16be", 1024), ("UTF-8", 65536)])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    encoding, page_size = request.param
    path = tmp_path_factory.mktemp("sound") / "a.db"
    return databases.shop(path, encoding=encoding, page_size=page_size).read_bytes()


@pytest.mark.parametrize("damage", UNDONE)
def test_what_can_be_undone_is_undone_byte_for_byte(tmp_path: Path, sound: bytes, damage: str) -> None:
    code, change = UNDONE[damage]
    data = change(sound)
    if data == sound:  # half of 1 is none: such a header cannot be made
        return
    seen, done, result = mended(tmp_path / "a.db", data)
    assert [fault.code for fault in seen.faults] == [code]
    assert result == sound
    assert done.now.sound
    assert code in [fault.code for fault in done.mended]


@pytest.mark.parametrize("damage", ["magic zeroed", "page size absurd", "CR LF", "bytes behind", "reserved bytes"])
def test_several_faults_at_once(tmp_path: Path, sound: bytes, damage: str) -> None:
    data = b"twenty-one bytes here" + UNDONE[damage][1](sound)
    if damage == "bytes behind":
        data = laid(data, 21 + 18, b"\x07\x09")
    seen, _, result = mended(tmp_path / "a.db", data)
    assert seen.faults[0].code == "prefix"
    assert len(seen.faults) >= 2
    assert result == sound


def test_the_magic_of_a_file_behind_others_is_found_by_its_pages(tmp_path: Path, sound: bytes) -> None:
    if page_size_of(sound) > 4096:  # eight pages of 64 KiB in all are too few to be sure
        return
    seen, _, result = mended(tmp_path / "a.db", b"0123456789" + laid(sound, 0, bytes(16)))
    assert [fault.code for fault in seen.faults] == ["prefix", "magic"]
    assert result == sound


def test_a_header_that_is_lost_is_written_anew(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "made.db", encoding="UTF-16le", page_size=2048)
    with databases.opened(path) as connection:
        connection.execute("VACUUM")  # no free pages: what a header says of these, no page can tell
    counts = databases.row_counts(path)
    data = path.read_bytes()
    for junk in (bytes(100), RANDOM.randbytes(100)):
        seen, done, result = mended(tmp_path / "a.db", laid(data, 0, junk))
        assert [fault.code for fault in seen.faults] == ["header"]
        assert not done.certain
        assert len(result) == len(data)
        (tmp_path / "again.db").write_bytes(result)
        assert databases.row_counts(tmp_path / "again.db") == counts
        with databases.opened(tmp_path / "again.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_lost_header_takes_from_a_backup_what_no_page_tells(tmp_path: Path) -> None:
    data = databases.shop(tmp_path / "made.db").read_bytes()
    path = tmp_path / "a.db"
    path.write_bytes(bytes(100) + data[100:])
    seen = envelope.examine(path, reference=data[:100])
    assert (seen.header[60:64], seen.header[68:72]) == (data[60:64], data[68:72])


def test_auto_vacuum_that_the_header_forgot(tmp_path: Path) -> None:
    path = tmp_path / "made.db"
    with databases.opened(path) as connection:
        connection.execute("PRAGMA auto_vacuum=FULL")
        connection.executescript(databases.SCHEMA)
        connection.execute("INSERT INTO users(name) VALUES (hex(randomblob(9000)))")
    data = path.read_bytes()
    seen, _, result = mended(tmp_path / "a.db", laid(data, 52, bytes(4)))
    assert [fault.code for fault in seen.faults] == ["auto-vacuum"]
    assert result == data
    plain = databases.shop(tmp_path / "plain.db").read_bytes()
    seen, _, result = mended(tmp_path / "a.db", laid(plain, 52, b"\0\0\0\x05"))
    assert ([fault.code for fault in seen.faults], result) == (["auto-vacuum"], plain)
    seen, _, result = mended(tmp_path / "a.db", laid(plain, 64, b"\0\0\0\x01"))
    assert ([fault.code for fault in seen.faults], result) == (["auto-vacuum"], plain)


def test_a_free_list_that_cannot_be(tmp_path: Path) -> None:
    data = databases.shop(tmp_path / "made.db").read_bytes()
    seen = mended(tmp_path / "a.db", laid(data, 32, b"\x0f\0\0\0\0\0\0\x01"))[0]
    assert [fault.code for fault in seen.faults] == ["free-list"]


def test_a_file_that_was_cut(tmp_path: Path, sound: bytes) -> None:
    cut = len(sound) * 2 // 3 + 77
    seen, done, result = mended(tmp_path / "a.db", sound[:cut])
    assert "cut" in [fault.code for fault in seen.faults]
    assert not done.certain
    assert result[100:] == sound[100 : cut - cut % page_size_of(sound)]


def test_lines_that_lost_their_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "made.db"
    with databases.opened(path) as connection:
        connection.execute("PRAGMA page_size=1024")
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, f"line {n}" * 12) for n in range(900)))
        connection.execute("UPDATE t SET a = 'one' || char(13, 10) || 'two' WHERE id IN (50, 300, 777)")
        connection.execute("VACUUM")
    data = path.read_bytes()
    assert data.count(b"\r\n") >= 3
    seen, done, result = mended(tmp_path / "a.db", data.replace(b"\r\n", b"\n"))
    assert [fault.code for fault in seen.faults] == ["line-ends"]
    assert len(result) == len(data)
    assert result == data
    assert not done.certain


def test_a_few_bytes_missing_in_one_place_are_no_carriage_returns(tmp_path: Path) -> None:
    """Overflow pages at the end would have room for them, though every page before tells where it lies."""
    path = tmp_path / "made.db"
    with databases.opened(path) as connection:
        connection.execute("PRAGMA page_size=1024")
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, f"line {n}" * 12) for n in range(300, 900)))
        connection.execute("CREATE TABLE photos(a)")
        connection.execute("INSERT INTO photos VALUES (?)", (bytes(random.Random(1).choices(b"\0\nab", k=30_000)),))
    data = path.read_bytes()
    assert b"\r\n" not in data
    path.write_bytes(data[:20_000] + data[20_007:])
    assert not envelope.examine(path, thorough=True).newlines


OTHERS = {
    "empty": (b"", "empty", ""),
    "gzip": (gzip.compress(b"x" * 5000), "other", "a gzip file"),
    "zip": (b"PK\x03\x04" + b"\0" * 5000, "other", "a zip archive"),
    "SQL": (b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n" * 90, "other", "an SQL script"),
    "HTML": (b"<!DOCTYPE html>\n<html><body>404</body></html>" * 99, "other", "an HTML page"),
    "ELF": (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40, "other", "a program (ELF)"),
    "text": (b"this is no database, whatever its name says\n" * 100, "other", "a text"),
    "random": (random.Random(1).randbytes(40_960), "encrypted", "an encrypted file"),
    "zeros": (bytes(8192), "unknown", "a file of zeros"),
    "short": (b"SQLite format 3\0" + bytes(40), "unknown", "the beginning of a database at most"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_database_is_named(tmp_path: Path, name: str) -> None:
    data, kind, what = OTHERS[name]
    seen, done, result = mended(tmp_path / "a.db", data)
    assert (seen.kind, seen.what) == (kind, what)
    assert result == data
    assert done.mended == ()


def test_pages_that_are_encrypted_behind_a_plain_header(tmp_path: Path) -> None:
    data = databases.shop(tmp_path / "made.db").read_bytes()
    seen = mended(tmp_path / "a.db", data[:32] + random.Random(2).randbytes(len(data) - 32))[0]
    assert seen.kind == "encrypted"


def test_a_file_that_grows_in_steps_is_sound(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db")
    for size in (1 << 20, (1 << 20) + 8192):  # Firefox lets a database of IndexedDB grow by 8 KiB
        os.truncate(path, size)
        assert envelope.examine(path).sound
    os.truncate(path, (1 << 20) + 4096)
    assert [fault.code for fault in envelope.examine(path).faults] == ["trailing"]


@pytest.mark.parametrize("cut", [1, 100_000])
def test_pages_in_a_value_do_not_tell_the_page_size(tmp_path: Path, cut: int) -> None:
    inner = databases.shop(tmp_path / "inner.db", page_size=512)
    at = (databases.root_page(inner, "products") - 1) * 512
    leaf, path, turn = inner.read_bytes()[at : at + 512], tmp_path / "a.db", 0
    for _ in range(2):  # once more with three of these pages where pages of 512 bytes would lie in each overflow page
        path.unlink(missing_ok=True)
        piece = bytes(508) + leaf * 3
        with databases.opened(path) as connection:
            connection.execute("PRAGMA page_size=2048")
            connection.execute("CREATE TABLE files(content BLOB)")
            connection.execute("INSERT INTO files VALUES (?)", ((piece[-turn:] + piece[:-turn]) * 100,))
        data = path.read_bytes()
        turn = (512 - data.index(leaf * 3, 20 * 2048) % 2048) % 2044
    assert data.index(leaf * 3, 20 * 2048) % 2048 == 512
    assert envelope.examine(path).sound
    path.write_bytes(data[:-cut])
    found = envelope.examine(path)
    assert [fault.code for fault in found.faults] == ["cut"]
    assert found.page_size == 2048


@pytest.mark.parametrize("before", range(4))
def test_rows_as_long_as_some_pages_do_not_make_pages_seem_larger(tmp_path: Path, before: int) -> None:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("PRAGMA page_size=1024")
        for number in range(before):
            connection.execute(f"CREATE TABLE t{number}(a)")
        connection.execute("CREATE TABLE t(a BLOB)")
        rows = ((bytes(1020 * 3 + 600 + n % 90),) for n in range(200))
        connection.executemany("INSERT INTO t VALUES (?)", rows)
    assert envelope.examine(path).sound
    seen, _, result = mended(path, laid(path.read_bytes(), 16, b"\x13\x37"))
    assert [fault.code for fault in seen.faults] == ["page-size"]
    assert result[16:18] == b"\x04\0"


@pytest.mark.parametrize("statement", ["PRAGMA user_version=3", "CREATE TABLE t(a)", "CREATE TABLE t(a PRIMARY KEY)"])
@pytest.mark.parametrize("page_size", [512, 4096, 65536])
@pytest.mark.parametrize("vacuum", ["NONE", "FULL"])
def test_databases_without_rows_are_sound(tmp_path: Path, statement: str, page_size: int, vacuum: str) -> None:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute(f"PRAGMA auto_vacuum={vacuum}")
        connection.execute(statement)
    seen, _, result = mended(path, path.read_bytes())
    assert seen.sound
    assert result == path.read_bytes()


@pytest.mark.parametrize("spec", corpus.specs(14, 5), ids=lambda spec: spec.name)
def test_no_sound_database_is_called_anything_else(tmp_path: Path, spec: corpus.Spec) -> None:
    made = corpus.make(spec, tmp_path)
    beside = any(os.path.exists(f"{made.path}{suffix}") for suffix in ("-wal", "-journal"))
    seen = envelope.examine(made.path, settled=not beside)
    assert seen.sound, seen.faults
    assert seen.header == made.path.read_bytes()[:100]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=200)), max_size=3),
    st.binary(max_size=9),
    st.integers(0, 40_000),
)
def test_damage_never_raises(
    tmp_path: Path, sound: bytes, writes: list[tuple[int, bytes]], before: bytes, cut: int
) -> None:
    data = before + sound[: len(sound) - cut]
    for at, junk in writes:
        data = laid(data, at, junk)
    (tmp_path / "mended.db").unlink(missing_ok=True)
    seen, done, result = mended(tmp_path / "a.db", data)
    assert seen.kind in ("database", "other", "encrypted", "unknown")
    if done.now.kind == "database" and done.now.first_page:
        assert is_btree(result[: done.now.page_size], first=True)

"""Archives of other tools are recognised by what is in them, and all of it comes out."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import py7zr
import pytest

from tests.archive.making import file_item, write
from toolkit.archive.foreign import Foreign, items, recognise
from toolkit.archive.foreignmeta import ForeignKind, download_of, moment
from toolkit.errors import ArchiveDamagedError, FormatError, UnsafeArchiveError
from toolkit.filelist import FileType, Section

FILES = [
    {
        "file_name": "example.py",
        "programming_language": "python",
        "code": "print('שלום')\n",
        "note": "Example file",
        "tags": ["example", "hello"],
        "version": 3,
        "created_at": "2025-01-10T08:00:00Z",
        "updated_at": "2025-01-12T14:30:00Z",
    },
    {"file_name": "lib/empty.txt", "code": "", "version": 1},
]
TABLE = {"version": "1.0", "created_at": "2025-01-15T10:30:00Z", "user_id": 1, "total_files": 2, "files": FILES}


def zipped(path: Path, members: dict[str, bytes], comment: bytes = b"") -> Path:
    """Write a ZIP."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.comment = comment
    return path


def database(path: Path) -> bytes:
    """Return the bytes of a real database."""
    connection = sqlite3.connect(path)
    connection.executescript("create table t (a); insert into t values (1);")
    connection.close()
    return path.read_bytes()


def contents(foreign: Foreign) -> dict[str, tuple[Section, bytes]]:
    """Return section and content of each file by its name."""
    return {
        item.name: (item.section, b"".join(map(bytes, item.pieces)))
        for item in items(foreign)
        if item.type is FileType.FILE
    }


def test_files_in_the_table_itself(tmp_path: Path) -> None:
    table = json.dumps(TABLE).encode()
    foreign = recognise(zipped(tmp_path / "it.zip", {"metadata.json": table}))
    assert foreign.kind is ForeignKind.LISTED
    assert (foreign.count, foreign.source.version) == (3, "1.0")
    assert foreign.source.created == datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
    note = foreign.files[0]
    assert (note.language, note.tags, note.note, note.version) == ("python", ("example", "hello"), "Example file", 3)
    assert note.updated == datetime(2025, 1, 12, 14, 30, tzinfo=UTC)
    assert note.code is None
    assert foreign.tags == ("example", "hello")
    found = contents(foreign)
    assert found == {
        "metadata.json": (Section.FILES, table),
        "example.py": (Section.FILES, FILES[0]["code"].encode()),
        "lib/empty.txt": (Section.FILES, b""),
    }
    by_name = {item.name: item for item in items(foreign)}
    assert by_name["example.py"].note == note
    assert by_name["example.py"].mtime_ns == 1_736_692_200 * 10**9
    assert by_name["example.py"].size == len(FILES[0]["code"].encode())


def test_files_beside_the_table(tmp_path: Path) -> None:
    members = {"metadata.json": json.dumps(TABLE | {"repo": "me/tool"}).encode(), "example.py": b"the member wins"}
    foreign = recognise(zipped(tmp_path / "it.zip", members))
    assert foreign.repository == "me/tool"
    assert foreign.tags[0] == "me/tool"
    found = contents(foreign)
    assert found["example.py"][1] == b"the member wins"
    assert found["lib/empty.txt"][1] == b""
    assert {item.name: item.note is not None for item in items(foreign)}["example.py"]


def test_several_versions_of_one_file(tmp_path: Path) -> None:
    rows = [{"file_name": "a.py", "code": str(version), "version": version} for version in (2, 3, 1)]
    foreign = recognise(zipped(tmp_path / "it.zip", {"metadata.json": json.dumps({"files": rows}).encode()}))
    found = {name: data for name, (_, data) in contents(foreign).items() if name != "metadata.json"}
    assert found == {"a.py": b"3", "a.v1.py": b"1", "a.v2.py": b"2"}


def test_an_empty_table_is_an_empty_backup(tmp_path: Path) -> None:
    foreign = recognise(zipped(tmp_path / "it.zip", {"metadata.json": b'{"version": "1.0", "files": []}'}))
    assert (foreign.kind, foreign.files, foreign.count) == (ForeignKind.LISTED, (), 1)


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "a\0b", "a//b"])
def test_unsafe_names_in_the_table_are_refused(tmp_path: Path, name: str) -> None:
    table = {"files": [{"file_name": name, "code": "x"}]}
    with pytest.raises(UnsafeArchiveError):
        recognise(zipped(tmp_path / "it.zip", {"metadata.json": json.dumps(table).encode()}))


def test_a_broken_table_is_damage_and_another_is_a_plain_file(tmp_path: Path) -> None:
    broken = {"files": [{"file_name": "a", "code": "x"}, {"code": "y"}]}
    with pytest.raises(ArchiveDamagedError):
        recognise(zipped(tmp_path / "a.zip", {"metadata.json": json.dumps(broken).encode()}))
    for other in (b"not json", b"[]", b'{"files": 3}', b'{"files": [{"name": "x"}]}'):
        assert recognise(zipped(tmp_path / "b.zip", {"metadata.json": other})).kind is ForeignKind.ARCHIVE


@pytest.mark.parametrize(
    ("folder", "comment", "expected"),
    [
        ("my-shop-main", "", ("my-shop", "main")),
        ("shop-1.2.3", "", ("shop", "1.2.3")),
        ("octo-hello-world-0a1b2c3", "", ("octo/hello-world", "0a1b2c3")),
        ("shop-feature", "d" * 40, ("shop", "feature")),
        ("shop-feature", "", None),
        ("photos-of-20261120", "", None),
        ("main", "", None),
    ],
)
def test_downloads_of_a_forge_are_known_by_their_folder(
    tmp_path: Path, folder: str, comment: str, expected: tuple[str, str] | None
) -> None:
    assert download_of(folder, comment) == expected
    path = zipped(tmp_path / "it.zip", {f"{folder}/README": b"hi", f"{folder}/src/a": b"a"}, comment.encode())
    foreign = recognise(path)
    assert foreign.kind is (ForeignKind.REPOSITORY if expected else ForeignKind.ARCHIVE)
    assert (foreign.repository, foreign.branch) == (expected or ("", ""))
    assert foreign.tags == ((expected[0],) if expected else ())
    assert contents(foreign)[f"{folder}/src/a"] == (Section.FILES, b"a")


def test_an_application_with_its_database_and_files(tmp_path: Path) -> None:
    data = database(tmp_path / "source.db")
    meta = {"version": "1.0", "createdAt": "2025-02-03T04:05:06.789Z", "appVersion": "2.7", "fileCount": 1}
    members = {
        "database.sqlite": data,
        "files/ab/abcdef": b"content",
        "backup-metadata.json": json.dumps(meta).encode(),
    }
    foreign = recognise(zipped(tmp_path / "it.zip", members))
    assert foreign.kind is ForeignKind.APPLICATION
    assert (foreign.source.application_version, foreign.source.created) == (
        "2.7",
        datetime(2025, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC),
    )
    found = contents(foreign)
    assert found["database.sqlite"] == (Section.DATABASES, data)
    assert found["files/ab/abcdef"] == (Section.FILES, b"content")


def test_plain_archives_of_each_kind(tmp_path: Path) -> None:
    data = database(tmp_path / "source.db")
    members = {"data/shop.db": data, "data/a.txt": b"a", "data/empty": b""}
    zipped(tmp_path / "it.zip", members)
    for mode in ("", ":gz", ":bz2", ":xz"):
        with tarfile.open(tmp_path / f"it.tar{mode.replace(':', '.')}", f"w{mode}") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    with py7zr.SevenZipFile(tmp_path / "it.7z", "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    for path in sorted(tmp_path.glob("it.*")):
        foreign = recognise(path)
        assert (foreign.kind, foreign.count) == (ForeignKind.ARCHIVE, 3)
        assert foreign.bytes == len(data) + 1
        found = contents(foreign)
        assert found == {
            "data/shop.db": (Section.DATABASES, data),
            "data/a.txt": (Section.FILES, b"a"),
            "data/empty": (Section.FILES, b""),
        }


def test_bare_databases_and_dumps(tmp_path: Path) -> None:
    data = database(tmp_path / "shop.db")
    (tmp_path / "dump.sql").write_bytes(b"CREATE TABLE t (a);\n" * 100)
    (tmp_path / "dump.sql.gz").write_bytes(gzip.compress(b"CREATE TABLE t (a);\n" * 100))
    (tmp_path / "shop.db.gz").write_bytes(gzip.compress(data))
    expected = {
        "shop.db": ("shop.db", Section.DATABASES, data),
        "shop.db.gz": ("shop.db", Section.DATABASES, data),
        "dump.sql": ("dump.sql", Section.EXPORTS, b"CREATE TABLE t (a);\n" * 100),
        "dump.sql.gz": ("dump.sql", Section.EXPORTS, b"CREATE TABLE t (a);\n" * 100),
    }
    for file, (name, section, content) in expected.items():
        foreign = recognise(tmp_path / file)
        assert foreign.kind is (ForeignKind.DATABASE if section is Section.DATABASES else ForeignKind.DUMP)
        assert foreign.bytes == len(content)
        assert contents(foreign) == {name: (section, content)}


def test_our_own_archives_are_known(tmp_path: Path) -> None:
    written = write(tmp_path, [file_item("/a", b"a")])
    foreign = recognise(tmp_path / written.archive.file)
    assert foreign.kind is ForeignKind.LIFEBOAT
    with pytest.raises(FormatError):
        list(items(foreign))


def test_what_is_nothing_of_all_that_is_refused(tmp_path: Path) -> None:
    (tmp_path / "it.txt").write_bytes(b"hello")
    with pytest.raises(FormatError):
        recognise(tmp_path / "it.txt")


def test_times_of_all_sorts() -> None:
    noon = datetime(2025, 1, 1, 12, tzinfo=UTC)
    for value in (
        "2025-01-01T12:00:00Z",
        "2025-01-01T14:00:00+02:00",
        "2025-01-01T12:00:00",
        1735732800,
        1735732800000,
    ):
        assert moment(value) == noon
    for value in ("yesterday", None, [], True, 1e300):
        assert moment(value) is None

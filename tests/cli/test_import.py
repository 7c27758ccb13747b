"""import: archives that others made become ordinary backups; hostile ones change nothing."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.makers import databases
from tests.makers.commands import Ran, lifeboat


def made_zip(path: Path, members: dict[str, bytes | str], comment: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.comment = comment
    return path


def imported(vault: Path, file: Path, *options: object) -> dict[str, Any]:
    """Import `file`, verify it and return its row."""
    ran = lifeboat("import", file, "--vault", vault, "--json", *options)
    assert ran.code == 0, ran.stdout
    row: dict[str, Any] = ran.document["backups"][0]
    assert (row["kind"], row["evidence"]) == ("imported", "verified")
    assert lifeboat("verify", row["id"], "--rehearse", "--vault", vault).code == 0
    assert row["id"] in lifeboat("list", "--vault", vault).stdout
    return row


def restored(vault: Path, row: dict[str, Any], target: Path) -> Path:
    """Restore the backup of `row` below `target` and return the folder of its files."""
    ran = lifeboat("restore", row["id"], "--to", target, "--vault", vault, "--yes")
    assert ran.code == 0, ran.stderr
    return Path(f"{target}{row['root']}")


LISTED = {
    "version": "1.0",
    "created_at": "2025-01-15T10:30:00Z",
    "rating": "🏆 מצוין",
    "repo": "someone/bot",
    "files": [
        {
            "file_name": "src/example.py",
            "programming_language": "python",
            "code": "print('שלום')\n",
            "note": "Example file",
            "tags": ["example"],
            "version": 3,
            "created_at": "2025-01-10T08:00:00Z",
            "updated_at": "2025-01-12T14:30:00Z",
        },
        {"file_name": "member.txt", "tags": ["text"], "updated_at": "2025-01-11T00:00:00Z"},
    ],
}


def test_files_listed_in_json_keep_dates_tags_notes_and_rating(vault: Path, tmp_path: Path) -> None:
    file = made_zip(tmp_path / "backup 7.zip", {"metadata.json": json.dumps(LISTED), "member.txt": "as a member"})
    row = imported(vault, file, "--tag", "mine")
    assert row["source"] == "listed-files"
    assert row["profile"] == "backup-7"
    assert lifeboat("jobs", "list", "--json").document["jobs"][-1]["artifacts"] == [row["archive"]]
    assert row["rating"] == 5
    assert set(row["tags"]) == {"mine", "someone/bot", "example", "text", "🏆 מצוין"}
    assert "made 2025-01-15 10:30 UTC" in row["note"]
    folder = restored(vault, row, tmp_path / "out")
    assert (folder / "src/example.py").read_text() == "print('שלום')\n"
    assert (folder / "src/example.py").stat().st_mtime == 1736692200
    assert (folder / "member.txt").read_text() == "as a member"
    assert (folder / "member.txt").stat().st_mtime == 1736553600
    record = json.loads(Path(f"{folder}.import.json").read_text())
    assert record["files"][-1]["language"] == "python" or record["files"][0]["language"] == "python"
    assert {note["file_name"]: note.get("version") for note in record["files"]}["src/example.py"] == 3
    assert "code" not in json.dumps(record)


@pytest.mark.parametrize(
    ("top", "comment", "tag"),
    [
        ("shop-main", b"", "shop"),
        ("acme-shop-0a1b2c3d", b"", "acme/shop"),
        ("shop-feature-x", b"a" * 40, "shop-feature"),
    ],
)
def test_a_source_forge_download_is_tagged_with_its_repository(
    vault: Path, tmp_path: Path, top: str, comment: bytes, tag: str
) -> None:
    members: dict[str, bytes | str] = {f"{top}/README.md": "# shop", f"{top}/src/a.py": "a = 1\n"}
    file = made_zip(tmp_path / "download.zip", members, comment)
    row = imported(vault, file)
    assert (row["source"], row["tags"]) == ("repository", [tag])
    assert (restored(vault, row, tmp_path / "out") / top / "src/a.py").read_text() == "a = 1\n"


def test_an_application_archive_has_its_database_recorded_with_checks(vault: Path, tmp_path: Path) -> None:
    database = databases.shop(tmp_path / "made.sqlite", orders=12)
    about = {"version": "1.0", "appVersion": "2.4.1", "createdAt": "2025-02-03T04:05:06Z"}
    members: dict[str, bytes | str] = {
        "database.sqlite": database.read_bytes(),
        "files/ab/abcdef": b"blob",
        "backup-metadata.json": json.dumps(about),
    }
    row = imported(vault, made_zip(tmp_path / "app.zip", members), "--profile", "shop", "--note", "old")
    assert (row["source"], row["profile"], row["note"]) == ("application", "shop", "old")
    assert row["databases"] == ["/imported/app/database.sqlite"]
    manifest = json.loads(next(vault.rglob(f"*_{row['id']}.manifest.json")).read_bytes())
    record = manifest["databases"][0]
    assert record["tables"]["orders"] == 12
    assert all(check["ok"] for check in record["checks"])
    folder = restored(vault, row, tmp_path / "out")
    assert databases.row_counts(folder / "database.sqlite")["orders"] == 12
    assert (folder / "files/ab/abcdef").read_bytes() == b"blob"


def test_a_wal_beside_a_database_is_part_of_it(vault: Path, tmp_path: Path) -> None:
    databases.wal(tmp_path / "a.db", orders=10, extra=5)
    with tarfile.open(tmp_path / "old.tar.gz", "w:gz") as archive:
        for name in ("a.db", "a.db-wal"):
            archive.add(tmp_path / name, f"data/{name}")
    row = imported(vault, tmp_path / "old.tar.gz")
    folder = restored(vault, row, tmp_path / "out")
    assert databases.row_counts(folder / "data/a.db")["orders"] == 15
    assert not (folder / "data/a.db-wal").exists()


def test_plain_archives_keep_modes_links_and_times(vault: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o750)
    (tree / "link").symlink_to("run.sh")
    (tree / "hard").hardlink_to(tree / "run.sh")
    subprocess.run(["tar", "-C", tree, "-cf", tmp_path / "plain.tar", "."], check=True)
    row = imported(vault, tmp_path / "plain.tar")
    folder = restored(vault, row, tmp_path / "out")
    assert (folder / "run.sh").stat().st_mode & 0o777 == 0o750
    assert (folder / "run.sh").stat().st_mtime == int((tree / "run.sh").stat().st_mtime)
    assert (folder / "hard").read_text() == "#!/bin/sh\n"
    assert (folder / "link").readlink() == Path("run.sh")
    assert (folder / "empty").is_dir()
    subprocess.run(["7z", "a", "-bso0", tmp_path / "plain.7z", f"{tree}/run.sh"], check=True)
    assert imported(vault, tmp_path / "plain.7z")["files"] == 2


def test_bare_databases_and_dumps(vault: Path, tmp_path: Path) -> None:
    database = databases.shop(tmp_path / "shop.db", orders=3)
    row = imported(vault, database)
    assert (row["source"], row["databases"]) == ("database", ["/imported/shop/shop.db"])
    dump = b"BEGIN;\nCREATE TABLE t(x);\nINSERT INTO t VALUES(1);\nCOMMIT;\n"
    (tmp_path / "old.sql.gz").write_bytes(gzip.compress(dump))
    row = imported(vault, tmp_path / "old.sql.gz")
    assert (row["source"], row["profile"]) == ("dump", "old")
    folder = restored(vault, row, tmp_path / "out")
    with sqlite3.connect(":memory:") as connection:
        connection.executescript((folder / "old.sql").read_text())
    connection.close()
    (tmp_path / "old.db.gz").write_bytes(gzip.compress(database.read_bytes()))
    assert imported(vault, tmp_path / "old.db.gz")["databases"] == ["/imported/old/old.db"]


def test_a_damaged_database_is_taken_and_said(vault: Path, tmp_path: Path) -> None:
    database = databases.shop(tmp_path / "shop.db", orders=200)
    data = bytearray(database.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    database.write_bytes(data)
    ran = lifeboat("import", database, "--vault", vault, "--json")
    assert ran.code == 4
    assert ran.document["warnings"][0]["code"] == "database-damaged"
    assert lifeboat("list", "--vault", vault, "--json").document["backups"][0]["damaged"] is True


def hostile(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        good = tarfile.TarInfo("good.txt")
        good.size = 4
        archive.addfile(good, io.BytesIO(b"good"))
        bad = tarfile.TarInfo("../../escaped.txt" if name == "dotdot" else "/escaped.txt")
        if name == "through-link":
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "/tmp"
            archive.addfile(link)
            bad = tarfile.TarInfo("link/escaped.txt")
        if name == "device":
            bad = tarfile.TarInfo("device")
            bad.type = tarfile.CHRTYPE
            archive.addfile(bad)
            return out.getvalue()
        bad.size = 3
        archive.addfile(bad, io.BytesIO(b"bad"))
    return out.getvalue()


@pytest.mark.parametrize("name", ["dotdot", "absolute", "through-link", "device"])
def test_what_would_leave_the_target_is_refused_before_anything_is_written(
    vault: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "bad.tar").write_bytes(hostile(name))
    ran = lifeboat("import", tmp_path / "bad.tar", "--vault", vault, "--json")
    assert (ran.code, ran.document["error"]["code"]) == (5, "unsafe-archive"), ran.stdout
    assert not vault.exists()
    assert list(tmp_path.rglob("escaped.txt")) == []


def test_a_bomb_and_a_lying_name_are_refused(vault: Path, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("zeros", "w", force_zip64=True) as member,
    ):
        for _ in range(300):
            member.write(bytes(1_000_000))
    assert lifeboat("import", tmp_path / "bomb.zip", "--vault", vault).code == 5
    made_zip(tmp_path / "list.zip", {"metadata.json": json.dumps({"files": [{"file_name": "../x", "code": "1"}]})})
    assert lifeboat("import", tmp_path / "list.zip", "--vault", vault).code == 5
    assert not vault.exists()


def test_what_cannot_be_imported_says_why(vault: Path, tmp_path: Path) -> None:
    def said(ran: Ran) -> str:
        assert "bug" not in ran.stderr
        return ran.stderr

    (tmp_path / "text.txt").write_text("hello")
    assert "no archive" in said(lifeboat("import", tmp_path / "text.txt", "--vault", vault))
    assert lifeboat("import", tmp_path / "none.zip", "--vault", vault).code == 10
    assert lifeboat("import", tmp_path, "--vault", vault).code in (1, 2, 10)
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04torn")
    assert lifeboat("import", tmp_path / "torn.zip", "--vault", vault).code == 4
    made_zip(tmp_path / "ok.zip", {"a": "b"})
    assert lifeboat("import", tmp_path / "ok.zip", "--profile", "No Good", "--vault", vault).code == 2
    row = imported(vault, tmp_path / "ok.zip")
    ran = lifeboat("import", row["archive"], "--vault", vault)
    assert "a backup of Lifeboat already" in said(ran)


def test_an_import_is_never_restored_in_place(vault: Path, tmp_path: Path) -> None:
    made_zip(tmp_path / "other.zip", {"a": "b"})
    row = imported(vault, tmp_path / "other.zip")
    ran = lifeboat("restore", row["id"], "--yes", "--on-conflict", "replace", "--vault", vault)
    assert ran.code == 2
    assert "--to" in ran.stderr
    assert not Path("/imported").exists()
    assert lifeboat("restore", row["id"], "--to", tmp_path / "here", "--vault", vault).code == 0


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04" + bytes(200))
    ran = lifeboat("import", broken, "--vault", tmp_path / "vault", "--json")
    assert (ran.code, ran.document["error"]["subject"]) == (4, str(broken))


def test_an_archive_made_elsewhere_is_imported_before_it_is_restored(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    for words in (("restore", "--to", tmp_path / "there"), ("show",), ("verify",)):
        ran = lifeboat(words[0], tmp_path / "foreign.zip", *words[1:], "--vault", tmp_path / "vault")
        assert ran.code == 1
        assert f"lifeboat --vault {tmp_path / 'vault'} import FILE" in ran.stderr
    assert not (tmp_path / "there").exists()


def test_an_error_says_what_to_do_next(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    for words in (("import", tmp_path / "broken.zip"), ("import", tmp_path / "gone"), ("list", "nobody")):
        ran = lifeboat(*words, "--vault", tmp_path / "vault")
        assert ran.code != 0
        assert "  try: " in ran.stderr, words

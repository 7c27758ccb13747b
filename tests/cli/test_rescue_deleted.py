"""A database that was deleted under a running application comes back with all that it wrote, to its very end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers import damaged, databases, mounts
from tests.makers.commands import VOUCH, Ran, lifeboat

APPLICATION = """
import os, signal, sqlite3, sys
path, journal = sys.argv[1:]
connection = sqlite3.connect(path, isolation_level=None)
connection.execute(f"PRAGMA journal_mode={journal}")
connection.execute("SELECT count(*) FROM users").fetchone()
def write(ident):
    connection.execute("INSERT INTO users(id, name, email) VALUES (?1, 'n', ?1 || '@x')", (ident,))
def end(*_):
    if journal == "wal":
        write(5001)
    connection.close()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
for suffix in ("", *sys.argv[3:]):
    os.unlink(path + suffix)
if journal == "wal":
    write(5000)
print(flush=True)
signal.pause()
"""
"""Opens the database, has it deleted, and writes on where SQLite lets it: once now and once when it is told to end."""


@contextlib.contextmanager
def application(path: Path, journal: str = "wal") -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", APPLICATION, path, journal], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


class Server:
    """A shop whose database has a vault of its own."""

    def __init__(self, root: Path, journal: str) -> None:
        self.path = databases.shop(root / "shop.db", orders=500, journal=journal)
        self.path.chmod(0o640)
        self.vault = root / "vault"
        self.rows = damaged.rows(self.path)

    def run(self, word: str, *words: object) -> Ran:
        vouched = VOUCH if word in ("restore", "rescue", "undo") else ()
        return lifeboat(word, *words, "--vault", self.vault, "--json", *vouched)


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_all_that_was_written_comes_back_under_its_name(journal: str, tmp_path: Path) -> None:
    server = Server(tmp_path, journal)
    with application(server.path, journal) as process:
        assert not server.path.exists()
        plan = server.run("rescue", server.path, "--stop-holders", "--dry-run").document
        assert plan["databases"][0]["ways"][0]["loses"] == "nothing"
        ran = server.run("rescue", server.path, "--yes", "--stop-holders")
        assert ran.code == 0, ran.stdout
        assert process.wait() == 0
    assert damaged.rows(server.path) == server.rows
    written = {5000, 5001} if journal == "wal" else set()
    assert {one for one in damaged.rows(server.path, "users") if one >= 5000} == written
    assert server.path.stat().st_mode & 0o777 == 0o640
    assert server.run("diagnose", server.path).code == 0


def test_it_is_refused_while_the_application_may_not_be_told_to_end(tmp_path: Path) -> None:
    server = Server(tmp_path, "wal")
    assert server.run("backup", server.path).code == 0
    with application(server.path) as process:
        for words in (("rescue", server.path), ("restore", "latest")):
            ran = server.run(*words, "--yes")
            error = ran.document["error"]
            assert (ran.code, error["code"]) == (5, "target-in-use")
            assert str(process.pid) in error["message"]
            assert "--stop-holders" in error["hint"]
        assert process.poll() is None
        found = server.run("diagnose", server.path).document["targets"][0]["findings"]
        assert [one["code"] for one in found] == ["deleted"]
        assert str(process.pid) in found[0]["evidence"][0]
    ended = server.run("rescue", server.path, "--dry-run").document
    assert ended["databases"][0]["way"] == "restore"  # by now it is missing only


def test_a_damaged_one_is_mended_and_kept_as_it_was(tmp_path: Path) -> None:
    server = Server(tmp_path, "delete")
    damaged.break_index(server.path)
    before = server.path.read_bytes()
    with application(server.path, "delete"):
        ran = server.run("rescue", server.path, "--yes", "--stop-holders")
        assert ran.code == 0, ran.stdout
    assert damaged.rows(server.path) == server.rows
    (kept,) = (server.vault / "recovery").glob("deleted_shop_*")
    assert (kept / "shop.db").read_bytes() == before


def test_no_service_is_stopped_for_a_restore_while_it_has_the_only_copy(tmp_path: Path) -> None:
    server = Server(tmp_path, "wal")
    config, calls = tmp_path / "config.yaml", tmp_path / "calls"
    stop, start = (f"[sh, -c, 'echo {word} >> {calls}']" for word in ("stop", "start"))
    config.write_text(
        f"vault: {server.vault}\nprofiles:\n  shop:\n    databases: [{server.path}]\n"
        f"    services: [{{stop: {stop}, start: {start}}}]\n"
    )
    assert server.run("backup", "shop", "--config", config).code == 0
    with application(server.path):
        missed = server.run("backup", "shop", "--config", config)
        assert "deleted while it is open" in missed.stdout
        ran = server.run("restore", "shop@latest", "--yes", "--config", config)
    assert (ran.code, ran.document["error"]["code"]) == (5, "target-in-use")
    assert not calls.exists()
    assert server.run("restore", "shop@latest", "--yes", "--config", config).code == 0
    assert calls.read_text().split() == ["stop", "start"]


def lone_wal(path: Path) -> tuple[Path, bytes]:
    """Delete a database, and leave the -wal of an application that died; return where it is, and its bytes."""
    wal = Path(f"{path}-wal")
    with databases.opened(path) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("DELETE FROM audit")
        left = wal.read_bytes()
        path.unlink()
    wal.write_bytes(left)
    return wal, left


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_without_room_in_the_vault_old_sidecars_never_become_the_database(tmp_path: Path) -> None:
    server = Server(tmp_path, "wal")
    with mounts.small_filesystem(tmp_path / "small", size=20 << 20) as server.vault:
        assert server.run("backup", server.path).code == 0
        _, left = lone_wal(server.path)
        mounts.fill(server.vault, leave=300_000)
        ran = server.run("rescue", server.path, "--yes")
        assert (ran.code, ran.document["safety"], ran.document.get("undo")) == (3, None, None), ran.stdout
        (kept,) = (Path(one) for one in ran.document["kept"])
        assert (kept / "shop.db-wal").read_bytes() == left
        assert server.run("undo", "--yes").code == 10
        assert damaged.rows(server.path) == server.rows
        assert not Path(f"{server.path}-wal").exists()


@pytest.mark.parametrize("word", ["restore", "rescue"])
def test_undo_leaves_no_new_database_beside_old_sidecars(word: str, tmp_path: Path) -> None:
    """Only the database was deleted: its -wal, which would be replayed into whatever has its name, comes back alone."""
    server = Server(tmp_path, "wal")
    assert server.run("backup", server.path).code == 0
    wal, left = lone_wal(server.path)
    assert server.run(word, "latest" if word == "restore" else server.path, "--yes").code in (0, 3)
    assert server.path.exists()
    assert not wal.exists()
    assert server.run("undo", "--yes").code == 0
    assert wal.read_bytes() == left
    assert not server.path.exists()
    assert server.run("undo", "--yes").code == 0
    assert damaged.rows(server.path) == server.rows
    assert not wal.exists()


def test_what_was_written_since_to_a_wal_outlives_undo_and_its_undo(tmp_path: Path) -> None:
    """The database came new, and its application died: the rows that are in its -wal only are kept by the undo."""
    server = Server(tmp_path, "wal")
    assert server.run("backup", server.path).code == 0
    server.path.unlink()
    assert server.run("restore", "latest", "--yes").code == 0
    died = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute(\"INSERT INTO users(id, name, email) VALUES (7000, 'n', 'n@x')\"); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", died, server.path], check=True)
    assert Path(f"{server.path}-wal").stat().st_size
    assert server.run("undo", "--yes").code == 0
    assert not list(tmp_path.glob("shop.db*"))
    assert server.run("undo", "--yes").code == 0
    assert 7000 in damaged.rows(server.path, "users")

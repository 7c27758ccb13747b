"""Sources that are missing, broken, closed, or change while they are read: loud, and the rest is taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.machine import Machine
from tests.makers import databases, trees
from toolkit.sqlite import check


def config(machine: Machine, **profile: Any) -> dict[str, str]:
    """Write a configuration with the one profile `shop`, and return the environment that names it."""
    path = machine.root / "config.json"  # JSON is YAML too
    path.write_text(json.dumps({"profiles": {"shop": profile}}))
    return {"LIFEBOAT_CONFIG": str(path)}


def document(ended: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_a_missing_database_never_stops_the_rest(bare: Machine) -> None:
    gone = bare.app / "gone.db"
    env = config(bare, databases=[{"path": str(gone)}, {"path": str(bare.database)}], files=[str(bare.app / "uploads")])
    ended = bare.lifeboat("backup", "shop", "--json", env=env)
    assert ended.code == 3, ended.stderr
    [made] = document(ended)["backups"]
    assert [one["path"] for one in made["databases"]] == [str(bare.database)]
    assert {"path": str(gone), "reason": "the database is missing"} in made["left_out"]
    assert not gone.exists()
    assert made["files"] >= 6


def test_a_database_of_0_bytes_is_told_and_the_rest_is_taken(bare: Machine) -> None:
    empty = databases.zero_bytes(bare.app / "empty.db")
    env = config(bare, databases=[{"path": str(empty)}, {"path": str(bare.database)}])
    ended = bare.lifeboat("backup", "shop", env=env)
    assert ended.code == 3
    assert f"0 bytes: {empty}" in ended.stderr


@pytest.mark.parametrize("make", [None, databases.zero_bytes])
def test_nothing_readable_at_all_makes_no_backup(bare: Machine, make: Any) -> None:
    alone = bare.root / "alone.db"
    if make is not None:
        make(alone)
    ended = bare.lifeboat("backup", "shop", env=config(bare, databases=[{"path": str(alone)}]))
    assert ended.code == 10, ended.stderr
    assert bare.archives() == []
    assert all(one[1] == "failed" for one in bare.backups())


def test_empty_folders_make_a_backup_that_says_so(bare: Machine) -> None:
    empty = bare.root / "empty"
    empty.mkdir()
    ended = bare.lifeboat("backup", empty, "--json")
    assert ended.code == 0, ended.stderr
    assert "empty is empty: the archive holds only its manifest" in document(ended)["notes"]
    [archive] = bare.archives()
    assert subprocess.run(["tar", "--zstd", "-tf", archive], check=True, capture_output=True).stdout


def test_a_damaged_database_is_taken_as_it_is_and_is_never_good(bare: Machine) -> None:
    damaged = databases.flipped_page(bare.app / "damaged.db")
    Path(f"{damaged}-journal").write_bytes(b"no journal, but beside it")
    before = bare.print_of_app()
    ended = bare.lifeboat("backup", bare.app, "--json")
    assert ended.code == 4, ended.stderr
    [made] = document(ended)["backups"]
    taken = {Path(one["path"]).name: one for one in made["databases"]}
    assert (taken["damaged.db"]["form"], taken["damaged.db"]["damaged"]) == ("raw", True)
    assert not taken["shop.db"].get("damaged")
    assert taken["shop.db"]["tables"]["orders"] == 40
    assert made["damaged"] is True
    ended = bare.lifeboat("restore", made["id"], "--to", bare.root / "there")
    assert ended.code == 0, ended.stderr
    there = Path(f"{bare.root}/there{bare.app}")
    assert (there / "damaged.db").read_bytes() == damaged.read_bytes()
    assert (there / "damaged.db-journal").read_bytes() == b"no journal, but beside it"
    assert bare.print_of_app() == before
    listed = document(bare.lifeboat("list", "--json"))
    assert [one["damaged"] for one in listed["backups"]] == [True]
    pruned = bare.lifeboat("backup", bare.app, "--json")  # retention runs after a good backup only
    assert document(pruned)["removed"] == []


HEADERS = {"no magic": (0, b"XXXX"), "no page size": (16, b"\x00\x03")}


@pytest.mark.parametrize("how", HEADERS)
def test_a_database_without_a_readable_header_is_taken_as_it_is(bare: Machine, how: str) -> None:
    """Named in a profile it is never left out: it is taken for no database any more, and may be all that is left."""
    at, what = HEADERS[how]
    with bare.database.open("r+b") as file:
        file.seek(at)
        file.write(what)
    for asked in (["shop"], [bare.app]):
        env = config(bare, databases=[{"path": str(bare.database)}])
        ended = bare.lifeboat("backup", *asked, "--json", env=env)
        [made] = document(ended)["backups"]
        assert not made["left_out"]
        if asked == ["shop"] or how == "no page size":  # else it is a file like any other in its folder
            assert (ended.code, made["damaged"], made["databases"][0]["form"]) == (4, True, "raw")
        there = bare.root / made["id"]
        assert bare.lifeboat("restore", made["id"], "--to", there, env=env).code == 0
        assert Path(f"{there}{bare.database}").read_bytes() == bare.database.read_bytes()


def test_files_that_nobody_may_read_are_reported(bare: Machine) -> None:
    bare.database.unlink()
    if os.geteuid() == 0:
        secret = bare.app / "uploads" / "secret"
        secret.write_bytes(b"for its owner only")
        secret.chmod(0o600)
        for path in [bare.root, *(bare.root.parents)]:
            if str(path).startswith(("/tmp/", "/dev/shm/")) and path.stat().st_uid == 0:
                path.chmod(path.stat().st_mode | 0o055)
        mine = bare.root / "mine"
        mine.mkdir()
        os.chown(mine, 65534, 65534)
        env = {
            "HOME": str(mine),
            "CONFIGURATION_DIRECTORY": str(mine / "etc"),
            "LIFEBOAT_VAULT": str(mine / "vault"),
            "STATE_DIRECTORY": str(mine / "state"),
            "LOGS_DIRECTORY": str(mine / "log"),
            "LIFEBOAT_LOCK_DIR": str(mine / "lock"),
        }
        ended = bare.lifeboat("backup", bare.app, "--json", env=env, uid=65534)
    else:
        secret = bare.app / "uploads" / "secret"
        secret.touch(mode=0)
        ended = bare.lifeboat("backup", bare.app, "--json")
    assert ended.code == 3, ended.stderr + ended.stdout
    [made] = document(ended)["backups"]
    assert [one["path"] for one in made["left_out"]] == [str(secret)]
    assert made["files"] >= 6


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x" * 500_000)


CHANGES = {
    "grows": grow,
    "shrinks": lambda path: os.truncate(path, 1000),
    "is-replaced": lambda path: (
        path.with_name("other").write_bytes(b"y" * 9_000_000),
        path.with_name("other").rename(path),
    ),
    "vanishes": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_file_that_changes_while_it_is_read(bare: Machine, how: str) -> None:
    """It changes after the archive was begun and before it is read: exit 3 and marked, or it is taken as it is now."""
    big = bare.app / "uploads" / "big"
    big.write_bytes(os.urandom(9_000_000))
    run = bare.start("backup", bare.app, "--json", hold=".files.jsonl.zst.")
    run.wait_until_held()
    CHANGES[how](big)
    run.go_on()
    ended = run.wait()
    [made] = document(ended)["backups"]
    assert made["status"] == "completed"
    assert ended.code in (0, 3), ended.stderr
    if how == "vanishes":
        assert ended.code == 0 or str(big) in [one["path"] for one in made["left_out"]]
    assert bare.verify(made["id"]).code == 0
    there = bare.root / "there"
    assert bare.lifeboat("restore", made["id"], "--to", there).code == 0
    if how != "vanishes" and ended.code == 0:
        assert Path(f"{there}{big}").read_bytes() == big.read_bytes()


def test_the_whole_source_vanishes_during_the_backup(bare: Machine) -> None:
    run = bare.start("backup", bare.app, "--json", hold=".files.jsonl.zst.")
    run.wait_until_held()
    bare.app.rename(bare.root / "away")
    run.go_on()
    ended = run.wait()
    assert ended.code in (1, 3, 10), ended.stdout + ended.stderr
    assert "bug" not in ended.stderr
    (bare.root / "away").rename(bare.app)
    bare.assert_recovered()
    if ended.code == 3:
        [made] = document(ended)["backups"]
        assert made["left_out"]


HOLDER = """
import fcntl, sqlite3, sys, time
path = sys.argv[1]
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO audit(what) VALUES ('mine')")
print("held", flush=True)
sys.stdin.readline()
other = sqlite3.connect(path, timeout=0)
try:
    other.execute("BEGIN IMMEDIATE")
    print("lost", flush=True)
except sqlite3.OperationalError:
    print("still held", flush=True)
other.close()
sys.stdin.readline()
connection.execute("COMMIT")
print("committed", flush=True)
sys.stdin.readline()
"""


def test_a_backup_never_disturbs_a_running_application(bare: Machine) -> None:
    """Promise 9: its locks survive, nothing appears beside the database, and what it writes is not lost."""
    with databases.opened(bare.database) as connection:
        connection.execute("INSERT INTO audit(what) VALUES ('before')")
        before = sorted(os.listdir(bare.app))
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, bare.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        ended = bare.lifeboat("backup", bare.app, "--json")
        assert ended.code == 0, ended.stderr
        assert sorted(os.listdir(bare.app)) == before
        said = []
        for _ in range(2):
            process.stdin.write("\n")
            process.stdin.flush()
            said.append(process.stdout.readline())
        assert said == ["still held\n", "committed\n"]
        assert connection.execute("SELECT what FROM audit ORDER BY id DESC LIMIT 1").fetchone() == ("mine",)
        process.communicate("\n")
    counted = document(ended)["backups"][0]["databases"][0]["tables"]["audit"]
    assert counted == 41  # the 40 of the maker and `before`; what was not committed is not in it


def test_an_in_place_restore_is_refused_while_the_database_is_open(bare: Machine) -> None:
    assert bare.lifeboat("backup", bare.app).code == 0
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, bare.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    (bare.app / "uploads" / "same").write_bytes(b"another")
    before = bare.print_of_app()
    ended = bare.lifeboat("restore", "app@latest", "--yes", "--on-conflict", "replace")
    assert (ended.code, f"process {process.pid}" in ended.stderr) == (5, True), ended.stderr
    assert bare.print_of_app() == before
    process.communicate("\n\n\n")
    bare.assert_nothing_left()
    assert bare.lifeboat("restore", "app@latest", "--yes", "--on-conflict", "replace").code == 0


def test_two_runs_of_one_profile(bare: Machine) -> None:
    """The second ends with 11 and says who holds the lock, or waits with --lock-wait; another profile is free."""
    first = bare.start("backup", bare.app, hold=".files.jsonl.zst.")
    first.wait_until_held()
    refused = bare.lifeboat("backup", bare.app, "--json")
    assert refused.code == 11
    assert str(first.pid) in json.dumps(document(refused)["error"])
    other = bare.root / "other"
    trees.small_files(other, 3)
    assert bare.lifeboat("backup", other).code == 0
    assert "going on" in bare.recover().stdout
    waiting = bare.start("backup", bare.app, "--lock-wait", "10m")
    first.go_on()
    assert first.wait().code == 0
    assert waiting.wait().code == 0
    assert [one[:2] for one in bare.backups()] == [("manual", "completed")] * 3
    bare.assert_recovered()


def test_a_backup_beside_a_writer_is_never_a_mixture(bare: Machine) -> None:
    """A writer that never pauses: each backup holds a state between two of its transactions."""
    live = bare.app / "live.db"
    with databases.Writer(live, journal="wal") as writer:
        writer.wait(20)
        ended = bare.lifeboat("backup", bare.app, "--json")
        assert ended.code == 0, ended.stderr
    assert bare.lifeboat("restore", "latest", "--to", bare.root / "there").code == 0
    assert databases.consistent(Path(f"{bare.root}/there{live}")) >= 20
    assert writer.commits > 20


@pytest.mark.parametrize("pages", [20, 21])  # a -wal of 20 pages has a size that a database could have
def test_a_cut_database_without_a_telling_name_is_known_by_its_wal(bare: Machine, pages: int) -> None:
    cut = databases.shop(bare.app / "cut")
    os.truncate(cut, 10_000)
    Path(f"{cut}-wal").write_bytes(bytes(32 + pages * (24 + 4096)))
    ended = bare.lifeboat("backup", bare.app, "--json")
    assert ended.code == 4, ended.stderr
    [made] = document(ended)["backups"]
    assert {Path(one["path"]).name for one in made["databases"]} == {"cut", "shop.db"}


def test_a_large_copy_that_turns_out_damaged_in_the_archive_is_taken_as_it_is(bare: Machine) -> None:
    large = databases.big(bare.app / "large.db", 20)
    assert large.stat().st_size > check.LARGE
    databases.flip_page(large, 2_000)
    ended = bare.lifeboat("backup", bare.app, "--json")
    assert ended.code == 4, ended.stderr
    [made] = document(ended)["backups"]
    taken = {Path(one["path"]).name: one for one in made["databases"]}
    assert (taken["large.db"]["form"], taken["large.db"]["damaged"]) == ("raw", True)
    assert taken["shop.db"]["tables"]["orders"] == 40
    assert len(bare.archives()) == 1
    assert bare.lifeboat("restore", made["id"], "--to", bare.root / "there").code == 0
    assert Path(f"{bare.root}/there{large}").read_bytes() == large.read_bytes()
    assert not [path for path in bare.vault.rglob("*") if ".partial" in path.name or path.name == "copy.db"]

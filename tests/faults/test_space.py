"""The disk is full at any moment of a command: nothing is half done, and the exit code says it (14)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.machine import Machine, change_application, make_application, print_of
from tests.makers import mounts
from tests.makers.runs import Runs

SIZE = 64 << 20
EVERY_OF_BACKUP, EVERY_OF_RESTORE, EVERY_AFTER_COMMIT = 3, 7, 2
"""The disk fills up before each third step of some 60, and each seventh of some 130: it takes half a second each."""


@pytest.fixture
def small(tmp_path: Path, runs: Runs) -> Iterator[Machine]:
    """The whole machine on one file system that fills up."""
    with mounts.small_filesystem(tmp_path / "here", size=SIZE) as here:
        (here / "beside").mkdir()
        (here / "beside" / "file").write_bytes(b"not yours")
        machine = Machine(tmp_path, runs)
        make_application(machine.app)
        yield machine


def make_room(machine: Machine) -> None:
    (machine.root / "here" / ".filler").unlink(missing_ok=True)


def test_it_fills_up_during_a_backup(small: Machine) -> None:
    small.keep()
    before = small.print_of_app()
    steps = len(small.lifeboat("backup", small.app).steps)
    seen = []
    for number in range(1, steps + 1, EVERY_OF_BACKUP):
        small.put_back()
        leave = number % 4 * 8192
        ended = small.lifeboat("backup", small.app, fill=small.root / "here", fill_before=number, leave=leave)
        make_room(small)
        where = f"step {number}: {ended.stdout}{ended.stderr}"
        seen.append(ended.code)
        assert ended.code in (0, 14), where
        if ended.code == 14:
            whole = [one for one in small.backups() if one[1] == "completed"]  # only the catalog is behind
            assert len(small.archives()) == len(whole), where
            assert all(one[1] == "failed" and "space" in one[2] for one in small.backups() if one not in whole), where
            assert "space" in ended.stderr, where
        assert small.print_of_app() == before
        small.assert_recovered()
    assert seen.count(14) >= 10
    assert small.lifeboat("backup", small.app).code == 0


def test_it_fills_up_during_a_restore(small: Machine) -> None:
    assert small.lifeboat("backup", small.app).code == 0
    change_application(small.app)
    small.keep()
    before = small.print_of_app()
    command = ("restore", "app@latest", "--yes", "--on-conflict", "replace")
    whole = small.lifeboat(*command).steps
    commit = max(number for number, step in enumerate(whole) if step.path.endswith("/merging"))
    after = small.print_of_app()
    seen = []
    for number in range(1, len(whole) + 1, EVERY_OF_RESTORE):
        small.put_back()
        ended = small.lifeboat(*command, fill=small.root / "here", fill_before=number)
        now = small.print_of_app()
        make_room(small)
        where = f"step {number}: {ended.stdout}{ended.stderr}"
        seen.append(ended.code)
        assert ended.code in (0, 14), where
        assert now == after or ended.code == 14, where
        assert now in (before, after) or "jobs recover" in ended.stderr, where
        assert now == before or ended.code == 0 or number > commit - 4, where
        small.assert_recovered()
        assert small.print_of_app() in (before, after), where
    assert seen.count(14) >= 10


def test_too_little_space_is_said_before_anything_is_written(small: Machine) -> None:
    """Promise 4: exit 14 with the bytes needed, and no trace in the vault."""
    mounts.fill(small.root / "here", leave=8 << 20)  # less than is always left free
    ended = small.lifeboat("backup", small.app, "--json")
    assert ended.code == 14
    assert "bytes needed" in json.loads(ended.stdout)["error"]["message"]
    assert small.backups() == []
    assert small.archives() == []


def test_a_full_disk_never_begins_a_restore(small: Machine) -> None:
    assert small.lifeboat("backup", small.app).code == 0
    change_application(small.app)
    before = small.print_of_app()
    mounts.fill(small.root / "here", leave=8 << 20)
    ended = small.lifeboat("restore", "app@latest", "--yes", "--on-conflict", "replace")
    assert ended.code == 14
    assert small.print_of_app() == before
    small.assert_nothing_left()


def test_nothing_can_be_written_to_a_read_only_target(small: Machine) -> None:
    assert small.lifeboat("backup", small.app).code == 0
    change_application(small.app)
    before = small.print_of_app()
    with mounts.read_only(small.app):
        ended = small.lifeboat("restore", "app@latest", "--yes", "--on-conflict", "replace")
        assert (ended.code, "read-only" in ended.stderr) == (1, True), ended.stderr
        assert small.print_of_app() == before
    small.assert_recovered()
    assert small.print_of_app() == before


def test_a_read_only_source_is_backed_up(small: Machine) -> None:
    """A database with its WAL on a read-only disk is taken whole, and nothing appears beside it."""
    change_application(small.app)
    before = small.print_of_app()
    with mounts.read_only(small.app):
        ended = small.lifeboat("backup", small.app, "--json")
        assert ended.code == 0, ended.stderr
        assert small.print_of_app() == before
    assert json.loads(ended.stdout)["backups"][0]["databases"][0]["tables"]["orders"] == 80


def test_nothing_happens_with_a_read_only_vault(small: Machine) -> None:
    assert small.lifeboat("backup", small.app).code == 0
    change_application(small.app)
    before = small.print_of_app()
    with mounts.read_only(small.vault):
        for command in (("backup", small.app), ("restore", "app@latest", "--yes", "--on-conflict", "replace")):
            ended = small.lifeboat(*command)
            assert (ended.code, "read-only" in ended.stderr) == (1, True), ended.stderr
            assert small.print_of_app() == before
    small.assert_recovered()
    assert [one[:2] for one in small.backups()] == [("manual", "completed")]


def test_a_read_only_vault_without_its_catalog_is_enough_to_restore_elsewhere(small: Machine) -> None:
    """As after a crash, with the disk of the vault mounted by a rescue system."""
    assert small.lifeboat("backup", small.app).code == 0
    before, there = small.print_of_app(), small.root / "there"
    (small.vault / "catalog.db").unlink()
    with mounts.read_only(small.vault):
        ended = small.lifeboat("restore", "latest", "--to", there)
        assert ended.code == 0, ended.stderr
        assert print_of(Path(f"{there}{small.app}")) == before
        ended = small.lifeboat("catalog", "rebuild")
        assert (ended.code, "read-only" in ended.stderr) == (1, True), ended.stderr
        assert not (small.vault / "catalog.db").exists()
    small.assert_recovered()


def test_it_fills_up_after_the_point_of_no_return(small: Machine) -> None:
    """The restore can only go forward: the journal stays, each later run says so with 14, and recovery ends it."""
    assert small.lifeboat("backup", small.app).code == 0
    change_application(small.app)
    small.keep()
    command = ("restore", "app@latest", "--yes", "--on-conflict", "replace")
    whole = small.lifeboat(*command).steps
    after = small.print_of_app()
    commit = max(number for number, step in enumerate(whole, 1) if step.path.endswith("/merging"))
    stopped = []
    for number in range(commit, len(whole) + 1, EVERY_AFTER_COMMIT):
        small.put_back()
        ended = small.lifeboat(*command, "--json", fill=small.root / "here", fill_before=number)
        where = f"step {number}: {ended.stdout}{ended.stderr}"
        assert ended.code in (0, 14), where
        if small.print_of_app() != after:
            document = json.loads(ended.stdout)
            error = document["error"]
            assert len(document["job"]) == 8, where
            assert (error["code"], "jobs recover" in error["hint"]) == ("no-space", True), where
            assert document["changed"] is True, where
            still = small.lifeboat(*command, "--json")
            assert still.code == 14, where + still.stdout
            stopped.append(number)
        make_room(small)
        ended = small.lifeboat("jobs", "recover", "--json")
        assert ended.code == 0, where + ended.stdout
        assert small.print_of_app() == after, where
        small.assert_recovered()
    assert len(stopped) >= 3

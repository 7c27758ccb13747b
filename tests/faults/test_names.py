"""Hostile names from end to end: backup, list, restore, undo, compare; none of them reaches the terminal raw."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.faults.machine import Machine, print_of
from tests.makers import trees
from tests.makers.faults import Ended

DATABASES = (
    b"a[",
    b"new\nline.db",
    b"esc\x1b[31m.db",
    b"not-utf8-\xff.db",
    b"-rf",
    b"d" * 251 + b".db",
    b"q'\"?#%41.db",
)
"""The one of 255 bytes has no room for sidecars; `a[` is a folder that holds `b].db`."""


def assert_clean(ended: Ended) -> None:
    """Nothing but printable characters and line ends went to the terminal."""
    said = ended.stdout + ended.stderr
    assert [one for one in said if not one.isprintable() and one != "\n"] == []
    assert "\u202e" not in said


@pytest.fixture
def hostile(bare: Machine) -> Machine:
    shutil.rmtree(bare.app)
    trees.kept(bare.app / "files")
    folder = os.fsencode(bare.app)
    os.mkdir(folder + b"/a[")
    for number, name in enumerate(DATABASES):
        path = folder + (b"/a[/b].db" if name == b"a[" else b"/" + name)
        made = folder + b"/made"
        connection = sqlite3.connect(made, isolation_level=None)
        connection.executescript(f"CREATE TABLE t(x); INSERT INTO t VALUES ({number}), (7);")
        connection.close()
        os.rename(made, path)  # SQLite itself cannot make the one without room for `-journal`
    return bare


def test_the_whole_circle(hostile: Machine) -> None:
    """Restored elsewhere all of it is there; restored in place after changes; undone; nothing raw is printed."""
    before = print_of(hostile.app)
    ended = hostile.lifeboat("backup", hostile.app)
    assert ended.code == 0, ended.stderr
    assert_clean(ended)
    assert hostile.print_of_app() == before
    for command in (("list",), ("show", "latest"), ("compare", "latest"), ("verify", "latest", "--open")):
        ended = hostile.lifeboat(*command)
        assert ended.code == 0, (command, ended.stderr)
        assert_clean(ended)
    ended = hostile.lifeboat("restore", "latest", "--to", hostile.root / "there")
    assert ended.code == 0, ended.stderr
    assert_clean(ended)
    there = print_of(Path(f"{hostile.root}/there{hostile.app}"))
    assert _without_database_content(there) == _without_database_content(before)
    _spoil(hostile)
    spoiled = hostile.print_of_app()
    ended = hostile.lifeboat("restore", "app@latest", "--yes", "--on-conflict", "replace")
    assert ended.code == 0, ended.stderr
    assert_clean(ended)
    restored = hostile.print_of_app()
    assert _without_database_content(restored) == _without_database_content(before)
    ended = hostile.lifeboat("undo", "--yes")
    assert ended.code == 0, ended.stderr
    assert_clean(ended)
    assert hostile.print_of_app() == spoiled


def _without_database_content(state: dict[bytes, trees.Print]) -> object:
    """A consistent copy of a database need not be byte-identical to its file; its name, mode and owner are."""
    from dataclasses import replace

    names = {b"a[/b].db", *DATABASES}
    return {name: replace(one, digest="", size=0, holes=()) if name in names else one for name, one in state.items()}


def _spoil(machine: Machine) -> None:
    raw = os.fsencode(machine.app)
    for name in DATABASES[1:]:
        os.unlink(raw + b"/" + name)
    os.unlink(raw + b"/a[/b].db")
    for name in trees.HOSTILE_NAMES[::2]:
        os.unlink(raw + b"/files/" + name)
    for name in trees.HOSTILE_NAMES[1::2]:
        with open(raw + b"/files/" + name, "wb") as file:
            file.write(b"other")
    shutil.rmtree(machine.app / "files" / "deep-00")


def test_errors_about_hostile_names_are_clean_too(bare: Machine) -> None:
    for command in (
        ("backup", f"{bare.root}/no\x1b[31m\n\u202esuch"),
        ("restore", f"{bare.root}/no\x1b[31m\nsuch.tar.zst", "--to", bare.root / "x"),
        ("restore", "no\x1b]0;title\x07such"),
    ):
        ended = bare.lifeboat(*command)
        assert ended.code in (2, 10), ended.stderr
        assert_clean(ended)

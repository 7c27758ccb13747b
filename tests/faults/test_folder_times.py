"""Folders that stay where they are show the time of the backup after a restore, and that from before after an undo."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.machine import Machine, age, change_application, make_application
from tests.makers import databases, trees

IN_PLACE = ("restore", "app@latest", "--yes", "--on-conflict", "replace")
OLD, NOW = 1_700_000_000, 1_750_000_000


def times(machine: Machine) -> dict[bytes, int]:
    """Folder to its time in seconds."""
    found = trees.fingerprint(machine.app)
    return {name: one.mtime_ns // 10**9 for name, one in found.items() if one.type == "directory"}


@pytest.fixture
def shop(bare: Machine) -> Machine:
    """An application that is backed up, then changed in three of its folders, whose times are younger."""
    ended = bare.lifeboat("backup", bare.app)
    assert ended.code == 0, ended.stderr
    uploads = bare.app / "uploads"
    (uploads / "gone").unlink()
    (uploads / "folder" / "deep" / "file").unlink()
    (uploads / "changed").write_bytes(b"second, and longer")
    with databases.opened(bare.database) as connection:
        connection.execute("DELETE FROM orders")
    age(bare.app, NOW)
    return bare


def test_a_restore_in_place_is_exact(bare: Machine, shop: Machine) -> None:
    untouched = times(shop).keys() - {b"", b"uploads", b"uploads/folder", b"uploads/folder/deep"}
    assert shop.lifeboat(*IN_PLACE).code == 0
    assert times(shop) == {name: NOW if name in untouched else OLD for name in times(shop)}
    assert untouched


def test_an_undo_is_exact_and_so_is_its_undo(shop: Machine) -> None:
    before = trees.fingerprint(shop.app)
    assert shop.lifeboat(*IN_PLACE).code == 0
    after = trees.fingerprint(shop.app)
    assert shop.lifeboat("undo", "--yes").code == 0
    assert trees.fingerprint(shop.app) == before
    assert shop.lifeboat("undo", "--yes").code == 0
    assert trees.fingerprint(shop.app) == after


def test_a_folder_with_other_names_says_when_it_changed(shop: Machine) -> None:
    (shop.app / "uploads" / "folder" / "new").write_bytes(b"came later")
    age(shop.app, NOW)
    assert shop.lifeboat(*IN_PLACE).code == 0
    found = times(shop)
    assert (found[b"uploads"], found[b""], found[b"uploads/folder/deep"]) == (OLD, OLD, OLD)
    assert found[b"uploads/folder"] > NOW


def test_one_database_alone(shop: Machine) -> None:
    os.utime(shop.app, (NOW, NOW))
    assert shop.lifeboat("restore", "app@latest", "--yes", "--database", "shop.db").code == 0
    assert times(shop)[b""] == OLD
    (shop.app / "new").write_bytes(b"came later")
    os.utime(shop.app, (NOW, NOW))
    assert shop.lifeboat("restore", "app@latest", "--yes", "--database", "shop.db").code == 0
    assert times(shop)[b""] == NOW  # it holds what it held: only a database was exchanged


@pytest.mark.parametrize("there", [False, True], ids=["new", "again"])
def test_elsewhere(shop: Machine, there: bool) -> None:
    to = shop.root / "to"
    command = ("restore", "latest", "--to", to, "--on-conflict", "replace", "--yes")
    assert shop.lifeboat(*command).code == 0
    restored = Path(f"{to}{shop.app}")
    if there:
        (restored / "shop.db").unlink()
        shutil.rmtree(restored / "uploads" / "was-folder")
        age(to, NOW)
        assert shop.lifeboat(*command).code == 0
    shutil.rmtree(shop.app)
    make_application(shop.app)
    here, whole = trees.fingerprint(restored), trees.fingerprint(shop.app)
    assert (here[b""].mtime_ns, here[b"uploads"].mtime_ns) == (OLD * 10**9, OLD * 10**9)
    assert there or {name: one for name, one in here.items() if name != b"shop.db"} == {
        name: one for name, one in whole.items() if name != b"shop.db"
    }


def test_a_refused_restore_leaves_the_times(shop: Machine) -> None:
    before = trees.fingerprint(shop.app)
    with databases.opened(shop.database) as connection:
        connection.execute("SELECT count(*) FROM orders").fetchone()
        held = trees.fingerprint(shop.app)
        assert shop.lifeboat(*IN_PLACE).code == 5
        assert trees.fingerprint(shop.app) == held
    assert {name: one.digest for name, one in before.items()} == {
        name: one.digest for name, one in trees.fingerprint(shop.app).items()
    }


def test_killed_before_it_gives_the_times(bare: Machine) -> None:
    assert bare.lifeboat("backup", bare.app).code == 0
    change_application(bare.app)
    (bare.app / "uploads" / "new").unlink()
    bare.keep()
    steps = bare.lifeboat(*IN_PLACE).steps
    whole = trees.fingerprint(bare.app)
    first = next(number for number, step in enumerate(steps, 1) if step.name == "times")
    for number in (first, first - 1):
        bare.put_back()
        assert bare.lifeboat(*IN_PLACE, kill_before=number).killed
        bare.assert_recovered()
        assert trees.fingerprint(bare.app) == whole
    assert whole[b"uploads"].mtime_ns == OLD * 10**9


def test_killed_before_anything_was_placed(shop: Machine) -> None:
    shop.keep()
    steps = shop.lifeboat(*IN_PLACE).steps
    shop.put_back()
    before = trees.fingerprint(shop.app)
    number = next(number for number, step in enumerate(steps, 1) if step.path.endswith("/merging")) - 3
    assert shop.lifeboat(*IN_PLACE, kill_before=number).killed
    shop.assert_recovered()
    assert trees.fingerprint(shop.app) == before

"""`restore --map`: the backup of an application that lived elsewhere goes to where it lives here."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.makers.commands import VOUCH, application, backed_up, lifeboat
from toolkit.operations.restoring.relocation import parse


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return application(tmp_path / "old" / "shop")


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
        return found


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(one.relative_to(folder)): (one.lstat().st_mode, b"" if one.is_dir() else one.read_bytes())
        for one in sorted(folder.rglob("*"))
    }


def test_an_application_moves_to_another_folder(old: Path, vault: Path, tmp_path: Path) -> None:
    ident = backed_up(old, vault)
    before = listing(old)
    new = tmp_path / "srv" / "app"
    new.parent.mkdir()
    shutil.rmtree(old)
    ran = lifeboat("restore", ident, "--map", f"{old}={new}", "--yes", "--vault", vault, *VOUCH)
    assert ran.code == 0, ran.stderr
    assert listing(new) == before
    assert os.readlink(new / "uploads" / "latest") == "2.txt"
    assert not old.exists()


def test_what_was_at_the_new_place_comes_back_by_undo(old: Path, vault: Path, tmp_path: Path) -> None:
    ident = backed_up(old, vault)
    new = application(tmp_path / "new", orders=7)
    (new / "uploads" / "own.txt").write_text("of this machine")
    before = listing(new)
    mapping = ("--map", f"{old}={new}")
    ran = lifeboat("restore", ident, *mapping, "--on-conflict", "replace", "--yes", "--vault", vault, *VOUCH)
    assert ran.code == 0, ran.stderr
    assert rows(new / "shop.db") == 20
    assert (new / "uploads" / "own.txt").read_text() == "of this machine"
    assert lifeboat("undo", "--yes", "--vault", vault, *VOUCH).code == 0
    assert listing(new) == before
    assert rows(old / "shop.db") == 20


def test_the_plan_says_the_new_places_and_the_whole_command(old: Path, vault: Path, tmp_path: Path) -> None:
    ident = backed_up(old, vault)
    new = tmp_path / "new"
    words = ("restore", ident, "--map", f"{old}={new}", "--dry-run", "--vault", vault)
    plan = lifeboat(*words, "--json").document["plan"]
    assert str(new / "shop.db") in plan["targets"]
    assert not [target for target in plan["targets"] if target.startswith(str(old))]
    assert f"--map {old}={new}" in plan["cli"]
    assert not new.exists()


@pytest.mark.parametrize("place", ["old", "new"])
def test_a_part_may_be_named_as_it_was_or_as_it_is(old: Path, vault: Path, tmp_path: Path, place: str) -> None:
    ident = backed_up(old, vault)
    new = tmp_path / "new"
    root = {"old": old, "new": new}[place]
    common = ("--map", f"{old}={new}", "--yes", "--vault", vault, *VOUCH)
    assert lifeboat("restore", ident, "--only", f"{root}/uploads/1.txt", *common).code == 0
    assert [one.name for one in new.rglob("*") if one.is_file()] == ["1.txt"]
    assert lifeboat("restore", ident, "--database", f"{root}/shop.db", *common).code == 0
    assert rows(new / "shop.db") == 20


def test_hard_links_stay_one_file(old: Path, vault: Path, tmp_path: Path) -> None:
    os.link(old / "uploads" / "0.txt", old / "uploads" / "same.txt")
    ident = backed_up(old, vault)
    new = tmp_path / "new"
    assert lifeboat("restore", ident, "--map", f"{old}={new}", "--yes", "--vault", vault, *VOUCH).code == 0
    assert os.path.samefile(new / "uploads" / "0.txt", new / "uploads" / "same.txt")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners_of_there_become_owners_of_here(old: Path, vault: Path, tmp_path: Path) -> None:
    for one in (old, *old.rglob("*")):
        os.chown(one, 4711, 4712, follow_symlinks=False)
    os.chown(old / "uploads" / "0.txt", 0, 0)
    ident = backed_up(old, vault)
    new = tmp_path / "new"
    owners = ("--map-user", "4711=nobody", "--map-group", "4712=4713")
    ran = lifeboat("restore", ident, "--map", f"{old}={new}", *owners, "--yes", "--vault", vault)
    assert ran.code == 0, ran.stderr
    nobody = pwd.getpwnam("nobody").pw_uid
    found = {one.name: (one.lstat().st_uid, one.lstat().st_gid) for one in (new, *new.rglob("*"))}
    assert found.pop("0.txt") == (0, 0)
    assert set(found.values()) == {(nobody, 4713)}
    assert {"new", "shop.db", "1.txt", "latest"} <= set(found)


def test_the_longest_folder_decides() -> None:
    relocation = parse(["/srv=/data", "/srv/shop/uploads=/media"], [], [])
    assert relocation.path("/srv/shop/uploads/a") == "/media/a"
    assert relocation.path("/srv/shop/uploads") == "/media"
    assert relocation.path("/srv/shop/uploads2/a") == "/data/shop/uploads2/a"
    assert relocation.path("/home/a") == "/home/a"
    assert parse(["/=/mnt"], [], []).path("/etc/x") == "/mnt/etc/x"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--map", "/srv"), "with = between"),
        (("--map", "srv=/data"), "absolute"),
        (("--map", "/srv=/a", "--map", "/srv/=/b"), "mapped twice"),
        (("--map-user", "shop=nobody-of-this-name"), "no such user"),
        (("--map-user", "shop=4294967295"), "has such a number"),
        (("--map-group", "shop=99999999999"), "has such a number"),
        (("--map-group", "shop=nobody-of-this-name"), "no such group"),
        (("--map", "/srv=/data", "--to", "/tmp/look"), "give one of them"),
    ],
)
def test_what_cannot_be_meant_is_refused(old: Path, vault: Path, options: tuple[str, ...], said: str) -> None:
    ran = lifeboat("restore", backed_up(old, vault), *options, "--vault", vault)
    assert ran.code == 2
    assert said in ran.stderr


def test_two_folders_that_would_become_one_are_refused(old: Path, vault: Path, tmp_path: Path) -> None:
    (old / "other").mkdir()
    (old / "other" / "0.txt").write_text("another")
    ident = backed_up(old, vault)
    new = tmp_path / "new"
    mapping = ("--map", f"{old}/uploads={new}/x", "--map", f"{old}/other={new}/x")
    ran = lifeboat("restore", ident, *mapping, "--only", "0.txt", "--yes", "--vault", vault, *VOUCH)
    assert ran.code == 5
    assert "the same name" in ran.stderr
    assert not new.exists()

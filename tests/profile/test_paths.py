"""Paths on the command line make a profile, and a folder makes a first configuration."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.makers import databases, trees
from toolkit.errors import SourceMissingError, UsageError
from toolkit.profile import checks, model
from toolkit.profile.adhoc import is_profile_word, profile_for, slug
from toolkit.profile.discover import discover, initial_config
from toolkit.profile.load import load, validate_text
from toolkit.profile.model import Config, Profile

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def is_sqlite(header: bytes) -> bool:
    """SQLite file format, section 1.3: the first 16 bytes."""
    return header == b"SQLite format 3\0"


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A real application: databases under odd names, a WAL, uploads, things that are made again."""
    root = tmp_path / "srv" / "shop"
    root.mkdir(parents=True)
    databases.wal(root / "shop.db", orders=20, extra=5)
    (root / "data").mkdir()
    databases.shop(root / "data" / "sessions", orders=5)
    databases.shop(root / "blob.bin", orders=5)
    databases.not_a_database(root / "fake.db")
    for name in ("uploads/2024/a.jpg", ".git/HEAD", "node_modules/x/i.js", "env/pyvenv.cfg", "env/lib/x", "app.py"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "thumbs").mkdir()
    (root / "thumbs" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    (root / "thumbs" / "t.png").write_text("t")
    databases.shop(root / ".git" / "hidden.db", orders=2)
    (root / "shop.toml").write_text("a = 1\n")
    (root / "empty").mkdir()
    (root / "link").symlink_to("/etc")
    return root


def test_databases_are_found_by_their_header(application: Path) -> None:
    before = trees.fingerprint(application)
    found = discover(application, is_sqlite)
    assert found.databases == tuple(application / name for name in ("blob.bin", "data/sessions", "shop.db"))
    assert found.directories == (application / "uploads",)
    assert found.files == (application / "app.py", application / "fake.db")
    assert found.config_files == (application / "shop.toml",)
    assert found.skipped == tuple(application / name for name in (".git", "env", "node_modules", "thumbs"))
    assert (found.unreadable, found.complete) == ((), True)
    assert trees.fingerprint(application) == before


def test_the_first_configuration_is_short_and_loads_back(application: Path, tmp_path: Path) -> None:
    found = discover(application, is_sqlite)
    text = initial_config(found, "shop")
    assert 10 <= text.count("\n") <= 20
    assert validate_text(text, "config.yaml", {}, uid=0) == ()
    path = tmp_path / "config.yaml"
    path.write_text(text)
    profile = load(path, {}, uid=0).profile("shop")
    assert tuple(database.path for database in profile.databases) == found.databases
    assert tuple(tree.path for tree in profile.files) == (*found.directories, *found.files)
    assert tuple(tree.path for tree in profile.config_files) == found.config_files
    assert [(entry.kind, entry.at) for entry in profile.schedule] == [("daily", "03:00")]


def test_a_folder_with_many_or_unwritable_names_is_named_whole(tmp_path: Path) -> None:
    many, bytes_, nothing = tmp_path / "many", tmp_path / "bytes", tmp_path / "nothing"
    for folder in (many, bytes_, nothing):
        folder.mkdir()
    for number in range(9):
        (many / f"f{number}").mkdir()
        (many / f"f{number}" / "x").write_text("x")
    with open(os.fsencode(bytes_) + b"/\xff\xfe", "wb") as file:
        file.write(b"x")
    for folder in (many, bytes_, nothing):
        text = initial_config(discover(folder, is_sqlite), "x")
        path = tmp_path / "config.yaml"
        path.write_text(text)
        assert [tree.path for tree in load(path, {}, uid=0).profile("x").files] == [folder]


@pytest.mark.parametrize(
    "name", ["a b", "ä", "a: b", "- a", "#a", "${HOME}", "a$$${b}", 'q"q', "a\nb", "\x1b[31m", "on", "数"]
)
def test_odd_names_load_back(tmp_path: Path, name: str) -> None:
    root = tmp_path / "app"
    (root / name).mkdir(parents=True)
    (root / name / "file").write_text("x")
    databases.shop(root / name / "x.db", orders=2)
    text = initial_config(discover(root, is_sqlite), "app")
    path = tmp_path / "config.yaml"
    path.write_text(text)
    profile = load(path, {}, uid=0).profile("app")
    assert [database.path for database in profile.databases] == [root / name / "x.db"]
    assert [tree.path for tree in profile.files] == [root / name]
    assert "\x1b" not in text


def test_what_cannot_be_looked_at_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        discover(tmp_path / "absent", is_sqlite)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="no directory"):
        discover(tmp_path / "file", is_sqlite)


@pytest.mark.skipif(os.geteuid() == 0, reason="root looks into everything")
def test_a_closed_folder_is_noted(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    found = discover(tmp_path, is_sqlite)
    assert found.unreadable == (tmp_path / "closed",)
    assert "could not be looked at" in initial_config(found, "x")


def test_a_word_is_a_profile_and_a_path_has_a_slash() -> None:
    assert [is_profile_word(word) for word in ("shop", "./shop", "/srv/shop", "shop.db", "shop/")] == [
        True, False, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My App_2", "my-app-2"),
        ("shop", "shop"),
        ("shop.db", "shop-db"),
        ("Crème brûlée", "creme-brulee"),
        ("Straße", "strasse"),
        ("--a--", "a"),
        ("", "root"),
        ("数据库.db", "db-643692cd"),
        ("базы", "88b8c1bd"),
        ("!!!", "e84c538e"),
        ("x" * 100, "x" * 48 + "-09ecb6eb"),
    ],
)
def test_the_name_of_a_path(name: str, expected: str) -> None:
    assert slug(name) == expected
    assert NAME.fullmatch(expected)


def test_names_that_lose_letters_stay_apart() -> None:
    names = ["数据库", "图书馆", "数据库.db", "!!!", "???", "\udcff", "\udcfe", "x" * 100, "x" * 101]
    assert len({slug(name) for name in names}) == len(names)


@given(st.text(max_size=80) | st.binary(max_size=40).map(os.fsdecode))
def test_every_name_makes_a_valid_profile(name: str) -> None:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        name = name.encode("utf-8", "replace").decode()
    assert NAME.fullmatch(slug(name))


def test_paths_become_a_profile(application: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(application)
    profile = profile_for(
        [Path("../shop/"), Path("shop.db"), application / "blob.bin", Path("fake.db"), Path("shop.db")], is_sqlite
    )
    assert profile.name == "shop"
    assert [tree.path for tree in profile.files] == [application, application / "fake.db"]
    assert [(database.path, database.name) for database in profile.databases] == [
        (application / "shop.db", "shop.db"),
        (application / "blob.bin", "blob.bin"),
    ]
    assert profile.retention == Profile(name="x").retention
    assert profile_for([Path()], is_sqlite).name == "shop"
    assert profile_for([Path("/")], is_sqlite).name == "root"


def test_what_is_absent_or_empty_is_told_by_its_suffix(tmp_path: Path) -> None:
    databases.zero_bytes(tmp_path / "zero.sqlite3")
    (tmp_path / "zero.txt").write_text("")
    profile = profile_for([tmp_path / name for name in ("zero.sqlite3", "zero.txt", "gone.db", "gone")], is_sqlite)
    assert [database.path.name for database in profile.databases] == ["zero.sqlite3", "gone.db"]
    assert [tree.path.name for tree in profile.files] == ["zero.txt", "gone"]


def test_nothing_there_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError) as caught:
        profile_for([tmp_path / "a", tmp_path / "b"], is_sqlite)
    assert caught.value.subject == str(tmp_path / "a")
    with pytest.raises(UsageError):
        profile_for([], is_sqlite)


def test_a_vault_inside_a_source_is_left_out_and_a_source_inside_the_vault_is_seen(tmp_path: Path) -> None:
    source, vault = tmp_path / "home", tmp_path / "home" / "data" / "vault"
    vault.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(source)
    own = (vault, tmp_path / "elsewhere", source)
    assert checks.left_out_of(source, own) == (vault,)
    assert checks.left_out_of(link, own) == (link / "data" / "vault",)
    assert checks.left_out_of(vault, own) == ()
    for path, inside in ((source, False), (vault, True), (vault / "shop", True), (link / "data/vault", True)):
        profile = Profile(name="x", files=(model.TreeSource(path=path),))
        assert checks.sources_in_vault(profile, vault) == ((path,) if inside else ())
    assert not checks.is_inside(Path(f"{vault}-other"), vault)


def test_names_of_databases_do_not_depend_on_their_order() -> None:
    paths = [Path("/a/x.db"), Path("/b/x.db"), Path("/c/y.db")]
    named = dict(zip(paths, checks.unique_names(paths), strict=True))
    assert named == dict(zip(paths[::-1], checks.unique_names(paths[::-1]), strict=True))
    assert checks.unique_names([Path("/a/x.db")], taken=["x.db"]) == ("a-x.db",)


def test_an_empty_configuration_is_easy_to_make() -> None:
    assert Config(vault=model.Vault(path=Path("/v"))).profiles == ()

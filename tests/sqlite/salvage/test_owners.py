"""Roots that the schema gives to the wrong object: each tree finds its table, or none, never a wrong one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from tests.sqlite.salvage.test_cures import expect_whole, span

Repair = Callable[..., Repaired]

PEOPLE = "people(id INTEGER PRIMARY KEY, name TEXT NOT NULL, born INTEGER)"
PLACES = "places(id INTEGER PRIMARY KEY, name TEXT NOT NULL, founded INTEGER)"
WORDS = "words(word TEXT PRIMARY KEY, count INTEGER, note TEXT) WITHOUT ROWID"
SETTINGS = "settings(key TEXT, value TEXT)"


def made(path: Path, *statements: str, rows: int = 300) -> Path:
    """Make a database of the statements, and fill `people`, `places`, `words` and `settings`, those that there are."""
    with databases.opened(path) as connection:
        for statement in statements:
            connection.execute(f"CREATE {statement}")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        contents: dict[str, list[tuple[object, ...]]] = {
            "people": [(n, f"person {n * 7919 % 1000}", 1900 + n % 99) for n in range(1, rows)],
            "places": [(n, f"place {n * 6007 % 1000}", 1200 + n % 700) for n in range(1, rows)],
            "words": [(f"word {n * 31 % 1009}", n, "n" * (n % 40)) for n in range(1, rows)],
            "settings": [(f"setting {n}", "v" * 30) for n in range(1, rows)],
        }
        for name in tables & set(contents):
            marks = ",".join("?" * len(contents[name][0]))
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", contents[name])
    return path


def rooted(original: Path, roots: dict[str, str]) -> Callable[[bytearray], None]:
    """Return a damage: each named object gets the root that another one has."""

    def damage(data: bytearray) -> None:
        copy = original.with_name("rooted.db")
        shutil.copyfile(original, copy)
        with databases.opened(copy) as connection:
            were = dict(connection.execute("SELECT name, rootpage FROM sqlite_master"))
            connection.execute("PRAGMA writable_schema=ON")
            for name, other in roots.items():
                connection.execute("UPDATE sqlite_master SET rootpage=? WHERE name=?", (were[other], name))
        data[:] = copy.read_bytes()

    return damage


@pytest.mark.parametrize(
    ("statements", "roots"),
    [
        pytest.param(
            (f"TABLE {PEOPLE}", f"TABLE {SETTINGS}"), {"people": "settings", "settings": "people"}, id="shapes"
        ),
        pytest.param(
            (f"TABLE {PEOPLE}", f"TABLE {PLACES}", "INDEX named ON people(name)"),
            {"people": "places", "places": "people"},
            id="index",
        ),
        pytest.param(
            (f"TABLE {PEOPLE}", f"TABLE {SETTINGS}", "TABLE empty(a TEXT, b TEXT, c TEXT, d TEXT)"),
            {"people": "empty", "empty": "people"},
            id="empty",
        ),
        pytest.param(
            (f"TABLE {PEOPLE}", f"TABLE {SETTINGS}", "TABLE empty(a TEXT, b TEXT)"),
            {"people": "settings", "settings": "people"},
            id="beside-an-empty-one",
        ),
        pytest.param((f"TABLE {PEOPLE}", f"TABLE {SETTINGS}"), {"settings": "people"}, id="shared"),
        pytest.param((f"TABLE {PEOPLE}", f"TABLE {SETTINGS}"), {"people": "settings"}, id="shared-by-the-first"),
        pytest.param((f"TABLE {WORDS}", "INDEX counts ON words(count)"), {"words": "counts"}, id="own-index"),
        pytest.param(
            (f"TABLE {PEOPLE}", "TABLE pairs(a, b, PRIMARY KEY(a)) WITHOUT ROWID", "INDEX named ON people(name)"),
            {"pairs": "named"},
            id="index-of-another",
        ),
    ],
)
def test_a_tree_finds_its_table(
    tmp_path: Path, repaired: Repair, statements: tuple[str, ...], roots: dict[str, str]
) -> None:
    original = made(tmp_path / "a.db", *statements)
    result = repaired(original, rooted(original, roots))
    expect_whole(result, "mend")
    assert result.account.whole
    assert any("tree at page" in one for one in result.account.said)


def test_a_tree_that_nothing_tells_of_is_of_no_table(tmp_path: Path, repaired: Repair) -> None:
    original = made(tmp_path / "a.db", f"TABLE {PEOPLE}", f"TABLE {PLACES}")
    result = repaired(original, rooted(original, {"people": "places"}))
    assert not result.extra
    assert not result.account.whole
    assert result.account.unplaced == 598


def test_a_backup_tells_whose_tree_it_is(tmp_path: Path, repaired: Repair) -> None:
    original = made(tmp_path / "a.db", f"TABLE {PEOPLE}", f"TABLE {PLACES}")
    backup = shutil.copyfile(original, tmp_path / "backup.db")
    with databases.opened(original) as connection:
        connection.execute("UPDATE people SET born = born + 1 WHERE id % 5 = 0")
    result = repaired(original, rooted(original, {"people": "places"}), backup)
    assert (result.missing, result.extra) == ({}, {})
    assert result.account.whole


def test_a_page_that_was_written_over_a_root_gives_it_no_rows(tmp_path: Path, repaired: Repair) -> None:
    original = made(tmp_path / "a.db", f"TABLE {PEOPLE}", f"TABLE {PLACES}", "INDEX named ON places(name)", rows=40)
    people, places = (span(databases.root_page(original, name)) for name in ("people", "places"))

    def damage(data: bytearray) -> None:
        data[places] = data[people]

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({"places": 39}, {})
    assert not result.account.tables["places"].whole

"""Rows of the backup that nothing speaks for or against are told, and kept apart where that is wanted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.makers.databases import opened
from tests.sqlite.refill.cutting import copied, cut, live_a_day, rows, sound, violations
from tests.sqlite.refill.test_witnesses import family, keys
from toolkit.sqlite.account import Gap, TableAccount, Unproven
from toolkit.sqlite.refill import refill

__all__ = ["family"]


def fill(
    output: Path, backup: Path, accounts: dict[str, TableAccount], unproven: Unproven = "apart"
) -> dict[str, TableAccount]:
    return refill(output, backup, accounts, scratch=output.parent, unproven=unproven)


def test_rows_that_nothing_proves_are_put_and_counted(family: Path) -> None:
    output = copied(family, "out.db")
    gone = cut(output, "notes", [(100, 120), (300, 320)])
    account = fill(output, family, {"notes": gone}, "in")["notes"]
    assert keys(output, "notes") == set(range(500))
    assert (account.refilled, account.unproven, account.doubtful, account.apart) == (42, 42, 0, None)
    assert account.doubted == (Gap(99, 121, 21), Gap(299, 321, 21))
    assert not replace(account, gaps=()).whole


def test_rows_that_nothing_proves_are_kept_apart_as_they_are(family: Path) -> None:
    before = rows(family, "notes")
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("CREATE TABLE lost_and_found_NOTES(x)")
        connection.execute("DELETE FROM notes WHERE id = 105")
    account = fill(output, family, {"notes": cut(output, "notes", [(100, 120)])})["notes"]
    assert keys(output, "notes") == set(range(100)) | set(range(121, 500))
    assert (account.refilled, account.unproven, account.doubtful) == (0, 21, 21)
    assert account.apart == "lost_and_found_notes_2"
    assert rows(output, account.apart) == {key: row for key, row in before.items() if 100 <= int(str(key)) <= 120}
    assert sound(output)


def test_what_a_witness_proves_is_put(family: Path) -> None:
    """Children prove their parents, one that comes back by its number as well; an index proves what it names."""
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM children WHERE parent = 211")
        connection.execute("DELETE FROM parents WHERE id = 211")
    children = cut(output, "children", [(624, 626), (900, 910)])
    accounts = {
        "parents": cut(output, "parents", [(205, 215)]),
        "children": replace(children, gaps=(replace(children.gaps[0], rows=3), children.gaps[1])),
        "accounts": cut(output, "accounts", [(100, 120)], named=True),
    }
    filled = fill(output, family, accounts)
    assert keys(output, "parents") == set(range(500)) - {211}
    assert filled["parents"].unproven == 0
    assert {624, 625, 626} <= keys(output, "children")
    assert (filled["children"].refilled, filled["children"].unproven) == (3, 11)
    assert keys(output, "accounts") == set(range(500))
    assert filled["accounts"].whole
    assert violations(output) == 0


def test_tables_without_rowid_are_kept_apart_by_their_keys(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with opened(backup) as connection:
        connection.execute('CREATE TABLE "a ""b"(rowid TEXT PRIMARY KEY, v) WITHOUT ROWID')
        connection.executemany('INSERT INTO "a ""b" VALUES (?, ?)', ((f"k{n:03}", n) for n in range(300)))
    output = copied(backup, "out.db")
    gone = cut(output, 'a "b', [("k100", "k140")], key='"rowid"')
    gone = replace(gone, gaps=(Gap(("k099",), ("k141",)),))
    account = fill(output, backup, {'a "b': gone})['a "b']
    assert account.apart == 'lost_and_found_a "b'
    with opened(output) as connection:
        apart = connection.execute('SELECT * FROM "lost_and_found_a ""b"').fetchall()
    assert apart == [(f"k{n:03}", n) for n in range(100, 141)]


@pytest.mark.parametrize("seed", range(4))
def test_apart_no_row_comes_back_that_was_deleted(family: Path, seed: int) -> None:
    output = copied(family, "out.db")
    tables = {"notes": "words = 'x'", "parents": "name = 'x'", "accounts": "note = 'x'", "tree": "name = 'x'"}
    deleted = {name: live_a_day(output, name, seed=seed, change=change, share=0.05) for name, change in tables.items()}
    accounts = {name: cut(output, name, [(90, 160), (200, 330)]) for name in tables}
    filled = fill(output, family, accounts)
    for name, gone in deleted.items():
        assert keys(output, name).isdisjoint(gone), name
        assert filled[name].refilled + filled[name].doubtful > 0

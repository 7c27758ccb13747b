"""A row that was deleted or changed since the backup does not come back, wherever anything tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.makers import databases
from tests.makers.databases import opened
from tests.sqlite.refill.cutting import copied, cut, live_a_day, rows, violations
from tests.sqlite.refill.test_refill import fill
from toolkit.sqlite.account import Gap, TableAccount
from toolkit.sqlite.refill import refill

FAMILY = """
CREATE TABLE parents(id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE children(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents ON DELETE CASCADE, toy TEXT);
CREATE TABLE accounts(id INTEGER PRIMARY KEY, email TEXT UNIQUE, note TEXT);
CREATE TABLE notes(id INTEGER PRIMARY KEY, day TEXT, words TEXT);
CREATE TABLE tree(id INTEGER PRIMARY KEY, above INTEGER REFERENCES tree(id), name TEXT);
"""


@pytest.fixture
def family(tmp_path: Path) -> Path:
    path = tmp_path / "backup.db"
    with opened(path) as connection:
        connection.executescript(FAMILY)
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO parents VALUES (?, ?)", ((n, f"parent {n}") for n in range(500)))
        connection.executemany("INSERT INTO children VALUES (?, ?, ?)", ((n, n // 3, f"toy {n}") for n in range(1500)))
        connection.executemany("INSERT INTO accounts VALUES (?, ?, ?)", ((n, f"{n}@x", "") for n in range(500)))
        connection.executemany(
            "INSERT INTO notes VALUES (?, ?, ?)",
            ((n, f"2026-01-{n % 28}", f"the words of note {n}") for n in range(500)),
        )
        connection.executemany(
            "INSERT INTO tree VALUES (?, ?, ?)", ((n, n // 4 or None, f"{n}") for n in range(1, 500))
        )
        connection.execute("COMMIT")
    return path


def keys(path: Path, table: str) -> set[object]:
    return set(rows(path, table))


def test_a_parent_whose_children_are_all_gone_was_deleted(family: Path) -> None:
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("DELETE FROM parents WHERE id IN (205, 212)")
        connection.execute("DELETE FROM children WHERE id = 630")
    filled, _ = fill(output, family, {"parents": cut(output, "parents", [(200, 230)])})
    assert keys(output, "parents") == set(range(500)) - {205, 212}
    assert (filled["parents"].refilled, filled["parents"].doubtful) == (29, 2)


def test_children_that_come_and_go_say_nothing(family: Path) -> None:
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM children WHERE id % 3 <> 1 OR id BETWEEN 630 AND 632")
    fill(output, family, {"parents": cut(output, "parents", [(200, 230)])})
    assert keys(output, "parents") == set(range(500))


def test_a_child_proves_its_parent(family: Path) -> None:
    """Around the gap nearly all parents were deleted, but those whose children are there were not."""
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("DELETE FROM parents WHERE id BETWEEN 150 AND 300 AND id % 10 <> 3")
    filled, said = fill(output, family, {"parents": cut(output, "parents", [(200, 230)])})
    assert {one for one in keys(output, "parents") if 200 <= one <= 230} == {203, 213, 223}  # type: ignore[operator]
    assert filled["parents"].doubtful == 36
    assert len(said) == 1


def test_children_in_a_gap_of_their_own_are_not_missed(family: Path) -> None:
    output = copied(family, "out.db")
    accounts = {
        "children": cut(output, "children", [(500, 800)]),
        "parents": cut(output, "parents", [(200, 230)]),
    }
    filled, _ = fill(output, family, accounts)
    assert keys(output, "parents") == set(range(500))
    assert keys(output, "children") == set(range(1500))
    assert filled["parents"].doubtful == filled["children"].doubtful == 0


def test_a_child_whose_parent_was_deleted_is_not_put(family: Path) -> None:
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("DELETE FROM parents WHERE id = 205")
        connection.execute("DELETE FROM tree WHERE id BETWEEN 240 AND 243")
        connection.execute("DELETE FROM tree WHERE id = 60")
    accounts = {"children": cut(output, "children", [(600, 640)]), "tree": cut(output, "tree", [(241, 260)])}
    filled, _ = fill(output, family, accounts)
    assert {615, 616, 617}.isdisjoint(keys(output, "children"))
    assert (filled["children"].refilled, filled["children"].doubtful) == (38, 3)
    assert {241, 242, 243}.isdisjoint(keys(output, "tree"))
    assert violations(output) == 0


def test_orphans_of_the_backup_come_back_as_orphans(family: Path) -> None:
    with opened(family) as connection:
        connection.execute("DELETE FROM parents WHERE id = 205")
    output = copied(family, "out.db")
    fill(output, family, {"children": cut(output, "children", [(600, 640)])})
    assert keys(output, "children") == set(range(1500))
    assert violations(output) == 3


def test_a_unique_value_that_moved_is_not_taken_back(family: Path) -> None:
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM accounts WHERE id = 105")
        connection.execute("INSERT INTO accounts VALUES (900, '105@x', 'again')")
    filled, _ = fill(output, family, {"accounts": cut(output, "accounts", [(100, 120)])})
    assert 105 not in keys(output, "accounts")
    assert (filled["accounts"].refilled, filled["accounts"].doubtful, filled["accounts"].lost) == (20, 1, 0)


def test_a_row_under_a_new_key_is_not_doubled(family: Path) -> None:
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("UPDATE notes SET id = 7000 WHERE id = 105")
    filled, _ = fill(output, family, {"notes": cut(output, "notes", [(100, 120)])})
    assert 105 not in keys(output, "notes")
    assert (filled["notes"].refilled, filled["notes"].doubtful) == (20, 1)


def test_a_purged_stretch_is_left_out(family: Path) -> None:
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM notes WHERE id < 300")
    filled, said = fill(output, family, {"notes": TableAccount(read=200, gaps=(Gap(290, 295),))})
    assert filled["notes"].refilled == 0
    assert filled["notes"].doubtful == 4
    assert "deleted since the backup" in said[0]


def test_a_table_that_began_anew_stays_so(tmp_path: Path) -> None:
    backup = databases.shop(tmp_path / "backup.db", orders=300)
    output = copied(backup, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM orders")
        connection.execute("DELETE FROM sqlite_sequence")
        connection.execute("INSERT INTO orders(user_id, note) SELECT 1, 'anew' FROM audit LIMIT 40")
        connection.execute("DELETE FROM orders WHERE id > 35")
    filled, _ = fill(output, backup, {"orders": TableAccount(read=35, gaps=(Gap(35, None),))})
    assert len(rows(output, "orders")) == 40
    assert filled["orders"].doubtful == 260


def test_a_full_text_index_names_the_rows_of_its_content(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with opened(backup) as connection:
        connection.executescript(
            """CREATE TABLE docs(id INTEGER PRIMARY KEY, body TEXT);
               CREATE VIRTUAL TABLE search USING fts5(body, content='docs', content_rowid='id');
               CREATE TRIGGER a AFTER INSERT ON docs BEGIN
                 INSERT INTO search(rowid, body) VALUES (new.id, new.body); END;
               CREATE TRIGGER d AFTER DELETE ON docs BEGIN
                 INSERT INTO search(search, rowid, body) VALUES ('delete', old.id, old.body); END;"""
        )
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO docs VALUES (?, ?)", ((n, f"words of document {n}") for n in range(600)))
        connection.execute("COMMIT")
    output = copied(backup, "out.db")
    deleted = live_a_day(output, "docs", seed=3, change="id = id", share=0.1)
    accounts = {"docs": cut(output, "docs", [(50, 150)])}
    filled, _ = fill(output, backup, accounts)
    assert not deleted & keys(output, "docs")
    assert keys(output, "docs") == set(range(600)) - deleted
    assert filled["docs"].lost == 0
    with opened(output) as connection:
        connection.execute("INSERT INTO search(search, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("SELECT count(*) FROM search WHERE search MATCH 'document'").fetchone()[0] == 540


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.shop(tmp_path_factory.mktemp("yesterday") / "backup.db", orders=1000)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), stretches=st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 60)), max_size=4))
def test_never_revived_where_an_index_names_and_never_overwritten(
    yesterday: Path, seed: int, stretches: list[tuple[int, int]]
) -> None:
    backup, output = yesterday, copied(yesterday, "out.db")
    deleted = live_a_day(output, "orders", seed=seed, change="note = note || ' changed'", share=0.03)
    truth = rows(output, "orders")
    account = cut(output, "orders", [(first, first + length) for first, length in stretches], named=True)
    left = rows(output, "orders")
    filled, _ = fill(output, backup, {"orders": account})
    after = rows(output, "orders")
    assert not deleted & set(after)
    assert set(after) == set(truth)
    assert {key: after[key] for key in left} == left
    assert filled["orders"].refilled == len(truth) - len(left)


def test_a_row_that_is_missing_alone_in_a_wide_gap_was_deleted(family: Path) -> None:
    """The root of the table was lost, so all of it is one gap, in which most rows were found again."""
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM notes WHERE id IN (50, 51, 300)")
        connection.execute("DELETE FROM notes WHERE id BETWEEN 100 AND 140 OR id > 480")
    filled, _ = fill(output, family, {"notes": TableAccount(read=435, gaps=(Gap(None, None),))})
    assert keys(output, "notes") == set(range(500)) - {50, 51, 300}
    assert (filled["notes"].refilled, filled["notes"].doubtful) == (60, 3)


def test_a_wide_gap_in_a_table_that_comes_and_goes_is_left_alone(family: Path) -> None:
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM notes WHERE id * 7919 % 100 < 40")
    there = keys(output, "notes")
    filled, _ = fill(output, family, {"notes": TableAccount(read=len(there), gaps=(Gap(None, None),))})
    assert keys(output, "notes") == there
    assert filled["notes"].doubtful == 500 - len(there)


def test_rows_as_long_as_a_page_can_be_lost_alone(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with opened(backup) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, photo BLOB)")
        connection.executemany("INSERT INTO t VALUES (?, zeroblob(3000))", ((n,) for n in range(1, 51)))
    output = copied(backup, "out.db")
    fill(output, backup, {"t": cut(output, "t", [(20, 20), (31, 32)])})
    assert keys(output, "t") == set(range(1, 51))


def test_rows_that_a_broken_page_lost_one_by_one_come_back(family: Path) -> None:
    """Where rows were carved, single ones are missing between others; a few of them can be deletions all the same."""
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM notes WHERE id BETWEEN 100 AND 160 AND id % 3 <> 1")
        connection.execute("DELETE FROM accounts WHERE id IN (50, 70)")
    gap = (Gap(None, None),)
    accounts = {"notes": TableAccount(read=440, carved=20, gaps=gap), "accounts": TableAccount(carved=9, gaps=gap)}
    filled, _ = fill(output, family, accounts)
    assert keys(output, "notes") == set(range(500))
    assert keys(output, "accounts") == set(range(500)) - {50, 70}
    assert filled["accounts"].doubtful == 2


def test_a_table_that_cannot_be_read_does_not_stop_the_others(family: Path) -> None:
    output = copied(family, "out.db")
    accounts = {"notes": cut(output, "notes", [(100, 120)]), "accounts": cut(output, "accounts", [(100, 120)])}
    with opened(output) as connection:
        page_size = connection.execute("PRAGMA page_size").fetchone()[0]
    databases.flip_page(output, databases.root_page(output, "notes"), page_size=page_size)
    scratch = output.parent / "scratch"
    scratch.mkdir()
    said: list[str] = []
    filled = refill(output, family, accounts, scratch=scratch, say=said.append)
    assert filled["notes"] == accounts["notes"]
    assert filled["accounts"].refilled == 21
    assert len(said) == 1
    assert said[0].startswith("notes was not refilled")


def test_rows_below_a_deleted_one_are_left_out_down_to_the_last(family: Path) -> None:
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM tree WHERE id = 15 OR id BETWEEN 60 AND 63 OR id BETWEEN 240 AND 255")
    filled, _ = fill(output, family, {"tree": cut(output, "tree", [(56, 70), (236, 260)])})
    gone = {15, *range(60, 64), *range(240, 256)}
    assert keys(output, "tree") == set(range(1, 500)) - gone
    assert filled["tree"].doubtful == 20
    assert violations(output) == 0


def test_rows_that_refer_to_later_ones_which_do_not_come_back_do_not_either(family: Path) -> None:
    with opened(family) as connection:
        connection.execute(
            "UPDATE tree SET above = CASE id WHEN 310 THEN 60 ELSE id + 1 END WHERE id BETWEEN 300 AND 310"
        )
    output = copied(family, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM tree WHERE id = 60 OR above = 60 OR id BETWEEN 300 AND 310")
    fill(output, family, {"tree": cut(output, "tree", [(296, 314)])})
    assert keys(output, "tree") == set(range(1, 500)) - {60, *range(240, 244), *range(300, 311)}
    assert violations(output) == 0

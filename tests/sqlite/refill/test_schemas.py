"""What changed between backup and file, besides the rows: columns, tables, rowids, modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.databases import opened
from tests.sqlite.refill.cutting import copied, cut
from tests.sqlite.refill.test_refill import fill
from toolkit.sqlite.account import Gap, TableAccount


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "backup.db"
    with opened(path) as connection:
        connection.execute("CREATE TABLE things(id INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER, old TEXT)")
        connection.execute("CREATE TABLE log(day TEXT, words TEXT)")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO things VALUES (?, ?, ?, ?)", ((n, f"thing {n}", n * 7, "x") for n in range(1, 501))
        )
        connection.executemany(
            "INSERT INTO log VALUES (?, ?)", ((f"2026-01-{n % 28 + 1:02}", f"words {n} of the log") for n in range(500))
        )
        connection.execute("COMMIT")
    return path


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with opened(path) as connection:
        return connection.execute(sql).fetchall()


def test_columns_that_were_added_removed_renamed_and_of_another_type(plain: Path) -> None:
    output = copied(plain, "out.db")
    with opened(output) as connection:
        connection.execute("ALTER TABLE things ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'")
        connection.execute("ALTER TABLE things DROP COLUMN old")
        connection.execute("ALTER TABLE things RENAME COLUMN size TO weight")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'weight INTEGER', 'weight REAL')")
    filled, said = fill(output, plain, {"things": cut(output, "things", [(100, 150)])})
    assert filled["things"].refilled == 51
    assert query(output, "SELECT *, typeof(weight) FROM things WHERE id = 120") == [
        (120, "thing 120", 840.0, "grey", "real")
    ]
    assert said == [
        "things.weight was called size in the backup",
        "things: the backup lacks colour; rows from it have the default there",
        "things: old of the backup is gone since",
    ]


def test_a_renamed_table(plain: Path) -> None:
    output = copied(plain, "out.db")
    with opened(output) as connection:
        connection.execute("ALTER TABLE things RENAME TO articles")
        connection.execute("CREATE TABLE other(id INTEGER PRIMARY KEY, name TEXT, size INTEGER, old TEXT)")
    filled, said = fill(output, plain, {"articles": cut(output, "articles", [(100, 150)])})
    assert filled["articles"].refilled == 51
    assert said == ["articles was refilled from things, as it was called in the backup"]


def test_what_the_backup_has_not_is_said(plain: Path) -> None:
    output = copied(plain, "out.db")
    with opened(output) as connection:
        connection.execute("CREATE TABLE fresh(a, b)")
        connection.execute("CREATE TABLE keyed(a PRIMARY KEY, b) WITHOUT ROWID")
    with opened(plain) as connection:
        connection.execute("CREATE TABLE keyed(a INTEGER PRIMARY KEY, b)")
    gap = TableAccount(gaps=(Gap(None, None),))
    filled, said = fill(output, plain, {"fresh": gap, "keyed": gap, "nowhere": gap})
    assert filled == {"fresh": gap, "keyed": gap, "nowhere": gap}
    assert said == [
        "fresh was not refilled: the backup has no such table",
        "keyed was not refilled: its key is another one than in the backup",
        "nowhere was not refilled: the repaired database has no such table",
    ]


def test_rows_that_the_table_no_longer_takes_are_lost(plain: Path) -> None:
    output = copied(plain, "out.db")
    with opened(output) as connection:
        connection.executescript(
            """CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER CHECK (size <> 840)) STRICT;
               INSERT INTO t SELECT id, name, size FROM things WHERE size <> 840;
               DROP TABLE things; ALTER TABLE t RENAME TO things;"""
        )
    with opened(plain) as connection:
        connection.execute("UPDATE things SET size = 'large' WHERE id = 121")
    filled, _ = fill(output, plain, {"things": cut(output, "things", [(110, 130)])})
    assert (filled["things"].refilled, filled["things"].lost) == (19, 2)
    assert not query(output, "SELECT 1 FROM things WHERE id IN (120, 121)")


def test_a_table_that_cannot_be_written_here_is_said(plain: Path) -> None:
    output = copied(plain, "out.db")
    account = cut(output, "things", [(110, 130)])
    with opened(output) as connection:
        connection.create_function("own", 1, lambda value: value, deterministic=True)
        connection.execute("CREATE INDEX by_own ON things(own(name))")
    scratch = output.parent / "scratch"
    scratch.mkdir()
    from toolkit.sqlite.refill import refill

    said: list[str] = []
    log = cut(output, "log", [(10, 20)])
    filled = refill(output, plain, {"things": account, "log": log}, scratch=scratch, say=said.append)
    assert (filled["things"].refilled, filled["things"].lost) == (0, 21)
    assert filled["log"].refilled == 11
    assert len(said) == 1
    assert "own" in said[0]


def test_generated_columns_are_made_again(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with opened(backup) as connection:
        connection.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b, c AS (b * 2) STORED, d AS (b + 1), e)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t(a, b, e) VALUES (?, ?, ?)", ((n, n, f"{n}") for n in range(300)))
        connection.execute("COMMIT")
    output = copied(backup, "out.db")
    fill(output, backup, {"t": cut(output, "t", [(50, 60)])})
    assert query(output, "SELECT * FROM t") == query(backup, "SELECT * FROM t")


def vacuumed(plain: Path) -> tuple[Path, list[tuple[object, ...]]]:
    """Return a database whose log was numbered anew by VACUUM since the backup, and its rows."""
    output = copied(plain, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM log WHERE rowid IN (17, 18, 19, 250)")
        connection.execute("VACUUM")
        connection.execute("INSERT INTO log VALUES ('2026-02-01', 'words of today')")
    return output, query(output, "SELECT rowid, * FROM log")


@pytest.mark.parametrize("named", [True, False])
def test_rowids_given_anew_by_vacuum_are_matched_by_content(plain: Path, *, named: bool) -> None:
    output, truth = vacuumed(plain)
    account = cut(output, "log", [(100, 130), (300, 340)], named=named)
    filled, said = fill(output, plain, {"log": account})
    assert query(output, "SELECT rowid, * FROM log") == truth
    assert (filled["log"].refilled, filled["log"].doubtful, said) == (72, 0, [])


def test_too_many_rows_for_a_gap_of_new_rowids_are_doubtful(plain: Path) -> None:
    output, truth = vacuumed(plain)
    account = cut(output, "log", [(240, 260)], named=True)
    filled, _ = fill(output, plain, {"log": account})
    assert (filled["log"].refilled, filled["log"].doubtful) == (0, 22)
    assert len(query(output, "SELECT rowid FROM log")) == len(truth) - 21


def test_rows_that_cannot_be_matched_are_said(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with opened(backup) as connection:
        connection.execute("CREATE TABLE log(level INTEGER, word TEXT)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO log VALUES (?, ?)", ((n % 3, "ab"[n % 2]) for n in range(400)))
        connection.execute("COMMIT")
    output = copied(backup, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM log WHERE rowid IN (5, 6)")
        connection.execute("VACUUM")
    filled, said = fill(output, backup, {"log": cut(output, "log", [(100, 120)])})
    assert filled["log"].refilled == 0
    assert "numbered anew" in said[0]


def test_stable_rowids_without_a_primary_key_are_kept(plain: Path) -> None:
    output = copied(plain, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM log WHERE rowid IN (17, 18, 19, 250)")
        connection.execute("UPDATE log SET words = 'other' WHERE rowid % 30 = 0")
    fill(output, plain, {"log": cut(output, "log", [(101, 115)])})
    assert {row[0] for row in query(output, "SELECT rowid FROM log")} == set(range(1, 501)) - {17, 18, 19, 250}


INDEXES = """
CREATE VIRTUAL TABLE f5 USING fts5(title, body);
CREATE VIRTUAL TABLE f4 USING fts4(title, body);
CREATE TABLE docs(id INTEGER PRIMARY KEY, body TEXT);
CREATE VIRTUAL TABLE outer5 USING fts5(body, content='docs', content_rowid='id');
CREATE VIRTUAL TABLE bare USING fts5(body, content='');
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1, +label TEXT);
"""


@pytest.fixture
def indexed(tmp_path: Path) -> Path:
    path = tmp_path / "backup.db"
    with opened(path) as connection:
        connection.executescript(INDEXES)
        connection.execute("BEGIN")
        for n in range(1, 401):
            for name in ("f5", "f4"):
                connection.execute(
                    f"INSERT INTO {name}(rowid, title, body) VALUES (?, ?, ?)", (n, f"t{n}", f"word{n} all")
                )
            connection.execute("INSERT INTO docs VALUES (?, ?)", (n, f"word{n} all"))
            connection.execute("INSERT INTO outer5(rowid, body) VALUES (?, ?)", (n, f"word{n} all"))
            connection.execute("INSERT INTO bare(rowid, body) VALUES (?, ?)", (n, f"word{n} all"))
            connection.execute(
                "INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?)", (n, n, n + 1.5, -n, -n + 0.25, f"box {n}")
            )
        connection.execute("COMMIT")
    return path


def hits(path: Path, name: str, word: str = "all") -> int:
    found = query(path, f"SELECT count(*) FROM {name} WHERE {name} MATCH '{word}'")[0][0]
    assert isinstance(found, int)
    return found


WHOLE = TableAccount(gaps=(Gap(None, None),))


def test_full_text_indexes_are_rebuilt_from_their_content(indexed: Path) -> None:
    output = copied(indexed, "out.db")
    with opened(output) as connection:
        connection.execute("INSERT INTO f5 VALUES ('new', 'fresh all')")
        connection.execute("INSERT INTO f4 VALUES ('new', 'fresh all')")
        connection.execute("DELETE FROM f5_data")
        connection.execute("DELETE FROM f4_segments")
        connection.execute("DELETE FROM f4_segdir")
        connection.execute("DELETE FROM outer5_idx")
    accounts = dict.fromkeys(("f5_data", "f4_segments", "f4_segdir", "outer5_idx"), WHOLE)
    accounts["docs"] = cut(output, "docs", [(50, 60)])
    accounts["f5_content"] = cut(output, "f5_content", [(90, 99)])
    filled, _ = fill(output, indexed, accounts)
    assert all(filled[name].whole for name in ("f5_data", "f4_segments", "f4_segdir", "outer5_idx"))
    assert (hits(output, "f5"), hits(output, "f4"), hits(output, "outer5")) == (401, 401, 400)
    assert hits(output, "f5", "word95") == hits(output, "outer5", "word55") == 1
    with opened(output) as connection:
        for name in ("f5", "outer5"):
            connection.execute(f"INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)")
        connection.execute("INSERT INTO f4(f4) VALUES ('integrity-check')")


def test_an_index_without_content_is_taken_whole(indexed: Path) -> None:
    output = copied(indexed, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM bare_data WHERE id > 10")
    filled, said = fill(output, indexed, {"bare_data": WHOLE})
    assert hits(output, "bare") == 400
    assert filled["bare_data"].whole
    assert filled["bare_data"].refilled > 0
    assert said == ["the full-text index bare is that of the backup: what changed since is not in it"]


def entries(path: Path) -> list[tuple[object, ...]]:
    return query(path, "SELECT * FROM boxes ORDER BY id")


def checked(path: Path) -> bool:
    return query(path, "SELECT rtreecheck('main', 'boxes')") == [("ok",)]


def test_a_tree_with_lost_nodes_is_built_anew(indexed: Path) -> None:
    output = copied(indexed, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM boxes WHERE id IN (10, 11, 390)")
        connection.execute("INSERT INTO boxes VALUES (900, 380, 382, -380, -379, 'fresh')")
        truth = connection.execute("SELECT * FROM boxes ORDER BY id").fetchall()
        leaf = connection.execute("SELECT nodeno FROM boxes_rowid WHERE rowid = 12").fetchone()[0]
        connection.execute("DELETE FROM boxes_node WHERE nodeno = 1 OR nodeno = ?", (leaf,))
    filled, _ = fill(output, indexed, {"boxes_node": TableAccount(read=1, gaps=(Gap(None, None),))})
    assert checked(output)
    assert entries(output) == truth
    assert (filled["boxes_rowid"].lost, filled["boxes_node"].whole) == (0, True)
    assert filled["boxes_rowid"].refilled > 0


def test_a_tree_with_lost_rowids_is_built_from_its_nodes(indexed: Path) -> None:
    output = copied(indexed, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM boxes WHERE id IN (10, 11, 390)")
        truth = connection.execute("SELECT id, x0, x1, y0, y1 FROM boxes ORDER BY id").fetchall()
        connection.execute("DELETE FROM boxes_rowid WHERE rowid > 200")
    fill(output, indexed, {"boxes_rowid": TableAccount(gaps=(Gap(200, None),))})
    assert checked(output)
    assert [row[:5] for row in entries(output)] == truth


def test_a_broken_index_of_the_backup_is_not_taken(indexed: Path, tmp_path: Path) -> None:
    with opened(indexed) as connection:
        connection.execute("DROP TABLE boxes")
        connection.execute("DROP TABLE bare")
    with opened(tmp_path / "out.db") as connection:
        connection.executescript(INDEXES)
        connection.execute("DELETE FROM bare_data WHERE id > 10")
    accounts = {"bare_data": WHOLE, "boxes_node": WHOLE}
    filled, said = fill(tmp_path / "out.db", indexed, accounts)
    assert filled == accounts
    assert len(said) == 2


def test_every_maker_is_filled_from_nothing(tmp_path: Path) -> None:
    """All rows of all tables in UTF-16, with small and large pages."""
    for number, size in enumerate((512, 65536)):
        backup = databases.shop(tmp_path / f"{number}.db", orders=300, encoding="UTF-16be", page_size=size)
        output = copied(backup, f"out{number}.db")
        names = [row[0] for row in query(output, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        ordinary = [str(name) for name in names if name not in ("notes", "sqlite_sequence")]
        with opened(output) as connection:
            for name in ordinary:
                connection.execute(f"DELETE FROM {name}")
        filled, _ = fill(output, backup, dict.fromkeys(ordinary, WHOLE))
        for name in ("users", "products", "orders", "audit", "notes"):
            assert query(output, f"SELECT * FROM {name}") == query(backup, f"SELECT * FROM {name}")
        assert sum(account.lost + account.doubtful for account in filled.values()) == 0


def test_other_encodings_are_an_error_that_leaves_it_alone(plain: Path, tmp_path: Path) -> None:
    output = databases.shop(tmp_path / "out.db", encoding="UTF-16le")
    before = output.read_bytes()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    from toolkit.errors import SourceError
    from toolkit.sqlite.refill import refill

    with pytest.raises(SourceError, match="encoding"):
        refill(output, plain, {"things": WHOLE}, scratch=scratch)
    assert output.read_bytes() == before


def test_entries_that_a_rebuilt_tree_lost_are_named_by_its_account(indexed: Path) -> None:
    output = copied(indexed, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM boxes WHERE id IN (10, 11, 390)")
        truth = connection.execute("SELECT * FROM boxes ORDER BY id").fetchall()
        connection.execute("DELETE FROM boxes WHERE id BETWEEN 50 AND 60")
    account = TableAccount(lost=12, gaps=(Gap(None, None),), named=frozenset({*range(50, 61), 9000}))
    filled, _ = fill(output, indexed, {"boxes": account})
    assert entries(output) == truth
    assert (filled["boxes"].refilled, filled["boxes"].lost) == (11, 1)


@pytest.mark.parametrize("said", [True, False])
def test_a_tree_of_a_geopackage_follows_its_table(tmp_path: Path, *, said: bool) -> None:
    backup = tmp_path / "backup.db"
    with opened(backup) as connection:
        connection.execute("CREATE TABLE places(fid INTEGER PRIMARY KEY, geom BLOB, name TEXT)")
        connection.execute("CREATE VIRTUAL TABLE rtree_places_geom USING rtree(id, x0, x1, y0, y1)")
        connection.execute("BEGIN")
        for n in range(1, 301):
            connection.execute("INSERT INTO places VALUES (?, ?, ?)", (n, b"point" * 5, f"place {n}"))
            connection.execute("INSERT INTO rtree_places_geom VALUES (?, ?, ?, ?, ?)", (n, n, n + 1, n, n + 1))
        connection.execute("COMMIT")
    output = copied(backup, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM places WHERE fid = 7")
        connection.execute("UPDATE places SET geom = NULL WHERE fid = 8")
        connection.execute("DELETE FROM rtree_places_geom WHERE id BETWEEN 5 AND 20")
    account = TableAccount(read=284) if not said else TableAccount(read=284, lost=16)
    name = "rtree_places_geom" if said else "rtree_places_geom_rowid"
    filled, _ = fill(output, backup, {name: account})
    assert filled[name].refilled == 14
    with opened(output) as connection:
        ids = {row[0] for row in connection.execute("SELECT id FROM rtree_places_geom")}
        assert connection.execute("SELECT rtreecheck('main', 'rtree_places_geom')").fetchone() == ("ok",)
    assert ids == set(range(1, 301)) - {7, 8}


@pytest.mark.parametrize(("lost", "back"), [(11, 11), (3, 0)])
def test_a_tree_that_says_how_much_it_lost(indexed: Path, lost: int, back: int) -> None:
    output = copied(indexed, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM boxes WHERE id BETWEEN 50 AND 60")
    filled, _ = fill(output, indexed, {"boxes": TableAccount(read=389, lost=lost)})
    assert len(entries(output)) == 389 + back
    assert (filled["boxes"].refilled, filled["boxes"].lost) == (back, 0 if back else lost)

"""The gaps of a repaired database are filled from a backup: what was lost comes back, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.databases import opened
from tests.sqlite.refill.cutting import copied, cut, live_a_day, rows, sound, violations
from toolkit.errors import CancelledError
from toolkit.sqlite.account import Gap, TableAccount
from toolkit.sqlite.refill import refill


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return databases.shop(tmp_path / "backup.db", orders=2000)


def fill(output: Path, backup: Path, accounts: dict[str, TableAccount]) -> tuple[dict[str, TableAccount], list[str]]:
    scratch = output.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    said: list[str] = []
    filled = refill(output, backup, accounts, scratch=scratch, say=said.append)
    assert list(scratch.iterdir()) == []
    assert sound(output)
    assert sorted(one.name for one in output.parent.iterdir() if one.name.startswith(output.name)) == [output.name]
    return filled, said


def test_rows_in_the_gap_come_back_with_every_value(made: Path) -> None:
    output = copied(made, "out.db")
    accounts = {"orders": cut(output, "orders", [(100, 180), (1500, 1600)])}
    filled, said = fill(output, made, accounts)
    assert rows(output, "orders") == rows(made, "orders")
    assert (filled["orders"].refilled, filled["orders"].lost, filled["orders"].doubtful) == (182, 0, 0)
    assert filled["orders"].gaps == accounts["orders"].gaps
    assert said == []


@pytest.mark.parametrize("changed", [False, True])
def test_rows_of_a_table_that_changes_may_be_old(made: Path, *, changed: bool) -> None:
    output = copied(made, "out.db")
    with opened(output) as connection:
        connection.execute(
            "UPDATE orders SET note = 'new' WHERE id = 7" if changed else "DELETE FROM orders WHERE id = 7"
        )
    account = cut(output, "orders", [(100, 180)], named=True)
    filled, _ = fill(output, made, {"orders": account})
    assert (filled["orders"].refilled, filled["orders"].gaps) == (81, ())
    assert filled["orders"].aged == (81 if changed else 0)
    assert filled["orders"].whole is not changed


def test_triggers_do_not_fire_and_stay(made: Path) -> None:
    output = copied(made, "out.db")
    fill(output, made, {"orders": cut(output, "orders", [(100, 180)])})
    assert rows(output, "audit") == rows(made, "audit")
    with opened(output) as connection:
        connection.execute("INSERT INTO orders(user_id) VALUES (1)")
        assert connection.execute("SELECT count(*) FROM audit").fetchone()[0] == 2001


def test_rows_outside_the_gaps_stay_as_they_are(made: Path) -> None:
    output = copied(made, "out.db")
    deleted = live_a_day(output, "orders", seed=1, change="note = 'new'", share=0.05)
    before = rows(output, "orders")
    accounts = {"orders": cut(output, "orders", [(700, 730)])}
    left = rows(output, "orders")
    fill(output, made, accounts)
    after = rows(output, "orders")
    assert {key: after[key] for key in left} == left
    assert set(after) - set(left) <= set(range(700, 731))
    assert not {one for one in deleted if not 700 <= one <= 730} & set(after)
    assert set(before) <= set(after)


def test_only_what_an_index_names_comes_back(made: Path) -> None:
    output = copied(made, "out.db")
    deleted = live_a_day(output, "orders", seed=2, change="note = 'new'", share=0.1)
    truth = rows(output, "orders")
    accounts = {"orders": cut(output, "orders", [(1, 90), (1000, 1200), (1900, 2000)], named=True)}
    filled, _ = fill(output, made, accounts)
    assert set(rows(output, "orders")) == set(truth)
    assert not deleted & set(rows(output, "orders"))
    assert filled["orders"].gaps == ()
    assert (filled["orders"].refilled, filled["orders"].lost) == (len(accounts["orders"].named or ()), 0)


def test_named_rows_that_the_backup_lacks_are_lost(made: Path) -> None:
    output = copied(made, "out.db")
    with opened(output) as connection:
        connection.execute("INSERT INTO orders(user_id, note) SELECT 1, 'fresh' FROM orders LIMIT 50")
    filled, _ = fill(output, made, {"orders": cut(output, "orders", [(1990, 2020)], named=True)})
    assert (filled["orders"].refilled, filled["orders"].lost) == (11, 20)
    assert filled["orders"].gaps


def test_without_rowid_by_primary_key(made: Path) -> None:
    output = copied(made, "out.db")
    accounts = {"products": cut(output, "products", [("sku-010", "sku-019")], key="sku")}
    with opened(output) as connection:
        connection.execute("DELETE FROM products WHERE sku = 'sku-030'")
        connection.execute("UPDATE products SET title = 'new' WHERE sku = 'sku-031'")
    filled, _ = fill(output, made, accounts)
    there = rows(output, "products")
    assert len(there) == 39
    assert there[b"sku-015"] == rows(made, "products")[b"sku-015"]
    assert there[b"sku-031"][1] == b"new"
    assert filled["products"].refilled == 10


def test_keys_of_several_columns_in_any_direction(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with opened(backup) as connection:
        connection.execute("CREATE TABLE t(a TEXT COLLATE NOCASE, b INTEGER, v, PRIMARY KEY(a DESC, b)) WITHOUT ROWID")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", ((f"K{n:02}", m, f"{n}/{m}") for n in range(30) for m in range(10))
        )
        connection.execute("COMMIT")
    output = copied(backup, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM t WHERE (a = 'K20' AND b > 4) OR a = 'K19' OR (a = 'K18' AND b < 3)")
        connection.execute("DELETE FROM t WHERE a = 'K02' AND b = 2")
    gaps = (Gap(("k20", 4), ("K18", 3)),)
    filled, _ = fill(output, backup, {"t": TableAccount(gaps=gaps)})
    assert filled["t"].refilled == 18
    with opened(output) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone()[0] == 299
        assert connection.execute("SELECT v FROM t WHERE a = 'k20' AND b = 7").fetchone()[0] == "20/7"


def test_whole_tables_come_back(made: Path) -> None:
    output = copied(made, "out.db")
    everything = {name: TableAccount(gaps=(Gap(None, None),)) for name in ("users", "orders", "products", "audit")}
    with opened(output) as connection:
        for name in everything:
            connection.execute(f"DELETE FROM {name}")
    filled, _ = fill(output, made, everything)
    for name, account in filled.items():
        assert rows(output, name) == rows(made, name)
        assert account.refilled == len(rows(made, name))
    assert violations(output) == 0


def test_sequences_are_not_lowered(made: Path) -> None:
    output = copied(made, "out.db")
    with opened(output) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 9000 WHERE name = 'orders'")
    fill(output, made, {"orders": cut(output, "orders", [(1, 50)])})
    with opened(output) as connection:
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'orders'").fetchone() == (9000,)


def test_lost_sequences_come_back(made: Path) -> None:
    with opened(made) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 9000 WHERE name = 'orders'")
    output = copied(made, "out.db")
    with opened(output) as connection:
        connection.execute("DELETE FROM sqlite_sequence")
    filled, _ = fill(output, made, {"sqlite_sequence": TableAccount(gaps=(Gap(None, None),))})
    with opened(output) as connection:
        assert connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall() == [("orders", 9000)]
    assert filled["sqlite_sequence"].refilled == 1


def test_the_sequence_of_a_filled_table_is_that_of_the_backup_at_least(made: Path) -> None:
    with opened(made) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 9000 WHERE name = 'orders'")
    output = copied(made, "out.db")
    with opened(output) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 1990")  # from the rows that were left
    fill(output, made, {"orders": cut(output, "orders", [(1991, 2000)])})
    with opened(output) as connection:
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'orders'").fetchall() == [(9000,)]


def test_a_wal_database_stays_one(made: Path) -> None:
    output = copied(made, "out.db")
    accounts = {"orders": cut(output, "orders", [(100, 180)])}
    with opened(output) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    scratch = output.parent / "scratch"
    scratch.mkdir()
    refill(output, made, accounts, scratch=scratch)
    assert output.read_bytes()[18:20] == b"\2\2"
    assert not list(output.parent.glob("out.db-*"))
    assert len(rows(output, "orders")) == 2000


def test_cancelled_leaves_it_as_it_was(made: Path) -> None:
    output = copied(made, "out.db")
    accounts = {"orders": cut(output, "orders", [(1, 1990)])}
    before = output.read_bytes()
    scratch = output.parent / "scratch"
    scratch.mkdir()
    with pytest.raises(CancelledError):
        refill(output, made, accounts, scratch=scratch, should_stop=lambda: True)
    assert output.read_bytes() == before
    assert not list(output.parent.glob("out.db-*"))
    assert not list(scratch.iterdir())


def test_blobs_bad_text_and_types_are_kept(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with opened(backup) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v, i INTEGER, r REAL, s TEXT)")
        connection.execute("BEGIN")
        values = [None, 1, 1.5, "text", b"\0\xff", float("inf"), 2**62, ""]
        for n in range(400):
            one = values[n % 8]
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", (n, one, one, one, one))
        connection.execute("UPDATE t SET s = CAST(x'ff00fe' AS TEXT), v = CAST(x'c328' AS TEXT) WHERE id = 101")
        connection.execute("COMMIT")
    output = copied(backup, "out.db")
    fill(output, backup, {"t": cut(output, "t", [(90, 200)])})
    assert rows(output, "t") == rows(backup, "t")

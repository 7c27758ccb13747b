"""Half of a transaction, or the journal of another database: nothing looks broken, and the account doubts it all."""

from __future__ import annotations

import os
from pathlib import Path

from tests.makers import databases, sidecars
from toolkit.sqlite.account import Account
from toolkit.sqlite.salvage import repair

PAGE = 4096


def repaired(path: Path) -> Account:
    scratch = path.with_name("scratch")
    scratch.mkdir()
    return repair(path, path.with_name("output.db"), scratch=scratch)


def test_pages_that_the_header_does_not_count_yet(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=900)
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        file.seek((pages - 1) * PAGE)
        last = file.read(PAGE)
        file.write(last)
    account = repaired(path)
    assert not account.complete
    assert "a transaction may be half written" in "; ".join(account.doubts)


def test_a_journal_of_another_database_may_have_taken_the_place_of_its_own(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=900)
    databases.hot_journal(tmp_path / "b.db", orders=300)
    (tmp_path / "b.db-journal").rename(f"{path}-journal")
    account = repaired(path)
    assert not account.complete
    assert "its own may be lost" in "; ".join(account.doubts)


def test_what_a_transaction_without_its_journal_left(tmp_path: Path) -> None:
    path = sidecars.hot_journal_of(tmp_path / "a.db")
    os.unlink(f"{path}-journal")
    assert not repaired(path).complete


def test_a_page_of_the_freelist_that_a_transaction_took_before_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE old(id INTEGER PRIMARY KEY, text TEXT)")
        connection.execute("CREATE TABLE new(id INTEGER PRIMARY KEY, text TEXT)")
        for n in range(400):
            connection.execute("INSERT INTO old VALUES (?, ?)", (n, f"a text of some length, number {n}"))
        connection.execute("DELETE FROM old WHERE id > 100")
        first = path.read_bytes()[:PAGE]
        for n in range(400):
            connection.execute("INSERT INTO new VALUES (?, ?)", (n, f"a text of some length, number {n}"))
    with path.open("r+b") as file:
        file.write(first)
    account = repaired(path)
    assert not account.complete
    assert "is free by the header, and in use: a transaction may be half written" in "; ".join(account.doubts)


def test_a_wrong_number_of_the_freelist_is_no_older_page_1(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=900)
    with databases.opened(path) as connection:
        connection.execute("DELETE FROM orders WHERE id > 100")
    root = databases.root_page(path, "orders")
    with path.open("r+b") as file:
        file.seek(32)
        file.write(root.to_bytes(4, "big"))
    account = repaired(path)
    assert not account.doubts
    assert account.complete

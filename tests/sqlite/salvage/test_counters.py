"""The counters of AUTOINCREMENT tables: what is taken for one, and what takes the place of one that is gone."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import corruption_logical, databases
from tests.sqlite.salvage.conftest import Repaired
from toolkit.sqlite.salvage import measure

Repair = Callable[..., Repaired]
HEAD = 8 + 2 * 2
"""The head of the page of counters, with the pointers to two."""


def shop(path: Path) -> Path:
    """Make a shop whose newest orders were deleted: their counter alone tells that there were 500."""
    databases.shop(path)
    with databases.opened(path) as connection:
        connection.executescript(
            "CREATE TABLE visits(id INTEGER PRIMARY KEY AUTOINCREMENT, page TEXT);"
            "INSERT INTO visits(page) VALUES ('a'), ('b'), ('c'); DELETE FROM orders WHERE id > 480;"
        )
    return path


def counters(path: Path) -> list[tuple[str, int]]:
    with databases.opened(path) as connection:
        return sorted(connection.execute("SELECT name, seq FROM sqlite_sequence"))


def page_of_counters(path: Path) -> slice:
    with databases.opened(path) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    begin = (databases.root_page(path, "sqlite_sequence") - 1) * size
    return slice(begin, begin + size)


@pytest.mark.parametrize("seed", range(4))
def test_only_counters_of_tables_are_carved_from_among_noise(tmp_path: Path, repaired: Repair, seed: int) -> None:
    original = shop(tmp_path / "a.db")
    place = page_of_counters(original)
    cell = corruption_logical.counter_cell

    def damage(data: bytearray) -> None:
        content = int.from_bytes(data[place][5:7], "big")
        old = [("orders", 250), ("visits", 1), ("users", 9), (b"\x01\x02", 3), (5, 6)]
        noise = b"".join(cell(60 + at, name, seq, "utf-8") for at, (name, seq) in enumerate(old))
        data[place.start + content - len(noise) : place.start + content] = noise
        data[place.start : place.start + HEAD] = random.Random(seed).randbytes(HEAD)

    result = repaired(original, damage)
    assert counters(result.output) == [("orders", 500), ("visits", 3)]
    with databases.opened(result.output) as connection:
        kept = connection.execute("SELECT name FROM sqlite_master WHERE name='lost_and_found'").fetchone()
        marks = connection.execute("SELECT c0, c1 FROM lost_and_found").fetchall() if kept else []
    assert set(marks) <= {("users", 9)}  # it may be the counter of a table that is lost


def test_a_page_of_another_table_is_never_one_of_counters(tmp_path: Path, repaired: Repair) -> None:
    original = shop(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE words(word TEXT, seen INTEGER)")
        connection.executemany("INSERT INTO words VALUES (?, ?)", ((f"word {n}", n) for n in range(2000)))
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("DELETE FROM sqlite_master WHERE name='words'")
    place = page_of_counters(original)

    def damage(data: bytearray) -> None:
        data[place] = bytes(place.stop - place.start)

    result = repaired(original, damage)
    assert counters(result.output) == [("orders", 480), ("visits", 3)]
    assert result.account.unplaced == 2000


@pytest.mark.parametrize(
    ("change", "said", "left"),
    [
        ("DELETE FROM sqlite_sequence WHERE name='visits'", "the counter of visits was gone", 3),
        ("UPDATE sqlite_sequence SET seq=1 WHERE name='visits'", "the counter of visits stood at 1", 3),
        ("UPDATE sqlite_sequence SET seq='x' WHERE name='visits'", "the counter of visits was no number", 3),
        ("INSERT INTO sqlite_sequence VALUES ('visits', 9)", "visits had 2 counters: the largest, 9, was kept", 9),
    ],
)
def test_a_counter_that_is_made_anew_is_said(
    tmp_path: Path, repaired: Repair, change: str, said: str, left: int
) -> None:
    original = shop(tmp_path / "a.db")
    index = databases.root_page(original, "orders_by_user")
    with databases.opened(original) as connection:
        connection.execute(change)
    result = repaired(original, lambda data: data.__setitem__(slice((index - 1) * 4096, index * 4096), bytes(4096)))
    assert counters(result.output) == [("orders", 500), ("visits", left)]
    assert [line for line in result.account.said if line.startswith(said)]


def test_two_counters_of_a_table_are_all_that_is_wrong(tmp_path: Path, repaired: Repair) -> None:
    original = shop(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("INSERT INTO sqlite_sequence VALUES ('orders', 499)")
    assert measure.measure(original).failed == ["orders has 2 counters"]
    result = repaired(original, lambda data: None)
    assert counters(result.output) == [("orders", 500), ("visits", 3)]
    assert result.account.whole

"""Pages of a database that is written to while they are walked: never called damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.makers import databases
from toolkit.operations.diagnosing.livewalk import walk_live


def at_work(path: Path, times: int) -> Callable[[], bool]:
    """Return a `should_stop` in which the application writes its database anew, so that every page is another one."""
    left = list(range(times))

    def write() -> bool:
        if left:
            left.pop()
            with databases.opened(path) as connection:
                connection.execute("DELETE FROM orders WHERE id % 3 = 0")
                connection.execute("VACUUM")
        return False

    return write


def walked(path: Path, folder: Path, should_stop: Callable[[], bool]) -> tuple[list[str], bool]:
    folder.mkdir()
    found, certain = walk_live(path, whole=True, folder=folder, timeout=30, should_stop=should_stop)
    assert list(folder.iterdir()) == []
    return [one.code for one in found], certain


def test_what_changed_meanwhile_is_walked_again_in_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:  # of several pieces of what is read at once
        connection.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, data)")
        connection.execute(
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
            "INSERT INTO orders SELECT i, hex(zeroblob(i % 500)) FROM n"
        )
    assert walked(path, tmp_path / "private", at_work(path, 1)) == ([], True)


def test_damage_that_is_there_in_the_copy_too_is_found(tmp_path: Path) -> None:
    path = databases.flipped_page(tmp_path / "a.db")
    assert "page-header" in walked(path, tmp_path / "private", lambda: False)[0]

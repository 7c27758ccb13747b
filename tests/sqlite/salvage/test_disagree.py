"""An index and its table have different values for a row: the index mends it where it is proven right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired

Repair = Callable[..., Repaired]


def made(path: Path, encoding: str = "UTF-8") -> Path:
    with databases.opened(path) as connection:
        connection.execute(f"PRAGMA encoding='{encoding}'")
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", ((n, n * 10_007 % 65_536, f"name {n:04}") for n in range(300))
        )
        connection.execute("CREATE INDEX t_b ON t(b COLLATE NOCASE DESC)")
        connection.execute("CREATE UNIQUE INDEX t_a ON t(a, b)")
    return path


@pytest.mark.parametrize(("encoding", "codec"), [("UTF-8", "utf-8"), ("UTF-16be", "utf-16-be")])
def test_a_flipped_bit_of_a_row_is_mended_from_an_index(
    tmp_path: Path, repaired: Repair, encoding: str, codec: str
) -> None:
    def damage(file: bytearray) -> None:
        at = file.index("name 0042".encode(codec))
        file[at + len("name ".encode(codec)) + (codec != "utf-8")] ^= 4  # 0042 becomes 4042

    result = repaired(made(tmp_path / "a.db", encoding), damage)
    assert (result.missing, result.extra) == ({}, {})
    assert result.account.whole
    assert any("an index" in said for said in result.account.said)


def test_a_flipped_bit_of_an_index_changes_no_row(tmp_path: Path, repaired: Repair) -> None:
    def damage(file: bytearray) -> None:
        at = file.rindex(b"name 0042")
        file[at + 5] ^= 4

    result = repaired(made(tmp_path / "a.db"), damage)
    assert (result.missing, result.extra) == ({}, {})
    assert result.account.whole


def test_another_value_of_a_row_is_said(tmp_path: Path, repaired: Repair) -> None:
    def damage(file: bytearray) -> None:
        at = file.index(b"name 0042")
        file[at : at + 9] = b"other one"

    result = repaired(made(tmp_path / "a.db"), damage)
    assert result.missing == result.extra == {"t": 1}
    assert not result.account.whole
    assert any("nothing tells" in doubt for doubt in result.account.doubts)

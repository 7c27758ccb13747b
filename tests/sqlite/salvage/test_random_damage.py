"""Random damage never raises anything but errors of Lifeboat, always ends, and what comes out is sound."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.sound import varied
from toolkit.errors import UnrepairableError
from toolkit.sqlite.salvage import repair


def _damage(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 40))):
        size = chance.choice((1, 2, 8, 512, 4096))
        at = chance.randrange(len(data))
        piece = chance.choice((bytes(size), b"\xff" * size, chance.randbytes(size), bytes(data[at // 2 :][:size])))
        data[at : at + len(piece)] = piece
    if chance.random() < 0.2:
        del data[chance.randrange(len(data) // 2, len(data)) :]


@pytest.mark.parametrize("seed", range(60))
def test_random_damage(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    source, output, scratch = tmp_path / "a.db", tmp_path / "output.db", tmp_path / "scratch"
    scratch.mkdir()
    varied(source, seed % 9, rows=30)
    data = bytearray(source.read_bytes())
    _damage(data, chance)
    source.write_bytes(data)
    with contextlib.suppress(UnrepairableError):
        account = repair(source, output, scratch=scratch)
        with databases.opened(output) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        assert set(account.tables) <= names
    assert source.read_bytes() == data

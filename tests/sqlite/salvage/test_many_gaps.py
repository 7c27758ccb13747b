"""Rows that are kept apart beside thousands of gaps: each is looked up, not compared with every gap."""

from __future__ import annotations

from pathlib import Path

from toolkit.sqlite.account import Gap
from toolkit.sqlite.salvage import engine
from toolkit.sqlite.salvage.measure import Measure
from toolkit.sqlite.salvage.mend import Mended
from toolkit.sqlite.salvage.schema import Schema
from toolkit.sqlite.salvage.settle import Settled
from toolkit.sqlite.salvage.shape import Shape

COUNT = 400


class Counted(int):
    """A number that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: int) -> bool:
        Counted.compared += 1
        return int(self) < int(other)

    def __gt__(self, other: int) -> bool:
        Counted.compared += 1
        return int(self) > int(other)


def test_the_places_of_rows_that_are_apart_are_gaps_of_their_own_outside_of_the_others() -> None:
    mended = Mended(Schema(shapes={"t": Shape("t", ())}))
    mended.gaps["t"] = [(Counted(20 * n), Counted(20 * n + 10)) for n in range(COUNT)]
    way = engine._Way(Settled(Path("t.db"), "none"), Path("t.db"), mended, Measure())
    way.doubtful = [("t", 20 * n + (5 if n % 2 else 15)) for n in range(COUNT)]
    gaps = engine._gaps(way, mended, "t")
    assert gaps[COUNT:] == tuple(Gap(20 * n + 14, 20 * n + 16, 1) for n in range(0, COUNT, 2))
    assert Counted.compared < 20 * COUNT

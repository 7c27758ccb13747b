"""Which way out of a damaged database is recommended."""

from __future__ import annotations

import pytest

from toolkit.operations.repairing.accounts import TableRow
from toolkit.operations.rescuing.ways import Option, Patient, Way, recommend, why


def patient(mend: Way, salvage: Way, restore: Way) -> Patient:
    ways = {"mend": mend, "salvage": salvage, "restore": restore}
    return Patient(path="/x", options={name: Option(way) for name, way in ways.items()})  # type: ignore[misc]


def way(name: str, lost: int | None = 0, *, unsure: bool = True, **row: object) -> Way:
    return Way(name=name, possible=True, lost=lost, unsure=unsure, tables={"t": TableRow(**row)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mend", "salvage", "best"),
    [
        (way("mend"), way("salvage", refilled=85), "salvage"),
        (way("mend"), way("salvage"), "mend"),
        (way("mend", 5), way("salvage", 2, refilled=3), "salvage"),
        (way("mend"), way("salvage", 40, refilled=85, doubtful=40, unproven=40, apart="lost_and_found_t"), "salvage"),
        (way("mend", unsure=False), way("salvage"), "mend"),
    ],
)
def test_the_way_that_loses_least(mend: Way, salvage: Way, best: str) -> None:
    made = patient(mend, salvage, way("restore", 200))
    made.recommended = recommend(made)
    assert (made.recommended, why(made)) == (best, "it loses least")


def test_none_loses_less() -> None:
    made = patient(way("mend"), way("salvage"), way("restore"))
    made.recommended = recommend(made)
    assert (made.recommended, why(made)) == ("mend", "it is the mildest, and none loses less")

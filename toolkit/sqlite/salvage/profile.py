"""How the rows of one table usually look, to tell tables of the same shape apart."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from toolkit.sqlite.pages.record import RawText, Value

LEAST_ROWS = 4


def _feature(value: Value) -> tuple[object, ...]:
    if isinstance(value, RawText):
        return "text", len(value).bit_length(), _letters(value[:1]), _letters(value[len(value) // 2 :][:1])
    if isinstance(value, bytes):
        return "blob", len(value).bit_length()
    if isinstance(value, float):
        return ("real", math.frexp(value)[1] // 4) if math.isfinite(value) else ("real",)
    if isinstance(value, int):
        return "int", value.bit_length() // 3, value < 0
    return ("null",)


def _letters(piece: bytes) -> str:
    if piece.isdigit():
        return "digit"
    if piece.isupper():
        return "upper"
    if piece.islower():
        return "lower"
    return repr(piece) if piece.isascii() else "other"


@dataclass(slots=True)
class Profile:
    """Counts of what was seen in each column."""

    rows: int = 0
    columns: list[Counter[tuple[object, ...]]] = field(default_factory=list)

    def add(self, values: list[Value]) -> None:
        """Learn one row."""
        self.rows += 1
        while len(self.columns) < len(values):
            self.columns.append(Counter())
        for column, value in zip(self.columns, values, strict=False):
            column[_feature(value)] += 1

    def likeness(self, values: list[Value]) -> float:
        """Return the mean logarithm of how usual the values are: 0 is as usual as can be, -5 never seen."""
        if not values:
            return -5.0
        total = 0.0
        for at, value in enumerate(values):
            seen = self.columns[at][_feature(value)] if at < len(self.columns) else 0
            total += max(-5.0, math.log((seen + 0.02) / (self.rows + 1)))
        return total / len(values)

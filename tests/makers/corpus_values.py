"""Values for the corpus: what a column of a real application holds, drawn from a seeded generator."""

from __future__ import annotations

import json
import random
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Value = int | float | str | bytes | None

_SYLLABLES = [
    "ka",
    "lo",
    "mi",
    "ren",
    "tas",
    "vor",
    "el",
    "an",
    "di",
    "sul",
    "per",
    "go",
    "rin",
    "ba",
    "ne",
    "ol",
    "fe",
    "cha",
    "tu",
    "mar",
    "is",
    "qua",
    "zen",
    "ob",
    "ri",
]
_FOREIGN = [
    "привет",
    "мир",
    "שלום",
    "日本語",
    "データ",
    "café",
    "Ünsal",
    "naïve",
    "Ελλάδα",
    "한국어",
    "😀",
    "👩‍👩‍👧",
    "ß",
    "\u0301e",
]
_FIRST = [
    "Ada",
    "Bo",
    "Cem",
    "Dana",
    "Elif",
    "Finn",
    "Gül",
    "Hana",
    "Ivo",
    "Jun",
    "Kaj",
    "Léa",
    "Mia",
    "Noa",
    "Olga",
    "Pia",
    "Quim",
    "Rui",
    "Sara",
    "Tom",
    "Uma",
    "Vera",
]
_LAST = [
    "Adler",
    "Brandt",
    "Çelik",
    "Duarte",
    "Eriksen",
    "Fischer",
    "García",
    "Hansen",
    "Ito",
    "Jensen",
    "Kaya",
    "Lopez",
    "Müller",
    "Novák",
    "O'Brien",
]
_EXTREMES = [
    0, 1, -1, 127, 128, -128, -129, 255, 32767, 32768, -32769, 8388607, 8388608, -8388609, 2147483647, 2147483648,
    -2147483649, 140737488355327, 140737488355328, -140737488355329, 2**63 - 1, -(2**63),
]  # fmt: skip


@dataclass
class Pen:
    """Writes the rows of one table: a seeded generator, the database, and the number of the row."""

    random: random.Random
    db: sqlite3.Connection
    number: int = 0
    _keys: dict[str, list[Any]] = field(default_factory=dict)

    def keys(self, table: str, column: str) -> list[Any]:
        """Return the values of a column, read once for each round of filling."""
        name = f"{table}.{column}"
        if name not in self._keys:
            rows = self.db.execute(f'SELECT "{column}" FROM "{table}" ORDER BY 1')
            self._keys[name] = [row[0] for row in rows]
        return self._keys[name]

    def forget(self) -> None:
        """Read keys again: rows were added."""
        self._keys.clear()


Maker = Callable[[Pen], Value]


def word(pen: Pen) -> str:
    """A word, now and then of another script."""
    if pen.random.random() < 0.04:
        return pen.random.choice(_FOREIGN)
    return "".join(pen.random.choices(_SYLLABLES, k=pen.random.randint(1, 4)))


def words(low: int, high: int) -> Maker:
    return lambda pen: " ".join(word(pen) for _ in range(pen.random.randint(low, high)))


def prose(low: int, high: int) -> Maker:
    """Text of `low` to `high` characters, most of them short, some long."""

    def make(pen: Pen) -> str:
        size = low + int((high - low) * pen.random.random() ** 4)
        piece = " ".join(word(pen) for _ in range(40))
        return (piece * (size // len(piece) + 1))[:size]

    return make


def person(pen: Pen) -> str:
    return f"{pen.random.choice(_FIRST)} {pen.random.choice(_LAST)}"


def unique(prefix: str) -> Maker:
    """Text that no other row has."""
    return lambda pen: f"{prefix}{pen.number}-{pen.random.randrange(10**6):06}"


def email(pen: Pen) -> str:
    return f"{word(pen)}.{pen.number}@{pen.random.choice(('example.org', 'example.net', 'mail.example.com'))}"


def url(pen: Pen) -> str:
    path = "/".join(word(pen) for _ in range(pen.random.randint(1, 4)))
    return f"https://{pen.random.choice(_SYLLABLES)}{pen.random.randrange(60)}.example/{path}?q={pen.number}"


def whole(low: int, high: int) -> Maker:
    return lambda pen: pen.random.randint(low, high)


def real(low: float, high: float, digits: int = 2) -> Maker:
    """A float; some of them are whole numbers, which REAL columns store as integers."""

    def make(pen: Pen) -> float:
        value = round(pen.random.uniform(low, high), digits)
        return float(int(value)) if pen.random.random() < 0.2 else value

    return make


def extreme(pen: Pen) -> int:
    return pen.random.choice(_EXTREMES)


def flag(pen: Pen) -> int:
    return pen.random.randrange(2)


def choice(*values: Value) -> Maker:
    return lambda pen: pen.random.choice(values)


def maybe(maker: Maker, null: float = 0.3) -> Maker:
    """Like `maker`, or NULL with the probability `null`."""
    return lambda pen: None if pen.random.random() < null else maker(pen)


def either(*makers: Maker) -> Maker:
    return lambda pen: pen.random.choice(makers)(pen)


def row_number(pen: Pen) -> int:
    return pen.number


def ref(table: str, column: str = "id") -> Maker:
    """A value of another table's column, NULL when it is empty; some rows are referred to more than others."""

    def make(pen: Pen) -> Value:
        keys = pen.keys(table, column)
        return keys[int(len(keys) * pen.random.random() ** 1.5)] if keys else None

    return make


def stamp(pen: Pen) -> str:
    r = pen.random
    day = f"20{r.randint(19, 26)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
    return f"{day} {r.randrange(24):02}:{r.randrange(60):02}:00"


def epoch(pen: Pen) -> int:
    """Seconds that grow with the rows, as in a log."""
    return 1_600_000_000 + pen.number * 37 + pen.random.randrange(30)


def micros(pen: Pen) -> int:
    return epoch(pen) * 1_000_000 + pen.random.randrange(1_000_000)


def seconds(pen: Pen) -> float:
    return epoch(pen) + round(pen.random.random(), 3)


def blob(low: int, high: int) -> Maker:
    return lambda pen: pen.random.randbytes(low + int((high - low) * pen.random.random() ** 3))


def digest(pen: Pen) -> bytes:
    return pen.random.randbytes(20)


def hexes(size: int) -> Maker:
    return lambda pen: pen.random.randbytes(size // 2).hex()


def uuid(pen: Pen) -> str:
    text = pen.random.randbytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def document(pen: Pen) -> str:
    """JSON as applications keep it in a column."""
    tags = [word(pen) for _ in range(pen.random.randint(0, 5))]
    return json.dumps({"id": pen.number, "tags": tags, "score": pen.random.random(), "on": bool(flag(pen))})


def with_nul(pen: Pen) -> str:
    """Text with a NUL byte in the middle, which length() does not see."""
    return f"{word(pen)}\0{word(pen)}"


def geometry(pen: Pen) -> bytes:
    """A GeoPackage point: header and well-known binary."""
    x, y = pen.random.uniform(-180, 180), pen.random.uniform(-90, 90)
    return b"GP\x00\x01" + struct.pack("<i", 4326) + b"\x01" + struct.pack("<I", 1) + struct.pack("<dd", x, y)


def anything(pen: Pen) -> Value:
    """A value of any storage class."""
    makers: tuple[Maker, ...] = (extreme, real(-1e9, 1e9, 6), word, blob(0, 40), lambda _: None, flag, with_nul)
    return pen.random.choice(makers)(pen)

"""How SQLite orders the values of a key (datatypes, section 4): by class, then by value, texts by their collation."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from toolkit.sqlite.pages.record import CODECS, RawText, Value

Order = tuple[bool, str]
"""Whether a column of a key is descending, and the collation of its texts."""

COLLATIONS = ("BINARY", "NOCASE", "RTRIM")
"""Those that SQLite brings; others are the application's, and nobody else knows their order."""

_UP: Order = (False, "BINARY")


@functools.total_ordering
class _Down:
    """A value of a descending column."""

    __slots__ = ("value",)

    def __init__(self, value: tuple[int, object]) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and self.value == other.value

    def __lt__(self, other: _Down) -> bool:
        return other.value < self.value

    __hash__ = None  # type: ignore[assignment]


def known(orders: Sequence[Order]) -> bool:
    """Answer whether keys of these columns can be compared here."""
    return all(collation.upper() in COLLATIONS for _, collation in orders)


def sort_key(values: Sequence[Value], orders: Sequence[Order], encoding: str) -> tuple[object, ...]:
    """Return what compares as SQLite compares a key; columns without an order rise, as the rowid behind an index's.

    Texts are Python's, or `RawText` in the encoding of the database, whose bytes BINARY compares.
    """
    found: list[object] = []
    for at, value in enumerate(values):
        down, collation = orders[at] if at < len(orders) else _UP
        part = _part(value, collation.upper(), encoding)
        found.append(_Down(part) if down else part)
    return tuple(found)


def _part(value: Value, collation: str, encoding: str) -> tuple[int, object]:
    if value is None:
        return 0, 0
    if isinstance(value, int | float):
        return 1, value
    if isinstance(value, bytes) and not isinstance(value, RawText):
        return 3, value
    return 2, _text(value, collation, encoding)


def _text(value: RawText | str, collation: str, encoding: str) -> bytes:
    codec = CODECS.get(encoding, "utf-8")
    if collation == "BINARY":
        if isinstance(value, RawText):
            return bytes(value)
        return value.encode(codec, "surrogateescape" if codec == "utf-8" else "replace")
    raw = value.decode(codec, "replace").encode() if isinstance(value, RawText) and codec != "utf-8" else value
    plain = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else bytes(raw)
    return plain.lower() if collation == "NOCASE" else plain.rstrip(b" ")

"""Texts that something else was written over: they are none in the encoding, and those of their table are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from toolkit.sqlite.pages.record import CODECS, RawText, Value
from toolkit.sqlite.salvage.survey import Place

HABIT = 5
"""So many rows with texts that are none, and hardly one with another that is not ASCII: its application means it."""

_ERRORS = 3
"""Wrong places from which on a text of UTF-16 is none: half pairs of surrogates are common in what browsers store."""


def is_noise(value: RawText, encoding: str) -> bool:
    """Answer whether a text is none in the encoding."""
    codec = CODECS.get(encoding, "utf-8")
    try:
        value.decode(codec)
    except UnicodeDecodeError:
        if codec == "utf-8" or len(value) % 2:
            return True
        replaced = value.decode(codec, "replace").count("\ufffd")
        return replaced - value.decode(codec, "ignore").count("\ufffd") >= _ERRORS
    return False


@dataclass(slots=True)
class Noise:
    """What the texts of one table are like."""

    encoding: str
    rows: int = 0
    clean: int = 0
    places: list[Place] = field(default_factory=list)

    def look(self, place: Place, rows: Iterable[tuple[int, list[Value] | None]]) -> None:
        """Look at the rows of a leaf."""
        before = self.rows
        for _, values in rows:
            texts = [value for value in values or () if isinstance(value, RawText) and not value.isascii()]
            if self.encoding != "UTF-8":
                texts = [value for value in values or () if isinstance(value, RawText)]
            if any(is_noise(value, self.encoding) for value in texts):
                self.rows += 1
            elif texts:
                self.clean += 1
        if self.rows > before:
            self.places.append(place)

    def marred(self) -> list[Place]:
        """Return the leaves with rows that were written over."""
        return [] if self.rows >= HABIT and self.clean * 10 <= self.rows else self.places

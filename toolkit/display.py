"""The one way a foreign name or text reaches a terminal or a log.

File names, database names, messages of other programs and notes of users are hostile until they went
through `display`: they can hold escape sequences that rewrite the screen, marks that turn the reading
direction, and characters that nobody sees. What comes out is one line of visible characters.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

MARKS = 4
"""Combining marks that one character may carry; more than any living script stacks."""

_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\ufffc\U00016fe4\U0001d159").union(
    map(chr, range(0x180B, 0x1810)),  # Mongolian variation selectors
    map(chr, range(0xFE00, 0xFE10)),  # variation selectors
    map(chr, range(0xE0100, 0xE01F0)),  # variation selectors supplement
)
"""Characters that Python calls printable and nobody sees (Default_Ignorable_Code_Point and empty glyphs)."""


def _is_mark(char: str) -> bool:
    """Tell whether `char` is drawn over the one before it and takes no cell of its own."""
    return (
        unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7fb"
    )  # medial and final Hangul jamo, as decomposed names have them


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if 0xDC80 <= code <= 0xDCFF:  # os.fsdecode of a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _visible(text: str) -> str:
    pieces: list[str] = []
    room = 0
    for char in text:
        if not char.isprintable() or char in _BLANK:
            pieces.append(_escaped(char))
            room = 0
        elif char.isascii() or not _is_mark(char):
            pieces.append(char)
            room = MARKS
        elif room:
            pieces.append(char)
            room -= 1
        else:
            pieces.append(_escaped(char))
    return "".join(pieces)


def cells(text: str) -> int:
    """Return the terminal cells that `text`, an answer of `display`, takes (UAX #11: wide is two, a mark none)."""
    if text.isascii():
        return len(text)
    return sum(0 if _is_mark(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _cut(text: str, width: int) -> str:
    if width < 1:
        return ""
    used = 0
    for at, char in enumerate(text):
        used += cells(char)
        if used > width - 1:
            return text[:at] + "…"
    return text


def display(text: str | bytes | Path, *, width: int | None = None) -> str:
    r"""Return `text` as one line that is safe on any terminal and in any log.

    Controls, line breaks, bidirectional marks, zero-width and other invisible characters, private and
    unassigned ones, and unusual spaces come out as escapes (`\n`, `\x1b`, `\u202e`, `\U000e0001`), bytes
    that are not UTF-8 as `\xNN`, and marks beyond the first `MARKS` on a character as escapes too. With
    `width` the line is cut to that many terminal cells, with `…` as its last. What is visible stays as it
    is, the backslash too, so that twice is the same as once. Never raises.
    """
    line = text.decode(errors="surrogateescape") if isinstance(text, bytes) else str(text)
    if not (line.isascii() and line.isprintable()):
        line = _visible(line)
    if width is not None and (len(line) > width or not line.isascii()) and cells(line) > width:
        return _cut(line, width)
    return line

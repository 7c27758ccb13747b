"""Text for the screens: every name and foreign word comes through `line`, and is never read as markup."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from toolkit.display import cells, display

Piece = str | tuple[str, str] | Content
"""Text, text with a style (`bold $error`), or what was made before. Strings are foreign until shown."""


class Glyphs:
    """Which characters may be drawn; the app sets it once, before the first paint."""

    ascii = False


def line(text: str, width: int | None = None) -> str:
    """Return `text` as one safe line of what this terminal can show, cut to `width` cells."""
    if not Glyphs.ascii:
        return display(text, width=width)
    plain = display(text)
    if not plain.isascii():
        plain = plain.replace("…", "~").encode("ascii", "backslashreplace").decode()
    return plain if width is None or len(plain) <= width else plain[: max(width - 1, 0)] + "~" * min(width, 1)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` as exactly `width` cells, cut or filled with spaces; at the left where `right` is meant."""
    shown = line(text, width)
    room = " " * max(width - cells(shown), 0)
    return room + shown if right else shown + room


def put(*pieces: Piece) -> Content:
    """Return the pieces as one line of content."""
    made = []
    for piece in pieces:
        if isinstance(piece, Content):
            made.append(piece)
        elif isinstance(piece, tuple):
            made.append(Content.styled(line(piece[0]), piece[1]))
        else:
            made.append(Content(line(piece)))
    return Content("").join(made)


def lines(found: Iterable[Content]) -> Content:
    """Return lines as one content."""
    return Content("\n").join(found)


def ends(left: Content, right: Content, width: int) -> Content:
    """Return one line of `width` with `left` and `right` at its ends; `left` is cut where both have no room."""
    room = width - right.cell_length - 1
    if room < 1:
        return cut(left, width)
    left = cut(left, room)
    return Content("").join([left, Content(" " * (width - left.cell_length - right.cell_length)), right])


def cut(text: Content, width: int) -> Content:
    """Return one line that is cut to `width`, with a sign that it was."""
    if text.cell_length <= width:
        return text
    sign = "~" if Glyphs.ascii else "…"
    return Content("").join([text.truncate(max(width - 1, 0)), Content(sign)])


def rule() -> str:
    """Return the character of a horizontal line."""
    return "-" if Glyphs.ascii else "─"


TONES = {"bad": "bold $text-error", "warn": "$text-warning", "ok": "$text-success", "dim": "$text-muted", "": ""}
"""The colour that goes with a word; never the only sign."""

"""The words of a schema whose rows are broken: `CREATE` statements found in the bytes of its pages.

A row of the schema holds type, name, table, root page and SQL one behind the other (SQLite file format, section
2.6): where the text is whole, what stands before it proves name and root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolkit.sqlite.pages.record import CODECS

_NAME = r"""(?:"(?P<q>(?:[^"]|"")*)"|`(?P<t>[^`]*)`|\[(?P<b>[^\]]*)\]|'(?P<s>[^']*)'|(?P<n>[^\s("'`\[]+))"""
_CREATE = re.compile(
    rf"CREATE\s+(?:UNIQUE\s+)?(?P<kind>VIRTUAL\s+TABLE|TABLE|INDEX|VIEW|TRIGGER)\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}",
    re.IGNORECASE,
)
_LONGEST = 20_000

Words = tuple[str, str, str, int, str]
"""Kind, name, table, root page and SQL of an object."""


def found(page: bytes, ends: list[int], encoding: str) -> Iterator[Words]:
    """Yield the objects whose SQL is found in `page`. `ends` are the offsets at which cells begin: text ends there."""
    codec = CODECS.get(encoding, "utf-8")
    word = "CREATE ".encode(codec)
    at = page.find(word)
    while at >= 0:
        stop = min((end for end in ends if end > at), default=len(page))
        text = page[at : min(stop, at + _LONGEST)].decode(codec, "replace")
        match = _CREATE.match(text)
        if match is not None:
            entry = _entry(page, at, text, match, codec)
            if entry is not None:
                yield entry
        at = page.find(word, at + len(word))


def _entry(page: bytes, at: int, text: str, match: re.Match[str], codec: str) -> Words | None:
    name = next(value for value in match.group("q", "t", "b", "s", "n") if value is not None).replace('""', '"')
    kind = match["kind"].split()[-1].lower()
    sql = _whole(text)
    if sql is None:
        return None
    for width in (0, 1, 2, 3, 4):
        before = page[max(0, at - width - 2000) : at - width]
        for table in _tables(kind, name, text):
            if before.endswith((kind + name + table).encode(codec)):
                root = int.from_bytes(page[at - width : at], "big") if width else 0
                return kind, name, table, root, sql
    return None


def _tables(kind: str, name: str, text: str) -> Iterator[str]:
    """Yield the names of the table that the object may belong to."""
    yield name
    if kind in ("index", "trigger"):
        for match in re.finditer(rf"\bON\s+{_NAME}", text, re.IGNORECASE):
            yield next(value for value in match.group("q", "t", "b", "s", "n") if value is not None)


def _whole(text: str) -> str | None:
    """Return the SQL up to where its last bracket closes or control characters begin; None when brackets stay open."""
    end = re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]", text)
    text = text[: end.start()] if end else text
    if text.count("(") < text.count(")"):
        return None
    return text.rstrip() if text.count("(") == text.count(")") else None

"""In which encoding the texts of a database are, whatever its header says: from the records themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from toolkit.sqlite.plausible import FIRST, cell_end, is_btree, pointers, varint

UTF8, UTF16LE, UTF16BE = 1, 2, 3
"""As in the header (SQLite file format, section 1.3.13)."""

_LONGEST = 400


def texts(page: bytes, *, first: bool = False) -> Iterator[bytes]:
    """Yield the beginnings of the texts in the records of a leaf page of a table (section 2.1)."""
    if not is_btree(page, first=first) or page[FIRST if first else 0] != 0x0D:
        return
    for at in pointers(page, first=first):
        end = cell_end(page, at, 0x0D, len(page))
        if end is not None:
            yield from _of_record(page, at, end)


def _of_record(page: bytes, at: int, end: int) -> Iterator[bytes]:
    try:
        _, at = varint(page, at)
        _, begin = varint(page, at)
        length, at = varint(page, begin)
        place = begin + length
        while at < begin + length and place < end:
            kind, at = varint(page, at)
            size = (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind]
            if kind >= 13 and kind % 2 and size:
                yield page[place : min(place + size, end, place + _LONGEST)]
            place += size
    except IndexError:
        return


def form_of(text: bytes) -> int | None:
    """Return the encoding that `text` seems to have, None when it tells none."""
    even, odd = text[::2].count(0), text[1::2].count(0)
    if not even and not odd:
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            return UTF8 if error.reason == "unexpected end of data" else None
        return UTF8
    if odd > even:
        return UTF16LE
    return UTF16BE if even > odd else None


def most_used(pages: Iterable[tuple[bytes, bool]]) -> int | None:
    """Return the encoding of most texts in `pages` (each with whether it is page 1), None where there is no text."""
    votes: Counter[int] = Counter()
    for page, first in pages:
        votes.update(form for text in texts(page, first=first) if (form := form_of(text)) is not None)
    return votes.most_common(1)[0][0] if votes else None

"""Where damage is done: a copy of a database of the corpus, its pages mapped, and how bytes are overwritten."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.makers import corpus_contents
from tests.makers.corpus import Made, Spec
from tests.makers.corruption_pages import Page, PageMap

HEALTHY, DAMAGED, OPEN, ASK, LENIENT = "healthy", "damaged", "open", "ask", "lenient"
"""Verdicts: sound; damaged; nobody could tell, or both are right; the oracle decides; damaged, but open where the
oracle finds it healthy, for the damage then touches nothing that SQLite uses."""


class UnfitError(Exception):
    """A database has nothing of the kind that was to be damaged."""


@dataclass(frozen=True)
class Kind:
    """A kind of damage: `apply` does it and says what it did.

    `verdict` is what it is for certain, or `ask` for the oracle. `forms` are the forms of the corpus that it needs
    (empty: any without a sidecar). `repair` is whether a repair of it is scored; `truth` is `after` where the
    rows as they are after the damage are the right ones.
    """

    name: str
    family: str
    apply: Callable[[Site], str]
    verdict: str = ASK
    forms: tuple[str, ...] = ()
    repair: bool = True
    truth: str = "before"


class Site:
    """A private copy of a database (`path`, with its sidecars) to be damaged by the seeded `random`.

    `unseen` asks for other patterns and amounts of damage than those that developers see.
    """

    def __init__(self, made: Made, path: Path, rng: random.Random, *, unseen: bool = False) -> None:
        self.made, self.path, self.random, self.unseen = made, path, rng, unseen

    @property
    def spec(self) -> Spec:
        """How the database is laid out."""
        return self.made.spec

    @cached_property
    def map(self) -> PageMap:
        """The pages of the sound database, sidecars taken in."""
        with corpus_contents.private(self.made.path) as copy, corpus_contents.opened(copy) as db:
            shadows = corpus_contents.shadow_names(db)
        return PageMap(corpus_contents.settled(self.made.path), corpus_contents.roots(self.made.path), shadows)

    def sidecar(self, suffix: str) -> Path:
        """The path of a sidecar."""
        return self.path.with_name(self.path.name + suffix)

    def read(self) -> bytearray:
        """Return the bytes of the main file."""
        return bytearray(self.path.read_bytes())

    def pick(self, pages: list[Page]) -> Page:
        """Choose one of `pages`; raises `UnfitError` when there is none."""
        inside = [page for page in pages if page.number * self.map.size <= self.path.stat().st_size]
        if not inside:
            raise UnfitError
        return self.random.choice(inside)

    def put(self, offset: int, data: bytes | bytearray) -> None:
        """Overwrite bytes of the main file."""
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    def put_page(self, number: int, data: bytes | bytearray, at: int = 0) -> None:
        """Overwrite bytes of a page."""
        self.put(self.map.start(number) + at, data)

    def page(self, number: int) -> bytearray:
        """Return a page of the main file as it lies on disk."""
        with self.path.open("rb") as file:
            file.seek(self.map.start(number))
            return bytearray(file.read(self.map.size))

    def noise(self, size: int) -> bytes:
        """Return what overwrites things: random bytes, zeros, ones, text, a pattern; what, the seed decides."""
        r = self.random
        kinds = ("random", "ones", "text", "records") if not self.unseen else ("pattern", "low", "utf16", "random")
        kind = r.choice(kinds)
        if kind == "random":
            return r.randbytes(size)
        if kind == "ones":
            return b"\xff" * size
        if kind == "text":
            line = f"2026-01-02 03:04:05 host daemon[{r.randrange(9999)}]: something happened\n".encode()
            return (line * (size // len(line) + 1))[:size]
        if kind == "records":
            piece = b"\x05\x01\x15\x01\x02hello\x2a" + r.randbytes(3)
            return (piece * (size // len(piece) + 1))[:size]
        if kind == "utf16":
            return ("x\u0131\u4e2d" * size).encode("utf-16-le")[:size]
        if kind == "low":
            return bytes(r.choices(range(14), k=size))
        piece = r.randbytes(r.choice((1, 4, 16)))
        return (piece * (size // len(piece) + 1))[:size]

    def amount(self, seen: int, unseen: int) -> int:
        """Return how many: another amount for the unseen set."""
        return unseen if self.unseen else seen


def word(value: int) -> bytes:
    """Return a 4-byte big-endian number."""
    return struct.pack(">I", value & 0xFFFFFFFF)


def half(value: int) -> bytes:
    """Return a 2-byte big-endian number."""
    return struct.pack(">H", value & 0xFFFF)

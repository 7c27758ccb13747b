"""The pages of a file that nobody else writes, read one by one or in large pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from toolkit.sqlite.pages.geometry import Geometry

PIECE = 4 * 1024 * 1024


class PageSource:
    """The pages of the file `path`, numbered from 1; a page that the file cuts off is filled up with zeros.

    The first begins at byte `begin`. Memory stays flat: pieces of 4 MiB, and one for single pages. Raises `OSError`.
    """

    def __init__(self, path: str | os.PathLike[str], geometry: Geometry, begin: int = 0) -> None:
        self.geometry = geometry
        self.path = os.fspath(path)
        self.begin = begin
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def page_count(self) -> int:
        """The pages of the database, whether the file holds them or not."""
        return self.geometry.page_count

    def page(self, number: int) -> bytes:
        """Return page `number`; zeros where the file does not reach."""
        size = self.geometry.page_size
        data = os.pread(self._descriptor, size, self.begin + (number - 1) * size)
        return data if len(data) == size else data.ljust(size, b"\0")

    @property
    def descriptor(self) -> int:
        """The open file."""
        return self._descriptor

    def pieces(self, part: int = 0, parts: int = 1) -> Iterator[tuple[int, bytes]]:
        """Yield (number of the first page, whole pages) over the database, in order; or one in `parts` of them."""
        size = self.geometry.page_size
        step = max(1, PIECE // size)
        for first in range(1 + part * step, self.page_count + 1, parts * step):
            count = min(step, self.page_count + 1 - first)
            data = os.pread(self._descriptor, count * size, self.begin + (first - 1) * size)
            yield first, data if len(data) == count * size else data.ljust(count * size, b"\0")

"""Tables for a terminal: columns as wide as their content; on a narrow one empty ones go, then the widest is cut."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import click

from toolkit.display import cells, display

LEAST = 16
"""Columns to which the widest column is cut at most."""


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    width: int | None = None,
) -> list[str]:
    """Return the lines of a table; `right` names the columns that are aligned to the right.

    Cells are made safe for a terminal here. `width` is the screen's (found out when None; output that goes
    to a file or a pipe is never cut).
    """
    import sys

    if width is None:
        width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 10_000
    shown = [[display(cell) for cell in row] for row in (header, *rows)]
    sizes = [max(cells(row[index]) for row in shown) for index in range(len(header))]
    there = list(range(len(header)))
    if _width(sizes) > width:
        there = [index for index in there if any(row[index] for row in shown[1:])] or there
        widest = max(there, key=sizes.__getitem__)
        over = _width([sizes[index] for index in there]) - width
        sizes[widest] = min(sizes[widest], max(LEAST, sizes[widest] - over))
    lines = [_line(row, sizes, right, there, width) for row in shown]
    return [click.style(lines[0], bold=True), *lines[1:]]


def _width(sizes: Sequence[int]) -> int:
    return sum(sizes) + 2 * (len(sizes) - 1)


def _cut(text: str, size: int) -> str:
    """Return `text` without its middle: the end of a path tells most."""
    tail = text
    while cells(tail) > size * 2 // 3:
        tail = tail[1:]
    return display(text, width=size - cells(tail)) + tail


def _line(row: Sequence[str], sizes: Sequence[int], right: frozenset[int], there: Sequence[int], width: int) -> str:
    parts = []
    for index in there:
        cell = row[index] if cells(row[index]) <= sizes[index] else _cut(row[index], sizes[index])
        gap = " " * (sizes[index] - cells(cell))
        parts.append(gap + cell if index in right else cell + gap)
    line = "  ".join(parts).rstrip()
    return line if cells(line) <= width else display(line, width=width)

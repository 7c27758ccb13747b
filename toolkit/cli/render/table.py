"""Tables for a terminal: columns as wide as their content, the last one cut to the screen."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import click

from toolkit.display import cells, display


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
    shown = [[display(cell) for cell in row] for row in rows]
    sizes = [max([cells(name), *(cells(row[i]) for row in shown)]) for i, name in enumerate(header)]
    lines = [click.style(_line(header, sizes, right, width), bold=True)]
    lines.extend(_line(row, sizes, right, width) for row in shown)
    return lines


def _line(row: Sequence[str], sizes: Sequence[int], right: frozenset[int], width: int) -> str:
    parts = []
    for index, cell in enumerate(row):
        gap = " " * (sizes[index] - cells(cell))
        parts.append(gap + cell if index in right else cell + gap)
    line = "  ".join(parts).rstrip()
    return line if cells(line) <= width else display(line, width=width)

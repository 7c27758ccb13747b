"""What the terminal shows already: of every update only the cells that differ go over the line.

Textual draws a widget anew where one word of it changed, and the whole screen when a box opens over it. A cell here is
its character and the codes of its style; a wide character is followed by an empty cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

Cell = tuple[str, str]
"""A character and what stands in the escape sequence before it; of a blank only what can be seen of it."""

EMPTY: Cell = (" ", "")
GAP = 5
"""So many cells that did not change are sent again rather than jumped over: a jump costs as much."""

_CERTAIN = re.compile(r"[\x20-\x7e\u00a0-\u02ff\u0370-\u058f\u2010-\u2027\u2190-\u25ff]*")
"""Characters that are one cell wide everywhere. With others terminals disagree, and what follows them shifts."""


class Sent:
    """The cells of the terminal as they are after all that was sent."""

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._cells: list[list[Cell]] = []
        self._known = False

    def forget(self) -> None:
        """Trust nothing that is on the terminal: with the next update it is cleared, and all of it is sent."""
        self._known = False

    def narrowed(
        self, update: LayoutUpdate | ChopsUpdate, size: Size, console: Console, whole: Callable[[], LayoutUpdate]
    ) -> Differing | None:
        """Return what is left to send of `update`, None where all of it is there.

        After a change of `size`, and after `forget`, that is the `whole` screen.
        """
        said: list[str] = []
        if not self._known or size != self._size:
            self._size, self._known = size, True
            self._cells = [[EMPTY] * size.width for _ in range(size.height)]
            said.append("\x1b[m\x1b[2J")
            update = whole()
        system = console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001 - as Strip.render does
        for y, pieces in _pieces(update):
            if y < size.height:
                said += self._line(y, pieces, system)
        return Differing("".join(said)) if said else None

    def _line(self, y: int, pieces: Iterable[tuple[int, Strip]], system: ColorSystem) -> Iterator[str]:
        """Take what line `y` shall show, and yield how to get there."""
        before = self._cells[y]
        after = before.copy()
        for x, strip in pieces:
            _place(after, x, _cells(strip, system)[: max(len(after) - x, 0)])
        if after == before:
            return
        self._cells[y] = after
        for first, last in _runs(before, after):
            yield f"\x1b[{y + 1};{first + 1}H" + _written(after[first:last])


class Differing(CompositorUpdate):
    """An update that is written already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render_segments(self, console: Console) -> str:
        """Return it."""
        del console
        return self._text


def _pieces(update: LayoutUpdate | ChopsUpdate) -> Iterator[tuple[int, list[tuple[int, Strip]]]]:
    """Yield the lines of `update`: their number, and strips with the column where each begins."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x, placed = update.region.x, []
            for strip in line:
                placed.append((x, strip))
                x += strip.cell_length
            yield y, placed
        return
    for y, first, last in update.spans:
        spans = zip(update.chop_ends[y], update.chops[y].items(), strict=False)
        yield (
            y,
            [
                (x, strip if end <= last else strip.crop(0, last - x))
                for end, (x, strip) in spans
                if strip is not None and x < last and end > first
            ],
        )


@lru_cache(maxsize=4096)
def _codes(style: Style, system: ColorSystem) -> tuple[str, str]:
    """Return the codes of `style` for a character, and for a blank, where only background and lines are seen."""
    codes = Strip.render_ansi(style, system)
    lined = style.underline or style.reverse or style.strike or style.underline2 or style.overline
    seen = style if lined else Style(bgcolor=style.bgcolor)
    return _plain(codes), _plain(Strip.render_ansi(seen, system))


def _plain(codes: str) -> str:
    """Return `codes` without those for the colours that the terminal has by itself: each sequence begins with them."""
    return ";".join(
        code for code in re.findall(r"[34]8;5;\d+|[34]8;2;\d+;\d+;\d+|\d+", codes) if code not in ("39", "49")
    )


def _cells(strip: Strip, system: ColorSystem) -> list[Cell]:
    found: list[Cell] = []
    for text, style, _ in strip:
        full, blank = _codes(style, system) if style is not None else ("", "")
        if text.isascii():
            found += [(one, blank if one == " " else full) for one in text]
            continue
        for one in text:
            wide = get_character_cell_size(one)
            if wide:
                found.append((one, blank if one == " " else full))
                found += [("", full)] * (wide - 1)
            elif found:
                found[-1] = (found[-1][0] + one, full)
    return found


def _place(line: list[Cell], x: int, made: list[Cell]) -> None:
    """Put `made` into `line`; of a wide character that loses a half nothing is left, as on terminals."""
    end = x + len(made)
    if made and 0 < x < len(line) and line[x][0] == "":
        line[x - 1] = (" ", _ground(line[x - 1][1]))
    if made and end < len(line) and line[end][0] == "":
        line[end] = (" ", _ground(line[end][1]))
    line[x:end] = made


def _runs(before: list[Cell], after: list[Cell]) -> list[tuple[int, int]]:
    """Return from where to where a line must be written; all of it where its characters can be of any width."""
    if not all(_CERTAIN.fullmatch("".join(one for one, _ in line)) for line in (before, after)):
        return [(0, len(after))]
    runs: list[tuple[int, int]] = []
    for at, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        if runs and at - runs[-1][1] <= GAP:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs


def _written(run: list[Cell]) -> str:
    said: list[str] = []
    now, ground = "", ""
    for one, codes in run:
        if codes != now and not (one == " " and codes == ground):
            said.append(f"\x1b[0;{codes}m" if codes else "\x1b[m")
            now, ground = codes, _ground(codes)
        said.append(one)
    return "".join(said) + ("\x1b[m" if now else "")


@lru_cache(maxsize=4096)
def _ground(codes: str) -> str:
    """Return the codes of a blank that looks as if written with `codes`; what has lines is only like itself."""
    found = re.findall(r"[34]8;5;\d+|[34]8;2;\d+;\d+;\d+|\d+", codes)
    if set(found) & {"4", "7", "9", "21", "53"}:
        return codes
    return ";".join(code for code in found if re.match(r"4[0-8]|10[0-7]", code))

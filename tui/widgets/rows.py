"""The list that every screen uses: a cursor, columns, marks, sorting and filtering, over any number of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Protocol

import msgspec
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.filter import Filter, Value, text_of
from tui.text import pad

PAGE = 200
"""Rows that are read at once."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column: its name in filters, its title, its cells (0: what is left), and whether numbers stand right.

    In a wide window it grows up to `most` cells, as long as what is left stays at least as wide.
    """

    name: str
    title: str
    width: int = 0
    right: bool = False
    most: int = 0


class Cell(msgspec.Struct, frozen=True):
    """What one column of a row shows, raw, and its tone (`bad`, `warn`, `ok`, `dim`)."""

    text: str
    tone: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: its key, the cells, and the values that filters and sorting look at, by column name."""

    key: str
    cells: tuple[Cell | str, ...]
    values: Mapping[str, Value] = {}


class Source(Protocol):
    """Where rows come from. All is called in the UI's thread: answer from memory or an index, never from a network."""

    def arrange(self, wanted: Filter, sort: str, *, reverse: bool) -> tuple[int, int]:
        """Take filter and order (`sort` empty: the source's own); return how many rows pass, and of how many."""

    def rows(self, offset: int, limit: int) -> Sequence[Row]:
        """Return the rows from `offset` on, as arranged."""

    def place_of(self, key: str) -> int | None:
        """Return where the row `key` is now, or None."""


class Listed:
    """A source of rows that are all in memory."""

    def __init__(self, found: Sequence[Row], now: Callable[[], datetime]) -> None:
        self._all = found
        self._shown: Sequence[Row] = found
        self._now = now

    def arrange(self, wanted: Filter, sort: str, *, reverse: bool) -> tuple[int, int]:
        """Filter and sort; rows without a value come last."""
        now = self._now()
        shown = [row for row in self._all if not wanted or wanted.matches(row.values, now=now)]
        if sort:
            having = [row for row in shown if row.values.get(sort) not in (None, "")]
            empty = [row for row in shown if row.values.get(sort) in (None, "")]
            having.sort(key=lambda row: _order(row.values[sort]), reverse=reverse)
            shown = having + empty
        elif reverse:
            shown.reverse()
        self._shown = shown
        return len(shown), len(self._all)

    def rows(self, offset: int, limit: int) -> Sequence[Row]:
        """Return a page of what is shown."""
        return self._shown[offset : offset + limit]

    def place_of(self, key: str) -> int | None:
        """Return where the row `key` is now."""
        return next((at for at, row in enumerate(self._shown) if row.key == key), None)


def _order(value: Value) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return (0, float(value), "")
    if isinstance(value, datetime):
        return (0, -value.timestamp(), "")  # the newest first, as ages grow
    return (1, 0.0, text_of(value).casefold())


class Rows(Widget, can_focus=True):
    """A list with a cursor. Says `Moved` when the cursor is on another row. Its first line are the columns' titles."""

    DEFAULT_CSS = "Rows { height: 1fr; }"
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rows--head", "rows--cursor", "rows--bad", "rows--warn", "rows--ok", "rows--dim", "rows--mark",
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "jump(0)", "First", show=False),
        Binding("end,G", "jump(-1)", "Last", show=False),
        Binding("greater_than_sign", "sort", "Sort by the next column", show=False),
        Binding("less_than_sign", "reverse", "Turn the order", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row, or the row under it changed."""

        def __init__(self, rows: Rows) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> Rows:
            """The list."""
            return self.rows

    def __init__(
        self, columns: Sequence[Column], source: Source, *, marking: bool = False, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.columns = tuple(columns)
        self.marks: set[str] = set()
        self.marking = marking
        self.filter = Filter()
        self.filter_text = ""
        self.sort = ""
        self.reverse = False
        self.cursor = 0
        self.count = 0
        self.total = 0
        self.lines = 0
        self._top = 0
        self._pages: dict[int, Sequence[Row]] = {}
        self._source = source
        self._rearrange()

    # ---- what others ask and tell

    @property
    def current(self) -> Row | None:
        """The row under the cursor; None in an empty list."""
        return self.row(self.cursor) if self.count else None

    def row(self, at: int) -> Row | None:
        """Return the row at place `at`, None when there is none."""
        if not 0 <= at < self.count:
            return None
        page = at // PAGE
        if page not in self._pages:
            if len(self._pages) > 8:
                self._pages.clear()
            self._pages[page] = self._source.rows(page * PAGE, PAGE)
        rows = self._pages[page]
        return rows[at % PAGE] if at % PAGE < len(rows) else None

    def show(self, source: Source) -> None:
        """Take another source; the cursor stays on its row (by key), else at its place."""
        before = self._visible()
        self._source = source
        self._again(before)

    def fill(self, found: Sequence[Row], now: Callable[[], datetime], *, most: int) -> None:
        """Show `found`, in as many lines as they need with the titles, at most `most`; the cursor stays on its row."""
        self.lines = max(2, min(len(found) + 1, most))
        self.styles.height = self.lines
        self.show(Listed(found, now))

    def narrow(self, text: str, wanted: Filter) -> None:
        """Show only what passes `wanted`, which was typed as `text`."""
        self.filter, self.filter_text = wanted, text
        self._again()

    def go_to(self, key: str) -> bool:
        """Put the cursor on the row `key`; answer whether it is shown."""
        place = self._source.place_of(key)
        if place is None:
            return False
        self._go(place)
        return True

    def marked(self) -> tuple[str, ...]:
        """Return the keys of the marked rows, or of the row under the cursor where none is marked."""
        if self.marks:
            return tuple(sorted(self.marks))
        return (self.current.key,) if self.current is not None else ()

    # ---- keys

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        self._go(self.cursor + step)

    def action_page(self, pages: int) -> None:
        """Move by a screenful."""
        self._go(self.cursor + pages * max(self.size.height - 2, 1))

    def action_jump(self, place: int) -> None:
        """Go to the first row, or the last (-1)."""
        self._go(place if place >= 0 else self.count - 1)

    def action_sort(self) -> None:
        """Sort by the next column; after the last one, as the list comes."""
        names = ["", *(column.name for column in self.columns)]
        self.sort, self.reverse = names[(names.index(self.sort) + 1) % len(names)], False
        self._again()

    def action_reverse(self) -> None:
        """Turn the order around."""
        self.reverse = not self.reverse
        self._again()

    def action_mark(self) -> None:
        """Mark the row, or take its mark away, and go on."""
        if self.current is not None and self.marking:
            self.marks ^= {self.current.key}
            self._go(self.cursor + 1)
            self.refresh()

    # ---- inside

    def _rearrange(self) -> None:
        self._pages.clear()
        self.count, self.total = self._source.arrange(self.filter, self.sort, reverse=self.reverse)

    def _visible(self) -> tuple[object, ...]:
        """Return all that the list shows now."""
        shown = [self.row(at) for at in range(self._top, self._top + max(self.size.height - 1, 0))]
        return self.count, self.total, self.cursor, self._top, shown

    def _again(self, before: tuple[object, ...] | None = None) -> None:
        key = self.current.key if self.current is not None else None
        self._rearrange()
        place = self._source.place_of(key) if key is not None else None
        self.cursor = max(0, min(self.cursor if place is None else place, self.count - 1))
        self._scroll()
        if before is None or before != self._visible():
            self.refresh()
            self.post_message(self.Moved(self))

    def _go(self, place: int) -> None:
        place = max(0, min(place, self.count - 1))
        if place == self.cursor:
            return
        before, self.cursor, top = self.cursor, place, self._top
        self._scroll()
        if top == self._top:
            width = self.size.width
            self.refresh(Region(0, before - top + 1, width, 1), Region(0, place - top + 1, width, 1))
        else:
            self.refresh()
        self.post_message(self.Moved(self))

    def _scroll(self) -> None:
        room = max(self.size.height - 1, 1)
        self._top = max(0, min(self._top, self.count - room, self.cursor), self.cursor - room + 1)

    def on_resize(self) -> None:
        """Keep the cursor in sight, with as many rows around it as there is room for now."""
        self._scroll()
        self.refresh()

    def on_mount(self) -> None:
        """Tell which row is under the cursor."""
        self.post_message(self.Moved(self))

    def notify_style_update(self) -> None:
        """Draw again in other colours."""
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return line `y`: the titles, then rows."""
        width = self.size.width
        if y == 0:
            return Strip([Segment(self._head(width), self._style("head"))], width)
        row = self.row(self._top + y - 1)
        if row is None:
            return Strip.blank(width, self.rich_style)
        cursor = self._top + y - 1 == self.cursor
        return Strip(list(self._segments(row, width, cursor=cursor)), width).simplify()

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"rows--{name}")

    def _widths(self, width: int) -> list[int]:
        fixed = sum(column.width + 2 for column in self.columns if column.width) + 1
        rest = [column for column in self.columns if not column.width]
        grown = {column.name: column.width for column in self.columns}
        spare = width - fixed
        for column in self.columns:
            more = max(min(column.most - column.width, (spare - column.most) // 2), 0) if column.most else 0
            grown[column.name] += more
            spare -= more
        each = max(spare // len(rest) - 2, 4) if rest else 0
        return [grown[column.name] or each for column in self.columns]

    def _head(self, width: int) -> str:
        titles = []
        for column, room in zip(self.columns, self._widths(width), strict=True):
            sign = ("<" if self.reverse else ">") if column.name == self.sort else ""
            titles.append(pad(column.title + sign, room, right=column.right))
        said = f" {self.count:,} of {self.total:,} /{self.filter_text} " if self.filter else ""
        if self.marks:
            said = f" {len(self.marks):,} marked{said or ' '}"
        return pad(" " + "  ".join(titles), width - len(pad(said, len(said)))) + pad(said, len(said))

    def _segments(self, row: Row, width: int, *, cursor: bool) -> Iterator[Segment]:
        base = self._style("cursor") if cursor else self.rich_style
        mark = "*" if row.key in self.marks else " "
        used = 1
        yield Segment(mark, base + self._style("mark") if mark == "*" and not cursor else base)
        for column, room, cell in zip(self.columns, self._widths(width), row.cells, strict=True):
            cut = min(room, max(width - used, 0))
            text, tone = (cell, "") if isinstance(cell, str) else (cell.text, cell.tone)
            style = base if not tone else base + (Style(bold=True) if cursor else self._style(tone))
            gap = "  " if used + cut + 2 <= width else ""
            yield Segment(pad(text, cut, right=column.right), style)
            yield Segment(gap, base)
            used += cut + len(gap)
        yield Segment(" " * max(width - used, 0), base)

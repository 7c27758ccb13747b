"""Small charts: databases over the backups (timeline), and what all backups amount to (figures)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.operations import stats, timeline
from toolkit.operations.stats import StatsReport
from toolkit.operations.timeline import History, TimelineReport, TimelineRequest, changing
from toolkit.wording import bar, count_text, size_text, time_text
from tui.act import Act
from tui.screens.frame import Frame
from tui.screens.page import failure_lines
from tui.text import Glyphs, cut, lines, pad, put
from tui.verbs import Verb

HEIGHT = 4
MOST_TABLES = 5
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def columns(values: Sequence[float | None], *, height: int, width: int, fine: bool) -> list[str]:
    """Return a chart of `values` as `height` lines from the top: one column each, the last `width` of them.

    `fine` uses eighths of a cell, which not every console has; else whole cells of `#`. What is not known leaves a gap.
    """
    shown = list(values[-width:])
    top = max((value for value in shown if value is not None), default=0) or 1
    steps = 8 if fine else 1
    heights = [
        None if value is None else max(round(value / top * height * steps), 1 if value else 0) for value in shown
    ]
    found = []
    for row in range(height - 1, -1, -1):
        filled = [0 if each is None else min(max(each - row * steps, 0), steps) for each in heights]
        found.append("".join(_EIGHTHS[each] if fine else "#" if each else " " for each in filled))
    return found


class Charts(Frame):
    """Text with charts that is read in a thread, and scrolls."""

    AUTO_FOCUS = "VerticalScroll"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="again", key="R", label="Again", help="read it again"),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that does the same"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._told: list[Content] = [put("  reading the backups")]

    def body(self) -> ComposeResult:
        """Compose the text."""
        with VerticalScroll():
            yield Static(id="text")

    def on_mount(self) -> None:
        """Begin to read."""
        self.do_again()

    def do_again(self) -> None:
        """Read, in a thread."""
        width = max(self.size.width - 14, 20)
        self.beside(lambda _: list(self.told(width)), self._take, self._failed)

    def _failed(self, error: LifeboatError) -> None:
        self._take(list(failure_lines(error, self.size.width)))

    def _take(self, told: list[Content]) -> None:
        self._told = told
        self.facts()

    def facts(self) -> None:
        """Show what was read."""
        self.query_one("#text", Static).update(lines(cut(one, self.size.width - 1) for one in self._told))

    def told(self, width: int) -> Iterator[Content]:
        """Yield the lines; charts are at most `width` wide."""
        raise NotImplementedError(width)

    def chart(self, values: Sequence[float | None], width: int) -> Iterator[Content]:
        """Yield the lines of a chart."""
        fine = not Glyphs.ascii and self.ui.terminal.colors >= 256
        for row in columns(values, height=HEIGHT, width=width, fine=fine):
            yield put("     |", (row, "$text-accent"))


class TimelineScreen(Charts):
    """The databases of a profile over its backups: rows, size, and what jumped."""

    TITLE_LINE = "databases over the backups: rows, size, jumps"

    def __init__(self, profile: str) -> None:
        super().__init__()
        self._profile = profile

    def commands(self) -> Iterator[Act]:
        """Yield the command."""
        yield Act(words=("timeline", self._profile), title="timeline", job=False)

    def told(self, width: int) -> Iterator[Content]:
        """Yield each database: a chart of its rows, its tables, what jumped."""
        report: TimelineReport = timeline.run(self.ui.session, TimelineRequest(target=self._profile))
        for history in report.databases:
            yield from self._database(history, width)
            yield Content("")

    def _database(self, history: History, width: int) -> Iterator[Content]:
        now = self.ui.session.now()
        points = history.points
        first, last = points[0], points[-1]
        span = f"{time_text(first.when, now)} to {time_text(last.when, now)}, {count_text(len(points), 'backup')}"
        yield put((f"  {history.name}", "bold"), f"  {history.database}   {span}")
        rows = "?" if last.rows is None else f"{last.rows:,}"
        yield put(f"     rows, now {rows}; size {size_text(last.size)}")
        yield from self.chart([point.rows for point in points], width)
        for table in changing(points, MOST_TABLES):
            counts = [point.tables.get(table) for point in points]
            known = [one for one in counts if one is not None]
            if known:
                yield put(f"     {pad(table, 24)} {known[0]:>12,} -> {known[-1]:>12,}   highest {max(known):,}")
        for jump in history.jumps[-5:]:
            yield put(("     jump: ", "bold $text-warning"), jump.text)


class FiguresScreen(Charts):
    """How many backups there are, how large, of which kind, and how that grew."""

    TITLE_LINE = "what all backups amount to"

    def commands(self) -> Iterator[Act]:
        """Yield the command."""
        yield Act(words=("stats",), title="stats", job=False)

    def told(self, width: int) -> Iterator[Content]:
        """Yield the figures and the growth."""
        report: StatsReport = stats.run(self.ui.session, None, buckets=min(width, 60))
        found, now = report.stats, self.ui.session.now()
        rate = "?" if found.success_rate is None else f"{found.success_rate:.0%}"
        yield put(
            ("  Backups  ", "bold"), f"{found.completed:,} finished, {found.good:,} good, {found.pinned:,} pinned"
        )
        yield put(("  Runs     ", "bold"), f"{found.failed:,} failed, {rate} succeeded")
        yield put(("  Size     ", "bold"), f"{size_text(found.size)} in all, {size_text(found.average)} on average")
        if found.oldest is not None and found.newest is not None:
            yield put(("  From     ", "bold"), f"{time_text(found.oldest, now)} to {time_text(found.newest, now)}")
        yield Content("")
        largest = max((one.size for one in found.by_kind), default=0)
        for kind in found.by_kind:
            size = f"{count_text(kind.count, 'backup'):>14}  {size_text(kind.size):>8}"
            yield put(f"  {kind.kind:10} ", (bar(kind.size, largest or 1, width=24), "$text-accent"), size)
        if found.growth:
            yield Content("")
            yield put(("  bytes held", "bold"), f", up to {size_text(max(one.total for one in found.growth))}")
            yield from self.chart([one.total for one in found.growth], width)

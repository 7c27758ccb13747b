"""How a database went over the backups: rows and size, the jumps marked and said in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.operations import timeline
from toolkit.operations.timeline import History, Point, TimelineReport
from toolkit.wording import chart, size_text, time_text
from tui.act import Act
from tui.screens.diagnose_search import SearchScreen
from tui.screens.form import AskLine
from tui.screens.frame import Frame
from tui.screens.page import failure_lines, wrapped
from tui.text import Glyphs, lines, put, rule
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows


class TimelineScreen(Frame):
    """The backups of one database, newest first; the charts of its rows and size; below, what stands out."""

    TITLE_LINE = "rows and size over the backups"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="jump", key="n", label="Next jump", help="go to the next place where something stands out"),
        Verb(
            name="find",
            key="f",
            label="Find row",
            help="since when a row is there or gone: an SQL condition",
            acts=True,
        ),
        Verb(name="copy", key="y", label="Copy", help="copy the command line that shows the same"),
    )

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.history: History | None = None
        self._failed: list[Content] = []

    def body(self) -> ComposeResult:
        """Compose the charts, the list, and what stands out."""
        yield Static(put((f" Timeline of {self._path.rpartition('/')[2]}", "bold"), f"   {self._path}"), classes="rule")
        yield Static(put(" Looking …"), id="charts")
        yield Rows(
            (
                Column(name="jump", title="", width=1),
                Column(name="when", title="WHEN", width=17),
                Column(name="backup", title="BACKUP", width=8),
                Column(name="kind", title="KIND", width=9),
                Column(name="size", title="SIZE", width=7, right=True),
                Column(name="rows", title="ROWS", width=11, right=True),
                Column(name="what", title="WHAT STANDS OUT"),
            ),
            Listed([], self.ui.session.now),
        )
        yield Static(id="rule", classes="rule")
        yield Static(id="text")

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        session, request = self.ui.session, timeline.TimelineRequest(target=self._path)
        self.beside(lambda _: timeline.run(session, request), self._show, self._not_read)

    def _not_read(self, error: LifeboatError) -> None:
        self._failed = list(failure_lines(error, self.size.width))
        self._show(TimelineReport())

    def _show(self, report: TimelineReport) -> None:
        self.history = next(iter(report.databases), None)
        points = list(reversed(self.history.points)) if self.history is not None else []
        self.query_one(Rows).show(Listed([self._row(point) for point in points], self.ui.session.now))
        self.query_one("#charts", Static).update(lines(self._charts()))
        self._detail()
        self.edges()

    def _charts(self) -> Iterator[Content]:
        if self.history is None:
            yield from self._failed
            return
        room = max(self.size.width - 30, 10)
        points = self.history.points[-room:]
        for word, values in (
            ("rows", [point.rows or 0 for point in points]),
            ("size", [point.size for point in points]),
        ):
            said = f"  up to {max(values):,}" if word == "rows" else f"  up to {size_text(max(values))}"
            yield put((f" {word}  ", "bold"), chart(values, plain=Glyphs.ascii), (said, "$text-muted"))

    def _row(self, point: Point) -> Row:
        jumps = [jump.text.split(" between ")[0] for jump in self._jumps(point)]
        return Row(
            key=point.id,
            cells=(
                Cell("!" if jumps else "", "warn"),
                time_text(point.when, self.ui.session.now()),
                point.id,
                Cell(f"{point.kind}", "bad" if point.damaged else ""),
                size_text(point.size),
                "?" if point.rows is None else f"{point.rows:,}",
                Cell("; ".join(jumps) or ("damaged" if point.damaged else ""), "warn"),
            ),
            values={
                "jump": "!" if jumps else "",
                "when": point.when,
                "backup": point.id,
                "kind": point.kind,
                "size": point.size,
                "rows": point.rows,
                "what": "; ".join(jumps),
            },
        )

    def _jumps(self, point: Point) -> list[timeline.Jump]:
        return [] if self.history is None else [jump for jump in self.history.jumps if jump.first == point.id]

    def on_rows_moved(self) -> None:
        """Say what stands out at the backup under the cursor."""
        self._detail()

    def _detail(self) -> None:
        width, row = self.size.width, self.query_one(Rows).current
        self.put("#rule", Content(rule() * width))
        point = None
        if row is not None and self.history is not None:
            point = next((one for one in self.history.points if one.id == row.key), None)
        self.query_one("#text", Static).update(lines(self._said(point, width)[:6]))

    def _said(self, point: Point | None, width: int) -> list[Content]:
        if point is None:
            return []
        said = [
            part for jump in self._jumps(point) for part in wrapped(" !  ", jump.text, width, tone="bold $text-warning")
        ]
        tables = sorted(point.tables.items(), key=lambda item: -(item[1] or 0))[:8]
        counts = ", ".join(f"{name} {'?' if rows is None else f'{rows:,}'}" for name, rows in tables)
        return [*said, *wrapped(" rows  ", counts or "not counted", width, tone="bold")]

    def against(self, verb: Verb) -> str:
        """Say that nothing stands out."""
        if verb.name == "jump" and (self.history is None or not self.history.jumps):
            return "nothing stands out"
        return super().against(verb)

    def do_jump(self) -> None:
        """Go to the next jump, from the top again after the last."""
        rows = self.query_one(Rows)
        marked = [at for at in range(rows.count) if (row := rows.row(at)) is not None and row.values.get("jump")]
        following = next((at for at in marked if at > rows.cursor), marked[0] if marked else None)
        if following is not None and (row := rows.row(following)) is not None:
            rows.go_to(row.key)

    def do_find(self) -> None:
        """Ask for a condition, and bisect the backups with it as a job."""

        def act(text: str) -> Act:
            words = ("timeline", self._path, "--find", text or "id = 1")
            return Act(words=words, title=f"Since when: {text}", operation="timeline", targets=(self._path,))

        def shows(text: str) -> tuple[str, str]:
            return self.ui.line(act(text)), "" if text else "as it stands behind WHERE, such as: id = 4711"

        def answered(text: str | None) -> None:
            if text:
                self.ui.push_screen(SearchScreen(act(text)))

        more = ("It only reads. The first backup that has or lacks such a row is found by bisecting.",)
        self.ui.push_screen(AskLine("Which row is looked for?", shows, more=more), answered)

    def commands(self) -> Iterator[Act]:
        """Yield the command that shows the same."""
        yield Act(words=("timeline", self._path), title="timeline")

"""A backup beside what is there now: each file and table that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.operations import compare
from toolkit.operations.compare import CompareReport, FileChange
from toolkit.operations.listing import ListedBackup
from toolkit.wording import age_text, size_text, time_text
from tui.act import Act
from tui.screens.backups_detail import compared
from tui.screens.frame import Frame
from tui.screens.page import failure_lines
from tui.text import cut, lines, put
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

_SIGNS = {"added": "new", "removed": "gone", "changed": "differs"}
_TONES = {"added": "ok", "removed": "bad", "changed": "warn"}


class Comparison(Frame):
    """Compares in a thread beside the UI, by reading alone; `then` gets the report, unless `other` is a backup too."""

    TITLE_LINE = "a backup beside what is there now"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="again", key="R", label="Again", help="compare again"),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that does the same"),
    )

    def __init__(
        self, backup: ListedBackup, then: Callable[[str, CompareReport], None], *, other: str | None = None
    ) -> None:
        super().__init__()
        self._backup, self._then, self._other = backup, then, other
        self._report: CompareReport | None = None
        self._error: LifeboatError | None = None

    def body(self) -> ComposeResult:
        """Compose the headline and the list."""
        yield Static(id="headline")
        columns = (
            Column(name="now", title="NOW", width=8),
            Column(name="name", title="FILE OR TABLE"),
            Column(name="backup", title="IN THE BACKUP", width=14, right=True),
            Column(name="live", title=self._other or "THERE NOW", width=14, right=True),
        )
        yield Rows(columns, Listed((), self.ui.session.now))

    def on_mount(self) -> None:
        """Begin."""
        self.do_again()

    def do_again(self) -> None:
        """Compare."""
        self._report, self._error = None, None
        self.facts()
        session, request = self.ui.session, compare.CompareRequest(backup=self._backup.id, other=self._other)
        self.beside(lambda line: compare.run(session, request, should_stop=line.stopped), self._take, self._failed)

    def _take(self, report: CompareReport) -> None:
        self._report = report
        if self._other is None:
            self._then(self._backup.id, report)
        self.query_one(Rows).show(Listed(list(_rows(report)), self.ui.session.now))
        self.facts()

    def _failed(self, error: LifeboatError) -> None:
        self._error = error
        self.facts()

    def facts(self) -> None:
        """Show how far it is, or what came of it."""
        now = self.ui.session.now()
        when = f"{time_text(self._backup.started, now)} ({age_text(self._backup.started, now)})"
        with_ = f" and {self._other}" if self._other is not None else ""
        said = f" {self._backup.id}{with_} {self._backup.profile} of {when}: "
        if self._error is not None:
            self.put("#headline", lines([put((said, "bold")), *failure_lines(self._error, self.size.width)]))
            return
        if self._report is None:
            told = put((said, "bold"), "comparing; nothing is changed")
        else:
            told = put((said, "bold"), compared(self._report))
        self.put("#headline", cut(told, self.size.width))

    def commands(self) -> Iterator[Act]:
        """Yield the command."""
        both = (self._backup.id, *((self._other,) if self._other is not None else ()))
        yield Act(words=("compare", *both), title="compare", job=False)


def _rows(report: CompareReport) -> Iterator[Row]:
    found = report.differences
    for database in found.databases:
        if not database.tables:
            how = ", ".join(database.how) or database.change.value
            yield _row(database.path, database.change.value, (how, ""), database.path)
        for table, sides in database.tables.items():
            counts = [f"{rows:,} rows" if rows is not None else "-" for rows in (sides.left, sides.right)]
            name = f"{database.path.rpartition('/')[2]}: {table}"
            yield _row(f"{database.path}\n{table}", database.change.value, (counts[0], counts[1]), name)
    for file in found.files:
        yield _row(file.path, file.change.value, _sizes(file), file.path)


def _sizes(file: FileChange) -> tuple[str, str]:
    left = "-" if file.left is None else size_text(file.left.size)
    return left, "-" if file.right is None else size_text(file.right.size)


def _row(key: str, change: str, sides: tuple[str, str], name: str) -> Row:
    return Row(
        key=key,
        cells=(Cell(_SIGNS.get(change, change), _TONES.get(change, "")), name, *sides),
        values={"now": _SIGNS.get(change, change), "name": name},
    )

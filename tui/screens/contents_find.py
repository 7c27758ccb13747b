"""A file over all backups: the name first, then which version, then its restore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.filelist import Section
from toolkit.operations import find
from toolkit.operations.find import FindReport, FoundFile, Version
from toolkit.operations.restoring.choices import Wish, only_this
from toolkit.wording import count_text, size_text, time_text
from tui.act import Act
from tui.screens.frame import Frame
from tui.screens.page import failure_lines
from tui.text import cut, lines, put
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

MOST = 500
"""Paths that are shown."""


class FindScreen(Frame):
    """Every version of the files that `name` (a part, a glob, or a whole path) finds, newest first."""

    TITLE_LINE = "one file over all backups: every version of it"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="restore", key="enter,r", label="Restore", shown="Enter", help="restore this version of the file"),
        Verb(name="again", key="R", label="Again", help="look again"),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that restores this version"),
    )

    def __init__(self, name: str, *, profile: str | None = None) -> None:
        super().__init__()
        self._wanted, self._profile = name, profile
        self._report: FindReport | None = None
        self._error: LifeboatError | None = None
        self._found: dict[str, tuple[FoundFile, Version]] = {}

    def body(self) -> ComposeResult:
        """Compose the headline and the list."""
        yield Static(id="headline")
        columns = (
            Column(name="name", title="FILE"),
            Column(name="size", title="SIZE", width=8, right=True),
            Column(name="age", title="CHANGED", width=16),
            Column(name="newest", title="NEWEST IN", width=24),
            Column(name="backups", title="IN", width=4, right=True),
        )
        yield Rows(columns, Listed((), self.ui.session.now))

    def more_columns(self) -> frozenset[str]:
        """Filters can ask for the path and the backup."""
        return frozenset({"path", "id"})

    def on_mount(self) -> None:
        """Begin to look."""
        self.do_again()

    def do_again(self) -> None:
        """Look through the lists of all backups, in a thread beside the UI."""
        self._report, self._error = None, None
        self.facts()
        session, request = self.ui.session, find.FindRequest(name=self._wanted, profile=self._profile, limit=MOST)
        self.beside(lambda line: find.run(session, request, should_stop=line.stopped), self._take, self._failed)

    def _take(self, report: FindReport) -> None:
        self._report = report
        self.query_one(Rows).show(Listed(list(self._rows(report)), self.ui.session.now))
        self.facts()

    def _failed(self, error: LifeboatError) -> None:
        self._error = error
        self.facts()

    def facts(self) -> None:
        """Show what is looked for, and what was found."""
        said = f" {self._wanted}: "
        if self._error is not None:
            self.put("#headline", lines([put((said, "bold")), *failure_lines(self._error, self.size.width)]))
            return
        if self._report is None:
            told = put((said, "bold"), "looking through all backups, the newest first")
        else:
            report = self._report
            more = f", {len(report.files):,} of them shown" if report.total > len(report.files) else ""
            missed = f", {len(report.warnings)} backups could not be searched" if report.warnings else ""
            count = count_text(report.total, "file") if report.total else "nothing found"
            told = put((said, "bold"), f"{count}{more} in {count_text(report.searched, 'backup')}{missed}")
        self.put("#headline", cut(told, self.size.width))

    def _rows(self, report: FindReport) -> Iterator[Row]:
        now = self.ui.session.now()
        self._found.clear()
        for file in report.files:
            for number, version in enumerate(file.versions):
                key = f"{number}\n{file.path}"
                self._found[key] = (file, version)
                newest = version.backups[0]
                name = file.path.rpartition("/")[2] if not number else "  older"
                yield Row(
                    key=key,
                    cells=(
                        Cell(name, "dim" if number else ""),
                        size_text(version.size) if version.type == "file" else version.type,
                        time_text(version.mtime, now) if version.mtime is not None else "-",
                        f"{newest.id} {time_text(newest.when, now)}",
                        str(len(version.backups)),
                    ),
                    values={
                        "name": file.path.rpartition("/")[2],
                        "path": file.path,
                        "size": version.size,
                        "age": version.mtime,
                        "newest": newest.when,
                        "backups": len(version.backups),
                        "id": tuple(one.id for one in version.backups),
                    },
                )

    @property
    def wish(self) -> Wish | None:
        """What a restore of the version under the cursor would be."""
        row = self.query_one(Rows).current
        if row is None or row.key not in self._found:
            return None
        file, version = self._found[row.key]
        backup = version.backups[0].id
        if file.section == Section.DATABASES:
            return Wish(backup=backup, databases=(file.path,))
        return Wish(backup=backup, only=(only_this(file.path),))

    def commands(self) -> Iterator[Act]:
        """Yield the command that restores this version, and the one that finds it."""
        if self.wish is not None:
            yield Act(words=self.wish.words, title="restore")
        yield Act(words=("find", self._wanted), title="find", job=False)

    def on_rows_moved(self) -> None:
        """Say where the file under the cursor lies."""
        row = self.query_one(Rows).current
        if row is not None and row.key in self._found:
            self.put("#headline", cut(put((f" {self._found[row.key][0].path}", "bold")), self.size.width))
        self.edges()

    def against(self, verb: Verb) -> str:
        """Say why there is nothing to restore."""
        if verb.name == "restore" and self.wish is None:
            return "there is no version here"
        return super().against(verb)

    def do_restore(self) -> None:
        """Open the wizard on this version."""
        from tui.screens.restore import RestoreWhat

        if self.wish is not None:
            self.ui.push_screen(RestoreWhat(self.wish.backup, self.wish))

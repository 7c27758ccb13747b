"""What a destination holds, asked for over the network; and bringing one of these backups back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.operations import launch
from toolkit.operations.offsite.remote import RemoteReport, RemoteRow
from toolkit.wording import age_text, size_text, time_text
from tui.act import Act
from tui.screens.drive_list import DriveRows
from tui.screens.form import AskLine
from tui.screens.frame import Frame
from tui.screens.page import failure_lines, wrapped
from tui.text import lines, put, rule
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows


class RemoteScreen(Frame):
    """The backups at one destination, of all hosts."""

    TITLE_LINE = "what is there, of all hosts"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(
            name="get",
            key="g",
            label="Get",
            help="restore it to a folder; it is brought into the vault first",
            acts=True,
        ),
        Verb(name="link", key="a", label="Link", help="copy its link, where the destination has such"),
        Verb(name="delete", key="X", label="Delete", help="plan to delete this copy; the vault keeps its own"),
        Verb(name="prune", key="p", label="Prune", help="plan to remove what retention no longer keeps there"),
        Verb(name="space", key="R", label="Again", help="ask again; over the network"),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that lists the same"),
    )

    def __init__(self, name: str, type_: str = "") -> None:
        super().__init__()
        self._destination, self._type = name, type_
        self.report: RemoteReport | None = None
        self._failed: list[Content] = []

    def body(self) -> ComposeResult:
        """Compose the list and what is said of one backup."""
        yield Static(put((f" What is at {self._destination}", "bold")), classes="rule")
        yield DriveRows(
            (
                Column(name="host", title="HOST", width=10),
                Column(name="profile", title="PROFILE", width=9),
                Column(name="backup", title="BACKUP", width=8),
                Column(name="kind", title="KIND", width=9),
                Column(name="when", title="WHEN", width=12),
                Column(name="size", title="SIZE", width=7, right=True),
                Column(name="state", title="STATE"),
            ),
            Listed([], self.ui.session.now),
        )
        yield Static(id="rule", classes="rule")
        yield Static(id="text")

    def more_columns(self) -> frozenset[str]:
        """Filters can also ask for the age."""
        return frozenset({"age"})

    def on_mount(self) -> None:
        """Ask: that is what the user opened this for."""
        super().on_mount()
        self.do_space()

    @property
    def _list(self) -> Act:
        return Act(words=("list", "--remote", "--from", self._destination), title=f"what is at {self._destination}")

    def do_space(self) -> None:
        """Ask the destination."""
        self.report, self._failed = None, []
        self._detail()
        words, session = self._list.with_options(self.ui.options).words, self.ui.session
        self.beside(lambda _: msgspec.convert(launch.document(session, words), RemoteReport), self._show, self._no_list)

    def _no_list(self, error: LifeboatError) -> None:
        self._failed = list(failure_lines(error, self.size.width))
        self._show(RemoteReport())

    def _show(self, report: RemoteReport) -> None:
        self.report = report
        now = self.ui.session.now()
        found = sorted(report.backups, key=lambda row: row.started, reverse=True)
        self.query_one(Rows).show(Listed([_row(row, now) for row in found], self.ui.session.now))
        self._detail()
        self.edges()

    @property
    def backup(self) -> RemoteRow | None:
        """The backup under the cursor."""
        row = self.query_one(Rows).current
        found = self.report.backups if self.report is not None else []
        return None if row is None else next((one for one in found if one.id == row.key), None)

    def on_rows_moved(self) -> None:
        """Say more of the backup under the cursor."""
        self._detail()
        self.edges()

    def _detail(self) -> None:
        width = self.size.width
        self.put("#rule", Content(rule() * width))
        self.query_one("#text", Static).update(lines(self._said(width)))

    def _said(self, width: int) -> Iterator[Content]:
        backup = self.backup
        if self._failed:
            yield from self._failed
        elif self.report is None:
            yield put(f" Asking {self._destination} …")
        elif backup is None:
            yield put((" No backup is there.", "bold"))
        else:
            yield put(
                (f" {backup.id}", "bold"),
                f"  {backup.profile}, {backup.kind}, {age_text(backup.started, self.ui.session.now())}",
            )
            if backup.link:
                yield put(f"   {backup.link}")
            if not backup.complete:
                yield put(("   not all of it is there: it cannot be brought back", "$text-warning"))
            elif backup.here:
                yield put("   it is in the vault here too: 2 shows it")
            yield from wrapped("   get  ", self.ui.line(self._get(backup, "FOLDER")), width, tone="bold")

    def _get(self, backup: RemoteRow, folder: str) -> Act:
        return Act(
            words=("restore", "--from", self._destination, backup.id, "--to", folder),
            title=f"get {backup.id} from {self._destination}",
            operation="restore",
            targets=(backup.id,),
            confirm=("--yes",),
        )

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used now."""
        backup = self.backup
        if verb.name in ("delete", "prune") and self._type != "google-drive":
            return "only copies in a Google Drive are deleted from here; `sync` applies the rules of the others"
        if verb.name in ("get", "link", "delete") and backup is None:
            return "no backup is under the cursor"
        if verb.name == "get" and backup is not None and not backup.complete:
            return "not all of it is there"
        if verb.name == "link" and backup is not None and not backup.link:
            return "this destination has no links"
        if verb.name == "space" and self.report is None:
            return "it was asked already; the answer is not here yet"
        return super().against(verb)

    def commands(self) -> Iterator[Act]:
        """Yield the command that lists the same."""
        yield self._list

    def do_link(self) -> None:
        """Copy the link."""
        if self.backup is not None:
            self.ui.copy(self.backup.link)

    def do_delete(self) -> None:
        """Plan to delete the copy."""
        if self.backup is not None:
            self._plan(f"Delete {self.backup.id} at {self._destination}", "delete", self.backup.id)

    def do_prune(self) -> None:
        """Plan what retention removes there."""
        self._plan(f"Retention at {self._destination}", "prune")

    def _plan(self, headline: str, *words: str) -> None:
        from tui.screens.plan import PlanScreen

        act = Act(
            words=("drive", *words, "--destination", self._destination),
            title=headline.lower(),
            operation=f"drive {words[0]}",
            targets=(self._destination,),
        )
        self.ui.push_screen(PlanScreen(act, headline, headline))

    def do_get(self) -> None:
        """Ask for a folder, and restore the backup below it."""
        backup = self.backup
        if backup is None:
            return

        def shows(text: str) -> tuple[str, str]:
            wrong = "" if text.startswith("/") else "a folder that begins with /"
            return self.ui.line(self._get(backup, text or "FOLDER")), wrong

        def answered(text: str | None) -> None:
            if text is not None:
                self.ui.start(self._get(backup, text))

        more = (
            "It is brought into the vault, compared, and restored below this folder.",
            "Live files are not touched.",
        )
        self.ui.push_screen(AskLine(f"Where shall {backup.id} of {backup.profile} go?", shows, more=more), answered)


def _row(row: RemoteRow, now: datetime) -> Row:
    state = "INCOMPLETE" if not row.complete else "here too" if row.here else "only there"
    return Row(
        key=row.id,
        cells=(
            row.host or "(by hand)",
            row.profile,
            row.id,
            row.kind,
            time_text(row.started, now),
            size_text(row.size),
            Cell(state, "warn" if not row.complete else ""),
        ),
        values={
            "host": row.host,
            "profile": row.profile,
            "backup": row.id,
            "kind": row.kind,
            "when": row.started,
            "age": row.started,
            "size": row.size,
            "state": state.lower(),
        },
    )

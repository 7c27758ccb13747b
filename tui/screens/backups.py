"""Backups: all of them, filtered and sorted off the catalog; below, what is known of the one under the cursor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.operations import browsing
from toolkit.operations.browsing import BackupFacts, Browsed
from toolkit.operations.compare import CompareReport
from toolkit.wording import count_text
from tui.act import Act
from tui.screens import backups_detail
from tui.screens.backups_source import COLUMNS, BackupRows
from tui.screens.form import AskLine
from tui.screens.frame import Frame
from tui.text import cut, lines, put, rule
from tui.verbs import Verb
from tui.widgets.rows import Rows

ON_ONE = ("open", "restore", "compare", "note", "tag", "rate", "better", "worse", "copies", "timeline")
ON_MARKED = ("test", "verify", "delete", "pin", "upload")
NEEDS_ARCHIVE = ("open", "restore", "test", "verify", "upload", "copies")


class BackupsScreen(Frame):
    """The list of backups."""

    MODE = "backups"
    TITLE_LINE = "every backup, what is in it, and what to do with it"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="open", key="enter", label="Files", help="the files of this backup, as a tree"),
        Verb(name="restore", key="r", label="Restore", help="restore it: what, where, clashes, plan"),
        Verb(name="backup", key="b", label="Backup", help="back up now: kind, scope, note, destination"),
        Verb(name="test", key="t", label="Test", help="rehearse a restore to scratch (marked ones)", acts=True),
        Verb(name="find", key="f", label="Find", help="find a file by name over all backups, with its versions"),
        Verb(name="note", key="a", label="", help="write a note on it", acts=True),
        Verb(name="delete", key="X", label="Delete", help="plan to delete it, or all that are marked"),
        Verb(name="compare", key="v", label="", help="compare it with what is there now, or two marked ones"),
        Verb(name="verify", key="i", label="", help="read every byte of the archive back (marked ones)", acts=True),
        Verb(name="mark", key="space", label="", help="mark it, for Test, Delete, Pin, Send"),
        Verb(name="unmark", key="U", label="", help="take all marks away"),
        Verb(name="better", key="plus,equals_sign", label="", shown="+", help="rate it one higher (1 to 5)", acts=True),
        Verb(name="worse", key="minus", label="", help="rate it one lower", acts=True),
        Verb(name="rate", key="w", label="", help="rate it with a word or a number; none takes it away", acts=True),
        Verb(name="tag", key="T", label="", help="add a tag; -TAG takes one away", acts=True),
        Verb(name="pin", key="P", label="", help="pin it, so that nothing takes it; again: unpin", acts=True),
        Verb(name="upload", key="u", label="", help="send it to the destination (marked ones)", acts=True),
        Verb(name="fetch", key="F", label="", help="get the archive back from its destination", acts=True),
        Verb(name="copies", key="c", label="", help="copy it with its manifest to a folder (a disk)", acts=True),
        Verb(name="timeline", key="l", label="", help="rows and size of its databases over all backups"),
        Verb(name="figures", key="m", label="", help="figures of all backups, as small charts"),
        Verb(name="all", key="V", label="", help="read all backups back, the least proven first", acts=True),
        Verb(name="take", key="I", label="", help="take in an archive that was made elsewhere", acts=True),
        Verb(name="rebuild", key="C", label="", help="make the list again from the manifests in the vault", acts=True),
        Verb(name="undo", key="z", label="", help="plan to undo the last restore or deletion"),
        Verb(name="again", key="R", label="", help="read the catalog again"),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.source: BackupRows | None = None
        self.known: BackupFacts | None = None
        self.compared: dict[str, CompareReport] = {}
        self._asked = ""

    def body(self) -> ComposeResult:
        """Compose the list and what is said of the backup under the cursor."""
        self.source = BackupRows(self.ui.session, self.ui.jobs)
        yield Rows(COLUMNS, self.source, marking=True)
        yield Static(id="rule", classes="rule")
        yield Static(id="detail")

    def more_columns(self) -> frozenset[str]:
        """Filters can ask for everything that the catalog knows."""
        return browsing.COLUMNS

    @property
    def table(self) -> Rows:
        """The list."""
        return self.query_one(Rows)

    @property
    def current(self) -> Browsed | None:
        """The backup under the cursor."""
        row = self.table.current
        return self.source.seen.get(row.key) if row is not None and self.source is not None else None

    def facts(self) -> None:
        """Read the catalog again where it changed; a backup that is being written shows how far it is."""
        source = self.source
        writing = source is not None and any(one.backup.status == "creating" for one in source.seen.values())
        if source is None or writing or source.stamp != source.list.stamp:
            self.reread()
        self._detail()

    def do_again(self) -> None:
        """Read it again, because the user wants to."""
        self.ui.say("read again")
        self.reread()

    def reread(self) -> None:
        """Read the catalog again; marks of backups that went are taken away."""
        self.source = BackupRows(self.ui.session, self.ui.jobs)
        self.known, self._asked = None, ""
        self.table.show(self.source)
        self.table.marks = {one for one in self.table.marks if self.source.place_of(one) is not None}

    # ---- what is said below

    def on_rows_moved(self) -> None:
        """Say what is known of the backup under the cursor."""
        self._detail()
        self.edges()

    def _detail(self) -> None:
        one, width = self.current, self.size.width
        self.put("#rule", Content(rule() * width))
        if one is not None and self._asked != one.backup.id:
            self._asked, self.known = one.backup.id, None
            self.set_timer(0.1, self._read)  # who runs through the list does not wait for manifests
        found = list(self._nothing() if one is None else self._said(one))
        room = backups_detail.LINES if self.size.height >= 20 else 3
        widget = self.query_one("#detail", Static)
        widget.styles.height = room
        self.put("#detail", lines(cut(each, width) for each in found[:room]))

    def _said(self, one: Browsed) -> Iterator[Content]:
        known = self.known if self.known is not None and self.known.manifest.id == one.backup.id else None
        yield from backups_detail.detail(one, known, self.compared.get(one.backup.id), self.ui.session.now())

    def _nothing(self) -> Iterator[Content]:
        if self.source is not None and self.source.problem:
            yield put((" " + self.source.problem, "bold $text-error"))
        elif self.table.total:
            yield put((" No backup passes this filter. ", "bold"), "q takes it away.")
        else:
            yield put((" No backup yet. ", "bold"), ("b", "bold"), " makes the first one.")
            yield put(" ", ("I", "bold"), " takes in an archive that was made elsewhere.")

    def _read(self) -> None:
        if not self.is_mounted or self.current is None:
            return
        session, wanted = self.ui.session, self.current.backup.id

        def failed(_: LifeboatError) -> None:
            """Leave it: it is gone meanwhile, or unreadable; the row says so."""

        self.beside(lambda _: browsing.facts_of(session, wanted), self._take, failed)

    def _take(self, found: BackupFacts) -> None:
        if self.current is not None and self.current.backup.id == found.manifest.id:
            self.known = found
            self._detail()

    def take_comparison(self, backup: str, report: CompareReport) -> None:
        """Keep what a comparison with the live data said."""
        self.compared[backup] = report
        self._detail()

    # ---- verbs

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used on the backup under the cursor."""
        one = self.current
        if verb.name in (*ON_ONE, *ON_MARKED, "mark", "fetch") and one is None:
            return "there is no backup here; b makes one" if not self.table.count else "the backup is not read yet"
        if one is not None:
            reason = self._against(verb.name, one)
            if reason:
                return reason
        return super().against(verb)

    def _against(self, name: str, one: Browsed) -> str:
        backup = one.backup
        if name in NEEDS_ARCHIVE and not (self.table.marks and name in ON_MARKED):
            if backup.status == "creating":
                return "it is still being written"
            if not backup.size:
                return "it has no archive: " + (backup.error or "its run failed")
            if one.archive == "lost":
                return "its archive file is gone" + ("; F gets it back" if backup.destinations else "")
        if name == "compare" and len(self.table.marks) > 2:
            return "two can be compared with each other: take marks away (Space, or U for all)"
        if name == "fetch" and not backup.destinations:
            return "it lies at no destination"
        if name == "better" and backup.rating == 5:
            return "5 is the best"
        if name == "worse" and not backup.rating:
            return "it is not rated; + begins at 3"
        if name == "upload" and not self.ui.session.config.destinations:
            return "the configuration has no destination; 4 sets one up"
        return ""

    def commands(self) -> Iterator[Act]:
        """Yield the command lines for the backup under the cursor."""
        one = self.current
        if one is None:
            yield Act(words=("backup",), title="backup")
            return
        yield Act(words=("show", one.backup.id, "--files"), title="files", job=False)
        yield self._act("restore", one.backup.id)
        yield self._act("compare", one.backup.id)
        yield self._act("verify", *self.table.marked(), "--rehearse")
        yield self._act("delete", *self.table.marked())

    def _act(self, *words: str, title: str = "", job: bool = True) -> Act:
        profile = self.current.backup.profile if self.current is not None else ""
        return Act(words=words, title=title or " ".join(words[:2]), operation=words[0], targets=(profile,), job=job)

    def folder(self) -> str:
        """Return where the archive lies."""
        return self.known.folder if self.known is not None else str(self.ui.session.vault_path)

    def do_open(self) -> None:
        """Show the files."""
        from tui.screens.contents import ContentsScreen

        if self.current is not None:
            self.ui.push_screen(ContentsScreen(self.current.backup))

    def do_restore(self) -> None:
        """Open the wizard."""
        from tui.screens.restore import RestoreWhat

        if self.current is not None:
            self.ui.push_screen(RestoreWhat(self.current.backup.id))

    def do_find(self) -> None:
        """Ask for a name, then look through all backups."""
        from tui.screens.contents_find import FindScreen

        def found(name: str | None) -> None:
            if name:
                self.ui.push_screen(FindScreen(name.strip()))

        self.ui.push_screen(AskLine("Find a file over all backups", more=("a part of its name, or *.txt",)), found)

    def do_backup(self) -> None:
        """Choose what to back up and how."""
        from tui.screens.backups_new import NewBackup

        self.ui.push_screen(NewBackup(self.current.backup.profile if self.current is not None else ""))

    def do_compare(self) -> None:
        """Compare with what is there now."""
        from tui.screens.backups_compare import Comparison

        if self.current is None or self.source is None:
            return
        if len(self.table.marks) != 2:
            self.ui.push_screen(Comparison(self.current.backup, self.take_comparison))
            return
        left, right = sorted(self.table.marks)
        one = self.source.seen.get(left, self.current).backup
        self.ui.push_screen(Comparison(one, self.take_comparison, other=right if one.id == left else left))

    def do_test(self) -> None:
        """Rehearse a restore."""
        self._start("verify", *self.table.marked(), "--rehearse")

    def do_verify(self) -> None:
        """Read the archives back."""
        self._start("verify", *self.table.marked())

    def do_upload(self) -> None:
        """Send to the destination."""
        self._start("drive", "upload", *self.table.marked())

    def do_fetch(self) -> None:
        """Get the archive back from the first destination that has it."""
        if self.current is not None:
            backup = self.current.backup
            place = backup.destinations[0]
            self._start("drive", "download", backup.id, "--destination", place, "--output", self.folder())

    def _start(self, *words: str) -> None:
        marked = len(self.table.marks)
        self.ui.start(self._act(*words, title=f"{words[0]} {count_text(marked, 'backup') if marked else words[1]}"))

    def do_mark(self) -> None:
        """Mark the backup and go on."""
        self.table.action_mark()

    def do_unmark(self) -> None:
        """Take all marks away."""
        if not self.table.marks:
            self.ui.say("nothing is marked; Space marks", severity="warning")
        self.table.marks.clear()
        self.table.refresh()

    def do_better(self) -> None:
        """Rate it higher; the first time in the middle."""
        self._rate(1)

    def do_worse(self) -> None:
        """Rate it lower; below 1 it is not rated."""
        self._rate(-1)

    def _rate(self, step: int) -> None:
        if self.current is not None:
            old = self.current.backup.rating
            new = 3 if old is None else min(old + step, 5)
            self.ui.start(self._act("rate", self.current.backup.id, str(new) if new else "none", job=False))

    def do_rate(self) -> None:
        """Ask for a rating and give it."""
        if self.current is None:
            return
        backup = self.current.backup

        def rated(text: str | None) -> None:
            if text:
                self.ui.start(self._act("rate", backup.id, text.strip(), job=False))

        more = "1 to 5, or a word such as excellent, good, poor; none takes the rating away"
        self.ui.push_screen(AskLine(f"Rating of {backup.id}", more=(more,)), rated)

    def do_all(self) -> None:
        """Read all backups back."""
        self.ui.start(Act(words=("verify", "--all"), title="verify all backups"))

    def do_take(self) -> None:
        """Ask for an archive and take it in."""

        def named(text: str | None) -> None:
            if text:
                path = text.strip()
                self.ui.start(Act(words=("import", path), title=f"import {path.rpartition('/')[2]}"))

        more = "ZIP, tar, 7z, an SQLite database or a dump of one; it stays as it is"
        self.ui.push_screen(AskLine("Take in which archive? Its whole path", more=(more,)), named)

    def do_rebuild(self) -> None:
        """Make the catalog again."""
        self.ui.start(Act(words=("catalog", "rebuild"), title="the list of backups", operation="rebuild"))

    def do_note(self) -> None:
        """Ask for the note and write it."""
        if self.current is None:
            return
        backup = self.current.backup

        def wrote(text: str | None) -> None:
            if text is not None:
                self.ui.start(self._act("note", backup.id, f" {text}" if text.startswith("-") else text, job=False))

        self.ui.push_screen(AskLine(f"Note on {backup.id}", value=backup.note, empty="removes the note"), wrote)

    def do_tag(self) -> None:
        """Ask for a tag and add it, or take it away."""
        if self.current is None:
            return
        backup = self.current.backup

        def named(text: str | None) -> None:
            if text:
                words = ("--remove", text[1:].strip()) if text.startswith("-") else (f"+{text.strip()}",)
                self.ui.start(self._act("tag", backup.id, *words, job=False))

        tags = f"it has: {', '.join(backup.tags)}" if backup.tags else "it has none yet"
        self.ui.push_screen(AskLine(f"Tag for {backup.id}", more=(f"{tags}; -TAG takes one away",)), named)

    def do_pin(self) -> None:
        """Pin or unpin, all marked ones as the one under the cursor becomes."""
        if self.current is not None:
            word = "unpin" if self.current.backup.pin else "pin"
            self.ui.start(self._act(word, *self.table.marked(), job=False))

    def do_copies(self) -> None:
        """Ask for a folder and copy the backup there."""
        if self.current is None:
            return
        ident = self.current.backup.id

        def named(folder: str | None) -> None:
            if folder:
                self.ui.start(self._act("copy", ident, folder.strip()))

        self.ui.push_screen(
            AskLine(f"Copy {ident} to which folder?", more=("a whole path, such as /media/usb",)), named
        )

    def do_delete(self) -> None:
        """Plan to delete what is marked."""
        from tui.screens.backups_delete import DeleteScreen

        self.ui.push_screen(DeleteScreen(self.table.marked(), host=self.ui.host))

    def do_undo(self) -> None:
        """Plan to undo."""
        from tui.screens.plan import PlanScreen

        profile = (self.current.backup.profile,) if self.current is not None else ()
        act = Act(words=("undo", *profile), title="undo", operation="undo", targets=profile)
        what = f"of {profile[0]} " if profile else ""
        self.ui.push_screen(
            PlanScreen(act, f"Undo the last change {what}", f"Put back what was replaced on {self.ui.host}")
        )

    def do_timeline(self) -> None:
        """Show the databases over the backups."""
        from tui.screens.backups_charts import TimelineScreen

        if self.current is not None:
            self.ui.push_screen(TimelineScreen(self.current.backup.profile))

    def do_figures(self) -> None:
        """Show the figures."""
        from tui.screens.backups_charts import FiguresScreen

        self.ui.push_screen(FiguresScreen())

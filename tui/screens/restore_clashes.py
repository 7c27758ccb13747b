"""The restore wizard, step 3: what is at the target already, and what becomes of each; made by a dry run as a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.operations.eventlines import progress_text
from toolkit.operations.jobs import JobRow
from toolkit.operations.planned import Planned
from toolkit.operations.restoring import choices as restore_choices
from toolkit.operations.restoring import decisions
from toolkit.operations.restoring.choices import Wish
from toolkit.operations.restoring.decisions import PlanFile
from toolkit.operations.restoring.plan import ClashRow
from toolkit.operations.restoring.request import OnConflict
from toolkit.operations.show import moment
from toolkit.wording import brief_time_text, count_text, size_text
from tui.act import Act
from tui.screens.awaited import Awaited
from tui.screens.frame import Frame
from tui.text import cut, lines, put, rule
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

KINDS = {
    "differs": "",
    "newer": "newer",
    "other-type": "other type",
    "link": "link",
    "directory": "folder",
    "in-use": "in use",
    "no-permission": "perm denied",
}
SUGGESTED = {"newer": OnConflict.SKIP, "in-use": OnConflict.SKIP, "no-permission": OnConflict.SKIP}
SAID = 5
"""Lines below the list."""

_TONES = {OnConflict.REPLACE: "bad", OnConflict.SKIP: "dim", OnConflict.RENAME: "ok"}


class RestoreClashes(Frame):
    """Every file at the target that is another one: replace, skip or rename it, or all of its kind at once."""

    TITLE_LINE = "restore: what is there already"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="next", key="enter", label="Next", help="go on to the plan, once each clash is decided"),
        Verb(name="replace", key="p", label="Replace", help="replace the file; the old one goes into a safety backup"),
        Verb(name="skip", key="s", label="Skip", help="leave the file that is there"),
        Verb(name="rename", key="n", label="Rename", help="write the one from the backup beside it, under a new name"),
        Verb(name="alike", key="A", label="All alike", help="the choice of this row for all undecided of its kind"),
        Verb(name="again", key="R", label="", help="look at the target again; choices are asked anew"),
        Verb(name="copy", key="y", label="", help="copy the command line that does the same"),
        Verb(name="back", key="q,escape", label="Back", shown="q", help="one step back; nothing was changed"),
    )

    def __init__(self, wish: Wish, profile: str) -> None:
        super().__init__()
        self.wish, self.profile = wish, profile
        self.file: Path | None = None
        self.plan_file: PlanFile | None = None
        self.looking = Awaited(self)
        self.choices: dict[str, OnConflict] = {}

    def body(self) -> ComposeResult:
        """Compose the headline, the clashes, and what is said of the one under the cursor."""
        yield Static(id="headline")
        columns = (
            Column(name="do", title="DO", width=8),
            Column(name="file", title="FILE"),
            Column(name="now", title="NOW ON DISK", width=19),
            Column(name="backup", title="IN THE BACKUP", width=19),
        )
        yield Rows(columns, Listed((), self.ui.session.now))
        yield Static(id="rule", classes="rule")
        yield Static(id="text")

    def more_columns(self) -> frozenset[str]:
        """Filters can ask for the kind of a clash and the size on disk."""
        return frozenset({"kind", "size"})

    def on_mount(self) -> None:
        """Look at the target."""
        self.do_again()

    def on_unmount(self) -> None:
        """Have the comparison end: nobody waits for it any more."""
        self.looking.leave()

    @property
    def found(self) -> Planned | None:
        """What the comparison said, once it is over."""
        return self.looking.found

    @property
    def act(self) -> Act:
        """The command of the restore, with its plan file."""
        words = (*self.wish.words, *(("--plan", str(self.file)) if self.file is not None else ()))
        title = f"restore of {self.wish.backup}"
        return Act(words=words, title=title, operation="restore", targets=(self.profile,))

    def commands(self) -> Iterator[Act]:
        """Yield the command."""
        yield self.act

    def do_again(self) -> None:
        """Compare backup and target anew, by a dry run that writes the plan file."""
        self.looking.leave()
        self.plan_file = None
        self.choices.clear()
        try:
            self.file = restore_choices.new_plan_file(self.ui.session)
        except LifeboatError as error:
            self.ui.say(f"{error.message}; nothing was started", severity="error")
            return
        look = Act(
            words=(*self.act.words, "--dry-run", "--json"),
            title=f"plan of {self.act.title}",
            operation="restore",
            targets=(self.profile,),
        )
        self.looking.begin(look)
        self.facts()

    def facts(self) -> None:
        """Show how far the comparison is, or the clashes."""
        if self.found is None:
            self._take()
        self._draw()

    def _take(self) -> None:
        found = self.looking.read()
        if found is None or found.plan is None or self.file is None:
            return
        try:
            self.plan_file = decisions.read(self.file)
        except LifeboatError as error:
            self.ui.say(error.message, severity="error")
            return
        self.query_one(Rows).show(self._listed())

    def _listed(self) -> Listed:
        clashes = self.plan_file.clashes if self.plan_file is not None else ()
        now = self.ui.session.now()
        return Listed([self._row(one, now) for one in clashes], self.ui.session.now)

    def _row(self, clash: ClashRow, now: datetime) -> Row:
        choice = self.choices.get(clash.path)
        kind = KINDS.get(clash.kind, clash.kind)
        return Row(
            key=clash.path,
            cells=(
                Cell(choice.value if choice is not None else "?", _TONES.get(choice, "") if choice else "warn"),
                self._short(clash.path),
                _there(clash, now),
                _kept(clash, now),
            ),
            values={
                "do": choice.value if choice is not None else "?",
                "file": clash.path,
                "now": kind,
                "kind": (clash.kind, kind),
                "backup": clash.backup_type,
                "size": clash.size,
            },
        )

    def _short(self, path: str) -> str:
        """Return the path below the folder that the restore is about."""
        roots = [one.rstrip("/") for one in self.plan_file.plan.targets] if self.plan_file is not None else []
        root = max((one for one in roots if path.startswith(f"{one}/")), key=len, default="")
        return path[len(root) + 1 :] if root else path

    # ---- drawing

    @property
    def undecided(self) -> list[ClashRow]:
        """The clashes without a choice."""
        clashes = self.plan_file.clashes if self.plan_file is not None else ()
        return [one for one in clashes if one.path not in self.choices]

    @property
    def current(self) -> ClashRow | None:
        """The clash under the cursor."""
        row = self.query_one(Rows).current
        clashes = self.plan_file.clashes if self.plan_file is not None else ()
        return next((one for one in clashes if row is not None and one.path == row.key), None)

    def _draw(self) -> None:
        width = self.size.width
        where = f"   into {self.wish.to}" if self.wish.to else "   over the live data"
        head = [put((f" Restore {self.profile} from {self.wish.backup}", "bold"), "   step 3/4 clashes", where)]
        head.append(self._counts(self.looking.row))
        self.put("#headline", lines(cut(one, width) for one in head))
        self.put("#rule", Content(rule() * width))
        self.query_one("#text", Static).styles.height = SAID if self.size.height >= 20 else 2
        self.put("#text", lines(cut(one, width) for one in self._said()))
        self.edges()

    def _counts(self, row: JobRow | None) -> Content:
        plan = self.found.plan if self.found is not None else None
        if plan is None:
            if self.found is not None:
                return put((" no plan: nothing was changed", "bold $text-error"))
            step = f" {row.step or row.state}  {progress_text(row)}" if row is not None else " looking at the target"
            return put(step)
        clashes = plan.clashes
        same = f" {clashes.same:,} same: left alone   {clashes.missing:,} missing: written   "
        left = len(self.undecided)
        return put(same, (f"{clashes.differ:,} differ", "bold $text-warning" if left else ""), f", {left:,} undecided")

    def _said(self) -> Iterator[Content]:
        if self.found is not None and self.found.plan is None:
            error = self.found.error
            if error is not None:
                yield put((f" {error.message}", "bold $text-error"), f"  {error.subject or ''}")
                yield put((" Next: ", "bold"), error.hint or "q goes back")
            yield put(" Nothing was changed.   ", ("R", "bold"), " looks again   ", ("q", "bold"), " one step back")
            return
        if self.plan_file is None:
            yield put(" Nothing is changed by looking.")
            return
        clash = self.current
        if clash is None:
            yield put((" Nothing clashes. ", "bold"), ("Enter", "bold"), " shows the plan.")
            return
        yield put(f" {clash.path}")
        kinds = Counter(one.kind for one in self.undecided)
        alike = kinds.get(clash.kind, 0)
        suggest = SUGGESTED.get(clash.kind)
        word = KINDS.get(clash.kind) or "other content"
        told = f" for the rest:  A same choice for all {alike:,} of this kind ({word})"
        yield put(told, f"   suggested: {suggest.value}" if suggest else "")
        stem, dot, ending = clash.path.rpartition("/")[2].partition(".")
        yield put(f" rename writes  {stem}.restored-{self.wish.backup}{dot}{ending}  next to the file on disk")
        yield put(" replaced files go into a safety backup first: ", ("undo is possible", "bold"))
        if not self.undecided:
            yield put((" All are decided. ", "bold $text-success"), ("Enter", "bold"), " shows the plan.")

    # ---- verbs

    def on_rows_moved(self) -> None:
        """Say what is known of the clash under the cursor."""
        self._draw()

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used now."""
        if verb.name == "next":
            if self.found is None:
                return "the target is still looked at"
            if self.found.plan is None or self.plan_file is None:
                return "there is no plan: R looks again"
            left = len(self.undecided)
            return f"{count_text(left, 'clash', 'clashes')} undecided: p, s or n, and A for all alike" if left else ""
        if verb.name == "again" and self.found is None:
            return "the target is still looked at"
        if verb.name in ("replace", "skip", "rename", "alike") and self.current is None:
            return "nothing clashes here"
        return super().against(verb)

    def do_replace(self) -> None:
        """Replace the file."""
        self._choose(OnConflict.REPLACE)

    def do_skip(self) -> None:
        """Leave the file."""
        self._choose(OnConflict.SKIP)

    def do_rename(self) -> None:
        """Write it beside."""
        self._choose(OnConflict.RENAME)

    def _choose(self, choice: OnConflict) -> None:
        clash = self.current
        if clash is None:
            return
        self.choices[clash.path] = choice
        rows = self.query_one(Rows)
        rows.show(self._listed())
        rows.action_move(1)
        self.facts()

    def do_alike(self) -> None:
        """Take the choice of this row, or the one above, or what is suggested, for all undecided of its kind."""
        clash = self.current
        if clash is None:
            return
        choice = self.choices.get(clash.path) or self._last(clash.kind) or SUGGESTED.get(clash.kind)
        if choice is None:
            self.ui.say("choose for this row first: p, s or n; then A for all alike", severity="warning")
            return
        alike = [one.path for one in self.undecided if one.kind == clash.kind]
        self.choices |= dict.fromkeys(alike, choice)
        self.query_one(Rows).show(self._listed())
        self.ui.say(f"{choice.value}: {count_text(len(alike), 'file')} of this kind")
        self.facts()

    def _last(self, kind: str) -> OnConflict | None:
        """Return the choice that was made last for a clash of this kind."""
        kinds = {one.path: one.kind for one in self.plan_file.clashes} if self.plan_file is not None else {}
        return next((one for path, one in reversed(self.choices.items()) if kinds.get(path) == kind), None)

    def do_next(self) -> None:
        """Write the choices into the plan file and show the plan."""
        from tui.screens.restore_plan import RestorePlanScreen

        if self.file is None or self.found is None:
            return
        try:
            if self.choices:
                decisions.choose(self.file, self.choices)
        except LifeboatError as error:
            self.ui.say(f"{error.message}; nothing was changed", severity="error")
            return
        self.ui.push_screen(RestorePlanScreen(self.act, self.found, self.choices, self.ui.host))


def _there(clash: ClashRow, now: datetime) -> str:
    kind = KINDS.get(clash.kind, clash.kind)
    if clash.kind == "link" and clash.link:
        return f"link -> {clash.link}"
    if clash.kind in ("directory", "no-permission", "other-type", "link"):
        return kind
    return f"{size_text(clash.size)} {kind or _when(clash.mtime_ns, now)}"


def _kept(clash: ClashRow, now: datetime) -> str:
    if clash.backup_type != "file":
        return clash.backup_type
    return f"{size_text(clash.backup_size)} {_when(clash.backup_mtime_ns, now)}"


def _when(nanoseconds: int, now: datetime) -> str:
    """Return when a file was changed, in twelve cells."""
    when = moment(nanoseconds)
    return brief_time_text(when, now) if when is not None else ""

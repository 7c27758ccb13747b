"""Schedule: what runs by itself and when, how it went last, and what retention would delete now."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError, UsageError
from toolkit.operations import launch, prune, schedule_set
from toolkit.operations.prune import PruneReport
from toolkit.operations.schedule import EntryRow, ScheduleReport
from toolkit.operations.session import Session
from toolkit.operations.targets import profile_names
from toolkit.wording import time_text
from tui.act import Act, Started
from tui.configuration import read_again
from tui.screens.dialog import Confirm
from tui.screens.form import AskLine, Choose, choice
from tui.screens.frame import Frame
from tui.screens.page import failure_lines, wrapped
from tui.screens.schedule_text import JOBS, NEW, PLACES, said_lines
from tui.text import lines, put, rule
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows


class ScheduleScreen(Frame):
    """The entries; below, the next runs of the one under the cursor, and the retention of its profile."""

    MODE = "schedule"
    TITLE_LINE = "what runs by itself, and what retention would delete now"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="run", key="enter", label="Run now", help="run this entry now, as a job; asks first", acts=True),
        Verb(name="edit", key="e", label="Edit", help="change when it runs", acts=True),
        Verb(name="off", key="space", label="Off", help="take this entry out; n puts it in again", acts=True),
        Verb(name="new", key="n", label="New", help="a new entry, from templates", acts=True),
        Verb(name="preview", key="p", label="Preview", help="what retention would delete now, and deleting it"),
        Verb(
            name="install",
            key="i",
            label="Install",
            help="put all entries into cron or systemd, or take out",
            acts=True,
        ),
        Verb(
            name="keep", key="l", label="", help="how many backups are kept; shows first what that deletes", acts=True
        ),
        Verb(
            name="catchup", key="c", label="", help="start now what was missed, as while the machine was off", acts=True
        ),
        Verb(name="stats", key="s", label="", help="how many backups, how large, how they grow"),
        Verb(name="again", key="R", label="", help="look again"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.report: ScheduleReport | None = None
        self.pruning: PruneReport | None = None
        self._failed: list[Content] = []
        self._ended: object = None

    def body(self) -> ComposeResult:
        """Compose the line of the scheduler, the list, and what is said of one entry."""
        yield Static(put(" Looking at cron and systemd …"), id="state")
        yield Rows(
            (
                Column(name="entry", title="ENTRY", width=20),
                Column(name="when", title="WHEN", width=14),
                Column(name="next", title="NEXT", width=12),
                Column(name="last", title="LAST"),
            ),
            Listed([], self.ui.session.now),
        )
        yield Static(id="rule", classes="rule")
        yield Static(id="text")

    def more_columns(self) -> frozenset[str]:
        """Filters can also ask for the profile and the kind."""
        return frozenset({"profile", "kind"})

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        self.reread()

    def facts(self) -> None:
        """Read again where a job ended meanwhile; one that wrote other rules changed the configuration too."""
        ended = tuple(job.id for job in self.ui.jobs if job.exit is not None)[:20]
        if self._ended is not None and ended != self._ended and self.report is not None:
            if any(job.operation == "retention" for job in self.ui.jobs[:5]):
                read_again(self.ui.session, self.ui.options)
            self.reread()
        self._ended = ended
        self._detail()

    def do_again(self) -> None:
        """Read it again, because the user wants to."""
        self.ui.say("reading the schedule again")
        self.reread()

    def reread(self) -> None:
        """Read the schedule and what retention would do, beside the UI."""
        words = Act(words=("schedule", "show"), title="schedule").with_options(self.ui.options).words
        session = self.ui.session
        self.beside(lambda _: _read(session, words), self._read, self._not_read)

    def _read(self, found: tuple[ScheduleReport, PruneReport | None]) -> None:
        self._failed = []
        self._show(*found)

    def _not_read(self, error: LifeboatError) -> None:
        self._failed = list(failure_lines(error, self.size.width))
        self._show(ScheduleReport(), None)

    def _show(self, report: ScheduleReport, pruning: PruneReport | None) -> None:
        self.report, self.pruning = report, pruning
        now = self.ui.session.now()
        found = [_row(one, now) for one in report.entries]
        self.query_one(Rows).fill(found, self.ui.session.now, most=max(4, self.size.height // 2 - 4))
        self.put("#state", self._state(report))
        self._detail()
        self.edges()

    def _state(self, report: ScheduleReport) -> Content:
        if self._failed or not report.entries:
            return Content("")
        missed = sum(one.missed for one in report.entries)
        late = (f"   {missed} MISSED", "bold $text-error") if missed else ""
        if report.installed == "none":
            said = (" NOT INSTALLED: nothing runs by itself", "bold $text-error")
            return put(said, ", ", ("i", "bold"), " puts it into cron or systemd", late)
        if not report.current:
            said = (f" installed {PLACES[report.installed]}, but NOT as configured", "bold $text-warning")
            return put(said, ", ", ("i", "bold"), " installs it anew", late)
        return put(
            (f" installed {PLACES[report.installed]}", "$text-success"), f"  {report.place}  ({report.zone})", late
        )

    @property
    def entry(self) -> EntryRow | None:
        """The entry under the cursor."""
        row = self.query_one(Rows).current
        found = self.report.entries if self.report is not None else []
        return None if row is None else next((one for one in found if one.name == row.key), None)

    @property
    def profile(self) -> str:
        """The profile under the cursor, else the only one, else none."""
        names = [one.name for one in self.ui.session.config.profiles]
        entry = self.entry
        return entry.profile if entry is not None and entry.profile else names[0] if len(names) == 1 else ""

    def on_rows_moved(self) -> None:
        """Say more of the entry under the cursor."""
        self._detail()
        self.edges()

    def _detail(self) -> None:
        width, now = self.size.width, self.ui.session.now()
        self.put("#rule", Content(rule() * width))
        entry, known = self.entry, self.ui.session.known_profile(self.profile)
        said: list[Content] = []
        if self._failed:
            said = self._failed
        elif self.report is not None and entry is None:
            said = [part for note in self.report.notes for part in wrapped(" ", note, width)]
            said += [Content(""), put(("   8 n", "bold"), "   look after the folder of an application")]
        elif entry is not None:
            rules = known.retention if known is not None else None
            said = list(said_lines(entry, rules, self.pruning, now, width))
        self.query_one("#text", Static).update(lines(said))

    # ---- verbs

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used on the entry under the cursor."""
        entry = self.entry
        if self.report is None and verb.name in ("run", "edit", "off", "install", "catchup"):
            return "the schedule is not read yet"
        if verb.name in ("run", "edit", "off") and entry is None:
            return "there is no entry under the cursor"
        if verb.name in ("edit", "off") and entry is not None and not (entry.kind or entry.job):
            return "this one follows from the others and from the destinations"
        if verb.name == "new" and not self.ui.session.config.profiles:
            return "there is no profile: 8, then n, writes a configuration"
        if verb.name == "keep" and self.ui.session.known_profile(self.profile) is None:
            return "there is no profile whose rules could be changed"
        if verb.name == "catchup" and self.report is not None and not any(one.missed for one in self.report.entries):
            return "nothing was missed"
        if verb.name == "install" and self.report is not None and not self.report.entries:
            return "there is nothing to install"
        return super().against(verb)

    def commands(self) -> Iterator[Act]:
        """Yield the command of the entry, then those that change the schedule."""
        entry = self.entry
        if entry is not None:
            yield self._run(entry)
        yield Act(words=("schedule", "show"), title="schedule")
        yield Act(words=("schedule", "install"), title="install the schedule")
        yield Act(words=("prune", "--dry-run"), title="retention")
        yield self._catch_up
        yield Act(words=("stats",), title="statistics")

    def _run(self, entry: EntryRow) -> Act:
        words = tuple(shlex.split(entry.command)[1:])
        targets = (entry.profile,) if entry.profile else ()
        return Act(words=words, title=f"{entry.name} now", operation=words[0], targets=targets)

    def _set_act(self, profile: str, what: tuple[str, ...], when: tuple[str, ...]) -> Act:
        return Act(words=("schedule", "set", profile, *what, *when), title=f"schedule of {profile}", job=False)

    def do_run(self) -> None:
        """Run the entry now. What would delete shows its plan instead."""
        entry = self.entry
        if entry is None:
            return
        if entry.job == "prune":
            self.do_preview()
            return
        act = self._run(entry)

        def answered(yes: bool | None) -> None:  # noqa: FBT001 - Textual passes it by place
            if yes:
                self.ui.start(act)

        self.ui.push_screen(Confirm(f"Run {entry.name} now?", self.ui.line(act)), answered)

    def do_edit(self) -> None:
        """Ask when it shall run."""
        entry = self.entry
        if entry is not None:
            self._ask_when(entry.profile, _what(entry), entry.when, f"When shall {entry.name} run?")

    def _ask_when(self, profile: str, what: tuple[str, ...], value: str, question: str) -> None:
        def act(text: str) -> Act:
            return self._set_act(profile, what, schedule_set.when_options(text))

        def shows(text: str) -> tuple[str, str]:
            try:
                return self.ui.line(act(text)), ""
            except UsageError as error:
                return self.ui.line(self._set_act(profile, what, ("--at", text))), error.message

        def answered(text: str | None) -> None:
            if text is not None:
                self.ui.start(act(text), self._changed)

        more = ("03:00, sun 02:00, mon,thu 04:30, 1 05:00 (of the month), or every 6h.",)
        self.ui.push_screen(AskLine(question, shows, value=value, more=more), answered)

    def _changed(self, started: Started) -> None:
        if started.reply is not None and not started.reply.exit:
            read_again(self.ui.session, self.ui.options)
            self.ui.say(f"done: {started.act.title}")
            self.reread()

    def do_off(self) -> None:
        """Take the entry out."""
        entry = self.entry
        if entry is None:
            return
        act = self._set_act(entry.profile, _what(entry), ("--off",))

        def answered(yes: bool | None) -> None:  # noqa: FBT001 - Textual passes it by place
            if yes:
                self.ui.start(act, self._changed)

        more = (f"It runs {entry.when} now. Backups that are there stay.",)
        self.ui.push_screen(Confirm(f"Take {entry.name} out of the schedule?", self.ui.line(act), more), answered)

    def do_new(self) -> None:
        """Ask for whom, what and when."""
        if self.profile:
            self._new_for(self.profile)
            return
        found = [choice(one.name, one.name) for one in self.ui.session.config.profiles]
        self.ui.push_screen(Choose("For which profile?", found), self._new_for)

    def _new_for(self, profile: str | None) -> None:
        if profile is None:
            return
        found = [choice(key, title, about) for key, (title, about, _, _) in NEW.items()]

        def chosen(key: str | None) -> None:
            if key is not None:
                title, _, what, when = NEW[key]
                self._ask_when(profile, what, when, f"When shall the {title} of {profile} run?")

        self.ui.push_screen(Choose(f"What shall run for {profile}?", found, wide=22), chosen)

    def do_preview(self) -> None:
        """Show the plan of what retention deletes."""
        from tui.screens.schedule_prune import PruneScreen

        self.ui.push_screen(PruneScreen(self.profile))

    def do_keep(self) -> None:
        """Ask for other rules, and show what they would delete."""
        from tui.screens.schedule_prune import ask_rules

        known = self.ui.session.known_profile(self.profile)
        if known is not None:
            rules = known.retention
            value = " ".join(f"{kind}={getattr(rules, kind)}" for kind in ("daily", "weekly", "monthly"))
            ask_rules(self.ui, self.profile, value.replace("=None", "=none"))

    def do_catchup(self) -> None:
        """Start what was missed."""
        self._confirm_install(self._catch_up)

    @property
    def _catch_up(self) -> Act:
        return Act(words=("schedule", "catch-up"), title="Start what was missed", job=False)

    def do_install(self) -> None:
        """Ask where to, and install."""
        found = [choice(key, title, about) for key, (title, about, _) in JOBS.items()]

        def chosen(key: str | None) -> None:
            if key is not None:
                title, _, words = JOBS[key]
                self._confirm_install(Act(words=words, title=title, job=False))

        self.ui.push_screen(Choose("Where shall the schedule run?", found), chosen)

    def _confirm_install(self, act: Act) -> None:
        def answered(yes: bool | None) -> None:  # noqa: FBT001 - Textual passes it by place
            if yes:
                self.ui.start(act, self._changed)

        self.ui.push_screen(Confirm(f"{act.title}?", self.ui.line(act)), answered)

    def do_stats(self) -> None:
        """Show the figures."""
        from tui.screens.schedule_stats import stats_page

        self.ui.push_screen(stats_page(self.ui, self.profile))


def _read(session: Session, words: Sequence[str]) -> tuple[ScheduleReport, PruneReport | None]:
    """Return the schedule, and what retention would do; the latter None where there is no vault yet."""
    report = msgspec.convert(launch.document(session, words), ScheduleReport)
    try:
        return report, prune.describe(session, prune.plan(session, profile_names(session, []), {}))
    except LifeboatError:
        return report, None


def _what(entry: EntryRow) -> tuple[str, ...]:
    scope = ("--scope", entry.scope) if entry.scope else ()
    return ("--kind", entry.kind, *scope) if entry.kind else ("--job", entry.job)


def _row(entry: EntryRow, now: datetime) -> Row:
    tone = {"failed": "bad", "interrupted": "bad", "warn": "warn", "ok": "ok"}.get(entry.last_state, "")
    last = "-" if entry.last is None else f"{time_text(entry.last, now)} {entry.last_state}"
    return Row(
        key=entry.name,
        cells=(
            entry.name,
            entry.when,
            time_text(entry.next[0], now) if entry.next else "-",
            Cell(f"{last}, MISSED" if entry.missed else last, "bad" if entry.missed else tone),
        ),
        values={
            "entry": entry.name,
            "when": entry.when,
            "next": entry.next[0] if entry.next else None,
            "last": last,
            "profile": entry.profile,
            "kind": entry.kind or entry.job,
        },
    )

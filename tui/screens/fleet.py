"""Fleet: every profile on every server, worst first, as seen last; acts on those that are marked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.events import Logged
from toolkit.operations import jobs as operations
from toolkit.operations.fleet_status import FleetRow, FleetSeen, last, problems
from toolkit.operations.watch import Tail
from toolkit.wording import age_text, count_text, size_text, time_text
from tui.act import Act
from tui.screens import health
from tui.screens.dialog import Confirm
from tui.screens.form import AskLine
from tui.screens.frame import Frame
from tui.text import cut, lines, put, rule
from tui.verbs import Verb
from tui.widgets.edges import ACTIVE
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

WORDS = {"unreachable": "DOWN", "failed": "FAILED", **health.WORDS}
TONES = {"unreachable": "bad", "failed": "bad", **health.TONES}


NEEDS_SERVER = (
    "open", "backup", "check", "rescue", "rehearse", "sync", "mark",
    "verify", "repair", "restore", "ping", "upgrade", "install",
)  # fmt: skip


def key_of(row: FleetRow) -> str:
    """Return the key of a row in lists."""
    return f"{row.host}\n{row.profile}"


class HostNews:
    """What the job that runs over the servers says of each of them, read from its journal as it grows."""

    def __init__(self) -> None:
        self._job = ""
        self._tail: Tail | None = None
        self.said: dict[str, str] = {}

    def read(self, frame: Frame) -> None:
        """Read on."""
        job = next((one for one in frame.ui.jobs if one.state in ACTIVE and one.operation.startswith("fleet ")), None)
        if job is None:
            self._job, self._tail, self.said = "", None, {}
            return
        if job.id != self._job or self._tail is None:
            self._job, self.said = job.id, {}
            try:
                self._tail = Tail(operations.directory_of(frame.ui.session, job.id))
            except LifeboatError:
                return
        for event in self._tail.more():
            if isinstance(event, Logged) and event.host is not None:
                self.said[event.host] = event.msg


class FleetScreen(Frame):
    """The servers of the inventory."""

    MODE = "fleet"
    TITLE_LINE = "every profile on every server"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="open", key="enter", label="Open", help="what this server has: databases, files, last good backups"),
        Verb(name="backup", key="b", label="Backup", help="back up the marked servers, or this one", acts=True),
        Verb(name="check", key="d", label="Check", help="look for damage on the marked servers", acts=True),
        Verb(name="rescue", key="f", label="Rescue", help="plan a rescue of this profile on the marked servers"),
        Verb(name="rehearse", key="t", label="", help="rehearse a restore on the marked servers", acts=True),
        Verb(name="problems", key="e", label="Problems", help="only what needs a look; again: all"),
        Verb(name="reread", key="R", label="Reread", help="ask all servers how they are", acts=True),
        Verb(name="verify", key="i", label="", help="read the newest backups back on the marked servers", acts=True),
        Verb(name="repair", key="p", label="", help="plan to mend a database in place on the marked servers"),
        Verb(name="restore", key="r", label="", help="plan to put the newest backup of this profile back there"),
        Verb(name="ping", key="P", label="", help="see which of the marked servers answer", acts=True),
        Verb(name="upgrade", key="u", label="", help="upgrade Lifeboat on the marked servers; asks first", acts=True),
        Verb(name="install", key="I", label="", help="install Lifeboat and what runs there; asks first", acts=True),
        Verb(name="mark", key="space", label="", help="mark this server, or take its mark away"),
        Verb(name="sync", key="w", label="", help="send the copies that wait, on the marked servers", acts=True),
    )

    def __init__(self) -> None:
        super().__init__()
        self._seen: FleetSeen | None = None
        self._problems = False
        self._news = HostNews()

    def body(self) -> ComposeResult:
        """Compose the list and what is said of the row under the cursor."""
        self._seen = last(self.ui.session)
        yield Rows(
            (
                Column(name="state", title="STATE", width=6),
                Column(name="host", title="HOST", width=16),
                Column(name="profile", title="PROFILE", width=10),
                Column(name="good", title="LAST GOOD", width=12),
                Column(name="free", title="FREE", width=7, right=True),
                Column(name="why", title="WHY"),
            ),
            Listed(self._rows(), self.ui.session.now),
            marking=True,
        )
        yield Static(id="rule", classes="rule")
        yield Static(id="detail")

    def more_columns(self) -> frozenset[str]:
        """Filters can also ask for the age of the last good backup and of the last rehearsal, version and so on."""
        return frozenset({"age", "rehearsed", "evidence", "version", "queued", "timer"})

    @property
    def row(self) -> FleetRow | None:
        """The row under the cursor."""
        current = self.query_one(Rows).current
        found = self._seen.rows if self._seen is not None else ()
        return None if current is None else next((one for one in found if key_of(one) == current.key), None)

    def facts(self) -> None:
        """Show the servers as they were seen last, and what is done on them now."""
        self._seen = last(self.ui.session)
        self._news.read(self)
        self.query_one(Rows).fill(self._rows(), self.ui.session.now, most=max(5, self.size.height - 12))
        self._detail()

    def on_rows_moved(self) -> None:
        """Say what is known of the row under the cursor."""
        self._detail()
        self.edges()

    def _rows(self) -> list[Row]:
        found = list(self._seen.rows) if self._seen is not None else []
        now = self.ui.session.now()
        return [self._row(one, now) for one in (problems(found) if self._problems else found)]

    def _row(self, row: FleetRow, now: datetime) -> Row:
        news = self._news.said.get(row.host, "")
        good = "-" if row.last_good is None else time_text(row.last_good, now)
        return Row(
            key=key_of(row),
            cells=(
                Cell(WORDS[row.state], TONES[row.state]),
                row.host,
                row.profile,
                Cell(good, "" if row.last_good is not None else "warn"),
                "-" if row.free is None else size_text(row.free),
                Cell(news or row.why, "warn" if news else ""),
            ),
            values={
                "state": WORDS[row.state].lower(),
                "host": row.host,
                "profile": row.profile,
                "good": row.last_good,
                "age": row.last_good,
                "rehearsed": row.rehearsed,
                "evidence": row.evidence,
                "free": row.free,
                "version": row.version,
                "queued": row.queued,
                "timer": row.timer,
                "why": row.why,
            },
        )

    def _detail(self) -> None:
        width = self.size.width
        self.put("#rule", Content(rule() * width))
        found = list(self._said() if self._seen is not None else self._empty())
        self.query_one("#detail", Static).update(lines(cut(one, width) for one in found))

    def _empty(self) -> Iterator[Content]:
        inventory = self.ui.session.config.fleet.inventory
        if inventory is None:
            yield put((" No hosts.", "bold"), " This Lifeboat looks after this server only.")
            yield put(" Name an Ansible inventory in the configuration:   ", ("fleet: {inventory: FILE}", "bold"))
            yield put(" or, for once:   ", ("lifeboat fleet status -i FILE", "bold"))
        else:
            yield put((" Nobody has looked yet.", "bold"), f"  Inventory: {inventory}")
            yield put(("   R", "bold"), "  asks all servers how they are")

    def _said(self) -> Iterator[Content]:
        seen, row, now = self._seen, self.row, self.ui.session.now()
        if seen is None:
            return
        hosts = count_text(len({one.host for one in seen.rows}), "host")
        marked = self.query_one(Rows).marks
        said = f"   {count_text(len(_hosts(marked)), 'host')} marked" if marked else ""
        yield put((f" {hosts}, seen {age_text(seen.at, now)}{said}", "$text-muted"))
        if row is None:
            yield put(" Nothing to show: e shows all again.")
            return
        yield put((f" {row.host} {row.profile}", "bold"), f"   {WORDS[row.state]}  {row.why}")
        if row.last_good is None and not row.version:
            yield put(
                "   nothing more is known of it; the others were asked all the same.   ", ("R", "bold"), " asks again"
            )
            return
        if row.last_good is not None:
            good = f"{time_text(row.last_good, now)} ({age_text(row.last_good, now)}), {row.evidence}"
            yield put(f"   last good {good}")
        tested = f"rehearsed {age_text(row.rehearsed, now)}" if row.rehearsed is not None else "never rehearsed"
        yield put(f"   {tested}   {count_text(row.queued, 'copy', 'copies')} waiting   runs by: {row.timer or '?'}")
        skew = f"   clock differs by {row.skew_s} s" if row.skew_s is not None and abs(row.skew_s) > 60 else ""
        yield put(f"   version {row.version or '?'}{skew}")

    # ---- verbs

    @property
    def hosts(self) -> tuple[str, ...]:
        """The servers that are marked, or the one under the cursor."""
        return _hosts(self.query_one(Rows).marked())

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used now."""
        if verb.name in NEEDS_SERVER and self.row is None:
            return "there is no server here: R asks those of the inventory"
        if verb.name in ("problems", "mark") and self._seen is None:
            return "nobody has looked at the servers yet"
        if verb.name == "reread" and self._seen is None and self.ui.session.config.fleet.inventory is None:
            return "no inventory is configured: fleet: {inventory: FILE}"
        if verb.name in ("rescue", "restore", "repair") and self.row is not None and not self.row.profile:
            return "there is no profile on this server"
        return super().against(verb)

    def _act(self, *words: str) -> Act:
        hosts = self.hosts
        said = hosts[0] if len(hosts) == 1 else count_text(len(hosts), "host")
        limit = ("-l", ",".join(hosts))
        return Act(
            words=("fleet", *words, *limit, *self._inventory()),
            title=f"{words[0]} on {said}",
            operation=f"fleet {words[0]}",
            targets=(said,),
        )

    def _inventory(self) -> tuple[str, ...]:
        """Return the words that name the inventory, where the configuration does not."""
        seen = self._seen
        if seen is None or self.ui.session.config.fleet.inventory is not None:
            return ()
        return tuple(word for one in seen.inventory for word in ("-i", one))

    def commands(self) -> Iterator[Act]:
        """Yield the commands of this screen; the first is the one that `y` copies."""
        yield Act(words=("fleet", "status", *self._inventory()), title="fleet status", operation="fleet status")
        if self.row is not None:
            yield self._act("backup")
            yield self._act("diagnose")
            yield self._act("rescue", self.row.profile or "PROFILE")
            yield self._act("rehearse")
            yield self._act("sync")
            yield self._act("verify")
            yield self._act("ping")
            yield self._act("upgrade")
            yield self._act("install")

    def do_open(self) -> None:
        """Show what the server has."""
        from tui.screens.fleethost import HostScreen

        if self.row is not None and self._seen is not None:
            self.ui.push_screen(HostScreen(self.row.host, self._seen))

    def do_backup(self) -> None:
        """Back up."""
        self.ui.start(self._act("backup"))

    def do_check(self) -> None:
        """Look for damage."""
        self.ui.start(self._act("diagnose"))

    def do_rehearse(self) -> None:
        """Rehearse a restore."""
        self.ui.start(self._act("rehearse"))

    def do_sync(self) -> None:
        """Send what waits."""
        self.ui.start(self._act("sync"))

    def do_verify(self) -> None:
        """Read backups back."""
        self.ui.start(self._act("verify"))

    def do_ping(self) -> None:
        """See who answers."""
        self.ui.start(self._act("ping"))

    def do_upgrade(self) -> None:
        """Ask once more, then upgrade."""
        self._ask(self._act("upgrade"))

    def do_install(self) -> None:
        """Ask once more, then install."""
        self._ask(self._act("install"))

    def _ask(self, act: Act) -> None:
        def answered(yes: bool | None) -> None:  # noqa: FBT001 - Textual passes it by place
            if yes:
                self.ui.start(act)

        more = (f"On {', '.join(self.hosts[:5])}" + (" and others" if len(self.hosts) > 5 else ""),)
        self.ui.push_screen(Confirm(f"{act.title.capitalize()}?", self.ui.line(act), more), answered)

    def do_restore(self) -> None:
        """Plan to put the newest backup of the profile back on the chosen servers."""
        if self.row is not None:
            self._plan(f"Restore {self.row.profile}", "restore", f"{self.row.profile}@latest")

    def do_repair(self) -> None:
        """Ask which database, then plan to mend it."""

        def named(text: str | None) -> None:
            if text:
                self._plan(f"Repair {text.strip().rpartition('/')[2]}", "repair", text.strip())

        paths = self._seen.targets.get(self.row.host, ()) if self._seen is not None and self.row is not None else ()
        worst = next((one.path for one in paths if ":" not in one.path), "")
        self.ui.push_screen(AskLine("Mend which database? Its path there", value=worst), named)

    def _plan(self, headline: str, *words: str) -> None:
        from tui.screens.plan import PlanScreen

        act = self._act(*words)
        said = f"{headline} on {act.targets[0]}"
        self.ui.push_screen(PlanScreen(act, said, said))

    def do_reread(self) -> None:
        """Ask all servers."""
        self.ui.start(next(self.commands()))

    def do_mark(self) -> None:
        """Mark the server under the cursor, or take its mark away."""
        self.query_one(Rows).action_mark()
        self._detail()

    def do_problems(self) -> None:
        """Show only what needs a look, or all again."""
        self._problems = not self._problems
        self.ui.say("only what needs a look" if self._problems else "all servers")
        self.facts()

    def do_rescue(self) -> None:
        """Plan the rescue of the profile on the chosen servers."""
        if self.row is not None:
            self._plan(f"Rescue {self.row.profile}", "rescue", self.row.profile)


def _hosts(keys: frozenset[str] | set[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({key.partition("\n")[0] for key in keys}))

"""Health, the first screen: is my data safe, and what do I press. Painted from the health file alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.operations.health import Target
from toolkit.operations.jobs import JobRow
from toolkit.wording import age_text, percent_text, time_text
from tui.act import Act
from tui.screens.frame import Frame
from tui.text import Piece, cut, line, lines, put, rule
from tui.verbs import Verb
from tui.widgets.edges import ACTIVE, base, is_look, what
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

WORDS = {"bad": "BAD", "warn": "WARN", "unknown": "?", "ok": "OK"}
TONES = {"bad": "bad", "warn": "warn", "unknown": "warn", "ok": "ok"}
CHANGING = ("restore", "repair", "rescue", "undo")
LOOKS = ("diagnose", "rescue", "repair", "verify", "backup")


def name_of(target: Target) -> str:
    """Return what a target is called in lists: the file of a database, a folder with a slash."""
    kind, _, path = target.path.partition(":") if target.kind == "files" else ("", "", target.path)
    name = base(path or kind)
    return f"{name}/" if target.kind == "files" and kind in ("files", "logs") else name


def key_of(target: Target) -> str:
    """Return the key of a target in lists."""
    return f"{target.profile}\n{target.path}"


class HealthScreen(Frame):
    """All targets, worst first, the cursor on the worst; below, what was found and the way out."""

    MODE = "health"
    TITLE_LINE = "is the data safe, and what to press"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="open", key="enter", label="Open", help="damaged: the exact steps of the way out; else all details"),
        Verb(name="backup", key="b", label="Backup", help="back up this application now", acts=True),
        Verb(name="check", key="d", label="Check", help="look for damage in full; changes nothing", acts=True),
        Verb(name="quick", key="D", label="", help="look for damage quickly, where a full look takes long", acts=True),
        Verb(name="repair", key="f", label="Repair", help="plan to mend the file in its place instead"),
        Verb(name="restore", key="r", label="Restore", help="choose a backup to put back"),
    )

    def body(self) -> ComposeResult:
        """Compose the list and what is said of the row under the cursor."""
        yield Rows(
            (
                Column(name="state", title="STATE", width=5),
                Column(name="target", title="TARGET", width=14, most=30),
                Column(name="good", title="LAST GOOD", width=14),
                Column(name="checked", title="CHECKED", width=12),
                Column(name="next", title="NEXT", width=6),
                Column(name="why", title="WHY"),
            ),
            Listed(self._rows(), self.ui.session.now),
        )
        yield Static(id="rule", classes="rule")
        yield Static(id="detail")

    def more_columns(self) -> frozenset[str]:
        """Filters can also ask for the profile, the path and the age of the last good backup."""
        return frozenset({"profile", "path", "age"})

    @property
    def target(self) -> Target | None:
        """The target under the cursor."""
        row = self.query_one(Rows).current
        return None if row is None else next((one for one in self.ui.seen.targets if key_of(one) == row.key), None)

    def facts(self) -> None:
        """Show the targets as they are known now; the cursor stays on its row."""
        self.query_one(Rows).fill(self._rows(), self.ui.session.now, most=max(4, self.size.height // 2 - 3))
        self._detail()

    def on_rows_moved(self) -> None:
        """Say what is known of the row under the cursor."""
        self._detail()
        self.edges()

    def _rows(self) -> list[Row]:
        now = self.ui.session.now()
        return [self._row(one, now) for one in self.ui.seen.targets]

    def _row(self, target: Target, now: datetime) -> Row:
        good, check = target.last_good, target.last_check
        running = self._under_way(target)
        why = target.reasons[0].text.removeprefix("damaged: ") if target.reasons else ""
        if not target.reasons and target.state == "unknown":
            why = "nobody has looked yet: b backs it up, d checks it"
        tested = " tested" if good is not None and good.tested_at is not None else ""
        return Row(
            key=key_of(target),
            cells=(
                Cell(WORDS[target.state], TONES[target.state]),
                name_of(target),
                Cell("-" if good is None else _short(good.at, now) + tested, "" if good is not None else "warn"),
                Cell("-" if check is None else f"{_short(check.at, now)} {check.kind}", "" if check else "dim"),
                _following(target, now),
                Cell(running or why, "warn" if running else ""),
            ),
            values={
                "state": WORDS[target.state].lower(),
                "target": name_of(target),
                "good": good.at if good is not None else None,
                "age": good.at if good is not None else None,
                "checked": check.at if check is not None else None,
                "next": target.next_run,
                "why": why,
                "profile": target.profile,
                "path": target.path,
            },
        )

    def _under_way(self, target: Target) -> str:
        for job in self.ui.jobs:
            if job.state in ACTIVE and job.operation in LOOKS and _is_of(job, target):
                looks = "plan " if is_look(job) else ""
                return f"{looks}{job.operation} {percent_text(job.done or 0, job.total) or 'running'}"
        return ""

    # ---- what is said below

    def _detail(self) -> None:
        width = self.size.width
        self.put("#rule", Content(rule() * width))
        target = self.target
        found = list(self._lost()) + list(self._empty() if target is None else self._said(target))
        self.put("#detail", lines(cut(one, width) for one in found))

    def _lost(self) -> Iterator[Content]:
        """Yield that the health file is lost, and what makes it again."""
        problem = self.ui.seen.problem
        if problem:
            yield put((f" {problem}", "bold $text-error"), ": what was known is lost, nothing else.")
            keys = ("d", "bold"), " checks, ", ("b", "bold"), " backs up; either writes it again"
            yield put(" ", *(keys if self.ui.seen.targets else (("lifeboat diagnose", "bold"), " writes it again")))
            yield Content("")

    def _empty(self) -> Iterator[Content]:
        yield put((" Nothing is looked after yet.", "bold"))
        yield Content("")
        yield put(("   8 n", "bold"), "   look after the folder of an application: what, when, where to")
        yield put(("   2 b", "bold"), "   back up a folder or a database once, now")
        yield Content("")
        yield put(" Without the screens:  lifeboat config init FOLDER,  lifeboat backup FOLDER")

    def _said(self, target: Target) -> Iterator[Content]:
        now = self.ui.session.now()
        damaged = self._damaged(target)
        name, state = name_of(target), "is damaged" if damaged else WORDS[target.state]
        tone = {"bad": "bold $text-error", "warn": "bold $text-warning"}.get(target.state, "bold")
        yield put((f" {name} {state}", tone), f"   {target.path.partition(':')[2] or target.path}")
        check = target.last_check
        told = check.said if check is not None and damaged else ()
        for text in told[:3] or tuple(reason.text for reason in target.reasons[:3]):
            yield put("   " + text)
        if check is not None:
            said = f" {check.kind} check {time_text(check.at, now)} ({age_text(check.at, now)}): {check.result}"
            yield put((said, "$text-muted"))
        if target.open_by:
            more = f" and {len(target.open_by) - 3} more" if len(target.open_by) > 3 else ""
            yield put((f" open in: {', '.join(target.open_by[:3])}{more}", "$text-muted"))
        yield Content("")
        yield from self._way_out(target, now) if damaged else self._standing(target, now)

    def _damaged(self, target: Target) -> bool:
        return target.kind == "database" and any(one.code == "damaged" for one in target.reasons)

    def _way_out(self, target: Target, now: datetime) -> Iterator[Content]:
        yield put((" Way out: ", "bold"), "every way is made on copies first; then you see the steps")
        good = target.last_good
        if good is not None:
            tested = f", tested {time_text(good.tested_at, now)}" if good.tested_at is not None else ", not tested"
            yield put(f"   at worst  the backup of {time_text(good.at, now)} (" + good.id + tested + ")")
            since = f"{time_text(good.at, now)} ({age_text(good.at, now)})"
            yield put(f"   loses     then what was written since {since}")
        else:
            yield put("   at worst  there is no good backup: only what the file still holds")
        yield put("   undo      yes, the damaged file is kept")
        yield Content("")
        yield put(
            ("   Enter", "bold"), "  show the exact steps          ", ("f", "bold"), "  mend it in its place instead"
        )
        yield put(("   d    ", "bold"), "  look again, in full           ", ("r", "bold"), "  pick another backup")

    def _standing(self, target: Target, now: datetime) -> Iterator[Content]:
        good = target.last_good
        if good is None:
            yield put((" No good backup. ", "bold $text-warning"), ("b", "bold"), " makes one now.")
        else:
            said: list[Piece] = [f" Last good backup {time_text(good.at, now)} ({age_text(good.at, now)}), {good.id}"]
            said.append(
                f", tested {time_text(good.tested_at, now)}" if good.tested_at else ", verified, not opened yet"
            )
            yield put(*said)
        if target.failed_since_good:
            yield put((f" {target.failed_since_good} failed since", "$text-warning"))
        yield self._next(target, now)
        yield Content("")
        yield put(("   b", "bold"), "  back up now     ", ("d", "bold"), "  check now     ", ("r", "bold"), "  restore")

    def _next(self, target: Target, now: datetime) -> Content:
        due = target.next_run
        if due is None:
            return put(" Nothing backs it up by itself: ", ("5", "bold"), " says what is scheduled")
        if is_late(target, now):
            return put((f" LATE: due at {time_text(due, now)}", "$text-warning"))
        return put(f" The next backup runs by itself at {time_text(due, now)}")

    # ---- verbs

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used on the row under the cursor."""
        if verb.name in ("open", "backup", "check", "quick", "repair", "restore") and self.target is None:
            return "there is no target here"
        target = self.target
        if verb.name in ("check", "quick", "repair") and target is not None and target.kind != "database":
            return "only databases can be checked and mended; v on Backups compares files"
        job = self._in_the_way(verb, target) if target is not None else None
        if job is not None:
            since = time_text(job.created, self.ui.session.now())
            return f"{what(job)} is under way since {since}, by {job.by} (job {job.id}, 7 shows it)"
        return super().against(verb)

    def _in_the_way(self, verb: Verb, target: Target) -> JobRow | None:
        """Return the job that does the same already, or that changes the target: two at once are one too many."""
        same = {"backup": ("backup",), "check": ("diagnose",), "quick": ("diagnose",)}.get(verb.name)
        if same is None:
            return None
        going = (job for job in self.ui.jobs if job.state in ACTIVE and not is_look(job) and _is_of(job, target))
        return next((job for job in going if job.operation in (*same, *CHANGING)), None)

    def commands(self) -> Iterator[Act]:
        """Yield the command of the way out, then the others."""
        target = self.target
        if target is None:
            return
        if self._damaged(target):
            yield Act(words=("rescue", target.path), title=f"rescue {name_of(target)}")
        yield self._backup(target)
        if target.kind == "database":
            yield self._check(target)

    def folder(self) -> str:
        """Return the folder of the target."""
        target = self.target
        path = "" if target is None else target.path.partition(":")[2] if target.kind == "files" else target.path
        return path.rpartition("/")[0] or "/"

    def _backup(self, target: Target) -> Act:
        return Act(
            words=("backup", target.profile),
            title=f"backup of {target.profile}",
            operation="backup",
            targets=(target.profile,),
        )

    def _check(self, target: Target, *more: str) -> Act:
        title = f"check of {name_of(target)}"
        return Act(words=("diagnose", target.path, *more), title=title, operation="diagnose", targets=(target.path,))

    def do_open(self) -> None:
        """Show the exact steps of the way out, or all that is known."""
        target = self.target
        if target is None:
            return
        if self._damaged(target):
            self._plan(target)
            return
        from tui.screens.detail import DetailScreen

        self.ui.push_screen(DetailScreen(target))

    def _plan(self, target: Target, way: str = "") -> None:
        from tui.screens.plan import RescueScreen

        self.ui.push_screen(RescueScreen(target.path, host=self.ui.host, way=way))

    def do_backup(self) -> None:
        """Back up now."""
        if self.target is not None:
            self.ui.start(self._backup(self.target))

    def do_check(self) -> None:
        """Check in full."""
        if self.target is not None:
            self.ui.start(self._check(self.target))

    def do_quick(self) -> None:
        """Check quickly."""
        if self.target is not None:
            self.ui.start(self._check(self.target, "--quick"))

    def do_repair(self) -> None:
        """Plan to mend the file in its place."""
        if self.target is not None:
            self._plan(self.target, "mend")

    async def do_restore(self) -> None:
        """Go to the backups of the target."""
        await self.ui.go("backups")


def _short(when: datetime, now: datetime) -> str:
    """Return a time for a narrow column: the clock within a day, else the age."""
    return time_text(when, now) if (now - when).total_seconds() < 86400 // 2 else age_text(when, now)


LATE = timedelta(minutes=30)
"""How long after its time a backup may be missing from the health file before it counts as late."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def is_late(target: Target, now: datetime) -> bool:
    """Say whether a backup was due that nobody has seen the end of."""
    return target.next_run is not None and now - target.next_run > LATE


def _following(target: Target, now: datetime) -> Cell:
    """Return when it is backed up next: the clock within a day, the weekday within a week, else the date."""
    due = target.next_run
    if due is None:
        return Cell("-", "dim")
    if is_late(target, now):
        return Cell("LATE", "warn")
    local, ahead = due.astimezone(), due - now
    if ahead < timedelta(hours=20):
        return Cell(f"{local:%H:%M}")
    return Cell(_DAYS[local.weekday()] if ahead < timedelta(days=6) else f"{local.day}.{local.month}.")


def _is_of(job: JobRow, target: Target) -> bool:
    return any(one in (target.profile, target.path) or line(one) == line(target.path) for one in job.targets)

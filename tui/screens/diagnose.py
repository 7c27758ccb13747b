"""Diagnose: each database and what is wrong with it, in plain words, with the evidence and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.operations.diagnosing import looks
from toolkit.operations.diagnosing.looks import Look
from toolkit.operations.eventlines import progress_text
from toolkit.operations.health import Target
from toolkit.operations.jobs import JobRow
from toolkit.wording import age_text, percent_text, size_text, time_text
from tui.act import Act
from tui.screens.diagnose_text import facts_of, finding_lines
from tui.screens.form import Choose, choice
from tui.screens.frame import Frame
from tui.screens.health import TONES, WORDS, key_of, name_of
from tui.screens.page import wrapped
from tui.text import lines, put, rule
from tui.verbs import Verb
from tui.widgets.edges import ACTIVE
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

EVERY = Act(words=("diagnose",), title="check of all databases")
EXPORTS = {"sql": "a script for sqlite3", "json": "one document", "csv": "a folder with a file for each table"}


def _export(target: Target, form: str) -> Act:
    words = ("export", target.path, "--format", form)
    return Act(words=words, title=f"export of {name_of(target)}", operation="export", targets=(target.path,))


class DiagnoseScreen(Frame):
    """The databases, worst first; below, the findings of the one under the cursor."""

    MODE = "diagnose"
    TITLE_LINE = "what is wrong, how one knows, and what helps"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="open", key="enter", label="All", help="every finding, with all of its evidence"),
        Verb(name="quick", key="d", label="Quick", help="look quickly; changes nothing", acts=True),
        Verb(name="full", key="D", label="Full", help="look at each page, index entry and text: longer", acts=True),
        Verb(name="repair", key="f", label="Repair", help="plan to mend it; choose where lost rows come from"),
        Verb(name="rescue", key="r", label="Rescue", help="plan the way out that loses least, all ways measured"),
        Verb(name="timeline", key="t", label="Timeline", help="rows and size over the backups, jumps marked"),
        Verb(name="every", key="A", label="", help="look at all databases of all applications, in full", acts=True),
        Verb(name="export", key="x", label="", help="write it as SQL, JSON or CSV, a damaged one too", acts=True),
        Verb(name="copy", key="y", label="", help="copy the command line of the full look"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._looks: dict[str, tuple[datetime | None, Look | None]] = {}

    def body(self) -> ComposeResult:
        """Compose the list and the findings."""
        yield Rows(
            (
                Column(name="state", title="STATE", width=5),
                Column(name="database", title="DATABASE", width=16),
                Column(name="checked", title="CHECKED", width=17),
                Column(name="size", title="SIZE", width=7, right=True),
                Column(name="found", title="FOUND"),
            ),
            Listed(self._rows(), self.ui.session.now),
        )
        yield Static(id="rule", classes="rule")
        with VerticalScroll(can_focus=False):
            yield Static(id="text")

    def more_columns(self) -> frozenset[str]:
        """Filters can also ask for the profile, the path, the age of the look, the codes of the findings."""
        return frozenset({"profile", "path", "age", "code"})

    @property
    def targets(self) -> list[Target]:
        """The databases, worst first."""
        return [one for one in self.ui.seen.targets if one.kind == "database"]

    @property
    def target(self) -> Target | None:
        """The database under the cursor."""
        row = self.query_one(Rows).current
        return None if row is None else next((one for one in self.targets if key_of(one) == row.key), None)

    def look(self, target: Target) -> Look | None:
        """Return the last look at `target` in full; read once for each time that it was looked at."""
        at = target.last_check.at if target.last_check is not None else None
        known = self._looks.get(target.path)
        if known is None or known[0] != at:
            known = self._looks[target.path] = (at, looks.kept(self.ui.session, target.path))
        return known[1]

    def facts(self) -> None:
        """Show what is known now; the cursor stays on its database."""
        self.query_one(Rows).fill(self._rows(), self.ui.session.now, most=max(4, self.size.height // 2 - 4))
        self._detail()

    def on_rows_moved(self) -> None:
        """Show the findings of the database under the cursor."""
        self._detail()
        self.edges()

    def _rows(self) -> list[Row]:
        now = self.ui.session.now()
        return [self._row(one, now) for one in self.targets]

    def _row(self, target: Target, now: datetime) -> Row:
        look, check, job = self.look(target), target.last_check, self.running(target)
        found = [one for one in look.target.findings if one.severity != "notice"] if look is not None else []
        worst = found[0].message if found else ""
        said = worst + (f"  +{len(found) - 1}" if len(found) > 1 else "")
        if check is None:
            said = "not checked yet: d looks quickly, D in full"
        if job is not None:
            said = f"checking {percent_text(job.done or 0, job.total)}".strip()
        return Row(
            key=key_of(target),
            cells=(
                Cell(WORDS[target.state], TONES[target.state]),
                name_of(target),
                Cell(f"{check.kind} {age_text(check.at, now)}" if check is not None else "-", "" if check else "dim"),
                size_text(look.target.size) if look is not None and look.target.size else "-",
                Cell(said or (check.result if check is not None else ""), "warn" if job is not None else ""),
            ),
            values={
                "state": WORDS[target.state].lower(),
                "database": name_of(target),
                "checked": check.at if check is not None else None,
                "age": check.at if check is not None else None,
                "size": look.target.size if look is not None else None,
                "found": worst,
                "code": tuple(one.code for one in found),
                "profile": target.profile,
                "path": target.path,
            },
        )

    def running(self, target: Target) -> JobRow | None:
        """Return the job that looks at `target` now, whoever started it."""
        meant = (target.path, target.profile)
        going = (job for job in self.ui.jobs if job.state in ACTIVE and job.operation == "diagnose")
        return next((job for job in going if any(one in meant for one in job.targets)), None)

    # ---- what is said below

    def _detail(self) -> None:
        width = self.size.width
        self.put("#rule", Content(rule() * width))
        target = self.target
        self.query_one("#text", Static).update(lines(self._empty() if target is None else self._said(target, width)))

    def _empty(self) -> Iterator[Content]:
        yield put((" No database is looked after yet.", "bold"))
        yield Content("")
        yield put("   lifeboat diagnose /path/to/app      ", "looks at any database or folder")
        yield put("   lifeboat config init /path/to/app   ", "a configuration: it is listed then")

    def _said(self, target: Target, width: int) -> Iterator[Content]:
        look, now, job = self.look(target), self.ui.session.now(), self.running(target)
        yield put((f" {name_of(target)}", "bold"), f"   {target.path}")
        if job is not None:
            yield put((f" looking now: {job.step or job.state}  ", "bold $text-warning"), progress_text(job))
        if look is None:
            yield Content("")
            if target.last_check is None:
                yield put((" Not checked yet. ", "bold"), ("d", "bold"), " looks quickly, ", ("D", "bold"), " in full.")
            else:
                yield put(" The findings of that look are not kept here. ", ("d", "bold"), " looks again.")
            yield put(" Looking changes nothing, and the application can go on meanwhile.")
            return
        when = f" {look.kind} look at {time_text(look.at, now)}, {age_text(look.at, now)}"
        yield from wrapped(when + "   ", facts_of(look.target), width, tone="$text-muted")
        yield from finding_lines(look, width, most=3)
        yield Content("")
        if not look.target.healthy:
            yield put(("   r", "bold"), "  the way out that loses least      ", ("f", "bold"), "  mend it in its place")
        yield put(
            ("   Enter", "bold"), "  all findings and evidence     ", ("t", "bold"), "  how it went over the backups"
        )

    # ---- verbs

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used on the database under the cursor."""
        target = self.target
        if verb.name in ("open", "quick", "full", "repair", "rescue", "timeline", "export") and target is None:
            return "there is no database here"
        if verb.name == "open" and target is not None and self.look(target) is None:
            return "it was not checked yet: d looks quickly, D in full"
        if verb.name in ("quick", "full") and target is not None and (job := self.running(target)) is not None:
            return f"{job.by or 'somebody'} is looking at it already (job {job.id}, 7 shows it)"
        return super().against(verb)

    def commands(self) -> Iterator[Act]:
        """Yield the command of the full look, then the others."""
        target = self.target
        if target is None:
            return
        yield self._look_act(target)
        yield self._look_act(target, "--quick")
        yield Act(words=("timeline", target.path), title="timeline")
        yield Act(words=("rescue", target.path), title=f"rescue {name_of(target)}")
        yield Act(words=("repair", target.path, "--in-place"), title=f"repair {name_of(target)}")
        yield _export(target, "sql")
        yield EVERY

    def folder(self) -> str:
        """Return the folder of the database."""
        return self.target.path.rpartition("/")[0] or "/" if self.target is not None else "/"

    def _look_act(self, target: Target, *more: str) -> Act:
        title = f"check of {name_of(target)}"
        return Act(words=("diagnose", target.path, *more), title=title, operation="diagnose", targets=(target.path,))

    def do_open(self) -> None:
        """Show every finding."""
        target = self.target
        look = self.look(target) if target is not None else None
        if target is None or look is None:
            return
        from tui.screens.diagnose_text import all_lines
        from tui.screens.page import Page

        width, now = self.size.width, self.ui.session.now()
        act = self._look_act(target, *(("--quick",) if look.kind == "quick" else ()))
        self.ui.push_screen(Page(f"All that was found of {name_of(target)}", lambda: all_lines(look, width, now), act))

    def do_quick(self) -> None:
        """Look quickly."""
        if self.target is not None:
            self.ui.start(self._look_act(self.target, "--quick"))

    def do_full(self) -> None:
        """Look in full."""
        if self.target is not None:
            self.ui.start(self._look_act(self.target))

    def do_every(self) -> None:
        """Look at everything."""
        self.ui.start(EVERY)

    def do_export(self) -> None:
        """Ask for the format, and export."""
        target = self.target
        if target is None:
            return
        found = [choice(key, key.upper(), about) for key, about in EXPORTS.items()]

        def chosen(key: str | None) -> None:
            if key is not None:
                self.ui.start(_export(target, key))

        question = f"Write {name_of(target)} as what? It goes into recovery/ of the vault; nothing is replaced."
        self.ui.push_screen(Choose(question, found, wide=6), chosen)

    def do_repair(self) -> None:
        """Plan a repair."""
        if self.target is not None:
            from tui.screens.diagnose_repair import RepairScreen

            self.ui.push_screen(RepairScreen(self.target.path, host=self.ui.host))

    def do_rescue(self) -> None:
        """Plan a rescue."""
        if self.target is not None:
            from tui.screens.plan import RescueScreen

            self.ui.push_screen(RescueScreen(self.target.path, host=self.ui.host))

    def do_timeline(self) -> None:
        """Show how the database went over the backups."""
        if self.target is not None:
            from tui.screens.diagnose_timeline import TimelineScreen

            self.ui.push_screen(TimelineScreen(self.target.path))

"""A plan in words: the ways out that were measured, the steps, what is lost and kept, what it needs, what it equals."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from textual.content import Content

from toolkit.operations.pace_words import short_text, step_text, takes_text
from toolkit.operations.plan import Plan
from toolkit.operations.planned import Planned
from toolkit.operations.rescuing.report import RescuedDatabase
from toolkit.operations.rescuing.ways import Way, loses_text
from toolkit.wording import count_text, size_text
from tui.text import line, put

WAYS = {"mend": "mend it", "salvage": "mend and refill", "restore": "put the backup back"}


def plan_lines(found: Planned, width: int, *, command: str, later: bool) -> Iterator[Content]:
    """Yield the lines of the plan in `found`, none wider than `width`; `command` does the same.

    `later` says that the plan is made once more before it is done.
    """
    plan = found.plan
    if plan is None:
        return
    for row in found.databases:
        yield from _database(row, width)
    yield from _steps(plan, width)
    loses = plan.loses.text or "nothing"
    yield from _paragraph("You lose", loses, width, tone="bold $text-error" if loses != "nothing" else "bold")
    if plan.keeps:
        yield from _paragraph("You keep", plan.keeps, width)
    if plan.steps:
        yield from _paragraph("Takes", takes_text(plan, later=later), width)
    yield from _needs(plan, width)
    for warning in found.warnings[:5]:
        yield from _paragraph("Note", warning.message, width, tone="bold $text-warning")
    yield from _paragraph("Same as", command, width)


def _database(row: RescuedDatabase, width: int) -> Iterator[Content]:
    for finding in [one for one in row.findings if one.severity != "notice"][:1]:
        yield from _paragraph("Broken", finding.message, width, tone="bold $text-error")
    for way in row.ways:
        taken = way.name == row.way
        mark = ("  > ", "bold $text-success") if taken else ("    ", "")
        down = f"down {short_text(way.offline_s, way.offline_by):6}" if way.offline_s is not None else ""
        first, *rest = textwrap.wrap(line(_way(way)), width - 25 - len(down)) or [""]
        style = "bold" if taken else "" if way.possible else "dim"
        yield put(mark, (f"{WAYS[way.name]:19}", style), "  ", (down, style), (first, style))
        yield from (put(" " * (25 + len(down)), (more, style)) for more in rest)
    if row.because:
        yield from _paragraph("", f"recommended: {WAYS[row.recommended]}, since {row.because}", width, tone="dim")


def _way(way: Way) -> str:
    if not way.possible:
        return f"not possible: {way.why_not}"
    return f"{count_text(way.rows, 'row')}; loses {loses_text(way)}"


def _steps(plan: Plan, width: int) -> Iterator[Content]:
    for step in plan.steps:
        size = size_text(step.writes_bytes) if step.writes_bytes else ""
        said = f"{size:>7} {step_text(step):>6} {'offline' if step.offline else '':7}"
        room = width - 5 - len(said) - 1
        first, *rest = textwrap.wrap(line(step.title), room) or [""]
        yield put(f" {step.n:>2}  {first}", " " * max(width - 5 - len(first) - len(said) - 1, 1), (said, "$text-muted"))
        yield from (put("     " + more) for more in rest)


def _needs(plan: Plan, width: int) -> Iterator[Content]:
    needs = plan.needs
    parts = []
    if needs.free:
        parts.append(f"{size_text(needs.free)} free, has {size_text(needs.have)}")
    if needs.root:
        parts.append("root")
    last = next((step.name for step in reversed(plan.steps) if step.cancel == "never"), "")
    first = next((step.n for step in plan.steps if step.cancel == "never"), 0)
    parts.append(f"cancelling before step {first} takes all back" if last else "can be cancelled at any time")
    yield from _paragraph("Needs", "; ".join(parts), width)
    if plan.op == "retention":  # `You keep` says how it is taken back
        return
    undone = [step.undo for step in plan.steps]
    way = "no" if "none" in undone else "lifeboat undo" if "manual" in undone else "by itself, when it fails"
    yield from _paragraph("Undo", way, width)


def _paragraph(word: str, text: str, width: int, *, tone: str = "bold") -> Iterator[Content]:
    first, *rest = textwrap.wrap(line(text), width - 13, break_on_hyphens=False) or [""]
    yield put(("  " + f"{word:10}", tone), first)
    yield from (put(" " * 12 + more) for more in rest)

"""Schedules and retention in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from textual.content import Content

from toolkit.operations.prune import PruneReport
from toolkit.operations.schedule import EntryRow
from toolkit.profile.units import format_duration
from toolkit.retention import Rules
from toolkit.wording import age_text, count_text, size_text, time_text
from tui.screens.page import wrapped
from tui.text import put

PLACES = {"cron": "in cron", "systemd": "in systemd", "none": "nowhere"}

NEW: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "daily": ("daily backup", "everything, once a day", ("--kind", "daily"), "03:00"),
    "hourly": ("hourly backup", "the databases only, often", ("--kind", "hourly", "--scope", "database"), "every 6h"),
    "files": ("weekly files", "the files only, once a week", ("--kind", "weekly", "--scope", "files"), "sun 02:00"),
    "weekly": ("weekly backup", "everything, once a week", ("--kind", "weekly"), "sun 02:00"),
    "monthly": ("monthly backup", "everything, once a month", ("--kind", "monthly"), "1 04:00"),
    "rehearse": ("rehearsal", "restore the latest to scratch, try it", ("--job", "rehearse"), "mon 05:00"),
    "verify": ("verification", "open the latest, compare it", ("--job", "verify"), "wed 05:00"),
    "diagnose": ("diagnosis", "look for damage in the live data", ("--job", "diagnose"), "every 6h"),
    "prune": ("retention", "delete what the rules drop", ("--job", "prune"), "sun 06:00"),
}
"""Templates: the title, what it is, the options of `schedule set`, and when it would run."""

JOBS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "auto": ("Install", "systemd where it runs, else cron", ("schedule", "install")),
    "cron": ("Install in cron", "/etc/cron.d, or your crontab", ("schedule", "install", "--with", "cron")),
    "systemd": ("Install in systemd", "hardened units and timers", ("schedule", "install", "--with", "systemd")),
    "remove": ("Take it out", "of both; backups and configuration stay", ("schedule", "remove")),
}


def said_lines(
    entry: EntryRow, rules: Rules | None, pruning: PruneReport | None, now: datetime, width: int
) -> Iterator[Content]:
    """Yield the next runs of `entry`, how it went last, and what the `rules` of its profile would delete now."""
    default = "   (the default: nobody configured it)" if entry.default else ""
    yield put((f" {entry.name}", "bold"), f"   {entry.when}{default}")
    yield from wrapped(
        "   next    ", ",  ".join(f"{one.astimezone():%a %d %b %H:%M}" for one in entry.next), width, tone="bold"
    )
    last = "it never ran here"
    if entry.last is not None:
        last = f"{time_text(entry.last, now)} ({age_text(entry.last, now)}): {entry.last_state}"
    yield from wrapped("   last    ", last, width, tone="bold")
    if entry.missed:
        yield put(("           MISSED: a run was due since. ", "bold $text-error"), ("Enter", "bold"), " runs it now")
    yield from wrapped("   does    ", entry.command, width, tone="bold")
    if rules is None:
        return
    yield from wrapped("   keeps   ", rules_text(rules), width, tone="bold")
    yield put("           ", ("l", "bold"), " changes these rules")
    yield from _would_go(entry.profile, pruning, width)


def _would_go(profile: str, pruning: PruneReport | None, width: int) -> Iterator[Content]:
    going = [row for row in pruning.removed if row.profile == profile] if pruning is not None else []
    if not going:
        yield put(("   now     ", "bold"), "retention would delete nothing")
        return
    size = size_text(sum(row.size for row in going))
    text = f"retention would delete {count_text(len(going), 'backup')}, {size}: {', '.join(row.id for row in going)}"
    yield from list(wrapped("   now     ", text, width, tone="bold $text-warning"))[:2]
    yield put("           ", ("p", "bold"), " shows each with the reason")


def rules_text(rules: Rules) -> str:
    """Return what retention keeps, in words."""
    kinds = ("hourly", "daily", "weekly", "monthly", "manual", "emergency", "safety", "imported")
    said = [f"{count} {kind}" for kind in kinds if (count := getattr(rules, kind)) is not None]
    spans = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
    said += [f"keep-{span} {count}" for span in spans if (count := getattr(rules, f"keep_{span}")) is not None]
    if rules.max_age is not None:
        said.append(f"none older than {format_duration(rules.max_age)}")
    if rules.max_size is not None:
        said.append(f"{size_text(rules.max_size)} in all")
    return ", ".join(said) + "; always the last good copy and what is pinned"

"""The figures of the backups, with small charts: blocks where the terminal has them, else plain characters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.content import Content

from toolkit.operations import stats
from toolkit.operations.stats import Figures
from toolkit.wording import age_text, bar, chart, count_text, size_text, time_text
from tui.act import Act
from tui.screens.page import Page
from tui.text import Glyphs, put

if TYPE_CHECKING:
    from datetime import datetime

    from tui.app import LifeboatApp


def stats_page(ui: LifeboatApp, profile: str = "") -> Page:
    """Return the page with the figures of `profile`, or of all backups."""
    words = ("stats", profile) if profile else ("stats",)
    width, session = ui.size.width, ui.session

    def load() -> list[Content]:
        report = stats.run(session, profile or None, buckets=max(width - 30, 10))
        return list(figure_lines(report.stats, session.now()))

    return Page(f"Statistics of {profile or 'all backups'}", load, Act(words=words, title="statistics"))


def figure_lines(found: Figures, now: datetime) -> Iterator[Content]:
    """Yield the figures and the charts."""
    yield Content("")
    yield put(
        ("  backups  ", "bold"),
        f"{found.completed:,}, {size_text(found.size)}; {found.good:,} good, {found.pinned:,} pinned",
    )
    if found.success_rate is not None:
        rate = f"{int(found.success_rate * 1000) / 10:g}%"  # cut, not rounded: 100% means that none failed
        yield put(("  success  ", "bold"), f"{bar(int(found.success_rate * 100), 100)} {rate}, {found.failed:,} failed")
    if found.oldest is None or found.newest is None:
        return
    yield put(("  average  ", "bold"), f"{size_text(found.average)}, the largest is {found.largest}")
    yield put(("  oldest   ", "bold"), f"{time_text(found.oldest, now)}, {age_text(found.oldest, now)}")
    yield put(("  newest   ", "bold"), f"{time_text(found.newest, now)}, {age_text(found.newest, now)}")
    yield Content("")
    totals, counts = [one.total for one in found.growth], [one.count for one in found.growth]
    yield put(("  held     ", "bold"), chart(totals, plain=Glyphs.ascii), f"  {size_text(totals[-1])} now")
    yield put(("  made     ", "bold"), chart(counts, plain=Glyphs.ascii), f"  up to {max(counts):,}")
    yield put((f"           from {time_text(found.oldest, now)} to now", "$text-muted"))
    yield Content("")
    top = max((one.size for one in found.by_kind), default=0)
    for one in found.by_kind:
        said = f"{bar(one.size, top or 1)} {size_text(one.size):>8}  {count_text(one.count, 'backup')}"
        yield put((f"  {one.kind:11}", "bold"), said)

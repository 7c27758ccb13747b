"""What `stats` shows, with the chart of growth."""

from __future__ import annotations

import sys
from datetime import datetime

from toolkit.cli.render.table import table
from toolkit.operations.stats import StatsReport
from toolkit.wording import BLOCKS, age_text, chart, count_text, size_text, time_text


def stats_text(report: StatsReport, now: datetime, *, plain: bool = False) -> list[str]:
    """Return the figures; `plain` draws in ASCII, as does an output that is not UTF-8."""
    stats = report.stats
    lines = [f"{count_text(stats.completed, 'backup')}, {size_text(stats.size)}"]
    if stats.profile is not None:
        lines[0] = f"{stats.profile}: {lines[0]}"
    if stats.success_rate is not None:
        # cut, not rounded: 100% means that none failed
        lines.append(f"success   {int(stats.success_rate * 1000) / 10:g}% ({stats.failed:,} failed)")
    if stats.oldest is None or stats.newest is None:
        return lines
    lines += [
        f"good      {stats.good:,} ({stats.pinned:,} pinned)",
        f"average   {size_text(stats.average)} (largest: {stats.largest})",
        f"oldest    {time_text(stats.oldest, now)}, {age_text(stats.oldest, now)}",
        f"newest    {time_text(stats.newest, now)}, {age_text(stats.newest, now)}",
        (
            f"growth    {chart([one.total for one in stats.growth], plain=plain or not _unicode())}"
            f"  {size_text(stats.growth[0].total)} to {size_text(stats.growth[-1].total)}"
        ),
    ]
    rows = [(one.kind, f"{one.count:,}", size_text(one.size)) for one in stats.by_kind]
    return [*lines, "", *table(("KIND", "BACKUPS", "SIZE"), rows, right=frozenset({1, 2}))]


def _unicode() -> bool:
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

"""`lifeboat stats`."""

from __future__ import annotations

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import profile_argument
from toolkit.cli.run import answer, session_of
from toolkit.cli.settings import Command, settings


@click.command(
    "stats",
    cls=Command,
    examples=("lifeboat stats", "lifeboat stats shop --ascii", "lifeboat stats --json | jq .stats.success_rate"),
    exits=(ExitCode.NOTHING,),
)
@profile_argument
@click.option("--ascii", "plain", is_flag=True, help="Draw the chart with plain characters.")
def stats_command(profile: str | None, plain: bool) -> None:  # noqa: FBT001
    """Show totals, sizes by kind, success rate and growth, of a PROFILE or of all.

    The chart shows the bytes held over time, from the oldest backup to now.
    """
    from toolkit.cli.render.stats import stats_text
    from toolkit.operations import stats

    session = session_of(settings())
    answer(stats.run(session, profile), lambda report: stats_text(report, session.now(), plain=plain))

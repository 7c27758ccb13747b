"""`lifeboat prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import (
    confirm_option,
    dry_run_option,
    keep_options,
    keep_rules,
    limit_options,
    profile_argument,
    yes_option,
)
from toolkit.cli.run import work
from toolkit.cli.settings import Command

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.prune import PruneReport
    from toolkit.operations.session import Session


@click.command(
    "prune",
    cls=Command,
    examples=(
        "lifeboat prune --dry-run",
        "lifeboat prune shop --yes",
        "lifeboat prune shop --keep-daily 7 --keep-weekly 4 --dry-run",
        "lifeboat prune shop --max-age 90d --max-size 200GB --dry-run",
    ),
    exits=(ExitCode.FAILED, ExitCode.USAGE, ExitCode.REFUSED, ExitCode.NOTHING, ExitCode.LOCKED),
)
@profile_argument
@keep_options
@limit_options
@dry_run_option
@yes_option
@confirm_option
def prune_command(profile: str | None, **options: Any) -> None:
    """Remove what retention no longer keeps.

    The rules are those of the profile; --keep-… options take the place of its counts for hourly, daily, weekly,
    monthly and manual backups, --max-age and --max-size that of its own, for each profile; they drop what the counts
    would keep. Without a name every profile is pruned. Pinned backups and the last good copy of
    every database and folder always stay. What goes is gone for good: --dry-run shows it first, with the reason
    for each backup.
    """
    from toolkit.cli.render.removal import prune_text

    rules = keep_rules(options)
    targets = [profile] if profile else []
    work("prune", targets, lambda session, job: _prune(session, targets, rules, job, options), prune_text)


def _prune(session: Session, words: list[str], rules: dict[str, Any], job: Job, options: dict[str, Any]) -> PruneReport:
    from toolkit.cli.prompts import confirm, shows_plan
    from toolkit.cli.render.removal import show_prune
    from toolkit.operations import prune
    from toolkit.operations.targets import profile_names

    names = profile_names(session, words)
    if not options["dry_run"]:
        prune.settle(session, names, job)
    plans = prune.plan(session, names, rules)
    described = prune.describe(session, plans, words, rules)
    if options["dry_run"] or described.plan is None:
        return described
    if described.removed and shows_plan(yes=options["yes"]):
        show_prune(described)
    confirm(described.plan, yes=options["yes"], word=options["confirm"])
    return prune.apply(session, plans, job)

"""`lifeboat list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.moments import MOMENT
from toolkit.cli.options import ALL_KINDS, SCOPES, profile_argument
from toolkit.cli.run import answer, session_of
from toolkit.cli.settings import Command, settings

if TYPE_CHECKING:
    from toolkit.operations.session import Session

SORTS = ("started", "finished", "size", "rating", "profile", "kind", "evidence")


@click.command(
    "list",
    cls=Command,
    examples=(
        "lifeboat list",
        "lifeboat list shop --kind daily --kind weekly",
        "lifeboat list --remote --from drive",
        "lifeboat list --since 7d --sort size --limit 10",
        "lifeboat list --json | jq -r '.backups[].id'",
    ),
    exits=(ExitCode.INCOMPLETE, ExitCode.NOTHING, ExitCode.DESTINATION),
)
@profile_argument
@click.option("--kind", "kinds", multiple=True, type=click.Choice(ALL_KINDS), help="Only this kind; repeatable.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Only this scope; repeatable.")
@click.option("--tag", "tags", multiple=True, help="Only backups with this tag; with several, all of them.")
@click.option("--since", type=MOMENT, help="Begun then or later: 2026-11-20, 2026-11-20T03:00, or 7d ago.")
@click.option("--until", type=MOMENT, help="Begun before then.")
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="started",
    show_default=True,
    help="What comes first: the newest, largest, best.",
)
@click.option("--reverse", is_flag=True, help="Turn the order round.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=50, show_default=True, metavar="N", help="At most N; 0 for all."
)
@click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Leave out the first N.")
@click.option("--remote", is_flag=True, help="Show what the destinations hold instead.")
@click.option("--from", "sources", multiple=True, metavar="DEST[:FOLDER]", help="With --remote: only this one.")
@click.option("--all", "deleted", is_flag=True, help="Show deleted ones in the trash too.")
def list_command(profile: str | None, **options: Any) -> None:
    """List the backups of a PROFILE, or of all.

    A backup that is being made shows as `creating`, one that failed shows its error. The EVIDENCE says how
    well a backup is proven: written, verified (read back), opened (databases checked), rehearsed (restored).
    """
    from toolkit.cli.render.listing import list_text
    from toolkit.operations import listing
    from toolkit.retention import Kind, Scope

    session = session_of(settings())
    if options["remote"] or options["sources"]:
        _list_remote(session, profile, options["sources"])
    request = listing.ListRequest(
        profile=profile,
        kinds=tuple(Kind(kind) for kind in options["kinds"]),
        scopes=tuple(Scope(scope) for scope in options["scopes"]),
        tags=options["tags"],
        since=options["since"],
        until=options["until"],
        sort=options["sort"],
        reverse=options["reverse"],
        deleted=options["deleted"],
        limit=options["limit"] or None,
        offset=options["offset"],
    )
    answer(listing.run(session, request), lambda report: list_text(report, session.now()))


def _list_remote(session: Session, profile: str | None, sources: tuple[str, ...]) -> NoReturn:
    from toolkit.cli.render.remote import remote_text
    from toolkit.operations.offsite import remote

    report = remote.listing(session, sources, profile=profile)
    answer(report, lambda shown: remote_text(shown, session.now(), sources[0] if len(sources) == 1 else ""))

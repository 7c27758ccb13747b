"""`lifeboat rate`, `note`, `tag`, `pin` and `unpin`."""

from __future__ import annotations

import sys

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import backup_argument, backups_argument
from toolkit.cli.run import work
from toolkit.cli.settings import Command
from toolkit.errors import UsageError

EXITS = (ExitCode.USAGE, ExitCode.NOTHING, ExitCode.LOCKED)


@click.command(
    "rate",
    cls=Command,
    examples=("lifeboat rate latest 5", "lifeboat rate k3jq7a2m excellent", "lifeboat rate k3jq7a2m none"),
    exits=EXITS,
)
@backup_argument
@click.argument("rating", metavar="1..5|WORD")
def rate_command(backup: str, rating: str) -> None:
    """Rate a backup from 1 to 5, or with a word.

    A word is kept as a tag; known ones (bad, poor, ok, good, excellent, and the same in a few other languages)
    count as a number too. `none` takes the rating away.
    """
    from toolkit.cli.render.keeping import keeping_text
    from toolkit.operations import keeping

    work("rate", [backup], lambda session, job: keeping.rate(session, backup, rating, job), keeping_text)


@click.command(
    "note",
    cls=Command,
    examples=(
        "lifeboat note latest 'before the upgrade to 2.4'",
        "lifeboat note latest ''",
        "git log -1 | lifeboat note latest -",
    ),
    exits=EXITS,
)
@backup_argument
@click.argument("text")
def note_command(backup: str, text: str) -> None:
    """Write a note on a backup, in place of the one that it has.

    An empty TEXT removes the note; `-` reads it from the standard input.
    """
    from toolkit.cli.render.keeping import keeping_text
    from toolkit.operations import keeping

    words = sys.stdin.read(keeping.LONGEST_NOTE + 1000) if text == "-" else text
    work("note", [backup], lambda session, job: keeping.note(session, backup, words, job), keeping_text)


@click.command(
    "tag",
    cls=Command,
    examples=(
        "lifeboat tag latest release-2.4 checked",
        "lifeboat tag k3jq7a2m --remove checked",
    ),
    exits=EXITS,
)
@backup_argument
@click.argument("tags", nargs=-1, metavar="[+]TAG...")
@click.option("--remove", multiple=True, metavar="TAG", help="Remove this tag; can be given several times.")
def tag_command(backup: str, tags: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Add tags to a backup, or remove them.

    A `+` in front of a tag is allowed and means the same as none. `lifeboat list --tag TAG` finds them.
    """
    from toolkit.cli.render.keeping import keeping_text
    from toolkit.operations import keeping

    if not tags and not remove:
        raise UsageError("no tag was given", hint="lifeboat tag BACKUP TAG, or lifeboat tag BACKUP --remove TAG")
    add = [tag.removeprefix("+") for tag in tags]
    work("tag", [backup], lambda session, job: keeping.tag(session, backup, add, remove, job), keeping_text)


@click.command("pin", cls=Command, examples=("lifeboat pin latest",), exits=EXITS)
@backups_argument
def pin_command(backups: tuple[str, ...]) -> None:
    """Keep backups whatever retention says.

    A pinned backup is neither pruned nor deleted until `lifeboat unpin`.
    """
    _pin(backups, pinned=True)


@click.command("unpin", cls=Command, examples=("lifeboat unpin k3jq7a2m",), exits=EXITS)
@backups_argument
def unpin_command(backups: tuple[str, ...]) -> None:
    """Let retention decide over backups again."""
    _pin(backups, pinned=False)


def _pin(backups: tuple[str, ...], *, pinned: bool) -> None:
    from toolkit.cli.render.keeping import keeping_text
    from toolkit.operations import keeping

    if not backups:
        raise UsageError("no backup was named", hint="`lifeboat list` shows the ids; `latest` is the newest")
    work(
        "pin" if pinned else "unpin",
        backups,
        lambda session, job: keeping.pin(session, backups, job, pinned=pinned),
        keeping_text,
    )

"""Options and parameter types that several commands share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from toolkit.errors import LifeboatError


class SizeType(click.ParamType[int]):
    """A size such as `2GB`, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes that `value` means."""
        from toolkit.profile.units import parse_size

        if isinstance(value, int):
            return value
        try:
            return parse_size(str(value))
        except (LifeboatError, ValueError) as error:
            self.fail(str(error), param, ctx)


class DurationType(click.ParamType[timedelta]):
    """A duration such as `26h`, `10m` or `90` (seconds)."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time that `value` means."""
        from toolkit.profile.units import parse_duration

        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except (LifeboatError, ValueError) as error:
            self.fail(str(error), param, ctx)


class PathType(click.Path):
    """A path; an empty one is refused: it is a variable that was not set, and would mean the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path that `value` is."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


PATH = PathType()
SIZE = SizeType()
DURATION = DurationType()
KINDS = ("hourly", "daily", "weekly", "monthly", "manual", "emergency")
ALL_KINDS = (*KINDS, "safety", "imported")
SCOPES = ("full", "database", "files")
FORMATS = ("tar.zst", "tar.gz", "tar.bz2", "tar.xz", "zip", "7z")
KEEP = ("last", "hourly", "daily", "weekly", "monthly", "yearly")

backup_argument = click.argument("backup", metavar="BACKUP")
backups_argument = click.argument("backups", nargs=-1, metavar="BACKUP...")
profile_argument = click.argument("profile", required=False)
dry_run_option = click.option("--dry-run", "-n", is_flag=True, help="Show the plan and change nothing.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Confirm the plan without asking.")


def _take_digest(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    from toolkit.cli.settings import Settings

    context.ensure_object(Settings).digest = value


def confirm_option(command: Any) -> Any:
    """Add `--confirm`, and `--digest`, which names the one plan that may be done."""
    word = click.option("--confirm", metavar="WORD", help="The word that the plan asks for.")
    digest = click.option(
        "--digest",
        metavar="HEX",
        expose_value=False,
        callback=_take_digest,
        help="Do only the plan with this digest, as --dry-run showed it.",
    )
    return word(digest(command))


refill_unproven_option = click.option(
    "--refill-unproven",
    "unproven",
    type=click.Choice(("in", "apart")),
    default="in",
    show_default=True,
    help="Where rows of the backup go when nothing tells whether they were deleted since: in their table, or apart "
    "in lost_and_found_TABLE, so that no deleted row comes back.",
)

assume_unused_option = click.option(
    "--assume-unused", is_flag=True, help="Vouch that nothing uses the databases, where only root could see it."
)


def limit_options(command: Any) -> Any:
    """Add `--max-age` and `--max-size`, which drop what counts would keep."""
    size = click.option(
        "--max-size", type=SIZE, metavar="SIZE", help="Keep no more than this all together, such as 200GB."
    )
    age = click.option("--max-age", type=DURATION, metavar="TIME", help="Keep none older than this, such as 90d or 1y.")
    return age(size(command))


def keep_options(command: Any) -> Any:
    """Add `--keep-last`, `--keep-daily` and so on."""
    for word in reversed(KEEP):
        name = f"--keep-{word}"
        what = "the newest N" if word == "last" else f"the newest of each of the last N {_PLURALS[word]}"
        command = click.option(name, type=click.IntRange(min=1), metavar="N", help=f"Keep {what}.")(command)
    return command


_PLURALS = {"hourly": "hours", "daily": "days", "weekly": "weeks", "monthly": "months", "yearly": "years"}


def keep_rules(given: dict[str, Any]) -> dict[str, Any]:
    """Return the rules of the `--keep-*` and `--max-*` options that were given."""
    return {name: value for name, value in given.items() if name.startswith(("keep_", "max_")) and value is not None}

"""`lifeboat config`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import PATH, confirm_option, dry_run_option, yes_option
from toolkit.cli.run import answer, session_of, work
from toolkit.cli.settings import Group, identity_options, settings

if TYPE_CHECKING:
    from toolkit.operations.prune import PruneReport
    from toolkit.operations.session import Session


@click.group("config", cls=Group)
def config_command() -> None:
    """Write, show, check and describe the configuration.

    None of these needs a vault, and none touches it; set-retention reads it, to say what other rules would delete.
    """


@config_command.command(
    "init",
    examples=(
        "lifeboat config init /srv/shop",
        "lifeboat config init /srv/shop --output shop.yaml --vault /backup/vault",
        "lifeboat config init /srv/shop --output -",
    ),
    exits=(ExitCode.FAILED, ExitCode.USAGE, ExitCode.REFUSED, ExitCode.NOTHING),
)
@click.argument("folder", type=PATH)
@click.option("-o", "--output", type=PATH, help="Write this file (`-`: print it) instead of the usual one.")
@click.option("--name", help="The profile's name (default: from the folder's).")
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
def init_command(folder: Path, output: Path | None, name: str | None, *, force: bool) -> None:
    """Write a configuration for a folder.

    It backs up what is in the folder now. SQLite databases are found by their content, whatever their names.
    With --vault the vault is written too. Nothing in the folder is changed.
    """
    from toolkit.cli.render.config import init_text
    from toolkit.operations import configuration

    given = settings()
    target = output or configuration.place(given.config, os.environ)
    report = configuration.init(folder, target, name=name, vault=given.vault, force=force, environ=os.environ)
    answer(report, init_text)


@config_command.command(
    "show", examples=("lifeboat config show", "lifeboat -c shop.yaml config show --json"), exits=(ExitCode.USAGE,)
)
def show_command() -> None:
    """Show the configuration in force.

    With its drop-ins laid over it and the defaults filled in; secrets are masked.
    """
    from toolkit.cli.render.config import config_text
    from toolkit.operations import configuration

    given = settings()
    answer(configuration.shown(given.config, os.environ, vault=given.vault), config_text)


@config_command.command(
    "validate",
    examples=(
        "lifeboat config validate",
        "lifeboat config validate /etc/lifeboat/config.yaml",
        "lifeboat config validate --drop-in /etc/lifeboat/config.d/shop.yaml",
        "lifeboat config validate - < shop.yaml",
    ),
    exits=(ExitCode.USAGE,),
)
@click.argument("file", required=False, type=PATH, metavar="[FILE|-]")
@click.option("--drop-in", is_flag=True, help="FILE is laid over the configuration in force.")
def validate_command(file: Path | None, *, drop_in: bool) -> None:
    """Check a configuration.

    File, line and key of everything that is wrong are named. Without FILE the configuration in force is
    checked, with its drop-ins. Ansible can use it as `validate: lifeboat config validate %s`.
    """
    from toolkit.cli.render.config import valid_text
    from toolkit.errors import UsageError
    from toolkit.operations import configuration

    if drop_in and file is None:
        raise UsageError("--drop-in needs a file", hint="lifeboat config validate --drop-in FILE")
    answer(configuration.validated(file, settings().config, os.environ, drop_in=drop_in), valid_text)


@config_command.command(
    "prove-key",
    examples=(
        "lifeboat config prove-key shop                      # here: prints a message",
        "age -d -i key.txt message.txt                       # where the private key is: prints a code",
        "lifeboat config prove-key shop --code ABCD-EFGH-IJKL-MNOP",
        "lifeboat config prove-key shop --accept             # it was proven on another server",
    ),
    exits=(ExitCode.USAGE, ExitCode.REFUSED, ExitCode.NOTHING),
)
@click.argument("profile")
@click.option("--code", help="The code that the message holds.")
@click.option("--accept", is_flag=True, help="Vouch that the private keys exist, and go on without proof.")
@identity_options
def prove_key_command(profile: str, *, code: str | None, accept: bool) -> None:
    """Prove that the private key of a profile's age recipients exists.

    This machine encrypts and cannot decrypt, so it never finds out by itself that nobody can. It prints a message;
    decrypt it where the private key is, and bring the code back. Until one key is proven, backups are refused. An
    identity that is configured, or given here, proves its key by itself.
    """
    from toolkit.cli.render.config import proof_text
    from toolkit.errors import UsageError
    from toolkit.operations import proofs

    if code and accept:
        raise UsageError("--code and --accept are two ways", hint="use one of them")
    session = session_of(settings())
    chosen = session.profile(profile)
    if code:
        report = proofs.answer(session, chosen, code)
    else:
        report = proofs.accept(session, chosen) if accept else proofs.ask(session, chosen)
    answer(report, proof_text)


@config_command.command(
    "set-retention",
    examples=(
        "lifeboat config set-retention shop daily=7 weekly=4 --dry-run",
        "lifeboat config set-retention shop max-age=90d monthly=none",
        "lifeboat config set-retention shop daily=3 --confirm 4",
    ),
    exits=(ExitCode.USAGE, ExitCode.REFUSED, ExitCode.NOTHING),
)
@click.argument("profile")
@click.argument("rules", nargs=-1, required=True, metavar="RULE=VALUE…")
@dry_run_option
@yes_option
@confirm_option
def set_retention_command(profile: str, rules: tuple[str, ...], **options: Any) -> None:
    """Change how many backups of a PROFILE are kept.

    Rules are hourly, daily, weekly, monthly, manual, emergency, safety, imported; keep-last, keep-hourly to
    keep-yearly; max-age and max-size; `none` takes one away. They are written to a drop-in of the configuration, which
    is checked first. Nothing is deleted now: the next backup does that, or `lifeboat prune`. What that would be is
    shown first (--dry-run: only that), and the number of backups asked for.
    """
    from toolkit.cli.render.removal import retention_text

    work("retention", [profile], lambda session, _: _set_retention(session, profile, rules, options), retention_text)


def _set_retention(session: Session, profile: str, rules: tuple[str, ...], options: dict[str, Any]) -> PruneReport:
    from toolkit.cli.prompts import confirm
    from toolkit.cli.render.removal import show_prune
    from toolkit.operations import retention_set

    planned = retention_set.plan(session, profile, rules)
    if options["dry_run"] or planned.plan is None:
        return planned
    given = settings()
    if planned.removed and not (options["yes"] or given.quiet or given.json or given.events):
        show_prune(planned)
    confirm(planned.plan, yes=options["yes"], word=options["confirm"])
    return retention_set.apply(session, profile, rules, given.config)


@config_command.command("schema", examples=("lifeboat config schema > lifeboat.schema.json",))
def schema_command() -> None:
    """Print the JSON Schema.

    It has every key of the configuration, its type and its default.
    """
    from toolkit.cli.render.config import config_text
    from toolkit.operations import configuration

    answer(configuration.described(), config_text)

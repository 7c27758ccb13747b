"""The global options, which may stand before or after the command's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import MEANINGS, ExitCode
from toolkit.cli.options import DURATION, PATH

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Settings:
    """What the global options say; one object for the whole run, kept in the Click context."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.vault: Path | None = None
        self.json = False
        self.events = False
        self.quiet = False
        self.verbose = 0
        self.color: bool | None = None
        self.lock_wait: float = 0.0
        self.detach = False
        self.identity: Path | None = None
        self.identity_command = ""
        self.digest: str | None = None


def settings() -> Settings:
    """Return the settings of the running command."""
    return click.get_current_context().ensure_object(Settings)


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def store(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value not in (None, False, 0):
            setattr(context.ensure_object(Settings), name, value)

    return store


def _no_color(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value:
        context.ensure_object(Settings).color = False
        context.color = False


def _lock_wait(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    try:
        seconds = float(value)
    except ValueError:
        seconds = DURATION.convert(value, parameter, context).total_seconds()
    if not 0 <= seconds < float("inf"):
        raise click.BadParameter("it cannot be negative", context, parameter)
    context.ensure_object(Settings).lock_wait = seconds


def global_options() -> list[click.Option]:
    """Return fresh instances of the global options."""
    return [
        click.Option(
            ["-c", "--config"],
            type=PATH,
            expose_value=False,
            callback=_store("config"),
            help="Read this configuration.",
        ),
        click.Option(["--vault"], type=PATH, expose_value=False, callback=_store("vault"), help="Use this vault."),
        click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=_store("json"), help="Print one JSON document."
        ),
        click.Option(
            ["--events"], is_flag=True, expose_value=False, callback=_store("events"), help="Stream events on stderr."
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_store("quiet"),
            help="Say only what is wrong.",
        ),
        click.Option(["-v", "--verbose"], count=True, expose_value=False, callback=_store("verbose"), help="Say more."),
        click.Option(
            ["--no-color"], is_flag=True, expose_value=False, callback=_no_color, help="No colours (or set NO_COLOR)."
        ),
        click.Option(
            ["--lock-wait"],
            metavar="TIME",
            expose_value=False,
            callback=_lock_wait,
            help="Wait this long for another run: 90 (seconds), 10m, 1h.",
        ),
        click.Option(
            ["--detach"], is_flag=True, expose_value=False, callback=_store("detach"), help="Run on after I log out."
        ),
    ]


def identity_options(command: Any) -> Any:
    """Add `--identity` and `--identity-command`, for what opens archives that are encrypted to age recipients."""
    by_file = click.option(
        "--identity",
        type=PATH,
        metavar="FILE",
        expose_value=False,
        callback=_store("identity"),
        help="The private key (age, or ssh-ed25519) that opens the backup; mode 0600.",
    )
    by_command = click.option(
        "--identity-command",
        metavar="COMMAND",
        expose_value=False,
        callback=_store("identity_command"),
        help="A command that prints this key, such as 'age -d key.age'.",
    )
    return by_file(by_command(command))


class Command(click.Command):
    """A command that takes the global options too; its help ends with examples and its exit codes."""

    def __init__(
        self, *args: Any, examples: tuple[str, ...] = (), exits: tuple[ExitCode, ...] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.global_options = global_options()
        self.examples = examples
        always = (ExitCode.DONE, ExitCode.USAGE, ExitCode.INTERRUPTED)
        self.exits = tuple(sorted({*always, *exits}))

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and the global ones."""
        return [*super().get_params(ctx), *self.global_options]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then one line on the global ones."""
        options = [parameter for parameter in super().get_params(ctx) if isinstance(parameter, click.Option)]
        rows = [row for option in options if (row := option.get_help_record(ctx)) is not None]
        if rows:
            with formatter.section("Options"):
                formatter.write_dl(rows)
        names = " ".join(option.opts[0] for option in self.global_options)
        with formatter.section("Global options (see `lifeboat --help`)"):
            formatter.write(f"{'':>{formatter.current_indent}}{names}\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and what the exit codes mean."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for line in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), MEANINGS[code]) for code in self.exits])


class Group(click.Group):
    """A group of commands such as `jobs`, whose commands take the global options."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help and end with the code for usage where no command is named."""
        if not args and not ctx.resilient_parsing:
            given = ctx.ensure_object(Settings)
            if given.json or given.events:
                ctx.fail(f"Which of its commands? There are: {', '.join(self.commands)}.")
            click.echo(ctx.get_help(), err=True)
            raise click.exceptions.Exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use, not of the alphabet."""
        del ctx
        return list(self.commands)


class LazyGroup(click.Group):
    """The top group: knows each command's module and one-line help, and imports it only when it is called."""

    command_class = Command

    def __init__(self, *args: Any, table: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table
        self.params.extend(global_options())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, which is the order of use."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None when there is no such name."""
        del ctx
        if cmd_name not in self.table:
            return None
        import importlib

        module = importlib.import_module(f"toolkit.cli.commands.{self.table[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the commands' names from the table, without importing any."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem

        fitting = {name: line for name, (_, line) in self.table.items() if name.startswith(incomplete)}
        return [CompletionItem(name, help=line) for name, line in fitting.items()]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command's name, and name the nearest one when there is none."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.table:
            import difflib

            near = difflib.get_close_matches(name, self.table, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            ctx.fail(f"No such command `{name}`.{hint}")
        return super().resolve_command(ctx, args)

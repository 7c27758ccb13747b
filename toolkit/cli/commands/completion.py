"""`lifeboat completion`."""

from __future__ import annotations

import click

from toolkit.cli.settings import Command

_CLICKS_TEST, _EVERY_TIME = "$zsh_eval_context[-1] == loadautofunc", "$funcstack[1] == _lifeboat"
"""Click's script for zsh completes only when it is loaded from `fpath`: the next time it would offer nothing."""


@click.command(
    "completion",
    cls=Command,
    examples=(
        "lifeboat completion bash > /etc/bash_completion.d/lifeboat",
        "lifeboat completion zsh > ~/.zfunc/_lifeboat",
        "lifeboat completion fish > ~/.config/fish/completions/lifeboat.fish",
    ),
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    A user who is not root can put `eval "$(lifeboat completion bash)"` into ~/.bashrc instead.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"there is no completion for {shell}")
    script = kind(context.find_root().command, {}, "lifeboat", "_LIFEBOAT_COMPLETE")
    # Not `source`: that starts a bash only to warn of versions that no supported system has any more.
    click.echo((script.source_template % script.source_vars()).replace(_CLICKS_TEST, _EVERY_TIME))

"""Commands that are named in a text, so that they can be typed as they stand."""

from __future__ import annotations

import re
import shlex

import click

from toolkit.cli.settings import Settings

_COMMAND = re.compile(r"\blifeboat (?=[a-z])")


def again(text: str, given: Settings | None = None) -> str:
    """Return `text` with the `--config` and `--vault` of this run in every `lifeboat VERB` that it names.

    Without them the command would look into another vault, or find no profile. `given` is what the running command
    was given, where nobody says.
    """
    context = click.get_current_context(silent=True)
    if given is None and context is not None:
        given = context.ensure_object(Settings)
    words = []
    if given is not None and given.config is not None:
        words += ["-c", str(given.config)]
    if given is not None and given.vault is not None:
        words += ["--vault", str(given.vault)]
    if not words:
        return text
    named = f"lifeboat {shlex.join(words)} "
    return _COMMAND.sub(lambda _: named, text)

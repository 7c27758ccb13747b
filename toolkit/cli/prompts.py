"""Questions before destructive steps. Never reached with `--yes` or without a terminal."""

from __future__ import annotations

import sys

import click

from toolkit.cli.render.progress import clear_line
from toolkit.cli.settings import settings
from toolkit.display import display
from toolkit.errors import NotConfirmedError
from toolkit.operations.plan import Plan
from toolkit.operations.restoring.plan import ClashRow


def has_terminal() -> bool:
    """Say whether somebody can be asked: stdin and stderr are terminals, and stderr is not for events."""
    return not settings().events and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def shows_plan(*, yes: bool) -> bool:
    """Say whether the plan is shown before it is confirmed: nobody is asked to confirm what was not seen."""
    given = settings()
    shown = not yes and (has_terminal() or not (given.quiet or given.json or given.events))
    if shown:
        clear_line()
    return shown


def confirm(plan: Plan, *, yes: bool, word: str | None = None) -> None:
    """Ask for what `plan` demands; return when it was given.

    `yes` confirms everything. `word` is the word given on the command line (`--confirm`). Raises
    `NotConfirmedError` (nothing was changed) when the answer is another one, or nobody can answer, and
    `OutdatedPlanError` when it is not the plan that `--digest` names.
    """
    plan.require_digest(settings().digest)
    if yes or plan.confirm == "none":
        return
    if word is not None:
        if word == plan.confirm_word:
            return
        raise NotConfirmedError("the word given with --confirm is not the one the plan asks for", hint=_hint(plan))
    if not has_terminal():
        raise NotConfirmedError("nobody confirmed the plan, and there is no terminal to ask at", hint=_hint(plan))
    if plan.confirm == "key":
        if click.confirm("Go on?", default=False, err=True):
            return
    else:
        answer = click.prompt(f"Type {display(plan.confirm_word)} to go on", default="", show_default=False, err=True)
        if answer == plan.confirm_word:
            return
    raise NotConfirmedError("not confirmed; nothing was changed")


def _hint(plan: Plan) -> str:
    return "look at the plan with --dry-run, then give --yes" + (
        f" or --confirm {plan.confirm_word}" if plan.confirm_word else ""
    )


_CLASH_KEYS = {"r": "replace", "s": "skip", "n": "rename", "w": "newer"}


def ask_clash(row: ClashRow, of_its_kind: int) -> tuple[str, bool]:
    """Ask what becomes of one clash; return the choice and whether it counts for all of the same kind."""
    clear_line()
    click.echo(f"{display(row.path)}: {row.kind} at the target", err=True)
    text = "  [r]eplace, [s]kip, re[n]ame, ne[w]er"
    if of_its_kind > 1:
        text += f" (a capital letter: for all {of_its_kind} of this kind)"
    while True:
        answer = click.prompt(text, default="", show_default=False, err=True).strip()
        choice = _CLASH_KEYS.get(answer.lower()[:1])
        if choice == "newer":
            choice = "skip" if row.kind == "newer" else "replace"
        if choice is not None:
            return choice, answer[:1].isupper()
        click.echo("  one of r, s, n, w; ctrl+c leaves everything as it is", err=True)

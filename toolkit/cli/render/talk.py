"""A report as text: data on stdout, warnings and notes on stderr.

What was done well needs no words where nobody looks: under cron a run that changed something and ended well
prints nothing at all, but a path that it chose: who did not name it cannot know it. -q leaves that out too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from toolkit.cli.again import again
from toolkit.cli.output import printing
from toolkit.cli.settings import Settings
from toolkit.display import display
from toolkit.operations.report import Ending, Report

MOST_WARNINGS = 20


def print_text(report: Report, lines: Sequence[str], settings: Settings) -> None:
    """Print the `lines` of a report, then what it warns of (all of it with -v). Raises `OutputError`."""
    silent = _is_silent(report, settings)
    with printing():
        for line in _results(report, settings) if silent else lines:
            click.echo(line)
    if settings.events:
        return
    shown = report.warnings if settings.verbose else report.warnings[:MOST_WARNINGS]
    for warning in shown:
        text = (
            f"{display(warning.message)}: {display(warning.subject)}" if warning.subject else display(warning.message)
        )
        click.echo(click.style("warning: ", fg="yellow") + text, err=True)
        if warning.hint:
            click.echo(f"  try: {display(again(warning.hint, settings))}", err=True)
    if len(report.warnings) > len(shown):
        click.echo(f"… and {len(report.warnings) - len(shown)} more warnings (-v shows them)", err=True)
    if not settings.quiet and not silent:
        for note in report.notes:
            click.echo(f"note: {display(again(note, settings))}", err=True)


def _results(report: Report, settings: Settings) -> Sequence[str]:
    return () if settings.quiet else [display(path) for path in report.results]


def _is_silent(report: Report, settings: Settings) -> bool:
    """Say whether the text is left out: work that ended well, with -q or without a terminal (-v prints it)."""
    if report.is_asked_for or report.ending is not Ending.DONE:
        return False
    return settings.quiet or not (settings.verbose or sys.stdout.isatty())

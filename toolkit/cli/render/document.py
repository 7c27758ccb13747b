"""The one JSON document that a command prints with `--json`."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.output import printing
from toolkit.events import Outcome
from toolkit.operations.report import Notice, Report, clean


def print_document(
    fields: dict[str, Any],
    *,
    outcome: Outcome,
    code: ExitCode,
    job: str | None = None,
    error: Notice | None = None,
    more: dict[str, int] | None = None,
) -> None:
    """Print `fields` in the envelope of DESIGN.md section 6 as one line of JSON on stdout. Raises `OutputError`."""
    problem = None if error is None else {**clean(msgspec.to_builtins(error)), **(more or {})}
    document = {"outcome": outcome.value, "exit": int(code), "job": job, **fields, "error": problem}
    line = msgspec.json.encode(document).decode()
    with printing():
        sys.stdout.write(f"{line}\n")


def print_report(report: Report, *, code: ExitCode, job: str | None = None) -> None:
    """Print the document of `report`."""
    print_document(report.document(), outcome=report.outcome, code=code, job=job)

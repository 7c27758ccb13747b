"""What happens when Lifeboat itself is wrong: a report in the log folder, a sentence for the user."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.settings import Settings
from toolkit.errors import LifeboatError


def report_bug(error: Exception, settings: Settings) -> int:
    """Write the traceback where it can be found again, say so, and return exit code 1."""
    from toolkit.cli.render.failure import show_error

    details = "".join(traceback.format_exception(error))
    if os.environ.get("LIFEBOAT_DEBUG"):
        import sys

        sys.stderr.write(details)
    place = _save(details)
    hint = f"please report it with the file {place}" if place else "run it again with LIFEBOAT_DEBUG=1 for the details"
    problem = LifeboatError(f"this is a bug in Lifeboat ({type(error).__name__}: {error})", hint=hint)
    problem.code = "bug"
    show_error(problem, settings, ExitCode.FAILED)
    return ExitCode.FAILED


def _save(details: str) -> Path | None:
    from toolkit.operations.session import bug_report_folder

    try:
        import secrets

        from toolkit import durable

        folder = bug_report_folder()
        durable.make_directory(folder)
        path = folder / f"bug-{secrets.token_hex(4)}.txt"
        durable.write_file(path, details.encode(errors="backslashreplace"))
    except OSError:
        return None
    return path

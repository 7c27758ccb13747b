"""Starting this same program again: as a job of its own that outlives whoever started it, or for a short answer.

Every act of the screens is one of these command lines, and nothing else; `--detach` comes here too.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolkit.display import display
from toolkit.errors import LifeboatError
from toolkit.jobs.identity import who
from toolkit.jobs.journal import new_spec
from toolkit.jobs.spawn import Spawned, spawn
from toolkit.operations.report import restored
from toolkit.operations.session import Session

PATIENCE = 60.0
"""Seconds that a short command may take."""

_OURS = "TEXTUAL_"
"""Variables that the launcher of the screens sets for itself only."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a short command answered: its exit code, what it says, and what to do next."""

    exit: int
    message: str = ""
    hint: str = ""


def program() -> list[str]:
    """Return the command that starts this same program again."""
    if sys.argv[0].endswith(".pyz") or Path(sys.argv[0]).name == "lifeboat":
        return [sys.executable, sys.argv[0]]
    return [sys.executable, "-m", "toolkit"]


def shown(words: Sequence[str]) -> str:
    """Return the command line of `words`, which follow `lifeboat`, as it can be typed."""
    return shlex.join(["lifeboat", *words])


def start(
    session: Session, words: Sequence[str], operation: str, *, targets: Sequence[str | Path] = (), cli: str = ""
) -> Spawned:
    """Start `lifeboat WORDS` as a detached job of `operation` on `targets`; return once it runs.

    `cli` is the line for its journal, where that is not the one of `words`. Raises `LifeboatError` with the last words
    of a command that ended before it was a job, `StorageError` or `ForbiddenError` without a journal.
    """
    spec = new_spec(operation, targets=tuple(targets), cli=cli or shown(words), by=who())
    return spawn([*program(), *words], session.state / "jobs", spec, env=_environment(session.environ))


def ask(session: Session, words: Sequence[str]) -> Reply:
    """Run `lifeboat WORDS`, which is over at once and needs no job, and return what it said.

    Raises `LifeboatError` when it cannot be started, or is not over after `PATIENCE` seconds.
    """
    ran = _ran(session, words)
    return _reply(ran.returncode, ran.stdout, ran.stderr)


def document(session: Session, words: Sequence[str]) -> dict[str, Any]:
    """Run `lifeboat WORDS --json`, which keeps no journal, and return its document with the names as they are.

    Raises `LifeboatError` with what the command says went wrong, or when it says nothing for `PATIENCE` seconds.
    """
    ran = _ran(session, words)
    reply = _reply(ran.returncode, ran.stdout, ran.stderr)
    try:
        found = restored(msgspec.json.decode(ran.stdout))
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict) or found.get("error"):
        raise LifeboatError(reply.message or f"exit code {reply.exit}", subject=shown(words), hint=reply.hint or None)
    return found


def _ran(session: Session, words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    command = [*program(), *words, "--json"]
    try:
        return subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(session.environ),
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LifeboatError("the command did not answer", subject=shown(words), hint=display(str(error))) from error


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in {**os.environ, **environ}.items() if not name.startswith(_OURS)}


class _Error(msgspec.Struct):
    message: str = ""
    hint: str | None = None


class _Document(msgspec.Struct):
    error: _Error | None = None
    notes: list[str] = []


def _reply(code: int, stdout: bytes, stderr: bytes) -> Reply:
    try:
        document = msgspec.json.decode(stdout, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        last = stderr.strip().splitlines()[-1:]
        return Reply(exit=code, message=display(last[0]) if last else f"exit code {code}")
    if document.error is not None:
        return Reply(exit=code, message=document.error.message, hint=document.error.hint or "")
    return Reply(exit=code, message="; ".join(document.notes))

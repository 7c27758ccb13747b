"""The ways to repair that are measured: Lifeboat's, through its command or its engine, and those of Debian's tools."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import machine

from tests.makers import corpus_contents
from toolkit.sqlite.account import Unproven

TIMEOUT = 120


@dataclass
class Ended:
    """How a way ended: exit code (-1: it raised what it should not), seconds, what it said, what it accounts for."""

    code: int = 0
    seconds: float = 0.0
    said: str = ""
    account: dict[str, Any] = field(default_factory=dict)


def environment(folder: Path) -> dict[str, str]:
    """Return an environment whose places all lie in `folder`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    places = ("CONFIGURATION", "STATE", "CACHE", "LOGS", "RUNTIME")
    made = {f"{name}_DIRECTORY": str(folder / name.lower()) for name in places}
    xdg = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    return {**kept, **made, **xdg, "HOME": str(folder), "LIFEBOAT_LOCK_DIR": str(folder / "lock"), "TZ": "UTC"}


def _command(arguments: list[str], folder: Path) -> tuple[Ended, dict[str, Any]]:
    began = time.monotonic()
    home = folder / "home"
    home.mkdir(exist_ok=True)
    try:
        done = subprocess.run(
            [*machine.lifeboat_command(), *arguments],
            env=environment(home),
            capture_output=True,
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended(-1, TIMEOUT, "it did not end"), {}
    ended = Ended(done.returncode, time.monotonic() - began, done.stderr.decode(errors="replace")[-600:])
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return ended, {}
    return ended, document


def repair_command(damaged: Path, output: Path, backup: Path | None, folder: Path, unproven: Unproven) -> Ended:
    """Repair as a user does."""
    words = ["--output", str(output), "--refill", str(backup) if backup else "none", "--refill-unproven", unproven]
    ended, document = _command(["repair", str(damaged), *words, "--json"], folder)
    ended.account = document
    return ended


def diagnose_command(damaged: Path, folder: Path) -> Ended:
    """Diagnose as a user does."""
    ended, document = _command(["diagnose", str(damaged), "--json"], folder)
    ended.account = {"codes": _codes(document)}
    return ended


def _codes(document: dict[str, Any]) -> list[str]:
    findings = [one for target in document.get("targets", []) for one in target.get("findings", [])]
    return sorted({f"{one.get('code')}" for one in findings if one.get("severity") != "notice"})


def repair_engine(damaged: Path, output: Path, backup: Path | None, folder: Path, unproven: Unproven = "in") -> Ended:
    """Repair in this process, for developing: exit codes are made from the account as the command makes them."""
    from toolkit.errors import LifeboatError
    from toolkit.sqlite import salvage

    scratch = folder / "scratch"
    scratch.mkdir()
    private = folder / "private"
    private.mkdir()
    source = corpus_contents.copy_set(damaged, private / damaged.name)
    began = time.monotonic()
    try:
        account = salvage.repair(source, output, scratch=scratch, reference=backup)
        if backup is not None:
            with contextlib.suppress(ImportError):
                from toolkit.sqlite.refill import refill

                tables = refill(output, backup, account.tables, scratch=scratch, unproven=unproven)
                account = replace(account, tables=tables)
    except LifeboatError as error:
        output.unlink(missing_ok=True)  # a command that fails leaves nothing
        return Ended(4, time.monotonic() - began, f"{type(error).__name__}: {error.message}")
    except Exception:  # noqa: BLE001 (this is what is looked for)
        return Ended(-1, time.monotonic() - began, traceback.format_exc(limit=-4))
    said = f"{account.strategy}: {account.reason} {' | '.join((*account.said, *account.doubts))}"
    figures = {
        name: {key: getattr(one, key) for key in ("read", "carved", "refilled", "lost", "doubtful", "unproven")}
        | {"gaps": len(one.gaps)}
        for name, one in account.tables.items()
        if not one.whole or one.carved or one.refilled
    }
    found = {"strategy": account.strategy, "tables": figures, "unplaced": account.unplaced}
    return Ended(0 if account.whole else 3, time.monotonic() - began, said[:800], found)


def diagnose_engine(damaged: Path, folder: Path) -> Ended:
    """Diagnose in this process through the command's own code."""
    from tests.makers.commands import lifeboat

    home = folder / "home"
    home.mkdir(exist_ok=True)
    os.environ.update(environment(home))
    began = time.monotonic()
    try:
        ran = lifeboat("diagnose", damaged, "--json")
    except BaseException:  # noqa: BLE001 (this is what is looked for)
        return Ended(-1, time.monotonic() - began, traceback.format_exc(limit=-4))
    ended = Ended(ran.code, time.monotonic() - began, ran.stderr[-400:])
    with contextlib.suppress(ValueError):
        ended.account = {"codes": _codes(ran.document)}
    return ended


def _shell(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sqlite3", "-batch", *arguments], capture_output=True, timeout=TIMEOUT, check=False, **options
    )


def _as_is(copy: Path, output: Path) -> None:
    corpus_contents.copy_set(copy, output)


def _dump(copy: Path, output: Path) -> None:
    """The classic: .dump, with the ROLLBACK at its end turned to COMMIT."""
    text = _shell(str(copy), ".dump").stdout
    text = text.replace(b"ROLLBACK; -- due to errors", b"COMMIT;")
    _shell(str(output), input=text)


def _vacuum(copy: Path, output: Path) -> None:
    _shell(str(copy), f"VACUUM INTO '{output}'")


def _reindex(copy: Path, output: Path) -> None:
    _shell(str(copy), "REINDEX")
    corpus_contents.copy_set(copy, output)


BASELINES: dict[str, Callable[[Path, Path], None]] = {
    "as is": _as_is,
    ".dump": _dump,
    "VACUUM INTO": _vacuum,
    "REINDEX": _reindex,
}


def baseline(way: str, damaged: Path, folder: Path) -> Path:
    """Repair by one of Debian's tools; return where the result is, which need not exist."""
    work = Path(tempfile.mkdtemp(dir=folder))
    copy = corpus_contents.copy_set(damaged, work / "copy.db")
    output = work / "output.db"
    with contextlib.suppress(subprocess.TimeoutExpired):
        BASELINES[way](copy, output)
    return output


def clear(folder: Path) -> None:
    """Remove a folder of a case."""
    shutil.rmtree(folder, ignore_errors=True)

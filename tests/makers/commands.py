"""The `lifeboat` command run inside the test's own process, and the small applications that it is run on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.makers import databases

VOUCH = () if os.geteuid() == 0 else ("--assume-unused",)
"""What an ordinary user adds where files are replaced: it cannot see who else has them open."""


@dataclass(frozen=True)
class Ran:
    """How a command ended: exit code and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


def lifeboat(*arguments: object, stdin: str = "") -> Ran:
    """Run `lifeboat` with `arguments` in this process, without a terminal, but with its words (`-v`)."""
    from toolkit.cli.main import run

    words = [str(argument) for argument in arguments]
    words = words if {"--json", "-q"} & set(words) else ["-v", *words]
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    argv, source = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["lifeboat", *words], io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words)
    finally:
        sys.argv, sys.stdin = argv, source
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return Ran(code, *texts)


def application(folder: Path, *, orders: int = 20) -> Path:
    """Make a small application in `folder`: an SQLite database, a few uploads, a symlink; return the folder."""
    (folder / "uploads").mkdir(parents=True)
    databases.shop(folder / "shop.db", orders=orders)
    for number in range(3):
        (folder / "uploads" / f"{number}.txt").write_bytes(f"upload {number}\n".encode() * 50)
    (folder / "uploads" / "latest").symlink_to("2.txt")
    return folder


def backed_up(app: Path, vault: Path, *options: object) -> str:
    """Back `app` up into `vault` and return the id of the backup."""
    ran = lifeboat("backup", app, "--vault", vault, "--json", *options)
    assert ran.code == 0, ran.stderr + ran.stdout
    ident: str = ran.document["backups"][0]["id"]
    return ident

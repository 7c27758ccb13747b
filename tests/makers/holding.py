"""Processes that keep a database locked."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_CODE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
for statement in sys.argv[2:]:
    connection.execute(statement)
print(flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def locked(path: Path, *statements: str) -> Iterator[int]:
    """Give the id of a process that has run `statements` on `path` and waits; it ends with the block."""
    command = [sys.executable, "-c", _CODE, path, *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process.pid
        process.kill()

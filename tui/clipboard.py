"""Copying text to where the user sits: through tmux, or by an escape sequence, and always into a file."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from toolkit import durable
from toolkit.errors import LifeboatError

FILE = "last-copy.txt"
MOST = 74_994
"""Characters of base64 that terminals take in one OSC 52 sequence (as k9s limits it)."""


def copy(text: str, *, environ: Mapping[str, str], state: Path, send: Callable[[str], None]) -> str:
    """Copy `text` and return which way was tried, in words: nobody can know whether the terminal took it.

    Inside tmux its own buffer (a stock tmux drops OSC 52), else OSC 52 through `send`; `STATE/last-copy.txt` too.
    """
    ways = []
    if environ.get("TMUX") and shutil.which("tmux"):
        ways += ["tmux"] if _tmux(text) else []
    else:
        encoded = base64.b64encode(text.encode(errors="surrogateescape")).decode()
        if len(encoded) <= MOST:
            send(f"\x1b]52;c;{encoded}\a")
            ways.append("the terminal (OSC 52)")
    try:
        with durable.translated(state):
            durable.make_directory(state)
            durable.write_file(state / FILE, text.encode(errors="surrogateescape") + b"\n")
        ways.append(str(state / FILE))
    except LifeboatError:
        pass
    return f"sent to {' and '.join(ways)}" if ways else "there is no way to copy from here"


def _tmux(text: str) -> bool:
    command = ["tmux", "load-buffer", "-w", "-"]
    try:
        ran = subprocess.run(
            command, input=text.encode(errors="surrogateescape"), capture_output=True, timeout=2, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0

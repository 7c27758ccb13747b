"""Running crontab and systemctl: one place where their failures become ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from toolkit.errors import ServiceError

TIMEOUT = 60.0
RUNTIME = Path("/run/user")
"""Where a user's systemd listens, in a folder with the number of the user (pam_systemd(8))."""

_NO_CRONTAB = "no crontab for"


def _environment() -> dict[str, str]:
    """Return ours, with the way to the user's systemd, which `sudo -u` and Ansible's `become_user` do not give."""
    own = RUNTIME / str(os.getuid())
    there = {"XDG_RUNTIME_DIR": str(own)} if "XDG_RUNTIME_DIR" not in os.environ and own.is_dir() else {}
    return {**os.environ, **there}


def run(command: Sequence[str], text: str) -> str:
    """Run `command` with `text` as its input and return what it printed; a user without a crontab has an empty one.

    Raises `ServiceError` when it is not there (or not for us: after `su` PATH can name folders that are closed), fails,
    or takes longer than a minute.
    """
    name = command[0]
    try:
        done = subprocess.run(
            list(command),
            env=_environment(),
            input=text.encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise ServiceError(
            f"the command {name} is not installed", subject=name, hint="choose the other kind, or install it"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"it did not end within {TIMEOUT:.0f} s", subject=" ".join(command)) from error
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode and not (list(command) == ["crontab", "-l"] and _NO_CRONTAB in said):
        last = said.splitlines()[-1] if said else f"exit code {done.returncode}"
        raise ServiceError(f"it failed: {last}", subject=" ".join(command))
    return done.stdout.decode(errors="replace")

"""The application's own smoke tests: on a rehearsed copy, or on the live database after a rescue."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from toolkit.jobs.context import Job
from toolkit.profile.model import Profile

TIMEOUT = 300.0
"""Seconds that one smoke test may take."""

PATIENCE = 60.0
"""Seconds in which an application that was just started must begin to pass."""

_PAUSE = 0.5


def failures(profile: Profile, databases: Sequence[str], *, root: str = "") -> list[str]:
    """Run each test of `profile`, once for each of `databases` where it names {database}; return what failed.

    `root` is what {root} stands for: the folder of a rehearsal, nothing for the live application.
    """
    errors = []
    for command in profile.smoke:
        words = [word.replace("{root}", root) for word in command]
        if not any("{database}" in word for word in words):
            errors += run(words)
            continue
        for place in databases:
            errors += run([word.replace("{database}", place) for word in words])
    return errors


def until_passed(profile: Profile, databases: Sequence[str], job: Job, *, patient: bool) -> list[str]:
    """Run the tests on the live application until they pass; where it was just started (`patient`), for a while.

    Returns what still fails.
    """
    deadline = time.monotonic() + (PATIENCE if patient else 0.0)
    while True:
        errors = failures(profile, databases)
        if not errors or time.monotonic() >= deadline:
            return errors
        job.log("info", "smoke", f"not yet: {errors[0]}")
        time.sleep(_PAUSE)


def run(words: Sequence[str]) -> list[str]:
    """Run one test; return what failed."""
    try:
        done = subprocess.run(list(words), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False)
    except FileNotFoundError:
        return [f"smoke test: there is no command {words[0]}"]
    except PermissionError:
        return [f"smoke test: {words[0]} cannot be run"]
    except subprocess.TimeoutExpired:
        return [f"smoke test {words[0]}: no end after {TIMEOUT:.0f} s"]
    if done.returncode == 0:
        return []
    said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return [f"smoke test {words[0]}: ended with {done.returncode}{': ' + said[-1] if said else ''}"]

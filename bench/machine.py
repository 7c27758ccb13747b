"""What the figures hold for: the machine, the versions of everything, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "sqlite3": "sqlite3",
    "zstd": "zstd",
    "tar": "tar",
    "restic": "restic",
    "borg": "borgbackup",
    "time": "time",
}
"""Commands of the measurement and the Debian packages that have them."""

_VERSIONS = {
    "sqlite3": ["sqlite3", "-version"],
    "zstd": ["zstd", "--version"],
    "tar": ["tar", "--version"],
    "restic": ["restic", "version"],
    "borg": ["borg", "--version"],
}


def missing() -> list[str]:
    """Return the Debian packages that are not installed."""
    return [package for command, package in PACKAGES.items() if shutil.which(command) is None]


def describe(folder: Path) -> dict[str, str]:
    """Return what is worth knowing of this machine, by name."""
    found = {
        "processor": f"{os.cpu_count()} cores, {_cpu_model()}",
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "system": f"{_pretty_name()}, Linux {platform.release()}",
        "file system": _file_system(folder),
        "Python": f"{platform.python_version()} with SQLite {sqlite3.sqlite_version}",
    }
    for name, command in _VERSIONS.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        line = (done.stdout or done.stderr).strip().splitlines()[0]
        found[name] = " ".join(line.replace("***", "").split()[:6]).rstrip(",")
    found["lifeboat"] = _lifeboat()
    return found


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def lifeboat_command() -> list[str]:
    """Return the command that runs the Lifeboat beside this interpreter."""
    script = Path(sys.executable).with_name("lifeboat")
    return [str(script)] if script.exists() else [sys.executable, "-m", "toolkit"]


def _lifeboat() -> str:
    done = subprocess.run([*lifeboat_command(), "--version"], capture_output=True, text=True, check=True)
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return f"{done.stdout.strip()} ({commit.stdout.strip() or 'no repository'})"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _pretty_name() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _file_system(folder: Path) -> str:
    done = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

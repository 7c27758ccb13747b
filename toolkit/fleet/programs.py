"""Where Ansible's programs are, and the environment in which they run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from toolkit.errors import FleetError

_ENSURED = {
    "ANSIBLE_HOST_KEY_CHECKING": "True",
    "ANSIBLE_NOCOLOR": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "ANSIBLE_DEPRECATION_WARNINGS": "False",
    "ANSIBLE_SSH_PIPELINING": "True",
}
"""Set for every run. ansible-runner switches the check of host keys off unless it is told otherwise."""


def program(name: str, environ: Mapping[str, str]) -> str:
    """Return the path of a program of Ansible: beside our own Python, else on PATH. Raises `FleetError` without one."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name, path=environ.get("PATH"))
    if found is None:
        raise FleetError(
            "Ansible is not installed beside Lifeboat", subject=name, hint="in a checkout: pipx install '.[fleet]'"
        )
    return found


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a run: `environ`, our own Python's programs first, and host keys always checked."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    return {**environ, **_ENSURED, "PATH": path}

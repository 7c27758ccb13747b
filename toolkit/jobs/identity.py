"""Who runs this, on which boot of the machine, and which process is which."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from toolkit.events import By

_UNSET = 2**32 - 1
"""The login uid of what no login started (proc(5))."""


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _terminal() -> str | None:
    for fd in (0, 1, 2):
        with contextlib.suppress(OSError):
            return os.ttyname(fd)
    return None


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def _address(environment: Mapping[str, str]) -> str | None:
    for name in ("SSH_CONNECTION", "SSH_CLIENT"):
        if environment.get(name):
            return environment[name].split()[0]
    return None


def _address_of_ancestors() -> str | None:
    """Return the address in the environment of the nearest ancestor that has one: `sudo` takes it out of ours."""
    pid = os.getpid()
    with contextlib.suppress(OSError, ValueError, IndexError):
        for _ in range(16):
            pid = _parent(pid)
            if pid <= 1:
                return None
            with open(f"/proc/{pid}/environ", "rb") as file:
                pairs = (os.fsdecode(pair).partition("=") for pair in file.read().split(b"\0"))
                address = _address({name: value for name, _, value in pairs})
            if address is not None:
                return address
    return None


def _login_user(uid: int) -> str | None:
    """Return the user that logged in, when it is not `uid`: the kernel keeps it through su and sudo."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/loginuid", "rb") as file:
        login = int(file.read())
        if login not in (_UNSET, uid):
            return _user_name(login)
    return None


def who(environment: Mapping[str, str] | None = None) -> By:
    """Return who runs this process: user, the user behind sudo, doas or su, terminal, address of the SSH client.

    The user comes from the kernel; the rest is what the environment says and can be forged by that user.
    """
    variables = os.environ if environment is None else environment
    uid = os.geteuid()
    return By(
        user=_user_name(uid),
        sudo_user=variables.get("SUDO_USER") or variables.get("DOAS_USER") or _login_user(uid),
        tty=_terminal(),
        from_=_address(variables) or _address_of_ancestors(),
    )


def boot_id() -> str:
    """Return the id of this boot of the machine (random(4)); empty where the system has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int:
    """Return when process `pid` started, in clock ticks since boot (field 22 of proc(5) stat); 0 when it is gone.

    Together with the boot id it tells a process from a later one with the same number.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0

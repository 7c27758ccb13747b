"""Where Lifeboat's own files are: FHS for root, XDG for users, and what systemd assigns to a service.

Each function is a pure function of (environment, user id) and answers with an absolute path; only
`make_lock_directory` touches the disk. Sources: Filesystem Hierarchy Standard 3.0, XDG Base Directory
Specification 0.8 (relative values are ignored), systemd.exec(5) for `STATE_DIRECTORY` and friends (several
folders are separated by colons, the first is ours).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from toolkit import durable
from toolkit.errors import ConfigError, RefusedError

NAME = "lifeboat"
Environ = Mapping[str, str]


def _assigned(environ: Environ, variable: str) -> Path | None:
    first = environ.get(variable, "").split(":")[0]
    return Path(first) if first.startswith("/") else None


def _home(environ: Environ) -> Path:
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise ConfigError("the environment names no home directory", hint="set HOME, or the XDG directories")
    return Path(home)


def _xdg(environ: Environ, variable: str, default: str) -> Path:
    return _assigned_whole(environ, variable) or _home(environ) / default


def _assigned_whole(environ: Environ, variable: str) -> Path | None:
    value = environ.get(variable, "")
    return Path(value) if value.startswith("/") else None


def config_directory(environ: Environ, uid: int) -> Path:
    """Return the folder of the configuration: `/etc/lifeboat`, or `~/.config/lifeboat`."""
    if assigned := _assigned(environ, "CONFIGURATION_DIRECTORY"):
        return assigned
    return Path("/etc", NAME) if uid == 0 else _xdg(environ, "XDG_CONFIG_HOME", ".config") / NAME


def config_file(environ: Environ, uid: int) -> Path:
    """Return the configuration that is read when neither `--config` nor `LIFEBOAT_CONFIG` names one."""
    return config_directory(environ, uid) / "config.yaml"


def drop_in_directory(config: Path) -> Path:
    """Return the folder of the drop-ins that belong to the configuration file `config`."""
    return config.parent / "config.d"


def state_directory(environ: Environ, uid: int) -> Path:
    """Return where journals, tokens and the health file are kept."""
    if assigned := _assigned(environ, "STATE_DIRECTORY"):
        return assigned
    return Path("/var/lib", NAME) if uid == 0 else _xdg(environ, "XDG_STATE_HOME", ".local/state") / NAME


def vault_directory(environ: Environ, uid: int) -> Path:
    """Return the vault that is used when nothing names another."""
    if assigned := _assigned(environ, "STATE_DIRECTORY"):
        return assigned / "vault"
    if uid == 0:
        return Path("/var/lib", NAME, "vault")
    return _xdg(environ, "XDG_DATA_HOME", ".local/share") / NAME / "vault"


def cache_directory(environ: Environ, uid: int) -> Path:
    """Return where things are kept that can be made again."""
    if assigned := _assigned(environ, "CACHE_DIRECTORY"):
        return assigned
    return Path("/var/cache", NAME) if uid == 0 else _xdg(environ, "XDG_CACHE_HOME", ".cache") / NAME


def run_directory(environ: Environ, uid: int) -> Path:
    """Return where things are kept that end with the boot; a user without a session gets a folder in the state."""
    if assigned := _assigned(environ, "RUNTIME_DIRECTORY"):
        return assigned
    if uid == 0:
        return Path("/run", NAME)
    session = _assigned_whole(environ, "XDG_RUNTIME_DIR")
    return session / NAME if session else state_directory(environ, uid) / "run"


def log_directory(environ: Environ, uid: int) -> Path:
    """Return where logs and the audit log are written."""
    if assigned := _assigned(environ, "LOGS_DIRECTORY"):
        return assigned
    return Path("/var/log", NAME) if uid == 0 else state_directory(environ, uid) / "log"


def lock_directory(environ: Environ, uid: int) -> Path:  # noqa: ARG001 - one signature for all
    """Return the folder of the locks, the same for all users of the machine so that they exclude each other.

    `LIFEBOAT_LOCK_DIR` names another, for containers that have no `/run/lock`.
    """
    return _assigned_whole(environ, "LIFEBOAT_LOCK_DIR") or Path("/run/lock", NAME)


def make_lock_directory(environ: Environ, uid: int) -> Path:
    """Create the folder of the locks when it is absent, writable for all and sticky (mode 1777); return it.

    Root takes over a folder that a user was the first to make. A user who may not create it gets
    `run_directory()/locks` (0700) instead, where only the user's own runs exclude each other. Raises
    `RefusedError` when the name is a link or no folder.
    """
    shared = lock_directory(environ, uid)
    try:
        _make_shared(shared, uid)
    except OSError as error:
        if uid == 0 or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise durable.translate(error, subject=shared) from error
    else:
        return shared
    private = run_directory(environ, uid) / "locks"
    with durable.translated(private):
        durable.make_directory(private)
    return private


def _make_shared(path: Path, uid: int) -> None:
    durable.make_directory(path.parent, mode=0o755)
    durable.make_directory(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            message = "the folder of the locks is a link or no folder"
            raise RefusedError(message, subject=path, hint="remove it") from None
        raise
    try:
        status = os.fstat(fd)
        if uid == 0 and status.st_uid != 0:
            os.fchown(fd, 0, 0)
        if uid in (0, status.st_uid):
            os.fchmod(fd, 0o1777)
    finally:
        os.close(fd)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "the folder of the locks is closed to this user", str(path))

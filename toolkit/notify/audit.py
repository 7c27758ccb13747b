"""The audit log: who did what to which data, from where, and how it ended. One JSON line for each operation.

It is only ever appended to, and opened anew for each line, so that logrotate can move it away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.display import display
from toolkit.errors import LifeboatError
from toolkit.events import By, Outcome
from toolkit.masking import Mask

FILE_NAME = "audit.log"


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `by` says who and from where; `changed` whether anything was; `error` is the error's code."""

    ts: datetime
    job: str
    operation: str
    targets: tuple[str, ...] = ()
    by: By = By()
    host: str = ""
    outcome: Outcome = Outcome.OK
    exit: int = 0
    changed: bool = False
    summary: str = ""
    error: str = ""


def _safe(record: AuditRecord, mask: Mask) -> AuditRecord:
    def line(text: str) -> str:
        return display(mask.text(text), width=1000)

    by = record.by
    return msgspec.structs.replace(
        record,
        operation=line(record.operation),
        targets=tuple(line(target) for target in record.targets),
        by=By(line(by.user), by.sudo_user and line(by.sudo_user), by.tty and line(by.tty), by.from_ and line(by.from_)),
        host=line(record.host or socket.gethostname()),
        summary=line(record.summary),
        error=line(record.error),
    )


def record_operation(
    directory: Path, record: AuditRecord, *, mask: Mask | None = None, mode: int = 0o600
) -> LifeboatError | None:
    """Append `record` to `directory`/audit.log, durably, with one write; names and texts as `display` shows them.

    The file gets `mode` when it is made (0o660 for a vault of a group). An operation never fails for want
    of its audit line: what went wrong is returned, to be said as a warning.
    """
    line = msgspec.json.encode(_safe(record, mask if mask is not None else Mask())) + b"\n"
    try:
        if not directory.is_dir():
            folder_mode = 0o700 if mode == 0o600 else 0o770
            durable.make_directory(directory, mode=folder_mode)
            directory.chmod(folder_mode)
        _append(directory / FILE_NAME, line, mode)
    except OSError as error:
        return durable.translate(error, subject=directory / FILE_NAME)
    return None


def _wait_for_turn(fd: int) -> bool:
    """Wait for whoever appends now, so that half a line is not taken for a torn one; a second at most."""
    for _ in range(100):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False


def _append(path: Path, line: bytes, mode: int) -> None:
    durable.on_step("append", str(path))
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        fd = os.open(path, flags | os.O_CREAT, mode)
        with contextlib.suppress(PermissionError):  # another member of the group made it a moment ago
            os.fchmod(fd, mode)
        durable.sync_directory(path.parent)
    with os.fdopen(fd, "r+b", buffering=0) as file:
        settled = _wait_for_turn(fd)
        size = os.fstat(fd).st_size
        if settled and size and os.pread(fd, 1, size - 1) != b"\n":  # half a line, from a disk that was full
            line = b"\n" + line
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        durable.on_step("sync", str(path))
        os.fsync(fd)

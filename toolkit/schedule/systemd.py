"""Entries as systemd units: a hardened service and a timer for each (systemd.exec(5), systemd.timer(5)).

The units are ours by their first line: only such files are replaced or removed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from toolkit import durable
from toolkit.errors import RefusedError
from toolkit.schedule.cron import Run
from toolkit.schedule.entries import Entry
from toolkit.schedule.times import When, span_of

SYSTEM = Path("/etc/systemd/system")
LINGER = Path("/var/lib/systemd/linger")
"""A file for each user whose manager runs from the boot on (loginctl(1)), not only while they are logged in."""
PREFIX = "lifeboat-"
MARK = "# Written by `lifeboat schedule install`, and written anew by it: change the configuration instead."
MOST_DELAY = timedelta(minutes=10)

_CAPABILITIES = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_SYS_PTRACE"
"""What reading everything, giving owners back and seeing who holds a file (proc(5)) take."""

_HARDENING = f"""\
Nice=10
IOSchedulingClass=idle
UMask=0077
CapabilityBoundingSet={_CAPABILITIES}
NoNewPrivileges=yes
LockPersonality=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""
"""What a backup has no need of. It reads whatever there is, so homes stay visible."""


@dataclass(frozen=True, slots=True)
class Manager:
    """Which systemd: the system's or that of a `user`; where its units lie, and how it is asked.

    `writable` are the folders that a service may write to, beside its private temporary one.
    """

    folder: Path
    run: Run
    user: bool = False
    writable: tuple[str, ...] = ()

    def control(self, *words: str) -> str:
        """Run systemctl and return what it printed; raises `ServiceError`."""
        return self.run(("systemctl", *(("--user",) if self.user else ()), *words), "")


def user_folder(config_home: Path) -> Path:
    """Return where the units of a user lie."""
    return config_home / "systemd" / "user"


def service_text(entry: Entry, program: Sequence[str], manager: Manager) -> str:
    """Return the service that runs one entry once. A user's manager can do without the hardening that needs root."""
    command = " ".join(_word(word) for word in (*program, *entry.arguments))
    places = "".join(f"ReadWritePaths={_word('-' + place)}\n" for place in manager.writable)
    return (
        f"{MARK}\n[Unit]\nDescription=Lifeboat: {entry.name}\n"
        "Wants=network-online.target\nAfter=network-online.target\n\n"
        f"[Service]\nType=oneshot\nExecStart={command}\n{'' if manager.user else _HARDENING + places}"
    )


def timer_text(entry: Entry) -> str:
    """Return the timer of one entry: caught up after the machine was off, and late by up to ten minutes.

    The delay differs by machine, so that servers do not come to a destination all at once.
    """
    return (
        f"{MARK}\n[Unit]\nDescription=Lifeboat: {entry.name}, {entry.when}\n\n[Timer]\n{_triggers(entry.when)}"
        f"RandomizedDelaySec={_delay(entry.when)}\nUnit={PREFIX}{entry.name}.service\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _triggers(when: When) -> str:
    if when.calendar is not None:
        return f"OnCalendar={when.calendar}\nPersistent=true\n"
    return f"OnBootSec=5min\nOnUnitActiveSec={int(when.span.total_seconds())}s\n"


def _delay(when: When) -> int:
    return int(min(MOST_DELAY, span_of(when) / 10).total_seconds())


def _word(word: str) -> str:
    """Return one word of ExecStart=, in which $ and % mean something (systemd.service(5), "Command lines")."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    plain = all(letter.isalnum() or letter in "/._-=@:,+%" for letter in escaped)
    return escaped if plain and escaped else f'"{escaped}"'


def timer_of(entry: Entry) -> str:
    """Return the name of the timer of an entry."""
    return f"{PREFIX}{entry.name}.timer"


def units(entries: Sequence[Entry], program: Sequence[str], manager: Manager) -> dict[str, str]:
    """Return the content of each unit file by its name."""
    found = {}
    for entry in entries:
        found[f"{PREFIX}{entry.name}.service"] = service_text(entry, program, manager)
        found[timer_of(entry)] = timer_text(entry)
    return found


def installed(manager: Manager) -> dict[str, str]:
    """Return the unit files that are ours, by name, with their content."""
    found = {}
    with durable.translated(manager.folder):
        for name in sorted(os.listdir(manager.folder)) if manager.folder.is_dir() else ():
            if name.startswith(PREFIX) and name.endswith((".service", ".timer")):
                text = (manager.folder / name).read_text(errors="replace")
                if text.startswith(MARK):
                    found[name] = text
    return found


def install(entries: Sequence[Entry], program: Sequence[str], manager: Manager) -> bool:
    """Write the units of `entries`, remove those of entries that are gone, enable and start the timers.

    Answers whether anything changed. Raises `RefusedError` for a file of that name that is not ours, with nothing
    changed, `StorageError`, `ServiceError`.
    """
    wanted, there = units(entries, program, manager), installed(manager)
    foreign = [name for name in wanted if name not in there and (manager.folder / name).exists()]
    if foreign:
        raise RefusedError(
            "a unit of this name was not written by Lifeboat",
            subject=manager.folder / foreign[0],
            hint="move it away, then install again",
        )
    gone = [name for name in there if name not in wanted]
    changed = [name for name, text in wanted.items() if there.get(name) != text]
    _disable(manager, [name for name in gone if name.endswith(".timer")])
    with durable.translated(manager.folder):
        durable.make_directory(manager.folder, mode=0o755)
        for name in gone:
            durable.remove(manager.folder / name)
        for name in changed:
            durable.write_file(manager.folder / name, wanted[name].encode(), mode=0o644)
    if gone or changed:
        manager.control("daemon-reload")
    timers = [name for name in wanted if name.endswith(".timer")]
    if timers:
        manager.control("enable", *timers)
        manager.control("restart" if changed else "start", *timers)
    return bool(gone or changed)


def remove(manager: Manager) -> bool:
    """Stop, disable and remove every unit that is ours; answer whether there was any."""
    return install((), (), manager) if installed(manager) else False


def _disable(manager: Manager, timers: Sequence[str]) -> None:
    if timers:
        manager.control("disable", "--now", *timers)


def running(manager: Manager) -> frozenset[str]:
    """Return the names of our timers that systemd has active; raises `ServiceError` when it does not answer."""
    listed = manager.control("list-units", "--type=timer", "--state=active", "--plain", "--no-legend", f"{PREFIX}*")
    return frozenset(line.split()[0] for line in listed.splitlines() if line.split())

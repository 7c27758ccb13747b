"""Units: systemd itself finds nothing wrong with them; only ours are replaced, removed, started."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from toolkit.errors import RefusedError
from toolkit.schedule import systemd
from toolkit.schedule.entries import Entry
from toolkit.schedule.times import Every, parse_at

DAILY = Entry("shop-daily", "shop", ("backup", "shop", "--note", 'a "b" $HOME 100% \\x'), parse_at("03:00"))
ODD = Entry("shop-odd", "shop", ("backup", "shop"), Every(timedelta(hours=7)))
SYNC = Entry("sync", "", ("sync",), Every(timedelta(minutes=15)))
PROGRAM = ("/bin/echo",)


class Control:
    """Takes the words that systemctl would get."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def run(self, command: Sequence[str], _text: str) -> str:
        self.said.append(" ".join(command))
        return ""


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
def manager(tmp_path: Path, control: Control) -> systemd.Manager:
    return systemd.Manager(tmp_path / "units", control.run, writable=("/var/lib/lifeboat", "/srv/with space"))


def test_systemd_finds_nothing_wrong(manager: systemd.Manager) -> None:
    systemd.install([DAILY, ODD, SYNC], PROGRAM, manager)
    paths = sorted(map(str, manager.folder.iterdir()))
    assert len(paths) == 6
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False, env={}
    )
    wrong = [line for line in ran.stderr.splitlines() if "lifeboat" in line]
    assert not wrong


def test_words_reach_the_program_as_they_are(manager: systemd.Manager) -> None:
    text = systemd.service_text(DAILY, PROGRAM, manager)
    assert 'ExecStart=/bin/echo backup shop --note "a \\"b\\" $$HOME 100%% \\\\x"\n' in text
    assert "ProtectSystem=strict\n" in text
    assert 'ReadWritePaths=-/var/lib/lifeboat\nReadWritePaths="-/srv/with space"\n' in text


def test_timers_are_persistent_and_spread() -> None:
    daily, odd, sync = (systemd.timer_text(entry) for entry in (DAILY, ODD, SYNC))
    assert "OnCalendar=*-*-* 03:00:00\nPersistent=true\nRandomizedDelaySec=600\n" in daily
    assert "OnBootSec=5min\nOnUnitActiveSec=25200s\n" in odd
    assert "RandomizedDelaySec=90\n" in sync


def test_installing_again_changes_nothing(manager: systemd.Manager, control: Control) -> None:
    assert systemd.install([DAILY, SYNC], PROGRAM, manager)
    assert control.said == [
        "systemctl daemon-reload",
        "systemctl enable lifeboat-shop-daily.timer lifeboat-sync.timer",
        "systemctl restart lifeboat-shop-daily.timer lifeboat-sync.timer",
    ]
    control.said.clear()
    assert not systemd.install([DAILY, SYNC], PROGRAM, manager)
    assert "systemctl daemon-reload" not in control.said


def test_what_is_gone_is_disabled_and_removed(manager: systemd.Manager, control: Control) -> None:
    systemd.install([DAILY, SYNC], PROGRAM, manager)
    control.said.clear()
    assert systemd.install([SYNC], PROGRAM, manager)
    assert control.said[0] == "systemctl disable --now lifeboat-shop-daily.timer"
    assert sorted(path.name for path in manager.folder.iterdir()) == ["lifeboat-sync.service", "lifeboat-sync.timer"]
    foreign = manager.folder / "lifeboat-recover.service"
    foreign.write_text("[Unit]\n")
    assert systemd.remove(manager)
    assert list(manager.folder.iterdir()) == [foreign]
    assert not systemd.remove(manager)


def test_a_unit_of_somebody_else_is_never_overwritten(manager: systemd.Manager) -> None:
    manager.folder.mkdir()
    mine = manager.folder / "lifeboat-sync.timer"
    mine.write_text("[Timer]\n")
    with pytest.raises(RefusedError, match="not written by Lifeboat"):
        systemd.install([DAILY, SYNC], PROGRAM, manager)
    assert list(manager.folder.iterdir()) == [mine]

"""What transfers cost: memory stays flat, and the speed limit and the answers of the server are kept to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.destinations.gdrive.conftest import Reopen
from tests.destinations.gdrive.test_upload_faults import made
from tests.makers import driveserver_faults as faults
from tests.makers.driveserver import DriveServer
from toolkit.destinations.base import MemoryBookmark
from toolkit.destinations.gdrive import client
from toolkit.destinations.limits import Limited, Pace
from toolkit.errors import DestinationTransientError

MEBIBYTE = 1 << 20


def test_memory_stays_flat() -> None:
    bench = [sys.executable, str(ROOT / "bench" / "drive.py"), "--memory", "300"]
    ran = subprocess.run(bench, capture_output=True, text=True, check=False, env={**os.environ})
    peaks = [int(peak) for peak in re.findall(r"peak (\d+) MiB", ran.stdout)]
    assert len(peaks) == 2, ran.stderr
    assert max(peaks) < 150


def test_an_upload_keeps_to_its_speed(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, 5 * MEBIBYTE)
    now, waits = [0.0], []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    pace = Pace(MEBIBYTE, clock=lambda: now[0], pause=pause)
    with Limited(ann(), pace) as drive:
        found = drive.put(path, properties, bookmark=MemoryBookmark())
        assert 3.5 <= sum(waits) <= 5.5
        waits.clear()
        assert b"".join(drive.read(found.id)) == path.read_bytes()
        assert 3.5 <= sum(waits) <= 5.5
    assert max(waits) <= 0.5, "a cancellation is heard soon"


def test_pauses_grow_and_what_the_server_asks_for_is_kept(server: DriveServer, ann: Reopen) -> None:
    waits: list[float] = []
    server.faults.add(faults.status(429, retry_after=7), "about")
    server.faults.add(faults.status(503), "about", nth=2, times=3)
    with ann() as drive:
        drive.client._pause = waits.append
        drive.usage()
    assert 7.0 <= sum(waits) <= 7 + 2 + 4 + 8
    assert max(waits) <= client._SLICE


@pytest.mark.parametrize("asked", [61, 3600])
def test_a_long_pause_is_left_to_a_later_run(asked: int, server: DriveServer, ann: Reopen) -> None:
    server.faults.add(faults.status(429, retry_after=asked), "about")
    with ann() as drive, pytest.raises(DestinationTransientError) as caught:
        drive.usage()
    assert caught.value.retry_after == asked
    assert server.faults.requests["about"] == 1


def test_progress_is_told_often_and_never_falls(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, 5 * MEBIBYTE)
    server.faults.add(faults.cut(0.7), "chunk")
    said: list[int] = []
    with ann() as drive:
        drive.put(path, properties, bookmark=MemoryBookmark(), on_progress=lambda done, _: said.append(done))
    assert said == sorted(said)
    assert said[0] == 0
    assert said[-1] == 5 * MEBIBYTE
    assert len(said) >= 15


def test_a_request_does_not_describe_the_whole_protocol_anew(ann: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    from googleapiclient.discovery import Resource

    made: list[object] = []
    build = Resource.__init__
    monkeypatch.setattr(
        Resource, "__init__", lambda self, *words, **named: (made.append(1), build(self, *words, **named))[1]
    )
    with ann() as drive:
        for _ in range(5):
            list(drive.objects())
    assert len(made) == 2, "the service and its files"


def test_the_last_months_of_a_python_are_not_said_on_stderr() -> None:
    code = (
        "import datetime, types\n"
        "class Later(datetime.date):\n"
        "    def today(): return Later(2040, 1, 1)\n"
        "datetime.date = Later\n"
        "from toolkit.destinations.gdrive.client import Client\n"
        "Client('drive', types.SimpleNamespace(credentials=lambda: None)).service\n"
        "from google.api_core._python_version_support import check_python_version\n"
        "print(check_python_version().name)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("PYTHON_VERSION_UNSUPPORTED\n", "", 0)

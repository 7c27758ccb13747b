"""Every failure at every request of a download: the bytes are those that were stored, or an error is raised."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from tests.destinations.gdrive.conftest import Reopen
from tests.destinations.gdrive.test_upload_faults import EVERY_FAULT, STALLED, made
from tests.makers import driveserver_faults as faults
from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_faults import Fault
from toolkit.destinations.base import MemoryBookmark, RemoteObject
from toolkit.destinations.fetch import fetch, partial_of
from toolkit.destinations.gdrive import destination
from toolkit.destinations.retrying import Retrying
from toolkit.errors import DestinationTransientError, ObjectNotFoundError, SignInNeededError, TransferDamagedError

SIZE = 5 * 100_000 + 7


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "CHUNK", 100_000)


@pytest.fixture
def stored(ann: Reopen, tmp_path: Path) -> tuple[RemoteObject, bytes]:
    path, properties = made(tmp_path, SIZE)
    with ann() as drive:
        return drive.put(path, properties, bookmark=MemoryBookmark()), path.read_bytes()


@pytest.mark.parametrize("fault", EVERY_FAULT.values(), ids=EVERY_FAULT)
def test_one_failure_at_every_request(
    fault: Fault, server: DriveServer, ann: Reopen, stored: tuple[RemoteObject, bytes], tmp_path: Path
) -> None:
    found, data = stored
    for number in itertools.count(1):
        server.faults.clear()
        server.faults.add(fault, nth=number)
        target = tmp_path / f"down-{number}"
        with ann() as drive:
            fetch(drive, found, target)
        assert target.read_bytes() == data
        if not server.faults.hits:
            break
    assert number > 6


def test_silence(server: DriveServer, ann: Reopen, stored: tuple[RemoteObject, bytes]) -> None:
    found, data = stored
    server.faults.add(faults.stall(), "media", nth=3)
    with ann() as drive:
        drive.client.timeout = STALLED
        assert b"".join(drive.read(found.id)) == data


def test_half_an_answer_is_not_taken_for_all_of_it(
    server: DriveServer, ann: Reopen, stored: tuple[RemoteObject, bytes], tmp_path: Path
) -> None:
    found, data = stored
    server.faults.add(faults.cut(0.99), "media", nth=2, times=1000)
    with ann() as drive, pytest.raises(DestinationTransientError):
        fetch(drive, found, tmp_path / "down")
    assert partial_of(found, tmp_path / "down").read_bytes() == data[:100_000]


def test_a_new_process_goes_on(
    server: DriveServer, ann: Reopen, stored: tuple[RemoteObject, bytes], tmp_path: Path
) -> None:
    found, data = stored
    server.faults.add(faults.reset(), "media", nth=4, times=1000)
    target = tmp_path / "down"
    with ann() as drive, pytest.raises(DestinationTransientError):
        fetch(drive, found, target)
    assert partial_of(found, target).stat().st_size == 300_000
    server.faults.clear()
    with ann() as drive:
        fetch(drive, found, target)
    assert target.read_bytes() == data
    assert server.faults.requests["media"] == 3


def test_a_copy_that_is_damaged_there(
    server: DriveServer, ann: Reopen, stored: tuple[RemoteObject, bytes], tmp_path: Path
) -> None:
    found, data = stored
    server.world.content(found.id).write_bytes(data[:-1] + b"?")
    with ann() as drive, pytest.raises(TransferDamagedError):
        fetch(drive, found, tmp_path / "down")
    assert not (tmp_path / "down").exists()


def test_what_is_taken_for_malware_comes_all_the_same(
    server: DriveServer, ann: Reopen, stored: tuple[RemoteObject, bytes]
) -> None:
    found, data = stored
    server.files()[0].abusive = True
    with ann() as drive:
        assert b"".join(drive.read(found.id)) == data


def test_gone_and_revoked(server: DriveServer, ann: Reopen, stored: tuple[RemoteObject, bytes]) -> None:
    found, _ = stored
    with ann() as drive:
        drive.discard(found.id, to_bin=True)
        with pytest.raises(ObjectNotFoundError, match="bin"):
            list(drive.read(found.id))
        server.sign.revoke_all()
        with pytest.raises(SignInNeededError):
            list(drive.read(found.id))


@pytest.mark.parametrize("seed", range(3))
def test_forty_downloads_under_random_failures(
    seed: int, server: DriveServer, ann: Reopen, stored: tuple[RemoteObject, bytes]
) -> None:
    found, data = stored
    server.faults.scatter(0.2, seed=seed)
    with Retrying(ann(), pause=lambda _seconds: None) as drive:
        for _ in range(40):
            assert hashlib.sha256(b"".join(drive.read(found.id))).hexdigest() == hashlib.sha256(data).hexdigest()
    assert sum(server.faults.hits.values()) > 40

"""Every failure at every request of an upload: nothing is lost, nothing is doubled, and the error is the right one."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from tests.destinations.gdrive.conftest import Reopen
from tests.makers import driveserver_faults as faults
from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_faults import Fault
from toolkit.destinations.base import MemoryBookmark, Properties, Query, Role
from toolkit.destinations.gdrive import upload
from toolkit.errors import (
    CancelledError,
    DestinationDeniedError,
    DestinationError,
    DestinationFullError,
    DestinationTransientError,
    SignInNeededError,
    TransferDamagedError,
)

UNIT = upload.UNIT
SIZES = {"nothing": 0, "one byte": 1, "one chunk": 2 * UNIT, "chunk and a bit": 2 * UNIT + 1, "many": 7 * UNIT + 77}
STALLED = 0.3
"""Seconds of silence that a client waits in these tests."""


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CHUNK", 2 * UNIT)


def made(folder: Path, size: int) -> tuple[Path, Properties]:
    """Write a file of `size` bytes; return it with properties."""
    path = folder / f"shop_manual_20260101T000000Z_{size:08d}.tar.zst"
    data = hashlib.shake_128(str(size).encode()).digest(size)
    path.write_bytes(data)
    return path, Properties(
        role=Role.ARCHIVE,
        profile="shop",
        kind="manual",
        host="here.example",
        backup_id="k3jq7a2m",
        sha256=hashlib.sha256(data).hexdigest(),
        file_name=path.name,
    )


def expect_once(server: DriveServer, path: Path, properties: Properties) -> None:
    """Fail unless the file is there exactly once, whole."""
    files = server.files(path.name)
    assert len(files) == 1
    assert server.content(files[0]) == path.read_bytes()
    assert files[0].sha256 == properties.sha256


EVERY_FAULT = {
    "503": faults.status(503),
    "500": faults.status(500),
    "429 with Retry-After": faults.status(429, retry_after=2),
    "403 rate limit": faults.rate_limit(),
    "reset": faults.reset(),
    "cut at once": faults.cut(0.0),
    "cut in the middle": faults.cut(0.5),
    "cut at the end": faults.cut(1.0),
    "lost reply": faults.lost(),
    "hung up": faults.hang_up(),
    "done, and a 503": faults.muddled(503),
    "token expired": faults.expired(),
}


@pytest.mark.parametrize("fault", EVERY_FAULT.values(), ids=EVERY_FAULT)
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_one_failure_at_every_request_is_got_over(
    fault: Fault, size: int, server: DriveServer, ann: Reopen, tmp_path: Path
) -> None:
    path, properties = made(tmp_path, size)
    with ann() as drive:
        for number in itertools.count(1):
            server.faults.clear()
            server.faults.add(fault, nth=number)
            bookmark = MemoryBookmark()
            found = drive.put(path, properties, bookmark=bookmark)
            expect_once(server, path, properties)
            assert (found.size, found.sha256, bookmark.text) == (size, properties.sha256, "")
            assert list(drive.objects(Query(backup_id="k3jq7a2m"))) == [found]
            hit = sum(server.faults.hits.values())
            drive.remove(found.id)
            if not hit:
                break
    assert number > 3 + size // (2 * UNIT), "fewer requests failed than an upload takes"


@pytest.mark.parametrize("operation", ["ids", "start", "chunk", "query"])
def test_silence_is_got_over(operation: str, server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    if operation == "query":
        server.faults.add(faults.reset(), "chunk", nth=2)
    server.faults.add(faults.stall(), operation)
    with ann() as drive:
        drive.client.timeout = STALLED
        drive.put(path, properties, bookmark=MemoryBookmark())
    assert server.faults.hits["stall", operation] == 1
    expect_once(server, path, properties)


@pytest.mark.parametrize("times", [2, 3, 4])
def test_failures_in_a_row(times: int, server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    server.faults.add(faults.status(503), nth=4, times=times)
    with ann() as drive:
        drive.put(path, properties, bookmark=MemoryBookmark())
    expect_once(server, path, properties)


def test_a_server_that_stays_away_is_given_up_and_the_next_process_goes_on(
    server: DriveServer, ann: Reopen, tmp_path: Path
) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    server.faults.add(faults.status(503), "chunk", nth=3, times=1000)
    server.faults.add(faults.status(503), "query", times=1000)
    bookmark = MemoryBookmark()
    with ann() as drive, pytest.raises(DestinationTransientError):
        drive.put(path, properties, bookmark=bookmark)
    assert server.files() == []
    sent = server.faults.requests["chunk"]
    server.faults.clear()
    with ann() as drive:
        drive.put(path, properties, bookmark=MemoryBookmark(bookmark.text))
    expect_once(server, path, properties)
    assert sent == 3
    assert server.faults.requests["chunk"] == 2, "it did not go on from what had arrived"
    assert server.faults.requests["start"] == 0


def test_a_lost_reply_to_the_last_chunk_and_a_new_process(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    server.faults.add(faults.lost(), "chunk", last=True)
    server.faults.add(faults.reset(), "query", times=1000)
    bookmark = MemoryBookmark()
    with ann() as drive, pytest.raises(DestinationTransientError):
        drive.put(path, properties, bookmark=bookmark)
    expect_once(server, path, properties)
    server.faults.clear()
    with ann() as drive:
        found = drive.put(path, properties, bookmark=MemoryBookmark(bookmark.text))
    expect_once(server, path, properties)
    assert found.id == server.files()[0].id
    assert server.faults.requests["chunk"] == 0


def test_the_same_after_the_session_has_expired(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    server.faults.add(faults.lost(), "chunk", last=True)
    server.faults.add(faults.reset(), "query", times=1000)
    bookmark = MemoryBookmark()
    with ann() as drive, pytest.raises(DestinationTransientError):
        drive.put(path, properties, bookmark=bookmark)
    server.faults.clear()
    server.world.ahead = 8 * 86400  # sessions live for a week
    with ann() as drive:
        drive.put(path, properties, bookmark=MemoryBookmark(bookmark.text))
    expect_once(server, path, properties)


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_a_session_that_ends_on_the_way_is_begun_again(
    chunk: int, server: DriveServer, ann: Reopen, tmp_path: Path
) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    ended = []

    def end(done: int, _total: int | None) -> None:
        if done > (chunk - 1) * upload.CHUNK and not ended:
            ended.append(server.expire_sessions())

    with ann() as drive:
        drive.put(path, properties, bookmark=MemoryBookmark(), on_progress=end)
    assert ended
    expect_once(server, path, properties)


def test_a_file_that_was_removed_there_meanwhile_is_sent_again(
    server: DriveServer, ann: Reopen, tmp_path: Path
) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    bookmark = MemoryBookmark()
    kept = []
    bookmark.save = lambda text: (setattr(bookmark, "text", text), kept.append(text))[0]  # type: ignore[method-assign]
    with ann() as drive:
        found = drive.put(path, properties, bookmark=bookmark)
        drive.remove(found.id)
        again = drive.put(path, properties, bookmark=MemoryBookmark(kept[-1]))
    assert again.id != found.id
    expect_once(server, path, properties)


def test_cancelled_in_the_middle_of_a_chunk(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    asked = itertools.count()
    bookmark = MemoryBookmark()
    with ann() as drive, pytest.raises(CancelledError):
        drive.put(path, properties, bookmark=bookmark, should_stop=lambda: next(asked) > 5)
    assert server.files() == []
    with ann() as drive:
        drive.put(path, properties, bookmark=MemoryBookmark(bookmark.text))
    expect_once(server, path, properties)
    assert server.faults.requests["start"] == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_nobody_can_get_over_is_said_at_once(
    status: int, server: DriveServer, ann: Reopen, tmp_path: Path
) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    server.faults.add(faults.status(status, "insufficientFilePermissions"), "start", times=1000)
    with ann() as drive, pytest.raises(DestinationError) as caught:
        drive.put(path, properties, bookmark=MemoryBookmark())
    assert not caught.value.retryable
    assert caught.value.hint
    assert server.faults.requests["start"] == (1 if status != 401 else 4)
    assert server.files() == []


def test_a_full_drive(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    server.world.accounts["ann@example.org"].limit = SIZES["many"] + UNIT
    with ann() as drive:
        first = drive.put(path, properties, bookmark=MemoryBookmark())
        with pytest.raises(DestinationFullError, match="full") as caught:
            drive.put(path, properties, bookmark=MemoryBookmark())
        assert "bin" in (caught.value.hint or "")
        drive.discard(first.id, to_bin=True)
        with pytest.raises(DestinationFullError):  # the bin counts
            drive.put(path, properties, bookmark=MemoryBookmark())
        assert drive.usage().binned == SIZES["many"]


def test_a_drive_that_fills_up_during_the_upload(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])

    def fill(_done: int, _total: int | None) -> None:
        server.world.accounts["ann@example.org"].limit = 0

    with ann() as drive, pytest.raises(DestinationFullError):
        drive.put(path, properties, bookmark=MemoryBookmark(), on_progress=fill)
    assert server.files() == []


def test_a_token_that_is_revoked_during_the_upload(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    bookmark = MemoryBookmark()

    def revoke(done: int, _total: int | None) -> None:
        if done > 3 * UNIT:
            server.sign.revoke_all()

    with ann() as drive, pytest.raises(SignInNeededError) as caught:
        drive.put(path, properties, bookmark=bookmark, on_progress=revoke)
    assert "drive login" in (caught.value.hint or "")
    assert bookmark.text, "the next sign-in can go on"


def test_what_arrives_damaged_is_removed(server: DriveServer, shared: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    server.corrupting = 1
    with shared() as drive:
        with pytest.raises(TransferDamagedError):
            drive.put(path, properties, bookmark=MemoryBookmark())
        assert server.files() == []
        drive.put(path, properties, bookmark=MemoryBookmark())
    expect_once(server, path, properties)


def test_damage_that_may_not_be_removed_is_disowned(server: DriveServer, shared: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, SIZES["many"])
    server.corrupting = 1
    for drive_ in server.world.drives.values():
        drive_.members = dict.fromkeys(drive_.members, "writer")
    with shared() as drive:
        with pytest.raises(TransferDamagedError):
            drive.put(path, properties, bookmark=MemoryBookmark())
        assert [one.properties for one in drive.objects()] == [None]
        assert list(drive.objects(Query(host="here.example"))) == []


def test_a_reader_is_denied(server: DriveServer, shared: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, 10)
    with shared() as drive:
        for drive_ in server.world.drives.values():
            drive_.members = dict.fromkeys(drive_.members, "reader")
        with pytest.raises(DestinationDeniedError):
            drive.put(path, properties, bookmark=MemoryBookmark())


def test_the_folder_is_made_once_whatever_is_lost(server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    path, properties = made(tmp_path, 10)
    for fault in (faults.lost(), faults.muddled(), faults.reset(), faults.cut()):
        server.faults.add(fault, "create")
    with ann() as drive:
        drive.put(path, properties, bookmark=MemoryBookmark())
    assert [one.name for one in server.world.files.values()].count("Lifeboat") == 1


@pytest.mark.parametrize("seed", range(4))
def test_fifty_uploads_under_random_failures(seed: int, server: DriveServer, ann: Reopen, tmp_path: Path) -> None:
    """Four times fifty: a fifth of all requests fails, and each file arrives once, whole, with its own digest."""
    from toolkit.destinations.retrying import Retrying

    sizes = itertools.cycle(SIZES.values())
    server.world.page_size = 20
    server.faults.scatter(0.2, seed=seed)
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        path, properties = made(folder, next(sizes) + number)
        with Retrying(ann(), pause=lambda _seconds: None) as drive:
            found = drive.put(path, properties, bookmark=MemoryBookmark())
        assert found.sha256 == properties.sha256
        expect_once(server, path, properties)
    assert len(server.files()) == 50
    assert sum(server.faults.hits.values()) > 50

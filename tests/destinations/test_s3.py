"""S3 against a server that speaks its protocol (moto): every promise, and what it says of wrong keys."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.destinations.suite import broken, every_check
from toolkit.destinations.base import Destination, MemoryBookmark
from toolkit.destinations.conformance import LARGE, Bench, Check
from toolkit.destinations.s3 import S3Destination
from toolkit.errors import DestinationTransientError, ObjectNotFoundError
from toolkit.profile.model import S3
from toolkit.profile.secret import Secret


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=file, stderr=file
        )
    try:
        _wait(port, server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    while server.poll() is None:
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/backups", method="PUT")
            with urllib.request.urlopen(request):
                return
        except (ConnectionError, urllib.error.URLError):
            continue
    raise AssertionError(log.read_text())


def config(server: str, **changes: object) -> S3:
    fields: dict[str, object] = {
        "name": "bucket",
        "bucket": "backups",
        "endpoint": server,
        "region": "us-east-1",
        "access_key_id": Secret("key"),
        "secret_access_key": Secret("secret"),
    }
    return S3(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def reopen(endpoint: str, tmp_path: Path) -> Callable[[], Destination]:
    return lambda: S3Destination(config(endpoint), tmp_path.name)


@every_check
def test_every_promise(check: Check, reopen: Callable[[], Destination], tmp_path: Path) -> None:
    assert broken(check, reopen, tmp_path) == ""
    with reopen() as destination:
        assert isinstance(destination, S3Destination)
        open_still = destination._fs.call_s3("list_multipart_uploads", Bucket="backups").get("Uploads", ())
    assert [one["Key"] for one in open_still if tmp_path.name in one["Key"]] == []


def test_parts_that_arrived_are_not_sent_again(reopen: Callable[[], Destination], tmp_path: Path) -> None:
    bench = Bench(reopen, tmp_path)
    source, bookmark = bench.file(2 * LARGE), MemoryBookmark()

    def cut(done: int, _total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reopen().put(source, bench.properties(source), bookmark=bookmark, on_progress=cut)
    destination = reopen()
    assert isinstance(destination, S3Destination)
    sent: list[object] = []
    ask = destination._ask

    def watch(method: str, subject: str, **arguments: object) -> object:
        if method == "upload_part":
            sent.append(arguments["PartNumber"])
        return ask(method, subject, **arguments)

    destination._ask = watch  # type: ignore[method-assign]
    destination.put(source, bench.properties(source), bookmark=bookmark)
    assert sent == [2, 3]
    bench.clean()


def test_the_protocol_is_read_once_for_the_process(reopen: Callable[[], Destination]) -> None:
    sessions = set()
    for _ in range(2):
        with reopen() as destination:
            assert isinstance(destination, S3Destination)
            assert list(destination.objects()) == []
            sessions.add(destination._fs.session)
    assert len(sessions) == 1


def test_a_bucket_that_is_not_there_is_said(endpoint: str) -> None:
    with pytest.raises(ObjectNotFoundError):
        S3Destination(config(endpoint, bucket="nothing-here"), "").usage()


def test_a_server_that_does_not_answer_is_transient(endpoint: str) -> None:
    with pytest.raises(DestinationTransientError):
        S3Destination(config(endpoint, endpoint="http://127.0.0.1:1"), "").usage()

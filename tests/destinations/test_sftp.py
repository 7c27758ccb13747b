"""SFTP against a real OpenSSH server: every promise, with and without a shell there, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.destinations.suite import broken, every_check
from tests.makers.sshserver import SshServer, ssh_server
from toolkit.destinations.base import Destination
from toolkit.destinations.conformance import Bench, Check
from toolkit.destinations.sftp import SftpDestination
from toolkit.errors import DestinationError, DestinationTransientError, SignInNeededError
from toolkit.profile.model import Sftp


@pytest.fixture(scope="module", params=["shell", "sftp only"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "server", shell=request.param == "shell") as running:
        yield running


def config(server: SshServer, path: str, **changes: object) -> Sftp:
    fields: dict[str, object] = {
        "name": "there",
        "host": "127.0.0.1",
        "port": server.port,
        "user": server.user,
        "key_file": server.key_file,
        "known_hosts": server.known_hosts,
        "path": path,
    }
    return Sftp(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def reopen(server: SshServer, tmp_path: Path) -> Callable[[], Destination]:
    folder = str(tmp_path / "there")
    return lambda: SftpDestination(config(server, folder), folder)


@every_check
def test_every_promise(check: Check, reopen: Callable[[], Destination], tmp_path: Path) -> None:
    assert broken(check, reopen, tmp_path) == ""
    assert [path for path in (tmp_path / "there").rglob("*") if path.is_file()] == []


def test_an_unknown_host_key_is_refused(server: SshServer, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    with pytest.raises(SignInNeededError, match="key is not known"):
        SftpDestination(config(server, "/tmp", known_hosts=empty), "/tmp").usage()


def test_without_known_hosts_the_users_own_file_counts(server: SshServer) -> None:
    with pytest.raises(SignInNeededError, match="key is not known"):
        SftpDestination(config(server, "/tmp", known_hosts=None), "/tmp").usage()


def test_a_wrong_key_is_said(server: SshServer) -> None:
    wrong = server.folder / "host_key"
    with pytest.raises(SignInNeededError, match="none of the keys"):
        SftpDestination(config(server, "/tmp", key_file=wrong), "/tmp").usage()


def test_a_host_that_does_not_answer_is_transient(server: SshServer) -> None:
    with pytest.raises(DestinationTransientError):
        SftpDestination(config(server, "/tmp", port=1), "/tmp").usage()


def test_a_place_where_nothing_can_be_made_is_said(server: SshServer, tmp_path: Path) -> None:
    bench = Bench(lambda: SftpDestination(config(server, "/proc/none"), "/proc/none"), tmp_path)
    with pytest.raises(DestinationError):
        bench.put(bench.file(10))

"""Messages, pings, figures and the log, against a real server on the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from toolkit.events import JobCreated, JobFinished, Outcome
from toolkit.notify import messages, metrics, pings
from toolkit.notify.logfile import log_lines
from toolkit.notify.messages import Ended, Message, occasions
from toolkit.profile.model import Notify, NotifyOn
from toolkit.profile.secret import Secret


class Server:
    """Keeps what it is told, and answers as it is set."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.answer = 200
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.got.append((self.path, body))
                self.send_response(server.answer)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()


def receiver(server: Server, *on: NotifyOn) -> Notify:
    return Notify(url=Secret(f"json://127.0.0.1:{server.port}/hook"), on=on or (NotifyOn.FAILURE, NotifyOn.RECOVERY))


def test_a_success_after_anything_else_is_a_recovery() -> None:
    assert occasions(Ended.SUCCESS, None) == {NotifyOn.SUCCESS}
    assert occasions(Ended.SUCCESS, Ended.SUCCESS) == {NotifyOn.SUCCESS}
    assert occasions(Ended.SUCCESS, Ended.FAILURE) == {NotifyOn.SUCCESS, NotifyOn.RECOVERY}
    assert occasions(Ended.SUCCESS, Ended.WARNING) == {NotifyOn.SUCCESS, NotifyOn.RECOVERY}
    assert occasions(Ended.FAILURE, Ended.SUCCESS) == {NotifyOn.FAILURE}


def test_only_those_are_told_who_want_to_hear_it(server: Server) -> None:
    failure = Message("it failed", "because", frozenset({NotifyOn.FAILURE}))
    success = Message("it worked", "well", frozenset({NotifyOn.SUCCESS}))
    assert messages.send(failure, [receiver(server)]) == []
    assert messages.send(success, [receiver(server)]) == []
    [(path, body)] = server.got
    told = json.loads(body)
    assert (path, told["title"], told["message"], told["type"]) == ("/hook", "it failed", "because", "failure")


def test_what_does_not_arrive_is_said_without_the_address(server: Server, tmp_path: Path) -> None:
    server.answer = 500
    failure = Message("it failed", "because", frozenset({NotifyOn.FAILURE}))
    secret = tmp_path / "url"
    secret.write_text("tgram://token-that-is-secret")
    secret.chmod(0o600)
    wrong = Notify(url=Secret(file=secret), on=(NotifyOn.FAILURE,))
    absent = Notify(url=Secret(file=tmp_path / "absent"), on=(NotifyOn.FAILURE,))
    unsent = messages.send(failure, [receiver(server), wrong, absent])
    assert [one.number for one in unsent] == [1, 2, 3]
    assert all(one.reason and "token" not in one.reason for one in unsent)


def test_a_ping_says_the_moment_and_carries_the_end_of_the_log(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/uuid"
    assert [pings.ping(url, moment, "x" * 20_000) for moment in ("start", "success", "fail")] == [""] * 3
    assert [path for path, _ in server.got] == ["/uuid/start", "/uuid", "/uuid/fail"]
    assert len(server.got[2][1]) == pings.MOST


def test_a_ping_that_fails_says_why_and_raises_nothing(server: Server) -> None:
    server.answer = 404
    assert pings.ping(f"http://127.0.0.1:{server.port}/uuid", "success") == "it answered 404"
    assert len(server.got) == 1
    server.http.shutdown()
    server.http.server_close()
    assert "refused" in pings.ping(f"http://127.0.0.1:{server.port}/uuid", "success").lower()
    assert pings.ping("file:///etc/passwd", "success") == "the address is neither http nor https"


def test_figures_are_in_the_text_format(tmp_path: Path) -> None:
    path = tmp_path / "lifeboat.prom"
    found = [
        metrics.Metric("size_bytes", "How large.", 12.0, (("profile", 'a"b\\c\nd'),)),
        metrics.Metric("free", "How much.", 0.5),
        metrics.Metric("size_bytes", "How large.", 7, (("profile", "\udce9"),)),
    ]
    metrics.write(path, found)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_text() == (
        "# HELP lifeboat_size_bytes How large.\n# TYPE lifeboat_size_bytes gauge\n"
        'lifeboat_size_bytes{profile="a\\"b\\\\c\\nd"} 12\nlifeboat_size_bytes{profile="\\\\udce9"} 7\n'
        "# HELP lifeboat_free How much.\n# TYPE lifeboat_free gauge\nlifeboat_free 0.5\n"
    )


def test_the_log_has_a_line_for_each_event(tmp_path: Path) -> None:
    path = tmp_path / "log" / "lifeboat.log"
    for _ in range(2):
        write, failure = log_lines(path)
        assert failure is None
        write(JobCreated(op="backup"))
        write(JobFinished(status=Outcome.OK, exit=0))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["type"] for line in path.read_text().splitlines()] == ["job.created", "job.finished"] * 2
    (tmp_path / "file").touch()
    write, failure = log_lines(tmp_path / "file" / "log")
    assert failure is not None
    write(JobCreated(op="backup"))

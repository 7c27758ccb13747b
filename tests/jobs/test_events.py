"""One line for each event: exact, safe on a terminal, and readable whatever version wrote it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import events
from toolkit.events import (
    Action,
    Advanced,
    By,
    ItemReported,
    JobCreated,
    JobFinished,
    Level,
    Logged,
    Outcome,
    RawName,
    UnknownEvent,
    decode,
    encode,
    plain_name,
)
from toolkit.jobs.journal import wire_name

WHEN = datetime(2026, 11, 20, 3, 7, 1, tzinfo=UTC)


def test_a_line_is_what_the_protocol_says() -> None:
    event = Advanced(job="8e10", seq=412, ts=WHEN, step="write", done=5, total=None)
    assert json.loads(encode(event)) == {
        "v": 1,
        "job": "8e10",
        "seq": 412,
        "ts": "2026-11-20T03:07:01Z",
        "type": "progress",
        "host": None,
        "step": "write",
        "done": 5,
        "total": None,
        "unit": "bytes",
        "item": None,
        "rate": None,
        "eta_s": None,
    }


def test_who_is_written_with_the_words_of_the_protocol() -> None:
    line = json.loads(encode(JobCreated(op="backup", by=By("root", "alex", "/dev/pts/1", "192.0.2.7"))))
    assert line["by"] == {"user": "root", "sudo_user": "alex", "tty": "/dev/pts/1", "from": "192.0.2.7"}


@given(st.text(), st.one_of(st.none(), st.integers(min_value=0)))
def test_text_comes_back_exactly_and_its_line_holds_only_what_can_be_seen(text: str, total: int | None) -> None:
    event = Advanced(step=text, done=1, total=total if total is None or total < 2**63 else 1, item=text)
    line = encode(event)
    assert line.endswith(b"\n")
    assert line[:-1].decode().isprintable()
    assert decode(line) == event


@given(st.binary(min_size=1).filter(lambda raw: b"\0" not in raw))
def test_every_file_name_comes_back_exactly(raw: bytes) -> None:
    event = ItemReported(path=wire_name(raw), action=Action.SKIPPED)
    back = decode(encode(event))
    assert isinstance(back, ItemReported)
    assert os.fsencode(plain_name(back.path)) == raw


def test_a_name_that_is_no_utf8_is_written_as_shown_and_raw() -> None:
    line = json.loads(encode(ItemReported(path=wire_name(b"caf\xe9\x1b[m"), action=Action.FAILED)))
    assert line["path"] == {"text": "caf\\xe9\\x1b[m", "b64": base64.b64encode(b"caf\xe9\x1b[m").decode()}


def test_lone_surrogates_in_a_message_never_stop_a_line() -> None:
    line = encode(Logged(level=Level.INFO, msg="caf\udce9 \ud800", params={"p": "\udcff"}))
    assert json.loads(line)["msg"] == "caf\\udce9 \\ud800"


def test_a_raw_name_with_broken_base64_gives_its_text() -> None:
    assert plain_name(RawName("shown", "%%%")) == "shown"


def test_unknown_types_are_kept_and_written_again_as_they_were() -> None:
    line = b'{"type":"hologram","v":2,"job":"8e10","seq":7,"ts":"2026-11-20T03:07:01Z","host":"a","depth":3}\n'
    event = decode(line)
    assert isinstance(event, UnknownEvent)
    assert (event.name, event.job, event.seq, event.host, event.ts) == ("hologram", "8e10", 7, "a", WHEN)
    assert encode(event) == line


def test_unknown_keys_are_passed_over_and_absent_ones_have_defaults() -> None:
    event = decode(b'{"type":"job.finished","job":"8e10","seq":9,"status":"ok","exit":0,"mood":"good"}')
    assert event == JobFinished(job="8e10", seq=9, status=Outcome.OK, exit=0)


def test_a_known_type_with_a_new_value_is_kept_as_unknown() -> None:
    event = decode(b'{"type":"job.finished","job":"8e10","seq":9,"status":"paused","exit":0}')
    assert isinstance(event, UnknownEvent)
    assert event.fields["status"] == "paused"


@pytest.mark.parametrize(
    "line",
    [b"", b'{"type":"prog', b"\xff\xfe", b"[1]", b"null", b'{"no":"type"}', b"[" * 100_000, b'{"type":"x","seq":"y"}'],
)
def test_what_is_no_event_is_none(line: bytes) -> None:
    assert decode(line) is None


@given(st.binary())
def test_decode_never_raises(line: bytes) -> None:
    assert decode(line) is None or line


def test_a_hundred_thousand_lines_are_read_in_a_second_of_work() -> None:
    line = encode(Advanced(job="8e10", seq=412, ts=WHEN, step="write", done=5, total=9, rate=1.5, eta_s=3))
    began = time.process_time()
    count = sum(decode(line) is not None for _ in range(100_000))
    assert count == 100_000
    assert time.process_time() - began < 1


def test_importing_events_imports_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import toolkit.events; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=os.path.dirname(os.path.dirname(events.__file__)),
    )
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith("toolkit")] == ["toolkit", "toolkit.events"]
    assert not {"subprocess", "asyncio", "urllib.parse", "logging", "tempfile"} & set(loaded)

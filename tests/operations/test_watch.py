"""Watching jobs reads each line once, waits for half lines, passes over what it does not know."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from toolkit.events import Advanced, JobFinished, JobStarted, Outcome, UnknownEvent, decode
from toolkit.jobs.journal import EVENTS, Journal, new_spec
from toolkit.operations import watch
from toolkit.operations.watch import JobWatch, Tail


def running(store: Path, operation: str = "backup") -> Journal:
    journal = Journal.create(store, new_spec(operation, targets=("shop",)))
    journal.append(JobStarted(pid=1, boot_id="boot"))
    return journal


def put(journal: Journal, data: bytes) -> None:
    assert journal.directory is not None
    with open(journal.directory / EVENTS, "ab") as file:
        file.write(data)


def test_a_half_written_line_waits_until_it_is_whole_and_unknown_ones_do_no_harm(tmp_path: Path) -> None:
    journal = running(tmp_path)
    assert journal.directory is not None
    tail = Tail(journal.directory)
    assert len(list(tail.more())) == 2
    put(journal, b'{"type":"progress","step":"put","do')
    assert list(tail.more()) == []
    put(journal, b'ne":7}\n{"type":"future","mood":"good"}\nno json\n')
    first, second = tail.more()
    assert isinstance(first, Advanced)
    assert first.done == 7
    assert isinstance(second, UnknownEvent)
    assert list(tail.more()) == []
    journal.close()


def test_only_what_changed_is_told_and_a_job_that_is_over_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 0

    def counting(line: bytes) -> object:
        nonlocal lines
        lines += 1
        return decode(line)

    monkeypatch.setattr(watch, "decode", counting)
    looks = JobWatch(tmp_path)
    assert looks.look() == []
    journal = running(tmp_path)
    for done in range(1000):
        journal.append(Advanced(step="put", done=done))
    rows = looks.look()
    assert rows is not None
    assert (rows[0].state, rows[0].done) == ("running", 999)
    assert lines == 1002
    assert looks.look() is None
    assert lines == 1002
    journal.append(JobFinished(status=Outcome.OK, exit=0))
    journal.close()
    rows = looks.look()
    assert rows is not None
    assert rows[0].state == "ok"
    assert lines == 1003
    assert looks.look() is None
    assert lines == 1003
    assert journal.directory is not None
    shutil.rmtree(journal.directory)
    assert looks.look() == []


def test_a_runner_that_is_gone_without_an_end_was_interrupted(tmp_path: Path) -> None:
    journal = running(tmp_path)
    looks = JobWatch(tmp_path)
    looks.look()
    journal.close()
    rows = looks.look()
    assert rows is not None
    assert [row.state for row in rows] == ["interrupted"]

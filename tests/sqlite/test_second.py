"""Work in a second process: its result, and what it must never keep alive or undo."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from toolkit.errors import CancelledError
from toolkit.sqlite import second
from toolkit.sqlite.second import Second


def _open_files() -> list[str]:
    found = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [os.readlink(path) for path in found if os.path.lexists(path)]


def test_the_work_is_done_in_another_process() -> None:
    with Second(lambda: (os.getpid(), "x" * 3_000_000)) as other:
        pid, text = other.result()
    assert pid != os.getpid()
    assert len(text) == 3_000_000


def test_it_begins_beside_other_threads() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with Second(os.getpid) as other:
            assert other.result() != os.getpid()
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("ending", [lambda: os._exit(0), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_the_work_of_a_child_that_is_gone_is_done_here(ending: object) -> None:
    here = os.getpid()

    def work() -> int:
        if os.getpid() != here and callable(ending):
            ending()
        return os.getpid()

    with Second(work) as other:
        assert other.result() == here


def test_what_the_work_raises_is_raised_here() -> None:
    def work() -> None:
        raise OSError(28, "full")

    with Second(work) as other, pytest.raises(OSError, match="full"):
        other.result()


def test_the_child_has_no_other_file_open(tmp_path: Path) -> None:
    """A lock that only the child still held would tell the next run that this one lives."""
    kept, other_file = tmp_path / "kept", tmp_path / "other"
    for path in (kept, other_file):
        path.touch()
    with kept.open("rb") as keep, other_file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with Second(_open_files, keep=[keep.fileno()]) as other:
            names = other.result()
    assert str(kept) in names
    assert str(other_file) not in names
    assert [name for name in names if not name.startswith(("pipe:", "/proc/"))] == [str(kept)]


def test_a_child_that_is_not_wanted_any_more_is_ended() -> None:
    with Second(signal.pause) as other:
        child = other._child
        with pytest.raises(CancelledError):
            other.result(lambda: True)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_there_is_room_for_one_where_there_are_two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    with Second(signal.pause):
        assert not second.has_room()
    assert second.has_room()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1})
    assert not second.has_room()


def test_where_no_process_can_be_made_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(11, "no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    with Second(os.getpid) as other:
        assert other.result() == os.getpid()
    assert second.has_room() == (len(os.sched_getaffinity(0)) > 1)

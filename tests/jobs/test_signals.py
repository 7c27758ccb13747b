"""Signals mean what an administrator expects, and everything is as before afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.events import CancelRequested, JobState
from toolkit.jobs.journal import read
from toolkit.jobs.signals import handled_signals
from toolkit.jobs.state import job_status

RUNNER = """
import os, sys
from pathlib import Path
from toolkit.jobs.context import Job
from toolkit.jobs.signals import handled_signals
with Job.open(Path(sys.argv[1]), "backup") as job, handled_signals(job.note_signal):
    job.step("write", "Writing", cancel=sys.argv[2])
    print(job.id, flush=True)
    while not job.should_stop() and sys.stdin.readline():
        print("works", flush=True)
    job.raise_if_stopped()
"""


def test_the_handlers_are_there_only_inside() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    heard: list[str] = []
    with handled_signals(heard.append):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert heard == ["SIGTERM", "SIGINT"]
    assert {number: signal.getsignal(number) for number in before} == before


def test_an_ignored_interrupt_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handled_signals(pytest.fail):
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_the_handlers_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def work() -> None:
        with handled_signals(pytest.fail):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_a_real_runner(
    store: Path,
    start: Callable[..., subprocess.Popen[str]],
    said: Callable[..., str],
    tell: Callable[..., None],
    number: signal.Signals,
) -> None:
    runner = start(RUNNER, store, "now")
    directory = store / said(runner)
    runner.send_signal(signal.SIGHUP)
    tell(runner)
    assert said(runner) == "works"
    runner.send_signal(number)
    tell(runner)
    runner.wait()
    status = job_status(directory)
    assert status.state is JobState.CANCELLED
    assert status.result is not None
    assert status.result.exit == 130
    (request,) = [event for event in read(directory) if isinstance(event, CancelRequested)]
    assert request.signal == number.name


def test_a_second_interrupt_ends_at_once_even_where_the_first_must_wait(
    store: Path, start: Callable[..., subprocess.Popen[str]], said: Callable[..., str], tell: Callable[..., None]
) -> None:
    runner = start(RUNNER, store, "never")
    directory = store / said(runner)
    runner.send_signal(signal.SIGINT)
    tell(runner)
    assert said(runner) == "works"
    runner.send_signal(signal.SIGINT)
    runner.wait()
    assert job_status(directory).state is JobState.CANCELLED

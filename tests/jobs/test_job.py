"""What an operation says through its job arrives whole, masked, in order, and is heard at once."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toolkit.errors import CancelledError, DestinationError, RefusedError, StorageError, UndecidedError
from toolkit.events import (
    Action,
    Advanced,
    Answered,
    Asked,
    Beat,
    By,
    CancelEffect,
    CancelRequested,
    Event,
    Failure,
    ItemReported,
    JobCreated,
    JobFinished,
    JobStarted,
    JobState,
    Logged,
    Outcome,
    StepStarted,
    UndoOffer,
    Warned,
    decode,
)
from toolkit.jobs.attach import answer
from toolkit.jobs.context import BEAT, JOB_ID_VARIABLE, Job, json_lines
from toolkit.jobs.identity import boot_id, start_ticks
from toolkit.jobs.journal import EVENTS, Journal, new_spec, read
from toolkit.jobs.requests import CANCEL, Request, leave_request
from toolkit.jobs.state import job_status
from toolkit.masking import Mask


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A job with a clock in hand, no thread of its own, and all that it said."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.clock = Clock()
        self.said: list[Event] = []
        self.open: list[Job] = []

    def job(self, *, attended: bool = False, **more: object) -> Job:
        journal = Journal.create(self.store, new_spec("backup", by=By("alex"), attended=attended))
        job = Job(journal, sinks=[self.said.append], clock=self.clock, pulse=None, **more)
        self.open.append(job)
        return job

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.said if isinstance(event, kind)]


@pytest.fixture
def bench(store: Path) -> Iterator[Bench]:
    made = Bench(store)
    yield made
    for job in made.open:
        job._journal.close()


def on_disk(job: Job) -> list[Event]:
    assert job.directory is not None
    return list(read(job.directory))


def test_a_job_says_the_same_to_the_journal_and_to_every_sink(bench: Bench) -> None:
    with bench.job() as job:
        job.step("survey", "Looking", of=2)
        job.step("write", "Writing", of=2, cancel="after_step", undo="auto")
        job.item(b"/srv/caf\xe9", "skipped", "vanished")
        job.log("info", "note", "a line", size=5)
        job.finish("ok", exit=0, summary="done", undo=UndoOffer(possible=True), artifacts=[b"/v/\xff"])
    assert on_disk(job) == bench.said
    assert [type(event) for event in bench.said] == [
        JobCreated,
        JobStarted,
        StepStarted,
        StepStarted,
        ItemReported,
        Logged,
        JobFinished,
    ]
    assert [event.seq for event in bench.said] == list(range(1, 8))
    assert [event.n for event in bench.said if isinstance(event, StepStarted)] == [1, 2]


def test_who_runs_it_can_be_told_from_a_later_process_with_its_number(bench: Bench) -> None:
    with bench.job():
        pass
    (started,) = bench.of(JobStarted)
    assert started == JobStarted(
        v=1,
        job=started.job,
        seq=2,
        ts=started.ts,
        pid=os.getpid(),
        boot_id=boot_id(),
        start_ticks=start_ticks(os.getpid()),
    )


def test_foreign_text_becomes_one_line_that_can_be_seen(bench: Bench) -> None:
    with bench.job() as job:
        job.log("error", "x", "two\nlines \x1b[2J", name="\u202ea")
        job.warn("y", "a\x07b")
        job.step("s", "t\rt")
    text = b"".join(bytes(line) for line in (job.directory / EVENTS).read_bytes().splitlines())
    assert text.decode().isprintable()
    (logged,) = bench.of(Logged)
    assert (logged.msg, logged.params) == ("two\\nlines \\x1b[2J", {"name": "\\u202ea"})


def test_secrets_are_masked_in_journal_spec_and_sinks(store: Path, tmp_path: Path) -> None:
    secret = "correct horse/battery"
    stream = io.StringIO()
    with Job.open(
        store,
        "backup",
        targets=(f"/srv/{secret}", secret.encode() + b"\xff"),
        cli=f"lifeboat backup --x '{secret}'",
        by=By("alex"),
        sinks=[json_lines(stream)],
        mask=Mask([secret]),
    ) as job:
        job.step(secret, secret)
        job.progress(item=secret)(1, 1)
        job.log("info", secret, f"using {secret}!", a=secret)
        job.warn("x", "https://u:p4ss@host/")
        job.mask.add("second secret")
        job.item(secret, Action.FAILED, "second secret")
        job.finish("failed", exit=1, summary=secret, error=StorageError(secret, subject=f"/a/{secret}", hint=secret))
    assert job.directory is not None
    everything = b"".join(path.read_bytes() for path in job.directory.rglob("*") if path.is_file())
    everything += stream.getvalue().encode()
    for spelling in (b"horse", b"second secret", b"p4ss"):
        assert spelling not in everything
    assert stream.getvalue().count("***") >= 10


def test_events_on_stderr_are_json_lines_and_nothing_else(store: Path) -> None:
    code = """
import sys
from pathlib import Path
from toolkit.jobs.context import Job, json_lines
with Job.open(Path(sys.argv[1]), "backup", targets=(b"\\xff\\x1b[2J",), sinks=[json_lines(sys.stderr)]) as job:
    job.log("info", "x", "\\x9b2J \\u202e \\n")
    job.item("/srv/\\u202e\\x1b]0;x\\x07", "skipped")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(store)],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
    )
    lines = done.stderr.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["job.created", "job.started", "log", "item", "job.finished"]
    assert all(line.decode().isprintable() for line in lines)
    assert done.stdout == b""


def test_a_sink_whose_terminal_is_gone_is_dropped_and_the_job_goes_on(bench: Bench) -> None:
    calls = 0

    def broken(_event: Event) -> None:
        nonlocal calls
        calls += 1
        raise BrokenPipeError

    with bench.job() as job:
        job._sinks.insert(0, broken)
        job.log("info", "a", "a")
        job.log("info", "b", "b")
    assert calls == 1
    assert len(bench.of(Logged)) == 2


def test_warnings_make_the_end_a_warning(bench: Bench) -> None:
    with bench.job() as job:
        job.warn("unread", "3 files could not be read", count=3)
        result = job.finish("ok", exit=3)
    assert result.status is Outcome.WARN
    assert job_status(job.directory).state is JobState.WARN
    assert job_status(job.directory).warnings == 3


def test_only_the_first_end_counts_and_nothing_follows_it(bench: Bench) -> None:
    with bench.job() as job:
        first = job.finish("failed", exit=4)
        assert job.finish("ok", exit=0) is first
        job.log("info", "late", "late")
        job.warn("late", "late")
        job.cancel()
    assert on_disk(job)[-1] == first
    assert bench.said[-1] == first


@pytest.mark.parametrize(
    ("error", "status", "code", "exit_code"),
    [
        (CancelledError("stopped"), Outcome.CANCELLED, "cancelled", 130),
        (KeyboardInterrupt(), Outcome.CANCELLED, "cancelled", 130),
        (RefusedError("no", subject=b"/srv/\xff"), Outcome.REFUSED, "refused", 1),
        (DestinationError("away", retryable=True), Outcome.FAILED, "destination", 1),
        (ZeroDivisionError("oops\n"), Outcome.FAILED, "bug", 1),
    ],
)
def test_an_error_that_leaves_the_block_ends_the_journal(
    bench: Bench, error: BaseException, status: Outcome, code: str, exit_code: int
) -> None:
    with pytest.raises(type(error)), bench.job():
        raise error
    (finished,) = bench.of(JobFinished)
    assert isinstance(finished, JobFinished)
    assert isinstance(finished.error, Failure)
    assert (finished.status, finished.exit, finished.error.code) == (status, exit_code, code)
    assert finished.error.retry is (code == "destination")


def test_the_command_line_gives_the_exit_code_of_an_error(bench: Bench) -> None:
    with pytest.raises(RefusedError), bench.job(exit_for=lambda _error: 5):
        raise RefusedError("no")
    (finished,) = bench.of(JobFinished)
    assert finished.exit == 5


def test_a_hundred_thousand_reports_are_few_lines_and_the_last_is_there(bench: Bench) -> None:
    with bench.job() as job:
        job.step("write", "Writing")
        report = job.progress(unit="files")
        for at in range(100_000):
            bench.clock.now += 0.0001
            report(at + 1, None)
    said = bench.of(Advanced)
    assert 35 <= len(said) <= 42
    assert said[-1].done == 100_000
    assert said[0].done == 1
    assert [event.seq for event in on_disk(job)] == list(range(1, len(on_disk(job)) + 1))


def test_the_last_of_a_step_is_said_before_the_next_begins(bench: Bench) -> None:
    with bench.job() as job:
        job.step("one", "1")
        report = job.progress(total=100)
        for done in (1, 50, 70):
            report(done)
        job.step("two", "2")
        kinds = [(type(event), getattr(event, "done", None)) for event in bench.said[2:]]
    assert kinds == [(StepStarted, None), (Advanced, 1), (Advanced, 70), (StepStarted, None)]


def test_many_threads_report_without_a_line_torn_or_a_step_back(bench: Bench) -> None:
    with bench.job() as job:
        job.step("hash", "Hashing")
        report = job.progress(total=40_000)
        count = 0
        mutex = threading.Lock()
        ready = threading.Barrier(8)

        def work() -> None:
            nonlocal count
            ready.wait()
            for _ in range(5000):
                with mutex:
                    count += 1
                    mine = count
                bench.clock.now += 0.001
                report(mine)
                if mine % 1000 == 0:
                    job.item(f"file {mine}", "skipped")

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    dones = [event.done for event in bench.said if isinstance(event, Advanced)]
    assert dones == sorted(dones)
    assert dones[-1] == 40_000
    assert len(bench.of(ItemReported)) == 40
    assert on_disk(job) == bench.said
    assert [event.seq for event in bench.said] == list(range(1, len(bench.said) + 1))


def test_silence_is_broken_by_a_beat_every_five_seconds(bench: Bench) -> None:
    with bench.job() as job:
        for _ in range(20):
            bench.clock.now += 1
            job.tick()
        assert len(bench.of(Beat)) == 20 // BEAT
        bench.clock.now += 4
        job.log("info", "x", "not silent")
        bench.clock.now += 4
        job.tick()
        assert len(bench.of(Beat)) == 20 // BEAT


def test_progress_that_was_held_back_is_said_when_the_engine_stands(bench: Bench) -> None:
    with bench.job() as job:
        report = job.progress("copy")
        report(1, 100)
        report(60, 100)
        bench.clock.now += 1
        job.tick()
        assert bench.of(Advanced)[-1].done == 60


def test_the_thread_of_the_job_beats_by_itself(store: Path) -> None:
    heard = threading.Event()
    clock = Clock()

    def sink(event: Event) -> None:
        if isinstance(event, Beat):
            heard.set()
        clock.now += 10

    with Job(Journal.create(store, new_spec("x")), sinks=[sink], clock=clock, pulse=0.001):
        clock.now += 10
        heard.wait()
    assert not [thread for thread in threading.enumerate() if thread.name == "job-beat"]


def test_cancelling_is_heard_at_once_where_the_step_allows(bench: Bench) -> None:
    with bench.job() as job:
        job.step("copy", "Copying")
        assert not job.should_stop()
        job.cancel(By("maria"))
        job.cancel(By("someone else"))
        assert job.should_stop()
        with pytest.raises(CancelledError, match="cancelled by maria"):
            job.raise_if_stopped()
    (request,) = bench.of(CancelRequested)
    assert (request.by, request.effective) == (By("maria"), CancelEffect.NOW)


def test_after_the_point_of_no_return_the_step_is_finished_first(bench: Bench) -> None:
    with bench.job() as job:
        job.step("swap", "Swapping", cancel="after_step")
        job.cancel()
        assert not job.should_stop()
        with pytest.raises(CancelledError):
            job.step("check", "Checking")
        job.step("start", "Starting the service again", cancel="never")
        assert not job.should_stop()
    (request,) = bench.of(CancelRequested)
    assert request.effective is CancelEffect.AFTER_STEP
    assert [event.name for event in bench.said if isinstance(event, StepStarted)] == ["swap", "start"]


def test_a_signal_cancels_and_the_request_says_who(bench: Bench) -> None:
    with bench.job() as job:
        leave_request(job.directory, CANCEL, Request(by=By("maria", from_="192.0.2.7")))
        assert not job.should_stop()
        job.note_signal("SIGTERM")
        assert job.should_stop()
    (request,) = bench.of(CancelRequested)
    assert (request.by, request.signal) == (By("maria", from_="192.0.2.7"), "SIGTERM")


def test_a_request_alone_is_found_too(bench: Bench) -> None:
    with bench.job() as job:
        leave_request(job.directory, CANCEL, Request(by=By("maria")))
        job.tick()
        assert job.should_stop()


def test_a_question_is_answered_at_the_terminal(bench: Bench) -> None:
    with bench.job(answerer=lambda question: question.choices[1]) as job:
        given = job.ask("clash", b"caf\xe9", ("replace", "skip"), suggest="skip")
    assert given.choice == "skip"
    assert [type(event) for event in on_disk(job)[2:4]] == [Asked, Answered]


def test_a_question_is_answered_from_another_process_through_the_directory(bench: Bench) -> None:
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        assert job.directory is not None
        assert job_status(job.directory).state is JobState.ASKING
        if len(looks) == 3:
            with pytest.raises(RefusedError):
                answer(job.directory, "q9", "yes", by=By("maria"))
            with pytest.raises(RefusedError):
                answer(job.directory, "q1", "perhaps", by=By("maria"))
            answer(job.directory, "q1", "yes", by=By("maria"), scope="all")

    with bench.job(attended=True, pause=pause) as job:
        given = job.ask("confirm", "shop", ("yes", "no"))
    assert (given.choice, given.scope, given.by) == ("yes", "all", By("maria"))
    assert len(looks) == 3


def test_an_undecided_question_fails_at_once_where_nobody_can_answer(bench: Bench) -> None:
    with pytest.raises(UndecidedError), bench.job(pause=lambda _seconds: pytest.fail("it waits")) as job:
        job.ask("choice", "which", ("a", "b"))
    assert bench.said[-1].status is Outcome.REFUSED


def test_a_default_is_taken_when_its_time_is_over(bench: Bench) -> None:
    def pause(seconds: float) -> None:
        bench.clock.now += seconds

    with bench.job(attended=True, pause=pause) as job:
        began = bench.clock.now
        given = job.ask("choice", "which", ("a", "b"), default="b", default_after=10)
    assert (given.choice, given.by) == ("b", None)
    assert bench.clock.now - began == 10


def test_a_question_ends_with_the_job_that_asks(bench: Bench) -> None:
    with pytest.raises(CancelledError), bench.job(attended=True, pause=lambda _seconds: job.cancel()) as job:
        job.ask("choice", "which", ("a", "b"))
    assert bench.said[-1].status is Outcome.CANCELLED


def test_a_secret_answer_is_in_no_file(bench: Bench) -> None:
    with bench.job(answerer=lambda _question: "open sesame") as job:
        given = job.ask("secret", "passphrase")
        job.log("info", "x", "it is open sesame")
    assert given.choice == "open sesame"
    assert b"sesame" not in (job.directory / EVENTS).read_bytes()
    assert not any("sesame" in str(event) for event in bench.said)


def test_a_job_without_a_place_for_its_journal_runs_and_warns(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    said: list[Event] = []
    with Job.open(tmp_path / "state" / "jobs", "diagnose", by=By("alex"), sinks=[said.append]) as job:
        job.log("info", "x", "works")
    assert job.directory is None
    assert [type(event) for event in said] == [JobCreated, JobStarted, Warned, Logged, JobFinished]
    assert job.result is not None
    assert job.result.status is Outcome.WARN


def test_a_job_that_wants_no_journal_has_none_and_does_not_warn() -> None:
    with Job.open(None, "diagnose", by=By("alex")) as job:
        job.log("info", "x", "works")
    assert job.result is not None
    assert job.result.status is Outcome.OK


def test_a_named_job_is_taken_over_and_its_name_not_passed_on(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.create(store, new_spec("backup", by=By("alex")))
    journal.close()
    monkeypatch.setenv(JOB_ID_VARIABLE, journal.spec.id)
    said: list[Event] = []
    with Job.open(store, "something else", sinks=[said.append]) as job:
        assert JOB_ID_VARIABLE not in os.environ
    assert job.spec.op == "backup"
    assert [event.seq for event in said] == [1, 2, 3]
    assert decode((store / job.id / EVENTS).read_bytes().splitlines()[-1]) == job.result


def test_who_ran_it_and_from_where(monkeypatch: pytest.MonkeyPatch) -> None:
    from toolkit.jobs.identity import who

    by = who({"SUDO_USER": "alex", "SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 22"})
    import pwd

    assert (by.user, by.sudo_user, by.from_) == (pwd.getpwuid(os.geteuid()).pw_name, "alex", "192.0.2.7")


def test_the_address_is_found_where_sudo_took_it_away(start: Callable[..., subprocess.Popen[str]]) -> None:
    inner = "from toolkit.jobs.identity import who; print(who({}).from_)"
    outer = f"""
import os, subprocess, sys
os.environ["SSH_CONNECTION"] = "192.0.2.7 50000 192.0.2.1 22"
os.execv(sys.executable, [sys.executable, "-c", '''
import os, subprocess, sys
del os.environ["SSH_CONNECTION"]
subprocess.run([sys.executable, "-c", "{inner}"], check=True)
'''])
"""
    assert start(outer).communicate()[0].strip() == "192.0.2.7"

"""A journal tells the truth about its job, whatever happened to the runner or to the last line."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from toolkit import durable
from toolkit.errors import JobNotFoundError, LockedError, RefusedError
from toolkit.events import (
    Answered,
    Asked,
    By,
    CancelEffect,
    CancelRequested,
    Event,
    JobFinished,
    JobStarted,
    JobState,
    Level,
    Logged,
    Outcome,
    QuestionKind,
    UnknownEvent,
)
from toolkit.jobs.journal import EVENTS, SPEC, Journal, follow, hand_over, new_spec, read, read_spec, runner_alive
from toolkit.jobs.state import job_directories, job_status

STARTED = JobStarted(pid=1, boot_id="b")
DONE = JobFinished(status=Outcome.OK, exit=0)

RUNNER = """
import sys
from pathlib import Path
from toolkit.jobs.context import Job
with Job.open(Path(sys.argv[1]), "backup", targets=("shop",)) as job:
    job.step("write", "Writing")
    print(job.id, flush=True)
    sys.stdin.readline()
"""


def line(text: str) -> Logged:
    return Logged(level=Level.INFO, msg=text)


@pytest.fixture
def journal(store: Path) -> Iterator[Journal]:
    made = Journal.create(store, new_spec("backup", targets=("shop", b"caf\xe9"), by=By("alex")))
    yield made
    made.close()


def where(journal: Journal) -> Path:
    assert journal.directory is not None
    return journal.directory


def test_a_new_journal_says_what_was_asked_and_only_its_owner_can_look(journal: Journal) -> None:
    directory = where(journal)
    (created,) = read(directory)
    assert created == journal.created
    assert (created.seq, created.job) == (1, directory.name)
    assert read_spec(directory) == journal.spec
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"spec.json": 0o600, "events.jsonl": 0o600, "lock": 0o600, "answers": 0o700}
    assert stat.S_IMODE(directory.stat().st_mode) == stat.S_IMODE(directory.parent.stat().st_mode) == 0o700


def test_events_are_numbered_and_read_from_any_number(journal: Journal) -> None:
    said = [journal.append(line(str(at))) for at in range(5)]
    assert [event.seq for event in said] == [2, 3, 4, 5, 6]
    assert list(read(where(journal), 4)) == said[2:]
    assert all(event.ts.tzinfo is UTC and event.ts.year > 2000 for event in said)


def test_half_a_last_line_is_passed_over_and_never_glued_to_the_next(store: Path, journal: Journal) -> None:
    directory = where(journal)
    journal.append(line("whole"))
    journal.close()
    with open(directory / EVENTS, "ab") as file:
        file.write(b'{"type":"log","v":1,"job":"x","se')
    assert [event.seq for event in read(directory)] == [1, 2]
    again = Journal.adopt(store, directory.name)
    again.append(line("after"))
    again.close()
    assert [event.seq for event in read(directory)] == [1, 2, 3]


def test_every_possible_tear_of_the_last_line_leaves_the_lines_before(journal: Journal) -> None:
    directory = where(journal)
    journal.append(line("first"))
    whole = (directory / EVENTS).read_bytes()
    journal.append(line("数据 second"))
    both = (directory / EVENTS).read_bytes()
    journal.close()
    for size in range(len(whole), len(both) - 1):
        (directory / EVENTS).write_bytes(both[:size])
        assert [event.seq for event in read(directory)] == [1, 2]


def test_unknown_lines_and_junk_in_the_middle_hide_nothing(journal: Journal) -> None:
    directory = where(journal)
    with open(directory / EVENTS, "ab") as file:
        file.write(b'\x00\x00\xff junk\n{"type":"hologram","seq":2}\n\n')
    journal.append(DONE)
    kinds = [type(event) for event in read(directory)]
    assert kinds == [type(journal.created), UnknownEvent, JobFinished]


def test_the_states_follow_from_journal_and_lock(journal: Journal) -> None:
    directory = where(journal)
    by = By("alex")
    story: list[tuple[Event, JobState]] = [
        (line("x"), JobState.QUEUED),
        (STARTED, JobState.RUNNING),
        (Asked(qid="q1", kind=QuestionKind.CHOICE, subject="?"), JobState.ASKING),
        (Answered(qid="q1", choice="yes"), JobState.RUNNING),
        (CancelRequested(effective=CancelEffect.NOW, by=by), JobState.CANCELLING),
    ]
    for event, state in story:
        journal.append(event)
        assert job_status(directory).state is state
    journal.close()
    assert job_status(directory).state is JobState.INTERRUPTED


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.OK, JobState.OK),
        (Outcome.WARN, JobState.WARN),
        (Outcome.FAILED, JobState.FAILED),
        (Outcome.REFUSED, JobState.FAILED),
        (Outcome.CANCELLED, JobState.CANCELLED),
    ],
)
def test_an_end_is_an_end_with_and_without_the_lock(journal: Journal, outcome: Outcome, state: JobState) -> None:
    journal.append(STARTED)
    journal.append(JobFinished(status=outcome, exit=9))
    held = job_status(where(journal))
    journal.close()
    freed, brief = job_status(where(journal)), job_status(where(journal), brief=True)
    assert held.state is freed.state is brief.state is state
    assert freed.result == brief.result
    assert freed.over


def test_a_killed_runner_is_interrupted_and_a_living_one_is_not(
    store: Path, start: Callable[..., object], said: Callable[..., str]
) -> None:
    runner = start(RUNNER, store)
    directory = store / said(runner)
    assert job_status(directory).state is JobState.RUNNING
    runner.kill()
    runner.wait()
    status = job_status(directory)
    assert status.state is JobState.INTERRUPTED
    assert status.step is not None
    assert status.step.name == "write"


def test_a_child_of_the_runner_does_not_keep_a_killed_job_alive(
    store: Path, start: Callable[..., object], said: Callable[..., str]
) -> None:
    forks = RUNNER.replace(
        "    print(job.id",
        "    import os\n    ours, its = os.pipe()\n    child = os.fork()\n"
        "    if not child: os.write(its, b'!'); os.read(0, 1); os._exit(0)\n    os.read(ours, 1)\n    print(job.id",
    )
    runner = start("import warnings; warnings.simplefilter('ignore')\n" + forks, store)
    directory = store / said(runner)
    runner.kill()
    runner.wait()
    assert job_status(directory).state is JobState.INTERRUPTED


def test_a_job_waits_queued_while_it_is_handed_over(store: Path, journal: Journal) -> None:
    directory = where(journal)
    waiting = hand_over(journal, directory)
    assert job_status(directory).state is JobState.QUEUED
    adopted = Journal.adopt(store, directory.name)
    adopted.append(STARTED)
    waiting.close()
    assert job_status(directory).state is JobState.RUNNING
    assert [event.seq for event in read(directory)] == [1, 2]
    adopted.close()
    assert not runner_alive(directory)


def test_a_running_job_and_one_that_ran_are_not_taken_over(store: Path, journal: Journal) -> None:
    with pytest.raises(LockedError):
        Journal.adopt(store, journal.spec.id)
    journal.append(STARTED)
    journal.close()
    with pytest.raises(RefusedError):
        Journal.adopt(store, journal.spec.id)
    assert not runner_alive(where(journal))


def test_an_absent_job_is_said_to_be_absent(store: Path) -> None:
    for action in (
        lambda: Journal.adopt(store, "nope"),
        lambda: list(read(store / "nope")),
        lambda: list(follow(store / "nope")),
        lambda: job_status(store / "nope"),
    ):
        with pytest.raises(JobNotFoundError):
            action()
    assert job_directories(store) == []


def test_an_id_that_is_taken_is_exchanged(store: Path, journal: Journal) -> None:
    other = Journal.create(store, journal.spec)
    other.close()
    assert other.spec.id != journal.spec.id
    assert len(job_directories(store)) == 2


def test_a_death_at_any_step_of_making_a_journal_leaves_no_job_or_a_whole_one(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        pass

    steps = 0

    def die_at(number: int) -> Callable[[str, str], None]:
        count = iter(range(100))

        def step(_name: str, _path: str) -> None:
            nonlocal steps
            steps = next(count)
            if steps == number:
                raise Death

        return step

    for number in range(100):
        monkeypatch.setattr(durable, "on_step", die_at(number))
        spec = new_spec("backup")
        try:
            Journal.create(store, spec).close()
        except Death:
            monkeypatch.setattr(durable, "on_step", durable._ignore_step)
            for directory in job_directories(store):
                assert job_status(directory).state is JobState.INTERRUPTED
        else:
            break
    assert number == steps + 1
    assert number >= 6


def test_a_full_disk_is_remembered_and_never_raised(journal: Journal) -> None:
    directory = where(journal)
    before = (directory / EVENTS).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before + 30, hard))
        lost = journal.append(line("does not fit"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert lost.seq == 2
    assert journal.trouble is not None
    kept = journal.append(line("fits again"))
    assert list(read(directory)) == [journal.created, kept]


def test_following_gives_each_event_once_and_ends_with_the_job(journal: Journal) -> None:
    story: list[Event] = [STARTED, line("a"), line("b"), DONE]

    def pause(_seconds: float) -> bool:
        journal.append(story.pop(0))
        return False

    followed = list(follow(where(journal), pause=pause))
    assert [event.seq for event in followed] == [1, 2, 3, 4, 5]
    assert story == []


def test_following_waits_for_the_rest_of_a_line_that_is_half_written(journal: Journal) -> None:
    directory = where(journal)
    journal.append(STARTED)
    text = b'{"type":"job.finished","seq":3,"status":"ok","exit":0}\n'
    pieces = [text[:10], text[10:40], text[40:]]

    def pause(_seconds: float) -> bool:
        with open(directory / EVENTS, "ab") as file:
            file.write(pieces.pop(0))
        return False

    assert [event.seq for event in follow(directory, 2, pause=pause)] == [2, 3]
    assert pieces == []


def test_following_a_job_whose_runner_dies_ends_and_loses_no_last_words(journal: Journal) -> None:
    directory = where(journal)

    def pause(_seconds: float) -> bool:
        journal.append(line("last words"))
        journal.close()
        return False

    assert [event.seq for event in follow(directory, pause=pause)] == [1, 2]


def test_following_can_be_left(journal: Journal) -> None:
    assert [event.seq for event in follow(where(journal), pause=lambda _seconds: True)] == [1]


def test_a_reboot_in_the_middle_is_an_interruption(store: Path, journal: Journal) -> None:
    """After a reboot no flock is held; the process number may be somebody else's by then."""
    directory = where(journal)
    journal.append(JobStarted(pid=os.getpid(), boot_id="of another boot", start_ticks=1))
    journal.close()
    status = job_status(directory)
    assert status.state is JobState.INTERRUPTED
    assert status.started is not None
    assert status.started.boot_id == "of another boot"


def test_a_directory_without_description_is_no_job(store: Path, journal: Journal) -> None:
    (store / "0123abcd").mkdir()
    (store / "stray").write_text("")
    assert job_directories(store) == [where(journal)]
    (where(journal) / SPEC).unlink()
    assert job_directories(store) == []


def test_errors_of_the_system_are_said_in_our_words(store: Path, journal: Journal) -> None:
    (where(journal) / EVENTS).rename(where(journal) / "away")
    (where(journal) / EVENTS).mkdir()
    with pytest.raises(durable.StorageError) as caught:
        list(read(where(journal)))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EISDIR


def test_the_clock_is_the_one_given(store: Path) -> None:
    when = datetime(2026, 11, 20, 3, 7, tzinfo=UTC)
    journal = Journal.create(store, new_spec("backup"), now=lambda: when)
    assert journal.created.ts == when
    journal.close()

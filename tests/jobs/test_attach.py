"""Jobs are found, watched, answered and ended from any other process, and old ones go."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toolkit.errors import JobNotFoundError, RefusedError
from toolkit.events import By, CancelRequested, Event, JobFinished, JobStarted, JobState, Outcome
from toolkit.jobs import attach as attach_module
from toolkit.jobs.attach import attach, cancel, find_job, list_jobs, prune_jobs, tidy
from toolkit.jobs.identity import boot_id, start_ticks
from toolkit.jobs.journal import EVENTS, LOCK, SPEC, Journal, new_spec, read
from toolkit.jobs.state import job_directories, job_status

Start = Callable[..., "subprocess.Popen[str]"]
Said = Callable[..., str]

RUNNER = """
import sys
from pathlib import Path
from toolkit.jobs.context import Job
from toolkit.jobs.signals import handled_signals
with Job.open(Path(sys.argv[1]), "restore") as job, handled_signals(job.note_signal):
    job.step("copy", "Copying")
    print(job.id, flush=True)
    sys.stdin.readline()
    if sys.argv[2] == "tick":
        job.tick()
    job.raise_if_stopped()
"""

NOW = datetime(2026, 11, 20, 3, 7, tzinfo=UTC)


@pytest.fixture
def ended(store: Path) -> Callable[..., str]:
    """Make a job that ended so many days before NOW."""

    def make(days: float, outcome: Outcome = Outcome.OK, cli: str = "") -> str:
        journal = Journal.create(store, new_spec("backup", cli=cli))
        journal.append(JobStarted(pid=1, boot_id=""))
        journal.append(JobFinished(status=outcome, exit=0))
        journal.close()
        when = (NOW - timedelta(days=days)).timestamp()
        for name in (SPEC, EVENTS):
            os.utime(store / journal.spec.id / name, (when, when))
        return journal.spec.id

    return make


def test_jobs_are_listed_newest_first_in_pages_and_by_state(store: Path, ended: Callable[..., str]) -> None:
    ids = [ended(days) for days in (5, 1, 3, 2, 4)]
    failed = ended(2.5, Outcome.FAILED)
    newest_first = [ids[1], ids[3], failed, ids[2], ids[4], ids[0]]
    assert [job.spec.id for job in list_jobs(store)] == newest_first
    assert [job.spec.id for job in list_jobs(store, limit=2, offset=1)] == newest_first[1:3]
    assert [job.spec.id for job in list_jobs(store, states=frozenset({JobState.FAILED}))] == [failed]
    assert list_jobs(store, states=frozenset({JobState.INTERRUPTED})) == []
    assert list_jobs(store / "none") == []


def test_a_job_whose_description_is_damaged_hides_no_other(store: Path, ended: Callable[..., str]) -> None:
    good, bad = ended(1), ended(2)
    (store / bad / SPEC).write_bytes(b"{")
    assert [job.spec.id for job in list_jobs(store)] == [good]


def test_a_job_is_found_by_the_beginning_of_its_id(store: Path) -> None:
    for name in ("aa00", "ab00", "ab"):
        (store / name).mkdir(parents=True)
        (store / name / SPEC).write_bytes(b"{}")
    assert find_job(store, "aa").name == "aa00"
    assert find_job(store, "ab").name == "ab"
    assert find_job(store, "latest") == job_directories(store)[0]
    for name in ("a", "zz", "", "../aa00", "/"):
        with pytest.raises(JobNotFoundError):
            find_job(store, name)


def test_a_job_is_ended_from_another_process_which_says_who(store: Path, start: Start, said: Said) -> None:
    runner = start(RUNNER, store, "signal")
    directory = store / said(runner)
    assert cancel(directory, by=By("maria", from_="192.0.2.7")) is True
    runner.communicate("\n")
    assert job_status(directory).state is JobState.CANCELLED
    (request,) = [event for event in read(directory) if isinstance(event, CancelRequested)]
    assert (request.by, request.signal) == (By("maria", from_="192.0.2.7"), "SIGTERM")
    with pytest.raises(RefusedError, match="cancelled"):
        cancel(directory, by=By("maria"))


@pytest.mark.parametrize("lie", ["boot", "start", "free lock"])
def test_a_process_that_is_not_the_runner_is_never_signalled(store: Path, start: Start, said: Said, lie: str) -> None:
    bystander = start("import sys; print('up', flush=True); sys.stdin.readline(); print('alive')")
    assert said(bystander) == "up"
    journal = Journal.create(store, new_spec("restore"))
    assert journal.directory is not None
    journal.append(
        JobStarted(
            pid=bystander.pid,
            boot_id="another" if lie == "boot" else boot_id(),
            start_ticks=start_ticks(bystander.pid) - (lie == "start"),
        )
    )
    if lie == "free lock":
        journal.close()
        with pytest.raises(RefusedError, match="interrupted"):
            cancel(journal.directory, by=By("maria"))
    else:
        assert cancel(journal.directory, by=By("maria")) is False
    journal.close()
    assert bystander.communicate("\n")[0] == "alive\n"


def test_the_request_works_without_the_signal(store: Path, start: Start, said: Said) -> None:
    runner = start(RUNNER, store, "tick")
    directory = store / said(runner)
    from toolkit.jobs.requests import CANCEL, Request, leave_request

    leave_request(directory, CANCEL, Request(by=By("maria")))
    runner.communicate("\n")
    assert job_status(directory).state is JobState.CANCELLED


def test_a_watcher_sees_all_from_the_beginning_to_the_end(store: Path, start: Start, said: Said, tell: Said) -> None:
    runner = start(RUNNER, store, "-")
    directory = store / said(runner)
    seen: list[Event] = []

    def pause(_seconds: float) -> bool:
        if runner.poll() is None:
            tell(runner)
            runner.wait()
        return False

    status = attach(directory, seen.append, pause=pause)
    assert status.state is JobState.OK
    assert seen == list(read(directory))
    assert isinstance(seen[-1], JobFinished)


def test_a_watcher_of_a_killed_job_is_told_that_it_was_interrupted(store: Path, start: Start, said: Said) -> None:
    runner = start(RUNNER, store, "-")
    directory = store / said(runner)

    def pause(_seconds: float) -> bool:
        runner.kill()
        runner.wait()
        return False

    assert attach(directory, lambda _event: None, pause=pause).state is JobState.INTERRUPTED
    assert [job.spec.id for job in list_jobs(store, states=frozenset({JobState.INTERRUPTED}))] == [directory.name]


def test_old_jobs_go_and_the_newest_always_stay(store: Path, ended: Callable[..., str]) -> None:
    ids = [ended(days) for days in (1, 2, 3, 40, 50, 60)]
    assert sorted(prune_jobs(store, keep=5, always=2, now=NOW)) == sorted(ids[3:])
    assert sorted(prune_jobs(store, keep=1, always=0, now=NOW)) == sorted(ids[1:3])
    assert [job.spec.id for job in list_jobs(store)] == [ids[0]]
    assert prune_jobs(store, keep=0, always=1, now=NOW + timedelta(days=365)) == []
    assert sorted(path.name for path in store.iterdir()) == [ids[0]]


def test_a_living_job_is_never_pruned(store: Path, ended: Callable[..., str]) -> None:
    living = Journal.create(store, new_spec("backup"))
    old = ended(100)
    assert prune_jobs(store, keep=0, always=0, now=NOW + timedelta(days=365)) == [old]
    assert job_directories(store) == [living.directory]
    living.close()
    assert prune_jobs(store, keep=0, always=0, now=NOW + timedelta(days=365)) == [living.spec.id]


def test_what_never_became_a_job_or_was_half_removed_goes_too(store: Path, ended: Callable[..., str]) -> None:
    ended(1)
    (store / ".removing-0123abcd" / "answers").mkdir(parents=True)
    stillborn = store / "feed0001"
    stillborn.mkdir()
    (stillborn / LOCK).write_text("")
    old = (NOW - timedelta(days=2)).timestamp()
    os.utime(stillborn, (old, old))
    assert prune_jobs(store, now=NOW) == []
    assert len(list(store.iterdir())) == 1


def test_pruning_where_there_are_no_jobs_does_nothing(store: Path) -> None:
    assert prune_jobs(store) == []
    assert not store.exists()


def test_the_newest_job_of_each_command_stays_for_a_year(store: Path, ended: Callable[..., str]) -> None:
    daily, old_monthly, monthly = ended(1, cli="daily"), ended(90, cli="monthly"), ended(40, cli="monthly")
    older, forgotten = ended(2, cli="daily"), ended(500, cli="once")
    assert sorted(prune_jobs(store, keep=0, always=0, now=NOW)) == sorted([old_monthly, older, forgotten])
    assert {path.name for path in job_directories(store)} == {daily, monthly}


def test_a_job_without_events_does_not_stop_the_others_from_going(store: Path, ended: Callable[..., str]) -> None:
    first, second = ended(90), ended(100)
    (store / first / EVENTS).unlink()
    assert sorted(prune_jobs(store, keep=0, always=0, now=NOW)) == sorted([first, second])


def test_a_store_is_tidied_when_it_has_outgrown_what_is_kept(
    store: Path, ended: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach_module, "SLACK", 2 - attach_module.KEEP)
    for _ in range(2):
        ended(1000)
    assert tidy(store) == []
    monkeypatch.setattr(prune_jobs, "__kwdefaults__", {**prune_jobs.__kwdefaults__, "always": 1})  # type: ignore[dict-item]
    oldest = ended(1001)
    assert oldest in tidy(store)
    assert len(job_directories(store)) == 1
    assert tidy(store / "nowhere") == []

"""A detached job starts, says so, and survives the terminal it was started from."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.errors import LifeboatError
from toolkit.events import By, JobFinished, JobState, Logged, Outcome
from toolkit.jobs.attach import attach
from toolkit.jobs.context import JOB_ID_VARIABLE
from toolkit.jobs.journal import LOG, follow, new_spec, read, runner_alive
from toolkit.jobs.spawn import Spawned, scope_prefix, spawn
from toolkit.jobs.state import job_directories, job_status

NOWHERE = Path("/nonexistent/systemd")

WORKER = """
import os, sys
from pathlib import Path
from toolkit.jobs.context import Job
from toolkit.jobs.signals import handled_signals
with Job.open(Path(sys.argv[1]), "backup") as job, handled_signals(job.note_signal):
    print("hello from", job.id, flush=True)
    with open(sys.argv[2]) as gate:
        word = gate.read()
    job.log("info", "where", word, session=os.getsid(0) == os.getpid(), input=sys.stdin.read(), tty=sys.stdout.isatty())
    job.finish("ok", exit=0)
"""

FROM_A_TERMINAL = """
import os, sys
from pathlib import Path
from toolkit.jobs.journal import new_spec
from toolkit.jobs.spawn import spawn
assert os.isatty(0) and os.isatty(1)
started = spawn([sys.executable, "-c", sys.argv[3], sys.argv[1], sys.argv[2]], Path(sys.argv[1]), new_spec("backup"),
                systemd=Path("/nonexistent"))
print("started", started.id, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A pipe with a name: who reads it waits until somebody writes."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


@pytest.fixture
def started(store: Path, gate: Path, environment: dict[str, str]) -> Iterator[Spawned]:
    """A detached worker that waits at the gate."""
    argv = [sys.executable, "-c", WORKER, str(store), str(gate)]
    spawned = spawn(argv, store, new_spec("backup", by=By("alex")), env=environment, systemd=NOWHERE)
    yield spawned
    if not job_status(spawned.directory).over:  # nobody would come to the gate any more, and this wait for ever
        gate.write_text("end of test")
        attach(spawned.directory, lambda _event: None)


def test_a_detached_job_runs_in_a_session_of_its_own(started: Spawned, gate: Path) -> None:
    status = job_status(started.directory)
    assert status.state is JobState.RUNNING
    assert status.spec.attended
    assert status.started is not None
    assert status.started.pid == started.pid
    assert os.getsid(started.pid) == started.pid != os.getsid(0)
    gate.write_text("go")
    (logged,) = [event for event in follow(started.directory) if isinstance(event, Logged)]
    assert (logged.msg, logged.params) == ("go", {"session": True, "input": "", "tty": False})
    assert (started.directory / LOG).read_text() == f"hello from {started.id}\n"
    assert (started.directory / LOG).stat().st_mode & 0o777 == 0o600


def test_a_detached_job_survives_the_end_of_its_terminal(store: Path, gate: Path, environment: dict[str, str]) -> None:
    argv = [sys.executable, "-c", FROM_A_TERMINAL, str(store), str(gate), WORKER]
    master, slave = pty.openpty()
    shell = os.posix_spawn(
        sys.executable,
        argv,
        environment,
        file_actions=[(os.POSIX_SPAWN_OPEN, end, os.ttyname(slave), os.O_RDWR, 0) for end in (0, 1, 2)],
        setsid=True,
    )
    os.close(slave)
    said = b""
    while b"\n" not in said:
        said += os.read(master, 1000)
    assert said.startswith(b"started ")
    os.close(master)  # the line is lost: the kernel hangs up on the session
    os.waitpid(shell, 0)
    (directory,) = job_directories(store)
    assert job_status(directory).state is JobState.RUNNING
    gate.write_text("still here")
    words = [event.msg for event in follow(directory) if isinstance(event, Logged)]
    assert words == ["still here"]
    assert job_status(directory).state is JobState.OK


def test_a_command_that_dies_before_it_starts_is_shown_with_its_last_words(
    store: Path, environment: dict[str, str]
) -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('no config \\x1b[2J here')"]
    with pytest.raises(LifeboatError) as caught:
        spawn(argv, store, new_spec("backup"), env=environment, systemd=NOWHERE)
    assert caught.value.hint == "no config \\x1b[2J here"
    (directory,) = job_directories(store)
    status = job_status(directory)
    assert status.state is JobState.FAILED
    assert status.result is not None
    assert status.result.exit == 1
    assert not runner_alive(directory)


def test_a_command_that_is_not_there_leaves_a_failed_job(store: Path, environment: dict[str, str]) -> None:
    with pytest.raises(LifeboatError) as caught:
        spawn(["/nonexistent/lifeboat"], store, new_spec("backup"), env=environment, systemd=NOWHERE)
    assert caught.value.subject == "/nonexistent/lifeboat"
    (directory,) = job_directories(store)
    assert job_status(directory).state is JobState.FAILED


def test_a_job_that_is_done_in_no_time_has_started_too(store: Path, environment: dict[str, str]) -> None:
    code = "import sys; from pathlib import Path; from toolkit.jobs.context import Job\n"
    code += "with Job.open(Path(sys.argv[1]), 'x'): pass"
    done = spawn([sys.executable, "-c", code, str(store)], store, new_spec("x"), env=environment, systemd=NOWHERE)
    events = list(follow(done.directory))
    assert isinstance(events[-1], JobFinished)
    assert events[-1].status is Outcome.OK
    assert [event.seq for event in events] == [1, 2, 3]


def test_while_its_command_starts_the_job_is_queued(store: Path, environment: dict[str, str]) -> None:
    states: list[JobState] = []

    def pause(_seconds: float) -> bool:
        (directory,) = job_directories(store)
        states.append(job_status(directory).state)
        return False

    code = "import sys; sys.exit(3)"
    with pytest.raises(LifeboatError):
        spawn([sys.executable, "-c", code], store, new_spec("x"), env=environment, pause=pause, systemd=NOWHERE)
    assert set(states) <= {JobState.QUEUED}
    (directory,) = job_directories(store)
    (finished,) = [event for event in read(directory) if isinstance(event, JobFinished)]
    assert finished.exit == 3


@pytest.fixture
def systemd(tmp_path: Path, environment: dict[str, str]) -> tuple[Path, dict[str, str], Path]:
    """A machine that systemd runs, with a `systemd-run` that notes how it was called and does what a scope does."""
    booted, programs, calls = tmp_path / "systemd", tmp_path / "bin", tmp_path / "calls"
    booted.mkdir()
    programs.mkdir()
    program = programs / "systemd-run"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {calls}\n[ -e {booted}/broken ] && exit 1\n'
        'while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'
    )
    program.chmod(0o755)
    return booted, {**environment, "PATH": f"{programs}:{environment['PATH']}"}, calls


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes scopes of the system")
def test_under_systemd_root_gives_the_job_a_scope_of_its_own(
    store: Path, gate: Path, systemd: tuple[Path, dict[str, str], Path]
) -> None:
    booted, variables, calls = systemd
    argv = [sys.executable, "-c", WORKER, str(store), str(gate)]
    secret = {"LIFEBOAT_PASSPHRASE": "open sesame"}
    started = spawn(argv, store, new_spec("backup"), env={**variables, **secret}, systemd=booted)
    gate.write_text("in a scope")
    assert [event.msg for event in follow(started.directory) if isinstance(event, Logged)] == ["in a scope"]
    called = calls.read_text()
    assert f"--scope --quiet --collect --unit=lifeboat-job-{started.id} -- {sys.executable}" in called
    assert "sesame" not in called
    assert JOB_ID_VARIABLE not in called


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes scopes of the system")
def test_a_systemd_that_makes_no_scopes_is_done_without(systemd: tuple[Path, dict[str, str], Path]) -> None:
    booted, variables, _ = systemd
    assert scope_prefix("u", variables, systemd=booted)[-2:] == ["--unit=u", "--"]
    (booted / "broken").touch()
    assert scope_prefix("u", variables, systemd=booted) == []
    assert scope_prefix("u", variables, systemd=NOWHERE) == []
    assert scope_prefix("u", {"PATH": "/nonexistent"}, systemd=booted) == []

"""`--detach`: the same command again, in a session of its own, so that a lost line does not stop it."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.display import display
from toolkit.errors import LifeboatError
from toolkit.events import Failure, JobFinished, JobStarted, Outcome
from toolkit.jobs.context import JOB_ID_VARIABLE
from toolkit.jobs.journal import LOG, Journal, Spec, hand_over, read

SYSTEMD = Path("/run/systemd/system")
"""There when systemd runs the machine (sd_booted(3))."""

_WORDS_OF_LOG = 2000


class Spawned(msgspec.Struct, frozen=True):
    """A detached job that has started: its id, its directory, and the process."""

    id: str
    directory: Path
    pid: int


def scope_prefix(unit: str, env: Mapping[str, str], *, systemd: Path = SYSTEMD) -> list[str]:
    """Return what to put before a command so that logging out cannot kill it (`KillUserProcesses=`); else nothing.

    As root under systemd that is a transient scope of its own. A scope, not a service: environment, folder
    and output stay those of the caller, and no variable is shown to other users.
    """
    program = shutil.which("systemd-run", path=env.get("PATH"))
    if os.geteuid() != 0 or program is None or not systemd.is_dir():
        return []
    prefix = [program, "--scope", "--quiet", "--collect"]
    try:
        probe = _start([*prefix, "--", "true"], env, None)
        works = os.waitstatus_to_exitcode(os.waitpid(probe, 0)[1]) == 0
    except OSError:
        works = False
    return [*prefix, f"--unit={unit}", "--"] if works else []


def _start(argv: Sequence[str], env: Mapping[str, str], log: Path | None) -> int:
    """Start `argv` in a new session, with nothing to read and its output in `log`; return its process id."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    output = nowhere if log is None else os.open(log, flags, 0o600)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, nowhere, 0), (os.POSIX_SPAWN_DUP2, output, 1)]
        actions.append((os.POSIX_SPAWN_DUP2, output, 2))
        return os.posix_spawnp(argv[0], list(argv), dict(env), file_actions=actions, setsid=True, setsigmask=())
    finally:
        os.close(nowhere)
        if output != nowhere:
            os.close(output)


def _ended(pid: int) -> int | None:
    """Return the exit code of our child `pid` when it has ended (negative: the signal), None while it runs."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if done else None


def _reap(pid: int) -> None:
    """Wait for our child to end, so that a screen that lives long keeps no zombies."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _last_words(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _WORDS_OF_LOG))
            lines = [line for line in file.read().splitlines() if line.strip()]
    except OSError:
        return ""
    return display(lines[-1], width=300) if lines else ""


def spawn(
    argv: Sequence[str],
    store: Path,
    spec: Spec,
    *,
    env: Mapping[str, str] | None = None,
    pause: Callable[[float], bool] | None = None,
    interval: float = 0.05,
    systemd: Path = SYSTEMD,
) -> Spawned:
    """Start `argv` detached as the job `spec`, and return once it has said `job.started`.

    The child finds the job's id in LIFEBOAT_JOB_ID and takes the journal over; its folder and environment
    (`env`, default ours) stay, its output goes to the job's log. Until then the job is queued. A child that
    ends without having started leaves a job that failed, and raises `LifeboatError` with its last words.
    Raises `StorageError` or `ForbiddenError` when the journal cannot be made.
    """
    pause = pause if pause is not None else threading.Event().wait
    journal = Journal.create(store, msgspec.structs.replace(spec, attended=True))
    job_id, directory = journal.spec.id, store / journal.spec.id
    variables = {**(os.environ if env is None else env), JOB_ID_VARIABLE: job_id}
    waiting = hand_over(journal, directory)
    try:
        prefix = scope_prefix(f"lifeboat-job-{job_id}", variables, systemd=systemd)
        try:
            pid = _start([*prefix, *argv], variables, directory / LOG)
        except OSError as error:
            _give_up(store, job_id, "the job's command cannot be started", 1)
            raise durable.translate(error, subject=argv[0]) from error
        while True:
            code = _ended(pid)
            if any(isinstance(event, JobStarted) for event in read(directory)):
                threading.Thread(target=_reap, args=(pid,), name="job-reaper", daemon=True).start()
                return Spawned(job_id, directory, pid)
            if code is not None:
                _give_up(store, job_id, "the detached job ended before it started", code)
                words = _last_words(directory / LOG)
                raise LifeboatError("the detached job ended before it started", hint=words or f"exit code {code}")
            pause(interval)
    finally:
        waiting.close()


def _give_up(store: Path, job_id: str, message: str, code: int) -> None:
    """End the journal of a job that never ran."""
    try:
        journal = Journal.adopt(store, job_id)
    except LifeboatError:
        return
    failure = Failure("not-started", message)
    journal.append(
        JobFinished(status=Outcome.FAILED, exit=abs(code) or 1, summary=message, error=failure, warnings=0), sync=True
    )
    journal.close()

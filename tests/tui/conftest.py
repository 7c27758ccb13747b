"""What the tests of the screens share: a server at a fixed time, its health file and jobs, and pictures of screens."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui import idle
from tests.tui.pictures import Pictures
from toolkit.events import (
    Advanced,
    By,
    CancelEffect,
    Failure,
    JobFinished,
    JobStarted,
    Level,
    Logged,
    Outcome,
    StepStarted,
    UndoWay,
    Warned,
)
from toolkit.jobs.journal import Journal, Spec
from toolkit.jobs.spawn import Spawned
from toolkit.operations import launch
from toolkit.operations.session import Session, open_session
from toolkit.vault import health
from tui import terminal
from tui.app import LifeboatApp

NOW = datetime(2026, 11, 20, 3, 7, tzinfo=UTC)
HOSTILE = (
    "a[/b].db",
    "esc\x1b]0;x\x07.db",
    "new\nline.db",
    "\u202egnp.exe",
    "数据库" * 40 + ".db",
    "caf\udce9.db",
    "[red]x[/]",
)

_OPEN: list[Journal] = []

OpenApp = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TMUX", "SSH_CONNECTION", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "web-03")


@pytest.fixture(autouse=True)
def _keys_take_as_long_as_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("textual.app", "textual.pilot"):
        monkeypatch.setattr(f"{module}.wait_for_idle", idle.as_textual_asks)


@pytest.fixture(autouse=True)
def _jobs_end_with_the_test() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def session_at(root: Path, text: str = "", now: datetime = NOW) -> Session:
    """Open a session with the configuration `text`, whose clock stands still."""
    config = root / "config.yaml"
    config.write_text(f"vault: {root / 'vault'}\n{text}")
    return open_session(config=config, now=lambda: now)


def target(path: str, state: str, *reasons: tuple[str, str], **more: object) -> health.Target:
    """Return a target of the health file."""
    told = tuple(health.Reason(code, NOW - timedelta(minutes=2), text) for code, text in reasons)
    kind = "files" if ":" in path else "database"
    return health.Target(profile="shop", kind=kind, path=path, state=state, reasons=told, **more)  # type: ignore[arg-type]


def good(hours: float, *, tested: bool = False) -> health.LastGood:
    """Return a last good backup, this old."""
    at = NOW - timedelta(hours=hours)
    return health.LastGood(at, "k3jq7a2m", at + timedelta(minutes=10) if tested else None)


def check(minutes: float, kind: str = "full", result: str = "ok", said: tuple[str, ...] = ()) -> health.LastCheck:
    """Return a last check, this old."""
    return health.LastCheck(NOW - timedelta(minutes=minutes), kind, result, said)


TARGETS = (
    target(
        "/srv/shop/shop.db",
        "bad",
        ("damaged", "damaged: quick check failed"),
        last_good=good(1.1, tested=True),
        last_check=check(2, "quick", "damaged", ("SQLite finds damage inside", "page 812: it is no page of a b-tree")),
        open_by=("gunicorn (4121)", "gunicorn (4122)"),
        next_run=NOW + timedelta(minutes=53),
    ),
    target(
        "files:/srv/shop/uploads",
        "warn",
        ("failed", "2 runs failed: disk full"),
        last_good=good(74),
        failed_since_good=2,
        next_run=NOW - timedelta(minutes=67),
    ),
    target(
        "/srv/shop/users.db",
        "ok",
        last_good=good(1.1, tested=True),
        last_check=check(37),
        next_run=NOW + timedelta(days=2),
    ),
    target("/srv/shop/数据库.db", "ok", last_good=good(1), last_check=check(36)),
)


def write_health(session: Session, targets: tuple[health.Target, ...] = TARGETS) -> None:
    """Write the health file of `session`."""
    health.write(session.state / "health.json", health.Health(1, NOW, targets))


def add_job(
    session: Session,
    ident: str,
    operation: str,
    *targets: str,
    minutes: float = 5,
    cli: str = "",
    ended: JobFinished | None = None,
    events: tuple[object, ...] = (),
) -> Journal:
    """Write the journal of a job that began `minutes` ago; its lock is held until it is closed, or the test ends."""
    at = NOW - timedelta(minutes=minutes)
    spec = Spec(
        id=ident,
        op=operation,
        targets=targets,
        cli=cli or f"lifeboat {operation} {' '.join(targets)}",
        by=By(user="root", sudo_user="alex", tty="pts/3", from_="192.0.2.7"),
        host="web-03",
        created=at,
    )
    times = iter(at + timedelta(seconds=2 * number) for number in range(1000))
    journal = Journal.create(session.state / "jobs", spec, now=lambda: next(times))
    _OPEN.append(journal)
    journal.append(JobStarted(pid=os.getpid(), boot_id="boot"))
    for event in events:
        journal.append(event)  # type: ignore[type-var]
    if ended is not None:
        journal.append(ended)
        journal.close()
    return journal


def add_jobs(session: Session) -> None:
    """Write four jobs: one that runs (until the test ends), one that was interrupted, a failed and a good one."""
    add_job(
        session,
        "8e10aaaa",
        "upload",
        "nightly",
        minutes=9,
        events=(
            StepStarted(n=1, of=2, name="put", title="Sending nightly", cancel=CancelEffect.NOW, undo=UndoWay.AUTO),
            Logged(level=Level.INFO, code="begun", msg="goes on at 300 MB"),
            Advanced(step="put", done=412_000_000, total=790_000_000, rate=2_100_000.0, eta_s=180),
        ),
    )
    add_job(session, "77b0aaaa", "rescue", "/srv/shop/shop.db", minutes=70, events=(_swap(),)).close()
    failure = Failure("no-space", "too little space: 2.6 GB needed, 1 GB free", hint="free some space", retry=True)
    add_job(
        session,
        "10c4aaaa",
        "backup",
        "shop",
        minutes=2000,
        ended=JobFinished(status=Outcome.FAILED, exit=14, error=failure),
    )
    add_job(
        session,
        "0f77aaaa",
        "diagnose",
        "/srv/shop/users.db",
        minutes=2100,
        events=(Warned(code="slow", msg="the disk is slow"),),
        ended=JobFinished(status=Outcome.OK, exit=0, summary="healthy"),
    )


def _swap() -> StepStarted:
    return StepStarted(
        n=3, of=6, name="place", title="give it its name", cancel=CancelEffect.NEVER, undo=UndoWay.MANUAL
    )


class Acts:
    """Stands where processes would be started: keeps the lines. Answers with `jobs` in turn: ids, or what makes one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.jobs: list[str | Callable[[Sequence[str]], str]] = []

    def start(self, session: Session, words: Sequence[str], operation: str, **_: object) -> Spawned:
        self.lines.append(shlex.join(["lifeboat", *words]))
        answer = self.jobs.pop(0) if self.jobs else "deadbeef"
        ident = answer if isinstance(answer, str) else answer(words)
        return Spawned(ident, session.state / "jobs" / ident, 1)

    def ask(self, session: Session, words: Sequence[str]) -> launch.Reply:
        self.lines.append(shlex.join(["lifeboat", *words]))
        return launch.Reply(exit=0, message="done")


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    """Nothing is started; the command lines are kept."""
    kept = Acts()
    monkeypatch.setattr(launch, "start", kept.start)
    monkeypatch.setattr(launch, "ask", kept.ask)
    return kept


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session without anything: no health file, no jobs, no profile."""
    return session_at(tmp_path)


@pytest.fixture
def open_app(session: Session) -> OpenApp:
    """Open the app on the session (or another), headless, watching nothing by itself."""

    @asynccontextmanager
    async def opened(
        size: tuple[int, int] = (80, 24),
        *,
        environ: dict[str, str] | None = None,
        on: Session | None = None,
        only_ascii: bool = False,
        **more: bool,
    ) -> AsyncIterator[Pilot[None]]:
        drawn = terminal.look(environ or {"TERM": "xterm-256color"}, encoding="utf-8", only_ascii=only_ascii)
        app = LifeboatApp(on or session, drawn, watching=False, **more)
        async with app.run_test(size=size) as pilot:
            app.look()
            await pilot.pause()
            yield pilot
            app.workers.cancel_all()
            await pilot.pause()  # a screen that is being switched to is there, or is not, before all are closed

    return opened


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Pictures:
    """Compares what a screen shows with the picture that is kept of it."""
    return Pictures(request.node.name)

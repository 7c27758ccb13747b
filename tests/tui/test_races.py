"""Answers that come late, twice, in the wrong order, or to somebody who has left: each is held at a gate, not raced."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.acting import text, ui
from tests.tui.answers import PLAN, dry_run
from tests.tui.conftest import Acts, OpenApp, add_job, write_health
from tests.tui.scenes import settled
from tests.tui.server import fill_vault
from tests.tui.test_diagnose import SHOP, keep
from toolkit.errors import LifeboatError
from toolkit.events import JobFinished, Outcome
from toolkit.jobs.spawn import Spawned
from toolkit.operations import find, launch
from toolkit.operations.find import FindReport
from toolkit.operations.session import Session
from toolkit.operations.watch import JobWatch
from tui.app import LifeboatApp
from tui.beside import Beside
from tui.screens.contents_find import FindScreen
from tui.screens.page import Page
from tui.screens.plan import RescueScreen
from tui.text import put

PATIENCE = 60.0
"""Seconds until a test gives up; none of them waits so long."""


async def ended(*threads: threading.Thread) -> None:
    """Wait for the threads beside the UI, and for what they have told."""
    for thread in threads or [one for one in threading.enumerate() if one.name == "beside"]:
        await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)


class Held:
    """Calls that wait, each at its own gate, until they are let go."""

    def __init__(self) -> None:
        self.gates: list[threading.Event] = []
        self._arrived = threading.Semaphore(0)

    def wait(self) -> int:
        """Wait at a new gate; return its number."""
        gate = threading.Event()
        self.gates.append(gate)
        number = len(self.gates)
        self._arrived.release()
        assert gate.wait(PATIENCE), "nobody let it go"
        return number

    async def arrived(self, count: int = 1) -> None:
        """Wait until so many more calls wait."""
        for _ in range(count):
            assert await asyncio.to_thread(self._arrived.acquire, timeout=PATIENCE), "nobody came"

    def let_go(self, number: int) -> None:
        """Open the gate of the call `number`, from 1 on."""
        self.gates[number - 1].set()


# ---- a thread beside the UI


async def test_nothing_is_taken_once_it_is_not_wanted_although_it_is_there_already() -> None:
    taken: list[int] = []
    line: Beside[int] = Beside()
    task = asyncio.ensure_future(line.run(lambda _: 7, taken.append, lambda: True))
    await asyncio.sleep(0)
    for thread in [one for one in threading.enumerate() if one.name == "beside"]:
        thread.join()  # not in the loop: the answer is told, and nobody can have taken it
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert taken == []
    assert line.stopped()
    await Beside[int]().run(lambda _: 7, taken.append, lambda: False)
    assert taken == []


async def test_what_is_told_comes_in_order_and_an_error_comes_out() -> None:
    said: list[object] = []

    def work(line: Beside[str]) -> str:
        for number in range(100):
            line.tell(lambda number=number: said.append(number))  # type: ignore[misc]
        return "end"

    await Beside[str]().run(work, said.append, lambda: True)
    assert said == [*range(100), "end"]
    with pytest.raises(ZeroDivisionError):
        await Beside[float]().run(lambda _: 1 / 0, said.append, lambda: True)


def test_nobody_waits_for_a_thread_when_the_screens_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    noise: list[object] = []
    monkeypatch.setattr(threading, "excepthook", noise.append)
    held, threads = Held(), []

    async def leaves() -> None:
        def work(_: Beside[int]) -> int:
            threads.append(threading.current_thread())
            return held.wait()

        task = asyncio.ensure_future(Beside[int]().run(work, lambda _: None, lambda: True))
        await held.arrived()
        task.cancel()

    asyncio.run(leaves())  # with a pool of threads it would not come back
    held.let_go(1)
    (thread,) = threads
    thread.join()
    assert thread.daemon
    assert noise == []


# ---- screens that read


async def test_an_answer_to_a_page_that_was_closed_is_not_taken(open_app: OpenApp) -> None:
    held = Held()

    def load() -> list[Any]:
        return [put(str(held.wait()))]

    async with open_app() as pilot:
        page = Page("slow", load)
        pilot.app.push_screen(page)
        await held.arrived()
        await pilot.press("q")
        held.let_go(1)
        await ended()
        await pilot.pause()
        assert not page.loaded
        assert not page.is_open
        assert pilot.app.is_running


async def test_of_two_answers_the_one_to_the_newest_question_counts(
    session: Session, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, stopped = Held(), []

    def run(_session: Session, _request: find.FindRequest, *, should_stop: Callable[[], bool]) -> FindReport:
        number = held.wait()
        stopped.append((number, should_stop()))
        return FindReport(searched=number)

    monkeypatch.setattr(find, "run", run)
    fill_vault(session)
    async with open_app() as pilot:
        pilot.app.push_screen(FindScreen("logo"))
        await held.arrived()
        await pilot.press("R")
        await held.arrived()
        held.let_go(2)
        await settled(pilot)
        assert "in 2 backups" in text(pilot)
        held.let_go(1)
        await ended()
        await pilot.pause()
        assert "in 2 backups" in text(pilot)
        assert sorted(stopped) == [(1, True), (2, False)]


# ---- starting


class HeldActs(Acts):
    """As `Acts`, but each start waits at its gate; one whose number is in `broken` fails there."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Held()
        self.broken: set[int] = set()

    def start(self, session: Session, words: Sequence[str], operation: str, **more: object) -> Spawned:
        number = self.held.wait()
        if number in self.broken:
            raise LifeboatError("the vault is somebody else's", hint="ask root")
        return super().start(session, words, operation, **more)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> HeldActs:
    kept = HeldActs()
    monkeypatch.setattr(launch, "start", kept.start)
    monkeypatch.setattr(launch, "ask", kept.ask)
    return kept


def told(pilot: Pilot[None]) -> str:
    """Return what the app has said, all of it."""
    return "\n".join(one.message for one in pilot.app._notifications)


async def test_a_key_that_is_pressed_twice_starts_once(session: Session, open_app: OpenApp, slow: HeldActs) -> None:
    write_health(session)
    async with open_app() as pilot:
        await pilot.press("b", "b", "b")
        await slow.held.arrived()
        assert "is being started already" in told(pilot)
        slow.held.let_go(1)
        await settled(pilot)
        assert slow.lines == ["lifeboat backup shop"]
        assert len(slow.held.gates) == 1


async def test_who_leaves_at_once_is_asked_about_what_was_being_started(
    session: Session, open_app: OpenApp, slow: HeldActs
) -> None:
    write_health(session)
    add_job(session, "aaaa0001", "verify", "shop")
    slow.jobs = ["aaaa0001"]
    async with open_app() as pilot:
        await pilot.press("b", "q")
        await slow.held.arrived()
        assert not ui(pilot)._exit
        slow.held.let_go(1)
        await settled(pilot)
        assert "1 job of yours still runs" in text(pilot)


async def test_who_leaves_at_once_hears_that_it_was_not_started(
    session: Session, open_app: OpenApp, slow: HeldActs
) -> None:
    write_health(session)
    slow.broken = {1}
    async with open_app() as pilot:
        await pilot.press("b", "q")
        await slow.held.arrived()
        slow.held.let_go(1)
        await settled(pilot)
        assert not ui(pilot)._exit
        assert "not started: the vault is somebody else's; ask root" in told(pilot)


async def test_a_job_that_is_over_before_its_start_is_known_is_told_once(
    session: Session, open_app: OpenApp, slow: HeldActs
) -> None:
    write_health(session)
    slow.jobs = ["aaaa0001"]
    async with open_app() as pilot:
        await pilot.press("b")
        await slow.held.arrived()
        add_job(session, "aaaa0001", "backup", "shop", ended=JobFinished(status=Outcome.FAILED, exit=1, summary="full"))
        ui(pilot).look()
        slow.held.let_go(1)
        await settled(pilot)
        ui(pilot).look()
        assert told(pilot).count("backup: failed, full") == 1
        assert ui(pilot).mine == set()


async def test_a_rescue_that_begins_after_its_plan_was_left_is_told(
    session: Session, open_app: OpenApp, slow: HeldActs
) -> None:
    write_health(session)
    slow.jobs = [dry_run(session), "ffff0000"]
    async with open_app() as pilot:
        await pilot.press("enter")
        await slow.held.arrived()
        slow.held.let_go(1)
        await settled(pilot)
        ui(pilot).look()
        await pilot.press("enter", *"shop.db", "enter")
        await slow.held.arrived()
        await pilot.press("q")
        assert ui(pilot).current_mode == "health"
        slow.held.let_go(2)
        await settled(pilot)
        assert slow.lines[1].endswith(f"--digest {PLAN.digest} --confirm shop.db")
        assert "started: rescue shop.db (job ffff0000, 7 shows it)" in told(pilot)
        assert ui(pilot).mine == {"ffff0000"}
        assert ui(pilot).current_mode == "health"  # nobody is taken away from where he is


async def test_a_look_that_nobody_waits_for_is_cancelled_and_not_asked_about(
    session: Session, open_app: OpenApp, slow: HeldActs
) -> None:
    write_health(session)
    slow.jobs = ["aaaa0001", "aaaa0002"]
    for ident in slow.jobs:
        add_job(session, ident, "rescue", SHOP)
    async with open_app() as pilot:
        await pilot.press("enter")
        await slow.held.arrived()
        await pilot.press("q")  # before it is known which job it is
        slow.held.let_go(1)
        await settled(pilot)
        assert slow.lines[1:] == ["lifeboat jobs cancel aaaa0001"]
        await pilot.press("enter")
        await slow.held.arrived()
        slow.held.let_go(2)
        await settled(pilot)
        await pilot.press("q")  # while it runs
        await settled(pilot)
        assert slow.lines[3:] == ["lifeboat jobs cancel aaaa0002"]
        assert ui(pilot).mine == set()


async def test_the_plan_that_is_shown_is_of_the_command_that_would_be_started(
    session: Session, open_app: OpenApp, slow: HeldActs
) -> None:
    write_health(session)
    keep(session)
    slow.jobs = [dry_run(session, "ab12cd02"), "ab12cd01"]
    add_job(session, "ab12cd01", "repair", SHOP)
    async with open_app() as pilot:
        await pilot.press("3", "f")
        await slow.held.arrived()
        await pilot.press("o")
        await slow.held.arrived()
        slow.held.let_go(2)  # the answer to the second question is ab12cd02
        while not slow.lines:
            await pilot.pause(0.001)
        slow.held.let_go(1)
        await settled(pilot)
        ui(pilot).look()
        assert slow.lines[0] == f"lifeboat repair {SHOP} --refill latest --dry-run --json"
        assert pilot.app.screen.looking.job == "ab12cd02"  # type: ignore[attr-defined]
        assert "lifeboat jobs cancel ab12cd01" in slow.lines


async def test_a_plan_that_cannot_be_made_says_so_where_one_waits_for_it(
    session: Session, open_app: OpenApp, slow: HeldActs
) -> None:
    write_health(session)
    slow.broken = {1}
    async with open_app() as pilot:
        await pilot.press("enter")
        await slow.held.arrived()
        slow.held.let_go(1)
        await settled(pilot)
        assert isinstance(pilot.app.screen, RescueScreen)
        said = text(pilot)
        assert "No plan: the vault is somebody else's" in said
        assert "Next:    ask root" in said
        assert "Looking" not in said
        assert not pilot.app.screen.against(next(one for one in RescueScreen.VERBS if one.name == "again"))


# ---- watching


async def test_news_that_come_late_do_not_bring_back_what_was_before(session: Session, open_app: OpenApp) -> None:
    journal = add_job(session, "aaaa0001", "backup", "shop")
    async with open_app() as pilot:
        app = ui(pilot)
        add_job(session, "aaaa0002", "verify", "shop")
        assert app.watching.look()  # in the thread that watches, which has not told it yet
        journal.append(JobFinished(status=Outcome.OK, exit=0))
        app.look()
        app._something_new()
        await pilot.pause()
        assert {row.id: row.state for row in app.jobs} == {"aaaa0001": "ok", "aaaa0002": "running"}


async def test_when_the_watching_breaks_the_screens_do_not_go_on_as_if_they_looked(
    session: Session, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[LifeboatApp] = []

    async def watched() -> None:
        async with open_app() as pilot:
            found.append(ui(pilot))
            monkeypatch.setattr(JobWatch, "look", lambda _: 1 // 0)
            ui(pilot).watching.begin()
            await ended(*[one for one in threading.enumerate() if one.name == "watching"])
            await pilot.pause()

    with pytest.raises(ZeroDivisionError):
        await watched()
    assert isinstance(found[0].failure, ZeroDivisionError)


def test_no_thread_is_begun_but_at_the_two_places_that_know_how(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "tui"
    wanted = ("call_from_thread", "thread=True", "threading.Thread", "to_thread", "run_in_executor")
    found = {
        (path.relative_to(folder).as_posix(), word)
        for path in folder.rglob("*.py")
        for word in wanted
        if word in path.read_text()
    }
    assert found == {("beside.py", "threading.Thread"), ("watching.py", "threading.Thread"), ("app.py", "to_thread")}

"""Diagnose: findings in words, evidence, remedy; what its keys start; the timeline with its jumps."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.makers.applications import Clock, Shop
from tests.makers.applications import shop as make_shop
from tests.makers.commands import application
from tests.tui.acting import Starts, starts, text, ui, until, until_shown
from tests.tui.conftest import HOSTILE, NOW, OpenApp, add_job, check, session_at, target, write_health
from tests.tui.pictures import Pictures
from toolkit.events import Advanced, CancelEffect, JobFinished, Outcome, StepStarted, UndoWay, Unit
from toolkit.operations.diagnosing import looks
from toolkit.operations.diagnosing.codes import make
from toolkit.operations.diagnosing.looks import DiagnosedTarget
from toolkit.operations.session import Session, open_session
from tui.screens.diagnose import DiagnoseScreen
from tui.screens.diagnose_repair import RepairScreen
from tui.screens.diagnose_timeline import TimelineScreen
from tui.screens.plan import RescueScreen

__all__ = ["starts"]

SHOP = "/srv/shop/shop.db"


def keep(session: Session, path: str = SHOP, *, healthy: bool = False) -> None:
    """Keep a look at `path`: damaged in two ways, or sound."""
    evidence = ("page 812 is never used", "row 17 missing from index orders_by_day", "row 18 missing")
    found = (make("integrity", path, evidence=evidence), make("foreign-keys", path, evidence=("orders: 3",)))
    found += (make("rows-lost", path, remedy="if that was not meant: lifeboat compare k3jq7a2m"),)
    kept = DiagnosedTarget(
        path=path,
        profile="shop",
        healthy=healthy,
        findings=() if healthy else found,
        size=412_000_000,
        journal_mode="wal",
        tables={"orders": 1190, "users": 40, "carts": None},
        checks=("quick_check", "foreign_key_check"),
        open_by=("gunicorn (4121)", "gunicorn (4122)", "gunicorn (4123)"),
    )
    looks.keep(session, [kept], "full")


async def test_findings_evidence_and_the_remedy(session: Session, open_app: OpenApp, picture: Pictures) -> None:
    write_health(session)
    keep(session)
    keep(session, "/srv/shop/users.db", healthy=True)
    async with open_app() as pilot:
        await pilot.press("3")
        said = picture.expect_text(pilot.app, "diagnose-damaged")
        assert "412 MB" in said
        assert "lifeboat rescue /srv/shop/shop.db" in said
        await pilot.press("enter")
        await until_shown(pilot, "row 18 missing")
        picture.expect_text(pilot.app, "diagnose-all")
        await pilot.press("q", "down")
        assert "Nothing wrong was found" in text(pilot)
        await pilot.press("down")
        assert "are not kept here" in text(pilot)


async def test_nothing_is_checked_yet(session: Session, open_app: OpenApp, picture: Pictures) -> None:
    async with open_app() as pilot:
        await pilot.press("3")
        assert "No database is looked after yet" in picture.expect_text(pilot.app, "diagnose-empty")
        await pilot.press("d", "D", "f", "r", "t", "enter")
        assert isinstance(pilot.app.screen, DiagnoseScreen)
    write_health(session, (target(SHOP, "unknown"),))
    async with open_app() as pilot:
        await pilot.press("3")
        assert "Not checked yet" in text(pilot)
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, DiagnoseScreen)


async def test_every_key_starts_its_command_line(session: Session, open_app: OpenApp, starts: Starts) -> None:
    write_health(session)
    keep(session)
    async with open_app() as pilot:
        await pilot.press("3", "d", "D")
        assert starts.lines == [f"diagnose {SHOP} --quick", f"diagnose {SHOP}"]
        copied = [ui(pilot).line(act) for act in pilot.app.screen.commands()]  # type: ignore[attr-defined]
        assert f"lifeboat diagnose {SHOP}" in copied[0]
        await pilot.press("r")
        assert isinstance(pilot.app.screen, RescueScreen)
        await pilot.press("q", "t")
        assert isinstance(pilot.app.screen, TimelineScreen)
        await pilot.press("q", "f")
        assert isinstance(pilot.app.screen, RepairScreen)
        assert starts.lines[-1] == f"repair {SHOP} --in-place --refill latest --dry-run --json"
        await pilot.press("o")
        assert starts.lines[-1] == f"repair {SHOP} --refill latest --dry-run --json"
        await pilot.press("e")
        await until_shown(pilot, "Where shall rows come from")
        await pilot.press("down", "enter")
        assert starts.lines[-1] == f"repair {SHOP} --refill none --dry-run --json"
        await pilot.press("e")
        await until_shown(pilot, "unproven apart")
        await pilot.press("end", "enter")
        assert starts.lines[-1] == f"repair {SHOP} --refill none --refill-unproven apart --dry-run --json"
        await pilot.press("enter", "enter", "enter", "enter", "enter")
        assert all("--dry-run" in line for line in starts.lines[2:])


async def test_a_look_that_is_under_way_is_not_started_twice(
    session: Session, open_app: OpenApp, starts: Starts
) -> None:
    write_health(session)
    step = StepStarted(n=1, of=1, name="look", title="Checking shop.db", cancel=CancelEffect.NOW, undo=UndoWay.AUTO)
    done = Advanced(step="look", done=41, total=100, unit=Unit.PAGES)
    running = add_job(session, "aaaa1111", "diagnose", "shop", events=(step, done))
    async with open_app() as pilot:
        await pilot.press("3")
        assert "checking 41%" in text(pilot)
        assert "41/100 pages" in text(pilot)
        await pilot.press("d", "D")
        assert starts.lines == []
        assert pilot.app.screen.against(DiagnoseScreen.VERBS[1]).startswith("root (for alex)")  # type: ignore[attr-defined]
    running.close()


async def test_a_read_only_ui_looks_and_starts_nothing(session: Session, open_app: OpenApp) -> None:
    write_health(session)
    async with open_app(read_only=True) as pilot:
        await pilot.press("3", "d", "D")
        assert ui(pilot).mine == set()
        assert "--read-only" in pilot.app.screen.against(DiagnoseScreen.VERBS[1])  # type: ignore[attr-defined]


async def test_hostile_names_and_evidence(session: Session, open_app: OpenApp) -> None:
    paths = [f"/srv/{name}" for name in HOSTILE]
    write_health(session, tuple(target(path, "bad", last_check=check(2)) for path in paths))
    for path in paths:
        keep(session, path)
        finding = make(
            "integrity", path, f"index {path}", evidence=(f"table {path}",), remedy=f"lifeboat rescue {path}"
        )
        looks.keep(session, [DiagnosedTarget(path=path, profile="x[/]", healthy=False, findings=(finding,))], "full")
    async with open_app() as pilot:
        await pilot.press("3")
        for _ in paths:
            await pilot.press("enter")
            assert_harmless(text(pilot))
            await pilot.press("q", "down")


def assert_harmless(said: str) -> None:
    """Fail where the screen shows what could drive a terminal."""
    bad = [letter for letter in said if letter != "\n" and (ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0)]
    assert not bad
    assert "\u202e" not in said
    assert not [letter for letter in said if 0xD800 <= ord(letter) < 0xE000]


@pytest.fixture
def grown(tmp_path: Path) -> Shop:
    """A shop with three backups, between the last two of which most orders went."""
    made = make_shop(tmp_path, orders=200)
    made.clock = Clock(NOW - timedelta(days=3))
    for sql in ("SELECT 1", "DELETE FROM orders WHERE id > 20", "SELECT 1"):
        made.execute(sql)
        made.back_up()
        made.clock.move(hours=20)
    return made


async def test_the_timeline_marks_the_jump(grown: Shop, tmp_path: Path, open_app: OpenApp, picture: Pictures) -> None:
    session = session_at(tmp_path)
    write_health(session, (target(str(grown.database), "ok"),))
    async with open_app(on=session) as pilot:
        await pilot.press("3", "t")
        await until(pilot, lambda: getattr(pilot.app.screen, "history", None) is not None)
        await pilot.press("n")
        said = text(pilot)
        assert "orders fell from 200 to 20" in said
        assert said.count("\n !") == 2  # in the list, and in words below
        await pilot.press("n", "g", "y", "q")
        assert isinstance(pilot.app.screen, DiagnoseScreen)


async def test_a_real_look_from_the_screen(tmp_path: Path, open_app: OpenApp) -> None:
    database = application(tmp_path / "shop") / "shop.db"
    session_at(tmp_path, f"profiles: {{shop: {{databases: [{database}]}}}}\n")
    config = tmp_path / "config.yaml"
    async with open_app(on=open_session(config=config)) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("3", "d")
        await until_shown(pilot, "quick just now")
        assert "Nothing wrong was found" in text(pilot) or "note" in text(pilot)
        database.write_bytes(b"")
        await pilot.press("D")
        await until_shown(pilot, "BAD", "the database has 0 bytes", "lifeboat rescue")


async def test_the_job_that_ended_is_read_once(session: Session, open_app: OpenApp) -> None:
    write_health(session)
    ended = JobFinished(status=Outcome.OK, exit=0)
    add_job(session, "bbbb1111", "diagnose", SHOP, ended=ended)
    async with open_app() as pilot:
        await pilot.press("3")
        keep(session)
        ui(pilot).look()
        await pilot.press("8", "3")
        assert "are not kept here" in text(pilot)  # until the health file says that somebody looked again

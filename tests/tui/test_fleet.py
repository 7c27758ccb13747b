"""The Fleet screen: what was seen last, worst first; acts on the marked servers are one command line each."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import HOSTILE, NOW, OpenApp, add_job, session_at
from tests.tui.pictures import Pictures, shown
from toolkit.events import Level, Logged
from toolkit.operations import fleet_status
from toolkit.operations.fleet_status import FleetRow, FleetSeen, FleetTarget
from toolkit.operations.session import Session
from tui.act import Act
from tui.screens.fleet import FleetScreen
from tui.widgets.rows import Rows


def row(host: str, state: str, why: str = "", *, hours: float | None = 1, profile: str = "shop") -> FleetRow:
    at = None if hours is None else NOW - timedelta(hours=hours)
    return FleetRow(
        host=host,
        profile=profile,
        state=state,
        why=why,
        last_good=at,
        evidence="verified" if at else "",
        free=52_000_000_000,
        total=100_000_000_000,
        version="0.1.0",
        timer="systemd",
    )


ROWS = (
    FleetRow(host="db-09", state="unreachable", why="does not answer"),
    row("web-03", "bad", "damaged: quick check failed", hours=26),
    row("web-07", "warn", "2 runs failed: disk full", hours=None),
    row("web-01", "ok"),
    row("web-02", "ok"),
)


def see(session: Session, rows: tuple[FleetRow, ...] = ROWS, *, targets: tuple[FleetTarget, ...] = ()) -> None:
    """Have the last `fleet status` seen `rows`."""
    seen = FleetSeen(at=NOW - timedelta(minutes=5), inventory=("/etc/servers",), rows=rows, targets={"web-03": targets})
    fleet_status.write(session, seen)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Act]:
    """The acts that the screens start, in place of starting them."""
    from tui.app import LifeboatApp

    acts: list[Act] = []
    monkeypatch.setattr(LifeboatApp, "start", lambda _self, act, *_, **__: acts.append(act))
    return acts


def screen(pilot: Pilot[None]) -> FleetScreen:
    found = pilot.app.screen
    assert isinstance(found, FleetScreen)
    return found


async def to_fleet(pilot: Pilot[None]) -> None:
    """Go to the screen, and wait until it is up."""
    await pilot.press("6")
    await pilot.pause()


async def test_nothing_is_known_yet(open_app: OpenApp, tmp_path: Path, started: list[Act]) -> None:
    async with open_app() as pilot:
        await to_fleet(pilot)
        assert "No hosts." in shown(pilot.app)
        await pilot.press("R", "b")
    assert started == []
    configured = session_at(tmp_path, "fleet: {inventory: /etc/servers}\n")
    async with open_app(on=configured) as pilot:
        await to_fleet(pilot)
        assert "Inventory: /etc/servers" in shown(pilot.app)
        await pilot.press("R")
    assert [act.line for act in started] == ["lifeboat fleet status"]


async def test_the_worst_comes_first_and_the_marked_are_acted_on(
    session: Session, open_app: OpenApp, picture: Pictures, started: list[Act]
) -> None:
    see(session)
    async with open_app() as pilot:
        await to_fleet(pilot)
        picture.expect_text(pilot.app, "fleet-normal")
        await pilot.press("down", "space", "space")
        picture.expect_text(pilot.app, "fleet-marked")
        await pilot.press("b", "d", "t", "w")
        assert [act.words[:4] for act in started] == [
            ("fleet", operation, "-l", "web-03,web-07") for operation in ("backup", "diagnose", "rehearse", "sync")
        ]
        assert started[0].words[4:] == ("-i", "/etc/servers")
        await pilot.press("e")
        assert "web-01" not in shown(pilot.app)
        await pilot.press("e")
        assert "web-01" in shown(pilot.app)


async def test_a_rescue_shows_its_plan_first(session: Session, open_app: OpenApp, started: list[Act]) -> None:
    see(session)
    async with open_app() as pilot:
        await to_fleet(pilot)
        await pilot.press("down", "f")
        await pilot.pause()
        assert "Rescue shop on web-03" in shown(pilot.app)
        await pilot.press("enter", "enter", "enter", "enter", "enter")
    assert [act.words for act in started] == [
        ("fleet", "rescue", "shop", "-l", "web-03", "-i", "/etc/servers", "--dry-run", "--json")
    ]


async def test_a_server_is_opened(session: Session, open_app: OpenApp, picture: Pictures) -> None:
    targets = (
        FleetTarget(profile="shop", path="/srv/shop/shop.db", state="bad", why="damaged: quick check failed"),
        FleetTarget(
            profile="shop", path="files:/srv/shop/uploads", state="ok", backup="k3jq7a2m", at=NOW, evidence="rehearsed"
        ),
    )
    see(session, targets=targets)
    async with open_app() as pilot:
        await to_fleet(pilot)
        await pilot.press("down", "enter")
        picture.expect_text(pilot.app, "fleet-host")
        await pilot.press("q")
        assert isinstance(pilot.app.screen, FleetScreen)


async def test_progress_on_each_server_while_a_job_runs(session: Session, open_app: OpenApp) -> None:
    see(session)
    said = (
        Logged(level=Level.DEBUG, code="host-task", msg="Run", host="web-01"),
        Logged(level=Level.INFO, code="host-result", msg="backup done", host="web-02"),
    )
    running = add_job(session, "77b0aaaa", "fleet backup", "all", events=said)
    async with open_app() as pilot:
        await to_fleet(pilot)
        text = shown(pilot.app)
        assert next(line for line in text.splitlines() if " web-01 " in line).endswith("Run")
        assert next(line for line in text.splitlines() if " web-02 " in line).endswith("backup done")
    running.close()


async def test_five_hundred_servers_with_any_name(session: Session, open_app: OpenApp) -> None:
    many = tuple(row(f"host-{number:03}", "ok") for number in range(500))
    names = [name for name in HOSTILE if name.isprintable() or "\udce9" not in name]  # an inventory is UTF-8
    hostile = tuple(row(name, "bad", name) for name in names)
    see(session, (*hostile, *many))
    async with open_app() as pilot:
        await to_fleet(pilot)
        rows = screen(pilot).query_one(Rows)
        assert rows.count == len(names) + 500
        for _ in names:
            text = shown(pilot.app)
            assert "\x1b" not in text
            assert "\u202e" not in text
            await pilot.press("down")
        await pilot.press("end")
        assert "host-499" in shown(pilot.app)
        await pilot.press("slash", *"host-25", "enter")
        assert rows.count == 10


async def test_screens_that_only_show_start_nothing(session: Session, open_app: OpenApp) -> None:
    see(session)
    async with open_app(read_only=True) as pilot:
        await to_fleet(pilot)
        await pilot.press("b", "d", "R")
        await pilot.pause()
        assert not list((session.state / "jobs").glob("*"))

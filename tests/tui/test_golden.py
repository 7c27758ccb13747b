"""Kept journals are told alike by every face: the words of `jobs show` and `attach`, JSON, events, the screens.

`tests/golden/events/*.jsonl` are journals of version 1, of an older and of a newer one; beside each is what the command
line says of it. `LIFEBOAT_PICTURES=write` keeps new words; look at the difference before you commit them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.makers.commands import lifeboat
from tests.tui.backups import is_clean
from tests.tui.conftest import NOW, OpenApp, session_at
from tests.tui.pictures import Pictures, shown
from tests.tui.scenes import settled
from toolkit.display import display
from toolkit.events import Action as Did
from toolkit.events import Event, ItemReported, JobCreated, JobStarted, Level, Logged, UnknownEvent, decode, encode
from toolkit.jobs import journal
from toolkit.jobs.flock import HeldFile
from toolkit.operations import watch
from toolkit.operations.session import Session
from tui.screens import jobs as jobs_screen
from tui.screens import log as log_screen
from tui.screens.log import LogScreen
from tui.widgets.rows import Rows

FOLDER = Path(__file__).parents[1] / "golden" / "events"
KEPT = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
MANY = 100_000


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session whose jobs are those of the commands that the test runs."""
    return session_at(tmp_path)


def lay(session: Session, lines: bytes) -> Path:
    """Lay the journal `lines` into the store, as a job whose runner is gone; return its directory."""
    created = decode(lines.partition(b"\n")[0])
    assert isinstance(created, JobCreated)
    directory = session.state / "jobs" / created.job
    directory.mkdir(parents=True)
    spec = journal.Spec(
        id=created.job,
        op=created.op,
        targets=created.targets,
        cli=display(created.cli),
        by=created.by,
        host="web-03",
        created=created.ts,
    )
    (directory / journal.EVENTS).write_bytes(lines)
    (directory / journal.LOCK).touch()
    (directory / journal.SPEC).write_bytes(msgspec.json.encode(spec))
    return directory


@pytest.fixture
def held() -> Iterator[list[HeldFile]]:
    """Locks of runners that live until the test ends."""
    locks: list[HeldFile] = []
    yield locks
    for lock in locks:
        lock.close()


def cut(name: str, lines: int | None) -> bytes:
    """Return the first `lines` of a kept journal, or all of it."""
    return b"".join((FOLDER / f"{name}.jsonl").read_bytes().splitlines(keepends=True)[:lines])


def facts(row: dict[str, Any]) -> list[str]:
    """Return what a row says, in the words that each face has to use: times, names and columns are its own."""
    asked = row["question"] or {}
    said = [row["step"], row["error"] or row["summary"], row["hint"], asked.get("kind"), asked.get("subject")]
    said += [*(asked.get("choices") or []), row["undo"], *row["artifacts"]]
    return [display(one) for one in said if one]


async def on_screen(session: Session, open_app: OpenApp) -> tuple[str, list[str]]:
    """Return what Jobs shows of the newest job, and the lines of its log."""
    async with open_app(size=(240, 60), on=session) as pilot:
        await pilot.press("7")
        await settled(pilot)
        text = shown(pilot.app)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, LogScreen)
        rows = pilot.app.screen.query_one(Rows)
        found = [row.cells for at in range(rows.count) if (row := rows.row(at)) is not None]
        lines = [f"{time} UTC  {said if isinstance(said, str) else said.text}" for time, said in found]
        assert is_clean(shown(pilot.app))
        return text, lines


@pytest.mark.parametrize("name", KEPT)
async def test_every_face_tells_a_journal_alike(
    name: str, session: Session, open_app: OpenApp, picture: Pictures
) -> None:
    job = lay(session, cut(name, None)).name
    events = [event for line in cut(name, None).splitlines() if (event := decode(line)) is not None]
    shows, watched = lifeboat("jobs", "show", job), lifeboat("jobs", "attach", job)
    picture.expect_golden(FOLDER / f"{name}.txt", f"{shows.stdout}\n{watched.stderr}")
    assert is_clean(shows.stdout + watched.stdout + watched.stderr)
    assert watched.stdout == shows.stdout

    assert [decode(line) for line in lifeboat("jobs", "attach", job, "--events").stderr.encode().splitlines()] == events
    assert [decode(line) for line in lifeboat("jobs", "show", job, "--events").stdout.encode().splitlines()] == events
    document = lifeboat("jobs", "show", job, "--events", "--json").document
    assert document["events"] == [json.loads(encode(event)) for event in events]
    (row,) = document["jobs"]
    (listed,) = lifeboat("jobs", "list", "--json").document["jobs"]
    assert listed | {"started": row["started"]} == row

    screen, lines = await on_screen(session, open_app)
    assert "\n".join(lines) == watched.stderr.rstrip("\n")
    assert is_clean(screen)
    for fact in facts(row):
        assert fact in shows.stdout
        assert fact in screen
    for word, number in (("exit", row["exit"]), ("warnings", row["warnings"] or None)):
        assert (f"  {word:8}  {number}\n" in shows.stdout) == (number is not None)
        assert number is None or re.search(rf"\b{word} {number}\b|\b{number} {word.rstrip('s')}", screen)


@pytest.mark.parametrize(
    ("kept", "state", "so_far"),
    [
        (("upload-interrupted", 6), "running", "52%  412 MB/790 MB  2.1 MB/s  3 min left"),
        (("restore-answered", 5), "asking", "10%  120/1,190 files  2 s left"),
        (("fleet", 7), "running", "33%  1/3 hosts"),
        (("newer", 5), "running", ""),
        (("hostile", 9), "cancelling", ""),
    ],
)
async def test_while_it_runs_every_face_says_the_same_numbers(
    kept: tuple[str, int], state: str, so_far: str, session: Session, open_app: OpenApp, held: list[HeldFile]
) -> None:
    directory = lay(session, cut(*kept) + b'{"type":"progr')
    held.append(journal._take(directory))
    (row,) = lifeboat("jobs", "show", directory.name, "--json").document["jobs"]
    assert row["state"] == state
    assert row == lifeboat("jobs", "list", "--json").document["jobs"][0]
    text = lifeboat("jobs", "show", directory.name).stdout
    screen, _ = await on_screen(session, open_app)
    assert is_clean(text + screen)
    for fact in (*facts(row), so_far):
        assert fact in text
        assert fact in screen


def test_the_kept_journals_are_of_all_kinds() -> None:
    kinds = [type(event) for name in KEPT for line in cut(name, None).splitlines() if (event := decode(line))]
    assert set(kinds) == {*Event.__subclasses__()}
    assert kinds.count(UnknownEvent) == 2
    assert sum(decode(line) is None for name in KEPT for line in cut(name, None).splitlines()) == 3


# ---- 100,000 events


class Counted:
    """Counts the lines that are decoded, wherever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines = 0
        for module in (watch, journal):
            monkeypatch.setattr(module, "decode", self)

    def __call__(self, line: bytes) -> Event | None:
        self.lines += 1
        return decode(line)

    def since(self) -> int:
        """Return how many were decoded since the last call."""
        lines, self.lines = self.lines, 0
        return lines


def long_journal() -> bytes:
    """Return a journal of 100,000 events without an end, with one failed item at its beginning."""
    at = NOW - timedelta(hours=1)
    first: list[Event] = [
        JobCreated(op="restore", targets=("shop",), cli="lifeboat restore shop"),
        JobStarted(pid=4121, boot_id="b"),
        ItemReported(path="/srv/shop/first", action=Did.FAILED, reason="permission denied"),
    ]
    begun = [msgspec.structs.replace(event, job="0a44a700", ts=at) for event in first]
    line = encode(Logged(job="0a44a700", seq=77777, ts=at, level=Level.INFO, msg="line 77777"))
    more = (line.replace(b"77777", b"%d" % number) for number in range(4, MANY + 1))
    return b"".join([*map(encode, begun), *more])


async def test_a_log_opens_with_a_screenful_of_its_last_lines(session: Session, open_app: OpenApp) -> None:
    lay(session, b"".join(long_journal().splitlines(keepends=True)[:200]))
    async with open_app(on=session) as pilot:
        await pilot.press("7", "enter")
        await settled(pilot)
        assert all(f"line {number}\n" in shown(pilot.app) for number in range(184, 201))


async def test_a_hundred_thousand_events_are_each_read_once_and_not_all_kept(
    session: Session, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, held: list[HeldFile]
) -> None:
    lines = long_journal()
    directory = lay(session, lines)
    held.append(journal._take(directory))
    counted = Counted(monkeypatch)
    assert "running" in lifeboat("jobs", "show", "latest").stdout
    assert counted.since() == MANY
    async with open_app(on=session) as pilot:
        assert counted.since() == MANY  # where it stands, once
        await pilot.press("7")
        await settled(pilot)
        assert f"line {MANY}" in shown(pilot.app)
        assert counted.since() <= jobs_screen.LOOK_BACK // (len(lines) // MANY - 10)
        await pilot.press("enter")
        await settled(pilot)
        assert counted.since() == MANY
        screen = pilot.app.screen
        assert isinstance(screen, LogScreen)
        assert screen.query_one(Rows).total == log_screen.MOST
        assert f"the newest {log_screen.MOST:,} of {MANY - 2:,} lines" in shown(pilot.app)
        assert f"line {MANY}" in shown(pilot.app)
        await pilot.press("e")
        assert "/srv/shop/first: permission denied" in shown(pilot.app)
        pilot.app.look()  # type: ignore[attr-defined]
        assert counted.since() == 0

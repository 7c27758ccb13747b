"""How long a plan takes: from kept journals and manifests, from what was timed for it, or as a guess that says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.vault import made
from toolkit.archive.manifest import Evidence, FileCounts, Status
from toolkit.events import Answered, Asked, Event, JobCreated, JobFinished, Outcome, StepStarted, encode
from toolkit.jobs.journal import EVENTS, SPEC, Spec
from toolkit.operations import pace, pace_records
from toolkit.operations.pace import Estimate, Sample, reckon
from toolkit.operations.pace_records import History
from toolkit.operations.pace_words import estimate_text, step_text, takes_text
from toolkit.operations.plan import Basis, Plan, Step, Takes
from toolkit.operations.session import Session, open_session
from toolkit.retention import Kind
from toolkit.vault import layout

MIB, GIB = 1 << 20, 1 << 30
START = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session of the host web-03 with a vault of its own, and no job yet."""
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    return Named(open_session(vault=tmp_path / "vault", environ=state))


class Named(Session):
    """A session on a host whose name is known."""

    def __init__(self, one: Session) -> None:
        super().__init__(one.config, environ=one.environ, uid=1000)

    @property
    def host(self) -> str:
        return "web-03"


def recorded(seconds: float, size: int) -> Sample:
    return Sample(seconds=seconds, size=size, by="recorded")


# ---- reckoning


def test_what_was_recorded_counts_before_what_was_measured_and_that_before_a_guess() -> None:
    measured = Sample(seconds=20, size=GIB)
    assert reckon("copy", size=GIB).by == "guess"
    assert reckon("copy", size=GIB, samples=[measured]) == Estimate(seconds=20, by="measured")
    both = [measured, recorded(5, GIB)]
    assert reckon("copy", size=GIB, samples=both) == Estimate(seconds=5, by="recorded")


def test_it_is_scaled_by_the_bytes_and_by_the_number_of_files() -> None:
    assert reckon("stage", size=2 * GIB, samples=[recorded(10, GIB)]).seconds == pytest.approx(20)
    assert reckon("stage", size=GIB // 2, samples=[recorded(10, GIB)]).seconds == pytest.approx(5)
    many = Sample(seconds=10, items=100_000, by="recorded")
    assert reckon("stage", items=200_000, samples=[many]).seconds == pytest.approx(20)
    assert reckon("stage", items=50_000).seconds > reckon("stage", items=500).seconds


def test_a_small_sample_says_little_of_something_large() -> None:
    small = recorded(0.4, MIB)
    assert reckon("check", size=3 * MIB, samples=[small]).by == "recorded"
    large = reckon("check", size=GIB, samples=[small])
    assert large.by == "guess"
    assert large.seconds < 60  # not 0.4 s a thousand times
    assert reckon("check", size=GIB, samples=[small, recorded(9, GIB // 2)]).seconds == pytest.approx(18)


def test_one_that_was_slow_by_chance_does_not_count_for_all() -> None:
    samples = [recorded(seconds, GIB) for seconds in (90, 10, 11)]
    assert reckon("copy", size=GIB, samples=samples).seconds == 11
    assert reckon("copy", size=GIB, samples=[*samples, recorded(1000, GIB)]).seconds == 11


def test_nothing_takes_no_time() -> None:
    assert reckon("names", samples=[recorded(0, 0)]).seconds == pace.LEAST
    assert pace.removing(0).seconds >= pace.LEAST


def test_the_whole_stands_on_the_weakest_thing_that_matters() -> None:
    def one(seconds: float, by: Basis) -> Estimate:
        return Estimate(seconds=seconds, by=by)

    assert pace.total([None, None]) is None
    assert pace.total([one(10, "recorded"), None, one(0.3, "guess")]) == one(10.3, "recorded")
    assert pace.total([one(10, "recorded"), one(8, "guess")]) == one(18, "guess")
    assert pace.total([one(2, "recorded"), one(8, "measured")]) == one(10, "measured")


# ---- journals

RESCUE = (
    ("check", 0, None), ("stop", 100, None), ("stage", 103, 400 * MIB), ("safety", 109, 400 * MIB),
    ("write", 109, None), ("read-back", 120, None), ("place", 124, 400 * MIB), ("check", 125, 400 * MIB),
    ("start", 128, None), ("smoke", 133, None),
)  # fmt: skip


def journal(
    steps: tuple[tuple[str, int, int | None], ...] = RESCUE,
    *,
    op: str = "rescue",
    end: int = 135,
    status: Outcome = Outcome.OK,
    asked: tuple[int, int] | None = None,
) -> list[Event]:
    """Return the events of a job: its steps with their second and bytes; a question, from one second to another."""

    def at(second: float) -> datetime:
        return START + timedelta(seconds=second)

    events: list[Event] = [JobCreated(op=op, ts=at(-60))]
    events += [
        StepStarted(n=number, name=name, title=f"{name} it", ts=at(second), bytes=size)
        for number, (name, second, size) in enumerate(steps, 1)
    ]
    if asked is not None:
        events += [
            Asked(qid="q1", kind="clash", subject="a", ts=at(asked[0])),  # type: ignore[arg-type]
            Answered(qid="q1", choice="skip", ts=at(asked[1])),
        ]
    events.append(JobFinished(status=status, exit=0, ts=at(end)))
    return sorted(events, key=lambda event: event.ts)


def lay(session: Session, name: str, events: list[Event], *, op: str = "rescue") -> None:
    """Lay a journal into the store."""
    directory = session.state / "jobs" / name
    directory.mkdir(parents=True)
    (directory / EVENTS).write_bytes(b"".join(map(encode, events)))
    (directory / SPEC).write_bytes(msgspec.json.encode(Spec(id=name, op=op, created=START)))


def told(events: list[Event], operation: str = "rescue") -> dict[str, float]:
    return {one.kind: one.sample.seconds for one in pace_records.steps_of(operation, events)}


def test_a_journal_tells_what_each_step_of_the_plan_took() -> None:
    assert told(journal()) == {
        "stop": 3, "copy": 6, "safety": 15, "names": 1, "quick": 3, "start": 5, "smoke": 2,
    }  # fmt: skip
    sizes = [one.sample.size for one in pace_records.steps_of("rescue", journal()) if one.kind in ("copy", "quick")]
    assert sizes == [400 * MIB, 400 * MIB]


def test_what_somebody_took_to_answer_is_not_counted() -> None:
    assert told(journal(asked=(110, 115)))["safety"] == 10


@pytest.mark.parametrize(
    "events",
    [
        journal(status=Outcome.FAILED),
        journal()[:-1],
        journal((("check", 0, None), ("compare", 40, None))),
        journal((("stop", 0, None), ("stage", 40, None), ("back", 50, None))),
    ],
    ids=["failed", "interrupted", "only a plan", "put back"],
)
def test_a_job_that_did_not_do_its_plan_tells_nothing(events: list[Event]) -> None:
    assert told(events) == {}


def test_the_newest_jobs_count_and_broken_or_huge_journals_are_passed_over(session: Session) -> None:
    lay(session, "aaaa0001", journal())
    lay(session, "aaaa0002", journal(op="backup"), op="backup")
    lay(session, "aaaa0003", journal())
    (session.state / "jobs" / "aaaa0003" / SPEC).write_text("{")
    lay(session, "aaaa0004", journal())
    with (session.state / "jobs" / "aaaa0004" / EVENTS).open("ab") as file:
        file.write(b"\n" * pace_records.MOST_BYTES)
    history = History(session, "shop")
    assert history.same("stop", "stop it") == Estimate(seconds=3, by="recorded")
    assert history.same("stop", "stop another") is None
    assert history.estimate("copy", size=200 * MIB) == Estimate(seconds=3, by="recorded")
    assert len(pace_records.of_jobs(session)) == 7


def test_copies_and_what_comes_out_of_archives_have_different_paces(session: Session) -> None:
    lay(session, "aaaa0001", journal(op="restore"), op="restore")
    history = History(session, "shop")
    assert history.estimate("stage", size=400 * MIB).seconds == 6
    assert history.estimate("check", size=400 * MIB).seconds == 3
    assert history.estimate("copy", size=400 * MIB).by == history.estimate("quick", size=400 * MIB).by == "guess"
    assert history.estimate("safety", size=400 * MIB).seconds == 15


# ---- manifests


@pytest.fixture
def vault(session: Session) -> layout.Vault:
    """A vault with backups of a 1 GiB shop: here, elsewhere, one that failed, and a safety set."""
    vault = layout.create_vault(session.vault_path)
    for one in backups():
        made.put(vault, one)
    return vault


def backups() -> Iterator[pace_records.Manifest]:
    files = FileCounts(entries=3, files=2, bytes=GIB)

    def seconds(hours: float, count: float) -> datetime:
        return made.NOW - timedelta(hours=hours) + timedelta(seconds=count)

    yield made.manifest(
        hours_ago=3, files=files, finished=seconds(3, 40), evidence=Evidence("verified", made.NOW, "backup", seconds=8)
    )
    yield made.manifest(
        hours_ago=2, files=files, finished=seconds(2, 50), evidence=Evidence("rehearsed", made.NOW, "x", seconds=30)
    )
    yield made.manifest(
        hours_ago=1, kind=Kind.SAFETY, files=files, finished=seconds(1, 20),
        evidence=Evidence("verified", made.NOW, "restore", seconds=4),
    )  # fmt: skip
    yield made.manifest(hours_ago=0.5, files=files, finished=seconds(0.5, 9000), host="db-01")
    yield made.manifest(hours_ago=0.2, files=files, finished=seconds(0.2, 9000), status=Status.FAILED)
    yield made.manifest(hours_ago=0.1, profile="other", files=files, finished=seconds(0.1, 9000))


@pytest.mark.usefixtures("vault")
def test_manifests_tell_what_was_made_here_and_ended_well(session: Session) -> None:
    history = History(session, "shop")
    assert [one.evidence.level for one in history.backups] == ["verified", "rehearsed", "verified"]
    assert history.estimate("backup", size=GIB, items=2).seconds == pytest.approx((48 + 50) / 2, rel=0.01)
    assert history.estimate("safety", size=GIB, items=2) == Estimate(seconds=24, by="recorded")
    # taken out: 30 s in the rehearsal; twice the reading, 16 s and 8 s, of the others
    assert history.estimate("stage", size=GIB, items=2) == Estimate(seconds=16, by="recorded")


@pytest.mark.usefixtures("vault")
def test_a_safety_set_before_the_first_one_takes_what_a_backup_takes(session: Session) -> None:
    only = [one for one in History(session, "shop").backups if one.kind is not Kind.SAFETY]
    samples = pace_records.made(only)
    assert {round(one.seconds) for one in samples} == {48, 50}


def test_without_a_vault_and_without_jobs_everything_is_a_guess(session: Session) -> None:
    history = History(session, "shop")
    assert history.backups == ()
    assert {history.estimate(kind, size=GIB).by for kind in pace.PACES} == {"guess"}


# ---- plans


def step(name: str, seconds: float | None, *, offline: bool = False, by: Basis = "recorded") -> Step:
    return Step(n=1, name=name, title=name, est_s=seconds, est_by=by if seconds is not None else "", offline=offline)


STEPS = (step("stop", None, offline=True), step("stage", 21, offline=True), step("start", 4), step("smoke", 2))


def test_the_application_is_down_until_it_has_started() -> None:
    found = pace.takes(STEPS, look=30)
    assert found == Takes(est_s=27, offline_s=25, look_s=30, by="recorded", unknown=("stop",))
    assert pace.takes(STEPS, look=30, again=True).est_s == 57
    assert pace.takes(STEPS[2:]).offline_s is None
    assert pace.takes(STEPS[:1]) == Takes(unknown=("stop",))
    assert pace.takes(()) == Takes()


def test_an_estimate_never_changes_the_digest() -> None:
    plain = Plan(op="rescue", targets=("/a",), steps=(step("stage", None),), state=("a|1",)).sealed()
    timed = msgspec.structs.replace(plain, steps=(step("stage", 12.5),), takes=pace.takes(STEPS, look=3)).sealed()
    assert plain.digest == timed.digest
    plain.require(timed)
    assert msgspec.structs.replace(plain, state=("a|2",)).sealed().digest != plain.digest


# ---- words


@pytest.mark.parametrize(
    ("seconds", "by", "text", "short"),
    [
        (0.1, "recorded", "under 5 s", "<5 s"),
        (11.0, "recorded", "about 10 s", "10 s"),
        (44.0, "measured", "about 45 s", "45 s"),
        (200.0, "recorded", "about 3 min", "3 min"),
        (40.0, "guess", "15 s to 2 min", "40 s?"),
        (6.0, "guess", "up to 20 s", "5 s?"),
        (1.0, "guess", "under 5 s", "<5 s"),
        (None, "", "not known", "?"),
    ],
)
def test_people_are_told_round_times_and_guesses_as_ranges(
    seconds: float | None, by: Basis, text: str, short: str
) -> None:
    assert estimate_text(seconds, by) == text
    assert step_text(step("stage", seconds, by=by)) == short


def test_a_plan_says_in_one_sentence_what_it_takes() -> None:
    plan = Plan(op="rescue", targets=(), steps=STEPS, takes=pace.takes(STEPS, look=31))
    assert takes_text(plan) == "about 25 s; offline about 25 s, not counting stop"
    later = takes_text(plan, later=True)
    assert later.startswith("about 1 min, 30 s of it to look again; offline about 25 s, ")
    guessed = (step("stage", 40, by="guess"),)
    assert takes_text(Plan(op="a", targets=(), steps=guessed, takes=pace.takes(guessed))) == "15 s to 2 min (a guess)"
    unknown = STEPS[:1]
    nothing = takes_text(Plan(op="a", targets=(), steps=unknown, takes=pace.takes(unknown)))
    assert nothing == "not known: nothing like it was done here before"
    assert takes_text(Plan(op="a", targets=(), steps=())) == ""

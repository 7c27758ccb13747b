"""`list`: what is there, in which order, how much of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.makers.applications import START, Shop, shop
from toolkit.archive.manifest import Status
from toolkit.errors import NotFoundError, ProfileNotFoundError
from toolkit.jobs.context import Job
from toolkit.operations import listing
from toolkit.operations.listing import ListRequest
from toolkit.retention import Kind, Scope
from toolkit.vault import layout, store


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20)


def ids(made: Shop, **request: object) -> list[str]:
    return [one.id for one in listing.run(made.session(), ListRequest(**request)).backups]  # type: ignore[arg-type]


def test_newest_first_a_page_at_a_time_with_the_total(made: Shop) -> None:
    a, b, c = (made.back_up(kind=kind).id for kind in (Kind.DAILY, Kind.DAILY, Kind.WEEKLY))
    assert ids(made) == [c, b, a]
    assert ids(made, reverse=True) == [a, b, c]
    page = listing.run(made.session(), ListRequest(limit=1, offset=1))
    assert [one.id for one in page.backups] == [b]
    assert (page.total, page.offset) == (3, 1)


def test_filters(made: Shop) -> None:
    a = made.back_up(kind=Kind.DAILY, tags=("before-upgrade",)).id
    b = made.back_up(kind=Kind.WEEKLY, scope=Scope.DATABASE, tags=("before-upgrade", "x")).id
    assert ids(made, kinds=(Kind.DAILY,)) == [a]
    assert ids(made, scopes=(Scope.DATABASE,)) == [b]
    assert ids(made, tags=("x", "before-upgrade")) == [b]
    assert ids(made, since=START.replace(minute=30)) == [b]
    assert ids(made, until=START.replace(minute=30)) == [a]
    assert ids(made, profile="shop", kinds=(Kind.DAILY, Kind.WEEKLY)) == [b, a]


def test_each_backup_says_what_it_holds(made: Shop) -> None:
    made.back_up(note="first", tags=("x",))
    (row,) = listing.run(made.session(), ListRequest()).backups
    assert (row.status, row.evidence, row.good, row.damaged) == ("completed", "verified", True, False)
    assert (row.databases, row.files) == (1, 3)
    assert row.size > 0
    assert (row.note, row.tags, row.started) == ("first", ("x",), START)


def test_deleted_ones_only_when_asked(made: Shop) -> None:
    from toolkit.vault import remove

    gone, stays = made.back_up().id, made.back_up().id
    remove.to_trash(made.session().vault, gone, now=made.clock(), reason="test")
    assert ids(made) == [stays]
    everything = listing.run(made.session(), ListRequest(deleted=True))
    assert {one.id: one.removed for one in everything.backups} == {stays: "", gone: "trash"}


def test_running_failed_and_interrupted_ones_are_told_apart(made: Shop) -> None:
    made.back_up()
    session = made.session()
    template = next(one.manifest for one in store.load_all(session.vault))

    def begin(job: str) -> str:
        begun = msgspec.structs.replace(
            template, id=layout.new_id(), status=Status.CREATING, archives=(), job=job, started=made.clock()
        )
        store.save(session.vault, begun)
        return begun.id

    failed = begin("")
    store.fail(session.vault, failed, "no space left", now=made.clock())
    dead = Job.open(session.state / "jobs", "backup")
    dead._journal.close()
    interrupted = begin(dead.id)
    with Job.open(session.state / "jobs", "backup") as alive:
        running = begin(alive.id)
        found = {one.id: one for one in listing.run(session, ListRequest()).backups}
        assert found[running].status == "creating"
        assert found[interrupted].status == "interrupted"
        assert (found[failed].status, found[failed].error) == ("failed", "no space left")


def test_nothing_there(made: Shop) -> None:
    with pytest.raises(NotFoundError):
        listing.run(made.session(), ListRequest())
    made.back_up()
    with pytest.raises(ProfileNotFoundError):
        listing.run(made.session(), ListRequest(profile="nobody"))
    none = listing.run(made.session(), ListRequest(kinds=(Kind.MONTHLY,)))
    assert (none.backups, none.total, none.notes) == ([], 0, ["there is no such backup"])

"""The list of backups that screens scroll through: filters, orders, pages, and what became of the archives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.makers.applications import Shop, shop
from toolkit.errors import BackupNotFoundError, NotFoundError
from toolkit.jobs.context import Job
from toolkit.operations import browsing, keeping
from toolkit.operations.browsing import BackupList, Condition
from toolkit.operations.session import Session
from toolkit.retention import Kind, Scope


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20)


def ids(made: Shop, *wanted: Condition, sort: str = "", reverse: bool = False) -> list[str]:
    found = BackupList(made.session())
    found.arrange(wanted, sort, reverse=reverse)
    return [one.backup.id for one in found.rows(0, 100)]


def keep(made: Shop, backup: str, *, note: str = "", rating: str = "", tag: str = "") -> None:
    def body(session: Session, job: Job) -> None:
        if note:
            keeping.note(session, backup, note, job)
        if rating:
            keeping.rate(session, backup, rating, job)
        if tag:
            keeping.tag(session, backup, [tag], [], job)

    made.job("keep", body)


def test_filters_look_where_they_say(made: Shop) -> None:
    a = made.back_up().id
    b = made.back_up(kind=Kind.DAILY, scope=Scope.DATABASE).id
    c = made.back_up().id
    keep(made, a, note="vor dem ÜBERGANG", rating="4")
    keep(made, c, tag="old one")
    assert ids(made) == [c, b, a]
    assert ids(made, Condition(text="übergang")) == [a]
    assert ids(made, Condition(text="übergang", negated=True)) == [c, b]
    assert ids(made, Condition(column="kind", op="=", text="DAILY")) == [b]
    assert ids(made, Condition(column="rate", op=">=", text="4")) == [a]
    assert ids(made, Condition(column="rate", op=">=", text="4", negated=True)) == [c, b]
    assert ids(made, Condition(column="tag", op="=", text="old one")) == [c]
    assert ids(made, Condition(column="tag", op="=", text="old")) == []
    assert ids(made, Condition(column="where", op="=", text="here")) == [c, b, a]
    assert ids(made, Condition(column="age", op=">", text="90m")) == [b, a]
    assert ids(made, Condition(column="age", op="<", text="2h")) == [c]
    assert ids(made, Condition(column="size", op=">", text="1GB")) == []
    assert ids(made, Condition(column="state", text="verif"), Condition(column="kind", text="manual")) == [c, a]
    assert ids(made, Condition(text="2026-11-20 04:")) == [b]
    assert ids(made, Condition(text="'; drop table backups; --")) == []


def test_orders_put_what_has_no_value_last(made: Shop) -> None:
    a, b, c = (made.back_up().id for _ in range(3))
    keep(made, b, rating="2")
    keep(made, a, rating="5")
    assert ids(made, sort="rate") == [b, a, c]
    assert ids(made, sort="rate", reverse=True) == [a, b, c]
    assert ids(made, reverse=True) == [a, b, c]
    assert ids(made, sort="age") == [c, b, a]


def test_pages_places_and_a_stamp_that_moves_with_the_catalog(made: Shop) -> None:
    made_ids = [made.back_up().id for _ in range(4)]
    found = BackupList(made.session())
    assert found.arrange([], "", reverse=False) == (4, 4)
    assert [one.backup.id for one in found.rows(1, 2)] == [made_ids[2], made_ids[1]]
    assert (found.place_of(made_ids[0]), found.place_of("nothing2")) == (3, None)
    before = found.stamp
    keep(made, made_ids[0], note="new")
    assert found.stamp != before
    assert found.arrange([Condition(text="new")], "", reverse=False) == (1, 4)


def test_archives_that_are_gone_or_changed_are_told(made: Shop) -> None:
    a, b, c = (made.back_up() for _ in range(3))
    archive = made.vault / a.archive
    archive.unlink()
    with open(made.vault / b.archive, "ab") as file:
        file.write(b"!")
    found = BackupList(made.session())
    found.arrange([], "", reverse=False)
    assert {one.backup.id: one.archive for one in found.rows(0, 10)} == {a.id: "lost", b.id: "changed", c.id: ""}


def test_volumes_are_an_archive_too(made: Shop) -> None:
    (made.uploads / "large.bin").write_bytes(os.urandom(150_000))
    assert len(list((made.vault / made.back_up(split=65_536).archive).parent.glob("*.00?"))) > 1
    found = BackupList(made.session())
    found.arrange([], "", reverse=False)
    assert [one.archive for one in found.rows(0, 10)] == [""]


def test_why_a_backup_is_kept(made: Shop) -> None:
    backup = made.back_up().id
    facts = browsing.facts_of(made.session(), backup)
    assert facts.manifest.id == backup
    assert facts.kept.startswith("kept: ")
    with pytest.raises(BackupNotFoundError):
        browsing.facts_of(made.session(), "aaaaaaaa")


def test_without_a_vault_there_is_nothing_to_list(made: Shop) -> None:
    found = BackupList(made.session())
    assert found.stamp == (0, 0)
    with pytest.raises(NotFoundError):
        found.arrange([], "", reverse=False)


def test_the_tree_has_what_the_backup_has(made: Shop) -> None:
    backup, tree = browsing.tree_of(made.session(), made.back_up().id)
    told: list[int] = []
    browsing.fill(backup, tree, should_stop=lambda: False, told=told.append)
    nodes = tree.page(browsing.ROOT, 0, 10)
    assert str(made.root) in [tree.path(node) for node in nodes] or str(made.uploads) in [
        tree.path(node) for node in nodes
    ]
    assert told[-1] == tree.count == backup.manifest.files.entries

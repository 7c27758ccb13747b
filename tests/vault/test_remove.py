from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.vault import made
from toolkit.archive.manifest import DatabaseRecord, LeftOut, Manifest, Source, Status, UndoRecord
from toolkit.errors import BackupNotFoundError, LastGoodCopyError, OutdatedPlanError, RefusedError, UsageError
from toolkit.filelist import Section
from toolkit.retention import Kind, Rules, Scope
from toolkit.vault import catalog, prune, remove, store
from toolkit.vault.layout import Vault

DAMAGED = (DatabaseRecord(name="shop.db", path=made.DB, form="raw", damaged=True),)


@pytest.fixture
def three(vault: Vault) -> Vault:
    """Two good full backups and a newer one of the database alone."""
    made.put(vault, made.manifest("aaaaaaaa", hours_ago=50), pieces=3)
    made.put(vault, made.manifest("bbbbbbbb", hours_ago=26))
    made.put(vault, made.database_only("cccccccc", hours_ago=1))
    return vault


def test_deleted_and_brought_back(three: Vault) -> None:
    before = made.names_of(three, "aaaaaaaa")
    one = store.load(three, "aaaaaaaa")
    gone = remove.to_trash(three, "aaaaaaaa", now=made.NOW)
    assert gone.tombstone is not None
    assert made.names_of(three, "aaaaaaaa") == [name.replace("daily/", "trash/", 1) for name in before]
    assert len(before) == 5
    assert [row.id for row in catalog.rows(three)] == ["cccccccc", "bbbbbbbb"]
    with pytest.raises(BackupNotFoundError):
        remove.to_trash(three, "aaaaaaaa", now=made.NOW)
    assert remove.untrash(three, "aaaaaaaa") == one
    assert made.names_of(three, "aaaaaaaa") == before
    assert made.is_whole(three, one)
    assert catalog.count(three) == 3
    with pytest.raises(BackupNotFoundError):
        remove.untrash(three, "aaaaaaaa")


def test_the_last_good_copy_is_refused(three: Vault) -> None:
    remove.to_trash(three, "aaaaaaaa", now=made.NOW)
    for action in (remove.to_trash, lambda *args, **given: remove.purge(*args, reason="x", **given)):
        with pytest.raises(LastGoodCopyError) as caught:
            action(three, "bbbbbbbb", now=made.NOW)
        assert caught.value.message == f"this is the last good copy of files:{made.UPLOADS}"
    remove.to_trash(three, "cccccccc", now=made.NOW)
    with pytest.raises(LastGoodCopyError) as caught:
        remove.to_trash(three, "bbbbbbbb", now=made.NOW)
    assert made.DB in caught.value.message
    assert made.is_whole(three, store.load(three, "bbbbbbbb"))
    assert remove.to_trash(three, "bbbbbbbb", now=made.NOW, allow_last_good=True).tombstone is not None


def test_a_damaged_copy_is_no_other_good_copy(vault: Vault) -> None:
    made.put(vault, made.manifest("aaaaaaaa", hours_ago=50))
    made.put(vault, made.manifest("bbbbbbbb", hours_ago=20, damaged=True))
    made.put(vault, made.manifest("cccccccc", hours_ago=10, profile="crm"))
    made.put(vault, made.manifest("dddddddd", hours_ago=5, status=Status.FAILED))
    with pytest.raises(LastGoodCopyError):
        remove.to_trash(vault, "aaaaaaaa", now=made.NOW)
    assert remove.to_trash(vault, "bbbbbbbb", now=made.NOW).tombstone is not None
    assert remove.to_trash(vault, "dddddddd", now=made.NOW).tombstone is not None


def test_a_safety_set_is_no_other_good_copy(vault: Vault) -> None:
    made.put(vault, made.manifest("aaaaaaaa", hours_ago=50))
    made.put(vault, made.manifest("bbbbbbbb", hours_ago=20, kind=Kind.SAFETY))
    with pytest.raises(LastGoodCopyError):
        remove.to_trash(vault, "aaaaaaaa", now=made.NOW)
    assert remove.to_trash(vault, "bbbbbbbb", now=made.NOW).tombstone is not None


def test_pinned_and_unfinished_ones_are_refused(three: Vault) -> None:
    store.update(three, "aaaaaaaa", lambda one: msgspec.structs.replace(one, pin=True))
    made.put(three, made.manifest("dddddddd", status=Status.CREATING))
    for backup_id in ("aaaaaaaa", "dddddddd"):
        with pytest.raises(RefusedError):
            remove.to_trash(three, backup_id, now=made.NOW, allow_last_good=True)
        with pytest.raises(RefusedError):
            remove.purge(three, backup_id, now=made.NOW, reason="x", allow_last_good=True)
        assert store.load(three, backup_id).tombstone is None


def test_purged_ones_leave_nothing(three: Vault) -> None:
    remove.purge(three, "aaaaaaaa", now=made.NOW, reason="pruned")
    assert made.names_of(three, "aaaaaaaa") == []
    assert catalog.row(three, "aaaaaaaa") is None
    assert catalog.differences(three) == ()


def test_the_trash_expires_after_its_time_and_not_when_the_clock_went_back(three: Vault) -> None:
    remove.to_trash(three, "aaaaaaaa", now=made.NOW)
    hours = {hour: remove.expired(three, now=made.NOW + timedelta(hours=hour)) for hour in (-9000, 0, 23, 24, 9000)}
    assert hours == {-9000: [], 0: [], 23: [], 24: ["aaaaaaaa"], 9000: ["aaaaaaaa"]}


def test_what_retention_is_told_of_a_backup() -> None:
    one = made.manifest(
        sources=(
            Source(Section.DATABASES, made.DB),
            Source(Section.FILES, made.UPLOADS),
            Source(Section.FILES, "/srv/absent"),
            Source(Section.LOGS, "/var/log/shop"),
        ),
        left_out=(LeftOut("/srv/absent", "no such directory"), LeftOut("/srv/shop/uploads/pipe", "is a FIFO")),
    )
    told = remove.candidate(one)
    assert told.databases == {made.DB}
    assert told.sections == {f"files:{made.UPLOADS}", "logs:/var/log/shop"}
    assert (told.good, told.damaged, told.only_damaged_copy, told.status) == (True, False, False, "completed")
    assert remove.candidate(made.manifest(sources=())).sections == {"files"}


@pytest.mark.parametrize(
    ("fields", "only"),
    [
        ({"kind": Kind.SAFETY, "damaged": True, "databases": DAMAGED}, True),
        ({"kind": Kind.SAFETY, "databases": DAMAGED}, True),
        ({"kind": Kind.SAFETY, "databases": DAMAGED, "undo": UndoRecord("repair", undone=made.NOW)}, False),
        ({"kind": Kind.SAFETY, "databases": DAMAGED, "undo": UndoRecord("repair")}, True),
        ({"kind": Kind.SAFETY}, False),
        ({"kind": Kind.DAILY, "damaged": True, "databases": DAMAGED}, False),
    ],
)
def test_only_copies_of_damaged_originals(fields: dict[str, object], only: bool) -> None:
    assert remove.candidate(made.manifest(**fields)).only_damaged_copy is only


def test_prune_does_what_its_plan_said(three: Vault) -> None:
    for number in range(4):
        made.put(three, made.database_only(f"dddddd{'abcd'[number]}a", hours_ago=2 + number))
    plan = prune.plan_prune(three, "shop", Rules(hourly=2, daily=1), now=made.NOW)
    assert [removal.id for removal in plan.removed] == ["ddddddba", "ddddddca", "ddddddda", "aaaaaaaa"]
    assert {verdict.id for verdict in plan.kept} == {"bbbbbbbb", "cccccccc", "ddddddaa"}
    assert plan.last_good == ()
    assert plan.freed == sum(store.load(three, one.id).size for one in plan.removed) > 0
    assert catalog.count(three) == 7
    told: list[str] = []
    gone = prune.apply(three, plan, now=made.NOW, on_removed=lambda one: told.append(one.id))
    assert list(gone) == told == ["aaaaaaaa", "ddddddda", "ddddddca", "ddddddba"]
    assert sorted(row.id for row in catalog.rows(three)) == ["bbbbbbbb", "cccccccc", "ddddddaa"]
    assert prune.plan_prune(three, "shop", Rules(hourly=2, daily=1), now=made.NOW).removed == ()


def test_prune_leaves_other_profiles_and_the_trash_alone(three: Vault) -> None:
    made.put(three, made.manifest("dddddddd", profile="crm", hours_ago=900))
    remove.to_trash(three, "aaaaaaaa", now=made.NOW)
    plan = prune.plan_prune(three, "shop", Rules(daily=0, hourly=1), now=made.NOW)
    assert plan.removed == ()
    assert store.load(three, "dddddddd").good


def test_prune_never_takes_the_only_copy_of_a_damaged_original(vault: Vault) -> None:
    for number in range(8):
        fields = {"kind": Kind.SAFETY, "databases": DAMAGED, "damaged": True, "scope": Scope.DATABASE}
        made.put(vault, made.manifest(f"aaaaaa{'abcdefgh'[number]}a", hours_ago=900 + number, **fields))
    plan = prune.plan_prune(vault, "shop", Rules(safety=1, max_age=timedelta(days=1), max_size=1), now=made.NOW)
    assert plan.removed == ()


def test_empty_rules_are_refused(three: Vault) -> None:
    with pytest.raises(UsageError):
        prune.plan_prune(three, "shop", Rules(hourly=0, daily=0, weekly=0, monthly=0, manual=0), now=made.NOW)


def change_rating(vault: Vault) -> None:
    store.update(vault, "bbbbbbbb", lambda one: msgspec.structs.replace(one, rating=1))


def take_another(vault: Vault) -> None:
    made.put(vault, made.manifest("eeeeeeee"))


def delete_one(vault: Vault) -> None:
    remove.to_trash(vault, "cccccccc", now=made.NOW)


@pytest.mark.parametrize("meanwhile", [change_rating, take_another, delete_one])
@pytest.mark.parametrize("operation", ["prune", "delete"])
def test_a_plan_that_is_out_of_date_does_nothing(three: Vault, operation: str, meanwhile: object) -> None:
    if operation == "prune":
        plan = prune.plan_prune(three, "shop", Rules(daily=1), now=made.NOW)
    else:
        plan = prune.plan_delete(three, ["aaaaaaaa"])
    assert [one.id for one in plan.removed] == ["aaaaaaaa"]
    meanwhile(three)  # type: ignore[operator]
    with pytest.raises(OutdatedPlanError):
        prune.apply(three, plan, now=made.NOW)
    assert made.is_whole(three, store.load(three, "aaaaaaaa"))


def test_a_plan_that_was_tampered_with_does_nothing(three: Vault) -> None:
    plan = prune.plan_delete(three, ["aaaaaaaa"])
    more = prune.plan_delete(three, ["cccccccc"]).removed
    with pytest.raises(OutdatedPlanError):
        prune.apply(three, msgspec.structs.replace(plan, removed=plan.removed + more), now=made.NOW)
    assert catalog.count(three) == 3


def test_deleting_many_at_once_sees_what_would_be_lost_together(three: Vault) -> None:
    plan = prune.plan_delete(three, ["aaaaaaaa", "bbbbbbbb", "bbbbbbbb"])
    assert [(one.id, one.lost) for one in plan.last_good] == [
        ("bbbbbbbb", (f"last good copy of files:{made.UPLOADS}",))
    ]
    with pytest.raises(LastGoodCopyError):
        prune.apply(three, plan, now=made.NOW)
    assert catalog.count(three) == 3
    assert prune.apply(three, plan, now=made.NOW, allow_last_good=True) == ("aaaaaaaa", "bbbbbbbb")
    assert [row.id for row in catalog.rows(three)] == ["cccccccc"]
    with pytest.raises(BackupNotFoundError):
        prune.plan_delete(three, ["aaaaaaaa"])


def test_safety_sets_are_named_before_they_are_deleted(vault: Vault) -> None:
    one: Manifest = made.put(vault, made.manifest("aaaaaaaa", kind=Kind.SAFETY, databases=DAMAGED, damaged=True))
    assert prune.plan_delete(vault, [one.id]).last_good[0].lost == ("only copy of a damaged original",)
    with pytest.raises(LastGoodCopyError):
        remove.to_trash(vault, one.id, now=made.NOW)

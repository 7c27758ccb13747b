from __future__ import annotations

from datetime import timedelta

import pytest

from tests.vault import made
from toolkit.archive.manifest import Evidence, Status
from toolkit.errors import BackupNotFoundError, LifeboatError, UsageError
from toolkit.retention import Kind
from toolkit.vault import remove, selector
from toolkit.vault.layout import Vault


@pytest.fixture
def filled(vault: Vault) -> Vault:
    """Newest first: a safety set, a running, a failed, a damaged and a deleted one, then good ones of two profiles."""
    hours = iter(range(1, 20))
    for backup_id, fields in {
        "safety22": {"kind": Kind.SAFETY},
        "running2": {"status": Status.CREATING},
        "failed22": {"status": Status.FAILED},
        "damaged2": {"damaged": True},
        "deleted2": {},
        "goodaaaa": {},
        "goodbaaa": {"profile": "crm"},
        "goodcaaa": {"evidence": Evidence("written", made.NOW)},
        "goodcbbb": {"status": Status.UPLOADING},
    }.items():
        made.put(vault, made.manifest(backup_id, hours_ago=next(hours), **fields))
    remove.to_trash(vault, "deleted2", now=made.NOW)
    return vault


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("latest", "goodaaaa"),
        ("latest~0", "goodaaaa"),
        ("latest~1", "goodbaaa"),
        ("latest~3", "goodcbbb"),
        ("shop@latest", "goodaaaa"),
        ("shop@latest~1", "goodcaaa"),
        ("crm@latest", "goodbaaa"),
        ("goodaaaa", "goodaaaa"),
        ("GOODAAAA", "goodaaaa"),
        ("goodcb", "goodcbbb"),
        ("s", "safety22"),
        ("da", "damaged2"),
        ("fa", "failed22"),
        ("crm@good", "goodbaaa"),
    ],
)
def test_what_words_mean(filled: Vault, word: str, found: str) -> None:
    assert selector.resolve(filled, word).id == found


def test_damaged_ones_that_were_passed_over_are_named(filled: Vault) -> None:
    said: list[str] = []
    selector.resolve(filled, "latest", say=said.append, now=made.NOW)
    assert len(said) == 1
    assert "damaged2" in said[0]
    said.clear()
    selector.resolve(filled, "crm@latest", say=said.append, now=made.NOW)
    assert said == []


def test_one_from_the_future_is_said_with_the_newest_that_is_not(filled: Vault) -> None:
    said: list[str] = []
    made.put(vault := filled, made.manifest("futureaa", hours_ago=-48))
    assert selector.resolve(vault, "latest", say=said.append, now=made.NOW).id == "futureaa"
    assert len(said) == 1
    assert "from the future" in said[0]
    assert said[0].index("futureaa") < said[0].index("goodaaaa")
    said.clear()
    selector.resolve(vault, "latest", say=said.append, now=made.NOW + timedelta(days=3))
    assert said == []


@pytest.mark.parametrize(
    ("word", "kind", "hint"),
    [
        ("goodc", UsageError, "goodcaaa (shop, daily"),
        ("", UsageError, "latest"),
        ("latest~", UsageError, "latest"),
        ("latest~-1", UsageError, "latest"),
        ("latest~x", UsageError, "latest"),
        ("../../etc/passwd", UsageError, "latest"),
        ("goodcaaax", UsageError, "latest"),
        ("%", UsageError, "latest"),
        ("Bad Name@latest", UsageError, "lower-case"),
        ("zzz", BackupNotFoundError, "the newest are"),
        ("deleted2", BackupNotFoundError, "undo"),
        ("latest~4", BackupNotFoundError, "the oldest is latest~3"),
        ("crm@latest~1", BackupNotFoundError, "there are 1"),
        ("nobody@latest", BackupNotFoundError, "crm, shop"),
        ("crm@goodc", BackupNotFoundError, "goodbaaa"),
    ],
)
def test_words_that_name_no_single_backup(filled: Vault, word: str, kind: type[LifeboatError], hint: str) -> None:
    with pytest.raises(kind) as caught:
        selector.resolve(filled, word)
    assert hint in (caught.value.hint or "")


def test_an_import_stands_in_only_where_nothing_was_made_here(filled: Vault) -> None:
    said: list[str] = []
    made.put(filled, made.manifest("imported", kind=Kind.IMPORTED, hours_ago=0))
    assert selector.resolve(filled, "latest", say=said.append, now=made.NOW).id == "goodaaaa"
    assert selector.resolve(filled, "shop@latest~1", say=said.append, now=made.NOW).id == "goodcaaa"
    assert not any("imported" in one for one in said)
    made.put(filled, made.manifest("otherone", kind=Kind.IMPORTED, profile="old", hours_ago=1))
    made.put(filled, made.manifest("othertwo", kind=Kind.IMPORTED, profile="old", hours_ago=2))
    said.clear()
    assert selector.resolve(filled, "old@latest", say=said.append, now=made.NOW).id == "otherone"
    assert selector.resolve(filled, "old@latest~1").id == "othertwo"
    assert [("imported" in one, "otherone" in one) for one in said] == [(True, True)]
    with pytest.raises(BackupNotFoundError) as caught:
        selector.resolve(filled, "old@latest~2")
    assert "the oldest is latest~1" in (caught.value.hint or "")


def test_damaged_ones_that_an_import_stands_in_for_are_named(vault: Vault) -> None:
    made.put(vault, made.manifest("damaged2", damaged=True, hours_ago=5))
    made.put(vault, made.manifest("imported", kind=Kind.IMPORTED, hours_ago=1))
    said: list[str] = []
    assert selector.resolve(vault, "latest", say=said.append, now=made.NOW).id == "imported"
    assert "damaged2" in said[0]
    assert "imported" in said[1]


def test_only_damaged_backups(vault: Vault) -> None:
    made.put(vault, made.manifest("damaged2", damaged=True))
    with pytest.raises(BackupNotFoundError) as caught:
        selector.resolve(vault, "latest")
    assert "damaged2" in (caught.value.hint or "")
    assert selector.resolve(vault, "damaged2").damaged


def test_an_empty_vault(vault: Vault) -> None:
    for word in ("latest", "abc"):
        with pytest.raises(BackupNotFoundError) as caught:
            selector.resolve(vault, word)
        assert caught.value.hint

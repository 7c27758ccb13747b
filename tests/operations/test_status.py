"""`status`: health at a glance, from the manifests alone, writing nothing."""

from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.applications import Shop, configured, names_below, shop
from toolkit import durable
from toolkit.errors import LifeboatError, ProfileNotFoundError
from toolkit.jobs.context import Job
from toolkit.operations import status
from toolkit.operations.report import Ending
from toolkit.operations.status import StatusReport


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    made = shop(tmp_path, orders=20)
    return configured(made, f"databases: [{made.database}]\nfiles: [{made.uploads}]")


def look(made: Shop, profile: str | None = None, *, hours: float | None = None) -> StatusReport:
    return status.run(made.session(), profile, max_age=None if hours is None else timedelta(hours=hours))


def states(report: StatusReport) -> list[tuple[str, str]]:
    return [(one.state, one.path) for one in report.targets]


def fail_a_backup(made: Shop, patch: pytest.MonkeyPatch) -> None:
    def full_disk(name: str, path: str) -> None:
        if name == "create" and ".tar.zst" in path:
            raise OSError(errno.ENOSPC, "no space left")

    with patch.context() as inner:
        inner.setattr(durable, "on_step", full_disk)
        with pytest.raises(LifeboatError):
            made.back_up()


def test_without_configuration_and_vault_it_says_what_to_do_first(tmp_path: Path, machine: Path) -> None:
    made = shop(tmp_path)
    before = names_below(tmp_path) | names_below(machine)
    report = look(made)
    assert (report.ending, report.targets, report.vault.exists) == (Ending.DONE, [], False)
    assert "lifeboat backup" in report.notes[0]
    assert names_below(tmp_path) | names_below(machine) == before


def test_configured_and_never_backed_up(made: Shop) -> None:
    report = look(made)
    assert states(report) == [("unknown", str(made.database)), ("unknown", f"files:{made.uploads}")]
    assert report.ending is Ending.DONE
    assert look(made, hours=26).ending is Ending.DAMAGE


def test_good_backups(made: Shop) -> None:
    row = made.back_up()
    report = look(made)
    assert [state for state, _ in states(report)] == ["ok", "ok"]
    good = report.targets[0].last_good
    assert good is not None
    assert (good.id, good.evidence, good.kind, good.age_s) == (row.id, "verified", "manual", 3600)
    assert report.targets[0].next_run is None
    (profile,) = report.profiles
    assert (profile.succeeded, profile.failed, profile.last_status) == (1, 0, "completed")
    assert (report.vault.backups, report.vault.used) == (1, row.size)
    assert report.vault.free
    assert report.vault.total


def test_older_than_promised_is_damage(made: Shop) -> None:
    made.back_up()
    assert look(made, hours=2).ending is Ending.DONE
    made.clock.move(hours=30)
    report = look(made, hours=26)
    assert report.ending is Ending.DAMAGE
    assert {one.state for one in report.targets} == {"bad"}
    assert report.targets[0].reasons[0].code == "stale"
    assert look(made).ending is Ending.DONE


def test_a_profile_that_promised_an_age_is_held_to_it(made: Shop) -> None:
    made.back_up()
    configured(made, f"databases: [{made.database}]\nalarms: {{max_age: 26h}}")
    assert look(made).ending is Ending.DONE
    made.clock.move(hours=30)
    assert look(made).ending is Ending.DAMAGE


def test_failures_since_the_last_good_one(made: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    good = made.back_up().id
    fail_a_backup(made, monkeypatch)
    report = look(made)
    assert [one.failed_since_good for one in report.targets] == [1, 1]
    assert report.targets[0].last_good is not None
    assert report.targets[0].last_good.id == good
    assert "failed" in [reason.code for reason in report.targets[0].reasons]
    assert (report.profiles[0].succeeded, report.profiles[0].failed) == (1, 1)
    assert "no space" in report.profiles[0].last_error


def test_a_damaged_database_comes_first_and_fails(made: Shop) -> None:
    made.back_up()
    databases.flip_page(made.database, databases.root_page(made.database, "orders"))
    made.back_up()
    report = look(made)
    assert states(report)[0] == ("bad", str(made.database))
    assert report.ending is Ending.DAMAGE


def test_a_database_that_is_named_by_a_link_is_the_one_that_was_backed_up(made: Shop) -> None:
    link = made.root.parent / "link.db"
    link.symlink_to(made.database)
    configured(made, f"databases: [{link}]")
    made.back_up()
    assert states(look(made)) == [("ok", str(made.database))]


def test_the_worst_comes_first(made: Shop) -> None:
    configured(made, f"databases: [{made.database}]")
    made.back_up()
    configured(made, f"databases: [{made.database}]\nfiles: [{made.uploads}]")
    assert states(look(made)) == [("bad", f"files:{made.uploads}"), ("ok", str(made.database))]


def test_what_only_backups_know(tmp_path: Path) -> None:
    made = shop(tmp_path, orders=20)
    made.back_up()
    report = look(made, "shop")
    assert states(report) == [("ok", str(made.database)), ("ok", f"files:{made.root}")]
    assert [(one.profile, one.configured) for one in report.profiles] == [("shop", False)]
    with pytest.raises(ProfileNotFoundError):
        look(made, "nobody")


def test_running_and_interrupted_jobs(made: Shop) -> None:
    made.back_up()
    store = made.session().state / "jobs"
    dead = Job.open(store, "backup", targets=("shop",))
    dead._journal.close()
    with Job.open(store, "verify", targets=("shop",)) as running:
        running.step("verify", "Verifying")
        found = {job.id: job for job in look(made).jobs}
        assert (found[dead.id].state, found[dead.id].operation, found[dead.id].targets) == (
            "interrupted",
            "backup",
            ("shop",),
        )
        assert (found[running.id].state, found[running.id].step) == ("running", "Verifying")
        assert len(found) == 2
    with Job.open(store, "backup", targets=("crm",)):
        pass
    assert [job.id for job in look(made).jobs] == [dead.id]
    with Job.open(store, "backup", targets=("shop",)):
        pass
    assert look(made).jobs == []


def test_it_writes_nothing(made: Shop, tmp_path: Path, machine: Path) -> None:
    made.back_up()
    made.session().vault.catalog.unlink()
    before = names_below(tmp_path) | names_below(machine)
    look(made)
    assert names_below(tmp_path) | names_below(machine) == before

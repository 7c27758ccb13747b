"""`diagnose`: every sort of damage is found, nothing is touched, a busy database is never called damaged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.applications import Shop, configured, names_below, shop
from tests.makers.holding import locked
from toolkit.errors import ProfileNotFoundError, SourceMissingError
from toolkit.operations import diagnose
from toolkit.operations.diagnose import DiagnosedTarget, DiagnoseReport, DiagnoseRequest
from toolkit.operations.report import Ending


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20)


def look(made: Shop, *words: str | Path, quick: bool = False) -> DiagnoseReport:
    named = diagnose.named(made.session(), [str(word) for word in words])
    return made.job(
        "diagnose", lambda session, job: diagnose.run(session, DiagnoseRequest(profiles=named, quick=quick), job)
    )


def codes(target: DiagnosedTarget) -> dict[str, str]:
    """Return code and severity of what was found, without notices about this machine's SQLite and disk."""
    return {one.code: one.severity.value for one in target.findings if one.code not in ("old-sqlite", "space-low")}


def only(report: DiagnoseReport) -> DiagnosedTarget:
    (target,) = report.targets
    return target


def test_a_sound_database(made: Shop) -> None:
    report = look(made, made.root)
    target = only(report)
    assert (report.healthy, report.ending, target.healthy) == (True, Ending.DONE, True)
    assert codes(target) == {}
    assert target.tables["orders"] == 20
    assert "integrity_check" in target.checks


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            databases.flipped_page,
            {"integrity": "error", "rows": "error", "page-header": "error", "page-unreachable": "error"},
        ),
        (
            databases.truncated,
            {"integrity": "error", "rows": "error", "size": "error", "child-outside": "error"},
        ),
        (databases.broken_fts, {"full-text": "error"}),
        (databases.broken_keys, {"foreign-keys": "warning"}),
        (databases.zero_bytes, {"empty": "error"}),
        (databases.not_a_database, {"not-a-database": "error"}),
    ],
)
def test_damage_is_found(made: Shop, make: Callable[[Path], Path], expected: dict[str, str]) -> None:
    path = make(made.root / "bad.db")
    before = names_below(made.root)
    report = look(made, path)
    assert codes(only(report)) == expected
    assert (report.healthy, report.ending) == (False, Ending.DAMAGE)
    assert names_below(made.root) == before


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (databases.hot_journal, {"hot-journal": "notice"}),
        (databases.wal, {"wal-left": "notice"}),
        (databases.wal_without_shm, {"wal-left": "notice"}),
        (databases.zeroed_journal, {}),
    ],
)
def test_unfinished_business_is_no_damage(made: Shop, make: Callable[[Path], Path], expected: dict[str, str]) -> None:
    path = make(made.root / "odd.db")
    before = names_below(made.root)
    target = only(look(made, path))
    seen = expected if os.geteuid() == 0 else {}  # others cannot tell that nobody has it open
    assert (target.healthy, codes(target)) == (True, seen)
    assert names_below(made.root) == before


def test_quick_looks_at_full_text_indexes_but_not_at_each_page(made: Shop) -> None:
    target = only(look(made, databases.broken_fts(made.root / "bad.db"), quick=True))
    assert (target.healthy, codes(target)) == (False, {"full-text": "error"})
    assert "quick_check" in target.checks


def test_databases_in_folders_are_found_whatever_their_name(made: Shop) -> None:
    databases.flipped_page(made.uploads / "a[\x1b]b.dat")
    configured(made, f"databases: [{made.database}]\nfiles: [{made.uploads}]")
    report = look(made)
    assert [(target.healthy, target.path) for target in report.targets] == [
        (True, str(made.database)),
        (False, str(made.uploads / "a[\x1b]b.dat")),
    ]


def test_the_profile_accepts_what_it_knows(made: Shop) -> None:
    keys = databases.broken_keys(made.root / "keys.db")
    configured(made, f"databases: [{{path: {keys}, accept: [foreign-keys]}}]")
    report = look(made, "shop")
    assert (report.healthy, codes(only(report))) == (True, {"foreign-keys": "notice"})


def test_missing_and_empty_databases_of_a_profile_are_findings(made: Shop) -> None:
    empty = databases.zero_bytes(made.root / "empty.db")
    configured(made, f"databases: [{made.root}/none.db, {empty}, {made.database}]")
    report = look(made, "shop")
    assert [codes(target) for target in report.targets] == [{"missing": "error"}, {"empty": "error"}, {}]
    assert report.ending is Ending.DAMAGE


def test_nothing_there(made: Shop) -> None:
    for words in ((), ("nobody",)):
        with pytest.raises(ProfileNotFoundError):
            diagnose.named(made.session(), words)
    with pytest.raises(SourceMissingError):
        diagnose.named(made.session(), [str(made.root / "none.db")])
    assert only(look(made, made.database, made.root)).profile == "shop-db"


def test_a_folder_without_a_database_is_no_healthy_one(made: Shop, tmp_path: Path) -> None:
    """A mistyped folder, or one whose file system is not mounted, must not look well in cron."""
    (tmp_path / "mnt").mkdir()
    with pytest.raises(SourceMissingError, match="no SQLite database"):
        look(made, tmp_path / "mnt")


def test_an_application_that_only_backups_know(made: Shop) -> None:
    made.back_up()
    assert only(look(made, "shop")).path == str(made.database)
    assert only(look(made)).path == str(made.database)


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_database_that_never_rests_is_healthy(made: Shop, journal: str) -> None:
    live = made.root / "live.db"
    with databases.Writer(live, journal=journal) as writer:
        writer.wait(20)
        for _ in range(3):
            target = only(look(made, live))
            assert target.healthy, target.findings
            assert any(str(writer.pid) in who for who in target.open_by)
            writer.wait(5)


def test_a_locked_database_is_unsure_and_never_damaged(made: Shop) -> None:
    configured(made, f"databases: [{{path: {made.database}, timeout: 1}}]")
    with locked(made.database, "BEGIN EXCLUSIVE"):  # this process looks: it must hold no lock, closing would drop it
        target = only(look(made))
    assert (target.healthy, codes(target)) == (True, {"in-use": "notice", "locked": "notice"})


def test_tables_that_were_emptied_since_the_last_good_backup(made: Shop) -> None:
    made.back_up()
    made.execute("DELETE FROM orders")
    target = only(look(made, "shop"))
    assert (target.healthy, codes(target)) == (True, {"rows-lost": "notice"})
    assert any("orders: 20 rows" in line for line in target.findings[0].evidence)


@pytest.mark.parametrize("quick", [False, True])
def test_a_journal_that_would_break_a_sound_database_is_not_its_own(made: Shop, quick: bool) -> None:
    path = databases.shop(made.root / "sound.db", orders=900)
    databases.hot_journal(made.root / "other.db", orders=300)
    (made.root / "other.db-journal").rename(f"{path}-journal")
    target = only(look(made, path, quick=quick))
    (wrong,) = [one for one in target.findings if one.severity is not diagnose.Severity.NOTICE]
    assert (wrong.code, wrong.subject) == ("journal-foreign", f"{path}-journal")
    assert "without it the database is sound" in wrong.evidence


@pytest.mark.parametrize(("parents", "severity"), [((0, 0, -1), "notice"), ((0, 9), "warning"), ((0, "x"), "warning")])
def test_keys_that_nobody_enforces_are_no_damage(made: Shop, parents: tuple[object, ...], severity: str) -> None:
    """Fossil, say, writes 0 for "none", which no row that was lost can have been."""
    path = made.root / "own.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE p(id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE c(p REFERENCES p(id))")
        connection.executemany("INSERT INTO c VALUES (?)", [(one,) for one in parents])
    target = only(look(made, path))
    assert (codes(target), target.healthy) == ({"foreign-keys": severity}, severity == "notice")


@pytest.mark.parametrize(("parent", "severity"), [("elsewhere", "notice"), ("p", "warning")])
def test_keys_to_a_table_of_another_database_are_no_damage(made: Shop, parent: str, severity: str) -> None:
    """A checkout of Fossil refers to tables of the repository, which it attaches: SQLite cannot enforce that."""
    path = made.root / "own.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE p(id INTEGER PRIMARY KEY)")
        connection.execute(f"CREATE TABLE c(x REFERENCES {parent})")
        connection.execute("INSERT INTO c VALUES (5)")
    assert codes(only(look(made, path))) == {"foreign-keys": severity}


def test_keys_to_none_of_other_columns_than_rowids_are_not_told_apart(made: Shop) -> None:
    path = made.root / "own.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE p(id INT UNIQUE)")
        connection.execute("CREATE TABLE c(p REFERENCES p(id))")
        connection.execute("INSERT INTO c VALUES (0)")
    assert codes(only(look(made, path))) == {"foreign-keys": "warning"}


def test_sidecars_with_other_rights_are_noticed(made: Shop) -> None:
    path = databases.wal(made.root / "w.db")
    path.chmod(0o660)
    os.chmod(f"{path}-wal", 0o600)
    target = only(look(made, path))
    assert target.healthy
    assert "sidecar-mode" in codes(target)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_sidecars_of_another_owner_are_noticed(made: Shop) -> None:
    path = databases.wal(made.root / "w.db")
    os.chown(f"{path}-wal", 1, 1)
    assert "sidecar-owner" in codes(only(look(made, path)))


def test_a_large_wal_is_noticed(made: Shop) -> None:
    path = databases.wal(made.root / "w.db")
    os.truncate(f"{path}-wal", 80 * 1024 * 1024)
    target = only(look(made, path))
    assert target.healthy
    assert "wal-large" in codes(target)


@pytest.mark.skipif(sqlite3.sqlite_version_info >= (3, 51, 3), reason="needs a library with the WAL-reset bug")
def test_an_old_library_is_noticed_in_wal_mode_only(made: Shop) -> None:
    found = only(look(made, databases.wal(made.root / "w.db"))).findings
    assert "old-sqlite" in [one.code for one in found]
    assert "old-sqlite" not in [one.code for one in only(look(made, made.database)).findings]


def test_nothing_is_left_in_the_vault(made: Shop) -> None:
    made.back_up()
    look(made, made.root)
    assert not list(made.vault.glob(".*"))

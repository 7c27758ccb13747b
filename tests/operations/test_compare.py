"""`compare`: a backup against what is there, and against another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.applications import Shop, configured, names_below, shop
from toolkit.operations import compare
from toolkit.operations.compare import CompareReport, CompareRequest, TableChange
from toolkit.operations.report import Ending
from toolkit.retention import Scope


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20, journal="wal")


def against_now(made: Shop, word: str = "latest", **request: object) -> CompareReport:
    return compare.run(made.session(), CompareRequest(backup=word, **request))  # type: ignore[arg-type]


def files(report: CompareReport) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.change.value, Path(one.path).name, one.how) for one in report.differences.files]


def change_everything(made: Shop) -> None:
    (made.uploads / "report.txt").write_text("longer")
    (made.uploads / "logo.png").unlink()
    (made.uploads / "new").mkdir()
    (made.uploads / "new" / "file").write_text("x")
    made.execute("DELETE FROM orders WHERE id <= 5")
    made.execute("CREATE TABLE fresh(id INTEGER PRIMARY KEY)")


EXPECTED = [
    ("removed", "logo.png", ()),
    ("added", "new", ()),
    ("added", "file", ()),
    ("changed", "report.txt", ("content",)),
]


def test_the_same(made: Shop) -> None:
    made.back_up()
    report = against_now(made, exit_code=True)
    assert report.same
    assert (report.ending, report.right, report.unchanged) == (Ending.DONE, None, 4)


def test_against_what_is_there_now(made: Shop) -> None:
    made.back_up()
    change_everything(made)
    report = against_now(made)
    assert files(report) == EXPECTED
    (database,) = report.differences.databases
    assert (database.path, database.how) == (str(made.database), ("rows", "schema"))
    assert database.tables["orders"] == TableChange(20, 15)
    assert database.tables["fresh"] == TableChange(None, 0)
    assert not report.same
    assert report.ending is Ending.DONE
    assert against_now(made, exit_code=True).ending is Ending.DAMAGE


def test_against_another_backup(made: Shop) -> None:
    old = made.back_up().id
    change_everything(made)
    new = made.back_up().id
    report = compare.run(made.session(), CompareRequest(backup=old, other=new))
    assert files(report) == EXPECTED
    assert report.differences.databases[0].how == ("rows", "schema", "content")
    back = compare.run(made.session(), CompareRequest(backup=new, other=old))
    assert (back.differences.added, back.differences.removed, back.differences.changed) == (1, 2, 1)
    again = compare.run(made.session(), CompareRequest(backup=new, other=new))
    assert again.same


def test_the_same_size_and_time_hide_a_change_that_content_shows(made: Shop) -> None:
    made.back_up()
    path = made.uploads / "report.txt"
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert against_now(made).same
    assert files(against_now(made, content=True)) == [("changed", "report.txt", ("content",))]


def test_another_time_alone_is_no_change_of_content(made: Shop) -> None:
    made.back_up()
    os.utime(made.uploads / "report.txt")
    assert files(against_now(made)) == [("changed", "report.txt", ("time",))]
    assert against_now(made, content=True).same


def test_modes_and_link_targets_and_types(made: Shop) -> None:
    (made.uploads / "link").symlink_to("report.txt")
    made.back_up()
    (made.uploads / "link").unlink()
    (made.uploads / "link").symlink_to("logo.png")
    (made.uploads / "logo.png").chmod(0o640)
    (made.uploads / "report.txt").unlink()
    (made.uploads / "report.txt").mkdir()
    assert files(against_now(made)) == [
        ("changed", "link", ("target",)),
        ("changed", "logo.png", ("mode",)),
        ("changed", "report.txt", ("type",)),
    ]


def test_the_limit_names_few_and_counts_all(made: Shop) -> None:
    made.back_up()
    change_everything(made)
    report = against_now(made, limit=1)
    assert len(report.differences.files) == 1
    assert (report.differences.added, report.differences.removed, report.differences.changed) == (2, 1, 1)


def test_excluded_and_out_of_date_things_are_no_difference(made: Shop) -> None:
    log = made.root.parent / "logs"
    log.mkdir()
    (log / "app.log").write_text("x")
    configured(made, f'files: [{{path: {made.uploads}, exclude: ["*.tmp"]}}]\nlogs: [{{path: {log}, days: 30}}]')
    made.back_up()
    (made.uploads / "x.tmp").write_text("x")
    os.utime(log / "app.log", (0, 0))
    assert against_now(made).same


def test_a_source_that_is_gone_is_removed(made: Shop) -> None:
    configured(made, f"databases: [{made.database}]\nfiles: [{made.uploads}]")
    made.back_up()
    made.database.unlink()
    for name in ("report.txt", "logo.png"):
        (made.uploads / name).unlink()
    made.uploads.rmdir()
    report = against_now(made)
    assert report.differences.removed == 3
    assert [(one.change.value, one.path) for one in report.differences.databases] == [("removed", str(made.database))]


def test_a_damaged_database_is_told(made: Shop) -> None:
    made.back_up()
    made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    databases.flip_page(made.database, databases.root_page(made.database, "orders"))
    (database,) = against_now(made).differences.databases
    assert "damage" in database.how


def test_a_database_that_was_emptied_is_told(made: Shop) -> None:
    made.back_up()
    databases.zero_bytes(made.database)
    (database,) = against_now(made).differences.databases
    assert (database.change.value, "damage" in database.how) == ("changed", True)
    assert database.tables["orders"] == TableChange(20, None)


def test_roots_inside_each_other_and_other_roots(made: Shop) -> None:
    configured(made, f"files: [{made.root}]")
    old = made.back_up(scope=Scope.FILES).id
    configured(made, f"files: [{made.uploads}, {made.root}]")
    (made.uploads / "report.txt").write_text("longer")
    new = made.back_up(scope=Scope.FILES).id
    report = compare.run(made.session(), CompareRequest(backup=old, other=new))
    assert files(report) == [("changed", "report.txt", ("content",))]


def test_a_writer_is_not_disturbed_and_nothing_is_left(made: Shop, tmp_path: Path) -> None:
    live = made.root / "live.db"
    with databases.Writer(live) as writer:
        made.back_up()
        writer.wait(5)
        before = set(names_below(made.root))
        report = against_now(made)
        assert set(names_below(made.root)) == before
    (database,) = report.differences.databases
    assert database.how == ("rows",)
    assert not list(made.vault.glob(".*.work"))

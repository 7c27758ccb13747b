"""`export`: plain formats that stock tools read back, from live databases and from backups."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.applications import Shop, configured, names_below, shop
from toolkit.errors import DamageError, NotADatabaseError, RefusedError, SourceMissingError, UsageError
from toolkit.operations import diagnose, export
from toolkit.operations.export import ExportReport, ExportRequest
from toolkit.operations.report import Ending


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20, journal="wal")


def write(made: Shop, **request: object) -> ExportReport:
    return made.job("export", lambda session, job: export.run(session, ExportRequest(**request), job))  # type: ignore[arg-type]


def replayed(script: Path) -> Path:
    made = script.with_suffix(".made.db")
    with script.open("rb") as source:
        subprocess.run(["sqlite3", str(made)], stdin=source, check=True)
    return made


def test_sql_goes_into_the_vault_and_replays(made: Shop) -> None:
    report = write(made, form="sql", database=str(made.database))
    output = Path(report.output)
    assert output.parent == made.vault / "recovery"
    assert output.name == "data_export_shop-db_20261120T030000Z.sql"
    assert output.stat().st_mode & 0o777 == 0o600
    assert databases.row_counts(replayed(output))["orders"] == 20
    assert report.changed
    assert report.tables["orders"] == 20
    again = write(made, form="sql", database=str(made.database))
    assert again.output != report.output


def test_json_and_csv_where_they_were_asked_for(made: Shop, tmp_path: Path) -> None:
    write(made, form="json", database=str(made.database), output=tmp_path / "x.json")
    assert len(json.loads((tmp_path / "x.json").read_text())["tables"]["orders"]) == 20
    report = write(made, form="csv", database=str(made.database), output=tmp_path / "x")
    with (tmp_path / "x" / "orders.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 21
    assert str(tmp_path / "x" / "orders.csv") in report.files
    assert not made.vault.exists()
    assert not list(tmp_path.glob(".lifeboat-*"))


def test_from_a_backup_after_the_live_one_is_gone(made: Shop, tmp_path: Path) -> None:
    row = made.back_up()
    made.database.unlink()
    report = write(made, form="sql", backup="latest", name="shop.db", output=tmp_path / "x.sql")
    assert databases.row_counts(replayed(tmp_path / "x.sql"))["orders"] == 20
    assert (report.backup, report.database) == (row.id, str(made.database))


def test_which_database(made: Shop, tmp_path: Path) -> None:
    databases.shop(made.uploads / "other.db", orders=3)
    with pytest.raises(UsageError, match="several"):
        write(made, form="sql", database=str(made.root))
    with pytest.raises(SourceMissingError):
        write(made, form="sql", database=str(made.root), name="none.db")
    configured(made, f"databases: [{made.database}]\nfiles: [{made.uploads}]")
    report = write(made, form="json", database="shop", name="other.db", output=tmp_path / "x")
    assert report.tables["orders"] == 3
    with pytest.raises(UsageError, match="name a database"):
        write(made, form="sql")
    with pytest.raises(UsageError, match="name a database"):
        write(made, form="sql", database="shop", backup="latest")


def test_what_has_the_name_is_never_replaced(made: Shop, tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_text("mine")
    with pytest.raises(RefusedError):
        write(made, form="sql", database=str(made.database), output=tmp_path / "x.sql")
    assert (tmp_path / "x.sql").read_text() == "mine"


def damaged_index(path: Path) -> Path:
    """Make a shop whose rows all read, and whose index does not."""
    databases.shop(path)
    databases.flip_page(path, databases.root_page(path, "orders_by_user"))
    return path


def truth(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with databases.opened(path) as connection:
        names = ("users", "products", "orders", "audit", "notes")
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}


@pytest.mark.parametrize("make", [databases.flipped_page, damaged_index, databases.broken_fts])
def test_a_damaged_database_is_exported_whole_where_every_row_is_left(
    made: Shop, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    bad = make(made.root / "bad.db")
    before = names_below(made.root)
    report = write(made, form="sql", database=str(bad), output=tmp_path / "x.sql")
    assert truth(replayed(tmp_path / "x.sql")) == truth(databases.shop(tmp_path / "sound.db"))
    assert report.ending is Ending.DONE
    assert report.salvage is not None
    assert report.salvage.whole
    assert [one.code for one in report.warnings] == ["database-damaged"]
    assert report.tables["orders"] == 500
    assert names_below(made.root) == before
    assert not list(tmp_path.glob(".lifeboat-*"))


@pytest.mark.parametrize("form", ["sql", "json", "csv"])
def test_what_is_left_is_exported_and_what_is_lost_is_said(made: Shop, form: str) -> None:
    bad = databases.truncated(made.root / "bad.db", keep=0.7)
    report = write(made, form=form, database=str(bad))
    assert report.ending is Ending.INCOMPLETE
    assert Path(report.output).parent == made.vault / "recovery"
    assert "rows-lost" in [one.code for one in report.warnings]
    assert report.salvage is not None
    assert not report.salvage.whole
    there = {name: one.read + one.carved for name, one in report.salvage.tables.items()}
    assert 0 < report.tables["orders"] == there["orders"] <= 500
    assert sum(one.lost + one.gaps for one in report.salvage.tables.values()) > 0


def test_a_name_in_the_schema_that_is_no_text(made: Shop, tmp_path: Path) -> None:
    """SQLite quotes it in its message, which Python cannot decode then."""
    bad = databases.shop(made.root / "bad.db", orders=60)
    data = bad.read_bytes()
    trigger = data.index(b" ON orders") + 4
    bad.write_bytes(data[:trigger] + b"or\x89ers" + data[trigger + 6 :])
    report = write(made, form="json", database=str(bad), output=tmp_path / "x.json")
    assert len(json.loads((tmp_path / "x.json").read_text())["tables"]["orders"]) == 60
    assert report.salvage is not None
    request = diagnose.DiagnoseRequest(profiles=diagnose.named(made.session(), [str(bad)]))
    seen = made.job("diagnose", lambda session, job: diagnose.run(session, request, job))
    assert [one.code for one in seen.targets[0].findings if one.severity is diagnose.Severity.ERROR] == ["schema"]


def test_a_lost_header_and_schema_are_known_from_the_backup(made: Shop, tmp_path: Path) -> None:
    made.back_up()
    rows = truth(made.database)["orders"]
    databases.flip_page(made.database, 1)
    report = write(made, form="sql", database=str(made.database), output=tmp_path / "x.sql")
    assert truth(replayed(tmp_path / "x.sql"))["orders"] == rows
    assert report.salvage is not None


def test_a_backup_that_cannot_be_read_is_passed_over_and_said(made: Shop) -> None:
    older, newer = made.back_up(), made.back_up()
    archive = made.vault / newer.archive
    archive.write_bytes(archive.read_bytes()[:1000])
    databases.flip_page(made.database, 1)
    report = write(made, form="sql", database=str(made.database))
    assert report.tables["orders"] == 20
    assert ("backup-passed-over", newer.id) in [(one.code, one.subject) for one in report.warnings]
    assert older.id not in [one.subject for one in report.warnings]


@pytest.mark.parametrize("content", [b"no database at all\n" * 500, b"\0" * 8192])
def test_nothing_that_could_be_got_back(made: Shop, tmp_path: Path, content: bytes) -> None:
    bad = made.root / "bad.db"
    bad.write_bytes(content)
    before = names_below(made.root)
    with pytest.raises(DamageError) as caught:
        write(made, form="sql", database=str(bad), output=tmp_path / "x.sql")
    assert caught.value.subject == str(bad)
    assert not (tmp_path / "x.sql").exists()
    assert names_below(made.root) == before
    assert not list(tmp_path.glob(".lifeboat-*"))


def test_an_empty_file_is_no_database(made: Shop, tmp_path: Path) -> None:
    bad = databases.zero_bytes(made.root / "bad.db")
    with pytest.raises(NotADatabaseError):
        write(made, form="sql", database=str(bad), output=tmp_path / "x.sql")


def test_a_raw_copy_in_a_backup_is_exported_with_its_sidecars(made: Shop, tmp_path: Path) -> None:
    databases.wal(made.uploads / "bad.db", orders=100, extra=50)
    databases.flip_page(made.uploads / "bad.db", databases.root_page(made.uploads / "bad.db", "orders_by_user"))
    row = made.back_up()
    assert next(one.form for one in row.databases if one.name == "bad.db") == "raw"
    report = write(made, form="sql", backup=row.id, name="bad.db", output=tmp_path / "x.sql")
    assert databases.row_counts(replayed(tmp_path / "x.sql"))["orders"] == 150
    assert (report.ending, report.backup) == (Ending.DONE, row.id)


def test_a_busy_database_is_one_state(made: Shop, tmp_path: Path) -> None:
    live = made.root / "live.db"
    with databases.Writer(live) as writer:
        writer.wait(10)
        write(made, form="sql", database=str(live), output=tmp_path / "x.sql")
    databases.consistent(replayed(tmp_path / "x.sql"))
    assert (tmp_path / "x.sql").read_text().rstrip().endswith("COMMIT;")

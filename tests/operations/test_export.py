"""`export`: plain formats that stock tools read back, from live databases and from backups."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.applications import Shop, configured, names_below, shop
from toolkit.errors import DatabaseDamagedError, RefusedError, SourceMissingError, UsageError
from toolkit.operations import export
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


@pytest.mark.parametrize("make", [databases.flipped_page, databases.truncated, damaged_index])
def test_a_damaged_database_raises_and_leaves_nothing(made: Shop, tmp_path: Path, make: object) -> None:
    bad = make(made.root / "bad.db")  # type: ignore[operator]
    before = names_below(made.root)
    with pytest.raises(DatabaseDamagedError):
        write(made, form="sql", database=str(bad), output=tmp_path / "x.sql")
    assert not (tmp_path / "x.sql").exists()
    assert names_below(made.root) == before
    assert not list(tmp_path.glob(".lifeboat-*"))


def test_a_damaged_index_costs_no_row_and_is_said(made: Shop, tmp_path: Path) -> None:
    bad = databases.broken_fts(made.root / "bad.db")
    report = write(made, form="sql", database=str(bad), output=tmp_path / "x.sql")
    assert (report.ending, [one.code for one in report.warnings]) == (Ending.DAMAGE, ["index-damaged"])
    assert report.tables["orders"] == 500


def test_a_damaged_database_in_a_backup_is_refused(made: Shop) -> None:
    databases.flipped_page(made.uploads / "bad.db")
    row = made.back_up()
    with pytest.raises(DatabaseDamagedError):
        write(made, form="sql", backup=row.id, name="bad.db")


def test_a_busy_database_is_one_state(made: Shop, tmp_path: Path) -> None:
    live = made.root / "live.db"
    with databases.Writer(live) as writer:
        writer.wait(10)
        write(made, form="sql", database=str(live), output=tmp_path / "x.sql")
    databases.consistent(replayed(tmp_path / "x.sql"))
    assert (tmp_path / "x.sql").read_text().rstrip().endswith("COMMIT;")

"""Records that are read off one page: whole ones, and the beginning of those that go on elsewhere."""

from __future__ import annotations

from pathlib import Path

from tests.makers import databases
from toolkit.sqlite.pages import rows
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.record import RawText


def test_a_record_that_goes_on_elsewhere_is_told_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with databases.opened(path) as connection:
        connection.executescript(
            f"PRAGMA page_size=1024; CREATE TABLE short(a); CREATE TABLE long(a /* {'x' * 3000} */)"
        )
    page = path.read_bytes()[:1024]
    names = [values[1] for values in rows.on_page(page, 1, Geometry(1024), cut=True)]
    assert names == [RawText(b"short"), RawText(b"long")]
    assert [values[1] for values in rows.on_page(page, 1, Geometry(1024))] == names[:1]
    assert [values[1] for values in rows.on_page(page, 1, Geometry(1024), most=1, cut=True)] == names[:1]

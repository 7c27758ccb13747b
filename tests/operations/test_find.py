"""`find`: a file over all backups."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers.applications import Shop, configured, shop
from toolkit.operations import find
from toolkit.operations.find import FindReport, FindRequest
from toolkit.operations.report import Ending


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20)


def look(made: Shop, name: str, **request: object) -> FindReport:
    return find.run(made.session(), FindRequest(name=name, **request))  # type: ignore[arg-type]


def test_versions_newest_first_and_the_same_content_once(made: Shop) -> None:
    a, b = made.back_up().id, made.back_up().id
    (made.uploads / "report.txt").write_text("two!")
    c = made.back_up().id
    (made.uploads / "report.txt").write_text("one")
    d = made.back_up().id
    report = look(made, "report.txt")
    (found,) = report.files
    assert found.path == str(made.uploads / "report.txt")
    assert [[seen.id for seen in version.backups] for version in found.versions] == [[d], [c], [b, a]]
    assert [version.size for version in found.versions] == [3, 4, 3]
    assert found.versions[0].digest == found.versions[2].digest != found.versions[1].digest
    assert (report.total, report.searched, report.ending) == (1, 4, Ending.DONE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("*.txt", ["report.txt"]),
        ("epor", ["report.txt"]),
        ("uploads/", ["logo.png", "report.txt"]),
        ("shop.db", ["shop.db"]),
        ("*.nothing", []),
    ],
)
def test_globs_and_parts_of_names(made: Shop, name: str, expected: list[str]) -> None:
    made.back_up()
    assert [Path(one.path).name for one in look(made, name).files] == expected


def test_the_limit_counts_what_it_hides(made: Shop) -> None:
    for number in range(5):
        (made.uploads / f"n{number}.dat").write_text("x")
    made.back_up()
    made.back_up()
    report = look(made, "*.dat", limit=2)
    assert (len(report.files), report.total) == (2, 5)
    assert all(len(one.versions[0].backups) == 2 for one in report.files)


def test_nothing_found_ends_with_nothing(made: Shop) -> None:
    made.back_up()
    assert look(made, "nobody").ending is Ending.NOTHING


def test_a_list_that_cannot_be_read_makes_it_incomplete(made: Shop) -> None:
    broken, sound = made.back_up(), made.back_up()
    path = Path(broken.archive.replace(".tar.zst", ".files.jsonl.zst"))
    path.write_bytes(b"\xa5" * path.stat().st_size)
    report = look(made, "report.txt")
    assert [seen.id for seen in report.files[0].versions[0].backups] == [sound.id]
    assert [(one.code, one.subject) for one in report.warnings] == [("not-searched", broken.id)]
    assert report.ending is Ending.INCOMPLETE


def test_encrypted_backups_are_searched_where_the_passphrase_is_known(made: Shop) -> None:
    secret = made.root.parent / "passphrase"
    secret.write_text("correct horse")
    secret.chmod(0o600)
    configured(made, f"files: [{made.uploads}]\narchive: {{encrypt: {{passphrase_file: {secret}}}}}")
    made.back_up()
    assert [Path(one.path).name for one in look(made, "*.txt").files] == ["report.txt"]
    made.config = None
    report = look(made, "*.txt")
    assert (report.files, report.ending) == ([], Ending.INCOMPLETE)
    assert "passphrase" in report.warnings[0].message


def test_it_ends_when_told_to(made: Shop) -> None:
    made.back_up()
    report = find.run(made.session(), FindRequest(name="report"), should_stop=lambda: True)
    assert (report.files, report.searched) == ([], 0)

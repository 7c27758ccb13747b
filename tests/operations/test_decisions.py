"""Plan files: what they say of each clash, and choices written into them one by one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.makers.applications import Shop, shop
from toolkit.errors import FormatError
from toolkit.operations.restoring import decisions
from toolkit.operations.restoring.decisions import PlanFile
from toolkit.operations.restoring.plan import RestorePlan, make_plan
from toolkit.operations.restoring.request import OnConflict, RestoreRequest
from toolkit.operations.targets import backup

NAMES = ("a[b].txt", os.fsdecode(b"caf\xe9.txt"), "new\nline.txt")


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    made = shop(tmp_path, orders=5)
    for name in NAMES:
        (made.uploads / name).write_text("old")
    (made.uploads / "link").write_text("a file")
    made.back_up()
    for name in NAMES:
        (made.uploads / name).write_text("newer")
    (made.uploads / "link").unlink()
    (made.uploads / "link").symlink_to("elsewhere")
    return made


def plan(made: Shop) -> RestorePlan:
    def body(session: object, job: object) -> RestorePlan:
        request = RestoreRequest(backup=backup(session, "latest"), only=("uploads/",))  # type: ignore[arg-type]
        return make_plan(session, request, job)  # type: ignore[arg-type]

    return made.job("plan", body)


def kept(made: Shop, path: Path) -> PlanFile:
    decisions.keep(path, plan(made))
    return decisions.read(path)


def test_each_clash_tells_both_sides(made: Shop, tmp_path: Path) -> None:
    rows = {row.path: row for row in kept(made, tmp_path / "plan").clashes}
    assert set(rows) == {str(made.uploads / name) for name in (*NAMES, "link")}
    row = rows[str(made.uploads / NAMES[1])]
    assert (row.kind, row.size, row.backup_size, row.choice) == ("newer", 5, 3, None)
    assert row.mtime_ns == (made.uploads / NAMES[1]).stat().st_mtime_ns > row.backup_mtime_ns > 0
    link = rows[str(made.uploads / "link")]
    assert (link.kind, link.link, link.backup_type) == ("link", "elsewhere", "file")


def test_choices_are_kept_and_replayed(made: Shop, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    kept(made, path)
    decisions.choose(path, {str(made.uploads / NAMES[1]): OnConflict.SKIP})
    decisions.choose(path, {str(made.uploads / NAMES[0]): OnConflict.RENAME, "/not/there": OnConflict.SKIP})
    choices = {row.path: row.choice for row in decisions.read(path).clashes}
    assert choices == {
        str(made.uploads / NAMES[0]): OnConflict.RENAME,
        str(made.uploads / NAMES[1]): OnConflict.SKIP,
        str(made.uploads / NAMES[2]): None,
        str(made.uploads / "link"): None,
    }
    again = plan(made)
    decisions.replay(path, again)
    assert {row.path: row.choice for row in again.clashes} == choices


@pytest.mark.parametrize("text", ["", "[]", '{"lifeboat_plan": 1}', '{"lifeboat_plan": 1, "clashes": [{}]}'])
def test_what_is_no_plan_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan").write_text(text)
    with pytest.raises(FormatError):
        decisions.read(tmp_path / "plan")

"""A dry run writes nothing to target and vault, not even what would finish a restore that was interrupted."""

from __future__ import annotations

import json

import pytest

from tests.faults.machine import Machine, change_application
from tests.makers import trees

IN_PLACE = ("restore", "app@latest", "--yes", "--on-conflict", "replace")


@pytest.mark.parametrize(("step", "words"), [(0, "finish"), (-8, "take back")])
@pytest.mark.parametrize(
    "command", [IN_PLACE, ("undo",), ("delete", "latest", "--allow-last-good"), ("prune",)], ids=lambda one: one[0]
)
def test_an_interrupted_restore_is_said_and_left(
    bare: Machine, command: tuple[str, ...], step: int, words: str
) -> None:
    assert bare.lifeboat("backup", bare.app).code == 0
    change_application(bare.app)
    assert bare.lifeboat(*IN_PLACE).code == 0
    change_application_again(bare)
    bare.keep()
    steps = bare.lifeboat(*IN_PLACE).steps
    bare.put_back()
    merging = next(number for number, one in enumerate(steps, 1) if one.path.endswith("/merging"))
    assert bare.lifeboat(*IN_PLACE, kill_before=merging + 2 + step).killed
    before = {name: trees.fingerprint(bare.root / "here" / name) for name in ("app", "vault", "beside")}
    before["restores"] = trees.fingerprint(bare.state / "restores")
    ended = bare.lifeboat(*command, "--dry-run", "--json")
    assert ended.code == 0, ended.stdout + ended.stderr
    after = {name: trees.fingerprint(bare.root / "here" / name) for name in ("app", "vault", "beside")}
    after["restores"] = trees.fingerprint(bare.state / "restores")
    assert after == before
    if command[0] in ("restore", "undo"):
        [first, *rest] = json.loads(ended.stdout)["plan"]["steps"]
        assert (first["name"], first["title"].startswith(words)) == ("settle", True)
        assert [one["n"] for one in (first, *rest)] == list(range(1, len(rest) + 2))
    bare.assert_recovered()


def change_application_again(machine: Machine) -> None:
    (machine.app / "uploads" / "changed").write_bytes(b"third")
    (machine.app / "uploads" / "gone").unlink()

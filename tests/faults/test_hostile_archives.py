"""Archives that somebody changed: refused before anything is written, and nothing outside is touched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.machine import Machine, change_application, print_of

Rows = list[dict[str, Any]]
Members = list[tuple[tarfile.TarInfo, bytes]]


def tamper(machine: Machine, change: Callable[[Members, Rows], None]) -> Path:
    """Make a copy of the newest archive, away from its vault, whose members and file list were changed together."""
    [archive] = machine.archives()
    raw = subprocess.run(["zstd", "-dcq", archive], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        members = [(one, (tar.extractfile(one) or io.BytesIO()).read() if one.isfile() else b"") for one in tar]
    rows = [json.loads(line) for one, data in members if one.name == "files.jsonl" for line in data.splitlines()]
    change(members, rows)
    listed = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for one, old in members:
            data = listed if one.name == "files.jsonl" else old
            if one.name == "manifest.json":
                manifest = json.loads(data)
                manifest["files"]["digest"] = hashlib.sha256(listed).hexdigest()
                data = json.dumps(manifest).encode()
            one.size = len(data) if one.isfile() else 0
            tar.addfile(one, io.BytesIO(data) if one.isfile() else None)
    target = machine.root / "tampered.tar.zst"
    target.write_bytes(subprocess.run(["zstd", "-cq"], input=out.getvalue(), capture_output=True, check=True).stdout)
    return target


def _row(rows: Rows, ending: str) -> dict[str, Any]:
    return next(row for row in rows if str(row["path"]).endswith(ending))


def _member(members: Members, ending: str) -> tuple[tarfile.TarInfo, bytes]:
    return next(one for one in members if one[0].name.endswith(ending))


def _renamed(path: str) -> Callable[[Members, Rows], None]:
    def change(_members: Members, rows: Rows) -> None:
        _row(rows, "/uploads/changed")["path"] = path

    return change


def _escaping_member(members: Members, rows: Rows) -> None:
    one, _ = _member(members, "/uploads/changed")
    one.name = "../../x"
    _row(rows, "/uploads/changed")["layers"][0][1] = "../../x"


def _absolute_member(members: Members, rows: Rows) -> None:
    one, _ = _member(members, "/uploads/changed")
    one.name = "/x"
    _row(rows, "/uploads/changed")["layers"][0][1] = "/x"


def _link_then_below(members: Members, rows: Rows) -> None:
    """`folder` becomes a link to the outside, and `folder/twin` is still written below it."""
    row = _row(rows, "/uploads/folder")
    row.update(type="symlink", target="/tmp")
    one, _ = _member(members, "/uploads/folder")
    one.type, one.linkname = tarfile.SYMTYPE, "/tmp"


def _duplicate(members: Members, rows: Rows) -> None:
    rows.insert(rows.index(_row(rows, "/uploads/gone")), dict(_row(rows, "/uploads/gone")))
    found = _member(members, "/uploads/gone")
    members.insert(members.index(found), found)


def _hard_link_outside(members: Members, rows: Rows) -> None:
    one, _ = _member(members, "/uploads/gone")
    one.type, one.linkname = tarfile.LNKTYPE, "/etc/passwd"
    _row(rows, "/uploads/gone").update(link_to="/etc/passwd", link_group=99)


def _device(members: Members, _rows: Rows) -> None:
    one, _ = _member(members, "/uploads/gone")
    one.type, one.devmajor, one.devminor = tarfile.CHRTYPE, 1, 3


TAMPERED: dict[str, Callable[[Members, Rows], None]] = {
    "dot-dot": _renamed("/../../x"),
    "relative": _renamed("../../x"),
    "dot-dot-inside": _renamed("/srv/../../../../../x"),
    "member-dot-dot": _escaping_member,
    "member-absolute": _absolute_member,
    "symlink-then-below": _link_then_below,
    "duplicate-names": _duplicate,
    "hard-link-outside": _hard_link_outside,
    "device": _device,
}


@pytest.fixture
def backed(bare: Machine) -> Machine:
    ended = bare.lifeboat("backup", bare.app)
    assert ended.code == 0, ended.stderr
    return bare


def everything_but(machine: Machine, *names: str) -> object:
    """All that lies on the machine but Lifeboat's own folders and what is named."""
    own = {b"here/vault", b"here/state", b"here/log", b"here/lock", *(os.fsencode(name) for name in names)}
    state = print_of(machine.root)
    return {name: one for name, one in state.items() if not any(f"{name!r}".startswith(f"{top!r}"[:-1]) for top in own)}


def test_an_untampered_copy_restores(backed: Machine) -> None:
    """The tampering itself changes nothing that counts: what is refused below is the change."""
    path = tamper(backed, lambda _members, _rows: None)
    ended = backed.lifeboat("restore", path, "--to", backed.root / "there")
    assert ended.code == 0, ended.stderr
    assert Path(f"{backed.root}/there{backed.app}/uploads/folder/twin").read_bytes() == b"deep"


@pytest.mark.parametrize("how", TAMPERED)
def test_a_hostile_archive_is_refused(backed: Machine, how: str) -> None:
    path = tamper(backed, TAMPERED[how])
    before = everything_but(backed)
    for command in (("--to", backed.root / "there"), ("--yes", "--on-conflict", "replace")):
        ended = backed.lifeboat("restore", path, *command)
        assert ended.code == 5, f"{ended.code} {ended.stdout} {ended.stderr}"
        assert everything_but(backed) == before
    backed.assert_nothing_left()


def _break_database(members: Members, rows: Rows) -> None:
    """A sound file list and archive around a database in which rows are missing (promise 3)."""
    one, data = _member(members, "databases/" + str(_row(rows, "/shop.db")["path"]).lstrip("/"))
    spoiled = bytearray(data)
    spoiled[2048:6144] = b"\xa5" * 4096
    members[members.index((one, data))] = (one, bytes(spoiled))
    _row(rows, "/shop.db")["digest"] = hashlib.sha256(bytes(spoiled)).hexdigest()


def test_a_database_that_does_not_pass_replaces_nothing(backed: Machine) -> None:
    """Promise 3: its digest is right, and integrity_check or the rows are not."""
    path = tamper(backed, _break_database)
    change_application(backed.app)
    before = everything_but(backed)
    for command in (("--yes", "--on-conflict", "replace"), ("--to", backed.root / "there")):
        ended = backed.lifeboat("restore", path, *command)
        assert ended.code == 4, ended.stderr
        assert "does not pass" in ended.stderr
        assert everything_but(backed) == before
    backed.assert_nothing_left()
    assert [one[0] for one in backed.backups()] == ["manual"]  # no safety backup, as nothing was to be replaced

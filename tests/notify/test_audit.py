"""Each operation leaves one line that cannot be forged, and none fails for want of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from toolkit.errors import LifeboatError
from toolkit.events import By, Outcome
from toolkit.masking import Mask
from toolkit.notify.audit import FILE_NAME, AuditRecord, record_operation

RECORD = AuditRecord(
    ts=datetime(2026, 11, 20, 3, 7, 1, tzinfo=UTC),
    job="8e10c4d2",
    operation="restore",
    targets=("shop",),
    by=By("root", "alex", "/dev/pts/1", "192.0.2.7"),
    host="web-03",
    outcome=Outcome.WARN,
    exit=3,
    changed=True,
    summary="7,020 files restored",
    error="",
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log directory, which is not there yet."""
    return tmp_path / "log"


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (log / FILE_NAME).read_bytes().splitlines()]


def test_a_line_says_who_from_where_what_and_how_it_ended(log: Path) -> None:
    assert record_operation(log, RECORD) is None
    assert lines(log) == [
        {
            "ts": "2026-11-20T03:07:01Z",
            "job": "8e10c4d2",
            "operation": "restore",
            "targets": ["shop"],
            "by": {"user": "root", "sudo_user": "alex", "tty": "/dev/pts/1", "from": "192.0.2.7"},
            "host": "web-03",
            "outcome": "warn",
            "exit": 3,
            "changed": True,
            "summary": "7,020 files restored",
            "error": "",
        }
    ]


def test_lines_are_added_and_none_is_touched(log: Path) -> None:
    for exit_code in range(3):
        record_operation(log, msgspec.structs.replace(RECORD, exit=exit_code))
    assert [line["exit"] for line in lines(log)] == [0, 1, 2]


def test_foreign_text_can_neither_forge_a_line_nor_reach_a_terminal(log: Path) -> None:
    forged = 'x"}\n{"operation":"forged"}\x1b[2J\u202e'
    record = msgspec.structs.replace(
        RECORD,
        targets=(forged, os.fsdecode(b"caf\xe9")),
        by=By(forged, forged, forged, forged),
        operation=forged,
        summary=forged,
        error=forged,
        host=forged,
    )
    assert record_operation(log, record) is None
    (line,) = lines(log)
    assert (log / FILE_NAME).read_text()[:-1].isprintable()
    assert line["targets"] == ['x"}\\n{"operation":"forged"}\\x1b[2J\\u202e', "caf\\xe9"]


def test_secrets_are_masked(log: Path) -> None:
    record = msgspec.structs.replace(RECORD, targets=("https://u:p4ss@host/x",), summary="used hunter22")
    record_operation(log, record, mask=Mask(["hunter22"]))
    text = (log / FILE_NAME).read_text()
    assert "hunter22" not in text
    assert "p4ss" not in text
    assert text.count("***") == 2


@pytest.mark.parametrize(("mode", "folder"), [(0o600, 0o700), (0o660, 0o770)])
@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_file_has_its_mode_whatever_the_umask(log: Path, mode: int, folder: int, umask: int) -> None:
    os.umask(umask)
    record_operation(log, RECORD, mode=mode)
    assert (log / FILE_NAME).stat().st_mode & 0o777 == mode
    assert log.stat().st_mode & 0o777 == folder


def test_a_log_that_was_rotated_away_is_begun_anew(log: Path) -> None:
    record_operation(log, RECORD)
    (log / FILE_NAME).rename(log / "audit.log.1")
    record_operation(log, RECORD)
    assert len(lines(log)) == 1
    assert len((log / "audit.log.1").read_bytes().splitlines()) == 1


def test_half_a_line_from_a_full_disk_spoils_only_itself(log: Path) -> None:
    record_operation(log, RECORD)
    with open(log / FILE_NAME, "ab") as file:
        file.write(b'{"ts":"2026')
    record_operation(log, RECORD)
    whole = [line for line in (log / FILE_NAME).read_bytes().splitlines() if line.endswith(b"}")]
    assert len([json.loads(line) for line in whole]) == 2


def test_what_goes_wrong_is_returned_and_never_raised(log: Path) -> None:
    log.write_text("a file where the directory should be")
    error = record_operation(log, RECORD)
    assert isinstance(error, LifeboatError)
    log.unlink()
    log.mkdir()
    (log / FILE_NAME).symlink_to(log / "elsewhere")
    error = record_operation(log, RECORD)
    assert isinstance(error, LifeboatError)
    assert error.subject == str(log / FILE_NAME)
    assert not (log / "elsewhere").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_is_a_warning(log: Path) -> None:
    log.mkdir()
    try:
        os.mknod(log / FILE_NAME, 0o600 | 0o020000, os.stat("/dev/full").st_rdev)
    except PermissionError:
        pytest.skip("only root makes device nodes")
    error = record_operation(log, RECORD)
    assert error is not None
    assert error.code == "no-space"


def test_many_processes_write_whole_lines(log: Path) -> None:
    code = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from toolkit.notify.audit import AuditRecord, record_operation
sys.stdin.readline()
for at in range(20):
    record = AuditRecord(ts=datetime.now(UTC), job=sys.argv[2], operation="x" * 900, exit=at, targets=("y" * 900,) * 9)
    if error := record_operation(Path(sys.argv[1]), record):
        raise error
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(log), str(number)],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    assert [writer.wait() for writer in writers] == [0] * 4
    for writer in writers:
        writer.communicate()
    written = lines(log)
    for number in range(4):
        assert [line["exit"] for line in written if line["job"] == str(number)] == list(range(20))

"""The drivers that fault tests are built on: they stop, fill and lock what they say, and nothing stays behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.makers import faults, mounts

WRITER = """
import sys
from pathlib import Path
from toolkit import durable
folder = Path(sys.argv[1])
durable.make_directory(folder / "made")
durable.write_file(folder / "made" / "file", b"new")
durable.remove(folder / "old")
print("ended")
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "writer.py"
    path.write_text(WRITER)
    return path


def test_a_whole_run_tells_its_steps_in_order(script: Path, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    ended = faults.run([script, tmp_path])
    assert (ended.code, ended.stdout) == (0, "ended\n"), ended.stderr
    names = [step.name for step in ended.steps]
    assert names == ["mkdir", "sync", "create", "sync", "rename", "sync", "unlink", "sync"]
    assert ended.steps[0].path == str(tmp_path / "made")


def test_a_killed_run_has_done_the_steps_before_and_none_after(script: Path, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    ended = faults.run([script, tmp_path], kill_before=7)
    assert ended.killed
    assert (tmp_path / "made" / "file").read_bytes() == b"new"
    assert (tmp_path / "old").exists()
    assert len(ended.steps) == 7


def test_a_walk_stops_before_each_step_and_ends_with_a_whole_run(script: Path, tmp_path: Path) -> None:
    prepared = []

    def prepare() -> None:
        prepared.append(tmp_path / str(len(prepared)))
        prepared[-1].mkdir()
        command[-1] = prepared[-1]

    command: list[str | os.PathLike[str]] = [script, ""]
    seen = list(faults.walk(command, prepare=prepare))
    assert [number for number, _ in seen] == [*range(1, len(seen)), 0]
    assert [ended.killed for _, ended in seen] == [True] * (len(seen) - 1) + [False]
    whole = {step.name for step in seen[-1][1].steps}
    assert {"create", "rename", "unlink"} <= whole
    for folder in prepared:  # killed anywhere, the file is whole or absent
        assert not (folder / "made" / "file").exists() or (folder / "made" / "file").read_bytes() == b"new"


def test_a_small_file_system_fills_up_and_goes_away(tmp_path: Path) -> None:
    place = tmp_path / "small"
    with mounts.small_filesystem(place, size=1 << 20) as small:
        assert small.is_mount()
        filler = mounts.fill(small, leave=64 << 10)
        (small / "fits").write_bytes(b"x" * (32 << 10))
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            (small / "does-not").write_bytes(b"x" * (128 << 10))
        assert filler.stat().st_size > 900 << 10
    assert not place.is_mount()


def test_a_read_only_tree_refuses_root_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with mounts.read_only(tmp_path), pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        (tmp_path / "file").write_bytes(b"lost")
    (tmp_path / "file").write_bytes(b"writable again")
    assert (tmp_path / "file").read_bytes() == b"writable again"

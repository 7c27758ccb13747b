"""A database that was deleted while it is open: found by its former name, read whole, for as long as the block runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.errors import TargetInUseError
from toolkit.sqlite import deleted, swap
from toolkit.sqlite.holders import holders
from toolkit.sqlite.raw import raw_copy


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[databases.Writer]:
    with databases.Writer(tmp_path / "a.db", pause=0.01) as running:
        running.wait(3)
        yield running


def deleted_of(path: Path) -> deleted.Deleted:
    found = deleted.find(path)
    assert found is not None
    return found


def taken(found: deleted.Deleted, folder: Path) -> Path:
    """Copy what is kept, out of its place."""
    (folder / "kept").mkdir()
    (folder / "copy").mkdir()
    with deleted.kept(found, folder / "kept") as source:
        copied = raw_copy(source, folder / "copy", follow=False)
    assert not list((folder / "kept").iterdir())
    return copied.files[0]


@pytest.mark.parametrize("removed", [("",), ("", "-wal", "-shm")])
def test_all_that_was_committed_is_read(removed: tuple[str, ...], writer: databases.Writer, tmp_path: Path) -> None:
    for suffix in removed:
        os.unlink(f"{writer.path}{suffix}")
    writer.wait(3)  # in WAL mode it goes on, and cannot know
    assert not writer.path.exists()
    os.kill(writer.pid, signal.SIGSTOP)  # at rest while it is compared
    try:
        found = deleted.find(writer.path)
        assert found is not None
        assert (found.path, found.written, set(found.parts)) == (str(writer.path), True, {"", "-wal"})
        assert [(one.pid, one.deleted) for one in found.holders] == [(writer.pid, True)]
        copy = taken(found, tmp_path)
    finally:
        os.kill(writer.pid, signal.SIGCONT)
    assert databases.consistent(copy) >= 6


def test_a_file_that_is_there_or_that_nobody_has_open_is_not_found(writer: databases.Writer, tmp_path: Path) -> None:
    assert deleted.find(writer.path) is None
    assert deleted.find(tmp_path / "absent") is None
    (tmp_path / "b.db (deleted)").write_bytes(b"")
    with (tmp_path / "b.db (deleted)").open("rb"):
        assert deleted.find(tmp_path / "b.db") is None


def test_the_new_file_of_that_name_lends_no_journal(tmp_path: Path) -> None:
    """A process has the deleted file open, and by now the new one of that name with its -wal as well."""
    path = databases.shop(tmp_path / "a.db", orders=5)
    held = (
        "import os, sys; path = sys.argv[1]; old = open(path, 'rb'); os.unlink(path)\n"
        "new, wal = open(path, 'w+b'), open(path + '-wal', 'w+b'); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", held, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = deleted_of(path)
        assert (set(found.parts), found.written) == ({""}, False)
        process.kill()


def test_of_several_the_last_that_was_written_to_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with databases.Writer(path, pause=0.01) as first:
        for suffix in ("", "-wal", "-shm"):
            os.unlink(f"{path}{suffix}")
        first_inode = os.stat(deleted_of(path).parts[""]).st_ino
        os.kill(first.pid, signal.SIGSTOP)
        with databases.Writer(path, pause=0.01) as second:
            for suffix in ("", "-wal", "-shm"):
                os.unlink(f"{path}{suffix}")
            second.wait(3)
            found = deleted_of(path)
            assert os.stat(found.parts[""]).st_ino != first_inode
            assert {one.pid for one in found.holders} == {first.pid, second.pid}
        os.kill(first.pid, signal.SIGCONT)
        assert os.stat(deleted_of(path).parts[""]).st_ino == first_inode


def test_what_is_kept_outlives_the_process(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "copy").mkdir()
    with ExitStack() as stack:
        with databases.Writer(tmp_path / "a.db", pause=0.01) as writer:
            for suffix in ("", "-wal", "-shm"):
                os.unlink(f"{writer.path}{suffix}")
            found = deleted_of(writer.path)
            source = stack.enter_context(deleted.kept(found, tmp_path / "kept"))
            writer.wait(3)
        assert deleted.find(writer.path) is None
        copy = raw_copy(source, tmp_path / "copy", follow=False).files[0]
        assert databases.consistent(copy) == writer.commits
    with pytest.raises(OSError), deleted.kept(found, tmp_path / "kept"):
        pass


def test_who_has_it_open_counts_as_a_user_and_must_not_be_ended_first(writer: databases.Writer) -> None:
    for suffix in ("", "-wal", "-shm"):
        os.unlink(f"{writer.path}{suffix}")
    assert [one.pid for one in holders([writer.path]).found] == [writer.pid]
    with pytest.raises(TargetInUseError) as raised:
        swap.refuse_if_held([writer.path])
    assert "lifeboat rescue" in raised.value.hint
    writer.path.write_bytes(b"another")
    with pytest.raises(TargetInUseError) as raised:
        swap.refuse_if_held([writer.path])
    assert raised.value.hint == "stop it, then run this again"

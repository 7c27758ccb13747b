"""One run at a time changes a thing, whoever runs it; and a lock never outlives its holder."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toolkit.errors import CancelledError, LifeboatError, LockedError
from toolkit.jobs.lock import Lock, Locks, file_name

Start = Callable[..., "subprocess.Popen[str]"]
Said = Callable[..., str]

HOLDER = """
import sys
from pathlib import Path
from toolkit.jobs.lock import Lock
lock = Lock(sys.argv[1], Path(sys.argv[2]))
lock.acquire(operation="restore of shop\\x1b[2J", job="8e10")
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("freed", flush=True)
sys.stdin.readline()
"""

WAITER = """
import sys
from pathlib import Path
from toolkit.jobs.lock import Lock
with Lock(sys.argv[1], Path(sys.argv[2])).holding(wait=None, on_wait=lambda holder: print("waits", holder, flush=True)):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """A lock directory that all users share."""
    directory = tmp_path / "lock"
    directory.mkdir()
    directory.chmod(0o1777)
    return directory


@pytest.mark.parametrize(
    "hostile", ["/srv/shop/shop.db", "/srv/a[/b].db", "/srv/\x1b[2J\n", os.fsdecode(b"/srv/\xff"), "/"]
)
def test_any_name_can_be_locked(locks: Path, hostile: str) -> None:
    with Lock(hostile, locks).holding() as lock:
        assert lock.path.name.isascii()
        assert lock.path.name.isprintable()
        assert "/" not in file_name(hostile)
        with pytest.raises(LockedError) as caught, in_thread(lambda: Lock(hostile, locks).acquire()):
            pass
        assert caught.value.subject == hostile


def test_names_that_look_alike_are_two_locks(locks: Path) -> None:
    with Lock("/srv/a/shop.db", locks).holding(), Lock("/srv/b/shop.db", locks).holding():
        assert len(list(locks.iterdir())) == 2


class in_thread:  # noqa: N801 - reads as a sentence
    """Run something in another thread and raise here what it raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.error: BaseException | None = None

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=run)

    def __enter__(self) -> None:
        self.thread.start()
        self.thread.join()
        if self.error is not None:
            raise self.error

    def __exit__(self, *_: object) -> None:
        pass


def test_a_second_process_is_told_who_holds_the_lock(locks: Path, start: Start, said: Said, tell: Said) -> None:
    holder = start(HOLDER, "/srv/shop", locks)
    assert said(holder) == "held"
    with pytest.raises(LockedError) as caught:
        Lock("/srv/shop", locks).acquire()
    import pwd
    import re
    import socket

    user = pwd.getpwuid(os.geteuid()).pw_name
    text = caught.value.holder or ""
    assert re.fullmatch(
        rf"{user}( \(\w+\))? \(pid {holder.pid}\) on {re.escape(socket.gethostname())} "
        r"runs restore of shop\\x1b\[2J since \d\d:\d\d",
        text,
    )
    assert text in (caught.value.hint or "")
    tell(holder)
    assert said(holder) == "freed"
    Lock("/srv/shop", locks).acquire()


def test_a_second_process_waits_until_the_first_is_done(locks: Path, start: Start, said: Said, tell: Said) -> None:
    first = start(HOLDER, "/srv/shop", locks)
    assert said(first) == "held"
    second = start(WAITER, "/srv/shop", locks)
    waits = said(second)
    assert waits.startswith("waits ")
    assert f"(pid {first.pid})" in waits
    tell(first)
    assert said(first) == "freed"
    assert said(second) == "held"
    with pytest.raises(LockedError, match="another run"):
        Lock("/srv/shop", locks).acquire()


def test_a_killed_holder_holds_nothing(locks: Path, start: Start, said: Said) -> None:
    holder = start(HOLDER, "/srv/shop", locks)
    assert said(holder) == "held"
    holder.kill()
    holder.wait()
    with Lock("/srv/shop", locks).holding() as lock:
        assert str(os.getpid()).encode() in lock.path.read_bytes()


def test_a_child_of_a_killed_holder_holds_nothing(locks: Path, start: Start, said: Said) -> None:
    # The child says "held", so that it has run before its parent is killed.
    forking = HOLDER.replace('print("held"', 'import os\nif os.fork(): os.read(0, 1); os._exit(0)\nprint("held"', 1)
    holder = start(forking, "/srv/shop", locks)
    assert said(holder) == "held"
    holder.kill()
    holder.wait()
    Lock("/srv/shop", locks).acquire()


def test_threads_of_one_process_exclude_each_other(locks: Path) -> None:
    inside, most = 0, 0
    ready = threading.Barrier(4)

    def work() -> None:
        nonlocal inside, most
        ready.wait()
        for _ in range(5):
            with Lock("/srv/shop", locks, pause=lambda _seconds: None).holding(wait=None):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_taking_a_lock_twice_is_called_a_mistake_and_not_waited_for(locks: Path) -> None:
    mistake = pytest.raises(RuntimeError, match="holds the lock of '/srv/shop' already")
    with Lock("/srv/shop", locks).holding(), mistake:
        Lock("/srv/shop", locks).acquire(wait=None)
    with Lock("/srv/shop", locks).holding():
        pass


def test_waiting_ends_at_its_limit_and_looks_ten_times_a_second_at_most(locks: Path) -> None:
    now = [0.0]
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    heard: list[str] = []
    with Lock("/srv/shop", locks).holding():
        waiting = Lock("/srv/shop", locks, pause=pause, clock=lambda: now[0])
        with pytest.raises(LockedError), in_thread(lambda: waiting.acquire(wait=1.05, on_wait=heard.append)):
            pass
    assert len(pauses) == 11
    assert all(seconds >= 0.1 for seconds in pauses[:-1])
    assert sum(pauses) == pytest.approx(1.05)
    assert len(heard) == 1


def test_waiting_can_be_cancelled(locks: Path) -> None:
    stop = [False]

    def pause(_seconds: float) -> None:
        stop[0] = True

    with Lock("/srv/shop", locks).holding():
        waiting = Lock("/srv/shop", locks, pause=pause)
        with pytest.raises(CancelledError), in_thread(lambda: waiting.acquire(wait=None, should_stop=lambda: stop[0])):
            pass


def test_several_locks_are_taken_in_one_order_and_all_or_none(locks: Path) -> None:
    with Lock("/c", locks).holding():
        with pytest.raises(LockedError), in_thread(lambda: Locks(["/b", "/c", "/a"], locks).acquire()):
            pass
        with Locks(["/b", "/a", "/b"], locks).acquire():
            pass
    with Locks(["/b", "/c", "/a"], locks).acquire(operation="x") as held:
        assert [lock.key for lock in held._locks] == ["/a", "/b", "/c"]
        with pytest.raises(LockedError), in_thread(lambda: Lock("/a", locks).acquire()):
            pass
    Lock("/a", locks).acquire()


def test_two_runs_that_want_the_same_locks_the_other_way_round_both_end(locks: Path) -> None:
    ends: list[str] = []
    ready = threading.Barrier(2)

    def work(name: str, keys: list[str]) -> None:
        ready.wait()
        for _ in range(10):
            with Locks(keys, locks).acquire(wait=60):
                pass
        ends.append(name)

    threads = [threading.Thread(target=work, args=args) for args in (("x", ["/a", "/b"]), ("y", ["/b", "/a"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["x", "y"]


def test_every_user_may_open_the_file_and_it_stays(locks: Path) -> None:
    os.umask(0o077)
    lock = Lock("/srv/shop", locks)
    lock.acquire()
    assert stat.S_IMODE(lock.path.stat().st_mode) == 0o666
    lock.release()
    lock.release()
    assert lock.path.read_bytes() == b""


def test_links_and_other_things_in_the_shared_directory_are_not_followed(locks: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for make in (os.symlink, os.link, lambda _victim, path: os.mkfifo(path), lambda _victim, path: os.mkdir(path)):
        lock = Lock("/srv/shop", locks)
        make(victim, lock.path)
        with pytest.raises(LifeboatError):
            lock.acquire()
        assert victim.read_text() == "precious"
        lock.path.rmdir() if lock.path.is_dir() and not lock.path.is_symlink() else lock.path.unlink()


@pytest.mark.parametrize(
    "junk", [b"", b"{", b'{"pid": 1}', b"\xff\x1b[2J" * 3000, b'{"pid":1,"host":"\\u001b","user":"\\u202e']
)
def test_junk_in_a_lock_file_is_never_shown(locks: Path, junk: bytes) -> None:
    with Lock("/srv/shop", locks).holding() as lock:
        lock.path.write_bytes(junk)
        with pytest.raises(LockedError) as caught, in_thread(lambda: Lock("/srv/shop", locks).acquire()):
            pass
        assert caught.value.holder == "a run that did not say its name"


def test_a_lock_file_that_was_removed_meanwhile_is_no_lock(locks: Path) -> None:
    first = Lock("/srv/shop", locks)
    first.acquire()

    def pause(_seconds: float) -> None:
        first.path.unlink()
        first.release()

    second = Lock("/srv/shop", locks, pause=pause)
    with in_thread(lambda: second.acquire(wait=None)), pytest.raises(LockedError):
        Lock("/srv/shop", locks).acquire()
    second.release()


def test_an_absent_directory_is_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(LifeboatError) as caught:
        Lock("/srv/shop", tmp_path / "none").acquire()
    assert "none" in (caught.value.subject or "")


@pytest.fixture
def open_locks() -> Iterator[Path]:
    """A lock directory that other users can reach; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        directory = Path(name, "lock")
        directory.mkdir()
        directory.chmod(0o1777)
        yield directory


NOBODY = """
import os, pwd, sys
from pathlib import Path
from toolkit.errors import ForbiddenError
from toolkit.jobs.lock import Lock
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    with Lock(sys.argv[1], Path(sys.argv[2])).holding(operation="their restore"):
        print("held", flush=True)
        sys.stdin.readline()
    print("freed", flush=True)
except ForbiddenError as error:
    print(error.message, "lock" in error.subject, flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
@pytest.mark.parametrize("first", ["root", "nobody"])
def test_users_share_the_locks_whoever_was_first(
    open_locks: Path, start: Start, said: Said, tell: Said, first: str
) -> None:
    mine = Lock("/srv/shop", open_locks)
    if first == "root":
        mine.acquire()
        mine.release()
    other = start(NOBODY, "/srv/shop", open_locks)
    assert said(other) == "held"
    with pytest.raises(LockedError) as caught:
        mine.acquire()
    assert f"nobody (root) (pid {other.pid})" in (caught.value.holder or "") or f"nobody (pid {other.pid})" in (
        caught.value.holder or ""
    )
    assert "runs their restore" in (caught.value.holder or "")
    tell(other)
    assert said(other) == "freed"
    mine.acquire()
    assert mine.path.owner() == first
    mine.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns files of root")
def test_a_private_file_of_another_user_is_refused_clearly(open_locks: Path, start: Start, said: Said) -> None:
    lock = Lock("/srv/shop", open_locks)
    lock.path.write_text("")
    lock.path.chmod(0o600)
    assert said(start(NOBODY, "/srv/shop", open_locks)) == "permission denied True"

"""The swap of the four files: old or new at every moment, never a mixture."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers import databases, mounts
from toolkit.errors import TargetInUseError, UsageError
from toolkit.sqlite import swap

ROOT = Path(__file__).parents[2]
OLD, NEW = 800, 300


@functools.cache
def _process() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "tests/sqlite/swap_driver.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@functools.cache
def template(kind: str) -> Path:
    path = Path(tempfile.mkdtemp()) / "made.db"
    atexit.register(shutil.rmtree, path.parent)
    if kind == "wal":
        return databases.wal(path, orders=500, extra=300)
    if kind == "hot":
        return databases.hot_journal(path, orders=OLD)
    if kind == "raw":
        return databases.wal_without_shm(path, orders=200, extra=100)
    return databases.shop(path, orders=NEW)


def made(kind: str, path: Path) -> None:
    for suffix in ("", *databases.SIDECARS):
        if os.path.exists(f"{template(kind)}{suffix}"):
            shutil.copyfile(f"{template(kind)}{suffix}", f"{path}{suffix}")


def driver(*request: object) -> int:
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([str(part) if isinstance(part, Path) else part for part in request]) + "\n")
    process.stdin.flush()
    return int(process.stdout.readline())


@pytest.fixture(autouse=True, scope="module")
def _driver_ends() -> Iterator[None]:
    yield
    _process().communicate()


class Place:
    """A folder with an old WAL database of 800 orders (300 of them only in its -wal) and a staged one."""

    def __init__(self, folder: Path, *, raw: bool = False, old: str = "wal") -> None:
        folder.mkdir()
        self.folder, self.target, self.journal = folder, folder / "app" / "shop.db", folder / "swap.json"
        self.target.parent.mkdir()
        if old != "none":
            made(old, self.target)
        self.staged = [folder / "app" / ".stage.partial"]
        if raw:
            made("raw", self.staged[0])
            self.staged.append(Path(f"{self.staged[0]}-wal"))
        else:
            made("new", self.staged[0])

    def run(self, task: str, step: int) -> int:
        """Do it in a process that dies before the durable step `step`; return its exit code."""
        files = [] if task in ("recover", "put-back") else [self.target, *self.staged]
        return driver(task, step, self.journal, False, *files)

    def put(self, **options: object) -> swap.Swapped:
        options = {"keep_aside": False, "accept_unseen": True, **options}
        return swap.put(tuple(self.staged), self.target, self.journal, **options)  # type: ignore[arg-type]

    def orders(self) -> int | str:
        """Open the name as an application that only reads would, in a copy, so that looking changes nothing."""
        scratch = self.folder / "look"
        scratch.mkdir(exist_ok=True)
        for suffix in ("", *databases.SIDECARS):
            (scratch / f"copy{suffix}").unlink(missing_ok=True)
            source = Path(f"{self.target}{suffix}")
            if source.is_symlink():
                os.symlink(os.readlink(source), scratch / f"copy{suffix}")
            elif source.exists():
                (scratch / f"copy{suffix}").write_bytes(source.read_bytes())
        try:
            with databases.opened(scratch / "copy") as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])
        except sqlite3.OperationalError as error:
            opened, created = "unable to open" not in str(error), scratch.joinpath("copy").exists()
        assert (opened, created) == (False, False)
        return "refused"

    def leftovers(self) -> list[str]:
        names = {entry.name for entry in self.target.parent.iterdir()} | {
            entry.name for entry in self.folder.iterdir() if entry.is_file()
        }
        return sorted(name for name in names if not name.startswith("shop.db"))


@pytest.mark.parametrize(("old", "raw"), [("wal", False), ("wal", True), ("hot", True), ("none", False)])
def test_killed_at_every_step_the_old_or_the_new_is_whole(tmp_path: Path, old: str, raw: bool) -> None:
    seen: set[int | str] = set()
    before = "nothing" if old == "none" else OLD
    for step in range(1, 100):
        place = Place(tmp_path / f"{step}", old=old, raw=raw)
        done = place.run("put", step)
        if done != -signal.SIGKILL:
            assert done == 0
            break
        found = place.orders() if os.path.lexists(place.target) else "nothing"
        assert found in (before, NEW, "refused")
        seen.add(found)
        result = swap.recover(place.journal)
        after = place.orders() if os.path.lexists(place.target) else "nothing"
        if result == "nothing":
            assert after == found != "refused"
        else:
            assert after == (NEW if result == "finished" else before), (step, result)
            assert place.leftovers() == []
        assert swap.recover(place.journal) == "nothing"
    assert step > 12
    assert seen == {before, NEW, "refused"}
    assert place.orders() == NEW
    assert place.leftovers() == []


@pytest.mark.parametrize("step", [13, 20])
def test_recovery_killed_at_every_step_ends_the_same(tmp_path: Path, step: int) -> None:
    results = set()
    for again in range(1, 60):
        place = Place(tmp_path / f"{again}", raw=True)
        assert place.run("put", step) == -signal.SIGKILL
        done = place.run("recover", again)
        assert place.orders() in (OLD, NEW, "refused")
        if done == 0:
            break
        assert done == -signal.SIGKILL
        swap.recover(place.journal)
        results.add(place.orders())
        assert place.leftovers() == []
    assert again > 2
    assert len(results) == 1
    assert results <= {OLD, NEW}


def test_a_stale_wal_does_not_undo_the_restore(tmp_path: Path) -> None:
    place = Place(tmp_path / "a")
    place.put()
    assert sorted(entry.name for entry in place.target.parent.iterdir()) == ["shop.db"]
    assert databases.row_counts(place.target)["orders"] == NEW


def test_an_overlay_is_one_file_system(tmp_path: Path) -> None:
    with mounts.overlay(tmp_path / "container") as container:
        place = Place(container / "app")
        assert os.stat(place.target).st_dev != os.stat(place.target.parent).st_dev
        place.put()
        assert place.orders() == NEW


def test_what_was_replaced_stays_until_discarded(tmp_path: Path) -> None:
    place = Place(tmp_path / "a")
    swapped = place.put(keep_aside=True)
    assert [path.name.rsplit("aside", 1)[1] for path in swapped.aside] == ["", "-wal", "-shm"]
    assert databases.row_counts(swapped.aside[0])["orders"] == OLD
    assert swap.recover(place.journal) == "finished"
    assert swapped.aside[0].exists()
    swap.discard_aside(place.journal)
    assert place.leftovers() == []


@pytest.mark.parametrize("old", ["wal", "hot", "none"])
def test_put_back_killed_at_every_step_goes_on(tmp_path: Path, old: str) -> None:
    """Back comes what was there, with its sidecars bit for bit; what the new database left beside it goes."""
    before = "nothing" if old == "none" else OLD
    seen: set[int | str] = set()
    for step in range(1, 60):
        place = Place(tmp_path / f"{step}", old=old)
        content = {path.name: path.read_bytes() for path in place.target.parent.glob("shop.db*")}
        place.put(keep_aside=True)
        Path(f"{place.target}-journal").write_bytes(b"of the new one")
        done = place.run("put-back", step)
        assert done in (0, -signal.SIGKILL)
        if done:
            found = place.orders() if os.path.lexists(place.target) else "nothing"
            assert found in (before, NEW, "refused")
            seen.add(found)
            if swap.recover(place.journal) == "finished":  # it had not begun
                assert found == NEW
                swap.put_back(place.journal)
        assert {path.name: path.read_bytes() for path in place.target.parent.glob("shop.db*")} == content
        assert place.leftovers() == []
        if not done:
            break
    assert step > 5
    assert seen == {before, NEW, "refused"}


def test_only_a_finished_swap_that_kept_something_is_put_back(tmp_path: Path) -> None:
    place = Place(tmp_path / "a")
    assert swap.put_back(place.journal) is False
    assert place.run("put", 12) == -signal.SIGKILL
    with pytest.raises(UsageError):
        swap.put_back(place.journal)
    other = Place(tmp_path / "b")
    other.put(keep_aside=True)
    with databases.opened(other.target) as connection:
        connection.execute("SELECT count(*) FROM orders").fetchone()
        with pytest.raises(TargetInUseError):
            swap.put_back(other.journal)
    assert other.orders() == NEW


def test_owner_mode_and_attributes_are_the_old_ones(tmp_path: Path) -> None:
    place = Place(tmp_path / "a")
    place.target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(place.target, 65534, 65534)
    os.setxattr(place.target, "user.kept", b"yes")
    before = swap.ownership(place.target)
    place.put()
    assert swap.ownership(place.target) == before
    assert before.mode == 0o640


def test_the_target_of_a_link_is_replaced_and_the_link_kept(tmp_path: Path) -> None:
    place = Place(tmp_path / "a")
    link = tmp_path / "link.db"
    link.symlink_to(place.target)
    swap.put(tuple(place.staged), link, place.journal, keep_aside=False, accept_unseen=True)
    assert link.is_symlink()
    assert databases.row_counts(place.target)["orders"] == NEW


def test_refused_while_a_process_holds_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "a", old="none")
    with databases.Writer(place.target), pytest.raises(TargetInUseError, match="python"):
        place.put()
    assert place.staged[0].exists()
    assert not place.journal.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root sees every process")
def test_refused_where_it_cannot_be_seen(tmp_path: Path) -> None:
    place = Place(tmp_path / "a")
    with pytest.raises(TargetInUseError):
        place.put(accept_unseen=False)
    assert databases.row_counts(place.target)["orders"] == OLD


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process of another user that cannot be looked into")
def test_another_user_is_refused_where_it_cannot_be_seen(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db")
    tmp_path.chmod(0o755)
    code = (
        "import os, sys\nfrom toolkit.sqlite import swap\nfrom toolkit.errors import TargetInUseError\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: swap.refuse_if_held([sys.argv[1]])\nexcept TargetInUseError as error: print(error.message)\n"
        "swap.refuse_if_held([sys.argv[1]], accept_unseen=True)\n"
    )
    open_folder = Path("/tmp") / f"lifeboat-test-{os.getpid()}.db"
    try:
        open_folder.write_bytes(path.read_bytes())
        done = subprocess.run(
            [sys.executable, "-c", code, open_folder], cwd=ROOT, capture_output=True, text=True, check=False
        )
    finally:
        open_folder.unlink()
    assert "cannot be seen" in done.stdout, done.stderr
    assert done.returncode == 0


def test_a_failure_in_the_middle_takes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path / "a", raw=True)

    def fail(name: str, path: str) -> None:
        if name == "rename" and path == f"{place.target}-wal":
            monkeypatch.undo()
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("toolkit.durable.on_step", fail)
    with pytest.raises(Exception, match="no space"):
        place.put()
    assert place.orders() == OLD
    assert all(path.exists() for path in place.staged)
    assert not place.journal.exists()


def test_a_foreign_file_in_the_barriers_place_is_left_alone(tmp_path: Path) -> None:
    place = Place(tmp_path / "a")
    assert place.run("put", 12) == -signal.SIGKILL
    assert swap.is_barrier(place.target)
    with pytest.raises(TargetInUseError, match="interrupted"):
        place.put()
    place.target.unlink()
    databases.shop(place.target, orders=42)
    assert swap.recover(place.journal) == "taken-back"
    assert databases.row_counts(place.target)["orders"] == 42
    assert any(name.endswith(".aside") for name in place.leftovers())


def test_another_file_system_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path / "a")
    here = tmp_path.stat().st_dev
    others = [folder for folder in ("/dev/shm", "/tmp", "/var/tmp") if os.stat(folder).st_dev != here]
    if not others:
        pytest.skip("there is one file system only")
    elsewhere = Path(others[0]) / f"lifeboat-{os.getpid()}.db"
    try:
        databases.shop(elsewhere)
        with pytest.raises(UsageError):
            swap.put((elsewhere,), place.target, place.journal, keep_aside=False, accept_unseen=True)
    finally:
        elsewhere.unlink()
    assert place.orders() == OLD

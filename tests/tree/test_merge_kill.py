"""A restore killed before any of its durable steps: the old tree is whole, or repeating it makes the new one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.makers import trees
from tests.makers.restores import stage, walk
from toolkit import durable
from toolkit.tree.staging import Staging


def small(root: Path, *, new: bool) -> Path:
    """Two trees that differ in every way a merge knows."""
    word = b"new" if new else b"old"
    for folder in ("both", "both/inner", "folder-or-file" if new else "x"):
        (root / folder).mkdir(parents=True)
    for name in ("file", "both/a", "both/inner/b"):
        (root / name).write_bytes(word)
    if new:
        (root / "fresh" / "deep").mkdir(parents=True)
        (root / "fresh" / "deep" / "f").write_bytes(word)
        (root / "folder-or-file" / "g").write_bytes(word)
        (root / "file-or-folder").write_bytes(word)
        (root / "link").symlink_to("new")
        os.link(root / "file", root / "both" / "twin")
    else:
        (root / "folder-or-file").write_bytes(word)
        (root / "file-or-folder" / "sub").mkdir(parents=True)
        (root / "file-or-folder" / "sub" / "h").write_bytes(word)
        (root / "link").symlink_to("old")
        (root / "x").rmdir()
    trees._age(os.fsencode(root))
    os.chmod(root / "both", 0o750 if new else 0o700)
    return root


def restore_until(step: int, source: Path, target: Path, journal: Path) -> int:
    """Restore in a child process that kills itself before durable step number `step`; return how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = 0

    def die(_name: str, _path: str) -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        durable.on_step = die
        staged = stage(walk(source), source, target)
        staged.save(journal)
        staged.finish()
        staged.merge()
        os._exit(0)
    finally:
        os._exit(1)


def test_a_kill_before_any_step_leaves_the_old_or_leads_to_the_new(tmp_path: Path) -> None:
    source = small(tmp_path / "source", new=True)
    new = trees.fingerprint(source)
    phases = set()
    for step in range(1, 100):
        target, journal = small(tmp_path / f"target-{step}", new=False), tmp_path / f"journal-{step}"
        old = trees.fingerprint(target)
        ended = restore_until(step, source, target, journal)
        assert ended in (0, -signal.SIGKILL)
        if not journal.exists():
            continue
        staging = Staging.resume(journal)
        phases.add(staging.phase)
        if staging.phase in ("filling", "ready") and step % 2:
            staging.discard()
            assert trees.fingerprint(target) == old
        elif staging.phase == "filling":
            staging.discard()
        else:
            if step % 3 == 0 and staging.phase == "merging":
                assert killed_again(journal) == -signal.SIGKILL
            staging.close()
            with Staging.resume(journal) as again:
                assert again.merge().failed == ()
            assert trees.fingerprint(target) == new
        assert not [name for name in os.listdir(target) if name.startswith(".lifeboat-")]
        staging.close()
        if ended == 0:
            break
    assert ended == 0
    assert step > 15
    assert phases == {"filling", "ready", "merging", "done", "gone"}


def killed_again(journal: Path) -> int:
    """Resume in a child that is killed at its second step; return how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    steps: list[str] = []

    def die(name: str, _path: str) -> None:
        steps.append(name)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        durable.on_step = die
        Staging.resume(journal).merge()
    finally:
        os._exit(1)


def test_a_merge_that_has_begun_cannot_be_discarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toolkit.errors import RefusedError

    source, target = small(tmp_path / "source", new=True), small(tmp_path / "target", new=False)
    staged = stage(walk(source), source, target)
    staged.finish()

    def stop(step: str, path: str) -> None:
        if path.endswith("/link"):
            raise KeyboardInterrupt

    monkeypatch.setattr(durable, "on_step", stop)
    with pytest.raises(KeyboardInterrupt):
        staged.merge()
    with pytest.raises(RefusedError):
        staged.discard()
    monkeypatch.undo()
    assert staged.merge().failed == ()
    assert trees.fingerprint(target) == trees.fingerprint(source)

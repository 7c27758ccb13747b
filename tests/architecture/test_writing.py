"""What outlives a run is written by `toolkit.durable` only, so that tests can stop the machine before each step."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.architecture.sources import ROOT, called, modules

pytestmark = pytest.mark.xdist_group("sources")  # one worker looks at them, once

ANNOUNCED = {
    "toolkit/destinations/fetch.py": "goes on with a part that an earlier run left",
    "toolkit/destinations/local.py": "on disks that know no modes, and goes on with a part",
    "toolkit/jobs/journal.py": "appends, with a lock that must stay open",
    "toolkit/notify/audit.py": "appends",
    "toolkit/operations/copy.py": "takes away the folder that it made",
    "toolkit/operations/offsite/remote.py": "the same",
    "toolkit/operations/restoring/safety.py": "removes, of the user's files, what a restore had brought",
    "toolkit/operations/restoring/undo_aside.py": "removes the folder that its files were kept in",
    "toolkit/sqlite/swap.py": "links and a barrier instead of plain renames",
    "toolkit/vault/queue.py": "takes away the folder that it made",
    "toolkit/tree/across.py": "works on folders that are held open, so that no link can lead it away",
    "toolkit/tree/merge.py": "the same",
    "toolkit/tree/place.py": "the same; what it stages is made durable as a whole",
    "toolkit/tree/staging.py": "the same",
}
"""Modules that write by themselves and say so to `durable.on_step` before each step, with the reason."""

PRIVATE = {
    "toolkit/cli/output.py": "streams that were closed, to nowhere",
    "toolkit/destinations/conformance.py": "files of one check, in its scratch folder",
    "toolkit/fleet/collection.py": "a link in the cache",
    "toolkit/fleet/playbook.py": "the folder of one run of Ansible",
    "toolkit/jobs/attach.py": "removes journals that were renamed away",
    "toolkit/jobs/lock.py": "the holder's name in a lock file, which means nothing after a stop",
    "toolkit/jobs/spawn.py": "output of a detached job",
    "toolkit/notify/logfile.py": "appends lines of a log, of which nothing depends",
    "toolkit/operations/taking/copies.py": "copies on their way into an archive",
    "toolkit/operations/restoring/extract.py": "a staged file that is not what it should be",
    "toolkit/operations/fleet.py": "folders of runs that are gone",
    "toolkit/operations/fleet_carry.py": "a backup on its way from one server to another",
    "toolkit/operations/importing.py": "what it unpacks, in its working folder",
    "toolkit/operations/scratch.py": "working folders of one run",
    "toolkit/sources/git.py": "what git left of a bundle that failed",
    "toolkit/sqlite/blocks.py": "copies under names that only this run knows",
    "toolkit/sqlite/check.py": "a copy that is checked and removed",
    "toolkit/sqlite/deleted.py": "links in the working folder, while deleted files are kept open",
    "toolkit/sqlite/envelope.py": "a private copy that is mended",
    "toolkit/sqlite/export.py": "what it wrote before it was stopped",
    "toolkit/sqlite/fulltext.py": "a copy of an index that is checked and removed",
    "toolkit/sqlite/header.py": "a staged database before it takes its name",
    "toolkit/sqlite/hotcopy.py": "its own copy, when the run fails",
    "toolkit/sqlite/live.py": "the worker's working folder",
    "toolkit/sqlite/raw.py": "its own copies, before they are made again",
    "toolkit/sqlite/salvage/beheaded.py": "a private copy that is mended",
    "toolkit/sqlite/salvage/engine.py": "candidates, of which the best takes the name of the output",
    "toolkit/sqlite/salvage/finish.py": "what VACUUM left when it failed",
    "toolkit/sqlite/salvage/freeing.py": "a private copy that is mended",
    "toolkit/sqlite/salvage/image.py": "the same",
    "toolkit/sqlite/salvage/settle.py": "the same",
    "toolkit/sqlite/salvage/shift.py": "the same",
    "toolkit/sqlite/session.py": "the worker's working folder",
    "toolkit/sqlite/worker.py": "its own copy",
    "toolkit/tree/folders.py": "removes staging folders that are done",
}
"""Modules that write only what a later run never needs: working copies of this run, and what is left of others."""

OS_CHANGES = {
    "chflags", "ftruncate", "link", "makedirs", "mkdir", "mkfifo", "mknod", "posix_fallocate", "remove", "removedirs",
    "rename", "renames", "replace", "rmdir", "symlink", "truncate", "unlink",
}  # fmt: skip
SHUTIL_CHANGES = {"copy", "copy2", "copyfile", "copytree", "move", "rmtree", "unpack_archive"}
PATH_CHANGES = {"hardlink_to", "mkdir", "rmdir", "symlink_to", "touch", "unlink", "write_bytes"}
WRITING_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"}


def opens_for_writing(call: ast.Call) -> bool:
    """Answer whether `call` is an `open` with a mode or flags that write, or that cannot be told."""
    name = called(call)
    if name == "os.open":
        return bool({node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)} & WRITING_FLAGS)
    if name not in ("open", "io.open", "os.fdopen") and not name.endswith(".open"):
        return False
    mode_at = 1 if name in ("open", "io.open", "os.fdopen") else 0
    mode = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), None)
    if mode is None and len(call.args) > mode_at:
        mode = call.args[mode_at]
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and bool(set(mode.value) & set("wax+"))


def changes(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield each place of `tree` that writes a file or changes a name on disk."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = called(node)
        first, _, last = name.rpartition(".")
        if (
            opens_for_writing(node)
            or (first == "os" and last in OS_CHANGES)
            or (first == "shutil" and last in SHUTIL_CHANGES)
            or (first not in ("os", "shutil", "durable") and "." in name and last in PATH_CHANGES)
        ):
            yield f"{path}:{node.lineno} {name}"


@dataclass(frozen=True)
class Seen:
    """What the rules below look for in a module: places that change something, and lines with an `assert`."""

    changes: tuple[str, ...]
    asserts: tuple[int, ...]


@functools.cache
def product() -> dict[str, Seen]:
    """Return what is seen in each module of the product."""
    found = {}
    for module in modules("toolkit", "tui"):
        tree = module.tree
        asserts = tuple(node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert))
        found[module.path] = Seen(tuple(changes(module.path, tree)), asserts)
    return found


def test_only_durable_writes() -> None:
    free = {"toolkit/durable.py", *ANNOUNCED, *PRIVATE}
    others = [change for path, seen in product().items() if path not in free for change in seen.changes]
    assert others == [], "write through toolkit.durable"


@pytest.mark.parametrize("path", ["toolkit/durable.py", *ANNOUNCED])
def test_every_step_that_is_written_is_announced(path: str) -> None:
    assert "on_step(" in (ROOT / path).read_text()


def test_the_lists_hold_no_module_that_writes_nothing() -> None:
    writing = {path for path, seen in product().items() if seen.changes}
    assert set(ANNOUNCED) | set(PRIVATE) <= writing


@pytest.mark.parametrize(
    ("line", "writes"),
    [
        ("open(path, 'wb')", True),
        ("open(path, mode='r+b')", True),
        ("path.open('a')", True),
        ("os.open(path, os.O_RDWR | os.O_CLOEXEC)", True),
        ("path.unlink()", True),
        ("os.replace(a, b)", True),
        ("open(path, 'rb')", False),
        ("open(path)", False),
        ("os.open(path, os.O_RDONLY)", False),
        ("name.replace('w', 'a')", False),
        ("durable.remove(path)", False),
    ],
)
def test_the_rule_sees_what_it_should(line: str, writes: bool) -> None:
    assert bool(list(changes("example.py", ast.parse(line)))) is writes


def test_the_product_has_no_assert() -> None:
    places = {path: seen.asserts for path, seen in product().items() if seen.asserts}
    assert places == {}, "python -O removes them"

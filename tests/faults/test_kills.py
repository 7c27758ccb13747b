"""kill -9 before every durable step of the commands: after the next run the old or the new state is whole.

Each walk is cut into parts that take every `PARTS`-th step, so that they can run side by side; together
they take every step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.machine import Machine, State, change_application, print_of, rows
from tests.makers.faults import Ended

PARTS = 4
part = pytest.mark.parametrize("part", range(PARTS))


@dataclass
class Sides:
    """The old and the new state of a folder with a database, and which of them the walk came to."""

    folder: Path
    database: Path
    states: dict[str, tuple[State, str]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def note(self, side: str) -> None:
        self.states[side] = (print_of(self.folder), rows(self.database))

    def assert_no_mixture(self) -> None:
        """What can be opened as a sound database right after the kill holds the old rows or the new."""
        assert rows(self.database) in ("unsound", *(one[1] for one in self.states.values()))

    def assert_whole(self) -> str:
        """All files and rows are the old ones, or all are the new ones; return which."""
        now = (print_of(self.folder), rows(self.database))
        sides = [side for side, state in self.states.items() if state == now]
        assert sides, [_differences(state[0], now[0]) for state in self.states.values()]
        self.seen.append(sides[0])
        return sides[0]


def _differences(one: State, other: State) -> list[object]:
    return [(name, one.get(name), other.get(name)) for name in {*one, *other} if one.get(name) != other.get(name)]


def walk(
    machine: Machine,
    part: int,
    run: Callable[[int], Ended],
    judge: Callable[[int, Ended], object],
    *,
    least: int,
    first: Callable[[], object] = lambda: None,
) -> None:
    """Kill `run` before each step of this part, each time on the machine as it was kept; at last let it end."""
    number = 1 + part
    while True:
        machine.put_back()
        first()
        outside = machine.print_of_outside()
        ended = run(number)
        assert ended.killed or ended.code == 0, ended.stdout + ended.stderr
        judge(number if ended.killed else 0, ended)
        assert machine.print_of_outside() == outside
        if not ended.killed:
            break
        number += PARTS
    assert len(ended.steps) >= least


@part
def test_backup(bare: Machine, part: int) -> None:
    """The source is never touched; there is a whole backup, a failed record, or nothing."""
    bare.keep()
    before = bare.print_of_app()
    seen = set()

    def judge(number: int, ended: Ended) -> None:
        assert bare.print_of_app() == before
        if not (bare.vault / "vault.json").exists():  # stopped while the vault was made: the next run makes it
            assert bare.lifeboat("backup", bare.app).code == 0
        bare.assert_recovered()
        assert bare.print_of_app() == before
        seen.add(state := tuple(bare.backups()))
        allowed = {
            (),
            (("manual", "failed", "interrupted"),),
            (("manual", "completed", ""),),
        }
        assert state in (allowed if number else {(("manual", "completed", ""),)})
        if state and state[0][1] == "completed":
            assert bare.verify().code == 0

    walk(bare, part, lambda number: bare.lifeboat("backup", bare.app, kill_before=number), judge, least=40)
    assert len(seen) == 3


@pytest.fixture
def changed(bare: Machine) -> Machine:
    """The machine after a backup and after everything changed."""
    ended = bare.lifeboat("backup", bare.app)
    assert ended.code == 0, ended.stderr
    change_application(bare.app)
    bare.keep()
    return bare


def restore(machine: Machine, number: int = 0) -> Ended:
    return machine.lifeboat("restore", "app@latest", "--yes", "--on-conflict", "replace", kill_before=number)


def undo(machine: Machine, number: int = 0) -> Ended:
    return machine.lifeboat("undo", "--yes", kill_before=number)


@part
def test_restore_in_place(changed: Machine, part: int) -> None:
    sides = Sides(changed.app, changed.database)
    sides.note("old")
    assert restore(changed).code == 0
    sides.note("new")

    def judge(number: int, ended: Ended) -> None:
        sides.assert_no_mixture()
        changed.assert_recovered()
        side = sides.assert_whole()
        assert number or side == "new"
        if side == "new" and number % 3 == 0:  # what was replaced is kept, and comes back
            ended = undo(changed)
            assert ended.code == 0, ended.stderr
            assert sides.assert_whole() == "old"

    walk(changed, part, lambda number: restore(changed, number), judge, least=130)
    assert set(sides.seen) == {"old", "new"}


@part
def test_undo(changed: Machine, part: int) -> None:
    sides = Sides(changed.app, changed.database)
    sides.note("new")
    assert restore(changed).code == 0
    sides.note("old")
    changed.keep()

    def judge(number: int, ended: Ended) -> None:
        sides.assert_no_mixture()
        changed.assert_recovered()
        side = sides.assert_whole()
        assert number or side == "new"

    walk(changed, part, lambda number: undo(changed, number), judge, least=120)
    assert set(sides.seen) == {"old", "new"}


@part
def test_restore_elsewhere(changed: Machine, part: int) -> None:
    """Nothing, or the whole of it, is in the new folder; the application is never touched."""
    before = changed.print_of_app()
    target = changed.root / "here" / "elsewhere"
    inside = Path(str(target) + str(changed.app))
    sides = Sides(target, inside / "shop.db")

    def run(number: int) -> Ended:
        return changed.lifeboat("restore", "app@latest", "--to", target, kill_before=number)

    target.mkdir()
    changed.keep()
    sides.note("old")
    assert run(0).code == 0
    sides.note("new")

    def judge(number: int, _ended: Ended) -> None:
        sides.assert_no_mixture()
        changed.assert_recovered()
        side = sides.assert_whole()
        assert number or side == "new"
        assert changed.print_of_app() == before

    walk(changed, part, run, judge, least=50)
    assert set(sides.seen) == {"old", "new"}


@part
@pytest.mark.parametrize("phase", ["staging", "committed", "swapping"])
def test_recovery_itself(changed: Machine, part: int, phase: str) -> None:
    """A recovery that is killed too is finished by the one after it."""
    sides = Sides(changed.app, changed.database)
    sides.note("old")
    whole = restore(changed)
    sides.note("new")
    kill_at = _step_of(whole, {"staging": "ready", "committed": "uploads/link", "swapping": ".aside-wal"}[phase])

    def first() -> None:
        assert restore(changed, kill_at).killed

    def judge(_number: int, _ended: Ended) -> None:
        sides.assert_no_mixture()
        changed.assert_recovered()
        assert sides.assert_whole() == ("old" if phase == "staging" else "new")

    walk(changed, part, lambda number: changed.recover(kill_before=number), judge, least=10, first=first)


def _step_of(ended: Ended, ending: str) -> int:
    return next(number for number, step in enumerate(ended.steps, 1) if step.path.endswith(ending))


def test_the_next_backup_recovers_too(changed: Machine) -> None:
    """Nobody needs to know of `jobs recover`: the next run of the profile does the same."""
    sides = Sides(changed.app, changed.database)
    whole = restore(changed)
    sides.note("new")
    changed.put_back()
    assert restore(changed, _step_of(whole, "uploads/link")).killed
    ended = changed.lifeboat("backup", changed.app, "--json")
    assert ended.code == 0, ended.stderr
    assert sides.assert_whole() == "new"
    changed.assert_nothing_left()
    tables = json.loads(ended.stdout)["backups"][0]["databases"][0]["tables"]
    assert tables["orders"] == 40  # the recovered database was backed up, not the one before
    changed.assert_recovered()


@part
@pytest.mark.parametrize("command", ["delete", "prune"])
def test_removals(bare: Machine, part: int, command: str) -> None:
    """A backup is there whole, or it is gone (to the trash); the last good one stays whatever happens."""
    made = [json.loads(bare.lifeboat("backup", bare.app, "--json").stdout)["backups"][0]["id"] for _ in range(2)]
    arguments = ("delete", made[0], "--yes") if command == "delete" else ("prune", "--keep-last", "1", "--yes")
    bare.keep()
    seen = set()

    def judge(number: int, _ended: Ended) -> None:
        bare.assert_recovered()
        listed = [one["id"] for one in json.loads(bare.lifeboat("list", "--json").stdout)["backups"]]
        assert listed in ([made[1], made[0]], [made[1]])
        assert number or listed == [made[1]]
        seen.add(len(listed))
        assert bare.verify(made[1]).code == 0
        if len(listed) == 1 and command == "delete":
            assert bare.lifeboat("undo", "--yes").code == 0
            assert bare.verify(made[0]).code == 0

    walk(bare, part, lambda number: bare.lifeboat(*arguments, kill_before=number), judge, least=20)
    assert seen == {1, 2}

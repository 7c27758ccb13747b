"""kill -9 before every durable step of repair and rescue: the old files stay, or the mended ones are there.

After the next run nothing is half done: the old state is that of every byte, the new one that of every row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.machine import Machine, print_of, rows
from tests.makers import damaged, databases
from tests.makers.commands import VOUCH
from tests.makers.faults import Ended

PARTS = 4
"""A walk takes every fourth step; `HYPOTHESIS_PROFILE=thorough` walks them all, which takes a quarter of an hour."""

WAYS = 10
"""The same for the ways out, which differ in what is copied only."""

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
part = pytest.mark.parametrize("part", range(PARTS) if THOROUGH else [0])


@pytest.fixture
def broken(bare: Machine) -> Machine:
    """The machine with a backup, after which the database was written to and then damaged; its -wal holds rows."""
    ended = bare.lifeboat("backup", bare.app)
    assert ended.code == 0, ended.stderr
    bare.database.unlink()
    databases.wal(bare.database, orders=50, extra=30)
    damaged.break_index(bare.database, "orders_by_day")
    bare.database.chmod(0o640)
    (bare.root / "here" / "config.yaml").write_text(
        f"vault: {bare.vault}\nprofiles:\n  app:\n    databases: [{bare.database}]\n"
        "    services: [{stop: ['true'], start: ['true']}]\n    smoke: [[test, -s, '{database}']]\n"
    )
    bare.keep()
    return bare


class Judge:
    """Knows the old and the new state of the application, and what was seen."""

    def __init__(self, machine: Machine, new_rows: str = "") -> None:
        self.machine = machine
        self.old = damaged.content(machine.database)
        self.names = sorted(path.name for path in machine.app.iterdir())
        self.others = _others(machine)
        self.new_rows = new_rows
        self.seen: set[str] = set()

    def no_mixture(self) -> None:
        """What opens as a sound database right after the kill has the new rows."""
        if self.machine.database.is_symlink() or damaged.content(self.machine.database) != self.old:
            assert rows(self.machine.database) in ("unsound", self.new_rows)

    def side(self) -> str:
        """Whether everything is old or everything is new; anything else fails."""
        database = self.machine.database
        assert _others(self.machine) == self.others
        if damaged.content(database) == self.old:
            assert sorted(path.name for path in self.machine.app.iterdir()) == self.names
            self.seen.add("old")
            return "old"
        assert rows(database) == self.new_rows
        assert database.stat().st_mode & 0o777 == 0o640
        left = {path.name for path in self.machine.app.iterdir()} - set(self.names)
        assert not {name for name in left if not name.startswith("shop.db")}
        self.seen.add("new")
        return "new"


def _others(machine: Machine) -> dict[bytes, object]:
    found = print_of(machine.app)
    return {name: one for name, one in found.items() if name and not name.startswith(b"shop.db")}


def rescue(machine: Machine, number: int = 0) -> Ended:
    config = machine.root / "here" / "config.yaml"
    return machine.lifeboat("rescue", "app", "--yes", "--config", config, *VOUCH, kill_before=number)


def repair(machine: Machine, number: int = 0) -> Ended:
    return machine.lifeboat("repair", machine.database, "--in-place", "--yes", *VOUCH, kill_before=number)


def walk(
    machine: Machine,
    part: int,
    run: Callable[[int], Ended],
    judge: Callable[[int, Ended], object],
    *,
    least: int,
    codes: tuple[int, ...] = (0,),
    begin: int = 1,
    every: int = PARTS,
) -> None:
    number = begin + part
    while True:
        machine.put_back()
        ended = run(number)
        assert ended.killed or ended.code in codes, ended.stdout + ended.stderr
        judge(number if ended.killed else 0, ended)
        if not ended.killed:
            break
        number += every
    assert len(ended.steps) >= least


@part
@pytest.mark.parametrize("command", [rescue, repair])
def test_killed_before_every_step(broken: Machine, part: int, command: Callable[..., Ended]) -> None:
    judge = Judge(broken)
    whole = command(broken)
    assert whole.code == 0, whole.stdout + whole.stderr
    judge.new_rows = rows(broken.database)
    assert judge.new_rows != "unsound"

    def look(number: int, _ended: Ended) -> None:
        judge.no_mixture()
        broken.assert_recovered()
        side = judge.side()
        assert number or side == "new"
        if side == "new" and number % 3 == 0:
            undone = broken.lifeboat("undo", "--yes", *VOUCH)
            assert undone.code == 0, undone.stderr
            assert judge.side() == "old"

    walk(broken, part, lambda number: command(broken, number), look, least=60)
    assert judge.seen == {"old", "new"}


@pytest.fixture
def holed(bare: Machine) -> Machine:
    """The machine with a backup, after which a row was written and a page of rows was lost."""
    databases.shop(bare.database.with_name("more.db"), orders=900).replace(bare.database)
    ended = bare.lifeboat("backup", bare.app)
    assert ended.code == 0, ended.stderr
    with databases.opened(bare.database) as connection:
        connection.execute("INSERT INTO orders(user_id, note) VALUES (1, 'fresh')")
    damaged.lose_leaf(bare.database)
    bare.database.chmod(0o640)
    bare.keep()
    return bare


@pytest.mark.parametrize("part", range(WAYS) if THOROUGH else [0])
@pytest.mark.parametrize("way", ["salvage", "restore"])
def test_each_way_out_killed_before_every_step(holed: Machine, part: int, way: str) -> None:
    """What is taken out of a backup leaves nothing behind, and takes the name whole or not at all."""
    judge = Judge(holed)

    def run(number: int = 0) -> Ended:
        return holed.lifeboat("rescue", holed.database, "--way", way, "--yes", *VOUCH, kill_before=number)

    whole = run()
    assert whole.code in (0, 3), whole.stdout + whole.stderr
    judge.new_rows = rows(holed.database)
    assert judge.new_rows != "unsound"

    def look(number: int, _ended: Ended) -> None:
        judge.no_mixture()
        holed.assert_recovered()
        side = judge.side()
        assert number or side == "new"

    first = {"salvage": 1, "restore": WAYS // 2}[way]
    walk(holed, part, run, look, least=60, codes=(whole.code,), begin=first, every=WAYS)
    assert judge.seen == {"old", "new"}


@part
def test_putting_back_killed_before_every_step(broken: Machine, part: int) -> None:
    """The smoke test fails: stopped at any moment after the swap, it leaves the old or the new state."""
    config = broken.root / "here" / "config.yaml"
    config.write_text(config.read_text().replace("[[test, -s, '{database}']]", "[['false']]").replace("services", "#"))
    broken.keep()
    judge = Judge(broken)
    config.write_text(config.read_text().replace("['false']", "['true']"))
    whole = rescue(broken)
    assert whole.code == 0
    judge.new_rows = rows(broken.database)
    swap = next(number for number, step in enumerate(whole.steps, 1) if step.path.endswith(".aside"))

    def look(number: int, ended: Ended) -> None:
        judge.no_mixture()
        broken.assert_recovered()
        side = judge.side()
        assert number or side == "old"

    walk(broken, part, lambda number: rescue(broken, number), look, least=70, codes=(1,), begin=swap)
    assert judge.seen == {"old", "new"}


@part
def test_a_repair_into_a_file_killed_before_every_step(broken: Machine, part: int) -> None:
    """The original is never touched; the output is whole, with its report, or it is not there."""
    judge = Judge(broken)
    output = broken.root / "here" / "out" / "mended.db"
    output.parent.mkdir()
    broken.keep()

    def run(number: int) -> Ended:
        return broken.lifeboat("repair", broken.database, "--output", output, kill_before=number)

    def look(number: int, _ended: Ended) -> None:
        assert judge.side() == "old"
        broken.assert_recovered()
        assert judge.side() == "old"
        if output.exists():
            assert rows(output) != "unsound"
            assert json.loads(Path(f"{output}.report.json").read_text())["whole"] is True
        else:
            assert number
            assert run(0).code == 0
            assert output.exists()

    walk(broken, part, run, look, least=15)


@part
@pytest.mark.parametrize("phase", ["staged", "swapping"])
def test_recovery_itself_killed_before_every_step(broken: Machine, part: int, phase: str) -> None:
    judge = Judge(broken)
    whole = repair(broken)
    judge.new_rows = rows(broken.database)
    ending = {"staged": "ready", "swapping": ".aside-wal"}[phase]
    kill_at = next(number for number, step in enumerate(whole.steps, 1) if step.path.endswith(ending))

    def run(number: int) -> Ended:
        assert repair(broken, kill_at).killed
        return broken.recover(kill_before=number)

    def look(_number: int, _ended: Ended) -> None:
        judge.no_mixture()
        broken.assert_recovered()
        assert judge.side() == ("old" if phase == "staged" else "new")

    walk(broken, part, run, look, least=8)


@pytest.fixture
def narrow(broken: Machine) -> Machine:
    """The same machine with a vault that takes no safety backup: the old files are moved aside."""
    config = broken.root / "here" / "config.yaml"
    config.write_text(
        config.read_text()
        .replace(f"vault: {broken.vault}", f"vault: {{path: {broken.vault}, max_backup_size: 1KB}}")
        .replace("    services", "    #")
    )
    broken.keep()
    return broken


def kept(machine: Machine) -> list[Path]:
    return sorted(machine.app.glob(".lifeboat-*-kept-*"))


def undo(machine: Machine, number: int = 0) -> Ended:
    return machine.lifeboat("undo", "--yes", *VOUCH, kill_before=number)


@part
def test_moving_aside_killed_before_every_step(narrow: Machine, part: int) -> None:
    judge = Judge(narrow)
    whole = rescue(narrow)
    assert whole.code == 0, whole.stderr
    judge.new_rows = rows(narrow.database)
    assert [damaged.content(folder / "shop.db") for folder in kept(narrow)] == [judge.old]
    swap = next(number for number, step in enumerate(whole.steps, 1) if step.path.endswith(".aside"))

    def look(number: int, _ended: Ended) -> None:
        judge.no_mixture()
        assert narrow.recover().code == 0
        assert rows(narrow.database) == judge.new_rows, number
        assert [damaged.content(folder / "shop.db") for folder in kept(narrow)] == [judge.old]
        assert undo(narrow).code == 0
        assert damaged.content(narrow.database) == judge.old

    walk(narrow, part, lambda number: rescue(narrow, number), look, least=30, begin=swap + 1)


@part
def test_an_undo_of_what_was_moved_aside_killed_before_every_step(narrow: Machine, part: int) -> None:
    judge = Judge(narrow)
    assert rescue(narrow).code == 0
    judge.new_rows = rows(narrow.database)
    narrow.keep()

    def look(number: int, _ended: Ended) -> None:
        assert narrow.recover().code == 0
        now = "old" if damaged.content(narrow.database) == judge.old else "new"
        assert number or now == "old"
        if now == "new":
            assert rows(narrow.database) == judge.new_rows
        assert undo(narrow).code == 0  # the other one comes back
        if now == "new":
            assert damaged.content(narrow.database) == judge.old
        else:
            assert rows(narrow.database) == judge.new_rows
        judge.seen.add(now)

    walk(narrow, part, lambda number: undo(narrow, number), look, least=15)
    assert judge.seen == {"old", "new"}

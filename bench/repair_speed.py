"""Time and memory: a large database with 1 % of its pages damaged against VACUUM INTO of it undamaged; quick diagnosis.

Everything is run by its command, as a user does; what interpreters cost to start is taken off where it is said: that is
the same command on a database of one page. The floor is what SQLite itself needs for a repair in which every index is
damaged: the tables copied, the indexes made, the result checked.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import machine
import measuring
import repair_ways
from measuring import Cost

SCHEMA = """
CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT UNIQUE, joined INTEGER, about TEXT);
CREATE TABLE events(id INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER NOT NULL REFERENCES people(id), at INTEGER,
  kind TEXT, value REAL, note TEXT);
CREATE TABLE files(id INTEGER PRIMARY KEY, name TEXT, data BLOB);
CREATE INDEX events_person ON events(person, at);
CREATE INDEX people_name ON people(name);
"""
PAGE = 4096
LOST = 0.01
ENGINE = """
import sys, pathlib, shutil
from toolkit.sqlite import salvage
source, output, scratch = map(pathlib.Path, sys.argv[1:])
scratch.mkdir()
copy = scratch / "copy.db"
shutil.copyfile(source, copy)
account = salvage.repair(copy, output, scratch=scratch)
print(account.strategy)
"""


def _fill(path: Path, mib: int) -> None:
    """Make the database: small rows with two indexes, texts, blobs with overflow pages, a third each."""
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute(f"PRAGMA page_size={PAGE}")
        db.executescript(f"PRAGMA journal_mode=off; PRAGMA synchronous=off; {SCHEMA}")
        rng = random.Random(1)
        people, events, files = mib * 385, mib * 3100, mib * 32
        db.execute("BEGIN")
        note = ["x" * n for n in range(60)]
        db.executemany(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?)",
            (
                (n, f"name {rng.randrange(10**9)}", f"{n}@example.org", n * 7, rng.randbytes(300).hex())
                for n in range(people)
            ),
        )
        db.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            (
                (n, rng.randrange(people), n * 3, "seen", rng.random(), f"{rng.randrange(10**12)} {note[n % 60]}")
                for n in range(events)
            ),
        )
        db.executemany(
            "INSERT INTO files VALUES (?, ?, ?)",
            ((n, f"file {n}", rng.randbytes(2000 + n % 26_000)) for n in range(files)),
        )
        db.execute("COMMIT")


def _damage(source: Path, target: Path) -> int:
    """Copy the database and overwrite one page in a hundred, half of them with zeros; return how many."""
    shutil.copyfile(source, target)
    rng = random.Random(2)
    pages = target.stat().st_size // PAGE
    hit = rng.sample(range(2, pages + 1), int(pages * LOST))
    with target.open("r+b") as file:
        for number in hit:
            file.seek((number - 1) * PAGE)
            file.write(bytes(PAGE) if number % 2 else rng.randbytes(PAGE))
    return len(hit)


def _has_repair() -> bool:
    try:
        measuring.run([*machine.lifeboat_command(), "repair", "--help"])
    except measuring.CommandFailedError:
        return False
    return True


def _repair(damaged: Path, output: Path, folder: Path) -> Cost:
    env = repair_ways.environment(folder)
    if _has_repair():
        command = [*machine.lifeboat_command(), "repair", str(damaged), "--output", str(output), "--refill", "none"]
        return measuring.run([*command, "--json"], env=env, accept=(0, 3), watch=True)
    command = [sys.executable, "-c", ENGINE, str(damaged), str(output), str(folder / "scratch")]
    return measuring.run(command, env=env, watch=True)


def _sqlite(path: Path, statement: str) -> Cost:
    return measuring.run(["sqlite3", "-batch", str(path), statement])


def _diagnose(path: Path, folder: Path, *options: str) -> Cost:
    command = [*machine.lifeboat_command(), "diagnose", str(path), *options, "--json"]
    return measuring.run(command, env=repair_ways.environment(folder), accept=(0, 4), watch=True)


def _floor(sound: Path, output: Path) -> Cost:
    """Copy the database, make its indexes anew and check the copy, by SQLite alone."""
    copied = _sqlite(sound, f"VACUUM INTO '{output}'")
    made = _sqlite(output, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; REINDEX; PRAGMA integrity_check")
    output.unlink()
    largest = max(copied.largest, made.largest)
    return Cost(copied.wall + made.wall, copied.cpu + made.cpu, largest, largest, "")


def _median(costs: list[Cost]) -> float:
    return statistics.median(cost.wall for cost in costs)


def _cpu(costs: list[Cost]) -> float:
    return statistics.median(cost.cpu for cost in costs)


def _beyond(costs: dict[str, list[Cost]], name: str, start: str, of: Callable[[list[Cost]], float]) -> float:
    """Return what a command costs beyond its start."""
    return of(costs[name]) - of(costs[start])


def _place() -> str | None:
    free = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    return "/dev/shm" if free and free.f_bavail * free.f_frsize > 9 * 2**30 else None


def measure(mib: int, rounds: int = 3) -> dict[str, float]:
    """Return seconds, ratios and bytes, each a median of `rounds` rounds that take turns."""
    with tempfile.TemporaryDirectory(dir=_place(), prefix="speed-") as name:
        folder = Path(name)
        sound, damaged, output = (folder / f"{one}.db" for one in ("sound", "damaged", "output"))
        _fill(sound, mib)
        lost = _damage(sound, damaged)
        tiny = folder / "tiny.db"
        with contextlib.closing(sqlite3.connect(tiny)) as made:
            made.execute("CREATE TABLE t(a)")
        costs: dict[str, list[Cost]] = {
            name: []
            for name in (
                "vacuum",
                "floor",
                "repair",
                "quick_check",
                "start",
                "quick",
                "integrity",
                "full start",
                "full",
            )
        }
        for _ in range(rounds):
            costs["vacuum"].append(_sqlite(sound, f"VACUUM INTO '{output}'"))
            output.unlink()
            costs["floor"].append(_floor(sound, output))
            costs["repair"].append(_repair(damaged, output, folder))
            for left in folder.iterdir():
                if left.name.startswith("output") or left.name == "scratch":
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            costs["quick_check"].append(_sqlite(sound, "PRAGMA quick_check"))
            costs["start"].append(_diagnose(tiny, folder, "--quick"))
            costs["quick"].append(_diagnose(sound, folder, "--quick"))
            costs["integrity"].append(_sqlite(sound, "PRAGMA integrity_check"))
            costs["full start"].append(_diagnose(tiny, folder))
            costs["full"].append(_diagnose(sound, folder))
        seconds = {f"{name} s": _median(found) for name, found in costs.items()}
        return {
            "MiB": float(sound.stat().st_size / 2**20),
            "pages lost": float(lost),
            "rounds": float(rounds),
            "load": os.getloadavg()[0],
            **seconds,
            "repair / VACUUM INTO": _median(costs["repair"]) / _median(costs["vacuum"]),
            "repair / VACUUM INTO, CPU": _cpu(costs["repair"]) / _cpu(costs["vacuum"]),
            "repair / floor": _median(costs["repair"]) / _median(costs["floor"]),
            "repair / floor, CPU": _cpu(costs["repair"]) / _cpu(costs["floor"]),
            "quick / quick_check": _beyond(costs, "quick", "start", _median) / _median(costs["quick_check"]),
            "quick / quick_check, CPU": _beyond(costs, "quick", "start", _cpu) / _cpu(costs["quick_check"]),
            "full / integrity_check": _beyond(costs, "full", "full start", _median) / _median(costs["integrity"]),
            "full / integrity_check, CPU": _beyond(costs, "full", "full start", _cpu) / _cpu(costs["integrity"]),
            "repair memory MiB": max(cost.largest for cost in costs["repair"]) / 2**20,
            "repair memory together MiB": max(cost.together for cost in costs["repair"]) / 2**20,
            "full memory MiB": max(cost.largest for cost in costs["full"]) / 2**20,
        }

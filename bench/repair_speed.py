"""Time and memory: a large database with 1 % of its pages damaged against VACUUM INTO of it undamaged; quick diagnosis.

Everything is run by its command, as a user does; what an interpreter costs to start is taken off where it is said.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
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


def _median(costs: list[Cost]) -> float:
    return statistics.median(cost.wall for cost in costs)


def _cpu(costs: list[Cost]) -> float:
    return statistics.median(cost.cpu for cost in costs)


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
        start = [measuring.run([*machine.lifeboat_command(), "--version"]) for _ in range(rounds)]
        costs: dict[str, list[Cost]] = {
            name: [] for name in ("vacuum", "repair", "quick_check", "quick", "integrity", "full")
        }
        for _ in range(rounds):
            costs["vacuum"].append(_sqlite(sound, f"VACUUM INTO '{output}'"))
            output.unlink()
            costs["repair"].append(_repair(damaged, output, folder))
            for left in folder.iterdir():
                if left.name.startswith("output") or left.name == "scratch":
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            costs["quick_check"].append(_sqlite(sound, "PRAGMA quick_check"))
            costs["quick"].append(_diagnose(sound, folder, "--quick"))
            costs["integrity"].append(_sqlite(sound, "PRAGMA integrity_check"))
            costs["full"].append(_diagnose(sound, folder))
        began = _median(start)
        seconds = {f"{name} s": _median(found) for name, found in costs.items()}
        return {
            "MiB": float(sound.stat().st_size / 2**20),
            "pages lost": float(lost),
            "rounds": float(rounds),
            "load": os.getloadavg()[0],
            "interpreter start s": began,
            **seconds,
            "repair / VACUUM INTO": _median(costs["repair"]) / _median(costs["vacuum"]),
            "repair / VACUUM INTO, CPU": _cpu(costs["repair"]) / _cpu(costs["vacuum"]),
            "quick / quick_check, CPU": (_cpu(costs["quick"]) - _cpu(start)) / _cpu(costs["quick_check"]),
            "quick / quick_check": (_median(costs["quick"]) - began) / _median(costs["quick_check"]),
            "full / integrity_check": (_median(costs["full"]) - began) / _median(costs["integrity"]),
            "repair memory MiB": max(cost.largest for cost in costs["repair"]) / 2**20,
            "repair memory together MiB": max(cost.together for cost in costs["repair"]) / 2**20,
            "full memory MiB": max(cost.largest for cost in costs["full"]) / 2**20,
        }

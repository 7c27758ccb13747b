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
from typing import Any

import machine
import measuring
import repair_ways
from measuring import Cost

INDEXES = """
CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT UNIQUE, joined INTEGER, about TEXT);
CREATE TABLE events(id INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER NOT NULL REFERENCES people(id), at INTEGER,
  kind TEXT, value REAL, note TEXT);
CREATE TABLE files(id INTEGER PRIMARY KEY, name TEXT, data BLOB);
CREATE INDEX events_person ON events(person, at);
CREATE INDEX people_name ON people(name);
"""
NOTES = """
CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT NOT NULL, created INTEGER, body TEXT);
CREATE INDEX notes_created ON notes(created);
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


def _opened(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size={PAGE}")
    connection.executescript(f"PRAGMA journal_mode=off; PRAGMA synchronous=off; {schema}")
    return connection


def _fill_notes(path: Path, mib: int) -> None:
    """Make the database: a table of texts of 200 to 1,800 bytes with one index, as many applications have it."""
    rng = random.Random(3)
    words = " ".join(rng.choice(("lorem", "ipsum", "dolor", "sit", "amet", "elit")) for _ in range(20_000))
    with contextlib.closing(_opened(path, NOTES)) as db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO notes VALUES (?, ?, ?, ?)",
            (
                (n, f"note {n} {rng.randrange(10**6)}", rng.randrange(10**9), words[at : at + rng.randrange(200, 1800)])
                for n, at in enumerate(rng.randrange(80_000) for _ in range(mib * 905))
            ),
        )
        db.execute("COMMIT")


def _fill_indexes(path: Path, mib: int) -> None:
    """Make the database: small rows with two indexes, texts, blobs with overflow pages, a third each."""
    with contextlib.closing(_opened(path, INDEXES)) as db:
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


SHAPES = {"a table of texts, one index": _fill_notes, "small rows, texts, blobs, three indexes": _fill_indexes}


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


def _places() -> dict[str, Path]:
    """Return where the data lies: a disk, and memory where there is enough."""
    places = {"disk": Path(tempfile.gettempdir())}
    free = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    if free and free.f_bavail * free.f_frsize > 9 * 2**30:
        places = {"memory": Path("/dev/shm"), **places}
    return places


def measure(mib: int, rounds: int = 3) -> dict[str, Any]:
    """Return seconds, ratios and bytes of each shape at each place, medians of `rounds` rounds that take turns."""
    runs = []
    for place, parent in _places().items():
        for shape, fill in SHAPES.items():
            with tempfile.TemporaryDirectory(dir=parent, prefix="speed-") as name:
                found = _measure(Path(name), fill, mib, rounds)
            runs.append({"shape": shape, "place": place, **found})
    return {"rounds": float(rounds), "load": os.getloadavg()[0], "runs": runs}


def _measure(folder: Path, fill: Callable[[Path, int], None], mib: int, rounds: int) -> dict[str, float]:
    sound, damaged, output = (folder / f"{one}.db" for one in ("sound", "damaged", "output"))
    fill(sound, mib)
    lost = _damage(sound, damaged)
    tiny = folder / "tiny.db"
    with contextlib.closing(sqlite3.connect(tiny)) as made:
        made.execute("CREATE TABLE t(a)")
    os.sync()
    costs: dict[str, list[Cost]] = {}

    def note(name: str, cost: Cost) -> None:
        costs.setdefault(name, []).append(cost)
        for left in folder.iterdir():
            if left.name.startswith("output") or left.name == "scratch":
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    for _ in range(rounds):
        note("vacuum", _sqlite(sound, f"VACUUM INTO '{output}'"))
        note("repair", _repair(damaged, output, folder))
        note("floor", _floor(sound, output))
        note("quick_check", _sqlite(sound, "PRAGMA quick_check"))
        note("start", _diagnose(tiny, folder, "--quick"))
        note("quick", _diagnose(sound, folder, "--quick"))
        note("integrity", _sqlite(sound, "PRAGMA integrity_check"))
        note("full start", _diagnose(tiny, folder))
        note("full", _diagnose(sound, folder))
    return {
        "MiB": sound.stat().st_size / 2**20,
        "pages lost": float(lost),
        **{f"{name} s": _median(found) for name, found in costs.items()},
        "repair / VACUUM INTO": _median(costs["repair"]) / _median(costs["vacuum"]),
        "repair / VACUUM INTO, CPU": _cpu(costs["repair"]) / _cpu(costs["vacuum"]),
        "repair / floor": _median(costs["repair"]) / _median(costs["floor"]),
        "quick / quick_check": _beyond(costs, "quick", "start", _median) / _median(costs["quick_check"]),
        "quick / quick_check, CPU": _beyond(costs, "quick", "start", _cpu) / _cpu(costs["quick_check"]),
        "full / integrity_check": _beyond(costs, "full", "full start", _median) / _median(costs["integrity"]),
        "full / integrity_check, CPU": _beyond(costs, "full", "full start", _cpu) / _cpu(costs["integrity"]),
        "repair memory MiB": max(cost.largest for cost in costs["repair"]) / 2**20,
        "repair memory together MiB": max(cost.together for cost in costs["repair"]) / 2**20,
        "full memory MiB": max(cost.largest for cost in costs["full"]) / 2**20,
    }

"""What is measured: each scenario runs all contenders in turn, several times, and returns figures for the page."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import contenders
import datasets
import fleet
import machine
import measuring
import screens
import writer
from contenders import Contender, Lifeboat
from measuring import CommandFailedError, Cost

Figures = dict[str, object]
HERE = Path(__file__).parent
ROOM = 6 * datasets.GIB
"""Bytes that the mixed data, a store and what is restored take together."""

STARTS = ("--version", "--help", "list")


@dataclass(frozen=True)
class Options:
    """Where to work, how often to repeat, and how large the data are (1.0: as the page says)."""

    folder: Path
    repeat: int = 3
    scale: float = 1.0
    ways: tuple[str, ...] = ()

    @property
    def contenders(self) -> list[type[Contender]]:
        """The ways to compare."""
        return [kind for kind in contenders.ALL if not self.ways or kind.name in self.ways]

    def bytes(self, full: int) -> int:
        """Return `full` bytes at this scale."""
        return max(datasets.MIB, int(full * self.scale))

    def count(self, full: int) -> int:
        """Return `full` files at this scale."""
        return max(100, int(full * self.scale))


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def data(options: Options, kind: str, size: int, files: int) -> Path:
    """Return the folder of a data set, made once; in a process of its own, so that this one stays small."""
    folder = options.folder / "data" / f"{kind}-{size}-{files}"
    if not folder.exists():
        say(f"making {kind}: {size / 2**20:,.0f} MiB, {files:,} files")
        unfinished = folder.with_suffix(".partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        made = [kind, str(unfinished), str(size), str(files)]
        subprocess.run([sys.executable, str(HERE / "datasets.py"), *made], check=True)
        unfinished.rename(folder)
    return folder


def _measure(verb: str, one: Contender, costs: dict[str, dict[str, list[Cost]]], again: int = 0) -> None:
    """Run one verb once and keep its cost; what the other runs left to be written is written first."""
    os.sync()
    work: Callable[[], Cost] = getattr(one, verb)
    cost = work()
    costs[verb].setdefault(one.name, []).append(cost)
    say(f"{again + 1}. {verb:8} {one.name:9} {cost.wall:8.2f} s  cpu {cost.cpu:8.2f} s  load {machine.load():.1f}")


def _rounds(options: Options, source: Path, verbs: Sequence[str]) -> Figures:
    """Run `verbs` with every contender, one after another, in each of the rounds."""
    costs: dict[str, dict[str, list[Cost]]] = {verb: {} for verb in verbs}
    sizes: dict[str, int] = {}
    parts: list[dict[str, float]] = []
    restore_parts: list[dict[str, float]] = []
    for again in range(options.repeat):
        for kind in options.contenders:
            one = kind(source, options.folder / "work")
            one.prepare()
            for verb in verbs:
                try:
                    _measure(verb, one, costs, again)
                except CommandFailedError as error:
                    say(f"   {verb} {one.name}: {error}")
            sizes[one.name] = one.size()
            parts += one.parts
            restore_parts += one.restore_parts
            one.clear()
    figures: Figures = {verb: _table(rows) for verb, rows in costs.items()}
    return (
        figures
        | {"stored": sizes, "parts": _median_parts(parts), "source": _source(source)}
        | {"restore_parts": _median_parts(restore_parts)}
    )


def _table(rows: dict[str, list[Cost]]) -> dict[str, dict[str, float]]:
    """Return the summaries by contender, with `ratio`: the median over the rounds of wall to the plain way's."""
    base = rows.get("plain", [])
    made = {}
    for name, costs in rows.items():
        made[name] = measuring.summary(costs)
        if len(base) == len(costs):
            made[name]["ratio"] = statistics.median(
                cost.wall / yard.wall for cost, yard in zip(costs, base, strict=True)
            )
    return made


def _median_parts(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(part[name] for part in parts) for name in parts[0]} if parts else {}


def _source(folder: Path) -> dict[str, int]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"files": len(sizes), "bytes": sum(sizes)}


def mixed(options: Options) -> Figures:
    """A database of 1 GiB and 20,000 files."""
    source = data(options, "app", options.bytes(datasets.GIB), options.count(20_000))
    figures = _rounds(options, source, ("back_up", "verify", "restore"))
    return figures | {"checks": _checks(options, source)}


def _checks(options: Options, source: Path) -> dict[str, float]:
    """Return the seconds that SQLite's own checks take on the database, for comparison."""
    found = {}
    for check in ("quick_check", "integrity_check"):
        command = ["sqlite3", "-readonly", str(source / "shop.db"), f"pragma {check}"]
        found[check] = statistics.median(measuring.run(command).wall for _ in range(options.repeat))
    return found


def small(options: Options) -> Figures:
    """200,000 small files."""
    source = data(options, "small", 0, options.count(200_000))
    return _rounds(options, source, ("back_up", "restore"))


@contextlib.contextmanager
def _writing(database: Path) -> Iterator[None]:
    """Keep a writer that never pauses working on `database`."""
    command = [sys.executable, str(HERE / "writer.py"), str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is not None:
                process.stdout.readline()
            yield
        finally:
            process.kill()


def busy(options: Options) -> Figures:
    """The mixed data while an application goes on writing; each restored copy is judged by its ledger."""
    original = data(options, "app", options.bytes(datasets.GIB), options.count(20_000))
    costs: dict[str, dict[str, list[Cost]]] = {"back_up": {}}
    verdicts: dict[str, list[str]] = {}
    for again in range(options.repeat):
        for kind in options.contenders:
            source = options.folder / "live"
            shutil.copytree(original, source, dirs_exist_ok=False)
            one = kind(source, options.folder / "work")
            one.prepare()
            with _writing(source / "shop.db"):
                _measure("back_up", one, costs, again)
            one.restore()
            verdicts.setdefault(one.name, []).append(writer.judge(one.restored("shop.db")))
            one.clear()
            shutil.rmtree(source)
    return {"back_up": _table(costs["back_up"]), "verdicts": verdicts}


def start(options: Options) -> Figures:
    """How long a command takes before it does anything, beside an interpreter that does nothing."""
    one = Lifeboat(options.folder, options.folder / "work")
    one.prepare()
    (options.folder / "tiny").mkdir(exist_ok=True)
    (options.folder / "tiny" / "file").write_text("one file")
    tiny = Lifeboat(options.folder / "tiny", options.folder / "work")
    tiny.back_up()
    commands = {"python -c pass": [sys.executable, "-c", "pass"]}
    commands |= {f"lifeboat {word}": [*machine.lifeboat_command(), word] for word in STARTS}
    commands |= {"restic version": ["restic", "version"], "borg --version": ["borg", "--version"]}
    costs: dict[str, list[Cost]] = {}
    for _ in range(max(10, options.repeat)):
        for name, command in commands.items():
            costs.setdefault(name, []).append(one.run(command))
    one.clear()
    return {name: measuring.summary(found) for name, found in costs.items()}


def memory(options: Options) -> Figures:
    """The peak memory of backup and restore as the data grow."""
    sets = {
        "database of 256 MiB, 2,000 files": ("app", options.bytes(256 * datasets.MIB), options.count(2_000)),
        "database of 1 GiB, 20,000 files": ("app", options.bytes(datasets.GIB), options.count(20_000)),
        "200,000 small files": ("small", 0, options.count(200_000)),
        "tree of 10 GiB": ("large", options.bytes(10 * datasets.GIB), 0),
    }
    figures: Figures = {}
    for name, (kind, size, files) in sets.items():
        if kind == "large":  # too much for memory
            options = replace(options, folder=Path(tempfile.mkdtemp(prefix="lifeboat-bench-", dir="/var/tmp")))
        one = Lifeboat(data(options, kind, size, files), options.folder / "work")
        one.watch = True
        one.prepare()
        rows = {verb: measuring.plain(getattr(one, verb)()) for verb in ("back_up", "restore")}
        say(f"   memory {name}: " + json.dumps({verb: row["together"] for verb, row in rows.items()}))
        figures[name] = rows
        one.clear()
        if kind == "large":
            shutil.rmtree(options.folder)
    return figures


def many_servers(options: Options) -> Figures:
    """What `lifeboat fleet` costs beside Ansible alone, with 500 servers at full scale."""
    folder = options.folder / "fleet"
    folder.mkdir(exist_ok=True)
    return fleet.measure(folder, max(20, int(fleet.SERVERS * options.scale)), options.repeat)


def the_screens(options: Options) -> Figures:
    """What the screens take: to start, on the line, in memory, for a key, with long lists and journals."""
    return screens.measure(options.folder, options.repeat, options.scale)


SCENARIOS: dict[str, Callable[[Options], Figures]] = {
    "mixed": mixed,
    "busy": busy,
    "small": small,
    "start": start,
    "memory": memory,
    "fleet": many_servers,
    "screens": the_screens,
}


def scratch() -> Path:
    """Return a new folder for data and stores: in memory where there is room, so that no disk is measured."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * ROOM and _available() > 2 * ROOM
    return Path(tempfile.mkdtemp(prefix="lifeboat-bench-", dir=memory if roomy else None))


def _available() -> int:
    """Return the bytes of memory that could be used (proc(5))."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0

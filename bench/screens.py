"""What the screens cost: the time until they are there, bytes on the line, memory, a key, a journal of any length.

Lifeboat runs on a pseudo-terminal of 80x24 with 256 colours, as over ssh. Home, state, configuration and vault are in
the folder of the measurement. The 100,000 backups are rows of the catalog, which lists read; the 1,000,000 files are
the file list of the one backup that is really there.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import measuring

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.makers.terminals import Line, terminal  # noqa: E402
from toolkit.archive.zstdlib import zstd  # noqa: E402
from toolkit.events import Action, Advanced, Event, ItemReported, JobStarted, StepStarted  # noqa: E402
from toolkit.filelist import FileEntry, FileType, Section, encode_entry  # noqa: E402
from toolkit.jobs.journal import Journal, new_spec  # noqa: E402

BACKUPS, FILES, EVENTS = 100_000, 1_000_000, 100_000
KEYS = 40
SECONDS = 8
"""How long is listened while a job runs, and while none does."""
PATIENCE = 30.0
Memory = dict[str, int]


@dataclass(frozen=True)
class Server:
    """A machine of its own, in `root`."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """What its commands are started with besides what everything is."""
        places = ("STATE", "LOGS", "CACHE", "RUNTIME", "CONFIGURATION")
        found = {f"{place}_DIRECTORY": str(self.root / place.lower()) for place in places}
        return {**found, "HOME": str(self.root / "home"), "LANG": "C.UTF-8", "TERM": "xterm-256color"}

    def words(self, *words: str) -> list[str]:
        """Return the command line of `lifeboat` here."""
        return [*machine.lifeboat_command(), *words, "--config", str(self.root / "config.yaml")]

    def run(self, *words: str) -> measuring.Cost:
        """Run a command to its end."""
        return measuring.run(self.words(*words), env={**os.environ, **self.environment})

    @contextmanager
    def screens(self, **more: str) -> Iterator[Line]:
        """Open the screens."""
        with terminal(self.words("tui"), **self.environment, **more) as line:
            yield line

    def journal(self, *events: Event, operation: str = "restore") -> Journal:
        """Begin a job with these events; it runs until the journal is closed."""
        made = Journal.create(self.root / "state" / "jobs", new_spec(operation, targets=("shop",)))
        for event in (JobStarted(pid=os.getpid(), boot_id="bench"), *events):
            made.append(event)
        return made


def measure(folder: Path, rounds: int, scale: float) -> dict[str, Any]:
    """Return the figures; `scale` makes lists and journal shorter."""
    backups, files, events = (max(2_000, int(full * scale)) for full in (BACKUPS, FILES, EVENTS))
    server = _server(folder / "screens")
    figures: dict[str, Any] = {"counts": {"backups": backups, "files": files, "events": events}}
    figures["start"] = {"warm": _starts(server, rounds, cold=False), "cold": _starts(server, rounds, cold=True)}
    figures["line"] = _on_the_line(server)
    _many_backups(server, backups)
    _many_files(server, files)
    figures |= _lists(server, backups, files)
    figures["journal"] = _journal(server, events, rounds)
    shutil.rmtree(server.root)
    return figures


def _server(root: Path) -> Server:
    """Make a server with one small backup."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "shop").mkdir(parents=True)
    (root / "home").mkdir()
    (root / "shop" / "order.txt").write_text("one of each\n")
    base = sqlite3.connect(root / "shop" / "shop.db")
    with base:
        base.execute("create table orders (id integer primary key, note text)")
    base.close()
    shop = shlex.quote(str(root / "shop"))
    (root / "config.yaml").write_text(
        f"vault: {root / 'vault'}\n"
        f"profiles:\n  shop: {{databases: [{shop}/shop.db], files: [{{path: {shop}, exclude: ['*.db']}}]}}\n"
    )
    server = Server(root)
    server.run("backup", "shop")
    return server


# ---- starting


def _reach(line: Line, reached: Callable[[], object]) -> float:
    """Read until `reached`; return the seconds that it took."""
    began = time.monotonic()
    while not reached():
        if not line.more(PATIENCE):
            raise measuring.CommandFailedError(f"the screens show:\n{line.display.text}")
    return time.monotonic() - began


def _settle(line: Line) -> None:
    while line.more(0.5):
        pass


def _shows(line: Line, *words: str) -> Callable[[], bool]:
    return lambda: all(word in line.display.text for word in words)


def _cpu(pid: int) -> float:
    """Return the CPU seconds that a process took until now, all its threads together (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _starts(server: Server, rounds: int, *, cold: bool) -> dict[str, float]:
    """Start the screens; `cold`: nothing of Python is compiled yet, not even its own library."""
    walls, cpus, sizes = [], [], []
    for again in range(rounds + 1):
        more = {"PYTHONPYCACHEPREFIX": str(server.root / f"compiled-{again}")} if cold else {}
        began = time.monotonic()
        with server.screens(**more) as line:
            _reach(line, _shows(line, "lifeboat", "shop.db", "Back"))
            wall, cpu = time.monotonic() - began, _cpu(line.process.pid)
            _settle(line)
            size = len(line.seen)
        if again:  # the first one warms the caches of the machine
            walls.append(wall)
            cpus.append(cpu)
            sizes.append(size)
    return {
        "wall": statistics.median(walls),
        "slowest": max(walls),
        "cpu": statistics.median(cpus),
        "bytes": max(sizes),
    }


# ---- the line


def _on_the_line(server: Server) -> dict[str, float]:
    """Return the bytes a second that come while nothing happens, and while a job says how far it is."""
    total = 790_000_000
    with server.screens() as line:
        _reach(line, _shows(line, "Back"))
        _settle(line)
        idle = _bytes_of(line, SECONDS, lambda _: None)
        job = server.journal(StepStarted(n=1, of=1, name="write", title="Copying"), operation="backup")
        _reach(line, _shows(line, "backup shop  "))
        _settle(line)

        def go_on(number: int) -> None:
            done = number * total // (8 * SECONDS)
            job.append(Advanced(step="write", done=done, total=total, rate=2.1e6 + number * 7e4, eta_s=300 - number))

        busy = _bytes_of(line, SECONDS, go_on)
        job.close()
    return {"idle": idle, "job": busy}


def _bytes_of(line: Line, seconds: int, happens: Callable[[int], None]) -> float:
    """Let something happen four times a second; return the bytes a second."""
    begun, began = len(line.seen), time.monotonic()
    for number in range(1, 4 * seconds + 1):
        happens(number)
        while (left := began + number / 4 - time.monotonic()) > 0:
            line.more(left)
    return (len(line.seen) - begun) / (time.monotonic() - began)


# ---- long lists


def _many_backups(server: Server, count: int) -> None:
    """Fill the catalog up to `count` backups, each a day older than the one before."""
    base = sqlite3.connect(server.root / "vault" / "catalog.db")
    base.row_factory = sqlite3.Row
    with base:
        one = dict(base.execute("select * from backups").fetchone())
        wild = [_older(one, number) for number in range(1, count)]
        marks = ", ".join(f":{name}" for name in one)
        base.executemany(f"insert into backups values ({marks})", wild)
    base.close()


def _older(one: dict[str, Any], number: int) -> dict[str, Any]:
    day = f"{2000 + number // 336 % 25}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}T{number % 24:02}"
    ident = f"{number:08x}"
    times = {"started": f"{day}:00:00.000000Z", "finished": f"{day}:01:00.000000Z"}
    return {**one, **times, "id": ident, "path": f"shop/manual/{ident}", "size": number * 1000}


def _many_files(server: Server, count: int) -> None:
    """Give the one backup a list of `count` files, a thousand in a folder."""
    (path,) = (server.root / "vault").rglob("*.files.jsonl.zst")
    source = str(server.root / "shop")

    def lines() -> Iterator[bytes]:
        usual = {"section": Section.FILES, "mode": 0o644, "uid": 0, "gid": 0, "mtime_ns": 1_790_000_000 * 10**9}

        def entry(path: str, kind: FileType, size: int = 0) -> bytes:
            return encode_entry(FileEntry(path=path, type=kind, size=size, **usual))  # type: ignore[arg-type]

        yield entry(source, FileType.DIRECTORY)
        for number in range(count):
            folder, name = divmod(number, 1000)
            if not name:
                yield entry(f"{source}/{folder:04}", FileType.DIRECTORY)
            yield entry(f"{source}/{folder:04}/{name:03}.txt", FileType.FILE, number % 90_000)

    compressor = zstd.ZstdCompressor()
    with open(path, "wb") as file:
        file.writelines(map(compressor.compress, lines()))
        file.write(compressor.flush())


def _memory(line: Line) -> Memory:
    """Return the resident bytes of the screens, and their share where pages are shared (proc(5))."""
    found = {}
    for text in Path(f"/proc/{line.process.pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = text.partition(":")
        if name in ("Rss", "Pss"):
            found[name.lower()] = int(rest.split()[0]) * 1024
    return found


def _keys(line: Line, *keys: str) -> dict[str, float]:
    """Press the keys in turn; return the seconds until the line answers."""
    times = []
    for number in range(KEYS):
        began = time.monotonic()
        line.press(keys[number % len(keys)])
        line.more(PATIENCE)
        times.append(time.monotonic() - began)
        while line.more(0.15):
            pass
    return {"median": statistics.median(times), "slowest": max(times)}


def _lists(server: Server, backups: int, files: int) -> dict[str, Any]:
    """Return memory and keys on Health, with all backups in the list, and with all files open."""
    memory, keys, opened = {}, {}, {}
    with server.screens() as line:
        _reach(line, _shows(line, "Back"))
        _settle(line)
        memory["Health"] = _memory(line)
        keys["Health"] = _keys(line, "j", "k")
        name = f"{backups:,} backups"
        line.press("2")
        opened[name] = _reach(line, _shows(line, "[2 Backups", "shop"))
        _settle(line)
        line.press("G")
        _reach(line, _shows(line, "2000-01"))
        line.press("g")
        _settle(line)
        keys[name] = _keys(line, "j", "\x1b[6~")
        memory[name] = _memory(line)
        line.press("g")
        _settle(line)
        name = f"{files:,} files"
        line.press("\r")
        opened[name] = _reach(line, _shows(line, f"{files + -(-files // 1000) + 1:,} names   /"))
        for key in ("j", "\r"):  # the first folder of the source, which is open
            _settle(line)
            line.press(key)
        _reach(line, _shows(line, "001.txt"))
        _settle(line)
        keys[name] = _keys(line, "j", "\x1b[6~")
        memory[name] = _memory(line)
    return {"memory": memory, "keys": keys, "opened": opened}


# ---- a long journal


def _journal(server: Server, count: int, rounds: int) -> dict[str, Any]:
    """Return what it takes to look at a job that runs and has said `count` things."""
    short = server.journal(StepStarted(n=1, of=1, name="stage", title="Restoring"))
    few = [server.run("jobs", "show", short.spec.id) for _ in range(rounds)]
    short.close()
    items = (
        ItemReported(path=f"/srv/{number}", action=Action.SKIPPED, reason="it is there") for number in range(count)
    )
    journal = server.journal(*items)
    many = [server.run("jobs", "show", journal.spec.id) for _ in range(rounds)]
    with server.screens() as line:
        _reach(line, _shows(line, "Back"))
        _settle(line)
        line.press("7")
        jobs = _reach(line, _shows(line, "[7 Jobs", f"/srv/{count - 1}"))
        _settle(line)
        line.press("\r")
        log = _reach(line, _shows(line, "Log of job", f"skipped /srv/{count - 1}"))
        _settle(line)
        memory = _memory(line)
    journal.close()
    return {
        "show": measuring.summary(many),
        "show_short": measuring.summary(few),
        "jobs": jobs,
        "log": log,
        "memory": memory,
    }

"""A seeded corpus of real databases, made by SQLite itself: as applications have them, each with yesterday's backup.

`draw` chooses how a database of an application is laid out, `make` makes it. The same spec makes the same bytes on the
same version of SQLite. What repair and diagnose promise is measured on them (bench/repair.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.makers import corpus_application as life
from tests.makers import corpus_forms as forms
from tests.makers.corpus_application import Application
from tests.makers.corpus_desktop import DESKTOP
from tests.makers.corpus_odd import ODD
from tests.makers.corpus_web import WEB

APPLICATIONS: dict[str, Application] = {one.name: one for one in (*WEB, *DESKTOP, *ODD)}
PAGE_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
ENCODINGS = ("UTF-8", "UTF-16le", "UTF-16be")
AUTO_VACUUM = ("none", "full", "incremental")


@dataclass(frozen=True)
class Spec:
    """All that decides the bytes of one database. `changed` is the share of rows changed since the backup.

    `since` is what happened to it as a whole since then: nothing, `column` (one was added) or `vacuum`.
    `backup` is how the backup was taken: `copy` (page by page) or `vacuum` (VACUUM INTO).
    """

    application: str
    seed: int
    page_size: int = 4096
    encoding: str = "UTF-8"
    auto_vacuum: str = "none"
    reserved: int = 0
    form: str = "rollback"
    secure_delete: bool = False
    churn: float = 0.05
    changed: float = 0.015
    since: str = ""
    backup: str = "copy"

    @property
    def name(self) -> str:
        """A name by which a person knows it: `django-7-4096-utf8-wal`."""
        parts = [
            self.application,
            str(self.seed),
            str(self.page_size),
            self.encoding.replace("-", "").lower(),
            self.form,
        ]
        parts += [f"av-{self.auto_vacuum}"] if self.auto_vacuum != "none" else []
        parts += [f"reserved-{self.reserved}"] if self.reserved else []
        return "-".join(parts + ([self.since] if self.since else []))


@dataclass(frozen=True)
class Made:
    """A database that lies in a folder of its own, with its sidecars beside it, and yesterday's backup of it."""

    spec: Spec
    path: Path
    backup: Path


def applications(*, unseen: bool = False) -> dict[str, Application]:
    """Return the applications by name; `unseen` are those that nobody looked at while building."""
    if not unseen:
        return APPLICATIONS
    from tests.makers.corpus_unseen import UNSEEN

    return {one.name: one for one in UNSEEN}


@cache
def _known(name: str) -> Application:
    return {**applications(), **applications(unseen=True)}[name]


def draw(application: str, seed: int) -> Spec:
    """Choose, from the seed, how the database is laid out: two thirds are as most applications have them."""
    rng = random.Random(f"spec {application} {seed}")
    kind = rng.random
    return Spec(
        application,
        seed,
        page_size=rng.choice((1024, 4096, 4096, 4096)) if kind() < 0.5 else rng.choice(PAGE_SIZES),
        encoding="UTF-8" if kind() < 0.75 else rng.choice(ENCODINGS),
        auto_vacuum="none" if kind() < 0.7 else rng.choice(AUTO_VACUUM),
        reserved=0 if kind() < 0.9 else rng.choice((8, 12, 32)),
        form=rng.choices(list(forms.FORMS), (50, 6, 10, 12, 5, 6, 11))[0],
        secure_delete=kind() < 0.5,
        churn=rng.choice((0.0, 0.03, 0.1, 0.3)),
        changed=rng.uniform(0.01, 0.02),
        since=rng.choices(("", "column" if _known(application).adds else "", "vacuum"), (60, 28, 12))[0],
        backup=rng.choice(("copy", "vacuum")),
    )


def specs(count: int, seed: int, *, unseen: bool = False) -> list[Spec]:
    """Return `count` specs that go round the applications; the rarer layouts come as often as they are drawn."""
    names = sorted(applications(unseen=unseen))
    random.Random(f"order {seed}").shuffle(names)
    return [draw(names[n % len(names)], seed * 1000 + n // len(names)) for n in range(count)]


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that is being made, and close it for certain."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA foreign_keys=ON")
        yield db
    finally:
        db.close()


def reserve(path: Path, count: int) -> None:
    """Reserve `count` bytes at the end of each page of a database that has only its first page (section 1.3.4)."""
    data = bytearray(path.read_bytes())
    size = forms.page_size_of(path)
    assert data[105:107] == struct.pack(">H", size & 0xFFFF), "the database must be empty"
    data[20] = count
    struct.pack_into(">H", data, 105, size - count)
    path.write_bytes(data)


def _lay_out(path: Path, spec: Spec) -> None:
    with connected(path) as db:
        db.execute(f"PRAGMA page_size={spec.page_size}")
        db.execute(f"PRAGMA encoding='{spec.encoding}'")
        if not spec.reserved:
            db.execute(f"PRAGMA auto_vacuum={spec.auto_vacuum}")
        db.execute("PRAGMA user_version=1")
    if spec.reserved:
        reserve(path, spec.reserved)


def _size(spec: Spec) -> float:
    """Return how much larger than usual the database becomes: more for large pages, so that they are many."""
    scale = {512: 0.4, 1024: 0.6, 16384: 1.5, 32768: 2.2, 65536: 3.5}.get(spec.page_size, 1.0)
    rng = random.Random(f"size {spec.application} {spec.seed}")
    return scale * rng.uniform(0.7, 1.8) * (4 if spec.page_size <= 8192 and rng.random() < 0.1 else 1)


def _live(db: sqlite3.Connection, spec: Spec, rng: random.Random) -> None:
    """Let the application live until yesterday."""
    application = _known(spec.application)
    units = application.units * _size(spec)
    db.execute("PRAGMA secure_delete=" + ("ON" if spec.secure_delete else "OFF"))
    db.executescript(application.schema)
    db.execute("BEGIN")
    life.fill(db, application.rows, rng, units / 2, first=0)
    db.execute("COMMIT")
    db.executescript(application.later)
    db.execute("BEGIN")
    life.fill(db, application.grown, rng, units / 2, first=100_000)
    if application.finish:
        application.finish(db, rng)
    db.execute("COMMIT")
    if spec.churn:
        life.delete(db, application, rng, spec.churn)
        life.update(db, application, rng, spec.churn / 2)
    for pragma in application.pragmas:
        db.execute(pragma)


def _change(db: sqlite3.Connection, spec: Spec, rng: random.Random) -> None:
    """Let it live until today, in a few transactions."""
    application = _known(spec.application)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute(f"PRAGMA user_version = {version}")  # a write, even where nothing else changes
    if spec.since == "column":
        db.execute(application.adds)
    if spec.since == "vacuum":
        db.execute("VACUUM")
    for part in range(3):
        life.change(db, application, rng, spec.changed / 3, first=200_000 + 10_000 * part)


def _back_up(made: Path, target: Path, spec: Spec) -> None:
    if spec.backup == "copy":
        shutil.copyfile(made, target)
        return
    with connected(made) as db:
        db.execute("VACUUM INTO ?", (str(target),))


def make(spec: Spec, folder: Path) -> Made:
    """Make the database of `spec` in the existing, empty `folder`: `app.db` with its sidecars, and `backup.db`."""
    rng = random.Random(f"rows {spec.application} {spec.seed}")
    target, backup = folder / "app.db", folder / "backup.db"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / "app.db"
        _lay_out(made, spec)
        with connected(made) as db:
            _live(db, spec, rng)
        _back_up(made, backup, spec)
        with connected(made) as db:
            db.execute("PRAGMA secure_delete=" + ("ON" if spec.secure_delete else "OFF"))
            forms.FORMS[spec.form](db, lambda db: _change(db, spec, rng), made, target)
    forms.settle_salts(target, random.Random(f"salts {spec.application} {spec.seed}"))
    return Made(spec, target, backup)


class Library:
    """Databases of the corpus kept in a folder, each made once: several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, spec: Spec) -> Made:
        """Return the database of `spec`, which nobody may change, making it first where it is not there."""
        name = hashlib.blake2b(repr(spec).encode(), digest_size=12).hexdigest()
        kept = self._folder / name
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
                fresh = Path(scratch) / "made"
                fresh.mkdir()
                make(spec, fresh)
                with contextlib.suppress(OSError):  # another process was faster
                    fresh.rename(kept)
        return Made(spec, kept / "app.db", kept / "backup.db")

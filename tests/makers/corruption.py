"""A seeded corruptor: some 100 kinds of damage, each with what it did and whether it really is damage.

`damage` makes a damaged copy of a database of the corpus. The verdict is the kind's own where it is certain, else that
of an oracle that reads the file by SQLite and compares: it uses nothing of the product.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from tests.makers import corpus_contents
from tests.makers.corpus import Library, Made, Spec, applications, draw
from tests.makers.corpus_contents import Contents
from tests.makers.corruption_btree import BTREE, INDEX
from tests.makers.corruption_file import FILE
from tests.makers.corruption_header import HEADER, SCHEMA
from tests.makers.corruption_journal import JOURNAL
from tests.makers.corruption_logical import LOGICAL
from tests.makers.corruption_site import ASK, DAMAGED, HEALTHY, LENIENT, OPEN, Kind, Site, UnfitError

SOUND = Kind("sound", "sound", lambda _: "nothing was done", HEALTHY, ("any",))
KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (*HEADER, *SCHEMA, *BTREE, *INDEX, *FILE, *JOURNAL, *LOGICAL, SOUND)
}
FAMILIES = ("header", "schema", "b-tree", "index", "file", "journal", "logical", "sound")
ALONE = ("rollback", "wal-at-rest")


@dataclass(frozen=True)
class Case:
    """One damaged file: which database, which kind, which seed. All of it follows from these."""

    spec: Spec
    kind: str
    seed: int
    unseen: bool = False

    @property
    def name(self) -> str:
        """A name by which the case can be made again (bench/repair.py --case)."""
        return f"{self.kind}@{self.spec.application}-{self.spec.seed}-{self.seed}{'u' if self.unseen else ''}"


@dataclass(frozen=True)
class Damaged:
    """A damaged copy: `note` says what was done, `verdict` is `healthy`, `damaged` or `open` (nobody could tell).

    `truth` is what a perfect repair holds.
    """

    case: Case
    path: Path
    note: str
    verdict: str
    truth: Contents


def fitting(kind: Kind, spec: Spec) -> Spec:
    """Return `spec` in a form that `kind` can work on."""
    forms = kind.forms or ALONE
    if forms == ("any",) or spec.form in forms:
        return spec
    return replace(spec, form=random.Random(f"form {spec.application} {spec.seed} {kind.name}").choice(forms))


def _rng(case: Case) -> random.Random:
    return random.Random(f"damage {case.kind} {case.spec.application} {case.spec.seed} {case.seed}")


def damage(case: Case, made: Made, truth: Contents, folder: Path) -> Damaged:
    """Make the damaged copy `damaged.db` (with its sidecars) of `made` in the existing `folder`.

    `truth` is what `made` holds. Raises `UnfitError` when the database has nothing of the kind to damage.
    """
    kind = KINDS[case.kind]
    path = corpus_contents.copy_set(made.path, folder / "damaged.db")
    before = _bytes(path)
    site = Site(made, path, _rng(case), unseen=case.unseen)
    note = kind.apply(site)
    if kind is not SOUND and _bytes(path) == before:
        raise UnfitError
    if kind.truth == "after":
        after = corpus_contents.read(path)
        assert after is not None
        truth = after
    elif kind.truth == "stale":
        truth = _without(path, "-wal")
    return Damaged(case, path, note, _verdict(kind, path, truth), truth)


def _verdict(kind: Kind, path: Path, truth: Contents) -> str:
    if kind.verdict not in (ASK, LENIENT):
        return kind.verdict
    found = judge(path, truth)
    if kind.verdict == ASK:
        return found
    return OPEN if found == HEALTHY else DAMAGED


def _bytes(path: Path) -> list[bytes]:
    return [part.read_bytes() for part in sorted(path.parent.glob(path.name + "*")) if part.is_file()]


def _without(path: Path, suffix: str) -> Contents:
    """Read the main file as if a sidecar were not there."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = corpus_contents.copy_set(path, Path(folder) / "alone.db")
        copy.with_name(copy.name + suffix).unlink()
        found = corpus_contents.read(copy)
    assert found is not None
    return found


def judge(path: Path, truth: Contents) -> str:
    """Say, by SQLite alone, whether the set at `path` is damaged: by its checks, then by what it holds.

    A file that passes every check and holds other rows is `open`: it is a valid database, nobody could tell.
    """
    found = corpus_contents.read(path, {name: rows.layout for name, rows in truth.tables.items()})
    if found is None:
        return DAMAGED
    if found.problems or found.virtual_problems or found.bad_texts or found.violations > truth.violations:
        return DAMAGED
    if not all(rows.whole for rows in found.tables.values()):
        return DAMAGED
    if _size_differs(path):
        return DAMAGED
    same = all(found.tables[name].counts == rows.counts for name, rows in truth.tables.items())
    if not same or found.objects != truth.objects:
        return OPEN
    if found.counters != truth.counters or found.sequence != truth.sequence:
        return OPEN
    return HEALTHY


def _size_differs(path: Path) -> bool:
    """Whether a file without sidecars is longer or shorter than its pages."""
    if any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal")):
        return False
    with (
        corpus_contents.private(path) as copy,
        contextlib.suppress(*corpus_contents.FAILURES),
        corpus_contents.opened(copy) as db,
    ):
        pages, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return bool(pages * size != path.stat().st_size)
    return True


def cases(
    *, kinds: list[str], count: int, seed: int, unseen: bool = False, names: list[str] | None = None
) -> list[Case]:
    """Return `count` cases for each kind, over the applications in an order that the seed decides."""
    found = []
    everyone = names or sorted(applications(unseen=unseen))
    for kind in kinds:
        order = list(everyone)
        random.Random(f"cases {kind} {seed}").shuffle(order)
        for number in range(count):
            name = order[number % len(order)]
            spec = fitting(KINDS[kind], draw(name, seed * 100 + number // len(order) + (50_000 if unseen else 0)))
            found.append(Case(spec, kind, seed * 1000 + number, unseen))
    return found


def truth_of(made: Made) -> Contents:
    """Return what a database of the library holds; it is read once and kept beside it."""
    kept = made.path.with_name("truth.pickle")
    if kept.exists():
        known: Contents = pickle.loads(kept.read_bytes())
        return known
    found = corpus_contents.read(made.path)
    assert found is not None
    fresh = kept.with_name(f"truth.{os.getpid()}")
    fresh.write_bytes(pickle.dumps(found))
    fresh.rename(kept)
    return found


def make_case(case: Case, library: Library, folder: Path, tries: int = 30) -> tuple[Made, Damaged]:
    """Make the database of a case in `library`, and its damaged copy in the existing, empty `folder`.

    Where the database has nothing to damage, other applications are tried in turn. Raises `UnfitError`.
    """
    order = sorted(applications(unseen=case.unseen))
    first = order.index(case.spec.application)
    step = random.Random(case.name).choice([n for n in range(1, len(order)) if math.gcd(n, len(order)) == 1])
    for number in range(tries):
        name = order[(first + number * step) % len(order)] if number else case.spec.application
        spec = case.spec if not number else fitting(KINDS[case.kind], draw(name, case.spec.seed + number))
        made = library.get(spec)
        with contextlib.suppress(UnfitError):
            return made, damage(Case(spec, case.kind, case.seed, case.unseen), made, truth_of(made), folder)
        for left in folder.iterdir():
            left.unlink()
    raise UnfitError(case.name)

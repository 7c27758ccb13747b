"""The repair engine on a small fixed sample of the corpus: what it must reach, and what it must never do.

The whole measurement is bench/repair.py; here are its floors, so that a change that loses rows is seen at once.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.makers import corpus, corpus_contents, corpus_forms, corruption
from tests.makers.corpus import Library, Spec

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "bench"))
import repair_cases
import repair_score
import repair_ways

FLOORS = {"header": 98, "b-tree": 93, "index": 99, "file": 60, "journal": 75, "logical": 95}
"""The mean scores that the sample must reach without a backup."""

SAMPLE = {
    "header": ("header-magic", "header-page-size", "header-reserved", "header-encoding", "header-zero"),
    "b-tree": (
        "root-zero",
        "interior-noise",
        "leaf-noise",
        "pointers-zero",
        "child-loop",
        "overflow-cut",
        "pages-swapped",
    ),
    "index": ("index-root-zero", "index-leaf-noise", "index-entry-missing", "index-entry-changed"),
    "file": ("cut-in-page", "torn-512", "torn-noise", "suffix", "prefix", "old-pages"),
    "journal": ("wal-frame-sum", "wal-header-zero", "wal-foreign", "journal-header-zero", "shm-lost", "wal-tail"),
    "logical": ("not-null", "unique", "bad-text", "sequence", "fts-index", "orphans"),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("library"))


def repaired(damaged: Path, folder: Path, backup: Path | None = None) -> tuple[repair_ways.Ended, Path]:
    """Repair by the engine in `folder`; only errors of ours may come out of it."""
    folder.mkdir()
    output = folder / "output.db"
    ended = repair_ways.repair_engine(damaged, output, backup, folder)
    assert ended.code in (0, 3, 4), ended.said
    assert (ended.code == 4) is not output.exists()
    assert not list(folder.glob("output.db?*"))
    return ended, output


@pytest.mark.parametrize("family", FLOORS)
def test_a_family_of_damage_reaches_its_floor(family: str, library: Library, tmp_path: Path) -> None:
    scores, invented, total = [], 0, 0
    for number, case in enumerate(corruption.cases(kinds=list(SAMPLE[family]), count=1, seed=21)):
        place = tmp_path / str(number)
        place.mkdir()
        _, done = corruption.make_case(case, library, place)
        _, output = repaired(done.path, place / "work")
        score = repair_score.score(output, done.truth)
        scores.append(score.score)
        invented, total = invented + score.invented, total + score.total
        if done.verdict == corruption.HEALTHY:
            assert score.perfect, done.case.name
    assert sum(scores) / len(scores) >= FLOORS[family], dict(zip(SAMPLE[family], scores, strict=True))
    assert invented <= total / 1000


SOUND = [
    *(Spec("store", 6, page_size=1024, form=form) for form in corpus_forms.FORMS),
    Spec("django", 1, page_size=512),
    Spec("names", 2, page_size=512, encoding="UTF-16be"),
    Spec("strict", 3, reserved=32),
    Spec("feeds", 4, auto_vacuum="full", form="wal"),
    Spec("maps", 5, page_size=65536),
    Spec("extremes", 6, encoding="UTF-16le", form="hot"),
    Spec("altered", 7, auto_vacuum="incremental"),
    Spec("chat", 8, form="wal-no-shm"),
    Spec("wiki", 9, page_size=2048),
]


@pytest.mark.parametrize("spec", SOUND, ids=lambda spec: spec.name)
def test_a_sound_file_always_comes_out_whole(spec: Spec, library: Library, tmp_path: Path) -> None:
    made = library.get(spec)
    truth = corruption.truth_of(made)
    ended, output = repaired(made.path, tmp_path / "work")
    score = repair_score.score(output, truth)
    assert score.perfect, (score.missing, score.lost_objects, score.problems)
    assert ended.code == 0


@pytest.mark.parametrize("kind", ["page1-zero", "leaf-zero", "root-noise", "torn-512"])
def test_a_backup_gives_back_what_was_lost_and_nothing_that_was_deleted(
    kind: str, library: Library, tmp_path: Path
) -> None:
    case = corruption.cases(kinds=[kind], count=1, seed=33)[0]
    made, done = corruption.make_case(case, library, tmp_path)
    backup = repair_cases.backup_contents(made, done.truth)
    _, output = repaired(done.path, tmp_path / "work", made.backup)
    score = repair_score.score(output, done.truth, backup)
    put_back = repair_score.score(made.backup, done.truth, backup)
    assert score.revived <= put_back.revived / 4  # none that an index tells; where none is, nobody can
    assert score.score >= 90
    assert score.fresh >= 0.8 * score.fresh_total


def test_random_damage_never_raises_what_is_not_ours(library: Library, tmp_path: Path) -> None:
    rng = random.Random(5)
    for number in range(12):
        made = library.get(corpus.Spec(rng.choice(("tiny", "altered", "names")), 1, page_size=rng.choice((512, 1024))))
        path = corpus_contents.copy_set(made.path, tmp_path / f"damaged{number}.db")
        data = bytearray(path.read_bytes())
        for _ in range(rng.choice((3, 30, 300))):
            at, size = rng.randrange(len(data)), rng.choice((1, 2, 8, 100))
            data[at : at + size] = rng.randbytes(min(size, len(data) - at))
        path.write_bytes(data)
        ended, _ = repaired(path, tmp_path / f"work{number}")
        assert ended.seconds < 60

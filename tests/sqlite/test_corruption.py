"""The damage that repair and diagnosis are judged on: seeded, what it says, and rightly called damage or not."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.makers import corpus, corpus_contents, corruption
from tests.makers.corpus import Library, Spec
from tests.makers.corruption import Case, Damaged


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("library"))


def folder(root: Path, name: str) -> Path:
    made = root / name
    made.mkdir()
    return made


def bytes_of(done: Damaged) -> list[bytes]:
    return [part.read_bytes() for part in sorted(done.path.parent.iterdir())]


@pytest.mark.parametrize("kind", [name for name in corruption.KINDS if name != "sound"])
def test_each_kind_changes_something_and_the_same_seed_does_the_same(
    kind: str, library: Library, tmp_path: Path
) -> None:
    case = corruption.cases(kinds=[kind], count=1, seed=3)[0]
    made, done = corruption.make_case(case, library, folder(tmp_path, "one"))
    _, again = corruption.make_case(case, library, folder(tmp_path, "other"))
    assert bytes_of(done) == bytes_of(again)
    assert done.note == again.note
    before = [part.read_bytes() for part in sorted(made.path.parent.glob("app.db*"))]
    assert bytes_of(done) != before
    assert done.verdict in (corruption.DAMAGED, corruption.HEALTHY, corruption.OPEN)


def test_families_are_those_of_the_research_and_wide_enough() -> None:
    kinds = [kind for kind in corruption.KINDS.values() if kind.family != "sound"]
    assert {kind.family for kind in kinds} == set(corruption.FAMILIES) - {"sound"}
    assert len(kinds) >= 60


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("sound", "healthy"),
        ("shm-lost", "healthy"),
        ("shm-garbage", "healthy"),
        ("wal-tail", "healthy"),
        ("free-space", "healthy"),
        ("free-page", "healthy"),
        ("header-cookie", "healthy"),
        ("header-user-version", "open"),
        ("leaf-zero", "damaged"),
        ("index-entry-missing", "damaged"),
        ("page1-zero", "damaged"),
        ("cut-in-page", "damaged"),
        ("not-null", "damaged"),
        ("unique", "damaged"),
        ("bad-text", "damaged"),
        ("suffix", "damaged"),
    ],
)
def test_the_verdict_is_what_sqlite_finds(kind: str, verdict: str, library: Library, tmp_path: Path) -> None:
    for number, case in enumerate(corruption.cases(kinds=[kind], count=2, seed=8)):
        _, done = corruption.make_case(case, library, folder(tmp_path, str(number)))
        assert done.verdict == verdict
        assert corruption.judge(done.path, done.truth) == verdict


def sound(library: Library, **options: object) -> tuple[corpus.Made, corpus_contents.Contents]:
    made = library.get(Spec("music", 4, **options))  # type: ignore[arg-type]
    return made, corruption.truth_of(made)


def test_the_oracle_sees_every_sound_form_as_healthy(library: Library) -> None:
    for form in ("rollback", "persist", "hot", "wal", "wal-no-shm", "wal-restarted", "wal-at-rest"):
        made, truth = sound(library, form=form)
        assert corruption.judge(made.path, truth) == "healthy", form


def test_the_oracle_calls_a_changed_row_open_and_a_lost_page_damage(library: Library, tmp_path: Path) -> None:
    made, truth = sound(library)
    changed = corpus_contents.copy_set(made.path, tmp_path / "changed.db")
    with corpus.connected(changed) as db:
        db.execute("UPDATE Artist SET Name = 'somebody else' WHERE ArtistId = 3")
    assert corruption.judge(changed, truth) == "open"
    lost = corpus_contents.copy_set(made.path, tmp_path / "lost.db")
    with corpus.connected(lost) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name='Track'").fetchone()[0]
    with lost.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(bytes(4096))
    assert corruption.judge(lost, truth) == "damaged"


def test_the_oracle_sees_bytes_behind_the_end_and_text_that_is_none(library: Library, tmp_path: Path) -> None:
    made, truth = sound(library)
    longer = corpus_contents.copy_set(made.path, tmp_path / "longer.db")
    longer.write_bytes(longer.read_bytes() + b"x")
    assert corruption.judge(longer, truth) == "damaged"
    text = corpus_contents.copy_set(made.path, tmp_path / "text.db")
    with corpus.connected(text) as db:
        db.execute("UPDATE Track SET Name = cast(x'61ff62' AS TEXT) WHERE TrackId = 3")
    assert corruption.judge(text, truth) == "damaged"


def test_a_foreign_wal_is_valid_and_another_databases(library: Library, tmp_path: Path) -> None:
    case = corruption.cases(kinds=["wal-foreign"], count=1, seed=2)[0]
    _, done = corruption.make_case(case, library, tmp_path)
    wal = done.path.with_name(done.path.name + "-wal").read_bytes()
    size = struct.unpack_from(">I", wal, 8)[0]
    assert size == done.case.spec.page_size
    found = corpus_contents.read(done.path)
    assert found is None or found.objects != done.truth.objects or found.problems


def test_unseen_damage_has_other_parameters(library: Library, tmp_path: Path) -> None:
    spec = Spec("log", 1)
    notes = []
    for unseen in (False, True):
        made = library.get(spec)
        case = Case(spec, "torn-512", 1, unseen)
        notes.append(corruption.damage(case, made, corruption.truth_of(made), folder(tmp_path, str(unseen))).note)
    assert notes[0] != notes[1]

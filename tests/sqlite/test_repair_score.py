"""The scorer: 100 for the original itself, less for anything less, the right names for wrong rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.makers import corpus, corpus_contents, corruption
from tests.makers.corpus import Library, Made, Spec
from tests.makers.corpus_contents import Contents

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "bench"))
import repair_cases
import repair_score


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("library"))


def known(library: Library, name: str = "music", **options: object) -> tuple[Made, Contents, Contents]:
    made = library.get(Spec(name, 4, changed=0.02, **options))  # type: ignore[arg-type]
    truth = corruption.truth_of(made)
    backup = repair_cases.backup_contents(made, truth)
    assert backup is not None
    return made, truth, backup


@pytest.mark.parametrize("name", ["music", "feeds", "maps", "chat", "strict", "names", "extremes"])
@pytest.mark.parametrize("form", ["rollback", "wal", "hot"])
def test_the_original_itself_is_perfect(name: str, form: str, library: Library) -> None:
    made, truth, backup = known(library, name, form=form)
    score = repair_score.score(made.path, truth, backup)
    assert score.score == pytest.approx(100)
    assert score.perfect
    assert (score.invented, score.revived, score.stale) == (0, 0, 0)
    assert score.fresh == score.fresh_total > 0


def test_a_vacuumed_copy_is_perfect_too(library: Library, tmp_path: Path) -> None:
    made, truth, backup = known(library)
    with corpus.connected(corpus_contents.copy_set(made.path, tmp_path / "copy.db")) as db:
        db.execute("VACUUM INTO ?", (str(tmp_path / "out.db"),))
    assert repair_score.score(tmp_path / "out.db", truth, backup).perfect


def test_nothing_is_nothing(library: Library, tmp_path: Path) -> None:
    _, truth, backup = known(library)
    for path in (tmp_path / "absent.db", tmp_path / "text.db", tmp_path / "empty.db"):
        if path.name == "text.db":
            path.write_text("no database at all\n" * 50)
        if path.name == "empty.db":
            path.touch()
        score = repair_score.score(path, truth, backup)
        assert (score.score, score.rows, score.perfect) == (0, 0, False)
        assert score.fresh_total > 0


def test_yesterdays_backup_has_no_fresh_row_and_is_told_apart(library: Library) -> None:
    made, truth, backup = known(library)
    score = repair_score.score(made.backup, truth, backup)
    assert 90 < score.score < 100
    assert score.fresh == 0
    assert score.revived > 0
    assert score.stale > 0
    assert score.invented == 0


def test_a_column_added_since_does_not_make_every_row_fresh(library: Library) -> None:
    _, truth, backup = known(library, "django", since="column")
    fresh = repair_score.nothing(truth, backup).fresh_total
    assert 0 < fresh < truth.total / 10


def changed(library: Library, tmp_path: Path, *statements: str) -> repair_score.Score:
    made, truth, backup = known(library)
    copy = corpus_contents.copy_set(made.path, tmp_path / "changed.db")
    with corpus.connected(copy) as db:
        db.execute("PRAGMA foreign_keys=OFF")
        for statement in statements:
            db.execute(statement)
    return repair_score.score(copy, truth, backup)


def test_lost_rows_cost_their_share(library: Library, tmp_path: Path) -> None:
    _, truth, _ = known(library)
    score = changed(
        library, tmp_path, "DELETE FROM Track WHERE TrackId % 2", "DELETE FROM PlaylistTrack", "DELETE FROM film_text"
    )
    assert score.rows < truth.total
    assert score.score == pytest.approx(100 * score.rows / score.total, abs=3)
    assert set(score.missing) == {"Track", "PlaylistTrack", "film_text"}


@pytest.mark.parametrize(
    ("statement", "cost"),
    [
        ("DROP INDEX IFK_TrackAlbumId", 15 / 10),
        ("PRAGMA user_version = 999", 5 / 2 / 2),
        ("DROP TRIGGER track_ad", 15 / 10),
    ],
)
def test_objects_and_counters_cost_theirs(statement: str, cost: float, library: Library, tmp_path: Path) -> None:
    score = changed(library, tmp_path, statement)
    assert not score.perfect
    assert score.score == pytest.approx(100 - cost, abs=1)
    assert score.score < 99.9


def test_a_number_that_became_text_is_another_row(library: Library, tmp_path: Path) -> None:
    score = changed(
        library,
        tmp_path,
        "UPDATE Album SET Title = cast(Title AS BLOB) WHERE AlbumId = (SELECT min(AlbumId) FROM Album)",
    )
    assert score.rows == score.total - 1
    assert score.invented == 1


def test_a_lost_column_is_no_text_with_its_name(library: Library, tmp_path: Path) -> None:
    score = changed(library, tmp_path, "ALTER TABLE Track DROP COLUMN Composer")
    assert score.missing["Track"].startswith("0/")
    assert score.invented == 0


def test_invented_rows_cost_half(library: Library, tmp_path: Path) -> None:
    score = changed(library, tmp_path, "INSERT INTO Artist(Name) SELECT 'nobody ' || ArtistId FROM Artist")
    assert score.rows == score.total
    assert score.invented > 0
    assert score.score == pytest.approx(100 - 50 * score.invented / score.total)


def test_rows_of_other_tables_are_invented_but_for_lost_and_found(library: Library, tmp_path: Path) -> None:
    other = changed(library, tmp_path, "CREATE TABLE other(x)", "INSERT INTO other VALUES (1), (2)")
    assert other.invented == 2
    found = changed(
        library, folder(tmp_path), "CREATE TABLE lost_and_found(x)", "INSERT INTO lost_and_found VALUES (1)"
    )
    assert found.invented == 0
    assert found.perfect


def folder(root: Path) -> Path:
    made = root / "more"
    made.mkdir()
    return made


def test_a_case_can_be_made_again_from_its_name(library: Library, tmp_path: Path) -> None:
    for number, case in enumerate(corruption.cases(kinds=["leaf-zero", "wal-torn", "rtree-node"], count=1, seed=5)):
        one, other = tmp_path / f"{number}a", tmp_path / f"{number}b"
        one.mkdir()
        other.mkdir()
        _, done = corruption.make_case(case, library, one)
        _, again = corruption.make_case(repair_cases.parse(done.case.name), library, other)
        assert again.note == done.note
        assert again.path.read_bytes() == done.path.read_bytes()

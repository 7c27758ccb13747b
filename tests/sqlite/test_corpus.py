"""The corpus that repair and diagnosis are judged on: the same bytes for the same seed, sound, and wide."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from tests.makers import corpus, corpus_contents, corpus_forms
from tests.makers.corpus import Spec
from tests.makers.corruption_pages import PageMap

EVERY_FORM = [Spec("store", 3, page_size=1024, form=form) for form in corpus_forms.FORMS]
LAYOUTS = [
    Spec("feeds", 1, page_size=512, auto_vacuum="full", since="vacuum"),
    Spec("wiki", 2, page_size=65536, encoding="UTF-16le", backup="vacuum"),
    Spec("chat", 3, encoding="UTF-16be", auto_vacuum="incremental", form="wal"),
    Spec("altered", 4, reserved=12, form="hot", since="column"),
    Spec("extremes", 5, page_size=2048, form="persist"),
    Spec("maps", 6, page_size=8192, form="wal-restarted"),
]


def folder(root: Path, name: str) -> Path:
    made = root / name
    made.mkdir()
    return made


def bytes_of(made: corpus.Made) -> dict[str, bytes]:
    return {part.name: part.read_bytes() for part in sorted(made.path.parent.iterdir())}


@pytest.mark.parametrize("spec", [*EVERY_FORM, *LAYOUTS], ids=lambda spec: spec.name)
def test_the_same_seed_makes_the_same_bytes(spec: Spec, tmp_path: Path) -> None:
    first, second = (bytes_of(corpus.make(spec, folder(tmp_path, name))) for name in ("one", "other"))
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.parametrize("name", [*corpus.applications(), *corpus.applications(unseen=True)])
def test_every_application_is_sound_and_has_rows_everywhere_but_where_it_is_meant(name: str, tmp_path: Path) -> None:
    made = corpus.make(Spec(name, 11), tmp_path)
    found = corpus_contents.read(made.path)
    assert found is not None
    assert (found.problems, found.virtual_problems, found.bad_texts, found.violations) == ((), (), (), 0)
    application = {**corpus.applications(), **corpus.applications(unseen=True)}[name]
    meant = {rows.table for rows in application.grown if not rows.share}
    empty = {table for table, rows in found.tables.items() if not rows.counts}
    assert empty <= meant
    assert found.total > 50


@pytest.mark.parametrize("spec", EVERY_FORM, ids=lambda spec: spec.form)
def test_the_form_is_what_it_says_and_holds_todays_rows(spec: Spec, tmp_path: Path) -> None:
    made = corpus.make(spec, folder(tmp_path, "made"))
    plain = corpus.make(Spec("store", 3, page_size=1024), folder(tmp_path, "plain"))
    beside = {part.name.removeprefix("app.db") for part in made.path.parent.glob("app.db?*")}
    wanted = {
        "persist": {"-journal"},
        "hot": {"-journal"},
        "wal": {"-wal", "-shm"},
        "wal-no-shm": {"-wal"},
        "wal-restarted": {"-wal", "-shm"},
    }
    assert beside == wanted.get(spec.form, set())
    now, alone = corpus_contents.read(made.path), corpus_contents.read(plain.path)
    assert now is not None
    assert alone is not None
    assert {name: rows.counts for name, rows in now.tables.items()} == {
        name: rows.counts for name, rows in alone.tables.items()
    }


def test_a_hot_journal_is_hot_and_a_wal_is_needed(tmp_path: Path) -> None:
    for form, suffix in (("hot", "-journal"), ("wal", "-wal")):
        made = corpus.make(Spec("music", 2, form=form), folder(tmp_path, form))
        whole = corpus_contents.read(made.path)
        made.path.with_name(made.path.name + suffix).unlink()
        alone = corpus_contents.read(made.path)
        assert whole is not None
        assert alone is None or alone.problems or alone.objects != whole.objects or alone.tables != whole.tables


@pytest.mark.parametrize("since", ["", "column", "vacuum"])
def test_yesterdays_backup_lacks_one_or_two_rows_in_a_hundred(since: str, tmp_path: Path) -> None:
    spec = Spec("django", 5, since=since, changed=0.015)
    made = corpus.make(spec, tmp_path)
    now = corpus_contents.read(made.path)
    assert now is not None
    layouts = {name: rows.layout for name, rows in now.tables.items()}
    adds = corpus.applications()["django"].adds if since == "column" else ""
    then = corpus_contents.read(made.backup, layouts, adds=adds)
    assert then is not None
    fresh = sum((rows.counts - then.tables[name].counts).total() for name, rows in now.tables.items())
    gone = sum((then.tables[name].counts - rows.counts).total() for name, rows in now.tables.items())
    assert 0.005 < fresh / now.total < 0.04
    assert 0 < gone / now.total < 0.04
    assert (now.objects != corpus_contents.read(made.backup).objects) is (since == "column")  # type: ignore[union-attr]


def test_specs_cover_what_sqlite_can_lay_out() -> None:
    drawn = corpus.specs(600, 1)
    assert {spec.application for spec in drawn} == set(corpus.applications())
    assert {spec.page_size for spec in drawn} == set(corpus.PAGE_SIZES)
    assert {spec.encoding for spec in drawn} == set(corpus.ENCODINGS)
    assert {spec.auto_vacuum for spec in drawn} == set(corpus.AUTO_VACUUM)
    assert {spec.form for spec in drawn} == set(corpus_forms.FORMS)
    assert {spec.since for spec in drawn} == {"", "column", "vacuum"}
    assert {spec.reserved for spec in drawn} >= {0, 8, 12, 32}


def test_nothing_of_the_unseen_applications_is_in_the_others() -> None:
    assert not set(corpus.applications()) & set(corpus.applications(unseen=True))


@pytest.mark.parametrize("spec", LAYOUTS, ids=lambda spec: spec.name)
def test_the_page_map_agrees_with_sqlite(spec: Spec, tmp_path: Path) -> None:
    made = corpus.make(spec, tmp_path)
    data = corpus_contents.settled(made.path)
    pages = PageMap(data, corpus_contents.roots(made.path), frozenset())
    assert len(pages.pages) == pages.count == len(data) // pages.size
    with corpus_contents.private(made.path) as copy, corpus_contents.opened(copy) as db:
        free = db.execute("PRAGMA freelist_count").fetchone()[0]
        rows = Counter({name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in _tables(db)})
    assert sum(page.owner_kind == "free" for page in pages.pages.values()) == free
    for name, count in rows.items():
        leaves = [page for page in pages.pages.values() if page.owner == name and page.kind == "table-leaf"]
        assert sum(len(pages.cells(page.number)) for page in leaves) == count


def _tables(db: sqlite3.Connection) -> list[str]:
    found = db.execute(
        "SELECT name FROM sqlite_master WHERE type='table' AND rootpage > 0 AND sql NOT LIKE '%WITHOUT ROWID%' "
        "AND name NOT LIKE 'sqlite%' AND name NOT GLOB '*_[is]*' AND name NOT LIKE '%\"%'"
    )
    return [row[0] for row in found]


def test_a_library_makes_each_database_once(tmp_path: Path) -> None:
    library = corpus.Library(tmp_path)
    first = library.get(Spec("tiny", 1))
    times = first.path.stat().st_mtime_ns
    assert library.get(Spec("tiny", 1)).path.stat().st_mtime_ns == times
    assert library.get(Spec("tiny", 2)).path != first.path

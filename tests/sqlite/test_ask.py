"""A condition that a user wrote is asked, and can do nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.errors import CancelledError, LifeboatError, SourceTimeoutError, UsageError
from toolkit.sqlite.ask import ask

ENDLESS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n) > 0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.shop(tmp_path_factory.mktemp("ask") / "shop.db", orders=50)


@pytest.mark.parametrize(
    ("condition", "table", "expected"),
    [
        ("email = 'user3@example3.org'", "users", True),
        ("email = 'nobody@example.org'", "users", False),
        ("sku = 'sku-001' AND price > 1 -- a remark", "products", True),
        ("quantity > 2 AND EXISTS (SELECT 1 FROM users WHERE users.id = user_id)", "orders", True),
        ("placed = date('2026-01-05') AND lower(sku) LIKE 'SKU%'", "orders", True),
        ("what LIKE '%;%'", "audit", True),
    ],
)
def test_what_it_answers_and_of_which_table(made: Path, condition: str, table: str, *, expected: bool) -> None:
    answer = ask(made, condition)
    assert (answer.table, answer.holds) == (table, expected)


def test_full_text_can_be_asked(made: Path) -> None:
    assert ask(made, "notes MATCH 'fox'", table="notes").holds


@pytest.mark.parametrize(
    "condition",
    [
        "1) ; DELETE FROM users; --",
        "1; ATTACH '/tmp/other.db' AS other",
        "load_extension('/tmp/evil.so') IS NULL",
        "EXISTS (SELECT 1 FROM pragma_journal_mode)",
        "EXISTS (SELECT 1 FROM pragma_user_version(5))",
        "fts3_tokenizer('simple') IS NOT NULL",
        "id = ?",
        "nonsense = 1",
        "(",
        "id = '\udcff'",
        "",
    ],
)
def test_what_does_not_only_read_is_refused(made: Path, condition: str) -> None:
    before = made.read_bytes()
    with pytest.raises(UsageError):
        ask(made, condition, table="users")
    assert made.read_bytes() == before
    assert [one.name for one in made.parent.iterdir()] == [made.name]


def test_several_tables_fit_or_none(made: Path) -> None:
    with pytest.raises(UsageError, match="several") as several:
        ask(made, "id = 3")
    assert several.value.hint == "give --table: audit, orders, users"
    with pytest.raises(UsageError, match="no table"):
        ask(made, "colour = 3")


def test_an_older_schema_answers_no_and_says_why(made: Path) -> None:
    answer = ask(made, "colour = 3", table="users", strict=False)
    assert (answer.holds, answer.why_not) == (False, "no such column: colour")
    assert ask(made, "1", table="nothing", strict=False).why_not == "there is no such table"


def test_it_ends_in_time_and_when_it_should(made: Path) -> None:
    with pytest.raises(SourceTimeoutError):
        ask(made, ENDLESS, table="users", limit=0.05)
    with pytest.raises(CancelledError):
        ask(made, ENDLESS, table="users", should_stop=lambda: True)
    with pytest.raises(LifeboatError):
        ask(made, "length(zeroblob(900000000)) > 0", table="users")


def test_a_table_that_cannot_be_read_is_damage(made: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copyfile(made, tmp_path / "broken.db"))
    databases.flip_page(broken, databases.root_page(broken, "audit"))
    with pytest.raises(LifeboatError):
        ask(broken, "what = 'x'", table="audit")

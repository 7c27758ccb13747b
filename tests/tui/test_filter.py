"""The filter language: words, columns, comparisons of numbers, sizes and ages."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UsageError
from tui import filter as filters

NOW = datetime(2026, 11, 20, 3, 7, tzinfo=UTC)
ROW: dict[str, filters.Value] = {
    "name": "shop.db",
    "state": ("interrupted", "INTERRUPTED"),
    "rate": 4,
    "size": 12_000_000,
    "age": NOW - timedelta(days=8),
    "note": None,
}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ("SHOP", True),
        ("users", False),
        ("!users", True),
        ("!shop", False),
        ("shop 2026", True),
        ("shop users", False),
        ("state:inter", True),
        ("!state:inter", False),
        ("state=interrupted", True),
        ("state=inter", False),
        ("rate>=4", True),
        ("rate>4", False),
        ("rate=4", True),
        ("size>10MB", True),
        ("size<10MB", False),
        ("age>7d", True),
        ("age>7", True),
        ("age<1w", False),
        ("age>9d", False),
        ("note:x", False),
        ("!note:x", True),
        ("rate>many", False),
        ('"shop.db"', True),
        ('name:"op.d"', True),
    ],
)
def test_terms(text: str, passes: bool) -> None:
    assert filters.parse(text).matches(ROW, now=NOW) is passes


def test_a_column_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="no column stat"):
        filters.parse("stat:bad", frozenset(ROW))
    assert filters.parse("a=b", frozenset(ROW)).terms[0].text == "a=b"


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_filter_or_is_explained(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert filters.parse(text, frozenset(ROW)).matches(ROW, now=NOW) in (True, False)

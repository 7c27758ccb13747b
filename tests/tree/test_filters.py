from __future__ import annotations

from datetime import UTC, datetime

import pytest

from toolkit.errors import UsageError
from toolkit.tree.filters import Filters, Globs, Only

RULES = [
    ("*.tmp", "a.tmp", True, False),
    ("*.tmp", "deep/down/a.tmp", True, False),
    ("*.tmp", "a.tmpx", False, False),
    ("*.tmp", "new\nline.tmp", True, False),
    ("cache/", "a/cache", True, True),
    ("cache/", "a/cache", False, False),
    ("/top", "top", True, False),
    ("/top", "a/top", False, False),
    ("a/b", "a/b", True, False),
    ("a/b", "x/a/b", False, False),
    ("a/**/b", "a/b", True, False),
    ("a/**/b", "a/x/y/b", True, False),
    ("a/**/b", "ab", False, False),
    ("**/b", "x/y/b", True, False),
    ("a/**", "a/x/y", True, False),
    ("a/**", "a", False, True),
    ("a*c", "a/c", False, False),
    ("/a*c", "abbc", True, False),
    ("?", "\udcff", True, False),
    ("?", "☃", True, False),
    ("?", "ab", False, False),
    ("[a-c]x", "bx", True, False),
    ("[!a-c]x", "bx", False, False),
    ("[^a-c]x", "dx", True, False),
    ("[]]x", "]x", True, False),
    ("a[", "a[", True, False),
    (r"\*", "*", True, False),
    (r"\*", "a", False, False),
    ("a.b", "axb", False, False),
    ("a+(b)|$", "a+(b)|$", True, False),
]


@pytest.mark.parametrize(("glob", "path", "expected", "directory"), RULES)
def test_globs_mean_what_they_mean_in_gitignore(glob: str, path: str, expected: bool, directory: bool) -> None:
    assert Globs([glob]).matches(path, path.rpartition("/")[2], directory=directory) is expected


def test_the_last_glob_that_matches_decides() -> None:
    globs = Globs(["*.log", "!keep.log", "/old/keep.log"])
    said = [globs.matches(p, p.rpartition("/")[2], directory=False) for p in ("a.log", "keep.log", "old/keep.log")]
    assert said == [True, False, True]


@pytest.mark.parametrize("glob", ["", "/", "!", "//", "[z-a]"])
def test_globs_that_say_nothing_are_refused(glob: str) -> None:
    with pytest.raises(UsageError):
        Globs([glob])


@pytest.mark.parametrize(
    ("glob", "path", "directory", "expected"),
    [
        ("*.png", "/srv/shop/a.png", False, True),
        ("uploads", "/srv/uploads/deep/a", False, True),
        ("uploads/img", "/srv/uploads/img/a", False, True),
        ("uploads/", "/srv/uploads", True, True),
        ("uploads/", "/srv/uploads", False, False),
        ("uploads/", "/srv/uploads/x", False, True),
        ("/srv", "/srv/x", False, True),
        ("/srv", "/x/srv", False, False),
        ("load", "/srv/uploads", False, False),
    ],
)
def test_only_picks_what_it_names_and_all_below(glob: str, path: str, directory: bool, expected: bool) -> None:
    assert Only([glob]).picks(path, directory=directory) is expected


def test_only_without_globs_picks_everything() -> None:
    assert Only().picks("/any")


def test_an_age_counts_back_from_now() -> None:
    filters = Filters.compile(days=30, now=datetime(2026, 3, 31, tzinfo=UTC))
    assert filters.newer_than_ns == int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 10**9

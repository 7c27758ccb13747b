"""Files that were written to do harm are refused quickly, with one sentence, and run nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.makers import peaks
from toolkit.profile.load import validate_text
from toolkit.profile.nodes import MAX_BYTES, Problem

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], x: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n"
    for n in range(1, 30)
)


def said(text: str | bytes) -> tuple[Problem, ...]:
    return validate_text(text, "c.yaml", {}, uid=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(LAUGHS, "unfold", id="billion laughs"),
        pytest.param(MERGES, "unfold", id="billion merges"),
        pytest.param("[" * 50_000, "nested too deeply", id="deep lists"),
        pytest.param("{a: " * 50_000, "nested too deeply", id="deep mappings"),
        pytest.param("".join(f"{' ' * n}a:\n" for n in range(900)), "nested too deeply", id="deep blocks"),
        pytest.param("a: &a [*a]", "names nothing", id="circle"),
        pytest.param("a: &a {b: *a}", "names nothing", id="circle of mappings"),
        pytest.param("a: *b", "names nothing", id="unknown alias"),
        pytest.param("x" * (MAX_BYTES + 1), "larger than 1 MiB", id="large"),
        pytest.param("a: \x00", "character is not allowed", id="control character"),
        pytest.param("\udcff: 1", "not UTF-8", id="lone surrogate"),
    ],
)
def test_it_is_refused(text: str, message: str) -> None:
    problems: list[Problem] = []
    began = time.process_time()
    assert peaks.growth(lambda: problems.extend(said(text))) < 100 << 20
    assert time.process_time() - began < 5
    assert any(message in problem.message for problem in problems)


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch {path}']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object/new:subprocess.Popen [[touch, '{path}']]",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch {path}']",
        "!include /etc/passwd",
        "!!binary aGk=",
        "!!set {a}",
        "!!timestamp 2001-01-01",
    ],
)
@pytest.mark.parametrize("place", ["vault: {}", "{}: 1", "profiles: {{a: {{files: [{}]}}}}", "{}"])
def test_tags_are_refused_and_run_nothing(tmp_path: Path, value: str, place: str) -> None:
    path = tmp_path / "touched"
    problems = said(place.format(value.replace("{path}", str(path))))
    assert problems
    assert not path.exists()


def test_a_tag_that_only_says_text_is_allowed() -> None:
    assert said("profiles: {a: {files: [!!str /x], retention: !!map {daily: !!int 3}}}\nvault: ! /v\n") == ()


def test_many_profiles_are_no_problem() -> None:
    text = "profiles:\n" + "".join(f"  p{n}: {{databases: [/srv/{n}.db], files: [/srv/{n}]}}\n" for n in range(500))
    assert said(text) == ()


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for problem in said(text):
        assert str(problem).isprintable()


WORDS = st.sampled_from(
    (
        *("vault", "path", "profiles", "a", "files", "/x", "databases", "archive", "encrypt", "passphrase", "level"),
        *("destinations", "type", "sftp", "notify", "url", "schedule", "kind", "daily", "ui", "keymap", "<<", "~"),
    )
)
TREES = st.recursive(
    WORDS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(WORDS, inner, max_size=4).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(WORDS, TREES, max_size=5))
def test_any_structure_is_read_or_refused(items: dict[str, str]) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in items.items())
    assert all(problem.message for problem in said(text))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert all(problem.place.file == "c.yaml" for problem in said(data))


def test_it_needs_no_environment_of_its_own() -> None:
    os.environ["LIFEBOAT_SECRET_OF_THE_TEST"] = "x"
    try:
        assert "is not set" in said("vault: ${LIFEBOAT_SECRET_OF_THE_TEST}")[0].message
    finally:
        del os.environ["LIFEBOAT_SECRET_OF_THE_TEST"]

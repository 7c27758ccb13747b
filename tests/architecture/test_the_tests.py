"""Rules for the tests themselves: each asserts, none sleeps or pretends, each skip says why."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.architecture.sources import Function, called, functions, modules

pytestmark = pytest.mark.xdist_group("sources")  # one worker looks at them, once

MOCKS_ALLOWED = 10


def asserts(function: Function) -> bool:
    """Answer whether `function` can fail by itself, or calls a function whose name says that it asserts."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = called(node)
            last = name.rpartition(".")[2].lstrip("_")
            if name in ("pytest.raises", "pytest.fail", "pytest.warns") or last.startswith(("assert_", "expect_")):
                return True
    return False


def skips_without_reason(calls: list[tuple[str, ast.Call]]) -> Iterator[int]:
    """Yield the line of each call that skips a test and does not say why."""
    for name, call in calls:
        if name in ("pytest.skip", "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"):
            reasons = [keyword for keyword in call.keywords if keyword.arg == "reason"]
            if not reasons and not (name == "pytest.skip" and call.args):
                yield call.lineno


@dataclass
class Seen:
    """What breaks a rule, as `file: what`."""

    assert_nothing: list[str] = field(default_factory=list)
    sleep: list[str] = field(default_factory=list)
    skip_without_reason: list[str] = field(default_factory=list)


@functools.cache
def seen() -> Seen:
    """Look at everything below `tests`; test modules alone must assert and give reasons."""
    found = Seen()
    for module in modules("tests"):
        tree = module.tree
        calls = [(called(node), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        found.sleep += [f"{module.path}:{call.lineno}" for name, call in calls if name == "time.sleep"]
        if not module.path.rpartition("/")[2].startswith("test_"):
            continue
        tests = [function for function in functions(tree) if function.name.startswith("test_")]
        found.assert_nothing += [f"{module.path}: {function.name}" for function in tests if not asserts(function)]
        found.skip_without_reason += [f"{module.path}:{line}" for line in skips_without_reason(calls)]
    return found


def test_each_test_asserts() -> None:
    assert seen().assert_nothing == []


def test_nothing_waits_for_time_to_pass() -> None:
    assert seen().sleep == []


def test_each_skip_has_a_reason() -> None:
    assert seen().skip_without_reason == []


def test_mocks_can_be_counted_on_two_hands() -> None:
    words = {"unittest.mock", "MagicMock", "mocker.patch"}
    lines = [
        f"{module.path}: {line.strip()}"
        for module in modules("tests")
        for line in module.text.splitlines()
        if any(word in line for word in words) and module.name != __name__
    ]
    assert len([line for line in lines if not line.startswith("tests/architecture/test_the_tests.py")]) <= MOCKS_ALLOWED

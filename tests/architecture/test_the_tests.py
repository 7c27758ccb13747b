"""Rules for the tests themselves: each asserts, none sleeps or pretends, each skip says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.sources import Function, Module, called, modules

TESTS = [module for module in modules("tests") if module.path.rpartition("/")[2].startswith("test_")]
MOCKS_ALLOWED = 10


def functions_under_test(module: Module) -> Iterator[Function]:
    """Yield the test functions of `module`."""
    yield from (function for function in module.functions() if function.name.startswith("test_"))


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


def calls(module: Module) -> list[tuple[str, ast.Call]]:
    """Return the calls of `module` with their dotted names."""
    return [(called(node), node) for node in ast.walk(module.tree) if isinstance(node, ast.Call)]


def skips_without_reason(module: Module) -> Iterator[str]:
    """Yield each place that skips a test and does not say why."""
    for name, call in calls(module):
        if name in ("pytest.skip", "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"):
            reasons = [keyword for keyword in call.keywords if keyword.arg == "reason"]
            if not reasons and not (name == "pytest.skip" and call.args):
                yield f"{module.path}:{call.lineno}"


def test_each_test_asserts() -> None:
    tests = ((module, function) for module in TESTS for function in functions_under_test(module))
    assert [f"{module.path}: {function.name}" for module, function in tests if not asserts(function)] == []


def test_nothing_waits_for_time_to_pass() -> None:
    asleep = [module.path for module in modules("tests") if "time.sleep" in [name for name, _ in calls(module)]]
    assert asleep == []


def test_each_skip_has_a_reason() -> None:
    assert [place for module in TESTS for place in skips_without_reason(module)] == []


def test_mocks_can_be_counted_on_two_hands() -> None:
    words = {"unittest.mock", "MagicMock", "mocker.patch"}
    lines = [
        f"{module.path}: {line.strip()}"
        for module in modules("tests")
        for line in module.text.splitlines()
        if any(word in line for word in words) and module.name != __name__
    ]
    assert len([line for line in lines if not line.startswith("tests/architecture/test_the_tests.py")]) <= MOCKS_ALLOWED

"""No module over 500 lines, no function over 70, and none of the words that say nothing."""

from __future__ import annotations

import pytest

from tests.architecture.sources import ROOT, Module, modules, tracked_files

EMPTY_WORDS = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "manager",
    "managers",
    "misc",
    "core",
    "handler",
    "handlers",
}

PRODUCT = modules("toolkit", "tui")


@pytest.mark.parametrize("module", PRODUCT, ids=lambda module: module.path)
def test_modules_and_functions_are_small(module: Module) -> None:
    assert module.text.count("\n") <= 500, "split it by what it does"
    too_long = {
        function.name: length
        for function in module.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > 70
    }
    assert not too_long, "functions over 70 lines"


def test_no_file_has_an_empty_name() -> None:
    words = {path: set(path.with_suffix("").name.split("_")) for path in tracked_files()}
    words |= {path.parent: set(path.parent.name.split("_")) for path in tracked_files()}
    fixed = {path for path in words if path.parent.parent == ROOT / "roles"}  # Ansible names the folders of a role
    words = {path: parts for path, parts in words.items() if path not in fixed}
    assert not [str(path) for path, parts in words.items() if parts & EMPTY_WORDS]

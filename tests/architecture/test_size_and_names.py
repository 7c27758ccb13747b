"""No module over 500 lines, no function over 70, and none of the words that say nothing."""

from __future__ import annotations

import ast

from tests.architecture.sources import ROOT, functions, modules, tracked_files

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


def test_modules_are_small() -> None:
    """Over 500 lines: split it by what it does."""
    lines = {module.path: module.text.count("\n") for module in modules("toolkit", "tui")}
    assert {path: count for path, count in lines.items() if count > 500} == {}


def test_functions_are_small() -> None:
    too_long = {
        f"{module.path}: {function.name}": length
        for module in modules("toolkit", "tui")
        for function in functions(module.tree)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > 70
    }
    assert too_long == {}, "functions over 70 lines"


def test_no_file_has_an_empty_name() -> None:
    words = {path: set(path.with_suffix("").name.split("_")) for path in tracked_files()}
    words |= {path.parent: set(path.parent.name.split("_")) for path in tracked_files()}
    fixed = {path for path in words if path.parent.parent == ROOT / "roles"}  # Ansible names the folders of a role
    words = {path: parts for path, parts in words.items() if path not in fixed}
    assert not [str(path) for path, parts in words.items() if parts & EMPTY_WORDS]


def test_the_repair_names_its_modules_in_the_order_to_read_them() -> None:
    """The largest package: its docstring is the way into it."""
    package, *others = modules("toolkit/sqlite/salvage")
    named = ast.get_docstring(package.tree) or ""
    assert [one.name for one in others if f"`{one.name.rpartition('.')[2]}`" not in named] == []

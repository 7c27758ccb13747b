"""The reference says what the code does: generated pages are up to date, written ones name every word."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.architecture.sources import ROOT

DOCS = ROOT / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generator = _generator()


@pytest.mark.parametrize("name", sorted(generator.PAGES))
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == generator.PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("path", sorted({path for path, _ in generator.HELD.values()}))
def test_every_destination_is_really_held_to_every_promise(path: str) -> None:
    text = (ROOT / path).read_text()
    assert "@every_check\n" in text
    assert "broken(check, " in text
    assert "skip" not in text.replace("importorskip", "")


def test_the_tests_that_the_page_names_are_there() -> None:
    assert [path for _, path in generator.FAULTS if not (ROOT / path).exists()] == []


def test_every_module_of_a_destination_is_in_the_table() -> None:
    from toolkit.destinations.registry import OPENERS

    assert len(OPENERS) == len(generator.HELD) - 1  # memory is configured nowhere


def test_every_error_is_drawn_in_the_tree_and_has_a_code_of_its_own() -> None:
    from toolkit import errors

    tree = (errors.__doc__ or "").split()
    kinds = [kind for _, kind in generator.family(errors.LifeboatError)]
    assert [kind.__name__ for kind in kinds if kind.__name__ not in tree] == []
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_every_command_ends_with_an_example_and_its_exit_codes() -> None:
    page = generator.PAGES["reference/commands.md"]()
    for said in page.split("\n## ")[1:]:
        if "Commands:" not in said:
            assert "Examples:\n  lifeboat" in said, said.partition("\n")[0]
            assert "Exit codes:" in said, said.partition("\n")[0]


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [
        page.relative_to(ROOT / "docs") for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "README.md"
    ]
    assert pages
    assert [str(page) for page in pages if f"({page})" not in index] == []

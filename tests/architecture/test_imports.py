"""Who may import whom, and when: the contracts of pyproject.toml, an owner for every library, and lazy imports.

The graph of import-linter cannot see whether an import inside a function really waits for its call, so
fresh interpreters look at `sys.modules`.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.architecture.sources import ROOT, Module, modules

OWNERS: dict[str, tuple[str, ...]] = {
    "Cryptodome": ("toolkit.archive",),
    "aiobotocore": ("toolkit.destinations",),  # s3fs brings it
    "ansible_runner": ("toolkit.fleet",),
    "apprise": ("toolkit.notify",),
    "backports": ("toolkit.archive", "toolkit.vault"),
    "asyncssh": ("toolkit.destinations",),
    "botocore": ("toolkit.destinations",),
    "click": ("toolkit.cli",),
    "fsspec": ("toolkit.destinations",),
    "google": ("toolkit.destinations.gdrive",),
    "google_auth_httplib2": ("toolkit.destinations.gdrive",),
    "googleapiclient": ("toolkit.destinations.gdrive",),
    "httplib2": ("toolkit.destinations.gdrive",),
    "compression": ("toolkit.archive",),  # Python 3.14 has what backports.zstd brings
    "cronsim": ("toolkit.schedule",),
    "msgspec": ("toolkit", "tui"),
    "py7zr": ("toolkit.archive",),
    "pyrage": ("toolkit.archive",),
    "s3fs": ("toolkit.destinations",),
    "sshfs": ("toolkit.destinations",),
    "rich": ("tui",),  # Textual's lines are made of its segments
    "sqlite_utils": ("toolkit.vault",),
    "textual": ("tui",),
    "yaml": ("toolkit.profile",),
    # the standard library's, where a second user would be a second place that speaks it
    "sqlite3": ("toolkit.sqlite", "toolkit.vault"),
    "tarfile": (),  # can be led outside of its target on Python 3.11
    "zipfile": ("toolkit.archive",),
}
"""The only packages that may import a library. One that is not listed is not used."""

HEAVY = {
    "aiobotocore", "asyncssh", "botocore", "pyrage",
    "ansible_runner", "apprise", "asyncio", "concurrent.futures.process", "email", "google", "googleapiclient",
    "http.client", "importlib.metadata", "logging.config", "multiprocessing", "py7zr", "pydantic", "requests", "rich",
    "sqlite_utils", "ssl", "tarfile", "textual", "unittest", "urllib.request", "yaml",
}  # fmt: skip
"""Modules that cost 10 ms or more, or half a screen of memory: imported inside the function that needs them."""

PACKAGES = sorted(
    {".".join(module.name.split(".")[:2]) for module in modules("toolkit")} - {"toolkit", "toolkit.__main__"}
)


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the names that are imported anywhere in `node`, except for type checking only."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children: list[ast.AST] = list(node.orelse)
    else:
        children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
    for child in children:
        yield from imported(child)


def loaded_by(*names: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after importing `names`, and not before."""
    code = f"""
import sys, json
before = set(sys.modules)
for name in {names!r}: __import__(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout))


def test_the_contracts_hold() -> None:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True, no_logo=True))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "0 broken" in ran.stdout


def strays(module: Module) -> Iterator[str]:
    """Yield each import of a library that belongs to others."""
    for name in imported(module.tree):
        library = name.partition(".")[0]
        if library in ("toolkit", "tui") or (library in sys.stdlib_module_names and library not in OWNERS):
            continue
        owners = OWNERS.get(library, ())
        if not any(f"{module.name}.".startswith(f"{owner}.") for owner in owners):
            yield f"{module.path}: {name} belongs to {owners}"


def test_every_library_stays_with_its_owner() -> None:
    assert [stray for module in modules("toolkit", "tui") for stray in strays(module)] == []


def test_importing_the_package_imports_nothing() -> None:
    assert loaded_by("toolkit") == {"toolkit"}


@pytest.mark.parametrize("package", PACKAGES)
def test_heavy_libraries_wait_until_they_are_needed(package: str) -> None:
    names = [module.name for module in modules("toolkit") if f"{module.name}.".startswith(f"{package}.")]
    loaded = loaded_by(*names)
    assert package in loaded
    assert sorted(loaded & HEAVY) == []
    assert package == "toolkit.cli" or "click" not in loaded


def test_the_command_line_starts_with_almost_nothing() -> None:
    loaded = loaded_by("toolkit.cli.main")
    assert sorted(loaded & (HEAVY | {"subprocess", "sqlite3", "backports.zstd", "hashlib"})) == []

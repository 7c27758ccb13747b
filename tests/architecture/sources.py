"""The project's own sources, for the tests that read them."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A Python file: its path below the root of the repository, dotted name and text."""

    path: str
    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """Its tree, parsed anew each time: all of them together are hundreds of MiB."""
        return ast.parse(self.text, self.path)


@functools.cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Return the modules below `folders` of the repository, in the order of their paths."""
    found = []
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            relative = file.relative_to(ROOT)
            name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
            found.append(Module(str(relative), name, file.read_text()))
    return tuple(found)


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """Return the files that git tracks."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(git, capture_output=True, check=True).stdout
    return tuple(ROOT / name.decode() for name in listed.split(b"\0") if name)


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def called(call: ast.Call) -> str:
    """Return the dotted name of what `call` calls, as far as it is written as names: `os.open`, `.write_text`."""
    parts = []
    node: ast.expr = call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(parts))

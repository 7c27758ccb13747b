"""Every sentence that tells what to do next names a command that there is, with options that it has."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from tests.architecture.sources import ROOT
from toolkit.cli.main import COMMANDS, cli
from toolkit.operations.diagnosing.codes import KINDS, make

NAMED = re.compile(r"\blifeboat ((?:-c \S+ )?[a-z][a-z-]*(?: [^`;,\n]*)?)")
SOURCES = sorted([*(ROOT / "toolkit").rglob("*.py"), *(ROOT / "tui").rglob("*.py")])


def said(tree: ast.AST) -> Iterator[str]:
    """Yield the strings of a module that are no docstrings; what is filled in is an X."""
    apart: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            apart.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            apart |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            yield node.value


def command_of(words: list[str]) -> tuple[click.Command | None, list[str]]:
    """Return the command that `words` name, and the words behind it."""
    if words[0] == "-c":
        words = words[2:]
    command: click.Command | None = cli
    while isinstance(command, click.Group) and words:
        command = command.get_command(click.Context(command), words[0].strip(").:'\""))
        words = words[1:]
    return command, words


def options_of(command: click.Command) -> set[str]:
    names = {name for one in (*cli.params, *command.params) for name in (*one.opts, *one.secondary_opts)}
    return {*names, "--help", "--"}


def wrong(line: str) -> bool:
    command, words = command_of(line.split())
    if command is None:
        return True
    return not {word.rstrip(").:'\"").partition("=")[0] for word in words if word.startswith("--")} <= options_of(
        command
    )


def test_what_is_told_to_run_is_there() -> None:
    lines = [
        (path.name, line)
        for path in SOURCES
        for text in said(ast.parse(path.read_text()))
        for line in NAMED.findall(text)
    ]
    assert len(lines) > 200
    assert [(name, line) for name, line in lines if wrong(line)] == []


@pytest.mark.parametrize("code", [code for code, kind in KINDS.items() if "lifeboat" in kind.remedy])
def test_the_remedy_of_a_finding_can_be_run_as_it_stands(code: str) -> None:
    finding = make(code, "/srv/our shop/it's.db")
    for line in NAMED.findall(finding.remedy):
        command, words = command_of(shlex.split(line))
        assert command is not None
        arguments = command.make_context(command.name, words).params.values() if words else ()
        assert not words or "/srv/our shop/it's.db" in str([*arguments])


def test_every_command_is_found() -> None:
    assert all(command_of([name])[0] is not None for name in COMMANDS)
    assert wrong("nonsense")
    assert wrong("repair --refil latest")
    assert [*said(ast.parse('"""doc `lifeboat no`."""\nx = f"run: lifeboat {x} --no"'))] == ["run: lifeboat X --no"]

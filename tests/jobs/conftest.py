"""Real runners in processes of their own, held and let go through pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where jobs live."""
    return tmp_path / "state" / "jobs"


@pytest.fixture
def environment() -> dict[str, str]:
    """An environment in which a child finds the code under test."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start Python code as a process with pipes; it is killed at the end of the test if it still runs."""
    children: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: object) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        children.append(child)
        return child

    yield run
    for child in children:
        child.kill()
        child.communicate()


def said(child: subprocess.Popen[str]) -> str:
    """Return the next line that the child says; waits for it."""
    assert child.stdout is not None
    return child.stdout.readline().rstrip("\n")


def tell(child: subprocess.Popen[str], line: str = "go") -> None:
    """Say a line to the child, which waits for it."""
    assert child.stdin is not None
    child.stdin.write(line + "\n")
    child.stdin.flush()


@pytest.fixture(name="said")
def said_fixture() -> Callable[[subprocess.Popen[str]], str]:
    """Wait for a child's next line."""
    return said


@pytest.fixture(name="tell")
def tell_fixture() -> Callable[..., None]:
    """Say a line to a child."""
    return tell

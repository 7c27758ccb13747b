"""What somebody sees and is asked at a terminal, and what never goes there."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.makers.commands import application, backed_up, lifeboat

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    backed_up(application(tmp_path / "shop"), tmp_path / "vault")
    return tmp_path / "vault"


def typed(*words: object, answer: str) -> tuple[int, str, str]:
    """Run `lifeboat WORDS` with stdin and stderr on a terminal at which `answer` is typed.

    Returns the exit code, stdout, and what the terminal got.
    """
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "toolkit", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=env)
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    said = b""
    try:
        while data := os.read(ours, 65536):
            said += data
    except OSError:  # how a terminal says that nobody holds its other end any more
        pass
    os.close(ours)
    stdout = process.communicate()[0].decode()
    return process.returncode, stdout, said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("option", ["-v", "-q", "--json"])
def test_nobody_is_asked_to_confirm_a_plan_that_was_not_shown(vault: Path, option: str) -> None:
    code, _, said = typed("--vault", vault, option, "restore", "latest", answer="no")
    assert code == 5
    assert said.index("keeps    what is replaced") < said.index("Type shop to go on")
    plan = next(line for line in said.split("\n") if "restore " in line and "lifeboat" not in line)
    assert "Comparing" not in plan.rpartition("\x1b[K")[2]  # the line of progress was taken away


def test_with_events_nobody_is_asked_and_the_terminal_gets_events_only(vault: Path) -> None:
    code, _, said = typed("--vault", vault, "--events", "restore", "latest", answer="shop")
    lines = [line for line in said.split("\n") if line and line != "shop"]  # what is typed shows by itself
    assert [json.loads(line)["type"] for line in lines][-1] == "job.finished"
    assert code == 5


@pytest.mark.parametrize("words", [("--detach", "backup"), ("jobs",)])
def test_with_events_stderr_has_events_only(tmp_path: Path, vault: Path, words: tuple[str, ...]) -> None:
    targets = [tmp_path / "shop"] if "backup" in words else []
    _, _, said = typed("--vault", vault, "--events", *words, *targets, answer="")
    assert all(json.loads(line) for line in said.split("\n") if line)


def test_a_group_without_a_command_has_its_document_too(vault: Path) -> None:
    code, stdout, _ = typed("--vault", vault, "--json", "jobs", answer="")
    assert (code, json.loads(stdout)["error"]["code"]) == (2, "usage")


def test_a_watched_job_says_at_a_terminal_what_it_says_elsewhere(vault: Path, tmp_path: Path) -> None:
    lifeboat("backup", tmp_path / "shop", tmp_path / "none", "--vault", vault)  # the second one is missing
    elsewhere = lifeboat("jobs", "attach", "latest").stderr.splitlines()
    assert any("warning: " in line for line in elsewhere)
    assert all(re.match(r"\d\d:\d\d:\d\d UTC  ", line) for line in elsewhere)
    _, _, said = typed("jobs", "attach", "latest", answer="")
    stays = [line.rpartition("\x1b[K")[2] for line in said.split("\n")]
    assert [line for line in stays if " UTC  " in line] == elsewhere
    assert "  100%  " in said  # the line of progress is still drawn

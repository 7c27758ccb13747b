"""Answers that cannot be given, to a full disk, to nobody, to a closed stdout; and what is said where nobody looks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.makers import damaged, databases

ASKED = ["status", "status --json", "--help", "completion bash", "-v backup app"]


def ran(root: Path, words: str, *, redirected: str) -> subprocess.CompletedProcess[str]:
    """Run `lifeboat WORDS` in a shell that sends its output as `redirected` says."""
    (root / "app").mkdir(exist_ok=True)
    words = words.replace("app", str(root / "app"))
    line = f"{sys.executable} -m toolkit --vault {root / 'vault'} {words} {redirected}"
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ASKED)
def test_a_full_disk_behind_stdout_is_said(tmp_path: Path, words: str) -> None:
    ended = ran(tmp_path, words, redirected="> /dev/full")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "the output cannot be written (No space left on device)" in ended.stderr


def test_an_error_that_stdout_does_not_take_goes_to_stderr(tmp_path: Path) -> None:
    ended = ran(tmp_path, "diagnose /nowhere/x.db --json", redirected="> /dev/full")
    assert ended.returncode == 10
    assert "/nowhere/x.db" in ended.stderr


@pytest.mark.parametrize("words", ["status", "--help"])
def test_whoever_stops_reading_is_no_failure(tmp_path: Path, words: str) -> None:
    ended = ran(tmp_path, words, redirected="| true; exit ${PIPESTATUS[0]}")
    assert (ended.returncode, ended.stderr.count("error")) == (0, 0)


def test_streams_that_are_closed_are_no_failure(tmp_path: Path) -> None:
    assert ran(tmp_path, "-v backup app", redirected="<&- >&- 2>&-").returncode == 0
    [manifest] = (tmp_path / "vault").rglob("*.manifest.json")
    assert manifest.read_bytes().startswith(b"{")


@pytest.mark.parametrize(("command", "name"), [("export", "data_export_"), ("repair", "recovered_")])
def test_without_a_terminal_the_path_that_nobody_could_know_is_all_that_is_said(
    tmp_path: Path, command: str, name: str
) -> None:
    (tmp_path / "app").mkdir()
    database = databases.shop(tmp_path / "app" / "shop.db", orders=20)
    damaged.break_index(database)  # every row of it can be had back
    words = f"{command} app/shop.db"
    said = ran(tmp_path, words, redirected="2>/dev/null").stdout
    path = Path(said.rstrip("\n"))
    assert said == f"{path}\n"
    assert path.is_file()
    assert path.parent == tmp_path / "vault" / "recovery"
    assert path.name.startswith(name)
    assert ran(tmp_path, f"{words} --output {tmp_path / 'named'}", redirected="").stdout == ""
    assert (tmp_path / "named").is_file()
    assert ran(tmp_path, f"-q {words}", redirected="").stdout == ""

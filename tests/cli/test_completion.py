"""completion: real shells complete commands, and no command is imported for it."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.makers.commands import lifeboat
from tests.makers.faults import ROOT

HEAVY = ("toolkit.operations.session", "toolkit.cli.run", "msgspec", "yaml", "sqlite3", "sqlite_utils", "subprocess")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with a `lifeboat` that notes what it imported."""
    program = tmp_path / "bin" / "lifeboat"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import atexit, json, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"atexit.register(lambda: open({str(tmp_path / 'imported')!r}, 'w').write(json.dumps(list(sys.modules))))\n"
        "from toolkit.cli.main import main\n"
        "main()\n"
    )
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def completed(path: str, *words: str) -> list[str]:
    """Return what a bash that sourced the script offers for the last of `words`."""
    script = lifeboat("completion", "bash").stdout
    line = " ".join(f"'{word}'" for word in words)
    code = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _lifeboat_completion lifeboat\n"
    code += "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    bash = shutil.which("bash")
    assert bash is not None
    ran = subprocess.run(
        [bash, "--norc", "-c", code], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_bash_completes_a_command_without_importing_any(path: str, tmp_path: Path) -> None:
    assert completed(path, "lifeboat", "ba") == ["backup"]
    imported = json.loads((tmp_path / "imported").read_text())
    assert [name for name in imported if name.startswith("toolkit.cli.commands")] == []
    assert sorted(set(imported) & set(HEAVY)) == []


def test_bash_completes_all_commands_subcommands_and_options(path: str) -> None:
    assert {"backup", "restore", "import", "completion"} <= set(completed(path, "lifeboat", ""))
    assert completed(path, "lifeboat", "jobs", "at") == ["attach"]
    assert completed(path, "lifeboat", "backup", "--no") == ["--note", "--no-upload", "--no-prune", "--no-color"]
    assert completed(path, "lifeboat", "backup", "--kind", "we") == ["weekly"]


def test_fish_completes_commands_and_options(path: str, tmp_path: Path) -> None:
    script = tmp_path / "lifeboat.fish"
    script.write_text(lifeboat("completion", "fish").stdout)
    lines = ("lifeboat bac", "lifeboat backup --kind we", "lifeboat jobs at")
    code = f"source {script}; " + "; ".join(f"complete -C '{line}'" for line in lines)
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path)}
    ran = subprocess.run(
        ["fish", "--no-config", "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert [line.partition("\t")[0] for line in ran.stdout.splitlines()] == ["backup", "weekly", "attach"]


def test_zsh_completes_commands_and_options(path: str, tmp_path: Path) -> None:
    """It is found in `fpath` under its name, as the role lifeboat_install puts it there."""
    (tmp_path / "_lifeboat").write_text(lifeboat("completion", "zsh").stdout)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {"PATH": path, "HOME": str(tmp_path), "TERM": "dumb"})
    try:
        setup = f"fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -D; PS1='re''ady '\n"
        typed(terminal, setup, "ready ")
        for line, offered in (("bac", "backup "), ("backup --kind we", "weekly "), ("jobs at", "attach ")):
            shown = typed(terminal, f"\x15lifeboat {line}\t", offered)  # Control-U first: an empty line
            assert offered in shown
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def typed(terminal: int, keys: str, awaited: str) -> str:
    """Type `keys`; return what the shell shows until `awaited` is in it, or for a minute."""
    os.write(terminal, keys.encode())
    seen, end = "", time.monotonic() + 60
    while awaited not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 4096).decode(errors="replace")
    return seen


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef lifeboat"), ("fish", "complete --")]
)
def test_each_shell_has_its_script(shell: str, word: str) -> None:
    ran = lifeboat("completion", shell)
    assert ran.code == 0
    assert word in ran.stdout
    assert "_LIFEBOAT_COMPLETE" in ran.stdout


def test_another_shell_is_refused() -> None:
    assert lifeboat("completion", "tcsh").code == 2

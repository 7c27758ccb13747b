"""What the terminal can do is decided before Textual is imported; where there is none, the command says so and ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.makers.commands import lifeboat
from toolkit.errors import UsageError
from tui import terminal


def test_without_a_terminal_the_screens_are_refused_and_bare_lifeboat_prints_the_status() -> None:
    refused = lifeboat("tui")
    assert refused.code == 2
    assert "need a terminal" in refused.stderr
    assert "lifeboat status" in refused.stderr
    bare = lifeboat()
    assert bare.code == 0
    assert "nothing is looked after yet" in bare.stdout + bare.stderr


@pytest.mark.parametrize("term", ["", "dumb", "unknown"])
def test_a_line_printer_is_refused(term: str) -> None:
    with pytest.raises(UsageError, match="cannot show"):
        terminal.require({"TERM": term}, terminals=True)
    terminal.require({"TERM": "linux"}, terminals=True)


@pytest.mark.parametrize(
    ("environ", "theme", "drawn"),
    [
        ({"TERM": "xterm-256color"}, "auto", "textual-dark"),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "auto", "textual-light"),
        ({"TERM": "xterm-256color"}, "nord", "nord"),
        ({"TERM": "linux"}, "auto", "ansi-dark"),
        ({"TERM": "screen", "COLORFGBG": "0;15"}, "auto", "ansi-light"),
        ({"TERM": "xterm"}, "textual-light", "ansi-light"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "auto", "textual-dark"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "nord", "ansi-dark"),
        ({"TERM": "xterm-256color"}, "no-such-theme", "textual-dark"),
    ],
)
def test_the_theme_fits_the_terminal(environ: dict[str, str], theme: str, drawn: str) -> None:
    assert terminal.look(environ, encoding="utf-8", theme=theme).theme == drawn


def test_other_encodings_get_plain_characters() -> None:
    assert terminal.look({"TERM": "linux"}, encoding="ISO-8859-1").ascii
    assert not terminal.look({"TERM": "linux"}, encoding="UTF-8").ascii
    assert terminal.look({"TERM": "linux"}, encoding="UTF-8", only_ascii=True).ascii


def test_a_slow_line_gets_fewer_frames() -> None:
    remote = terminal.look({"TERM": "xterm", "SSH_CONNECTION": "a"}, encoding="utf-8")
    assert terminal.variables(remote)["TEXTUAL_FPS"] == "15"


def test_a_size_in_the_environment_gives_way_to_that_of_the_terminal() -> None:
    assert terminal.outdated(80, 24) == ("COLUMNS", "LINES")
    assert terminal.outdated(0, 0) == ()  # a serial line


def test_the_themes_that_are_known_are_those_of_textual() -> None:
    from textual.theme import BUILTIN_THEMES

    assert set(terminal.THEMES) == set(BUILTIN_THEMES)


def test_the_command_line_never_imports_textual() -> None:
    code = "import sys, tui.launch, toolkit.cli.commands.tui; raise SystemExit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

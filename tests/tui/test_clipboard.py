"""Copying says which way was tried, never that it worked; what is too long for the terminal is not cut off silently."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tui import clipboard


def test_outside_tmux_the_terminal_gets_osc_52_and_a_file_keeps_it(tmp_path: Path) -> None:
    sent: list[str] = []
    way = clipboard.copy("lifeboat undo", environ={}, state=tmp_path, send=sent.append)
    assert sent == [f"\x1b]52;c;{base64.b64encode(b'lifeboat undo').decode()}\a"]
    assert way == f"sent to the terminal (OSC 52) and {tmp_path / 'last-copy.txt'}"
    assert (tmp_path / "last-copy.txt").read_bytes() == b"lifeboat undo\n"


def test_a_name_that_is_no_text_is_copied_byte_for_byte(tmp_path: Path) -> None:
    sent: list[str] = []
    clipboard.copy("caf\udce9.db", environ={}, state=tmp_path, send=sent.append)
    assert base64.b64decode(sent[0][7:-1]) == b"caf\xe9.db"
    assert (tmp_path / "last-copy.txt").read_bytes() == b"caf\xe9.db\n"


def test_what_is_too_long_for_the_terminal_goes_to_the_file_alone(tmp_path: Path) -> None:
    sent: list[str] = []
    way = clipboard.copy("x" * 60_000, environ={}, state=tmp_path, send=sent.append)
    assert not sent
    assert way == f"sent to {tmp_path / 'last-copy.txt'}"


def test_where_tmux_does_not_answer_only_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path))
    sent: list[str] = []
    way = clipboard.copy("x", environ={"TMUX": "gone"}, state=tmp_path, send=sent.append)
    assert not sent
    assert way == f"sent to {tmp_path / 'last-copy.txt'}"


def test_without_any_way_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    way = clipboard.copy("x" * 60_000, environ={}, state=tmp_path / "state", send=lambda _: None)
    assert way == "there is no way to copy from here"

"""Nothing that a name or a foreign text holds reaches the terminal as anything but visible characters."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.display import MARKS, cells, display

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ANYTHING = st.one_of(
    st.text(st.characters()),
    st.text(st.characters(codec=None, categories=["Cs", "Cf", "Cc", "Mn", "Me", "Zs", "Lo"])),
    st.binary(),
    st.binary(min_size=1).filter(lambda raw: b"\0" not in raw).map(lambda raw: Path(os.fsdecode(raw))),
    st.text(st.sampled_from("a\\n\u0301\u0489\u1161\u200b\ufe0f\udce9\x1b數…")),
)


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("shop.db", "shop.db"),
        ("数据库.db", "数据库.db"),
        ("קובץ ملف café", "קובץ ملف café"),
        ("cafe\u0301", "cafe\u0301"),
        ("a[/b].db", "a[/b].db"),
        ("back\\slash", "back\\slash"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("csi\x9b2J", "csi\\u009b2J"),
        (b"csi\x9b2J", "csi\\x9b2J"),
        ("inv\u202efdp.exe", "inv\\u202efdp.exe"),
        ("\u2066\u2069\u200e\u200f\u061c", "\\u2066\\u2069\\u200e\\u200f\\u061c"),
        ("zero\u200b\u200d\u2060\ufeffwidth", "zero\\u200b\\u200d\\u2060\\ufeffwidth"),
        ("soft\u00adhyphen", "soft\\u00adhyphen"),
        ("no\u00a0break\u3000wide", "no\\u00a0break\\u3000wide"),
        ("line\u2028par\u2029", "line\\u2028par\\u2029"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("heart\u2764\ufe0f", "heart\u2764\\ufe0f"),
        ("vs\U000e0100", "vs\\U000e0100"),
        ("hangul\u3164\u115f\uffa0braille\u2800", "hangul\\u3164\\u115f\\uffa0braille\\u2800"),
        ("private\ue000", "private\\ue000"),
        (b"caf\xe9.txt", "caf\\xe9.txt"),
        (os.fsdecode(b"caf\xe9.txt"), "caf\\xe9.txt"),
        (Path(os.fsdecode(b"/srv/caf\xe9.txt")), "/srv/caf\\xe9.txt"),
        ("lone\ud800", "lone\\ud800"),
        ("\u0301first", "\\u0301first"),
        ("\n\u0301", "\\n\\u0301"),
        ("a\n\u0301", "a\\n\\u0301"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_written_out(foreign: str | bytes | Path, shown: str) -> None:
    assert display(foreign) == shown


@given(ANYTHING)
def test_no_hidden_character_comes_out_whatever_goes_in(foreign: str | bytes | Path) -> None:
    shown = display(foreign)
    assert {unicodedata.category(char) for char in shown} & HIDDEN == set()
    assert all(char == " " for char in shown if unicodedata.category(char) == "Zs")
    shown.encode()


@given(ANYTHING, st.integers(min_value=-1, max_value=20))
def test_twice_is_once_and_the_width_is_kept(foreign: str | bytes | Path, width: int) -> None:
    once = display(foreign)
    assert display(once) == once
    cut = display(foreign, width=width)
    assert cells(cut) <= max(width, 0)
    assert display(cut, width=width) == cut


def test_every_single_character_is_either_kept_or_escaped_in_ascii() -> None:
    for code in range(0x110000):
        shown = display("a" + chr(code))
        assert shown == "a" + chr(code) or shown.isascii()


def test_a_flood_of_marks_is_stopped() -> None:
    shown = display("e" + "\u0301" * 1000)
    assert sum(unicodedata.category(char) == "Mn" for char in shown) == MARKS
    assert shown.count("\\u0301") == 1000 - MARKS


def test_decomposed_korean_and_stacked_scripts_stay_readable() -> None:
    for name in (unicodedata.normalize("NFD", "한글 이름"), "ที่นี่", "שָּׁלוֹם", "हिन्दी"):
        assert display(name) == name


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("shop.db", 7, "shop.db"),
        ("shop.db", 6, "shop.…"),
        ("数据库.db", 9, "数据库.db"),
        ("数据库.db", 6, "数据…"),
        ("数据库", 1, "…"),
        ("x", 0, ""),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_a_width_is_counted_in_cells(text: str, width: int, shown: str) -> None:
    assert display(text, width=width) == shown

"""Promise 7: no name of any archive can reach outside the target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.makers.trees import HOSTILE_NAMES
from toolkit.archive.names import MAX_NAME, Limits, NameGuard, escape, normalise, unescape
from toolkit.errors import UnsafeArchiveError

UNSAFE = (
    b"",
    b"/etc/passwd",
    b"//etc/passwd",
    b".//etc",
    b"..",
    b"../x",
    b"a/../../x",
    b"a/..",
    b"./../x",
    b"a//b",
    b"a/./b",
    b"a\0b",
    b"a/" * 2048 + b"b",
    b"n" * 256,
)


@pytest.mark.parametrize("name", UNSAFE, ids=lambda name: repr(name[:20]))
def test_unsafe_names_are_refused(name: bytes) -> None:
    with pytest.raises(UnsafeArchiveError):
        normalise(name)


@pytest.mark.parametrize(
    ("name", "clean"),
    [(b"./a", b"a"), (b"a/", b"a"), (b"./", b""), (b".", b""), (b"..a/b..", b"..a/b..")],
)
def test_honest_names_stay(name: bytes, clean: bytes) -> None:
    assert normalise(name) == clean


def test_names_up_to_the_limit_of_the_kernel_are_taken() -> None:
    name = b"/".join([b"n" * 255] * 16)
    assert len(name) == MAX_NAME - 1
    assert NameGuard().add(name) == name


@pytest.mark.parametrize(
    "members",
    [
        [(b"a", {}), (b"a", {})],
        [(b"a", {}), (b"./a", {})],
        [(b"a", {"directory": True}), (b"a", {})],
        [(b"a", {}), (b"a", {"directory": True})],
        [(b"link", {}), (b"link/x", {})],
        [(b"link", {}), (b"link/deep/er/x", {})],
        [(b"link/x", {}), (b"link", {})],
        [(b"a/link/deep/x", {}), (b"a/link", {})],
        [(b"a", {"hard_link_to": b"b"})],
        [(b"b", {"directory": True}), (b"a", {"hard_link_to": b"b"})],
        [(b"b", {}), (b"a", {"hard_link_to": b"../b"})],
        [(b"b", {}), (b"a", {"hard_link_to": b"/etc/passwd"})],
        [(b"a", {"hard_link_to": b"a"})],
    ],
)
def test_members_that_meet_are_refused(members: list[tuple[bytes, dict[str, object]]]) -> None:
    guard = NameGuard()
    for name, how in members[:-1]:
        guard.add(name, **how)
    name, how = members[-1]
    with pytest.raises(UnsafeArchiveError):
        guard.add(name, **how)


def test_honest_members_pass() -> None:
    guard = NameGuard()
    taken = [guard.add(b"a", directory=True), guard.add(b"a/b"), guard.add(b"a/c", hard_link_to=b"a/b")]
    taken += [guard.add(b"a/", directory=True), guard.add(b"d/e/f"), guard.add(b"d/e", directory=True)]
    assert taken == [b"a", b"a/b", b"a/c", b"a", b"d/e/f", b"d/e"]


def test_limits_are_finite_and_can_be_raised() -> None:
    with pytest.raises(UnsafeArchiveError):
        Limits().check(200 * 1024**2, 200 * 1024**2, 6000)
    with pytest.raises(UnsafeArchiveError):
        Limits().check(1, 2**62, 6000)
    Limits(ratio=100_000).check(200 * 1024**2, 200 * 1024**2, 6000)
    assert Limits().ratio < 10_000


@given(st.binary().filter(lambda name: b"\0" not in name))
def test_escaping_takes_every_name_and_gives_it_back(name: bytes) -> None:
    escaped = escape(name)
    assert unescape(escaped) == name
    assert escaped.encode().decode() == escaped
    assert not any(ord(character) < 32 or character == "\\" for character in escaped)


@given(st.text(alphabet="%0123ABCabc/\\\x01\udcff"))
def test_escaping_is_never_ambiguous(text: str) -> None:
    name = text.encode(errors="surrogateescape")
    assert unescape(escape(name)) == name


def test_ordinary_names_are_not_escaped() -> None:
    for name in ("50% off.txt", "с пробелом", "100%.db", "a%zz"):
        assert escape(name.encode()) == name
    assert len({escape(name) for name in HOSTILE_NAMES}) == len(HOSTILE_NAMES)

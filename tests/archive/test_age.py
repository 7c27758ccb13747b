"""Archives for age recipients: the stock `age` opens what we write, we open what it writes, and nobody else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.archive.making import IDENT, STEM, file_item, items_of, run, write
from tests.makers import peaks
from tests.vault import made
from toolkit.archive import age
from toolkit.archive import manifest as format_
from toolkit.archive.formats import AGE, ArchiveSpec
from toolkit.archive.key import Key, Lock
from toolkit.archive.reader import open_archive
from toolkit.archive.seal import seal, unseal
from toolkit.archive.verify import verify
from toolkit.archive.writer import ArchiveWriter
from toolkit.errors import ArchiveDamagedError, CancelledError, ConfigError, IdentityError, UsageError


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, str]:
    """Make a key with the stock tool; return its file and the recipient."""
    path = tmp_path / "key.txt"
    run("age-keygen", "-o", path)
    return path, run("age-keygen", "-y", path).decode().strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "deep").mkdir(parents=True)
    (root / "small").write_text("content")
    (root / "deep" / "large").write_bytes(os.urandom(3_000_000) + b"\n" * 5_000_000)
    return root


def spec(*recipients: str, **more: object) -> ArchiveSpec:
    return ArchiveSpec(AGE, recipients=recipients, **more)


@pytest.mark.parametrize("split", [None, 1_000_000])
def test_the_stock_tool_opens_what_we_write(
    tmp_path: Path, tree: Path, pair: tuple[Path, str], split: int | None
) -> None:
    written = write(tmp_path, items_of(tree), spec(pair[1], split=split))
    assert written.file_list is None
    assert not list(tmp_path.glob("*.files.jsonl*"))
    pieces = sorted(tmp_path.glob(f"{STEM}*"))
    assert (len(pieces) > 2) == (split is not None)
    with (tmp_path / "joined").open("wb") as joined:
        for piece in pieces:
            joined.write(piece.read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    plain = run("age", "-d", "-i", pair[0], tmp_path / "joined")
    run("tar", "--zstd", "-xpf", "-", cwd=out, stdin=plain)
    there = out / "files" / str(tree).lstrip("/")
    assert (there / "deep" / "large").read_bytes() == (tree / "deep" / "large").read_bytes()
    assert "age -d -i KEY" in (out / "RESTORE.txt").read_text()


def test_we_open_what_the_stock_tool_writes(tmp_path: Path, tree: Path, pair: tuple[Path, str]) -> None:
    plain = write(tmp_path, items_of(tree)).archive
    run("age", "-r", pair[1], "-o", tmp_path / "theirs.age", tmp_path / plain.file)
    with open_archive(tmp_path / "theirs.age", key=Key(identities=(pair[0].read_text(),))) as reader:
        names = [member.name for member in reader.members()]
    assert os.fsencode(f"files{tree}/deep/large") in names


def test_ssh_keys_are_recipients_too(tmp_path: Path, tree: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id")
    written = write(tmp_path, items_of(tree), spec((tmp_path / "id.pub").read_text().strip()))
    archive = tmp_path / written.archive.file
    assert run("age", "-d", "-i", tmp_path / "id", archive).startswith(b"\x28\xb5\x2f\xfd")
    assert verify(written.archive, archive, None, key=Key(identities=((tmp_path / "id").read_text(),))).errors == ()


def test_the_run_that_wrote_it_can_read_it_back_and_no_other_key_of_this_machine(
    tmp_path: Path, tree: Path, pair: tuple[Path, str]
) -> None:
    writing = spec(pair[1], once=age.generate()[0])
    written = write(tmp_path, items_of(tree), writing)
    archive = tmp_path / written.archive.file
    assert verify(written.archive, archive, None, key=writing.key).errors == ()
    assert verify(written.archive, archive, None, key=Key(identities=(pair[0].read_text(),))).errors == ()
    for other in (None, Key(), Key(identities=(age.generate()[0],))):
        with pytest.raises(IdentityError):
            verify(written.archive, archive, None, key=other)
    assert writing.once not in repr(writing)
    assert writing.once not in repr(writing.key)


def test_without_a_key_the_bytes_are_still_compared(tmp_path: Path, tree: Path, pair: tuple[Path, str]) -> None:
    written = write(tmp_path, items_of(tree), spec(pair[1], split=1_000_000))
    last = max(tmp_path.glob(f"{STEM}*"))
    data = bytearray(last.read_bytes())
    data[-7] ^= 1
    last.write_bytes(data)
    found = verify(written.archive, tmp_path / written.archive.file, None)
    assert not found.ok
    assert any(last.name in error for error in found.errors)


@pytest.mark.parametrize("cut", ["changed", "short", "head", "empty-head"])
def test_damage_is_damage(tmp_path: Path, tree: Path, pair: tuple[Path, str], cut: str) -> None:
    written = write(tmp_path, items_of(tree), spec(pair[1]))
    archive = tmp_path / written.archive.file
    data = archive.read_bytes()
    middle = len(data) // 2
    archive.write_bytes(
        {
            "changed": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "short": data[:-30],
            "head": data.replace(b"--- ", b"-x- ", 1),
            "empty-head": data[:60],
        }[cut]
    )
    key = Key(identities=(pair[0].read_text(),))
    assert not verify(written.archive, archive, None, key=key).ok
    with open_archive(archive, key=key) as reader, pytest.raises(ArchiveDamagedError):
        reader.check()


def test_reading_can_stop_anywhere_and_leaves_no_thread(tmp_path: Path, tree: Path, pair: tuple[Path, str]) -> None:
    import threading

    written = write(tmp_path, items_of(tree), spec(pair[1]))
    with open_archive(tmp_path / written.archive.file, key=Key(identities=(pair[0].read_text(),))) as reader:
        assert reader.read("RESTORE.txt", 10_000)
        members = reader.members()
        next(members)
        members.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "decrypt"]


def test_cancelling_comes_through_the_library(tmp_path: Path, tree: Path, pair: tuple[Path, str]) -> None:
    written = write(tmp_path, items_of(tree), spec(pair[1]))
    with pytest.raises(CancelledError):
        verify(
            written.archive,
            tmp_path / written.archive.file,
            None,
            key=Key(identities=(pair[0].read_text(),)),
            should_stop=lambda: True,
        )


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path, pair: tuple[Path, str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (
        pytest.raises(CancelledError),
        ArchiveWriter(out, STEM, IDENT, spec(pair[1]), should_stop=lambda: True) as writer,
    ):
        writer.add([file_item("/a", b"x" * 1000)])
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("text", ["age1nothing", "ssh-ed25519 xx", "ssh-rsa AAAA me", ""])
def test_what_is_no_recipient_is_refused_before_anything_is_written(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        ArchiveWriter(tmp_path, STEM, IDENT, spec(text))
    assert list(tmp_path.iterdir()) == []


def test_the_format_and_recipients_belong_together() -> None:
    for wrong in ({"format": AGE}, {"format": "tar.zst", "recipients": ("age1x",)}):
        with pytest.raises(UsageError):
            ArchiveSpec(**wrong)


def test_what_is_no_identity_says_so(tmp_path: Path, pair: tuple[Path, str]) -> None:
    closed = age.sealed(b"text", (pair[1],))
    encrypted = age.sealed(pair[0].read_bytes(), (pair[1],)).decode(errors="replace")
    for text in ("# only a comment", "AGE-SECRET-KEY-1NO", encrypted, "-----BEGIN OPENSSH PRIVATE KEY-----\nno"):
        with pytest.raises(ConfigError) as caught:
            age.opened(closed, Key(identities=(text,)))
        assert "AGE-SECRET" not in str(caught.value)
    assert age.opened(closed, Key(identities=(age.generate()[0], pair[0].read_text()))) == b"text"


def test_memory_stays_flat(tmp_path: Path, pair: tuple[Path, str]) -> None:
    def close_and_open() -> None:
        piece = os.urandom(1 << 20)
        with (tmp_path / "big.age").open("wb") as out:
            writing = age.AgeStream(out.write, [pair[1]])
            for _ in range(300):
                writing.write(piece)
            writing.finish()
        with (tmp_path / "big.age").open("rb") as file:
            packed = iter(lambda: file.read(1 << 20), b"")
            opened = age.decrypted(packed, Key(identities=(pair[0].read_text(),)))
            assert sum(len(piece) for piece in opened) == 300 << 20

    assert peaks.growth(close_and_open) < 60 << 20


def test_a_sealed_manifest_shows_what_it_may_and_opens_for_the_identity_only(pair: tuple[Path, str]) -> None:
    stem = "shop_daily_20261120T020000Z_aaaaaaaa"
    whole = made.manifest("aaaaaaaa", encrypted=True, note="secret note", tags=("secret-tag",))
    sealed = format_.decode(format_.encode(seal(whole, Lock(recipients=(pair[1],)), stem=stem)))
    text = format_.encode(sealed).decode()
    assert "secret" not in text
    assert "shop.db" not in text
    assert json.loads(text)["id"] == "aaaaaaaa"
    assert unseal(sealed, Key(identities=(pair[0].read_text(),)), stem=stem) == whole
    for other in (None, Key("passphrase"), Key(identities=(age.generate()[0],))):
        with pytest.raises(IdentityError):
            unseal(sealed, other, stem=stem)


def test_a_lock_is_one_of_the_two() -> None:
    for wrong in ({}, {"passphrase": ""}, {"passphrase": "x", "recipients": ("age1x",)}):
        with pytest.raises(ValueError, match="either"):
            Lock(**wrong)


def test_a_broken_disk_is_reported_as_itself(pair: tuple[Path, str]) -> None:
    def full(_data: bytes) -> None:
        raise OSError(28, "No space left on device")

    writing = age.AgeStream(full, [pair[1]])
    writing.write(b"x" * (3 << 20))
    with pytest.raises(OSError, match="No space") as caught:
        writing.finish()
    assert caught.value.errno == 28


def test_the_missing_package_says_what_to_install() -> None:
    code = """
import sys
sys.modules["pyrage"] = None
from toolkit.archive import age
try:
    age.generate()
except Exception as error:
    print(type(error).__name__, error.hint)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "ConfigError in a checkout: pipx install --force '.[age]'\n"

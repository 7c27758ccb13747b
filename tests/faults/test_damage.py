"""A flipped byte anywhere in the vault: verify finds each that changes content, and the catalog is rebuilt."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.faults.machine import Machine

FLIPS = 20


@pytest.fixture
def backed(bare: Machine) -> Machine:
    ended = bare.lifeboat("backup", bare.app)
    assert ended.code == 0, ended.stderr
    return bare


def flip(path: Path, at: int) -> bytes:
    """Change one byte of a file; return what it held."""
    before = path.read_bytes()
    changed = bytearray(before)
    changed[at] ^= random.randrange(1, 256)
    path.write_bytes(changed)
    return before


def one(machine: Machine, ending: str) -> Path:
    [found] = [path for path in machine.vault.rglob(f"*{ending}") if ".files." not in path.name or "files" in ending]
    return found


@pytest.mark.parametrize("ending", [".tar.zst", ".files.jsonl.zst"])
def test_each_flipped_byte_of_the_data_is_found(backed: Machine, ending: str) -> None:
    path = one(backed, ending)
    ident = json.loads(backed.lifeboat("list", "--json").stdout)["backups"][0]["id"]
    missed = []
    size = path.stat().st_size
    for at in [0, size - 1, *random.sample(range(1, size - 1), FLIPS)]:
        before = flip(path, at)
        if backed.verify(ident).code != 4:
            missed.append(at)
        path.write_bytes(before)
    assert missed == []
    assert backed.verify(ident).code == 0


def test_a_flipped_byte_of_the_manifest_is_found_or_changes_no_content(backed: Machine) -> None:
    path = one(backed, ".manifest.json")
    whole = json.loads(path.read_bytes())
    ended = backed.lifeboat("list", "--json")
    ident = json.loads(ended.stdout)["backups"][0]["id"]
    for at in random.sample(range(path.stat().st_size), 2 * FLIPS):
        before = flip(path, at)
        ended = backed.verify(ident)
        assert "bug" not in ended.stderr, (at, ended.stderr)
        if ended.code == 0:  # a note, a time, a name of the host: nothing that a restore brings back
            now = json.loads(path.read_bytes())
            for key in ("archives", "format", "files"):
                assert now.get(key) == whole.get(key), (at, key)
        path.write_bytes(before)


@pytest.mark.parametrize("how", ["flips", "garbage", "truncated", "empty", "gone", "text"])
def test_a_damaged_catalog_is_rebuilt(backed: Machine, how: str) -> None:
    path = backed.vault / "catalog.db"
    if how == "flips":
        for _ in range(200):
            flip(path, random.randrange(path.stat().st_size))
    elif how == "garbage":
        path.write_bytes(random.randbytes(path.stat().st_size))
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "empty" else b"this is no database\n" * 300)
    ended = backed.lifeboat("list", "--json")
    assert ended.code == 0, ended.stderr
    assert len(json.loads(ended.stdout)["backups"]) == 1
    ended = backed.lifeboat("backup", backed.app, "--json")
    assert ended.code == 0, ended.stderr
    backed.assert_recovered()
    assert [row[:2] for row in backed.backups()] == [("manual", "completed")] * 2

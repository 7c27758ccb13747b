"""Damaged manifests and file lists are damage, never a bug, whichever byte is wrong."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import filelist
from toolkit.archive import manifest as manifests
from toolkit.archive.manifest import Manifest, Tool
from toolkit.errors import ArchiveDamagedError, FormatError
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.retention import Kind, Scope

MANIFEST = manifests.encode(
    Manifest(
        id="aaaaaaaa",
        profile="shop",
        kind=Kind.MANUAL,
        scope=Scope.FULL,
        format="zip",
        host="\udce9",
        tool=Tool("lifeboat", "1"),
        started=datetime(2026, 1, 1, tzinfo=UTC),
    )
)
ENTRY = filelist.encode_entry(
    FileEntry(section=Section.FILES, path="/a/\udce9", type=FileType.FILE, mode=0o644, uid=0, gid=0, mtime_ns=1, size=3)
)


@given(st.integers(0, len(MANIFEST) - 1), st.integers(0, 255))
def test_any_byte_of_a_manifest(position: int, byte: int) -> None:
    data = MANIFEST[:position] + bytes([byte]) + MANIFEST[position + 1 :]
    with contextlib.suppress(ArchiveDamagedError, FormatError):
        assert isinstance(manifests.decode(data), Manifest)


@given(st.integers(0, len(ENTRY) - 2), st.integers(0, 255))
def test_any_byte_of_a_line_of_the_file_list(position: int, byte: int) -> None:
    data = ENTRY[:position] + bytes([byte]) + ENTRY[position + 1 :]
    with contextlib.suppress(ArchiveDamagedError):
        assert isinstance(filelist.decode_entry(data), FileEntry)


def test_a_name_in_broken_base64() -> None:
    with pytest.raises(ArchiveDamagedError):
        filelist.decode_name({"text": "x", "b64": "a"})

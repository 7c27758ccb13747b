"""What a format must be able to do to take members, and tar as the first of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Protocol

from toolkit.archive import tarheader
from toolkit.archive.compress import FrameWriter, encoder
from toolkit.archive.formats import Compression
from toolkit.archive.tarfmt import encode_member
from toolkit.filelist import FileEntry

Pieces = Iterable[bytes | memoryview]


class MemberSink(Protocol):
    """Takes the members of one archive in order.

    `put` writes `entry` as `member` with its content: `entry.data_size` bytes in `content`, either whole
    or in pieces (None for directories and links). `keeps_hard_links` says whether `link_to` (the member
    that it shares its inode with) is understood; else hard links are given with their content.
    `finish` completes the archive, `cancel` gives up and ends all threads.
    """

    keeps_hard_links: bool

    def put(self, entry: FileEntry, member: str, content: bytes | Pieces | None, *, link_to: str | None = None) -> None:
        """Write one member."""

    def finish(self) -> None:
        """Write what is left."""

    def cancel(self) -> None:
        """Give up."""


class TarSink:
    """A compressed tar, in frames."""

    keeps_hard_links = True

    def __init__(self, sink: Callable[[bytes], object], compression: Compression, level: int) -> None:
        self._frames = FrameWriter(sink, encoder(compression, level))
        self._size = 0

    def put(self, entry: FileEntry, member: str, content: bytes | Pieces | None, *, link_to: str | None = None) -> None:
        """Write one member."""
        write = self._frames.write
        head = encode_member(entry, member, link_to=link_to)
        if content is None:
            write(head)
            self._size += len(head)
            return
        size = entry.data_size if entry.holes else entry.size
        padding = tarheader.pad(size)
        if isinstance(content, bytes):
            write(b"%b%b%b" % (head, content, padding))
        else:
            write(head)
            for piece in content:
                write(piece)
            write(padding)
        self._size += len(head) + size + len(padding)

    def finish(self) -> None:
        """Write the end marker, filled up to the record of 20 blocks that tar has always had."""
        end = tarheader.END
        self._frames.write(end + bytes(-(self._size + len(end)) % (20 * tarheader.BLOCK)))
        self._frames.finish()

    def cancel(self) -> None:
        """Give up."""
        self._frames.cancel()


def text_entry(member: str, size: int, mtime_ns: int) -> FileEntry:
    """Return an entry for a member that Lifeboat itself adds (`RESTORE.txt`, `files.jsonl`, `manifest.json`)."""
    from toolkit.filelist import FileType, Section

    return FileEntry(
        section=Section.FILES,
        path=os.fsdecode(member),
        type=FileType.FILE,
        mode=0o600,
        uid=os.getuid(),
        gid=os.getgid(),
        mtime_ns=mtime_ns,
        size=size,
    )

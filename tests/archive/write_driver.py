"""Writes one archive into the folder argv[1], with the options argv[2]; for tests that stop or limit the process.

`python write_driver.py FOLDER '{"format": "tar.zst", "split": 100000, "mebibytes": 1, "report": false}'`
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.archive.making import IDENT, STEM, file_item, manifest
from tests.makers import peaks
from toolkit.archive.formats import ArchiveSpec
from toolkit.archive.names import UNLIMITED
from toolkit.archive.reader import open_archive
from toolkit.archive.writer import ArchiveWriter
from toolkit.filelist import Content, FileEntry, FileType, Item, Section

MIB = 1024 * 1024


def big(size: int) -> Item:
    """Return one big file that is made up as it is read."""
    entry = FileEntry(
        section=Section.DATABASES,
        path="/srv/big.db",
        type=FileType.FILE,
        mode=0o600,
        uid=0,
        gid=0,
        mtime_ns=0,
        size=size,
    )
    noise = random.Random(1).randbytes(MIB // 2) + b"row of text " * (MIB // 24)

    def pieces() -> Iterator[bytes]:
        left = size
        while left:
            piece = noise[:left]
            left -= len(piece)
            yield piece

    return Item(entry, lambda: Content(entry, pieces=pieces()))


def read(path: Path) -> None:
    """Read all members of an archive."""
    with open_archive(path) as reader:
        size = sum(len(piece) for member in reader.members(UNLIMITED) for piece in member.pieces)
    print(json.dumps({"size": size, "peak": peaks.peak() // MIB}))


def main() -> None:
    """Write it."""
    options = json.loads(sys.argv[2])
    if options.get("read"):
        read(Path(sys.argv[1]))
        return
    spec = ArchiveSpec(options["format"], level=options.get("level"), split=options.get("split"))
    with ArchiveWriter(Path(sys.argv[1]), STEM, IDENT, spec) as writer:
        writer.add([big(options.get("mebibytes", 1) * MIB)])
        small = (file_item(f"/srv/{number:06d}", b"small %d" % number) for number in range(options.get("files", 20)))
        writer.add(small)
        written = writer.finish(manifest)
    print(json.dumps({"size": written.archive.size, "entries": written.files.entries, "peak": peaks.peak() // MIB}))


if __name__ == "__main__":
    main()

"""Items from a real directory, archives from items, and the same tree again through stock tools."""

from __future__ import annotations

import base64
import functools
import os
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.makers.trees import holes
from toolkit.archive.formats import ArchiveSpec
from toolkit.archive.manifest import FileCounts, Manifest, Status, Tool
from toolkit.archive.writer import ArchiveWriter, Written
from toolkit.errors import SourceError
from toolkit.filelist import Content, FileEntry, FileType, Item, Section
from toolkit.retention import Kind, Scope

IDENT = "abcd2345"
STEM = f"shop_manual_20261120T030000Z_{IDENT}"
SMALL = 64 * 1024
ALL_FORMATS = ("tar.zst", "tar.gz", "tar.bz2", "tar.xz", "zip", "7z")


def manifest(counts: FileCounts) -> Manifest:
    """Return a manifest with these counts."""
    return Manifest(
        id=IDENT,
        profile="shop",
        kind=Kind.MANUAL,
        scope=Scope.FULL,
        format="tar.zst",
        host="here",
        tool=Tool("lifeboat", "0"),
        started=datetime(2026, 11, 20, 3, tzinfo=UTC),
        status=Status.COMPLETED,
        files=counts,
    )


def entry_of(path: bytes, section: Section = Section.FILES, *, xattrs: bool = True) -> FileEntry:
    """Return the entry of what is at `path`."""
    status = os.lstat(path)
    kinds = {stat.S_IFDIR: FileType.DIRECTORY, stat.S_IFLNK: FileType.SYMLINK, stat.S_IFREG: FileType.FILE}
    kind = kinds[stat.S_IFMT(status.st_mode)]
    names = os.listxattr(path, follow_symlinks=False) if xattrs else []
    return FileEntry(
        section=section,
        path=os.fsdecode(path),
        type=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if kind is FileType.FILE else 0,
        holes=holes(path) if kind is FileType.FILE else (),
        target=os.fsdecode(os.readlink(path)) if kind is FileType.SYMLINK else "",
        xattrs={
            name: base64.b64encode(os.getxattr(path, name, follow_symlinks=False)).decode() for name in sorted(names)
        },
    )


def load(entry: FileEntry) -> Content:
    """Open a file as the scanner does: small ones whole, others in pieces without their holes."""
    if entry.size <= SMALL and not entry.holes:
        return Content(entry, data=Path(entry.path).read_bytes())
    return Content(entry, pieces=pieces(entry))


def pieces(entry: FileEntry) -> Iterator[bytes]:
    """Yield the data of a file."""
    position = 0
    with open(os.fsencode(entry.path), "rb") as file:
        for offset, length in (*entry.holes, (entry.size, 0)):
            file.seek(position)
            left = offset - position
            while left:
                piece = file.read(min(left, 300_000))
                left -= len(piece)
                yield piece
            position = offset + length


def items_of(root: Path, section: Section = Section.FILES, *, xattrs: bool = True) -> Iterator[Item]:
    """Yield everything at and under `root` in the order of its names."""
    inodes: dict[tuple[int, int], tuple[int, str]] = {}
    names = [os.fsencode(root)]
    for folder, folders, files in os.walk(os.fsencode(root)):
        folders.sort()
        names += [os.path.join(folder, name) for name in sorted(folders + files)]
    for name in sorted(names):
        entry = entry_of(name, section, xattrs=xattrs)
        status = os.lstat(name)
        if entry.type is FileType.FILE and status.st_nlink > 1:
            fields = {field: getattr(entry, field) for field in entry.__struct_fields__}
            group, first = inodes.setdefault((status.st_dev, status.st_ino), (len(inodes) + 1, entry.path))
            fields |= {"link_group": group, "link_to": "" if first == entry.path else first}
            entry = FileEntry(**fields)
        yield Item(entry, functools.partial(load, entry) if entry.type is FileType.FILE and not entry.link_to else None)


def file_item(path: str, data: bytes, section: Section = Section.FILES, **fields: object) -> Item:
    """Return a small file that is nowhere on disk."""
    known = {"mode": 0o644, "uid": os.getuid(), "gid": os.getgid(), "mtime_ns": 1_600_000_000_500_000_000}
    entry = FileEntry(section=section, path=path, type=FileType.FILE, size=len(data), **(known | fields))
    return Item(entry, lambda: Content(entry, data=data))


def unreadable(path: str, **fields: object) -> Item:
    """Return a file whose loader fails."""
    entry = file_item(path, b"never seen", **fields).entry

    def fail() -> Content:
        raise SourceError("cannot be read", subject=path)

    return Item(entry, fail)


def write(
    folder: Path,
    items: Iterable[Item],
    spec: ArchiveSpec | None = None,
    *,
    on_left_out: Callable[[FileEntry, Exception], None] | None = None,
) -> Written:
    """Write an archive of `items` into `folder`."""
    extra = {} if on_left_out is None else {"on_left_out": on_left_out}
    with ArchiveWriter(folder, STEM, IDENT, spec or ArchiveSpec(), **extra) as writer:
        writer.add(items)
        return writer.finish(manifest)


def run(*command: str | os.PathLike[str], cwd: Path | None = None, stdin: bytes | None = None) -> bytes:
    """Run a stock tool, which must succeed, and return what it printed."""
    ran = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, check=False)
    assert ran.returncode == 0, (command, ran.returncode, ran.stdout[-2000:], ran.stderr[-2000:])
    return ran.stdout


def unpack(archive: Path, folder: Path, *, passphrase: str = "") -> Path:
    """Unpack `archive` with the stock tool of its format, as RESTORE.txt says."""
    folder.mkdir()
    name = archive.name
    if name.endswith(".zip"):
        run("unzip", "-q", archive, cwd=folder)
    elif name.endswith(".7z"):
        run("7z", "x", "-y", *([f"-p{passphrase}"] if passphrase else []), archive, cwd=folder)
        if passphrase:
            inner = folder / name.replace(".7z", ".tar.zst")
            run("tar", "--zstd", "--xattrs", "--xattrs-include=*", "-xpf", inner, cwd=folder)
            inner.unlink()
    else:
        run("tar", "--xattrs", "--xattrs-include=*", "-xpf", archive, cwd=folder)
    return folder

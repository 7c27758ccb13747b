"""Real directory trees for tests, and `fingerprint`, which captures all of a tree that a restore must bring back."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
EPOCH_NS = 1_600_000_000_123_456_789
_NOBODY = 65534

HOSTILE_NAMES: tuple[bytes, ...] = (
    b"plain.txt",
    b"with space",
    b" leading and trailing ",
    b"new\nline",
    b"\n",
    b"tab\tand\rreturn",
    b"esc\x1b[31mred\x1b[0m",
    b"not-utf8-\xff\xfe",
    "snow-☃-数据库".encode(),
    "bidi-\u202eevil".encode(),
    b"a[",
    b"b].db",
    b"star*question?",
    b"back\\slash",
    b"quote'\"",
    b"-rf",
    b"...",
    b"#hash",
    b"%41",
    b"n" * 255,
)


@dataclass(frozen=True)
class Print:
    """All that counts of one name: two trees with equal prints are the same tree."""

    type: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    digest: str
    target: bytes
    links: tuple[bytes, ...]
    holes: tuple[tuple[int, int], ...]
    xattrs: tuple[tuple[str, bytes], ...]


def holes(path: bytes | Path) -> tuple[tuple[int, int], ...]:
    """Return (offset, length) of the holes of a file, the one at its end too."""
    found = []
    with open(path, "rb", buffering=0) as file:
        fd, size, position = file.fileno(), os.fstat(file.fileno()).st_size, 0
        while position < size:
            start = os.lseek(fd, position, os.SEEK_HOLE)
            if start >= size:
                break
            try:
                position = os.lseek(fd, start, os.SEEK_DATA)
            except OSError:
                position = size
            found.append((start, position - start))
    return tuple(found)


def acl(*named: tuple[int, int], owner: int = 6, group: int = 4, other: int = 0) -> bytes:
    """Return a POSIX ACL as the kernel keeps it, with (uid, permissions) beside the usual three."""
    none = 0xFFFFFFFF
    rows = [(0x01, owner, none), *((0x02, permissions, uid) for uid, permissions in sorted(named)), (0x04, group, none)]
    mask = group
    for _, permissions in named:
        mask |= permissions
    rows += [(0x10, mask, none), (0x20, other, none)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


def sparse(path: bytes | Path, parts: dict[int, bytes], size: int) -> None:
    """Write a file of `size` bytes that holds `parts` (offset to bytes) and holes everywhere else."""
    with open(path, "wb", buffering=0) as file:
        file.truncate(size)
        for offset, data in parts.items():
            os.pwrite(file.fileno(), data, offset)


def small_files(root: Path, count: int, *, size: int = 700, seed: int = 7, per_folder: int = 100) -> Path:
    """Make `count` small files of about `size` bytes of text, in folders of `per_folder`."""
    random_ = random.Random(seed)
    text = b" ".join(random_.choice([b"order", b"user", b"price", b"paid", b"open"]) for _ in range(4 * MIB // 8))
    root.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        if number % per_folder == 0:
            folder = root / f"{number // per_folder:05d}"
            folder.mkdir()
        start, length = random_.randrange(len(text) - 4 * size), random_.randrange(2 * size)
        (folder / f"{number:07d}.txt").write_bytes(text[start : start + length])
    return root


def kept(root: Path) -> Path:
    """Make a tree with one of everything that a backup keeps, and return it."""
    raw = os.fsencode(root)
    root.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(HOSTILE_NAMES):
        with open(os.path.join(raw, name), "wb") as file:
            file.write(b"%d\n" % number)
    (root / "empty").write_bytes(b"")
    (root / "empty folder").mkdir()
    (root / "large.bin").write_bytes(random.Random(1).randbytes(3 * MIB + 17))
    deep = raw
    for level in range(40):
        deep = os.path.join(deep, b"deep-%02d" % level)
        os.mkdir(deep)
    with open(os.path.join(deep, b"bottom"), "wb") as file:
        file.write(b"here\n")
    _make_links(root)
    sparse(root / "hole-in-the-middle", {0: b"head" * 1024, 5 * MIB: b"tail" * 1024}, 5 * MIB + 4096)
    sparse(root / "hole-at-the-end", {0: b"x" * 4096}, 2 * MIB)
    sparse(root / "all-hole", {}, 3 * MIB + 5)
    _make_attributes(root)
    _age(raw)
    return root


def _make_links(root: Path) -> None:
    (root / "links").mkdir()
    (root / "links" / "loop").symlink_to("../links")
    (root / "links" / "itself").symlink_to("itself")
    (root / "links" / "dangling").symlink_to("/nowhere/at/all")
    (root / "links" / "relative").symlink_to("../large.bin")
    os.symlink(b"to-\xff\n", os.path.join(os.fsencode(root), b"links", b"odd-\xfe"))
    (root / "twins-a").mkdir()
    (root / "twins-b").mkdir()
    (root / "twins-b" / "first").write_bytes(b"one inode, three names\n")
    os.link(root / "twins-b" / "first", root / "twins-a" / "second")
    os.link(root / "twins-b" / "first", root / "twins-b" / "third")


def _make_attributes(root: Path) -> None:
    modes = root / "modes"
    modes.mkdir()
    for mode in (0o4755, 0o2755, 0o6711, 0o600, 0o444, 0o777, 0o1644):
        path = modes / f"{mode:04o}"
        path.write_bytes(b"#!/bin/sh\n")
        path.chmod(mode)
    for mode in (0o1777, 0o2775, 0o700, 0o500):
        path = modes / f"folder-{mode:04o}"
        path.mkdir()
        (path / "inside").write_bytes(b"")
        path.chmod(mode)
    attributes = root / "attributes"
    attributes.mkdir()
    for name in ("user", "listed"):
        (attributes / name).write_bytes(name.encode())
    os.setxattr(attributes / "user", "user.comment", b"caf\xc3\xa9 \x00\xff")
    os.setxattr(attributes / "user", "user.empty", b"")
    os.setxattr(attributes, "user.folder", b"yes")
    os.setxattr(attributes / "listed", "system.posix_acl_access", acl((_NOBODY, 6)))
    os.setxattr(attributes, "system.posix_acl_default", acl((_NOBODY, 5), owner=7, group=5))
    if os.geteuid() == 0:
        (attributes / "capable").write_bytes(b"\x7fELF")
        os.setxattr(attributes / "capable", "security.capability", bytes.fromhex("01000002" + "00040000" + "00" * 12))
        (attributes / "foreign").write_bytes(b"not mine")
        os.chown(attributes / "foreign", 12345, 54321)
        os.chown(modes / "4755", _NOBODY, _NOBODY)
        os.chmod(modes / "4755", 0o4755)


def _age(root: bytes) -> None:
    stamp = EPOCH_NS
    for folder, folders, files in os.walk(root, topdown=False):
        for name in sorted(folders + files):
            stamp += 1_000_000_007
            os.utime(os.path.join(folder, name), ns=(stamp, stamp), follow_symlinks=False)
    os.utime(root, ns=(stamp, stamp))


def left_out(root: Path) -> Path:
    """Make a folder that holds only what no backup keeps: a FIFO, a socket and, for root, a device."""
    root.mkdir(parents=True, exist_ok=True)
    os.mkfifo(root / "fifo")
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(root)  # a socket's name is limited to 107 bytes
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
        os.fchdir(here)
    finally:
        os.close(here)
    if os.geteuid() == 0:
        os.mknod(root / "device", 0o020600, os.makedev(1, 3))
    return root


def fingerprint(root: Path | bytes, *, owners: bool = True, times: bool = True) -> dict[bytes, Print]:
    """Return a `Print` for each name under `root`, and for itself as b""."""
    raw = os.fsencode(root)
    inodes: dict[tuple[int, int], list[bytes]] = {}
    names = [b"", *_names(raw, b"")]
    for name in names:
        status = os.lstat(_join(raw, name))
        if status.st_nlink > 1 and not _is_directory(status):
            inodes.setdefault((status.st_dev, status.st_ino), []).append(name)
    prints = {}
    for name in names:
        path = _join(raw, name)
        status = os.lstat(path)
        kind = _kind(status)
        links = inodes.get((status.st_dev, status.st_ino), []) if kind == "file" else []
        prints[name] = Print(
            type=kind,
            mode=status.st_mode & 0o7777,
            uid=status.st_uid if owners else 0,
            gid=status.st_gid if owners else 0,
            mtime_ns=status.st_mtime_ns if times else 0,
            size=status.st_size if kind == "file" else 0,
            digest=_digest(path) if kind == "file" else "",
            target=os.readlink(path) if kind == "symlink" else b"",
            links=tuple(sorted(links)) if len(links) > 1 else (),
            holes=holes(path) if kind == "file" else (),
            xattrs=_xattrs(path),
        )
    return prints


def _names(root: bytes, inside: bytes) -> list[bytes]:
    found = []
    for entry in sorted(os.scandir(_join(root, inside)), key=lambda entry: entry.name):
        name = _join(inside, entry.name)
        found.append(name)
        if entry.is_dir(follow_symlinks=False):
            found += _names(root, name)
    return found


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder and name else folder or name


def _is_directory(status: os.stat_result) -> bool:
    return _kind(status) == "directory"


def _kind(status: os.stat_result) -> str:
    kinds = {0o100000: "file", 0o040000: "directory", 0o120000: "symlink", 0o010000: "fifo", 0o140000: "socket"}
    return kinds.get(status.st_mode & 0o170000, "device")


def _digest(path: bytes) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _xattrs(path: bytes) -> tuple[tuple[str, bytes], ...]:
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names if name != "security.selinux")


def as_user(work: Callable[[], None], *, uid: int = _NOBODY) -> int:
    """Run `work` in a child process as an ordinary user (as this one, when not root) and return its exit code.

    The child exits with 0 when `work` returns, with 1 after printing the exception when it raises.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)

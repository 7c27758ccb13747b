from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from tests.makers import trees
from tests.makers.restores import walk
from toolkit.filelist import FileEntry, FileType
from toolkit.tree import compare
from toolkit.tree.compare import ClashKind, Target, clash, extras, join


@pytest.fixture
def entry(tmp_path: Path) -> FileEntry:
    (tmp_path / "source").write_bytes(b"content")
    os.utime(tmp_path / "source", ns=(10**18, 10**18))
    (found,) = walk(tmp_path / "source")
    return msgspec.structs.replace(found, digest=hashlib.sha256(b"content").hexdigest())


def test_every_kind_of_clash_of_a_file(tmp_path: Path, entry: FileEntry) -> None:
    target = tmp_path / "target"
    assert clash(entry, bytes(target)).kind is ClashKind.MISSING
    target.write_bytes(b"content")
    assert (clash(entry, str(target)).kind, clash(entry, str(target)).attributes) == (ClashKind.SAME, False)
    target.write_bytes(b"CONTENT")
    assert clash(entry, str(target)).kind is ClashKind.NEWER
    os.utime(target, ns=(10**18, 10**18))
    assert clash(entry, str(target)).kind is ClashKind.DIFFERS
    assert clash(entry, str(target), digest=False).kind is ClashKind.SAME
    status = target.stat()
    busy = Target(bytes(tmp_path), busy={(status.st_dev, status.st_ino)})
    assert busy.clash(entry, str(target)).kind is ClashKind.IN_USE
    target.unlink()
    target.symlink_to("source")
    assert clash(entry, str(target)).kind is ClashKind.LINK
    target.unlink()
    target.mkdir()
    assert clash(entry, str(target)).kind is ClashKind.DIRECTORY
    target.rmdir()
    os.mkfifo(target)
    assert clash(entry, str(target)).kind is ClashKind.OTHER_TYPE
    assert clash(entry, f"{tmp_path}/source/below").kind is ClashKind.OTHER_TYPE
    assert clash(entry, str(tmp_path / "source")) == compare.Clash(ClashKind.SAME, 7, 10**18, attributes=True)


def test_links_and_folders_compare_as_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("somewhere")
    (tmp_path / "folder").mkdir()
    link, folder = walk(tmp_path / "link")[0], walk(tmp_path / "folder")[0]
    assert clash(link, str(tmp_path / "link")).kind is ClashKind.SAME
    assert clash(folder, str(tmp_path / "folder")).kind is ClashKind.SAME
    assert clash(folder, str(tmp_path / "link")).kind is ClashKind.LINK
    assert clash(link, str(tmp_path / "folder")).kind is ClashKind.DIRECTORY
    changed = msgspec.structs.replace(link, target="elsewhere")
    assert clash(changed, str(tmp_path / "link")).kind is ClashKind.DIFFERS


def test_a_link_among_the_folders_is_never_followed(tmp_path: Path, entry: FileEntry) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")
    assert Target(bytes(tmp_path)).clash(entry, str(tmp_path / "link" / "file")).kind is ClashKind.LINK


def test_what_may_not_be_replaced_is_said(open_folder: Path, entry: FileEntry) -> None:
    (open_folder / "closed").mkdir()
    (open_folder / "closed" / "differs").write_bytes(b"other")
    (open_folder / "closed" / "same").write_bytes(b"content")
    (open_folder / "closed").chmod(0o555)

    def look() -> None:
        said = [clash(entry, str(open_folder / "closed" / name)).kind for name in ("differs", "missing", "same")]
        assert said == [ClashKind.NO_PERMISSION, ClashKind.NO_PERMISSION, ClashKind.SAME]

    assert trees.as_user(look) == 0


def test_files_open_for_writing_are_seen(tmp_path: Path) -> None:
    with (tmp_path / "written").open("wb") as file, (tmp_path / "written").open("rb"):
        status = os.fstat(file.fileno())
        assert (status.st_dev, status.st_ino) in compare.open_for_writing()
    with (tmp_path / "written").open("rb"):
        assert (status.st_dev, status.st_ino) not in compare.open_for_writing()


def test_extras_are_what_only_the_disk_has(tmp_path: Path) -> None:
    root = trees.kept(tmp_path / "tree")
    backup = walk(root)
    (root / "empty folder" / "new").touch()
    (root / "plain.txt.new").touch()
    os.close(os.open(os.fsencode(root) + b"/\xff\xff", os.O_CREAT | os.O_WRONLY))
    (root / "known.db").touch()
    (root / "large.bin").unlink()

    found = [
        os.path.relpath(os.fsencode(one.path), os.fsencode(root))
        for one in extras(backup, walk(root), known={f"{root}/known.db"})
    ]
    assert found == [b"empty folder/new", b"plain.txt.new", b"\xff\xff"]
    lost = [ours.path for ours, theirs in join(backup, walk(root)) if ours and theirs is None]
    assert lost == [str(root / "large.bin")]


def test_lists_out_of_order_are_refused(tmp_path: Path) -> None:
    entries = [one for one in walk(trees.kept(tmp_path / "tree")) if one.type is FileType.FILE]
    with pytest.raises(ValueError, match="order"):
        list(join(entries[::-1], []))

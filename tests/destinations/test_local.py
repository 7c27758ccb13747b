"""A directory as a destination: never on an empty mount point, never outside of its folder, never half."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.makers import mounts
from tests.makers.faults import walk
from toolkit.destinations.base import FileBookmark, MemoryBookmark, Properties, Role
from toolkit.destinations.local import SIDECAR, LocalDestination
from toolkit.errors import DestinationError, DestinationFullError, ObjectNotFoundError


def properties(source: Path, name: str = "shop.tar.zst", **changes: str) -> Properties:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    fields = {"profile": "shop", "kind": "daily", "host": "web-03", "backup_id": "aaaaaaaa", "sha256": digest}
    return Properties(role=Role.ARCHIVE, file_name=name, **{**fields, **changes})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"content" * 1000)
    return path


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.mkdir()
    return path


def opened(disk: Path, fstab: Path | None = None) -> LocalDestination:
    return LocalDestination("disk", disk, memory=disk.parent / "state" / "mark", fstab=fstab or Path("/dev/null"))


def put(destination: LocalDestination, source: Path) -> str:
    return destination.put(source, properties(source), bookmark=MemoryBookmark()).id


def test_files_lie_where_a_person_finds_them_and_open_with_any_tool(disk: Path, source: Path) -> None:
    put(opened(disk), source)
    assert (disk / "web-03" / "shop" / "daily" / "shop.tar.zst").read_bytes() == source.read_bytes()


def test_a_folder_that_is_not_there_is_never_made(tmp_path: Path, source: Path) -> None:
    with pytest.raises(ObjectNotFoundError, match="folder is not there"):
        put(opened(tmp_path / "absent"), source)
    assert not (tmp_path / "absent").exists()


def test_a_disk_that_was_unmounted_is_refused_and_nothing_is_written_below_its_mount_point(
    disk: Path, source: Path
) -> None:
    put(opened(disk), source)
    disk.rename(disk.with_name("drawer"))
    disk.mkdir()  # what is left of a disk that is gone: its empty mount point
    for call in (
        lambda: put(opened(disk), source),
        lambda: list(opened(disk).objects()),
        lambda: opened(disk).usage(),
    ):
        with pytest.raises(DestinationError, match="mark is missing"):
            call()
    assert list(disk.iterdir()) == []


def test_another_disk_is_refused(disk: Path, source: Path) -> None:
    put(opened(disk), source)
    (disk / ".lifeboat-destination").write_text("another\n")
    with pytest.raises(DestinationError, match="not the folder or disk"):
        put(opened(disk), source)


@pytest.mark.parametrize("below", ["", "backups"])
def test_the_first_put_asks_fstab_whether_something_should_be_mounted(
    disk: Path, source: Path, tmp_path: Path, below: str
) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text(f"# a comment\nUUID=1 / ext4 defaults 0 1\nUUID=2 {disk} ext4 nofail 0 2\n")
    (disk / below).mkdir(exist_ok=True)
    with pytest.raises(DestinationError, match="nothing is mounted"):
        put(opened(disk / below, fstab), source)
    assert not list(disk.rglob("*.zst"))


def test_a_mounted_disk_of_fstab_is_used(disk: Path, source: Path, tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text(f"tmpfs {disk} tmpfs defaults 0 0\n")
    with mounts.small_filesystem(disk, size=8 << 20):
        assert put(opened(disk, fstab), source)


def test_a_full_disk_is_said_and_gets_its_space_back(disk: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(6 << 20))
    with mounts.small_filesystem(disk, size=4 << 20):
        destination = opened(disk)
        with pytest.raises(DestinationFullError):
            put(destination, large)
        assert list(destination.objects()) == []
        usage = destination.usage()
        assert usage.free is not None
        assert usage.free > 3 << 20


@pytest.mark.parametrize(
    "object_id", ["../secret", "/etc/passwd", "a/../../secret", "", ".hidden", "a//b", "a/.b", "a\0"]
)
def test_an_id_never_leads_outside(disk: Path, object_id: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    destination = opened(disk)
    for call in (destination.stat, destination.remove, lambda one: list(destination.read(one))):
        with pytest.raises(ObjectNotFoundError):
            call(object_id)
    assert (tmp_path / "secret").exists()


def test_links_are_neither_listed_nor_followed(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (disk / "link").symlink_to(tmp_path / "secret")
    (disk / "folder").symlink_to(tmp_path)
    destination = opened(disk)
    assert list(destination.objects()) == []
    for object_id in ("link", "folder/secret"):
        with pytest.raises(ObjectNotFoundError):
            list(destination.read(object_id))


@pytest.mark.parametrize("host", ["../..", "", ".", "a/b", "höst", "web 3", "%2E"])
def test_a_strange_host_gets_a_folder_of_its_own(disk: Path, source: Path, host: str) -> None:
    destination = opened(disk)
    made = destination.put(source, properties(source, host=host), bookmark=MemoryBookmark())
    assert made.properties is not None
    assert made.properties.host == host
    assert (disk / made.id).is_file()
    assert len(Path(made.id).parts) == 4


def test_a_file_that_somebody_put_there_is_listed_without_properties(disk: Path, source: Path) -> None:
    put(opened(disk), source)
    (disk / "by-hand.zip").write_bytes(b"zip")
    (disk / "web-03" / "shop" / "daily" / "shop.tar.zst").write_bytes(b"another file of this name")
    found = {one.name: one.properties for one in opened(disk).objects()}
    assert found == {"by-hand.zip": None, "shop.tar.zst": None}


def test_kill_before_each_step_leaves_nothing_or_one_whole_object(tmp_path: Path, disk: Path, source: Path) -> None:
    script = tmp_path / "put.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from tests.destinations.test_local import opened, properties\n"
        "from toolkit.destinations.base import FileBookmark\n"
        "disk, source = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "opened(disk).put(source, properties(source), bookmark=FileBookmark(disk.parent / 'bookmark'))\n"
    )

    def fresh() -> None:
        for path in sorted(disk.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (tmp_path / "state" / "mark").unlink(missing_ok=True)
        (tmp_path / "bookmark").unlink(missing_ok=True)

    steps = 0
    for number, ended in walk([script, disk, source], prepare=fresh, every=3):
        steps = number or steps
        assert ended.killed or ended.code == 0, ended.stderr
        assert len(list(opened(disk).objects())) <= 1
        if (tmp_path / "bookmark").exists() or not list(opened(disk).objects()):
            opened(disk).put(source, properties(source), bookmark=FileBookmark(tmp_path / "bookmark"))
        found, *others = opened(disk).objects()
        assert others == [], (number, ended.steps)
        assert found.properties == properties(source)
        assert b"".join(opened(disk).read(found.id)) == source.read_bytes()
        assert not [path for path in disk.rglob(".*") if path.name.endswith(".partial") and SIDECAR not in path.name]
    assert steps >= 9

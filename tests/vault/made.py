"""Backups as the archive writer leaves them, and a process that is killed before one of its durable steps."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sqlite3
import tarfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive import manifest as format_
from toolkit.archive.manifest import (
    ArchiveFile,
    DatabaseRecord,
    Evidence,
    FileCounts,
    Manifest,
    Source,
    Status,
    Tool,
    Volume,
)
from toolkit.filelist import Section
from toolkit.retention import Kind, Scope
from toolkit.vault import layout, rebuild, store
from toolkit.vault.layout import Vault

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
DB = "/srv/shop/shop.db"
UPLOADS = "/srv/shop/uploads"
_DONE = 64


def manifest(backup_id: str | None = None, *, hours_ago: float = 1, **fields: object) -> Manifest:
    """A good full backup of the shop, begun some hours before `NOW`; `fields` replace what they name."""
    started = NOW - timedelta(hours=hours_ago)
    plain: dict[str, object] = {
        "id": backup_id or layout.new_id(),
        "profile": "shop",
        "kind": Kind.DAILY,
        "scope": Scope.FULL,
        "format": "tar",
        "host": "web-03",
        "tool": Tool("lifeboat", "1.0"),
        "started": started,
        "finished": started + timedelta(minutes=5),
        "status": Status.COMPLETED,
        "job": "job1",
        "sources": (Source(Section.DATABASES, DB), Source(Section.FILES, UPLOADS)),
        "databases": (DatabaseRecord(name="shop.db", path=DB, size=4096, tables={"orders": 7}),),
        "files": FileCounts(entries=3, files=2, bytes=100),
        "evidence": Evidence("verified", started, "backup"),
    }
    return Manifest(**(plain | fields))  # type: ignore[arg-type]


def database_only(backup_id: str | None = None, *, hours_ago: float = 1, **fields: object) -> Manifest:
    plain = {"scope": Scope.DATABASE, "kind": Kind.HOURLY, "sources": (Source(Section.DATABASES, DB),)}
    return manifest(backup_id, hours_ago=hours_ago, **(plain | {"files": FileCounts()} | fields))


def archive_bytes(one: Manifest) -> bytes:
    """A real tar whose last member is the manifest, as it is inside an archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in (("databases/shop.db", b"x" * 5000), ("manifest.json", format_.encode(one, inside=True))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return made.getvalue()


def read_archive(volumes: Sequence[Path]) -> Manifest:
    """The manifest inside the archive that `volumes` are the pieces of, in order."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(path.read_bytes() for path in volumes))) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        return format_.decode(member.read())


def put(vault: Vault, one: Manifest, *, pieces: int = 1) -> Manifest:
    """Take a backup the way that operations do: `creating`, archive, file list, then its true status."""
    data = archive_bytes(one)
    store.save(vault, msgspec.structs.replace(one, status=Status.CREATING, finished=None, archives=()))
    if one.status is Status.CREATING:
        return one
    stem, folder = str(layout.stem_of(one)), vault.home(one)
    size = -(-len(data) // pieces)
    volumes = []
    for number in range(pieces):
        name = f"{stem}.tar" if pieces == 1 else f"{stem}.tar.{number + 1:03}"
        part = data[number * size : (number + 1) * size]
        durable.write_file(folder / name, part)
        volumes.append(Volume(name, len(part), hashlib.sha256(part).hexdigest()))
    durable.write_file(folder / f"{stem}{layout.FILE_LIST}", b"list of " + one.id.encode())
    archive = ArchiveFile(
        one.id, f"{stem}.tar", len(data), hashlib.sha256(data).hexdigest(), tuple(volumes) if pieces > 1 else ()
    )
    whole = msgspec.structs.replace(one, archives=(archive,) if one.status is not Status.FAILED else ())
    store.save(vault, whole)
    return whole


def is_whole(vault: Vault, one: Manifest) -> bool:
    """Whether a backup's files lie beside its manifest with the bytes that it says."""
    path = store.locate(vault, one.id)
    archive = one.archives[0]
    pieces = [path.parent / piece.file for piece in archive.volumes] or [path.parent / archive.file]
    listed = path.with_name(f"{layout.stem_of(one)}{layout.FILE_LIST}")
    return (
        not rebuild.missing(path.parent, one)
        and rebuild.measure(one.id, pieces) == archive
        and listed.read_bytes() == b"list of " + one.id.encode()
    )


def names_of(vault: Vault, backup_id: str) -> list[str]:
    """All names in the vault that carry this id."""
    return sorted(str(path.relative_to(vault.path)) for path in vault.path.rglob(f"*{backup_id}*"))


def stopped_before(number: int, action: Callable[[], object]) -> bool:
    """Run `action` in a process that is killed (-9) before its durable step `number`; say whether it was."""
    child = os.fork()
    if not child:
        try:
            count = 0

            def on_step(_name: str, _path: str) -> None:
                nonlocal count
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            durable.on_step = on_step
            action()
            os._exit(_DONE)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == _DONE, "the action failed by itself"
    return False


def as_another_user(action: Callable[[], list[str]]) -> list[str]:
    """Return what `action` returns in a process that has no more rights than `nobody`, where we are root."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writer, json.dumps(action()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        return [str(word) for word in json.loads(pipe.read() or b'["it failed"]')]


def catalog_value(vault: Vault, sql: str) -> object:
    connection = sqlite3.connect(vault.catalog)
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()

"""Copies at destinations: after a backup, and again from the queue (`sync`).

What is to be copied stands in the manifests (`pending`), so that no stop makes it forgotten. An upload has a lock of
its own; the profile's is held only while its manifest is written, so that backups go on meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from toolkit.archive.manifest import Copy, Manifest, Status
from toolkit.errors import BackupNotFoundError, CancelledError, LifeboatError, LockedError, SourceMissingError
from toolkit.jobs.context import Job
from toolkit.jobs.lock import Locks
from toolkit.operations import keys
from toolkit.operations.offsite import pausing
from toolkit.operations.remembered import profile_of
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.profile import locations
from toolkit.vault import expire, sidecar, store
from toolkit.vault.queue import Queue, Upload

if TYPE_CHECKING:
    from toolkit.destinations.base import Destination

RECORD_WAIT = 60.0
"""Seconds that an upload which arrived waits for the profile's lock; else the next `sync` finds it there."""

GAVE_UP = "upload-gave-up"
"""The code of the warning that nobody tries a copy any more."""


class UploadRow(msgspec.Struct, frozen=True, kw_only=True):
    """One copy and how far it is.

    `state` is `done`, `queued` (tried again at `next`), `gave-up`, `running` (in another process), `paused` (at `next`
    the pause ends by itself), or `dropped` (the backup is gone, or the copy was forgotten).
    """

    backup: str
    profile: str
    destination: str
    state: str
    tries: int = 0
    next: datetime | None = None
    code: str = ""
    error: str = ""
    link: str = ""
    size: int = 0
    seconds: float = 0.0


class SyncRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which copies: of some profiles or all, to some destinations or all.

    `now` does not wait for the next try; `retry` begins those again that were given up; `forget` drops them instead.
    """

    profiles: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    now: bool = False
    retry: bool = False
    forget: bool = False


class SyncReport(Report, kw_only=True):
    """The report of `sync`: what was or is queued, and what retention removed at destinations."""

    items: list[UploadRow] = msgspec.field(default_factory=list)
    removed: list[str] = msgspec.field(default_factory=list)

    @property
    def made(self) -> tuple[str, ...]:
        """The links of the copies that were made, where the destination has such."""
        return tuple(row.link for row in self.items if row.state == "done" and row.link)


def after_backup(session: Session, manifest: Manifest, job: Job, report: Report) -> tuple[list[UploadRow], Ending]:
    """Copy a backup that was just made to each destination that it waits for; the profile's lock is not held.

    A copy that fails is a warning and stays queued: `Ending.INCOMPLETE`. Only `CancelledError` is raised.
    """
    rows = [_upload(session, manifest, copy.destination, job, report) for copy in manifest.pending]
    return rows, Ending.DONE if all(row.state == "done" for row in rows) else Ending.INCOMPLETE


def sync(session: Session, request: SyncRequest, job: Job) -> SyncReport:
    """Try what is queued and due, the oldest backup first; one that fails never stops the others.

    Ends `INCOMPLETE` while anything is left. Raises `NotFoundError` when there is no vault, `CancelledError`.
    """
    report = SyncReport()
    waiting = _waiting(session, request)
    _sweep(session, request)
    for manifest, copy in waiting:
        queue = _queue(session, copy.destination)
        upload = queue.load(manifest.id)
        if upload.gave_up and request.forget:
            report.items.append(_forget(session, manifest, copy.destination, job))
            report.changed = True
            continue
        if request.retry and upload.gave_up:
            upload = Upload()
            queue.save(manifest.id, upload)
        if upload.due(session.now()) or (request.now and not upload.gave_up):
            report.items.append(_upload(session, manifest, copy.destination, job, report))
            report.changed = True
        else:
            report.items.append(_waiting_row(session, manifest, copy.destination, upload))
    if any(row.state in ("queued", "gave-up", "paused") for row in report.items):
        report.ending = Ending.INCOMPLETE
    return report


def queued(session: Session, manifests: Iterable[Manifest]) -> list[UploadRow]:
    """Return a row for each copy that is still to be made of these backups; for `status`."""
    return [
        _waiting_row(session, manifest, copy.destination, _queue(session, copy.destination).load(manifest.id))
        for manifest in manifests
        for copy in manifest.pending
        if manifest.status is Status.UPLOADING
    ]


def connect(session: Session, name: str, job: Job, *, read_only: bool = False) -> Destination:
    """Return the destination `name` of the configuration; raises `ConfigError`."""
    from toolkit.destinations import registry

    config = session.config.destination(name)
    return registry.connect(config, state=session.state, read_only=read_only, should_stop=job.should_stop)


def _queue(session: Session, destination: str) -> Queue:
    return Queue(session.state, session.vault_path, destination)


def _waiting(session: Session, request: SyncRequest) -> list[tuple[Manifest, Copy]]:
    found = [
        one.manifest
        for one in sidecar.load_all(session.existing_vault)
        if one.manifest.status is Status.UPLOADING and one.manifest.tombstone is None and not one.in_trash
    ]
    return [
        (manifest, copy)
        for manifest in sorted(found, key=lambda one: (one.started, one.id))
        for copy in manifest.pending
        if (not request.profiles or manifest.profile in request.profiles)
        and (not request.destinations or copy.destination in request.destinations)
    ]


def _sweep(session: Session, request: SyncRequest) -> None:
    """Forget what is known of uploads that are done, or whose backup is gone."""
    pending = {
        (copy.destination, one.manifest.id)
        for one in sidecar.load_all(session.existing_vault)
        for copy in one.manifest.pending
    }
    for config in session.config.destinations:
        if request.destinations and config.name not in request.destinations:
            continue
        queue = _queue(session, config.name)
        for backup_id in queue.known():
            if (config.name, backup_id) not in pending:
                _drop(session, config.name, backup_id)


def _drop(session: Session, name: str, backup_id: str) -> None:
    """Forget an upload that nobody goes on with, and what arrived of it; where that fails the next `sync` does it."""
    from toolkit.destinations import registry
    from toolkit.vault.replicate import abandon

    queue = _queue(session, name)
    config = next((one for one in session.config.destinations if one.name == name), None)
    if config is not None:  # else nobody knows any more where it went
        try:
            with registry.bare(config, state=session.state) as destination:
                abandon(destination, queue.folder / backup_id)
        except LifeboatError:
            return
    queue.forget(backup_id)


def _row(manifest: Manifest, destination: str, upload: Upload) -> UploadRow:
    return UploadRow(
        backup=manifest.id,
        profile=manifest.profile,
        destination=destination,
        state="gave-up" if upload.gave_up else "queued",
        tries=upload.tries,
        next=upload.next,
        code=upload.code,
        error=upload.error,
        size=manifest.size,
    )


def _waiting_row(session: Session, manifest: Manifest, destination: str, upload: Upload) -> UploadRow:
    """Return the row of a copy that waits: for its next try, or for the end of a pause."""
    row = _row(manifest, destination, upload)
    pause = pausing.paused(session, destination)
    if pause is None or upload.gave_up:
        return row
    return msgspec.structs.replace(row, state="paused", next=pause.until)


def _upload(session: Session, manifest: Manifest, destination: str, job: Job, report: Report) -> UploadRow:
    """Try one copy, unless uploads there are paused; return how it went. Only `CancelledError` is raised."""
    if pausing.paused(session, destination) is not None:
        return _held(session, manifest, destination, report)
    queue = _queue(session, destination)
    started = time.monotonic()
    try:
        with _hold(session, manifest.profile, destination, job):
            copy = _send(session, manifest, destination, queue, job)
            if copy is None:
                return _row_done(manifest, destination, None, started)
            _record(session, manifest.id, copy, job)
            queue.forget(manifest.id)
            _expire(session, manifest, destination, queue, job, report)
        return _row_done(manifest, destination, copy, started)
    except CancelledError:
        if not job.should_stop() and pausing.paused(session, destination) is not None:
            return _held(session, manifest, destination, report)
        raise
    except (BackupNotFoundError, SourceMissingError) as error:
        return _gone(session, manifest, destination, error, job, report)
    except LifeboatError as error:
        return _failed(session, manifest, destination, error, job, report)


def _held(session: Session, manifest: Manifest, destination: str, report: Report) -> UploadRow:
    """Say that a copy waits because uploads are paused: no try is counted, and what was sent stays."""
    pause = pausing.paused(session, destination)
    if pause is not None:
        until = f" until {pause.until.astimezone():%Y-%m-%d %H:%M}" if pause.until is not None else ""
        said = f"uploads to {destination} are paused by {pause.by}{until}; `lifeboat drive resume` lets them go on"
        if said not in report.notes:
            report.notes.append(said)
    return _waiting_row(session, manifest, destination, _queue(session, destination).load(manifest.id))


def _row_done(manifest: Manifest, destination: str, copy: Copy | None, started: float) -> UploadRow:
    return UploadRow(
        backup=manifest.id,
        profile=manifest.profile,
        destination=destination,
        state="done",
        link=copy.link if copy is not None else "",
        size=manifest.size,
        seconds=round(time.monotonic() - started, 3),
    )


def _hold(session: Session, profile: str, destination: str, job: Job) -> contextlib.AbstractContextManager[None]:
    key = f"{os.path.realpath(session.vault_path)}/{profile}@{destination}"
    return session.hold_keys((key,), f"upload of {profile} to {destination}", job)


def _send(session: Session, manifest: Manifest, name: str, queue: Queue, job: Job) -> Copy | None:
    """Make the copy, or return None when another run made it meanwhile."""
    from toolkit.vault.replicate import replicate

    path = sidecar.locate(session.existing_vault, manifest.id)
    fresh = sidecar.read(path)
    if not any(copy.destination == name for copy in fresh.pending):
        return None
    job.step("upload", f"Copying backup {manifest.id} of {manifest.profile} to {name}")
    pause_began = pausing.watching(session, name)
    with connect(session, name, job) as destination:
        expire.finish(destination, queue.folder)
        return replicate(
            path.parent,
            fresh,
            destination,
            queue.of(manifest.id),
            now=session.now(),
            lock=keys.lock_for(session, fresh),
            on_progress=job.progress(),
            should_stop=lambda: job.should_stop() or pause_began(),
        )


def _record(session: Session, backup_id: str, copy: Copy, job: Job) -> None:
    """Put `copy` into the backup's manifest, and turn the backup `completed` when nothing waits any more."""

    def change(manifest: Manifest) -> Manifest:
        others = tuple(one for one in manifest.destinations if one.destination != copy.destination)
        return _settled(msgspec.structs.replace(manifest, destinations=(*others, copy)))

    _change(session, backup_id, change, job)


def _settled(manifest: Manifest) -> Manifest:
    """Return `manifest` with the status and error that its copies give it."""
    errors = [f"{copy.destination}: {copy.error}" for copy in manifest.pending if copy.error]
    status = Status.UPLOADING if manifest.pending else Status.COMPLETED
    return msgspec.structs.replace(manifest, status=status, error="; ".join(errors))


def _change(session: Session, backup_id: str, change: Callable[[Manifest], Manifest], job: Job) -> None:
    profile = sidecar.load(session.existing_vault, backup_id).profile
    key = f"{os.path.realpath(session.vault_path)}/{profile}"
    locks = Locks((key,), locations.make_lock_directory(session.environ, session.uid))
    wait = max(RECORD_WAIT, session.lock_wait)
    with locks.acquire(operation=f"upload of {profile}", job=job.id, wait=wait, should_stop=job.should_stop):
        store.update(session.existing_vault, backup_id, change)


def _failed(
    session: Session, manifest: Manifest, destination: str, error: LifeboatError, job: Job, report: Report
) -> UploadRow:
    queue = _queue(session, destination)
    upload = queue.load(manifest.id)
    if isinstance(error, LockedError):
        report.notes.append(f"backup {manifest.id} to {destination}: {error.message}; the next sync looks again")
        return msgspec.structs.replace(_row(manifest, destination, upload), state="running", error=error.message)
    upload = upload.failed(error, session.now())
    queue.save(manifest.id, upload)
    _note_error(session, manifest.id, destination, upload, job)
    row = _row(manifest, destination, upload)
    words = f"gave up after {upload.tries} tries" if upload.gave_up else "queued"
    report.warn(
        GAVE_UP if upload.gave_up else "upload-queued",
        f"no copy of backup {manifest.id} at {destination} yet ({words}): {error.message}",
        subject=error.subject or destination,
        hint=error.hint or (f"lifeboat sync --retry {manifest.profile}" if upload.gave_up else "lifeboat sync --now"),
    )
    return msgspec.structs.replace(row, code=error.code, error=error.message)


def _note_error(session: Session, backup_id: str, destination: str, upload: Upload, job: Job) -> None:
    said = f"gave up after {upload.tries} tries: {upload.error}" if upload.gave_up else upload.error

    def change(manifest: Manifest) -> Manifest:
        copies = tuple(
            msgspec.structs.replace(copy, error=said) if copy.destination == destination and copy.when is None else copy
            for copy in manifest.destinations
        )
        return _settled(msgspec.structs.replace(manifest, destinations=copies))

    try:
        _change(session, backup_id, change, job)
    except (LockedError, BackupNotFoundError):  # the queue's own record has it too
        return


def _gone(
    session: Session, manifest: Manifest, destination: str, error: LifeboatError, job: Job, report: Report
) -> UploadRow:
    """Say that a backup which should be copied is not here any more; where its manifest still is, that is a failure."""
    try:
        sidecar.locate(session.existing_vault, manifest.id)
    except BackupNotFoundError:
        _drop(session, destination, manifest.id)
        report.notes.append(f"backup {manifest.id} was removed before it was copied to {destination}")
        return msgspec.structs.replace(_row(manifest, destination, Upload()), state="dropped")
    return _failed(session, manifest, destination, error, job, report)


def _forget(session: Session, manifest: Manifest, destination: str, job: Job) -> UploadRow:
    def change(changing: Manifest) -> Manifest:
        kept = tuple(copy for copy in changing.destinations if copy.destination != destination or copy.when is not None)
        return _settled(msgspec.structs.replace(changing, destinations=kept))

    _change(session, manifest.id, change, job)
    _drop(session, destination, manifest.id)
    return msgspec.structs.replace(_row(manifest, destination, Upload()), state="dropped")


def _expire(session: Session, manifest: Manifest, name: str, queue: Queue, job: Job, report: Report) -> None:
    """Let retention decide at the destination after a copy arrived; a failure is a warning, the copy is good."""
    config = session.config.destination(name)
    profile = profile_of(session, manifest)

    def known(backup_id: str) -> Manifest | None:
        try:
            return sidecar.load(session.existing_vault, backup_id)
        except LifeboatError:
            return None

    try:
        with connect(session, name, job) as destination:
            decided, going = expire.decide(
                destination,
                host=manifest.host,
                profile=manifest.profile,
                rules=profile.retention,
                keep=config.keep,
                known=known,
                now=session.now(),
            )
            binned = expire.apply(destination, going, queue.folder)
        for verdict in decided.removed:
            lose_copy(session, verdict.id, name, job)
    except CancelledError:
        raise
    except LifeboatError as error:
        report.warn("prune-failed", f"retention at {name} failed: {error.message}", subject=error.subject)
        return
    _miss(session, manifest, name, {*decided.there, manifest.id}, job, report)
    for unreadable in decided.unreadable:
        report.warn("manifest-unreadable", f"a manifest at {name} cannot be judged and stays", subject=unreadable)
    if decided.removed:
        ids = " ".join(verdict.id for verdict in decided.removed)
        where = ", to its bin" if binned else ""
        report.notes.append(f"retention removed {len(decided.removed)} at {name}{where}: {ids}")


def _miss(session: Session, manifest: Manifest, name: str, there: set[str], job: Job, report: Report) -> None:
    """Take copies that are not at the destination any more out of the manifests, and say so."""
    for found in list(sidecar.load_all(session.existing_vault, manifest.profile)):
        one = found.manifest
        if one.host == manifest.host and one.id not in there and any(copy.destination == name for copy in one.copies):
            lose_copy(session, one.id, name, job)
            report.warn("copy-gone", f"the copy at {name} is not there any more", subject=one.id)


def want_copy(session: Session, backup_id: str, destination: str, job: Job) -> Manifest:
    """Queue a copy of a backup, in place of one that is known there; return its manifest. Raises `LockedError`."""

    def change(manifest: Manifest) -> Manifest:
        others = tuple(copy for copy in manifest.destinations if copy.destination != destination)
        return _settled(msgspec.structs.replace(manifest, destinations=(*others, Copy(destination))))

    _change(session, backup_id, change, job)
    return sidecar.load(session.existing_vault, backup_id)


def lose_copy(session: Session, backup_id: str, destination: str, job: Job) -> None:
    """Take a copy that is not there any more out of the backup's manifest. Raises `LockedError`."""

    def change(manifest: Manifest) -> Manifest:
        kept = tuple(copy for copy in manifest.destinations if copy.destination != destination or copy.when is None)
        return _settled(msgspec.structs.replace(manifest, destinations=kept))

    try:
        _change(session, backup_id, change, job)
    except BackupNotFoundError:
        return

"""Backups in Google Drive, one by one and by hand: list, upload, download, delete, prune.

What happens by itself after every backup is in `uploads`; this is the same for people who look.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Manifest
from toolkit.errors import (
    LastGoodCopyError,
    LifeboatError,
    NotFoundError,
    ObjectNotFoundError,
    RefusedError,
    UsageError,
)
from toolkit.jobs.context import Job
from toolkit.operations.offsite import uploads
from toolkit.operations.offsite.drive import bare, settings_of
from toolkit.operations.pace import removing, takes, timed
from toolkit.operations.plan import Plan, Step
from toolkit.operations.prune import rules_for
from toolkit.operations.report import Ending, Report, notice
from toolkit.operations.session import Session
from toolkit.operations.targets import manifest as find_manifest
from toolkit.vault import expire, offsite, sidecar
from toolkit.vault.offsite import RemoteBackup
from toolkit.vault.queue import Queue
from toolkit.wording import count_text, size_text

if TYPE_CHECKING:
    from toolkit.destinations.base import Destination, RemoteObject
    from toolkit.destinations.gdrive.destination import GoogleDriveDestination


EACH = 1.5
"""Seconds that the removal of a backup in Drive takes: one request for each of its files."""


class DriveItem(msgspec.Struct, frozen=True, kw_only=True):
    """A backup in Drive. `state`: `complete`, `incomplete`, or what became of it; `reason`: why it goes or stays."""

    id: str
    profile: str
    kind: str
    host: str
    started: datetime
    size: int
    state: str
    by_hand: bool = False
    link: str = ""
    files: tuple[str, ...] = ()
    reason: str = ""


class DriveReport(Report, kw_only=True):
    """The report of `drive list`, `upload`, `download`, `delete` and `prune`.

    `fetched` are the paths of the files that came; `binned` says where removed files are.
    """

    destination: str
    items: list[DriveItem] = msgspec.field(default_factory=list)
    kept: list[DriveItem] = msgspec.field(default_factory=list)
    fetched: list[str] = msgspec.field(default_factory=list)
    binned: bool | None = None
    freed: int = 0
    plan: Plan | None = None

    @property
    def made(self) -> tuple[str, ...]:
        """The files that came, or the links of the copies that were made."""
        return tuple(self.fetched) or tuple(one.link for one in self.items if one.state == "done" and one.link)


class DriveRemoval(msgspec.Struct, frozen=True, kw_only=True):
    """What would go from Drive, and what stays, with the reasons."""

    plan: Plan
    settings: str
    going: tuple[RemoteBackup, ...]
    rows: tuple[DriveItem, ...]
    kept: tuple[DriveItem, ...] = ()
    to_bin: bool = False


def _item(one: RemoteBackup, state: str = "", reason: str = "") -> DriveItem:
    return DriveItem(
        id=one.id,
        profile=one.stem.profile,
        kind=str(one.stem.kind),
        host=one.host,
        started=one.stem.when,
        size=one.size,
        state=state or ("complete" if offsite.complete([one]) else "incomplete"),
        by_hand=one.by_hand,
        link=next((found.link for found in (*one.volumes, *one.objects)), ""),
        files=tuple(found.id for found in one.objects),
        reason=reason,
    )


def connect(session: Session, name: str, job: Job | None = None) -> Destination:
    """Return the Drive `name`, which tries again and keeps to its speed."""
    from toolkit.destinations import registry
    from toolkit.events import never_stop

    stop = job.should_stop if job is not None else never_stop
    return registry.connect(session.config.destination(name), state=session.state, should_stop=stop)


def listing(session: Session, name: str | None, *, profile: str | None = None, mine: bool = False) -> DriveReport:
    """Return every backup in Drive, newest first; those of one profile, or of this host (`mine`) only."""
    settings = settings_of(session, name)
    report = DriveReport(destination=settings.name)
    with connect(session, settings.name) as drive:
        report.items = [
            _item(one)
            for one in offsite.backups(drive)
            if profile in (None, one.stem.profile) and (not mine or one.host == session.host)
        ]
    return report


def upload(session: Session, name: str | None, words: Sequence[str], job: Job) -> DriveReport:
    """Copy backups of the vault to Drive, whether their profile names it or not; `latest` where none is named.

    One that is there already is left as it is. One that fails stays queued, and the run ends `UNREACHED`;
    `INCOMPLETE` where uploads are paused only.
    """
    settings = settings_of(session, name)
    report = DriveReport(destination=settings.name)
    for found in dict.fromkeys(find_manifest(session, word).id for word in words or ("latest",)):
        manifest = sidecar.load(session.existing_vault, found)
        if (copy := _arrived(session, settings.name, manifest)) is not None:
            report.items.append(_local_item(manifest, "same", copy))
            continue
        wanted = uploads.want_copy(session, found, settings.name, job)
        only = tuple(one for one in wanted.pending if one.destination == settings.name)
        sent = msgspec.structs.replace(wanted, destinations=only)
        rows, _ = uploads.after_backup(session, sent, job, report)
        report.items += [_local_item(manifest, row.state, row.link, row.error) for row in rows]
        report.changed = True
    states = {one.state for one in report.items} - {"done", "same"}
    if states:
        report.ending = Ending.INCOMPLETE if states == {"paused"} else Ending.UNREACHED
    return report


def _arrived(session: Session, name: str, manifest: Manifest) -> str | None:
    """Return the link of the copy that is there already; None where there is none."""
    for copy in manifest.copies:
        if copy.destination == name:
            with connect(session, name) as drive:
                try:
                    drive.stat(copy.id)
                except ObjectNotFoundError:
                    return None
            return copy.link
    return None


def _local_item(manifest: Manifest, state: str, link: str, reason: str = "") -> DriveItem:
    return DriveItem(
        id=manifest.id,
        profile=manifest.profile,
        kind=str(manifest.kind),
        host=manifest.host,
        started=manifest.started,
        size=manifest.size,
        state=state,
        link=link,
        reason=reason,
    )


def download(session: Session, name: str | None, word: str, folder: Path, job: Job) -> DriveReport:
    """Download all files of a backup into `folder`; what is there already, and the same, is not fetched again.

    Goes on where a download was cut. Raises `BackupNotFoundError`, `UsageError`, `SpaceError` before
    anything is fetched, `TransferDamagedError`.
    """
    from toolkit.destinations.fetch import fetch

    settings = settings_of(session, name)
    report = DriveReport(destination=settings.name)
    folder = folder.absolute()
    with connect(session, settings.name, job) as drive:
        job.step("look", f"Looking at what {settings.name} has")
        chosen = offsite.choose(offsite.backups(drive), word, host=session.host)
        wanted = _wanted(drive, chosen)
        with durable.translated(folder):
            durable.make_directory(folder)
        missing = [found for found in wanted if not _is_here(folder / found.name, found)]
        total = sum(found.size for found in missing)
        durable.require_space(folder, total)
        job.step("download", f"Downloading {chosen.id} from {settings.name}")
        progress, done = job.progress(total=total), 0
        for found in missing:
            base = done
            fetch(
                drive,
                found,
                folder / found.name,
                on_progress=lambda moved, _, base=base: progress(base + moved, total),  # type: ignore[misc]
                should_stop=job.should_stop,
            )
            report.fetched.append(str(folder / found.name))
            done += found.size
    report.changed = bool(missing)
    report.items.append(_item(chosen, "done" if missing else "same"))
    files = count_text(len(wanted), "file")
    report.notes.append(f"{files}, {size_text(chosen.size)}, compared by SHA-256, in {folder}")
    return report


def _wanted(drive: Destination, chosen: RemoteBackup) -> list[RemoteObject]:
    """Return the files to fetch, the manifest last; of doubled names the ones that the manifest describes."""
    if chosen.manifest is None:
        return list(chosen.volumes)
    manifest = offsite.read_manifest(drive, chosen)
    return [*offsite.archive_objects(chosen, manifest), *chosen.file_lists[-1:], chosen.manifest]


def _is_here(path: Path, found: RemoteObject) -> bool:
    """Say whether the same file is here; raises `RefusedError` for another one with its name."""
    from toolkit.vault.replicate import sha256_of

    if not path.exists():
        return False
    with durable.translated(path):
        if path.stat().st_size == found.size and sha256_of(path) == found.digest:
            return True
    raise RefusedError("another file with this name is there", subject=path, hint="download to another folder")


def plan_delete(
    session: Session, name: str | None, words: Sequence[str], job: Job, *, purge: bool, allow_last_good: bool
) -> DriveRemoval:
    """Return what would be deleted of Drive; nothing is changed.

    Raises `BackupNotFoundError`, `RefusedError` for a backup that another host put there, and
    `LastGoodCopyError` for the last one of a profile that is not in the vault either.
    """
    settings = settings_of(session, name)
    job.step("plan", "Looking at what would go")
    with connect(session, settings.name, job) as drive:
        there = offsite.backups(drive)
    going = list({one.objects[0].id: one for word in words for one in _named(session, there, word)}.values())
    if not words:
        raise UsageError("no backup was named", hint="lifeboat drive list shows the ids")
    for one in going:
        if one.host not in ("", session.host):
            raise RefusedError(
                f"this backup was put there by {one.host}", subject=one.id, hint="delete it there, or in the browser"
            )
        if not allow_last_good and _is_last(session, there, going, one):
            raise LastGoodCopyError(
                "this is the last copy of the profile anywhere", subject=one.id, hint="--allow-last-good lets it go"
            )
    where = "remove {} from Drive for good" if purge else "move {} to the bin of Drive"
    return _removal(settings.name, "drive delete", going, where, to_bin=not purge)


def _named(session: Session, there: list[RemoteBackup], word: str) -> list[RemoteBackup]:
    """Return what `word` names: also half uploads, by their id, and several objects of one doubled backup."""
    found = [one for one in there if one.id == word]
    return found or [offsite.choose(there, word, host=session.host)]


def _is_last(session: Session, there: list[RemoteBackup], going: list[RemoteBackup], one: RemoteBackup) -> bool:
    if not offsite.complete([one]):
        return False
    others = [
        other
        for other in offsite.complete(there)
        if other not in going and (other.host, other.stem.profile) == (one.host, one.stem.profile)
    ]
    return not others and not _is_good_here(session, one.stem.profile)


def _is_good_here(session: Session, profile: str) -> bool:
    try:
        return any(one.manifest.good for one in sidecar.load_all(session.existing_vault, profile))
    except NotFoundError:
        return False


def _removal(
    name: str,
    operation: Literal["drive delete", "drive prune"],
    going: Sequence[RemoteBackup],
    title: str,
    *,
    to_bin: bool,
    reasons: dict[str, str] | None = None,
    kept: tuple[DriveItem, ...] = (),
) -> DriveRemoval:
    rows = tuple(_item(one, "going", (reasons or {}).get(one.id, "")) for one in going)
    size, count = sum(row.size for row in rows), len(rows)
    step = Step(
        n=1,
        name="bin" if to_bin else "purge",
        title=title.format(f"{count_text(count, 'backup')}, {size_text(size)},"),
        deletes=count,
        undo="manual" if to_bin else "none",
    )
    steps = (timed(step, removing(count, each=EACH)),) if count else ()
    plan = Plan(
        op=operation,
        targets=tuple(row.id for row in rows),
        steps=steps,
        takes=takes(steps),
        keeps="all of it for 30 days in the bin of Drive, where it takes its space" if to_bin and count else "",
        confirm="word" if count else "none",
        confirm_word=(rows[0].id if count == 1 else str(count)) if count else "",
        cli=f"lifeboat {operation} --destination {name}",
        state=tuple(found for row in rows for found in row.files),
    ).sealed()
    return DriveRemoval(plan=plan, settings=name, going=tuple(going), rows=rows, kept=kept, to_bin=to_bin)


def plan_prune(session: Session, name: str | None, job: Job, *, profile: str | None = None) -> DriveRemoval:
    """Return what retention removes of this host's backups in Drive: by `keep` and by the rules of each profile."""
    settings = settings_of(session, name)
    job.step("plan", "Looking at what retention keeps")
    going: list[RemoteBackup] = []
    kept: list[DriveItem] = []
    reasons: dict[str, str] = {}
    with connect(session, settings.name, job) as drive:
        own = [one for one in offsite.backups(drive) if one.host == session.host]
        for found in sorted({one.stem.profile for one in own if profile in (None, one.stem.profile)}):
            decided, removed = expire.decide(
                drive,
                host=session.host,
                profile=found,
                rules=rules_for(session.known_profile(found), {}),
                keep=settings.keep,
                known=lambda ident: _manifest_here(session, ident),
                now=session.now(),
            )
            going += removed
            reasons.update({verdict.id: verdict.reason for verdict in (*decided.removed, *decided.kept)})
            stay = {verdict.id for verdict in decided.kept}
            kept += [_item(one, "kept", reasons[one.id]) for one in own if one.id in stay]
    return _removal(
        settings.name, "drive prune", going, "remove {} from Drive", to_bin=False, reasons=reasons, kept=tuple(kept)
    )


def _manifest_here(session: Session, ident: str) -> Manifest | None:
    try:
        return sidecar.load(session.existing_vault, ident)
    except LifeboatError:
        return None


def dry_run(made: DriveRemoval) -> DriveReport:
    """Return the report of a dry run."""
    report = DriveReport(destination=made.settings, plan=made.plan, items=list(made.rows), kept=list(made.kept))
    report.freed = sum(row.size for row in made.rows)
    return report


def apply(session: Session, made: DriveRemoval, job: Job) -> DriveReport:
    """Remove what `made` says, each manifest first, and take the copies out of the vault's manifests."""
    report = DriveReport(destination=made.settings, kept=list(made.kept), changed=bool(made.going))
    queue = Queue(session.state, session.vault_path, made.settings)
    job.step("remove", made.plan.steps[0].title if made.plan.steps else "Nothing to remove")
    if made.to_bin:
        report.binned = _to_bin(session, made, job)
    else:
        with connect(session, made.settings, job) as drive:
            report.binned = expire.apply(drive, made.going, queue.folder)
    for row in made.rows:
        report.items.append(msgspec.structs.replace(row, state="binned" if report.binned else "removed"))
        _forget(session, row, made.settings, job, report)
    report.freed = 0 if report.binned else sum(row.size for row in made.rows)
    if made.going:
        report.notes.append(
            "they lie in the bin of Drive and take their space until it is emptied, after 30 days by itself"
            if report.binned
            else "they are gone for good: the bin was not used"
        )
    return report


def _to_bin(session: Session, made: DriveRemoval, job: Job) -> bool:
    settings = settings_of(session, made.settings)
    with bare(session, settings, job) as drive:
        for one in made.going:
            for found in one.objects:
                _bin(drive, found.id)
    return True


def _bin(drive: GoogleDriveDestination, object_id: str) -> None:
    try:
        drive.discard(object_id, to_bin=True)
    except ObjectNotFoundError:
        return  # it is in the bin already


def _forget(session: Session, row: DriveItem, name: str, job: Job, report: Report) -> None:
    try:
        if _manifest_here(session, row.id) is not None:
            uploads.lose_copy(session, row.id, name, job)
    except LifeboatError as error:
        report.warnings.append(notice(error))

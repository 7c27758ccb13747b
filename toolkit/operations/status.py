"""`status`: health at a glance. Nothing is written, not even a cache."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from toolkit import __version__
from toolkit.archive.manifest import Manifest, Status
from toolkit.errors import LifeboatError, NotFoundError
from toolkit.events import JobState, plain_name
from toolkit.jobs.state import JobStatus, job_directories, job_status
from toolkit.operations import schedule, targets
from toolkit.operations.health import observed, wanted
from toolkit.operations.next_runs import with_next_runs
from toolkit.operations.offsite.pausing import Pause, all_paused
from toolkit.operations.offsite.uploads import UploadRow, queued
from toolkit.operations.remembered import remembered
from toolkit.operations.report import Ending, Report
from toolkit.operations.schedule import Scheduler
from toolkit.operations.session import Session
from toolkit.profile.model import Profile
from toolkit.retention import Kind
from toolkit.vault import health, sidecar
from toolkit.wording import duration_text

JOBS_LOOKED_AT = 100
DONE = (Status.COMPLETED, Status.UPLOADING)


class GoodCopy(msgspec.Struct, frozen=True, kw_only=True):
    """The newest good backup that holds the target: when it was finished, and how well it is proven."""

    id: str
    at: datetime
    age_s: int
    kind: str
    evidence: str
    tested_at: datetime | None


class StatusReason(msgspec.Struct, frozen=True):
    """Why a target is not `ok`: a stable code, since when, a sentence."""

    code: str
    since: datetime
    text: str


class LastLook(msgspec.Struct, frozen=True):
    """The last diagnosis of the live database: when, `full` or `quick`, and `ok`, `damaged` or `unsure`."""

    at: datetime
    kind: str
    result: str


class StatusTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One database or file set; `state` is bad, warn, unknown (never backed up) or ok."""

    profile: str
    kind: str
    path: str
    state: str
    reasons: tuple[StatusReason, ...] = ()
    last_good: GoodCopy | None = None
    failed_since_good: int = 0
    next_run: datetime | None = None
    last_check: LastLook | None = None


class ProfileState(msgspec.Struct, frozen=True, kw_only=True):
    """How the backups of a profile went: counts of what is still on record, and the last one.

    `rehearsed_at` is when one of them was last restored to scratch and compared, with success.
    """

    profile: str
    configured: bool
    succeeded: int
    failed: int
    last_status: str = ""
    last_at: datetime | None = None
    last_error: str = ""
    rehearsed_at: datetime | None = None


class StatusJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that runs, or that ended without saying so."""

    id: str
    operation: str
    targets: tuple[str, ...]
    state: str
    started: datetime | None
    user: str
    step: str


class VaultState(msgspec.Struct, frozen=True, kw_only=True):
    """The vault: whether it is there, bytes of its backups, and of its file system (null where nobody can tell)."""

    path: str
    exists: bool
    backups: int = 0
    used: int = 0
    free: int | None = None
    total: int | None = None


class ByItself(msgspec.Struct, frozen=True, kw_only=True):
    """What runs by itself: `installed` is cron, systemd or none; `current` whether it is what is configured.

    `gone` are entries of the configuration that will not run, though others are installed.
    """

    installed: str
    current: bool
    gone: tuple[str, ...] = ()


class StatusReport(Report, kw_only=True):
    """The report of `status`, targets worst first.

    `queue` are the copies that destinations still wait for, `paused` the destinations to which nothing is sent for now;
    `version` is Lifeboat's, `now` the clock of this server; `schedule` is null where nobody looked.
    """

    vault: VaultState
    targets: list[StatusTarget] = msgspec.field(default_factory=list)
    profiles: list[ProfileState] = msgspec.field(default_factory=list)
    jobs: list[StatusJob] = msgspec.field(default_factory=list)
    queue: list[UploadRow] = msgspec.field(default_factory=list)
    paused: list[Pause] = msgspec.field(default_factory=list)
    schedule: ByItself | None = None
    version: str = __version__
    now: datetime | None = None


def run(
    session: Session,
    profile: str | None = None,
    *,
    max_age: timedelta | None = None,
    where: Scheduler | None = None,
) -> StatusReport:
    """Return the health of one profile or of all: those of the configuration, and those that only backups know.

    It ends with damage when a target is bad, or older than its profile's `alarms.max_age` or `max_age` promise; with
    `max_age` also when `where` lacks an entry that is configured.
    Works without configuration and vault. Raises `ProfileNotFoundError`.
    """
    manifests, exists = manifests_of(session)
    chosen = _profiles(session, profile, manifests)
    report = StatusReport(vault=_vault(session, manifests, exists=exists), now=session.now())
    for one in chosen:
        own = [manifest for manifest in manifests if manifest.profile == one.name]
        report.targets += _targets(session, one, own, max_age)
        report.profiles.append(_state(session, one, own))
    report.targets.sort(key=lambda one: (health.WORST_FIRST.index(one.state), one.profile, one.kind, one.path))
    report.jobs = _jobs(session)
    names = {one.name for one in chosen}
    report.queue = queued(session, [manifest for manifest in reversed(manifests) if manifest.profile in names])
    report.paused = all_paused(session)
    if any(one.state == "bad" or any(reason.code == "stale" for reason in one.reasons) for one in report.targets):
        report.ending = Ending.DAMAGE
    if where is not None:
        shown = schedule.look(session, where)
        report.schedule = ByItself(installed=shown.installed, current=shown.current, gone=tuple(shown.gone))
        _look_at_schedule(session, report, shown.gone, strict=max_age is not None)
    _advise(session, report)
    return report


def _look_at_schedule(session: Session, report: StatusReport, gone: Sequence[str], *, strict: bool) -> None:
    """Say what does not run by itself; who watches the age (`strict`) hears of a lost timer before backups get old."""
    if gone:
        report.warn(schedule.GONE, schedule.gone_text(gone), hint="lifeboat schedule install")
        if strict:
            report.ending = Ending.DAMAGE
    elif session.config.profiles and report.schedule is not None and report.schedule.installed == "none":
        report.notes.append(
            "cron and systemd start nothing yet: `lifeboat schedule install`, or in a container `lifeboat schedule run`"
        )


def manifests_of(session: Session) -> tuple[list[Manifest], bool]:
    """Return what is in the vault and not deleted, newest first, and whether there is a vault."""
    try:
        found = sidecar.load_all(session.existing_vault)
        there = [one.manifest for one in found if one.manifest.tombstone is None and not one.in_trash]
    except NotFoundError:
        return [], False
    return sorted(there, key=lambda one: (one.started, one.id), reverse=True), True


def _profiles(session: Session, name: str | None, manifests: Sequence[Manifest]) -> list[Profile]:
    known = {one.name: one for one in session.config.profiles}
    for manifest in manifests:
        known.setdefault(manifest.profile, remembered(manifest))
    if name is None:
        return list(known.values())
    if name not in known:
        raise targets.unknown(name, known)
    return [known[name]]


def _targets(
    session: Session, profile: Profile, own: Sequence[Manifest], max_age: timedelta | None
) -> list[StatusTarget]:
    alarms = health.Alarms(profile.alarms.max_age, profile.alarms.shrink)
    now = session.now()
    seen = observed(session, profile.name)
    assessed = with_next_runs(
        session, health.assess(profile.name, wanted(profile), own, alarms, now=now, observations=seen)
    )
    by_id = {manifest.id: manifest for manifest in own}
    return [_promised(_target(one, by_id, now), max_age, now) for one in assessed]


def _target(target: health.Target, by_id: dict[str, Manifest], now: datetime) -> StatusTarget:
    good = None
    if target.last_good is not None:
        manifest = by_id[target.last_good.id]
        good = GoodCopy(
            id=manifest.id,
            at=target.last_good.at,
            age_s=int((now - target.last_good.at).total_seconds()),
            kind=manifest.kind.value,
            evidence=manifest.evidence.level,
            tested_at=target.last_good.tested_at,
        )
    check = target.last_check
    return StatusTarget(
        profile=target.profile,
        kind=target.kind,
        path=target.path,
        state=target.state,
        reasons=tuple(StatusReason(one.code, one.since, one.text) for one in target.reasons),
        last_good=good,
        failed_since_good=target.failed_since_good,
        next_run=target.next_run,
        last_check=None if check is None else LastLook(check.at, check.kind, check.result),
    )


def _promised(target: StatusTarget, max_age: timedelta | None, now: datetime) -> StatusTarget:
    """Return `target` as bad when its last good copy is older than `max_age`, or there is none."""
    if max_age is None or (target.last_good is not None and now - target.last_good.at <= max_age):
        return target
    since = now if target.last_good is None else target.last_good.at + max_age
    limit = duration_text(max_age.total_seconds())
    said = "there is no good backup" if target.last_good is None else f"the last good backup is older than {limit}"
    others = tuple(reason for reason in target.reasons if reason.code not in ("stale", "no-backup", "no-good-backup"))
    return msgspec.structs.replace(target, state="bad", reasons=(StatusReason("stale", since, said), *others))


def _state(session: Session, profile: Profile, own: Sequence[Manifest]) -> ProfileState:
    regular = [one for one in own if one.kind is not Kind.SAFETY]
    last = regular[0] if regular else None
    return ProfileState(
        profile=profile.name,
        configured=session.known_profile(profile.name) is not None,
        succeeded=sum(one.status in DONE for one in regular),
        failed=sum(one.status is Status.FAILED for one in regular),
        last_status=last.status.value if last is not None else "",
        last_at=last.started if last is not None else None,
        last_error=last.error if last is not None else "",
        rehearsed_at=max(
            (
                one.evidence.when
                for one in regular
                if one.evidence.level == "rehearsed" and one.evidence.when is not None
            ),
            default=None,
        ),
    )


def _vault(session: Session, manifests: Sequence[Manifest], *, exists: bool) -> VaultState:
    done = [one for one in manifests if one.status in DONE]
    free = total = None
    place = next((folder for folder in (session.vault_path, *session.vault_path.parents) if folder.is_dir()), Path("/"))
    try:
        space = shutil.disk_usage(place)
        free, total = space.free, space.total
    except OSError:
        pass
    return VaultState(
        path=str(session.vault_path),
        exists=exists,
        backups=len(done),
        used=sum(one.size for one in done),
        free=free,
        total=total,
    )


def _jobs(session: Session) -> list[StatusJob]:
    """Return the jobs that run and those that were interrupted, of the newest `JOBS_LOOKED_AT`.

    An interrupted one is over and done with when the same was done again since, for that cleaned up after it.
    """
    found = []
    done_again: set[tuple[object, ...]] = set()
    try:
        directories = job_directories(session.state / "jobs")[:JOBS_LOOKED_AT]
    except LifeboatError:
        return []
    for directory in directories:
        try:
            status = job_status(directory, brief=True)
        except LifeboatError:
            continue
        what = (status.spec.op, *status.spec.targets)
        if not status.over or (status.state is JobState.INTERRUPTED and what not in done_again):
            found.append(_job(status))
        elif status.state is not JobState.INTERRUPTED:
            done_again.add(what)
    return found


def _job(status: JobStatus) -> StatusJob:
    return StatusJob(
        id=status.spec.id,
        operation=status.spec.op,
        targets=tuple(plain_name(target) for target in status.spec.targets),
        state=status.state.value,
        started=status.started.ts if status.started is not None else None,
        user=status.spec.by.user,
        step=status.step.title if status.step is not None else "",
    )


def _advise(session: Session, report: StatusReport) -> None:
    if not session.config.profiles and not report.targets:
        report.notes.append("nothing is looked after yet: `lifeboat backup /path/to/app` makes the first backup")
        report.notes.append("`lifeboat config init /path/to/app` writes a configuration that says what to look after")
    elif not report.vault.exists:
        report.notes.append("there is no backup yet: `lifeboat backup` makes the first ones")
    if any(job.state == JobState.INTERRUPTED for job in report.jobs):
        report.notes.append("the next run of a profile cleans up what an interrupted job of it left half done")

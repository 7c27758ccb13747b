"""The plan of a rescue: what is broken, every way out measured on copies, and what would happen in which order."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import (
    FormatError,
    LifeboatError,
    OutdatedPlanError,
    SourceMissingError,
    TargetInUseError,
    UnrepairableError,
    UsageError,
)
from toolkit.jobs.context import Job
from toolkit.operations import diagnose, scratch
from toolkit.operations.application import holding
from toolkit.operations.application.services import Command, commands_of, planned_title
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.pace import takes, timed
from toolkit.operations.pace_records import History
from toolkit.operations.plan import Loss, Needs, Plan, Step
from toolkit.operations.remembered import named as remembered_profile
from toolkit.operations.repairing import mending, outputs, references
from toolkit.operations.repairing.plan import confirm_word, keeps_text, profile_of, refuse_unwritable, safety_title
from toolkit.operations.report import clean
from toolkit.operations.rescuing.report import RescueReport, describe
from toolkit.operations.rescuing.times import Times, tell_ways
from toolkit.operations.rescuing.ways import WAYS, Patient, WayName, study
from toolkit.operations.restoring import replacing
from toolkit.operations.session import Session
from toolkit.profile.adhoc import absolute, is_profile_word
from toolkit.profile.model import DatabaseSource, Profile
from toolkit.sqlite import deleted, swap
from toolkit.sqlite.account import Unproven
from toolkit.sqlite.holders import rescue_first
from toolkit.wording import count_text

COPIES = 6
"""How often the size of a database is needed to make and measure every way out."""

VERSION = 1


class RescueRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to rescue: a profile, or a database by its path. `way` and `backup` choose instead of the recommendation.

    `stop_holders` tells processes that hold a database to end (SIGTERM). `unproven` says where rows of the backup go of
    which nothing tells whether they were deleted since. `look` only plans.
    """

    word: str
    way: WayName | None = None
    backup: StoredBackup | None = None
    unproven: Unproven = "in"
    services: bool = True
    stop_holders: bool = False
    assume_unused: bool = False
    look: bool = False


@dataclass
class RescuePlan:
    """The plan with the work that was done for it; good as long as the block of `prepared` runs.

    `stop` are the services that run, `start` those that failed and are started besides. `kept` keeps deleted files
    readable; it is closed once nothing more is taken from them.
    """

    request: RescueRequest
    profile: Profile
    report: RescueReport
    folder: Path
    patients: list[Patient] = field(default_factory=list)
    plan: Plan = field(default_factory=lambda: Plan(op="rescue", targets=(), steps=()))
    stop: tuple[Command, ...] = ()
    start: tuple[Command, ...] = ()
    used: tuple[holding.Using, ...] = ()
    aside: bool = False
    kept: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def nothing_to_do(self) -> bool:
        """Whether no database needs a rescue."""
        return not self.patients

    @property
    def live(self) -> bool:
        """Whether something may go on writing until it is stopped: then only the files' identity is compared."""
        return bool(self.used or self.stop)


@contextlib.contextmanager
def prepared(session: Session, request: RescueRequest, job: Job) -> Iterator[RescuePlan]:
    """Diagnose, make every way out on copies, and give the plan; the copies go with the block. Nothing is changed.

    Raises `ProfileNotFoundError`, `SourceMissingError`, `UnrepairableError` when there is no way at all,
    `UsageError` for a way that is not possible, `TargetInUseError` for a holder that nobody would stop,
    `ForbiddenError` for a read-only file system, `SpaceError` with the bytes needed, `CancelledError`.
    """
    began = time.monotonic()
    profile, only = _resolve(session, request.word)
    report = RescueReport(profile=profile.name)
    bad = _diagnosed(session, profile, only, job, report)
    for patient in bad:
        refuse_unwritable(patient.path)
    _refuse_holders(request, profile, bad)
    if not request.look and bad:
        with contextlib.suppress(LifeboatError):
            _ = session.vault  # made now, so that the work is done where its result will be
    size = sum(_size(session, patient) for patient in bad)
    with outputs.somewhere(session, job, size * COPIES) as folder, contextlib.ExitStack() as kept:
        made = RescuePlan(request=request, profile=profile, report=report, folder=folder, kept=kept)
        for number, patient in enumerate(bad):
            own = scratch.inner(folder / str(number))
            _reopen(patient, own / "deleted", kept)
            study(
                session,
                patient,
                own,
                job,
                report,
                backup=request.backup,
                wanted=request.way,
                unproven=request.unproven,
            )
            if patient.sound and request.way is None:
                report.left.append(patient.path)
                continue
            _choose(patient, request)
            made.patients.append(patient)
        if made.patients:
            _complete(session, made, began)
        report.databases = [describe(one) for one in made.patients]
        yield made


def _resolve(session: Session, word: str) -> tuple[Profile, str | None]:
    """Return the profile that `word` means, and the one database when it names a file."""
    if is_profile_word(word):
        return remembered_profile(session, word), None
    path = absolute(Path(word))
    if swap.is_barrier(path):
        raise TargetInUseError(
            "a replacement of this database was interrupted", subject=path, hint="lifeboat jobs recover"
        )
    if os.path.isdir(path):
        real = os.path.realpath(path)
        for profile in session.config.profiles:
            if any(f"{os.path.realpath(one.path)}/".startswith(f"{real.rstrip('/')}/") for one in profile.databases):
                return profile, None
        return diagnose.named(session, [word])[0], None
    real = os.path.realpath(path)
    if _is_gone(real) and not references.holding(session, real) and deleted.find(real) is None:
        raise SourceMissingError("no such database, and no backup holds it", subject=path, hint="check the path")
    return profile_of(session, real), real


def _diagnosed(session: Session, profile: Profile, only: str | None, job: Job, report: RescueReport) -> list[Patient]:
    """Return the databases that are not healthy, of the profile or just the one that was named."""
    looked = profile
    if only is not None:
        own = next((one for one in profile.databases if os.path.realpath(one.path) == only), None)
        source = DatabaseSource(path=Path(only)) if own is None else msgspec.structs.replace(own, path=Path(only))
        looked = Profile(name=profile.name, databases=(source,))
    found = diagnose.run(session, diagnose.DiagnoseRequest(profiles=(looked,)), job)
    report.diagnosed = list(found.targets)
    report.healthy = found.healthy
    return [
        Patient(path=one.path, findings=one.findings, deleted=deleted.find(one.path) if _is_gone(one.path) else None)
        for one in found.targets
        if not one.healthy
    ]


def _is_gone(path: str) -> bool:
    return not os.path.lexists(path)


def _reopen(patient: Patient, folder: Path, kept: contextlib.ExitStack) -> None:
    """Keep the deleted files of `patient`, where it has any, until `kept` is closed, whoever ends meanwhile."""
    if patient.deleted is None:
        return
    try:
        patient.source = str(kept.enter_context(deleted.kept(patient.deleted, scratch.inner(folder))))
    except OSError:  # the process has ended since, and the files with it
        patient.deleted = None


def _size(session: Session, patient: Patient) -> int:
    path = patient.path
    held = patient.deleted.parts.values() if patient.deleted is not None else ()
    own = sum(os.path.getsize(part) for part in held if os.path.exists(part)) or outputs.size_of(path)
    if own:
        return own
    newest = next(iter(references.holding(session, path)), None)
    return next((one.size for one in newest.databases if one.path == path), 0) if newest is not None else 0


def _refuse_holders(request: RescueRequest, profile: Profile, bad: list[Patient]) -> None:
    """Raise `TargetInUseError` when a process holds a database and nothing that was allowed would stop it."""
    served = request.services and profile.services
    if request.look or served or request.stop_holders or not bad:
        return
    seen = holding.of_files([one.path for one in bad])
    if seen.found:
        names = ", ".join(sorted(one.text for one in seen.found))
        raise TargetInUseError(
            f"in use by {names}",
            subject=seen.found[0].path,
            hint=rescue_first(seen.found[0].path)
            if seen.found[0].deleted
            else "stop it, name its service in the profile, or give --stop-holders: it is sent SIGTERM",
        )


def _choose(patient: Patient, request: RescueRequest) -> None:
    wanted = request.way
    if wanted is not None:
        way = patient.options[wanted].way
        if not way.possible:
            raise UsageError(
                f"the way {wanted} is not possible: {way.why_not}", subject=patient.path, hint="leave --way out"
            )
        patient.taken = wanted
    if patient.taken is None:
        reasons = "; ".join(f"{name}: {patient.options[name].way.why_not}" for name in WAYS)
        raise UnrepairableError(
            f"there is no safe way out ({reasons})",
            subject=patient.path,
            hint=f"keep the files: lifeboat backup {shlex.quote(patient.path)} --kind emergency",
        )


def _complete(session: Session, made: RescuePlan, began: float) -> None:
    request, paths = made.request, [one.path for one in made.patients]
    seen = holding.of_files(paths)
    made.used = seen.found
    if request.services:
        services = commands_of(made.profile)
        made.stop = holding.running(services)
        made.start = holding.failed([one for one in services if one not in made.stop])
    made.aside = not replacing.vault_takes(session, sum(outputs.size_of(path) for path in paths), make=not request.look)
    times = Times(
        History(session, made.profile.name),
        made.profile.name,
        stop=made.stop,
        start=made.start,
        aside=made.aside,
        live=made.live,
    )
    tell_ways(made.patients, times)
    made.plan = _plan(made, times, time.monotonic() - began)
    made.report.recommended_because = {one.path: describe(one).because for one in made.patients}


def _plan(made: RescuePlan, times: Times, look: float) -> Plan:
    request, patients = made.request, made.patients
    by_profile = is_profile_word(request.word)
    incoming = sum(output.stat().st_size for output in _outputs(patients))
    where = Path(os.path.dirname(patients[0].path))
    durable.require_space(where, incoming, reserve=durable.LEAST_RESERVE, hint=durable.FREE_THERE)
    steps = tuple(timed(step, times.step(step.name, patients)) for step in _steps(made, incoming))
    return Plan(
        op="rescue",
        targets=tuple(one.path for one in patients),
        steps=steps,
        takes=takes(steps, look=look),
        loses=_loss(patients),
        keeps=keeps_text(aside=made.aside)
        if any(outputs.size_of(one.path) for one in patients)
        else "nothing is there now; `lifeboat undo` takes away what came",
        needs=Needs(free=incoming, have=durable.free_bytes(where)),
        confirm="word",
        confirm_word=made.profile.name if by_profile else confirm_word(patients[0].path),
        cli=_command(request),
        state=tuple(line for one in patients for line in state_of(one, live=made.live)),
    ).sealed()


def _outputs(patients: list[Patient]) -> Iterator[Path]:
    for one in patients:
        if one.option is not None and one.option.output is not None:
            yield one.option.output


def state_of(patient: Patient, *, live: bool) -> Iterator[str]:
    """Yield what the plan saw of a database, and which way it takes."""
    option = patient.option
    way = option.way if option is not None else None
    yield f"way|{patient.path}|{patient.taken}|{way.backup if way is not None else ''}"
    if live:
        yield f"{patient.path}|live"
        return
    state = patient.original.state if patient.original is not None else mending.state_of(patient.files)
    for suffix, one in zip(("", "-wal", "-journal"), state, strict=True):
        yield f"{patient.path}{suffix}|{'absent' if one is None else '|'.join(map(str, one))}"
    if option is not None and option.mended is not None:
        yield f"result|{patient.path}|{option.mended.digest}"


def _loss(patients: list[Patient]) -> Loss:
    rows: dict[str, int] = {}
    texts = []
    for one in patients:
        way = one.option.way if one.option is not None else None
        if way is None:
            continue
        name = os.path.basename(one.path)
        texts.append(f"{name}: {way.loses}" if len(patients) > 1 else way.loses)
        for table, row in way.tables.items():
            if row.lost + row.doubtful:
                rows[f"{name}: {table}" if len(patients) > 1 else table] = row.lost + row.doubtful
    since = min((one.option.way.since for one in patients if one.option and one.option.way.since), default=None)
    return Loss(
        text="; ".join(texts), since=since.isoformat(timespec="seconds") if since is not None else None, rows=rows
    )


def _steps(made: RescuePlan, incoming: int) -> Iterator[Step]:
    names: list[tuple[str, str, int]] = []
    if made.stop:
        names.append(("stop", planned_title("stop", made.stop), 0))
    if made.used and made.request.stop_holders:
        told = ", ".join(one.text for one in made.used)
        names.append(("holders", f"tell whoever still has it open to end (SIGTERM); now: {told}", 0))
    names.append(("stage", _stage_title(made.patients), incoming))
    replaced = sum(outputs.size_of(one.path) for one in made.patients)
    if replaced:
        names.append(("safety", safety_title(aside=made.aside), 0 if made.aside else replaced))
    count = len(made.patients)
    names.append(
        ("place", "give it its name" if count == 1 else f"give {count_text(count, 'database')} their names", 0)
    )
    names.append(("check", "check it once more under its name", 0))
    begun = (*made.stop, *made.start)
    if begun:
        names.append(("start", planned_title("start", begun), 0))
    if made.profile.smoke:
        names.append(("smoke", "run the profile's smoke test; if it fails, put everything back", 0))
    offline = False
    for number, (name, title, size) in enumerate(names, 1):
        offline = offline or name in ("stop", "holders")
        yield Step(
            n=number,
            name=name,
            title=title,
            writes_bytes=size,
            deletes=count if name == "place" else 0,
            offline=offline and name not in ("start", "smoke"),
            cancel="never" if name in ("place", "check", "start", "smoke") else "now",
            undo="manual" if name in ("place", "smoke") else "auto",
        )


_TITLES = {
    "deleted": "copy the deleted {0}, which its users still have open, beside its place",
    "mend": "copy the mended {0} beside its place",
    "salvage": "copy what was salvaged of {0}, filled from backup {1}, beside its place",
    "restore": "copy {0} from backup {1} beside its place",
}


def _stage_title(patients: list[Patient]) -> str:
    titles = []
    for one in patients:
        way = one.option.way if one.option is not None else None
        if way is not None:
            kind = "deleted" if one.deleted is not None and way.name == "mend" else way.name
            titles.append(_TITLES[kind].format(os.path.basename(one.path), way.backup))
    return "; ".join(titles)


def _command(request: RescueRequest) -> str:
    words = ["lifeboat", "rescue", request.word]
    if request.way is not None:
        words += ["--way", request.way]
    if request.backup is not None:
        words += ["--from", request.backup.manifest.id]
    if request.unproven != "in":
        words += ["--refill-unproven", request.unproven]
    if not request.services:
        words.append("--no-services")
    if request.stop_holders:
        words.append("--stop-holders")
    return shlex.join(words)


def keep(path: Path, made: RescuePlan) -> None:
    """Write the plan to the file `path`, so that exactly this one can be done later."""
    document = {
        "lifeboat_rescue": VERSION,
        "word": made.request.word,
        "digest": made.plan.digest,
        "plan": msgspec.to_builtins(made.plan),
    }
    with durable.translated(path):
        durable.write_file(path, msgspec.json.format(msgspec.json.encode(clean(document)), indent=1) + b"\n")


def require_kept(path: Path, made: RescuePlan) -> None:
    """Raise `OutdatedPlanError` unless the plan in the file `path` is this one; `FormatError` when it is no plan."""
    with durable.translated(path):
        data = path.read_bytes()
    try:
        document: Any = msgspec.json.decode(data)
        version, digest = document["lifeboat_rescue"], document["digest"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise FormatError(
            "this is no plan of a rescue", subject=path, hint="make one with --dry-run --plan FILE"
        ) from error
    if version > VERSION:
        raise FormatError("the plan file is of a newer Lifeboat", subject=path, hint="upgrade Lifeboat")
    if digest != made.plan.digest:
        raise OutdatedPlanError(
            "the database changed since the plan file was made, or it is for another one; nothing was changed",
            subject=path,
            hint="make it again with --dry-run --plan FILE",
        )

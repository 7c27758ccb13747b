"""The same operations on many servers: what is run there, what each one answered, and how it ended all together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import UsageError
from toolkit.events import Level, RawName, plain_name
from toolkit.fleet import collection, inventory, playbook
from toolkit.fleet.host import Contact, HostRun, News, Result
from toolkit.fleet.inventory import Host
from toolkit.jobs.context import Job
from toolkit.jobs.state import job_directories, job_status
from toolkit.operations.pace import Estimate, takes, timed
from toolkit.operations.plan import Plan, Step, Takes
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.profile import locations
from toolkit.wording import count_text

DESTRUCTIVE = ("repair", "restore", "rescue")
"""Operations that show their plan on every server first, and are confirmed for all of them at once."""

PLAYBOOKS = {"install": "site"}
"""Operations whose playbook has another name."""

OWN_WORDS = {"rehearse": ("--rehearse",)}
"""Options that a playbook gives by itself: what is given from here takes their place."""

INVENTORY = "LIFEBOAT_INVENTORY"

_INCOMPLETE, _DAMAGE = 3, 4
"""Exit codes of a command that could not do all, and of one that found damage (DESIGN.md section 6)."""


class FleetRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to do on which servers: `targets` are the arguments of the command there, `words` its options.

    `digests` are the digests of the plans that were confirmed, by server; `None` where nothing needs to be, and then a
    destructive operation only makes its plan.
    """

    operation: str
    inventory: tuple[str, ...]
    limit: str = ""
    forks: int = 20
    targets: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    digests: dict[str, str] | None = None


class HostRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one server.

    `outcome` is that of the command there, `failed` where it could not run; `reached` False: the server did not answer.
    `exit` is the command's exit code (null: none ran), `error` a sentence, `report` the command's whole JSON document,
    `heard` when that came. `planned`: it only made its plan, for which exit 3 (not all can be had back) is an answer.
    """

    outcome: str
    reached: bool = True
    planned: bool = False
    changed: bool = False
    exit: int | None = None
    error: str = ""
    heard: datetime | None = None
    report: dict[str, Any] = {}

    @property
    def plan(self) -> dict[str, Any] | None:
        """The plan in the report, as JSON gives it."""
        found = self.report.get("plan")
        return found if isinstance(found, dict) else None

    @property
    def went_well(self) -> bool:
        """Whether the command there did all that was asked, and found nothing wrong."""
        return self.outcome in ("ok", "warn") and (not self.exit or (self.planned and self.exit == _INCOMPLETE))

    @property
    def why(self) -> str:
        """What somebody should know of it: the error, else what its report warns of and found, else its notes."""
        said = [self.error] if self.error else [*_warned(self.report), *_found(self.report)]
        if not said and not self.went_well:
            said = [f"it ended with exit code {self.exit}"]
        return "; ".join(said or map(str, self.report.get("notes") or ()))


def _warned(report: dict[str, Any]) -> Iterator[str]:
    for one in report.get("warnings") or ():
        subject = plain_name(msgspec.convert(one.get("subject") or "", RawName | str))
        yield f"{subject}: {one['message']}" if subject else str(one["message"])


def _found(report: dict[str, Any]) -> Iterator[str]:
    """Yield what is damaged, of the reports of `diagnose` and `verify`, and what a plan loses."""
    for one in report.get("targets") or ():
        if one.get("healthy") is False:
            found = [item["message"] for item in one.get("findings") or () if item.get("severity") != "notice"]
            path = plain_name(msgspec.convert(one["path"], RawName | str))
            yield f"{path} is damaged" + (f": {found[0]}" if found else "")
    planned = ((report.get("plan") or {}).get("loses") or {}).get("text") or "nothing"
    if planned != "nothing":
        yield f"loses {planned}"
    for one in report.get("databases") or ():
        done = [way["loses"] for way in one.get("ways") or () if way.get("name") == one.get("way")]
        yield from (f"lost {loses}" for loses in done if loses not in ("", "nothing"))
    for one in report.get("backups") or ():
        if one.get("ok") is False:
            yield f"backup {one.get('id', '')} is not good"


class HostsReport(Report, kw_only=True):
    """The report of `fleet hosts`: what the inventory holds."""

    inventory: list[str] = msgspec.field(default_factory=list)
    hosts: dict[str, Host] = msgspec.field(default_factory=dict)


class FleetReport(Report, kw_only=True):
    """The report of every other `fleet` command: a row for each server that was meant. It took `seconds`."""

    operation: str
    hosts: dict[str, HostRow] = msgspec.field(default_factory=dict)
    seconds: float = 0.0
    plan: Plan | None = None


def request(
    session: Session, operation: str, sources: Sequence[Path], *, forks: int | None = None, **more: Any
) -> FleetRequest:
    """Return the request for `operation`, with the inventory of `sources`, the environment, or the configuration.

    Raises `UsageError` where none of them names one.
    """
    configured = session.config.fleet
    named = [str(one) if "," in str(one) else str(one.absolute()) for one in sources]  # `web-01,web-02,` is no file
    if not named and session.environ.get(INVENTORY):
        named = [session.environ[INVENTORY]]
    if not named and configured.inventory is not None:
        named = [str(configured.inventory)]
    if not named:
        raise UsageError(
            "which servers? no inventory was named",
            hint=f"give -i FILE, set {INVENTORY}, or write fleet: {{inventory: FILE}} into the configuration",
        )
    return FleetRequest(operation=operation, inventory=tuple(named), forks=forks or configured.forks, **more)


def hosts(session: Session, asked: FleetRequest) -> HostsReport:
    """Return the servers that are meant. Raises what reading the inventory raises."""
    found = inventory.hosts(asked.inventory, asked.limit, session.environ)
    return HostsReport(inventory=list(asked.inventory), hosts={host.name: host for host in found})


def run(session: Session, asked: FleetRequest, job: Job) -> FleetReport:
    """Run the operation on every server that is meant; those that fail do not stop the others.

    A destructive one without `digests` only makes its plan on each. Raises what reading the inventory raises,
    `FleetError` where Ansible cannot begin, `CancelledError`; what had begun on a server may still go on there.
    """
    began = time.monotonic()
    teller = _Teller(job, asked.operation)
    ran = playbook.run(
        _play(session, asked),
        _folder(session, job),
        session.environ,
        listener=teller,
        meant=teller.meant,
        should_stop=job.should_stop,
    )
    report = FleetReport(operation=asked.operation, hosts={name: row_of(host) for name, host in ran.items()})
    report.seconds = round(time.monotonic() - began, 1)
    conclude(report)
    return report


def _play(session: Session, asked: FleetRequest) -> playbook.Request:
    variables: dict[str, Any] = {"lifeboat_run_targets": list(asked.targets), "lifeboat_run_quiet": True}
    words = (*OWN_WORDS.get(asked.operation, ()), *asked.words)
    if words:
        variables["lifeboat_run_options"] = list(words)
    if session.lock_wait:
        variables["lifeboat_run_lock_wait"] = f"{round(session.lock_wait)}s"
    if asked.operation in DESTRUCTIVE:
        variables |= {"lifeboat_serial": "100%", "lifeboat_max_fail_percentage": 100}
        variables |= {"lifeboat_run_confirmed": asked.digests is not None, "lifeboat_run_digests": asked.digests or {}}
    return playbook.Request(
        inventory=asked.inventory,
        limit=asked.limit,
        forks=asked.forks,
        playbook=f"{collection.NAME}.{PLAYBOOKS.get(asked.operation, asked.operation)}",
        variables=variables,
        collections=collection.where(locations.cache_directory(session.environ, session.uid)),
    )


def _folder(session: Session, job: Job) -> Path:
    """Return where the run of `job` keeps its files; what dead runs left is removed."""
    above = session.state / "fleet"
    store = session.state / "jobs"
    if above.is_dir():
        import shutil

        going = {one.name for one in job_directories(store) if job_status(one).state in ("running", "queued")}
        for left in above.iterdir():
            if left.is_dir() and left.name not in going:
                shutil.rmtree(left, ignore_errors=True)
    return above / job.id


class _Teller:
    """Tells a job what happens on the servers."""

    def __init__(self, job: Job, operation: str) -> None:
        self._job = job
        self._operation = operation
        self._ended: set[str] = set()
        self._total = 0
        self._progress = job.progress(unit="hosts")

    def meant(self, names: Sequence[str]) -> None:
        """Begin the step on these servers; raises `CancelledError` when the job was cancelled."""
        self._total = len(names)
        self._job.step("servers", f"{self._operation} on {count_text(self._total, 'server')}")
        self._progress = self._job.progress(unit="hosts", total=self._total)

    def __call__(self, news: News, host: HostRun) -> None:
        say = self._job.log
        if news is News.TASK:
            say(Level.DEBUG, "host-task", host.task, host=host.name)
            return
        if news is News.RESULT:
            result = host.results[-1]
            word = "failed" if result.failed else "done"
            say(Level.INFO, "host-result", f"{result.operation} {word}", host=host.name, exit=result.exit)
        elif news is News.UNREACHABLE:
            say(Level.ERROR, "host-unreachable", host.error, host=host.name)
        elif news is News.FAILED:
            say(Level.ERROR, "host-failed", host.error, host=host.name)
        else:
            say(Level.INFO, "host-done", "done", host=host.name)
        self._ended.add(host.name)
        self._progress.at(host.name)
        self._progress(len(self._ended), self._total)


def row_of(host: HostRun) -> HostRow:
    """Return what became of a server, from all that is known of it."""
    last = host.results[-1] if host.results else None
    if host.contact is Contact.UNREACHABLE:
        return HostRow(outcome="failed", reached=False, error=host.error)
    if last is not None:
        return _answered(last, host)
    if host.contact is Contact.DONE:
        return HostRow(outcome="ok", changed=host.changed)
    if host.contact is Contact.FAILED:
        return HostRow(outcome="failed", error=host.error)
    return HostRow(outcome="failed", reached=False, error="its turn did not come: the run had ended before")


def _answered(result: Result, host: HostRun) -> HostRow:
    said = str(result.report.get("outcome") or ("failed" if result.failed else "ok"))
    error = result.error or (host.error if host.contact is Contact.FAILED and not result.report else "")
    return HostRow(
        outcome="failed" if said == "ok" and result.failed else said,
        changed=result.changed,
        exit=result.exit,
        planned=result.planned,
        error=error,
        heard=host.heard,
        report=result.report,
    )


def conclude(report: FleetReport) -> None:
    """Set how it ended from the rows, and name every server where not all went well as a warning.

    To `status` damage is an answer like others, which its rows give.
    """
    rows = report.hosts
    wrong = {name: row for name, row in rows.items() if not row.went_well}
    bad = {name: row for name, row in wrong.items() if report.operation != "status" or row.exit != _DAMAGE}
    report.changed = any(row.changed for row in rows.values())
    if rows and not any(row.reached for row in rows.values()):
        report.ending = Ending.UNREACHED
    elif any(row.exit != _DAMAGE for row in bad.values()):
        report.ending = Ending.INCOMPLETE
    elif wrong:
        report.ending = Ending.DAMAGE
    for name, row in bad.items():
        code = "host-damaged" if row.exit == _DAMAGE else "host-failed" if row.reached else "host-unreachable"
        report.warn(code, row.why, subject=name)
    if rows:
        good = len(rows) - len(bad)
        report.notes.append(f"{report.operation}: {good} of {count_text(len(rows), 'server')} went well")


def plan_of(report: FleetReport, asked: FleetRequest) -> FleetRequest | None:
    """Make the plan for all servers out of their plans (into `report`), and return the request that does just that.

    None where no server has anything to do.
    """
    plans = {name: row.plan for name, row in report.hosts.items() if row.plan is not None and row.plan.get("steps")}
    steps = tuple(
        timed(Step(n=number, name=name, title=_summary(plan), undo="manual"), _estimate(plan))
        for number, (name, plan) in enumerate(plans.items(), 1)
    )
    word = count_text(len(plans), "host")
    report.plan = Plan(
        op=f"fleet {asked.operation}",
        targets=tuple(plans),
        steps=steps,
        takes=_takes(steps, report.seconds, asked.forks) if plans else Takes(),
        keeps="each server keeps what is replaced in a safety backup; `lifeboat undo` there puts it back",
        confirm="word" if plans else "none",
        confirm_word=word if plans else "",
        state=tuple(f"{name}|{plan.get('digest', '')}" for name, plan in plans.items()),
    ).sealed()
    report.changed = False
    if not plans:
        return None
    digests = {name: str(plan.get("digest", "")) for name, plan in plans.items()}
    return msgspec.structs.replace(asked, digests=digests, limit=",".join(plans))


def _estimate(plan: dict[str, Any]) -> Estimate | None:
    """Return how long a server says that its plan takes; None where its Lifeboat does not say."""
    try:
        told = msgspec.convert(plan.get("takes") or {}, Takes)
    except msgspec.ValidationError:
        return None
    return None if told.est_s is None else Estimate(seconds=told.est_s, by=told.by)


def _takes(steps: Sequence[Step], look: float, forks: int) -> Takes:
    """Return how long all servers take, `forks` at once: each makes its plan again first, as long as that took."""
    told = takes(steps, look=look)
    known = [step.est_s for step in steps if step.est_s is not None]
    if not known:
        return told
    together = max(*known, sum(known) / forks, 0.0)
    return msgspec.structs.replace(told, est_s=round(look + together, 1), look_s=None)


def _summary(plan: dict[str, Any]) -> str:
    targets = ", ".join(map(str, plan.get("targets") or ())) or "nothing"
    loses = (plan.get("loses") or {}).get("text") or ""
    return f"{plan.get('op', '')} {targets}" + (f"; loses {loses}" if loses else "")


def merged(first: FleetReport, second: FleetReport) -> FleetReport:
    """Return the report of doing what was planned: `second`, with the servers of `first` that had no plan."""
    rows = {**first.hosts, **second.hosts}
    report = FleetReport(operation=second.operation, hosts=rows)
    conclude(report)
    return report

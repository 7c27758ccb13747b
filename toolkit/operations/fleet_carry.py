"""A backup of one server brought to others by way of this machine, for moving and for rehearsals elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import BackupNotFoundError, FleetError
from toolkit.events import ShouldStop, never_stop
from toolkit.fleet import collection, inventory, playbook
from toolkit.fleet.host import Contact, HostRun, News
from toolkit.jobs.context import Job
from toolkit.operations.fleet import FleetRequest
from toolkit.operations.session import Session
from toolkit.profile import locations

PLACE = "/var/tmp/lifeboat-carried-{job}"  # noqa: S108 - on the servers, 0700, by a name that only this job has
"""Where a carried backup lies on a server until it is restored."""

_BESIDE = (".manifest.json", ".files.jsonl.zst")


@contextlib.contextmanager
def carried(session: Session, asked: FleetRequest, source: str, backup: str, job: Job) -> Iterator[FleetRequest]:
    """Bring `backup` of the server `source` to the servers of `asked`; yield the request that restores it there.

    It is removed from all machines at the end. Raises `BackupNotFoundError` or `FleetError` where `source` does not
    give it, and what reading the inventory and running Ansible raise.
    """
    there = inventory.hosts(asked.inventory, asked.limit, session.environ)
    names = tuple(host.name for host in there)
    place = PLACE.format(job=job.id)
    folder = session.state / "fleet" / f"{job.id}-carried"
    durable.make_directory(folder)
    run = _Ansible(session, asked, job)
    try:
        job.step("carry", f"Bringing {backup} of {source} here, and to {len(names)} servers")
        _fetch(run, source, names, backup, folder=folder, place=place)
        yield msgspec.structs.replace(asked, targets=(f"{place}/{_archive(folder, backup)}",))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(FleetError):
            run.clear(names, place)


class _Ansible:
    """Runs the playbooks that carry."""

    def __init__(self, session: Session, asked: FleetRequest, job: Job) -> None:
        self._session = session
        self._asked = asked
        self._job = job
        self._runs = 0

    def clear(self, hosts: tuple[str, ...], place: str) -> None:
        """Remove what was brought, also when the job is cancelled: it holds the data of another server."""
        limit = ",".join(hosts)
        self.play("carried", hosts, {"lifeboat_carry_place": place}, limit=limit, should_stop=never_stop)

    def play(
        self,
        name: str,
        hosts: tuple[str, ...],
        variables: dict[str, Any],
        *,
        limit: str,
        should_stop: ShouldStop | None = None,
    ) -> dict[str, HostRun]:
        """Run one of them, until the job is cancelled or `should_stop` says so; what fails is in the log of the job."""
        session, self._runs = self._session, self._runs + 1

        def tell(news: News, host: HostRun) -> None:
            if news in (News.FAILED, News.UNREACHABLE):
                self._job.log("error", f"host-{news}", host.error, host=host.name)

        return playbook.run(
            playbook.Request(
                inventory=self._asked.inventory,
                hosts=hosts,
                limit=limit,
                forks=self._asked.forks,
                playbook=f"{collection.NAME}.{name}",
                variables=variables,
                collections=collection.where(locations.cache_directory(session.environ, session.uid)),
            ),
            session.state / "fleet" / f"{self._job.id}-{name}",
            session.environ,
            listener=tell,
            should_stop=should_stop or self._job.should_stop,
        )


def _fetch(run: _Ansible, source: str, names: tuple[str, ...], backup: str, *, folder: Path, place: str) -> None:
    everybody = tuple(dict.fromkeys((source, *names)))
    ran = run.play(
        "carry",
        everybody,
        {
            "lifeboat_carry_from": source,
            "lifeboat_carry_to": ",".join(names),
            "lifeboat_carry_backup": backup,
            "lifeboat_carry_folder": str(folder),
            "lifeboat_carry_place": place,
            "lifeboat_run_quiet": True,
        },
        limit=",".join(everybody),
    )
    giver = ran[source]
    result = giver.results[-1] if giver.results else None
    if result is not None and result.exit == _NOTHING:
        raise BackupNotFoundError("this server has no such backup", subject=source, hint="lifeboat fleet status")
    if giver.contact in (Contact.FAILED, Contact.UNREACHABLE, Contact.WAITING):
        raise FleetError(giver.error or "it is not in the inventory", subject=source, hint="lifeboat fleet ping")


_NOTHING = 10
"""The exit code of a command that found no such backup (DESIGN.md section 6)."""


def _archive(folder: Path, backup: str) -> str:
    """Return the name of the archive, or of its first volume, among the files that came."""
    names = sorted(name for name in os.listdir(folder) if not name.endswith(_BESIDE))
    if not names:
        raise FleetError("no archive came from the server", subject=backup)
    return names[0]

"""One playbook over many servers, through ansible-runner; what happens on each is told as it happens.

ansible-runner has traps, which are met here: it switches the check of host keys off, finds `ansible-playbook` on PATH
only, keeps the whole environment in a file of its folder, and ends a cancelled run in a way that leaves Ansible's
workers behind. So host keys are checked by an explicit setting, PATH begins with our own programs, the folder is
private and removed at the end, and a cancelled run gets SIGTERM, which Ansible passes on to its workers.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import CancelledError, FleetError
from toolkit.events import ShouldStop, never_stop
from toolkit.fleet.host import Contact, HostRun, Listener, News, Result
from toolkit.fleet.programs import environment, program

REPORT = "Report"
"""The task of the role `lifeboat_run` that carries what the command answered."""

_ENDS = ("runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped")
_PATIENCE = 1
"""Seconds between two looks at whether to stop."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: a playbook by its full name, or a module; on which servers, with which variables (never a secret).

    `collections` is the folder that holds the collection of `playbook`.
    """

    inventory: tuple[str, ...]
    hosts: tuple[str, ...]
    playbook: str = ""
    module: str = ""
    limit: str = ""
    forks: int = 20
    variables: dict[str, Any] = {}
    collections: Path | None = None


def run(
    request: Request,
    folder: Path,
    environ: Mapping[str, str],
    *,
    listener: Listener,
    should_stop: ShouldStop = never_stop,
) -> dict[str, HostRun]:
    """Run it, and return what became of each server of `request.hosts`, by name.

    `folder` is not there yet; it is made private, and is gone at the end. Raises `FleetError` where Ansible is not
    installed or cannot begin (a playbook with an error, say), and `CancelledError` after `should_stop` answered True:
    then Ansible and its workers have ended, while a command that had begun on a server may still run there.
    """
    programs = program("ansible-playbook" if request.playbook else "ansible", environ)
    durable.make_directory(folder)
    os.chmod(folder, 0o700)
    try:
        return _Run(request, folder, environment(environ), listener, should_stop, Path(programs).parent).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Run:
    def __init__(
        self,
        request: Request,
        folder: Path,
        env: dict[str, str],
        listener: Listener,
        should_stop: ShouldStop,
        programs: Path,
    ) -> None:
        self._request = request
        self._folder = folder
        self._env = {**env, "PATH": f"{programs}{os.pathsep}{env['PATH']}"}
        if request.collections is not None:
            others = env.get("ANSIBLE_COLLECTIONS_PATH", "~/.ansible/collections:/usr/share/ansible/collections")
            self._env["ANSIBLE_COLLECTIONS_PATH"] = f"{request.collections}{os.pathsep}{others}"
        self._listener = listener
        self._should_stop = should_stop
        self._stopping = False
        self._said: list[str] = []
        self._trouble: BaseException | None = None
        self.hosts = {name: HostRun(name=name) for name in request.hosts}

    def run(self) -> dict[str, HostRun]:
        from ansible_runner import Runner, RunnerConfig

        request = self._request
        config = RunnerConfig(
            private_data_dir=str(self._folder),
            inventory=list(request.inventory),
            limit=request.limit or None,
            forks=request.forks,
            envvars=self._env,
            quiet=True,
            settings={"pexpect_timeout": _PATIENCE, "suppress_ansible_output": True},
            **(
                {"playbook": request.playbook}
                if request.playbook
                else {"module": request.module, "host_pattern": "all"}
            ),
        )
        self._write_variables()
        config.prepare()
        runner = Runner(config, event_handler=self._event, cancel_callback=self._stop)
        status, code = runner.run()
        if self._trouble is not None:
            raise self._trouble
        if self._stopping:
            raise CancelledError("cancelled")
        if all(host.contact is Contact.WAITING for host in self.hosts.values()):
            raise FleetError(
                self._said[-1] if self._said else "Ansible could not begin",
                subject=request.playbook or request.module,
                hint=f"it ended with {status} ({code})",
            )
        return self.hosts

    def _write_variables(self) -> None:
        """Write the variables where only we can read them: given otherwise, they would be on the command line."""
        if not self._request.variables:
            return
        folder = self._folder / "env"
        durable.make_directory(folder)
        durable.write_file(folder / "extravars", msgspec.json.encode(self._request.variables))

    def _event(self, event: dict[str, Any]) -> bool:
        """Take one event of Ansible; False: ansible-runner need not keep it."""
        try:
            self._take(event)
        except BaseException as error:  # noqa: BLE001 - ansible-runner would swallow it; it is raised when the run ends
            self._trouble = self._trouble or error
            self._end()
        return False

    def _take(self, event: dict[str, Any]) -> None:
        kind, data = event.get("event", ""), event.get("event_data") or {}
        host = self.hosts.get(data.get("host", ""))
        if host is None:
            if kind in ("verbose", "error", "") and event.get("stdout", "").strip():
                self._said.append(event["stdout"].strip().splitlines()[0])
            if kind == "playbook_on_stats":
                self._settle(data)
            return
        if kind == "runner_on_start":
            host.contact, host.task = Contact.RUNNING, str(data.get("task", ""))
            self._listener(News.TASK, host)
        elif kind in _ENDS:
            self._ended(kind, host, data)

    def _ended(self, kind: str, host: HostRun, data: dict[str, Any]) -> None:
        res = data.get("res") or {}
        if kind == "runner_on_unreachable":
            host.contact, host.error = Contact.UNREACHABLE, _sentence(res)
            self._listener(News.UNREACHABLE, host)
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            host.contact, host.error = Contact.FAILED, _sentence(res)
            self._listener(News.FAILED, host)
        elif kind == "runner_on_ok":
            facts = res.get("ansible_facts") or {}
            host.facts.update(facts)
            if "lifeboat_run_result" in facts and data.get("task") == REPORT:
                host.heard = datetime.now(UTC)
                host.results.append(msgspec.convert(facts["lifeboat_run_result"], Result, strict=False))
                self._listener(News.RESULT, host)

    def _settle(self, data: dict[str, Any]) -> None:
        """Take Ansible's last word on each server."""
        for name in data.get("ok") or {}:
            host = self.hosts.get(name)
            if host is not None and host.contact is Contact.RUNNING:
                host.contact, host.task = Contact.DONE, ""
                self._listener(News.DONE, host)

    def _stop(self) -> bool:
        """Have a run that is to stop end; ansible-runner's own way (answering True) would leave workers behind."""
        if not self._stopping and self._should_stop():
            self._stopping = True
            self._end()
        return False

    def _end(self) -> None:
        for pid in _children():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue


def _sentence(res: dict[str, Any]) -> str:
    for key in ("msg", "stderr", "module_stderr", "stdout"):
        text = res.get(key)
        if isinstance(text, str) and text.strip():
            return " ".join(text.split()).removeprefix("Task failed: ")[:2000]
    return "it failed without a word"


def _children() -> list[int]:
    """Return the processes of Ansible that this process started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except OSError:
            continue
        for pid in map(int, pids):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b"ansible" in command:
                found.append(pid)
    return found

"""One playbook over many servers, through ansible-runner; what happens on each is told as it happens.

ansible-runner has traps, which are met here: it switches the check of host keys off, finds `ansible-playbook` on PATH
only, keeps the whole environment in a file of its folder, and ends a cancelled run in a way that leaves Ansible's
workers behind. So host keys are checked by an explicit setting, PATH begins with our own programs, the folder is
private and removed at the end, and a cancelled run gets SIGTERM, which Ansible passes on to its workers.

Its own callback writes two files for each task on each server, which cost a tenth of the whole run; and which servers
are meant is known to the run only, or to a second reading of the inventory. So a callback of ours tells both
(`toolkit.fleet.news`), and ansible-runner passes on its lines.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import CancelledError, FleetError
from toolkit.events import ShouldStop, never_stop
from toolkit.fleet import inventory, news
from toolkit.fleet.host import Contact, HostRun, Listener
from toolkit.fleet.programs import environment, program

_PATIENCE = 1
"""Seconds between two looks at whether to stop."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: a playbook by its full name, on which servers, with which variables (never a secret).

    `collections` is the folder that holds the collection lifeboat.toolkit. `hosts` are servers of which there is an
    account at the end though no play may be meant for them.
    """

    inventory: tuple[str, ...]
    playbook: str
    collections: Path
    hosts: tuple[str, ...] = ()
    limit: str = ""
    forks: int = 20
    variables: dict[str, Any] = {}


def _nobody(_: Sequence[str]) -> None:
    """Take no notice of which servers are meant."""


def run(
    request: Request,
    folder: Path,
    environ: Mapping[str, str],
    *,
    listener: Listener,
    meant: Callable[[Sequence[str]], object] = _nobody,
    should_stop: ShouldStop = never_stop,
) -> dict[str, HostRun]:
    """Run it, and return what became of each server that was meant, in the order of their names.

    `meant` is called with their names as soon as they are known, before anything is heard of one, and again where a
    later play is meant for others too. `folder` is not there yet; it is made private, and is gone at the end. Raises
    what `inventory.hosts` raises where there is no server, `FleetError` where Ansible is not installed or cannot
    begin (a playbook with an error, say), and `CancelledError` after `should_stop` answered True: then Ansible and
    its workers have ended, while a command that had begun on a server may still run there.
    """
    inventory.require(request.inventory)
    programs = Path(program("ansible-playbook", environ)).parent
    durable.make_directory(folder)
    os.chmod(folder, 0o700)
    mark = secrets.token_hex(8)
    account = news.Account(request.hosts, mark, listener=listener, meant=meant)
    try:
        return _Run(request, folder, _settings(request, environ, programs, mark), account, should_stop).run(environ)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(request: Request, environ: Mapping[str, str], programs: Path, mark: str) -> dict[str, str]:
    """Return the environment of Ansible: its programs, our collection before others, and what marks our lines."""
    env = environment(environ)
    others = env.get("ANSIBLE_COLLECTIONS_PATH", "~/.ansible/collections:/usr/share/ansible/collections")
    return {
        **env,
        "PATH": f"{programs}{os.pathsep}{env['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": f"{request.collections}{os.pathsep}{others}",
        news.MARK: mark,
    }


class _Run:
    def __init__(
        self, request: Request, folder: Path, env: dict[str, str], account: news.Account, should_stop: ShouldStop
    ) -> None:
        self._request = request
        self._folder = folder
        self._env = env
        self._account = account
        self._should_stop = should_stop
        self._stopping = False
        self._trouble: BaseException | None = None

    def run(self, environ: Mapping[str, str]) -> dict[str, HostRun]:
        from ansible_runner import Runner, RunnerConfig

        request = self._request
        config = RunnerConfig(
            private_data_dir=str(self._folder),
            inventory=list(request.inventory),
            limit=request.limit or None,
            forks=request.forks,
            envvars=self._env,
            quiet=True,
            settings={"pexpect_timeout": _PATIENCE, "suppress_ansible_output": True, "suppress_output_file": True},
            playbook=request.playbook,
        )
        self._write_variables()
        config.prepare()
        self._use_our_callback(config.env)
        runner = Runner(config, event_handler=self._event, cancel_callback=self._stop)
        status, code = runner.run()
        if self._trouble is not None:
            raise self._trouble
        if self._stopping:
            raise CancelledError("cancelled")
        hosts = self._account.hosts
        if all(host.contact is Contact.WAITING for host in hosts.values()):
            inventory.hosts(request.inventory, request.limit, environ)
            raise FleetError(
                self._account.complaint() or "Ansible could not begin",
                subject=request.playbook,
                hint=f"it ended with {status} ({code})",
            )
        return dict(sorted(hosts.items()))

    def _use_our_callback(self, env: dict[str, str]) -> None:
        """Take out the place of ansible-runner's own, which changes all output as soon as it is loaded."""
        env["ANSIBLE_STDOUT_CALLBACK"] = news.CALLBACK
        if "ANSIBLE_CALLBACK_PLUGINS" in self._env:
            env["ANSIBLE_CALLBACK_PLUGINS"] = self._env["ANSIBLE_CALLBACK_PLUGINS"]
        else:
            del env["ANSIBLE_CALLBACK_PLUGINS"]

    def _write_variables(self) -> None:
        """Write the variables where only we can read them: given otherwise, they would be on the command line."""
        if not self._request.variables:
            return
        folder = self._folder / "env"
        durable.make_directory(folder)
        durable.write_file(folder / "extravars", msgspec.json.encode(self._request.variables))

    def _event(self, event: dict[str, Any]) -> bool:
        """Take a line, which comes as an event; False: ansible-runner need not keep it."""
        try:
            self._account.take(event.get("stdout", ""))
        except BaseException as error:  # noqa: BLE001 - ansible-runner would swallow it; it is raised when the run ends
            self._trouble = self._trouble or error
            self._end()
        return False

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

"""Servers for the whole run, wheelhouses of this and of an older version, and a way to run the playbooks on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.architecture.sources import ROOT
from tests.makers.servers import CGROUPS, NEEDS, Servers, call
from toolkit import __version__
from toolkit.fleet.collection import where

OLDER = "0.0.9"
SHARED = "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=2"
"""Connections that plays share, as with Ansible's own settings; what is known of a host's key is not asked again."""
BIN = Path(sys.executable).parent
SUITES = {"one": "bookworm", "two": "trixie", "three": "bookworm"}


@dataclass
class Played:
    """A run of a playbook, as ansible-runner tells it."""

    code: int
    events: list[dict[str, Any]]
    output: str

    def stats(self, kind: str) -> set[str]:
        """Return the hosts with `changed`, `failures` or `dark` (unreachable) tasks."""
        return set(next(one for one in self.events if one["event"] == "playbook_on_stats")["event_data"][kind])

    def results(self, host: str) -> list[dict[str, Any]]:
        """Return what the role lifeboat_run reported of `host`, in its order."""
        data = [one["event_data"] for one in self.events if one["event"] == "runner_on_ok"]
        return [
            one["res"]["ansible_facts"]["lifeboat_run_result"]
            for one in data
            if one["host"] == host and one.get("role") == "lifeboat_run" and one["task"] == "Report"
        ]

    def said(self, host: str) -> str:
        """Return why `host` failed or was not reached."""
        ends = ("runner_on_failed", "runner_on_unreachable")
        data = [one["event_data"] for one in self.events if one["event"] in ends and one["event_data"]["host"] == host]
        return " ".join(str(one["res"].get("msg")) for one in data)


@dataclass
class Player:
    """Runs the playbooks of the collection on servers, with host keys checked."""

    servers: Servers
    folder: Path
    variables: dict[str, Any]
    count: int = 0

    def prepared(
        self, name: str, hosts: tuple[str, ...], options: str, variables: dict[str, Any], *, shared: bool = True
    ) -> list[str]:
        self.count += 1
        private = self.folder / f"{self.count}-{name}"
        (private / "env").mkdir(parents=True)
        environment = {
            "ANSIBLE_COLLECTIONS_PATH": str(where(self.folder)),
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_TIMEOUT": "4",
            "ANSIBLE_SSH_ARGS": SHARED if shared else "-o ControlMaster=no -o ControlPath=none",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.servers.connections),
            "HOME": str(self.folder),
            "PATH": f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
        }
        (private / "env" / "envvars").write_text(json.dumps(environment))
        (private / "env" / "extravars").write_text(json.dumps({**self.variables, **variables}))
        words = f"{options} --limit {','.join(hosts)}" if hosts else options
        command = [str(BIN / "ansible-runner"), "run", str(private), "--playbook", f"lifeboat.toolkit.{name}"]
        command += ["--inventory", str(self.servers.inventory), "--ident", "run", "--quiet"]
        return [*command, "--cmdline", words] if words.strip() else command

    def __call__(self, name: str, *hosts: str, options: str = "", shared: bool = True, **variables: Any) -> Played:
        command = self.prepared(name, hosts, options, variables, shared=shared)
        ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        artifacts = Path(command[2]) / "artifacts" / "run"
        files = sorted((artifacts / "job_events").glob("*.json"), key=lambda path: int(path.name.partition("-")[0]))
        output = (artifacts / "stdout").read_text() if (artifacts / "stdout").exists() else ran.stdout + ran.stderr
        return Played(ran.returncode, [json.loads(path.read_text()) for path in files], output)


def _missing() -> str:
    if os.geteuid():
        return "servers need root"
    absent = [name for name in NEEDS if shutil.which(name) is None]
    return f"there is no {', '.join(absent)}: scripts/debian-packages tests/packages.txt" if absent else ""


def _refused() -> str:
    """Return what this machine forbids even root that servers need; such as a container in a container."""
    bridge = f"lbp{os.getpid()}"[:15]
    tries = (
        ["ip", "link", "add", bridge, "type", "bridge"],
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
    )
    try:
        for one in tries:
            ran = subprocess.run(one, capture_output=True, text=True, check=False)
            if ran.returncode:
                return f"{' '.join(one)}: {ran.stderr.strip()}"
        return "" if any(os.access(path, os.W_OK) for path in CGROUPS) else "no control group can be made"
    finally:
        subprocess.run(["ip", "link", "del", bridge], capture_output=True, check=False)


@pytest.fixture(scope="session")
def servers(untouched_environment: dict[str, str]) -> Iterator[Servers]:
    if missing := _missing():
        assert not untouched_environment.get("CI"), missing
        pytest.skip(missing)
    if refused := _refused():  # nothing that could be installed would help
        pytest.skip(f"this machine cannot boot servers: {refused}")
    kept = untouched_environment.get("XDG_CACHE_HOME") or f"{untouched_environment.get('HOME', '/root')}/.cache"
    with Servers(Path(kept) / "lifeboat-tests" / "servers", SUITES) as running:
        yield running


@dataclass(frozen=True)
class Wheelhouses:
    older: Path
    newer: Path


@pytest.fixture(scope="session")
def wheelhouses(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory, untouched_environment: dict[str, str]
) -> Wheelhouses:
    """Build one from the sources as they are, as `make wheelhouse` does, and one that differs in its version only."""
    folder = tmp_path_factory.mktemp("wheelhouses")
    sources = folder / "sources"
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, sources, ignore=ignored, symlinks=True)

    def build(*command: str | Path) -> str:
        ran = subprocess.run(command, env=untouched_environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    newer = Path(build(sys.executable, sources / "scripts" / "wheelhouse.py", folder))
    module = sources / "toolkit" / "__init__.py"
    module.write_text(module.read_text().replace(__version__, OLDER))
    wheels = folder / "wheels"
    pip = (sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation")
    build(*pip, "--wheel-dir", wheels, sources)
    call("tar", "-xf", newer, "-C", wheels, f"--exclude=lifeboat-{__version__}-*")
    older = folder / f"lifeboat-{OLDER}-{'0' * 12}.tar"
    call("tar", "-cf", older, "-C", wheels, ".")
    return Wheelhouses(older, newer)


SHOP = """
mkdir -p /srv/shop/uploads
for number in 1 2 3 4 5; do echo "upload $number" > /srv/shop/uploads/$number.txt; done
python3 -c '
import sqlite3
shop = sqlite3.connect("/srv/shop/shop.db")
shop.execute("create table orders (id integer primary key, what text)")
shop.executemany("insert into orders (what) values (?)", [("order %d " % n * 20,) for n in range(3000)])
shop.commit()'
"""


@pytest.fixture(scope="session")
def play(servers: Servers, wheelhouses: Wheelhouses, tmp_path_factory: pytest.TempPathFactory) -> Player:
    """Run playbooks on servers on which a shop runs, which its profile backs up."""
    for name in SUITES:
        servers[name].run(SHOP)
    shutil.copy(wheelhouses.newer, servers.inventory.parent)  # a relative path is one beside the inventory
    variables = {
        "lifeboat_install_wheelhouse": wheelhouses.newer.name,
        "lifeboat_profile_config": {"vault": {"path": "/var/lib/lifeboat/vault"}},
        "lifeboat_profile_profiles": [
            {"name": "shop", "databases": ["/srv/shop/shop.db"], "files": ["/srv/shop/uploads"]}
        ],
        "lifeboat_profile_no_log": False,
        "lifeboat_run_lock_wait": "1m",
    }
    return Player(servers, tmp_path_factory.mktemp("plays"), variables)


class Orders(Protocol):
    """Counts the orders of the shop of a server; -1 where its database cannot be read."""

    def __call__(self, name: str, shop: str = "/srv/shop") -> int: ...


@pytest.fixture(scope="session")
def orders(servers: Servers) -> Orders:
    def count(name: str, shop: str = "/srv/shop") -> int:
        ask = f'sqlite3.connect("{shop}/shop.db").execute("select count(what) from orders").fetchone()[0]'
        return int(servers[name].run(f"python3 -c 'import sqlite3; print({ask})' 2>/dev/null || echo -1").strip())

    return count

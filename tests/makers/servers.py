"""Real servers on this machine: Debian in systemd-nspawn, each with its own systemd, cron, disk and network, by SSH.

    with Servers(cache, {"one": "bookworm", "two": "trixie"}) as servers:
        servers.inventory                  # for ansible-playbook
        servers["one"].run("systemctl is-system-running")

A base of each suite is made once by mmdebstrap from the package sources of this machine and kept in `cache`; what
roles install lies in it as an apt repository of files, so servers need no network. Each server is an overlay over it
on a tmpfs, so that its disk can fill up. It has no route to anywhere but the bridge. Needs root.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

NEEDS = ("mmdebstrap", "systemd-nspawn", "apt-ftparchive", "ssh", "ssh-keygen", "ip", "nsenter", "setpriv")
INSTALLED = (
    "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,python3,python3-apt,iproute2,procps,tzdata,"
    "ca-certificates"
)
OFFERED = "python3-venv cron"
OPTIONS = ("--variant=minbase", "--dpkgopt=force-unsafe-io", "--skip=cleanup/apt/lists")
HOOKS = (
    f'chroot "$1" apt-get clean; chroot "$1" apt-get install -y --download-only --no-install-recommends {OFFERED}',
    'mkdir "$1/srv/debs" && mv "$1"/var/cache/apt/archives/*.deb "$1/srv/debs/"',
    'cd "$1/srv/debs" && apt-ftparchive packages . > Packages',
    'rm -rf "$1"/etc/apt/sources.list.d/* && echo "deb [trusted=yes] file:/srv/debs ./" > "$1/etc/apt/sources.list"',
    'rm -rf "$1"/var/lib/apt/lists/*; chroot "$1" apt-get update',
    'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/resolv.conf" "$1/etc/machine-id"',
    'chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer systemd-firstboot.service',
    'chroot "$1" useradd -m -s /bin/bash deploy && chroot "$1" useradd -m -s /bin/bash guest',
    'echo "deploy ALL=(ALL) NOPASSWD:ALL" > "$1/etc/sudoers.d/deploy" && chmod 440 "$1/etc/sudoers.d/deploy"',
)
CGROUPS = [
    path
    for path in map(Path, ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"))
    if (path / "cgroup.procs").exists()
]
INSIDE = ("-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wdns=/")
DISK = "1g"
PREFIX = "lifeboat-servers-"
_CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def call(*command: str | Path, check: bool = True, **options: Any) -> str:
    """Run `command` and return what it printed; raises `RuntimeError` with what it said when it fails."""
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if check and ran.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {ran.returncode}\n{ran.stderr.strip()}")
    return ran.stdout


def until(condition: Callable[[], Any], what: str, *, limit: float = 60) -> Any:
    """Return the first true answer of `condition`; raises `TimeoutError` when there was none within `limit` seconds."""
    end = time.monotonic() + limit
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {limit} s")
        select.select([], [], [], 0.1)
    return answer


def archives() -> tuple[str, str]:
    """Return the addresses of Debian and of its security updates that this machine itself uses."""
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    lines = [line for path in places if path.is_file() for line in path.read_text().splitlines()]
    used = [word.rstrip("/") for line in lines if not line.lstrip().startswith("#") for word in line.split()]
    plain = next(word for word in used if re.search(r"://.*/debian$", word))
    return plain, next((word for word in used if re.search(r"://.*security$", word)), f"{plain}-security")


def base(cache: Path, suite: str) -> Path:
    """Return the base of `suite`, made on first use (a minute). Its name follows from the recipe."""
    recipe = hashlib.sha256(repr((suite, OPTIONS, INSTALLED, HOOKS)).encode()).hexdigest()[:12]
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / f"{suite}-{recipe}"
    with open(cache / f"{suite}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return root
        for old in cache.glob(f"{suite}-*"):
            shutil.rmtree(old)
        plain, security = archives()
        hooks = [f"--customize-hook={hook}" for hook in HOOKS]
        options = [
            "--quiet",
            "--variant=minbase",
            "--dpkgopt=force-unsafe-io",
            "--skip=cleanup/apt/lists",
            f"--include={INSTALLED}",
            *hooks,
        ]
        sources = [f"deb {plain} {suite} main", f"deb {security} {suite}-security main"]
        call("mmdebstrap", *options, suite, root.with_suffix(".partial"), *sources, env={**os.environ, **_CLEAN})
        root.with_suffix(".partial").rename(root)
    return root


@dataclass
class Server:
    """One server. `stop` is a power cut; `freeze` leaves it there without answering."""

    fleet: Servers
    name: str
    number: int
    suite: str
    lower: Path
    process: subprocess.Popen[bytes] | None = None
    leader: int = 0
    host_key: str = field(default="", init=False)
    booted: datetime = field(default=datetime.max.replace(tzinfo=UTC), init=False)

    @property
    def address(self) -> str:
        return f"{self.fleet.network}.{10 + self.number}"

    @property
    def folder(self) -> Path:
        return self.fleet.folder / self.name

    @property
    def root(self) -> Path:
        """The file system of the server, as it is seen from outside."""
        return self.folder / "root"

    @property
    def _cgroups(self) -> list[Path]:
        return [path / f"{self.fleet.bridge}-{self.name}" for path in CGROUPS]

    def make(self) -> None:
        """Give it a disk and an identity."""
        disk = self.folder / "disk"
        for path in (self.root, disk):
            path.mkdir(parents=True)
        call("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "servers", disk)
        for part in ("upper", "work"):
            (disk / part).mkdir()
        layers = f"lowerdir={self.lower},upperdir={disk}/upper,workdir={disk}/work"
        call("mount", "-t", "overlay", "servers", "-o", layers, self.root)
        self._write("etc/machine-id", uuid.uuid4().hex + "\n")
        self._write("etc/hostname", self.name + "\n")
        self._write("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        key = self.folder / "key"
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", key)
        self.host_key = key.with_suffix(".pub").read_text()
        self._write("etc/ssh/ssh_host_ed25519_key", key.read_text(), mode=0o600)
        self._write("etc/ssh/ssh_host_ed25519_key.pub", self.host_key)
        for user in ("deploy", "guest"):
            call("chroot", self.root, "install", "-d", "-o", user, "-g", user, "-m", "700", f"/home/{user}/.ssh")
            self._write(f"home/{user}/.ssh/authorized_keys", self.fleet.key.with_suffix(".pub").read_text())
            call("chroot", self.root, "chown", f"{user}:", f"/home/{user}/.ssh/authorized_keys")

    def _write(self, name: str, text: str, *, mode: int = 0o644) -> None:
        (self.root / name).write_text(text)
        (self.root / name).chmod(mode)

    def start(self) -> None:
        """Begin to boot; `ready` waits for it. From the main thread: when that ends, the server does."""
        self.booted = datetime.now(UTC)
        command = [
            *("systemd-nspawn", "--quiet", "-D", str(self.root), "-M", f"{self.fleet.bridge}-{self.name}", "--boot"),
            *("--register=no", "--console=pipe", f"--network-bridge={self.fleet.bridge}", "--resolv-conf=off"),
            *("--timezone=off", "--link-journal=no"),
        ]
        enter = 'exec "$@"'
        if not Path("/run/systemd/system").exists():  # nobody gives it a cgroup, and two must not share one
            command.append("--keep-unit")
            joined = [f"mkdir -p {path} && echo $$ > {path}/cgroup.procs" for path in self._cgroups]
            enter = " && ".join([*joined, enter])
        with open(self.folder / "console.log", "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "sh", "-c", enter, "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**_CLEAN, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )

    def ready(self) -> None:
        """Wait until somebody can log in; an open port is not enough, for users are refused until boot is done."""
        until(self._addressed, f"the network of {self.name}")
        until(lambda: not self._tried(*self.ssh("deploy", 2), "true"), f"a login at {self.name}")

    def _addressed(self) -> bool:
        """Give it its address; the first children of systemd-nspawn are not yet the server, and have no host0."""
        self.leader = self._child()
        inside = ("nsenter", "-t", str(self.leader), "-n", "ip")
        return (
            bool(self.leader)
            and not self._tried(*inside, "addr", "replace", f"{self.address}/24", "dev", "host0")
            and not self._tried(*inside, "link", "set", "host0", "up")
        )

    @staticmethod
    def _tried(*command: str) -> int:
        return subprocess.run(command, capture_output=True, check=False).returncode

    def _child(self) -> int:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "console.log").read_text(errors="replace")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next((int(child) for child in children if Path(f"/proc/{child}/ns/net").exists()), 0)

    def ssh(self, user: str = "deploy", timeout: int = 5) -> list[str]:
        """Return the beginning of a command line that logs in."""
        options = {"UserKnownHostsFile": self.fleet.known_hosts, "BatchMode": "yes", "ConnectTimeout": timeout}
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-q", "-F", "none", "-i", str(self.fleet.key), *words, f"{user}@{self.address}"]

    def run(self, script: str, *, check: bool = True) -> str:
        """Run a shell script inside as root, without SSH, and return what it printed."""
        inside = ["nsenter", "-t", str(self.leader), *INSIDE, "env", "-i"]
        settings = [f"{name}={value}" for name, value in _CLEAN.items()]
        return call(*inside, *settings, "sh", "-ec", script, check=check)

    def lifeboat(self, *arguments: str) -> dict[str, Any]:
        """Return the JSON document of a command of Lifeboat inside, however it ended."""
        words = " ".join(f"'{word}'" for word in arguments)
        document: dict[str, Any] = json.loads(self.run(f"/usr/local/bin/lifeboat --json {words} || true"))
        return document

    def freeze(self, *, still: bool) -> None:
        """Stop everything inside without ending it, or let it go on."""
        for path in self._cgroups:
            if (path / "cgroup.freeze").exists():
                (path / "cgroup.freeze").write_text("1" if still else "0")

    def stop(self) -> None:
        """Cut the power: every process inside ends at once."""
        self.fleet.disconnect()
        if self.process is not None:
            self.freeze(still=False)
            if self.process.poll() is None:
                os.kill(self._child() or self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        for top in self._cgroups:
            _end(top)

    def restart(self) -> None:
        """Boot again, with the disk as it was."""
        self.stop()
        self.start()
        self.ready()


def _end(cgroup: Path) -> None:
    """End all processes of `cgroup` and remove it: systemd of a server lives on when systemd-nspawn is killed."""

    def removed() -> bool:
        inner = [path for path in [cgroup, *cgroup.rglob("*")] if path.is_dir()]
        for path in sorted(inner, reverse=True):
            with contextlib.suppress(OSError):
                for process in (path / "cgroup.procs").read_text().split():
                    os.kill(int(process), signal.SIGKILL)
            with contextlib.suppress(OSError):
                path.rmdir()
        return not cgroup.exists()

    until(removed, f"the end of {cgroup.name}", limit=20)


def _held(folder: Path) -> IO[str]:
    """Return the lock file of `folder`, held as long as this process lives; raises `OSError` when another has it."""
    lock = open(folder / "lock", "w")  # noqa: SIM115 - closed at the end of the run
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _sweep() -> None:
    """Clear what runs have left that were killed; their servers ended with them."""
    for folder in Path("/var/tmp").glob(f"{PREFIX}*"):
        try:
            _held(folder).close()
        except OSError:
            continue
        _clear(folder)


def _clear(folder: Path) -> None:
    """Unmount the disks below `folder`, remove its bridge and then itself; never anything through a mount."""
    bridge = (folder / "bridge").read_text() if (folder / "bridge").exists() else ""
    if bridge:
        call("ip", "link", "del", bridge, check=False)
        for top in (path for cgroup in CGROUPS for path in cgroup.glob(f"{bridge}-*")):
            _end(top)
    for path in sorted(folder.glob("*/*"), reverse=True):
        if os.path.ismount(path):
            call("umount", "--lazy", path)
    assert f" {folder}/" not in Path("/proc/self/mountinfo").read_text(), "something is still mounted"
    shutil.rmtree(folder, ignore_errors=True)


class Servers:
    """Servers by name, each of its suite, on a bridge of their own. `host` is this machine as they see it."""

    def __init__(self, cache: Path, suites: dict[str, str]) -> None:
        _sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/var/tmp"))
        self._lock = _held(self.folder)
        self.key = self.folder / "key"
        self.known_hosts = self.folder / "known_hosts"
        self.inventory = self.folder / "inventory.json"
        self.connections = self.folder / "connections"
        self.connections.mkdir()
        self.bridge, self.network = "", ""
        wanted = sorted(set(suites.values()))
        with ThreadPoolExecutor() as pool:
            bases = dict(zip(wanted, pool.map(lambda suite: base(cache, suite), wanted), strict=True))
        self._servers = {
            name: Server(self, name, number, suite, bases[suite])
            for number, (name, suite) in enumerate(suites.items(), start=1)
        }

    @property
    def host(self) -> str:
        """The address of this machine on the bridge."""
        return f"{self.network}.1"

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    def __enter__(self) -> Self:
        try:
            self._connect()
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "servers", "-f", self.key)
            for server in self._servers.values():
                server.make()
                server.start()
            self.know(self._servers)
            self._write_inventory()
            for server in self._servers.values():
                server.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.stop()
        _clear(self.folder)
        self._lock.close()

    def _connect(self) -> None:
        """Make a bridge; that its name was free is the lock on the number."""
        for number in range(128, 255):
            name = f"lifeboat{number}"
            ran = subprocess.run(["ip", "link", "add", name, "type", "bridge"], capture_output=True, check=False)
            if not ran.returncode:
                self.bridge, self.network = name, f"198.18.{number}"
                (self.folder / "bridge").write_text(name)
                call("ip", "addr", "add", f"{self.host}/24", "dev", name)
                call("ip", "link", "set", name, "up")
                return
        raise RuntimeError(f"no bridge could be made: {ran.stderr.decode()}")

    def know(self, names: Sequence[str] | dict[str, Server], *, instead: str = "") -> None:
        """Write the host keys of `names` to known_hosts, or the key `instead`."""
        lines = [f"{self[name].address} {instead or self[name].host_key.strip()}\n" for name in names]
        self.known_hosts.write_text("".join(lines))

    def disconnect(self) -> None:
        """End the connections that Ansible keeps; one that leads to a server without power would only wait."""
        for path in self.connections.iterdir():
            call("ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "nobody", check=False)
            path.unlink(missing_ok=True)

    def _write_inventory(self) -> None:
        common = f"-F none -o UserKnownHostsFile={self.known_hosts} -o StrictHostKeyChecking=yes"
        variables = {
            "ansible_user": "deploy",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": common,
        }
        hosts = {name: {"ansible_host": server.address} for name, server in self._servers.items()}
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}, indent=1))

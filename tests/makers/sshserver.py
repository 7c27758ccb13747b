"""A real OpenSSH server on the loopback, for one test run: own host key, own user key, internal-sftp, no passwords."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class SshServer:
    """How to reach it; `folder` is a private folder of the server."""

    port: int
    user: str
    key_file: Path
    known_hosts: Path
    folder: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@contextlib.contextmanager
def ssh_server(folder: Path, *, shell: bool = True) -> Iterator[SshServer]:
    """Run sshd until the block ends; without `shell` an account can do nothing but SFTP."""
    if not Path(SSHD).exists():
        pytest.skip("there is no sshd: apt-get install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    folder.mkdir(parents=True)
    host_key, user_key, port = _key(folder / "host_key"), _key(folder / "user_key"), _free_port()
    authorized = folder / "authorized_keys"
    authorized.write_text(user_key.with_suffix(".pub").read_text())
    authorized.chmod(0o600)
    public = " ".join(host_key.with_suffix(".pub").read_text().split()[:2])
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {public}\n")
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {authorized}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
        + ("" if shell else "ForceCommand internal-sftp\n")
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=log)
        try:
            _wait(port, server, folder / "log")
            yield SshServer(port, getpass.getuser(), user_key, known, folder)
        finally:
            server.terminate()
            server.wait()


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when it answers; connecting waits by itself for as long as the kernel has a listener."""
    while server.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)) as probe:
            if probe.recv(4) == b"SSH-":
                return
    raise AssertionError(log.read_text())

"""Git repositories: all refs as one bundle, and a branch as a ZIP, through the `git` command.

`git` is run without a terminal, without prompts, without the hooks, filters and transports that a
repository or its address could bring along, and its words never show the credentials of an address.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import unquote

from toolkit import durable
from toolkit.errors import CancelledError, SourceError, SourceMissingError, SourceTimeoutError, UsageError
from toolkit.events import ShouldStop, never_stop

DEFAULT_TIMEOUT = 600.0
"""Seconds that one bundle or ZIP may take."""

_ALLOWED = "file:git:http:https:ssh"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_SECRET_QUERY = re.compile(r"\?[^\s']*")
_TICK = 0.2
_USER, _PASSWORD = "LIFEBOAT_GIT_USER", "LIFEBOAT_GIT_PASSWORD"
_KEPT_VARIABLES = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSH_COMMAND", "GIT_PROXY_SSL_CAINFO")
_GIT = (
    "git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
    "-c", "credential.interactive=false", "-c", "gc.auto=0",
)  # fmt: skip
_HELPER = f'[ -z "${_USER}" ] || printf "username=%s\\npassword=%s\\n" "${_USER}" "${_PASSWORD}"; :'
_LOGIN = ("-c", f"credential.helper=!{_HELPER}")


@dataclass(frozen=True, slots=True)
class GitReport:
    """What a bundle holds: how many refs, the default branch ("" when there is none) and its commit ("" when empty).

    An empty repository has no refs; git cannot bundle that, so no file is written then.
    """

    refs: int
    default_branch: str
    head: str


def without_credentials(text: str) -> str:
    """Return an address, or a message that quotes one, without user names, passwords and queries in it."""
    return _SECRET_QUERY.sub("", _CREDENTIALS.sub("", text))


def repository_name(address: str) -> str:
    """Return the last part of an address or path without `.git`: what a clone would be called."""
    name = without_credentials(address).rstrip("/").removesuffix("/.git").removesuffix(".git")
    return re.split(r"[/:]", name)[-1] or "repository"


def bundle(
    source: str | Path, target: Path, *, timeout: float = DEFAULT_TIMEOUT, should_stop: ShouldStop = never_stop
) -> GitReport:
    """Write all refs of the repository at an address or path to `target` as a bundle that `git clone` takes.

    The bundle is verified before it takes its name. `timeout` is in seconds. Raises `UsageError` for an
    address that is none, `SourceMissingError` where there is no repository, `SourceError` when git fails,
    `SourceTimeoutError`, `CancelledError`; nothing is left at `target` then.
    """
    with _Repository(source, target.parent, timeout, should_stop) as repository:
        report = repository.report()
        if report.refs:
            temporary = durable.sibling(target)
            try:
                with _new_file(temporary) as file:
                    head = ["HEAD"] if report.head else []
                    repository.git("bundle", "create", "--quiet", "-", "--all", *head, output=file)
                repository.verify(temporary)
                _keep(temporary, target)
            finally:
                _drop(temporary)
        return report


def branch_zip(
    source: str | Path,
    target: Path,
    *,
    name: str = "",
    branch: str = "",
    level: int = 6,
    timeout: float = DEFAULT_TIMEOUT,
    should_stop: ShouldStop = never_stop,
) -> GitReport:
    """Write the files of a branch (the default one) to `target` as a ZIP with the one top folder `name-branch/`.

    `name` is by default that of the repository, `level` 0 to 9. Writes nothing for an empty repository.
    Raises as `bundle` does, and `UsageError` for a branch that is none.
    """
    if branch.startswith("-"):
        raise UsageError("a branch cannot begin with a dash", subject=branch)
    with _Repository(source, target.parent, timeout, should_stop) as repository:
        report = repository.report()
        wanted = branch or report.default_branch
        if report.head or branch:
            prefix = f"{name or repository_name(str(source))}-{wanted}".replace("/", "-")
            commit = repository.commit(f"refs/heads/{wanted}" if wanted else "HEAD", wanted)
            temporary = durable.sibling(target)
            try:
                with _new_file(temporary) as file:
                    repository.git("archive", "--format=zip", f"-{level}", f"--prefix={prefix}/", commit, output=file)
                _keep(temporary, target)
            finally:
                _drop(temporary)
        return report


def _new_file(path: Path) -> IO[bytes]:
    with durable.translated(path):
        durable.on_step("create", str(path))
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _keep(temporary: Path, target: Path) -> None:
    """Make a finished file durable and give it its name."""
    with durable.translated(target):
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        durable.rename(temporary, target)


def _drop(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink()


def _checked(source: str | Path) -> tuple[str, bool]:
    """Return the address or absolute path for git, and whether it is a local repository.

    Raises `UsageError` for what git would take as an option, a command or a transport helper.
    """
    text = os.fspath(source)
    scheme = _SCHEME.match(text)
    if scheme and scheme["scheme"].lower() == "file":
        text = text[scheme.end() :]
        scheme = None
    if not text or text.startswith("-") or "::" in text.split("/")[0] or any(ord(letter) < 32 for letter in text):
        raise UsageError("this is no address of a repository", subject=without_credentials(text))
    if scheme:
        if scheme["scheme"].lower() not in _ALLOWED.split(":"):
            raise UsageError(
                "git is not used over this protocol", subject=without_credentials(text), hint="use https or ssh"
            )
        if re.match(r"[^/]*?(?:[@/:]|^)-", text[scheme.end() :].split("/")[0]):
            raise UsageError("this is no address of a repository", subject=without_credentials(text))
        return text, False
    if re.match(r"[^/]+:", text) and not os.path.exists(text):  # host:path, as ssh takes it
        return text, False
    return os.path.abspath(text), True


def _split_login(address: str) -> tuple[str, dict[str, str]]:
    """Return an address without its user and password, and the environment that brings them to git instead.

    On a command line every user of the machine could read them. Over ssh the user name is part of the address.
    """
    found = re.match(r"(https?://)([^/@]*)@(.*)", address, re.IGNORECASE | re.DOTALL)
    if found is None:
        return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", address), {}
    user, _, password = found[2].partition(":")
    return found[1] + found[3], {_USER: unquote(user), _PASSWORD: unquote(password)}


class _Repository:
    """A repository to read from: a local one as it is, another as a mirror in a temporary folder beside the target.

    Root reads a local one as its owner: the configuration of a repository can name commands to run.
    """

    def __init__(self, source: str | Path, beside: Path, timeout: float, should_stop: ShouldStop) -> None:
        address, self._local = _checked(source)
        self.shown = without_credentials(address)
        self._address, self._login = _split_login(address)
        self._deadline = time.monotonic() + timeout
        self._should_stop = should_stop
        self._owner: tuple[int, int] | None = None
        if self._local:
            self._owner = _owner(self._address)
        with durable.translated(beside):
            self._folder = tempfile.TemporaryDirectory(prefix=".git-", dir=beside)
        self._path = self._address if self._local else f"{self._folder.name}/mirror.git"

    def __enter__(self) -> Self:
        try:
            if not self._local:
                self._run([*_GIT, *_LOGIN, "clone", "--mirror", "--quiet", "--", self._address, self._path])
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def git(self, *arguments: str, output: IO[bytes] | None = None) -> str:
        """Run git in the repository and return what it prints, or write that to `output`. Raises as `bundle` does."""
        return self._run([*_GIT, "-C", self._path, *arguments], output, self._owner)

    def verify(self, file: Path) -> None:
        """Check that a bundle is whole and needs nothing else, in an empty repository. Raises `SourceError`."""
        empty = f"{self._folder.name}/empty.git"
        self._run([*_GIT, "init", "--bare", "--quiet", empty])
        self._run([*_GIT, "-C", empty, "bundle", "verify", "--quiet", str(file.absolute())])

    def report(self) -> GitReport:
        """Return what the repository has."""
        refs = self.git("for-each-ref", "--format=%(refname)").splitlines()
        try:
            branch = self.git("symbolic-ref", "--quiet", "--short", "HEAD").strip()
        except SourceError as error:
            if isinstance(error, SourceTimeoutError):
                raise
            branch = ""  # a detached HEAD
        try:
            head = self.git("rev-parse", "--quiet", "--verify", "HEAD^{commit}").strip() if refs else ""
        except SourceError as error:
            if isinstance(error, SourceTimeoutError):
                raise
            head = ""  # HEAD names a branch that does not exist
        return GitReport(len(refs), branch, head)

    def commit(self, reference: str, shown: str) -> str:
        """Return the commit that a reference names; raises `UsageError` when there is none."""
        try:
            return self.git("rev-parse", "--quiet", "--verify", f"{reference}^{{commit}}").strip()
        except SourceTimeoutError:
            raise
        except SourceError as error:
            raise UsageError("the repository has no such branch", subject=shown) from error

    def _run(
        self, command: Sequence[str], output: IO[bytes] | None = None, owner: tuple[int, int] | None = None
    ) -> str:
        import subprocess

        uid, gid = owner or (None, None)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output or subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment("/nonexistent" if owner else os.environ.get("HOME", "/nonexistent"), self._login),
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=() if owner else None,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise SourceError("the git command is not installed", subject=self.shown, hint="apt install git") from error
        with process:
            while True:
                try:
                    printed, words = process.communicate(timeout=_TICK)
                    break
                except subprocess.TimeoutExpired:
                    self._check_time(process.pid)
        if process.returncode != 0:
            raise self._failure(words.decode(errors="replace"))
        return os.fsdecode(printed or b"")

    def _check_time(self, group: int) -> None:
        """Kill git and what it started when the time is over or the user stops it, and raise."""
        stopped = self._should_stop()
        if not stopped and time.monotonic() < self._deadline:
            return
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        if stopped:
            raise CancelledError("cancelled while git was running", subject=self.shown)
        raise SourceTimeoutError("git did not finish in time", subject=self.shown, hint="raise its timeout")

    def _failure(self, words: str) -> SourceError | SourceMissingError:
        lines = [line.strip() for line in without_credentials(words).splitlines() if line.strip()]
        said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
        said = said.removeprefix("fatal:").removeprefix("error:").strip().replace(self.shown, "the repository")
        said = said.replace(self._folder.name, "").rstrip(".")
        if "not a git repository" in said or "does not exist" in said:
            return SourceMissingError("there is no git repository", subject=self.shown)
        hint = "see that this user may read it without being asked for a password"
        return SourceError(f"git failed: {said[:300] or 'it says nothing'}", subject=self.shown, hint=hint)


def _owner(path: str) -> tuple[int, int] | None:
    """Return the (uid, gid) that git is to run as, None for this user. Raises `SourceMissingError`."""
    try:
        status = os.stat(os.path.join(path, ""))
    except OSError as error:
        raise SourceMissingError("no such repository", subject=path) from error
    return (status.st_uid, status.st_gid) if os.geteuid() == 0 and status.st_uid != 0 else None


def _environment(home: str, login: dict[str, str]) -> dict[str, str]:
    """Return the environment of git: nobody is asked, no other repository is meant, no configuration adds commands."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT_VARIABLES}
    return {
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=30",
        **kept,
        **login,
        "HOME": home,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": _ALLOWED,
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
    }

"""Runs `lifeboat` hundreds of times, each in a process of its own, without importing it each time.

A server process imports everything once and forks for every run; it has no threads, and a run can be killed
(-9) before any durable step, like those of `faults`. A run ends at `os._exit`, so nothing of it stays behind.

    with Runs() as runs:
        runs.lifeboat("backup", "/srv/shop").code
        runs.lifeboat("restore", "latest", "--yes", kill_before=7).killed
        runs.call("tests.faults.drivers:recover", kill_before=3)
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.makers.faults import ROOT, Ended, Step


class Run:
    """A run that was started: `wait` for its end."""

    def __init__(self, server: Runs, folder: tempfile.TemporaryDirectory[str], pid: int) -> None:
        self._server = server
        self._folder = folder
        self.pid = pid

    def wait(self) -> Ended:
        """Wait until it ends and return how it did."""
        code = self._server._ask({"wait": self.pid})
        folder = Path(self._folder.name)
        stdout = (folder / "stdout").read_bytes().decode(errors="surrogateescape")
        stderr = (folder / "stderr").read_bytes().decode(errors="surrogateescape")
        lines = (folder / "steps").read_bytes().splitlines()
        self._folder.cleanup()
        return Ended(code, stdout, stderr, tuple(Step(*json.loads(line)) for line in lines))

    def wait_until_held(self) -> None:
        """Return when it stopped at the step that it is held before."""
        assert self._server._ask({"held": self.pid}) == signal.SIGSTOP, "it ended before"

    def go_on(self) -> None:
        """Let a held run go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it (-9)."""
        os.kill(self.pid, signal.SIGKILL)


class Runs:
    """The server; `env` is added to the environment of each run."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self.env = dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.makers.runs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.communicate()

    def lifeboat(self, *arguments: str | os.PathLike[str], kill_before: int = 0, **options: Any) -> Ended:
        """Run the command line with `arguments`, killed just before its step number `kill_before` (0: never)."""
        return self.start(*arguments, kill_before=kill_before, **options).wait()

    def call(self, function: str, *arguments: str | os.PathLike[str], kill_before: int = 0, **options: Any) -> Ended:
        """Run `module:name` with `arguments`; what it returns is the exit code."""
        return self.start(*arguments, function=function, kill_before=kill_before, **options).wait()

    def start(
        self,
        *arguments: str | os.PathLike[str],
        function: str = "",
        kill_before: int = 0,
        env: Mapping[str, str] | None = None,
        uid: int | None = None,
        fill: str | os.PathLike[str] = "",
        fill_before: int = 0,
        leave: int = 0,
        hold: str = "",
    ) -> Run:
        """Start a run and return it; several may be on their way.

        With `uid` it runs as that user. The file system of `fill` is filled, but for `leave` bytes, just before
        step number `fill_before`. Where the path of a step contains `hold`, it stops (SIGSTOP) until it gets SIGCONT.
        """
        folder = tempfile.TemporaryDirectory()
        for name in ("stdout", "stderr", "steps"):
            (Path(folder.name) / name).touch()
            (Path(folder.name) / name).chmod(0o666)
        request = {
            "arguments": [os.fsencode(one).hex() for one in arguments],
            "function": function,
            "kill_before": kill_before,
            "env": {
                name: os.fsencode(value).hex() for name, value in {**os.environ, **self.env, **(env or {})}.items()
            },
            "folder": folder.name,
            "uid": uid,
            "fill": os.fspath(fill),
            "fill_before": fill_before,
            "leave": leave,
            "hold": hold,
            "umask": 0o022,
        }
        return Run(self, folder, self._ask(request))

    def _ask(self, request: dict[str, Any]) -> int:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        return int(process.stdout.readline())


def _import_everything() -> None:
    late = ("ctypes", "zoneinfo", "grp", "pwd", "subprocess", "shutil", "sqlite_utils.db", "tests.makers.mounts")
    for name in late:
        importlib.import_module(name)  # imported late by others, and another user may not read where they lie

    import toolkit

    for module in pkgutil.walk_packages(toolkit.__path__, "toolkit."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _steps(request: dict[str, Any]) -> None:
    from tests.makers.mounts import fill
    from toolkit import durable

    kill_before, hold = request["kill_before"], request["hold"]
    record = os.open(f"{request['folder']}/steps", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    count = 0

    def on_step(name: str, where: str) -> None:
        nonlocal count, hold
        count += 1
        os.write(record, json.dumps([name, where]).encode() + b"\n")
        if count == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        if count == request["fill_before"]:
            fill(Path(request["fill"]), leave=request["leave"])
        if hold and hold in where:
            hold = ""
            os.kill(os.getpid(), signal.SIGSTOP)

    durable.on_step = on_step


def _child(request: dict[str, Any]) -> int:
    os.environ.clear()
    os.environ.update({name: os.fsdecode(bytes.fromhex(value)) for name, value in request["env"].items()})
    os.umask(request["umask"])
    _steps(request)
    files = [os.open(f"{request['folder']}/{name}", os.O_WRONLY | os.O_APPEND) for name in ("stdout", "stderr")]
    null = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate([null, *files]):
        os.dup2(file, number)
        os.close(file)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape")
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    if request["uid"] is not None:
        os.chmod(request["folder"], 0o755)
        os.setgroups([])
        os.setgid(request["uid"])
        os.setuid(request["uid"])
    arguments = [os.fsdecode(bytes.fromhex(one)) for one in request["arguments"]]
    if request["function"]:
        module, _, name = request["function"].partition(":")
        return int(getattr(importlib.import_module(module), name)(*arguments) or 0)
    from toolkit.cli.main import run

    sys.argv = ["lifeboat", *arguments]
    return run(arguments)


def _serve() -> None:
    _import_everything()
    gc.collect()
    gc.freeze()  # else the first collection of each run writes to, and so copies, every page that they share
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif "held" in request:
            status = os.waitpid(request["held"], os.WUNTRACED)[1]
            answer = os.WSTOPSIG(status) if os.WIFSTOPPED(status) else 0
        else:
            answer = os.fork()
            if not answer:
                _run(request)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _run(request: dict[str, Any]) -> None:
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = _child(request)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()

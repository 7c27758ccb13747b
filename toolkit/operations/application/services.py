"""Stopping an application's services around a restore, and starting them again whatever happens."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence

import msgspec

from toolkit.errors import ServiceError
from toolkit.jobs.context import Job
from toolkit.operations.report import Report
from toolkit.profile.model import Profile

STOP_TIMEOUT = 120.0
"""Seconds that a service may take to stop or start."""


class Command(msgspec.Struct, frozen=True):
    """How one service is stopped and started; `active` asks whether it runs (empty: take it that it does)."""

    name: str
    stop: tuple[str, ...]
    start: tuple[str, ...]
    active: tuple[str, ...] = ()


def systemd_unit(name: str) -> Command:
    """Return the commands for a systemd unit."""
    return Command(
        name, ("systemctl", "stop", name), ("systemctl", "start", name), ("systemctl", "is-active", "--quiet", name)
    )


def commands_of(profile: Profile) -> tuple[Command, ...]:
    """Return how each service of `profile` is stopped and started."""
    return tuple(
        systemd_unit(service.unit) if service.unit else Command(service.stop[0], service.stop, service.start)
        for service in profile.services
    )


def run(command: Sequence[str], *, name: str) -> None:
    """Run `command`; raise `ServiceError` with the end of its output when it fails or hangs."""
    import subprocess

    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=STOP_TIMEOUT,
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise ServiceError(f"the command {command[0]} does not exist", subject=name) from error
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"the command did not end within {STOP_TIMEOUT:.0f} s", subject=name) from error
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise ServiceError(f"`{' '.join(command)}` ended with {done.returncode}: {said[0]}", subject=name)


def _is_active(service: Command) -> bool:
    if not service.active:
        return True
    import subprocess

    try:
        return subprocess.run(list(service.active), stdin=subprocess.DEVNULL, check=False).returncode == 0
    except (FileNotFoundError, PermissionError):
        return False


def start_all(services: Sequence[Command]) -> list[ServiceError]:
    """Start `services` in order; a failure of one never keeps the others down. Returns the failures."""
    failures = []
    for service in services:
        try:
            run(service.start, name=service.name)
        except ServiceError as error:
            failures.append(error)
    return failures


def step_title(step: str, services: Sequence[Command]) -> str:
    """Return the title of the step `stop` or `start` of `services` while it runs."""
    if step == "stop":
        return f"Stopping {_called(step, services)}"
    return f"Starting {_called(step, sorted(services, key=lambda service: service.name))}"


def planned_title(step: str, services: Sequence[Command]) -> str:
    """Return the title of the same step in a plan."""
    return f"{step} {_called(step, services)}"


def _called(step: str, services: Sequence[Command]) -> str:
    """Name `services`: a unit by its name, one with commands of its own by that of the step."""
    commands = ((service, service.stop if step == "stop" else service.start) for service in services)
    return ", ".join(service.name if service.active else f"`{shlex.join(command)}`" for service, command in commands)


def active(services: Sequence[Command]) -> tuple[Command, ...]:
    """Return those of `services` that run now: only they are stopped, and started again."""
    return tuple(service for service in services if _is_active(service))


@contextlib.contextmanager
def stopped(services: Sequence[Command], job: Job, report: Report, *, also: Sequence[Command] = ()) -> Iterator[None]:
    """Stop `services` for the block, and start them again in the opposite order whatever happens in it: two steps.

    `also` are started with them after a block that ends well: services that were down already, since they had failed.

    A service that does not stop raises `ServiceError` after those already stopped were started again; one
    that does not start becomes a warning of `report`.
    """
    down: list[Command] = []
    if services:
        job.step("stop", step_title("stop", services))
    try:
        for service in services:
            down.append(service)
            job.log("info", "service-stop", f"stopping {service.name}")
            run(service.stop, name=service.name)
        yield
        down.extend(also)
    finally:
        if down:
            job.step("start", step_title("start", down), cancel="never")
        for failure in start_all(list(reversed(down))):
            report.warn(
                failure.code,
                f"the service did not start again: {failure.message}",
                subject=failure.subject,
                hint="start it by hand, then look at its log",
            )

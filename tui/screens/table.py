"""Which screen belongs to which digit. A screen is imported when it is opened first."""

from __future__ import annotations

from collections.abc import Callable

from textual.screen import Screen


def _health() -> Screen[None]:
    from tui.screens.health import HealthScreen

    return HealthScreen()


def _backups() -> Screen[None]:
    from tui.screens.backups import BackupsScreen

    return BackupsScreen()


def _diagnose() -> Screen[None]:
    from tui.screens.diagnose import DiagnoseScreen

    return DiagnoseScreen()


def _drive() -> Screen[None]:
    from tui.screens.drive import DriveScreen

    return DriveScreen()


def _schedule() -> Screen[None]:
    from tui.screens.schedule import ScheduleScreen

    return ScheduleScreen()


def _fleet() -> Screen[None]:
    from tui.screens.fleet import FleetScreen

    return FleetScreen()


def _jobs() -> Screen[None]:
    from tui.screens.jobs import JobsScreen

    return JobsScreen()


def _setup() -> Screen[None]:
    from tui.screens.setup import SetupScreen

    return SetupScreen()


SCREENS: dict[str, Callable[[], Screen[None]]] = {
    "health": _health,
    "backups": _backups,
    "diagnose": _diagnose,
    "drive": _drive,
    "schedule": _schedule,
    "fleet": _fleet,
    "jobs": _jobs,
    "setup": _setup,
}

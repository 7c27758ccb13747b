"""How the steps that stop and start services are called: every plan and every job names what will be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import ServiceError
from toolkit.operations.application.services import Command, planned_title, run, step_title, systemd_unit

WORKER = Command("supervisorctl", ("supervisorctl", "stop", "shop's"), ("supervisorctl", "start", "shop's"))
SERVICES = (systemd_unit("shop.service"), WORKER)


def test_a_plan_names_units_and_commands() -> None:
    assert planned_title("stop", SERVICES) == """stop shop.service, `supervisorctl stop 'shop'"'"'s'`"""
    assert planned_title("start", (WORKER,)) == """start `supervisorctl start 'shop'"'"'s'`"""


def test_a_step_has_one_title_in_whatever_order_services_start() -> None:
    assert step_title("start", SERVICES) == step_title("start", SERVICES[::-1])
    assert step_title("stop", SERVICES[:1]) == "Stopping shop.service"


def test_a_command_that_cannot_be_run_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "supervisorctl").write_text("closed to whoever may not run it, as folders of root in PATH after su are")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match="does not exist"):
        run(WORKER.stop, name=WORKER.name)

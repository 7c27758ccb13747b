"""What `fleet status` makes of the documents of servers, some of which run another version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from toolkit.operations.fleet import FleetReport, HostRow
from toolkit.operations.fleet_status import assess

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)


def answered(state: str) -> HostRow:
    target: dict[str, Any] = {"profile": "shop", "path": "/srv/shop/shop.db", "state": state, "reasons": []}
    report = {"targets": [target], "profiles": [{"profile": "shop"}]}
    return HostRow(outcome="ok", exit=0, report=report)


def test_a_state_of_a_newer_version_stands_between_warn_and_ok() -> None:
    states = {"a": "ok", "b": "sideways", "c": "warn", "d": "bad"}
    hosts = {name: answered(state) for name, state in states.items()}
    report = assess(FleetReport(operation="status", hosts=hosts), NOW)
    assert [row.state for row in report.rows] == ["bad", "warn", "sideways", "ok"]

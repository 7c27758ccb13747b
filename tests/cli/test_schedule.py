"""schedule: shown, changed, installed into cron and systemd, taken out again; status -q is silent when all is well."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.makers.commands import application, lifeboat
from toolkit import __version__


@pytest.fixture
def config(tmp_path: Path) -> Path:
    application(tmp_path / "shop")
    path = tmp_path / "config.yaml"
    path.write_text(f"vault: {tmp_path}/vault\nprofiles: {{shop: {{files: [{tmp_path}/shop]}}}}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[object, ...]:
    return ("--cron-file", tmp_path / "cron", "--units", tmp_path / "units")


def test_show_has_the_next_five_runs(config: Path, elsewhere: tuple[object, ...]) -> None:
    shown = lifeboat("-c", config, "schedule", "show", *elsewhere, "--json")
    assert shown.code == 0
    rows = shown.document["entries"]
    assert [row["name"] for row in rows] == [
        "shop-daily", "shop-weekly", "shop-monthly", "shop-rehearse", "shop-freshness",
    ]  # fmt: skip
    assert [len(row["next"]) for row in rows] == [5] * 5
    assert shown.document["installed"] == "none"
    text = lifeboat("-c", config, "schedule", "show", *elsewhere)
    assert text.stdout.startswith("Schedule: not installed. Times are UTC.\n")
    assert "lifeboat backup shop --kind daily" in text.stdout
    assert f"`lifeboat -c {config} schedule install`" in text.stderr


def test_set_writes_a_drop_in_that_counts_at_once(config: Path, elsewhere: tuple[object, ...]) -> None:
    change = ("-c", config, "schedule", "set", "shop", "--kind", "hourly", "--every", "6h", "--scope", "database")
    done = lifeboat(*change, "--json")
    assert (done.code, done.document["changed"]) == (0, True)
    drop_in = config.parent / "config.d" / "90-schedule-shop.yaml"
    assert '- {kind: daily, at: "03:00"}' in drop_in.read_text()
    assert "- {kind: hourly, every: 6h, scope: database}" in drop_in.read_text()
    shown = lifeboat("-c", config, "schedule", "show", *elsewhere, "--json").document["entries"]
    assert "shop-hourly-database" in [row["name"] for row in shown]
    assert lifeboat(*change, "--json").document["changed"] is False
    assert lifeboat("-c", config, "schedule", "set", "shop", "--kind", "daily", "--at", "04:15").code == 0
    assert '- {kind: daily, at: "04:15"}' in drop_in.read_text()
    assert lifeboat("-c", config, "schedule", "set", "shop", "--job", "rehearse", "--off").code == 0
    assert "rehearse" not in drop_in.read_text()
    assert lifeboat("-c", config, "config", "validate").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("shop", "--kind", "daily"), 2, "say when it runs"),
        (("shop", "--at", "03:00"), 2, "name either a kind"),
        (("shop", "--kind", "daily", "--at", "3 o'clock"), 2, "this is no time"),
        (("shop", "--kind", "daily", "--at", "03:00", "--every", "6h"), 2, "contradict"),
        (("shop", "--kind", "hourly", "--off"), 10, "nothing like that"),
        (("shoq", "--kind", "daily", "--at", "03:00"), 10, "did you mean shop?"),
        (("shop", "--job", "verify", "--scope", "files", "--at", "03:00"), 2, '"scope" is for backups'),
    ],
)
def test_set_refuses_what_makes_no_sense(config: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = lifeboat("-c", config, "schedule", "set", *arguments)
    assert ended.code == code, ended.stderr
    assert said in ended.stderr
    assert not (config.parent / "config.d").exists()


def test_set_never_writes_over_a_drop_in_of_somebody_else(config: Path) -> None:
    mine = config.parent / "config.d" / "90-schedule-shop.yaml"
    mine.parent.mkdir()
    mine.write_text("ui: {theme: dark}\n")
    assert lifeboat("-c", config, "schedule", "set", "shop", "--kind", "daily", "--at", "04:00").code == 5
    assert mine.read_text() == "ui: {theme: dark}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="another user has a crontab, which belongs to the machine")
def test_install_into_cron_and_out_again(config: Path, elsewhere: tuple[object, ...], tmp_path: Path) -> None:
    done = lifeboat("-c", config, "schedule", "install", "--with", "cron", *elsewhere, "--json")
    assert (done.code, done.document["installed"], done.document["current"], done.document["changed"]) == (
        0, "cron", True, True,
    )  # fmt: skip
    lines = (tmp_path / "cron").read_text().splitlines()
    assert any(line.startswith("0 3 * * *  root  ") and "backup shop --kind daily" in line for line in lines)
    again = lifeboat("-c", config, "schedule", "install", "--with", "cron", *elsewhere, "--json")
    assert again.document["changed"] is False
    lifeboat("-c", config, "schedule", "set", "shop", "--kind", "daily", "--at", "04:00")
    outdated = lifeboat("-c", config, "schedule", "show", *elsewhere, "--json").document
    assert outdated["current"] is False
    assert [warning["code"] for warning in outdated["warnings"]] == ["schedule-outdated"]
    gone = lifeboat("-c", config, "schedule", "remove", *elsewhere, "--json")
    assert (gone.document["changed"], gone.document["installed"]) == (True, "none")
    assert not (tmp_path / "cron").exists()


def test_without_a_profile_there_is_nothing_to_schedule(elsewhere: tuple[object, ...]) -> None:
    ended = lifeboat("schedule", "install", *elsewhere)
    assert ended.code == 2
    assert "config init" in ended.stderr
    assert lifeboat("schedule", "show", *elsewhere).code == 0


def test_status_with_q_says_only_what_is_wrong(config: Path) -> None:
    bad = lifeboat("-c", config, "status", "shop", "-q", "--max-age", "26h")
    assert bad.code == 4
    assert "there is no good backup" in bad.stdout
    assert lifeboat("-c", config, "backup", "shop", "-q").code == 0
    good = lifeboat("-c", config, "status", "shop", "-q")
    assert (good.code, good.stdout, good.stderr) == (0, "", "")


@pytest.mark.parametrize(("given", "code"), [("1.5", 0), ("90", 0), ("1h", 0), ("10m", 0), ("soon", 2), ("-1", 2)])
def test_lock_wait_takes_seconds_and_times(config: Path, given: str, code: int) -> None:
    assert lifeboat("-c", config, "status", "-q", "--lock-wait", given).code in (code, 4 if code == 0 else code)


def test_status_says_what_is_installed_and_what_time_it_is_here(config: Path) -> None:
    before = lifeboat("-c", config, "status", "--json").document
    assert before["schedule"] == {"installed": "none", "current": True, "gone": []}
    assert before["version"] == __version__
    assert datetime.fromisoformat(before["now"]) <= datetime.now(UTC)

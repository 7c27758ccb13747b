"""From the configuration to what runs."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from toolkit.profile import load
from toolkit.profile.model import Config
from toolkit.schedule.entries import entries, promised_age


def configured(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(f"vault: {tmp_path}/vault\n{text}")
    return load.load(path, os.environ)


def test_a_profile_that_says_nothing_has_the_default_schedule(tmp_path: Path) -> None:
    found = entries(configured(tmp_path, "profiles: {wiki: {files: [/srv/wiki]}}"))
    assert [(entry.name, str(entry.when)) for entry in found] == [
        ("wiki-daily", "03:00"),
        ("wiki-weekly", "sun 02:00"),
        ("wiki-monthly", "1 04:00"),
        ("wiki-rehearse", "mon 05:00"),
        ("wiki-freshness", "every 1h"),
    ]
    assert all(entry.default for entry in found)
    assert found[0].command == "lifeboat backup wiki --kind daily --lock-wait 1h --quiet"
    assert found[-1].command == "lifeboat status wiki --max-age 26h --tell --quiet"


@pytest.mark.parametrize(("identity", "rehearsed"), [("", False), (", identity_file: /etc/key.txt", True)])
def test_a_machine_that_only_encrypts_does_not_rehearse_by_itself(
    tmp_path: Path, identity: str, *, rehearsed: bool
) -> None:
    archive = f"archive: {{encrypt: {{recipients: [age1qyqszqgpqyqszqgp]{identity}}}}}"
    found = entries(configured(tmp_path, f"profiles: {{wiki: {{files: [/srv/wiki], {archive}}}}}"))
    assert ("wiki-rehearse" in [entry.name for entry in found]) == rehearsed


def test_entries_are_what_the_profile_says(tmp_path: Path) -> None:
    text = """
destinations: {disk: {type: directory, path: /mnt/disk}}
profiles:
  shop:
    databases: [/srv/shop.db]
    destinations: [disk]
    alarms: {max_age: 30h}
    schedule:
      - {kind: daily, at: "03:00"}
      - {kind: hourly, every: 6h, scope: database}
      - {kind: hourly, every: 12h, scope: database}
      - {job: rehearse, at: "mon 04:00"}
      - {job: prune, at: "05:00"}
"""
    found = entries(configured(tmp_path, text))
    assert [entry.command.removeprefix("lifeboat ") for entry in found] == [
        "backup shop --kind daily --lock-wait 1h --quiet",
        "backup shop --kind hourly --scope database --lock-wait 1h --quiet",
        "backup shop --kind hourly --scope database --lock-wait 1h --quiet",
        "verify shop@latest --rehearse --lock-wait 1h --quiet",
        "prune shop --yes --lock-wait 1h --quiet",
        "status shop --max-age 30h --tell --quiet",
        "sync --quiet",
    ]
    assert len({entry.name for entry in found}) == len(found)


@pytest.mark.parametrize(
    ("rows", "age"),
    [
        ('{kind: daily, at: "03:00"}', timedelta(hours=26)),
        ('{kind: daily, at: "03:00"}, {kind: hourly, every: 6h, scope: database}', timedelta(hours=26)),
        ("{kind: hourly, every: 6h}", timedelta(hours=8)),
        ('{kind: weekly, at: "sun 02:00"}', timedelta(days=7, hours=2)),
        ('{job: rehearse, at: "03:00"}', None),
    ],
)
def test_the_promised_age_follows_from_the_schedule(tmp_path: Path, rows: str, age: timedelta | None) -> None:
    [profile] = configured(tmp_path, f"profiles: {{shop: {{files: [/srv], schedule: [{rows}]}}}}").profiles
    assert promised_age(profile) == age

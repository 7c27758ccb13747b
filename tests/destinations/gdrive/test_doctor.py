"""The doctor names each trap before the first upload, and finds nothing where all is well."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.destinations.gdrive.conftest import Reopen
from tests.makers import driveserver_faults as faults
from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_ready import ANN, ROBOT, opened, person, robot, sign_in
from toolkit.destinations.gdrive.destination import GoogleDriveDestination
from toolkit.destinations.gdrive.doctor import Doctor, Finding
from toolkit.profile.model import GoogleDrive
from toolkit.profile.secret import Secret


def troubles(drive: GoogleDriveDestination, **options: object) -> list[Finding]:
    """Return what the doctor finds, without what is well."""
    with drive:
        found = list(Doctor(drive, **options).examine())  # type: ignore[arg-type]
    assert all(one.hint for one in found if one.severity in ("warning", "error")), "each says what to do"
    return [one for one in found if one.severity != "ok"]


def expect_only(drive: GoogleDriveDestination, code: str, severity: str = "error", **options: object) -> Finding:
    """Return the one thing that the doctor finds, which must be `code`."""
    found = troubles(drive, **options)
    assert [(one.code, one.severity) for one in found] == [(code, severity)]
    return found[0]


def test_all_is_well(ann: Reopen, shared: Reopen) -> None:
    assert troubles(ann()) == []
    assert troubles(shared()) == []


def test_nothing_is_changed(server: DriveServer, ann: Reopen) -> None:
    troubles(ann())
    assert {method for method, where, _ in server.log if where.startswith("/drive")} == {"GET"}


def test_a_service_account_without_storage(server: DriveServer, tmp_path: Path, state: Path) -> None:
    settings = robot(server, tmp_path / "etc")
    server.world.account(ANN)
    folder = server.world.place("Backups", ANN, shared={ROBOT: "writer"})
    mine = GoogleDrive(name="drive", credentials=settings.credentials, endpoint=server.address, folder_id=folder.id)
    finding = expect_only(opened(mine, state), "no-storage")
    assert "shared drive" in finding.hint


def test_the_day_on_which_a_sign_in_of_testing_ends(server: DriveServer, tmp_path: Path, state: Path) -> None:
    settings = person(server, tmp_path / "etc", testing=True)
    before = datetime.now(UTC) - timedelta(seconds=1)  # the sign-in lasts for whole seconds
    sign_in(server, settings, state)
    finding = expect_only(opened(settings, state), "testing")
    ends = [f"{day + timedelta(days=7):%Y-%m-%d}" for day in (before, datetime.now(UTC))]
    assert any(day in finding.message for day in ends), "midnight may pass"
    assert "Publish app" in finding.hint


def test_a_sign_in_that_ended_after_seven_days(server: DriveServer, tmp_path: Path, state: Path) -> None:
    settings = person(server, tmp_path / "etc", testing=True)
    sign_in(server, settings, state, issued=datetime.now(UTC) - timedelta(days=8))
    for refresh in server.sign.refreshes.values():
        refresh.issued -= 8 * 86400
    finding = expect_only(opened(settings, state), "testing")
    assert "7 days" in finding.message
    assert "drive login" in finding.hint


def test_a_young_sign_in_of_which_google_says_nothing(server: DriveServer, tmp_path: Path, state: Path) -> None:
    settings = person(server, tmp_path / "etc")
    sign_in(server, settings, state, issued=datetime.now(UTC))
    expect_only(opened(settings, state), "sign-in", "notice")
    sign_in(server, settings, state, issued=datetime.now(UTC) - timedelta(days=9))
    assert troubles(opened(settings, state)) == []


def test_a_revoked_sign_in(server: DriveServer, ann: Reopen) -> None:
    server.sign.revoke_all()
    assert "drive login" in expect_only(ann(), "sign-in-needed").hint


def test_nobody_signed_in_yet_or_with_another_client(server: DriveServer, tmp_path: Path, state: Path) -> None:
    settings = person(server, tmp_path / "etc")
    assert "nobody" in expect_only(opened(settings, state), "sign-in-needed").message
    sign_in(server, settings, state)
    other = person(server, tmp_path / "other")
    assert "another OAuth client" in expect_only(opened(other, state), "sign-in-needed").message


def test_files_of_another_client_are_invisible(server: DriveServer, ann: Reopen, tmp_path: Path, state: Path) -> None:
    server.world.account("eve@example.org")
    lost = server.world.place("shop_manual_20260101T000000Z_k3jq7a2m.tar.zst", ANN, mime="application/zstd")
    expect_only(ann(), "files-invisible", "warning", known=(lost.id,))


def test_files_by_hand_are_noticed(server: DriveServer, shared: Reopen) -> None:
    drive = next(iter(server.world.drives))
    name = "shop_manual_20260101T000000Z_k3jq7a2m.tar.zst"
    server.world.place(name, ROBOT, parent=drive, mime="application/zstd")
    expect_only(shared(), "files-of-others", "notice")


@pytest.mark.parametrize("why", ["missing", "not shared", "in the bin", "a file"])
def test_a_folder_that_is_no_good(why: str, server: DriveServer, tmp_path: Path, state: Path) -> None:
    settings = robot(server, tmp_path / "etc")
    server.world.account(ANN)
    drive = next(iter(server.world.drives))
    folder = server.world.place("Backups", ANN, parent=drive if why in ("in the bin", "a file") else "")
    if why == "in the bin":
        folder.trashed = True
    if why == "a file":
        folder.mime = "text/plain"
    ident = "1nothing" if why == "missing" else folder.id
    mine = GoogleDrive(name="drive", credentials=settings.credentials, endpoint=server.address, folder_id=ident)
    code = "folder-not-shared" if why in ("missing", "not shared") else "folder-missing"
    finding = expect_only(opened(mine, state), code)
    assert why not in ("missing", "not shared") or ROBOT in finding.hint


def test_a_folder_that_drive_file_does_not_show(server: DriveServer, tmp_path: Path, state: Path) -> None:
    server.world.account(ANN)
    folder = server.world.place("Backups", ANN)
    settings = person(server, tmp_path / "etc", folder_id=folder.id)
    sign_in(server, settings, state)
    assert "folder_name" in expect_only(opened(settings, state), "folder-invisible").hint


def test_doubled_folders(server: DriveServer, shared: Reopen, tmp_path: Path, state: Path) -> None:
    settings = robot(server, tmp_path / "again", folder_name="Backups")
    drive = settings.drive_id or ""
    for _ in range(5):  # more than a page
        server.world.place("Backups", ROBOT, parent=drive)
    assert "5 folders" in expect_only(opened(settings, state), "folder-doubled", "warning").message


@pytest.mark.parametrize(
    ("role", "code", "severity"),
    [
        ("reader", "read-only", "error"),
        ("writer", "cannot-remove", "warning"),
        ("fileOrganizer", "bin-only", "notice"),
    ],
)
def test_rights(role: str, code: str, severity: str, server: DriveServer, tmp_path: Path, state: Path) -> None:
    settings = robot(server, tmp_path / "etc", role=role)
    expect_only(opened(settings, state), code, severity)


def test_space_and_bin_against_the_next_archive(server: DriveServer, ann: Reopen) -> None:
    account = server.world.accounts[ANN]
    account.limit = 1000
    server.world.place("film", ANN, mime="video/mp4", size=600, trashed=True)
    assert expect_only(ann(), "quota", next_size=500).hint == "empty the bin of Drive"
    assert "free some space" in expect_only(ann(), "quota", next_size=5000).hint
    assert "enough for 2 archives" in expect_only(ann(), "quota", "warning", next_size=200).message
    assert troubles(ann(), next_size=100) == []
    account.limit = None
    assert troubles(ann(), next_size=10**12) == []


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_wrong_clock(hours: int, server: DriveServer, shared: Reopen) -> None:
    server.world.ahead = hours * 3600
    found = troubles(shared())
    assert [one.code for one in found] == ["clock", "sign-in-needed"]
    assert re.search(r"2 h 00 min (ahead of|behind)", found[0].message)
    assert "clock" in found[1].message


def test_no_network(server: DriveServer, ann: Reopen) -> None:
    server.faults.add(faults.reset(), times=1000)
    expect_only(ann(), "destination-transient")


def test_credentials_that_are_none(server: DriveServer, tmp_path: Path, state: Path) -> None:
    path = tmp_path / "wrong.json"
    for content in ("{", "[]", "{}", '{"installed": {}}', '{"type": "service_account"}'):
        path.write_text(content)
        path.chmod(0o600)
        settings = GoogleDrive(name="drive", credentials=Secret(file=path), endpoint=server.address)
        expect_only(opened(settings, state), "config")
    path.chmod(0o644)
    expect_only(opened(settings, state), "exposed-secret")
    expect_only(opened(GoogleDrive(name="drive"), state), "sign-in-needed")

"""How destinations stand, as far as it is known here; and their speed, set from the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.makers.commands import application, lifeboat
from toolkit.destinations.gdrive.credentials import Account, Token
from toolkit.operations.offsite import standing
from toolkit.operations.session import open_session
from toolkit.profile.model import GoogleDrive

CLIENT = '{"installed": {"client_id": "me", "client_secret": "hush"}}'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    app = application(tmp_path / "shop")
    (tmp_path / "client.json").write_text(CLIENT)
    (tmp_path / "client.json").chmod(0o600)
    path = tmp_path / "config.yaml"
    path.write_text(
        f"vault: {tmp_path / 'vault'}\n"
        f"destinations:\n  disk: {{type: directory, path: {tmp_path / 'disk'}}}\n"
        f"  drive: {{type: google-drive, credentials_file: {tmp_path / 'client.json'}, folder_name: Backups}}\n"
        f"profiles: {{shop: {{databases: [{app}/shop.db], destinations: [disk]}}}}\n"
    )
    return path


def test_what_arrived_and_what_waits(config: Path, tmp_path: Path) -> None:
    session = open_session(config=config)
    assert [(one.name, one.copies, one.waiting) for one in standing.standing(session)] == [
        ("disk", 0, ()),
        ("drive", 0, ()),
    ]
    (tmp_path / "disk").write_text("no folder")
    assert lifeboat("backup", "--config", config).code == 3
    disk = standing.standing(session)[0]
    assert [row.state for row in disk.waiting] == ["queued"]
    assert disk.error
    assert disk.next is not None
    (tmp_path / "disk").unlink()
    (tmp_path / "disk").mkdir()
    assert lifeboat("sync", "--now", "--config", config).code == 0
    disk = standing.standing(session)[0]
    assert (disk.copies, disk.waiting, disk.error, disk.profiles) == (1, (), "", ("shop",))
    assert disk.size > 0
    assert disk.newest is not None


def test_the_sign_in_of_a_drive(config: Path) -> None:
    session = open_session(config=config)

    def found() -> standing.SignIn:
        sign_in = standing.standing(session)[1].sign_in
        assert sign_in is not None
        return sign_in

    assert found().state == "needed"
    settings = session.config.destination("drive")
    assert isinstance(settings, GoogleDrive)
    account = Account(settings, session.state / "destinations" / "drive")
    soon = datetime.now(UTC) + timedelta(days=3)
    account.keep(Token(refresh_token="r", client_id="me", client_secret="hush", email="ann@example.org", expires=soon))
    assert (found().state, found().account, found().expires) == ("ready", "ann@example.org", soon)
    account.keep(Token(refresh_token="r", client_id="me", client_secret="hush", expires=soon - timedelta(days=9)))
    assert found().state == "expired"
    (config.parent / "client.json").write_text("{}")
    assert (found().state, "neither" in found().problem) == ("wrong", True)


def test_the_limit_is_set_changed_and_taken_away(config: Path) -> None:
    def limit() -> int | None:
        return open_session(config=config).config.destination("drive").limit

    assert lifeboat("destination", "limit", "drive", "2MB/s", "--config", config, "--json").document["changed"]
    assert limit() == 2_000_000
    assert not lifeboat("destination", "limit", "drive", "2MB/s", "--config", config, "--json").document["changed"]
    assert "2.0 MB/s" in lifeboat("destination", "list", "--config", config).stdout
    assert lifeboat("destination", "limit", "drive", "none", "--config", config).code == 0
    assert limit() is None
    for words in (("drive", "fast"), ("nobody", "2MB/s"), ("drive", '"}\nvault: /tmp/x')):
        assert lifeboat("destination", "limit", *words, "--config", config).code == 2
    drop_in = config.parent / "config.d" / "90-limit-drive.yaml"
    drop_in.write_text("# mine\n")
    assert lifeboat("destination", "limit", "drive", "1MB/s", "--config", config).code == 5
    assert drop_in.read_text() == "# mine\n"

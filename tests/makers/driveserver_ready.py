"""Ways to be signed in at a `DriveServer`: settings, credentials files, and destinations that wait for nothing."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_world import SCOPE_FILE
from toolkit.destinations.gdrive.credentials import Account, Token
from toolkit.destinations.gdrive.destination import GoogleDriveDestination
from toolkit.profile.model import GoogleDrive
from toolkit.profile.secret import Secret

ANN = "ann@example.org"
ROBOT = "backup@demo.iam.gserviceaccount.com"


def private(path: Path, content: object) -> Path:
    """Write `content` as the JSON of a file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


def robot(server: DriveServer, folder: Path, *, role: str = "organizer", **settings: Any) -> GoogleDrive:
    """Return settings of a service account that is a member of a shared drive."""
    key = private(folder / "service.json", server.sign.new_service_account(ROBOT))
    drive = server.world.shared_drive("Backups", {ROBOT: role})
    given = {"drive_id": drive.id, **settings}
    return GoogleDrive(name="drive", credentials=Secret(file=key), endpoint=server.address, **given)


def person(
    server: DriveServer, folder: Path, *, testing: bool = False, client: dict[str, Any] | None = None, **settings: Any
) -> GoogleDrive:
    """Return settings of a person's own OAuth client, not yet signed in."""
    if ANN not in server.world.accounts:
        server.world.account(ANN)
    client = client or server.sign.new_client(testing=testing)
    path = private(folder / "client.json", client)
    return GoogleDrive(name="drive", credentials=Secret(file=path), endpoint=server.address, **settings)


def sign_in(server: DriveServer, settings: GoogleDrive, state: Path, *, issued: datetime | None = None) -> None:
    """Keep a sign-in of Ann in `state`, as `drive login` does."""
    account = Account(settings, state)
    user = server.sign.authorised_user(account.content, ANN, SCOPE_FILE)
    known = {name: user[name] for name in ("refresh_token", "client_id", "client_secret", "token_uri")}
    account.keep(msgspec.convert({**known, "email": ANN, "issued": issued}, Token))


def opened(settings: GoogleDrive, state: Path, **options: Any) -> GoogleDriveDestination:
    """Return the destination as a new process opens it, except that it waits for nothing."""
    return GoogleDriveDestination(settings, state=state, **{"pause": lambda _seconds: None, **options})

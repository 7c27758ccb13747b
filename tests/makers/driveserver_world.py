"""What is in the Drive of the tests: accounts, clients, shared drives, files, quotas, and who may see what.

Facts of Drive that are kept here: a service account owns no storage; the bin counts against the quota; names are
not unique; with the scope `drive.file` a client sees only files that it made; `appProperties` belong to
the client that set them, 30 of them, 124 bytes each with its key; files of a shared drive belong to it, and
its roles say who may add, bin and delete.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.makers.driveserver_replies import RefusalError

FOLDER = "application/vnd.google-apps.folder"
SCOPE = "https://www.googleapis.com/auth/drive"
SCOPE_FILE = "https://www.googleapis.com/auth/drive.file"
ROLES = ("reader", "commenter", "writer", "fileOrganizer", "organizer")
_ADDRESS = "https://drive.google.com"


@dataclass
class Account:
    """A user, or a service account (`service`): its storage and, for service accounts, whom it may impersonate."""

    email: str
    limit: int | None = 15 << 30
    service: bool = False
    root: str = ""
    delegates: set[str] = field(default_factory=set)


@dataclass
class Client:
    """An OAuth client; `kind` is what it was made for, `testing` the state of its consent screen."""

    id: str
    secret: str
    kind: str = "limited-input"
    testing: bool = False


@dataclass
class SharedDrive:
    """A shared drive: its members with their roles."""

    id: str
    name: str
    members: dict[str, str]


@dataclass
class Grant:
    """What an access token stands for."""

    account: Account
    app: str
    scopes: frozenset[str]
    expires: float
    alive: bool = True


@dataclass
class File:
    """A file or folder. `app` is the client that made it; `shared` are accounts it was shared with, and their roles."""

    id: str
    name: str
    mime: str
    parents: list[str]
    owner: str
    app: str
    created: float
    drive: str = ""
    size: int = 0
    md5: str = ""
    sha256: str = ""
    trashed: bool = False
    abusive: bool = False
    app_properties: dict[str, dict[str, str]] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)

    def field(self, name: str) -> str:
        """Return the text that queries call `name`."""
        return {"name": self.name, "mimeType": self.mime}[name]


@dataclass
class Session:
    """A resumable upload: what it will become, what has arrived."""

    id: str
    grant: Grant
    metadata: dict[str, Any]
    query: dict[str, str]
    total: int | None
    created: float
    path: Path | None
    received: int = 0
    file: str = ""
    gone: bool = False
    hashes: tuple[Any, Any] = ()  # type: ignore[assignment]
    lock: threading.Lock = field(default_factory=threading.Lock)


class World:
    """All of it. Hold `lock` around what reads and changes; `ahead` moves the server's clock."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.ahead = 0.0
        self.accounts: dict[str, Account] = {}
        self.clients: dict[str, Client] = {}
        self.keys: dict[str, Any] = {}
        self.drives: dict[str, SharedDrive] = {}
        self.files: dict[str, File] = {}
        self.ids: set[str] = set()
        self.sessions: dict[str, Session] = {}
        self.grants: dict[str, Grant] = {}
        self.page_size = 3

    def now(self) -> float:
        """Return the server's time."""
        return time.time() + self.ahead

    def account(self, email: str, **fields: Any) -> Account:
        """Make an account with its root folder."""
        root = f"root{secrets.token_hex(8)}"
        made = self.accounts[email] = Account(email, root=root, **fields)
        self.files[root] = File(root, "My Drive", FOLDER, [], email, "", self.now())
        return made

    def shared_drive(self, name: str, members: dict[str, str]) -> SharedDrive:
        """Make a shared drive, whose root folder has its id."""
        ident = f"0A{secrets.token_urlsafe(12)}"
        made = self.drives[ident] = SharedDrive(ident, name, members)
        self.files[ident] = File(ident, name, FOLDER, [], "", "", self.now(), drive=ident)
        return made

    def place(
        self, name: str, owner: str, *, parent: str = "", app: str = "", mime: str = FOLDER, **fields: Any
    ) -> File:
        """Put a file or folder there as `owner` does by hand in a browser, which is no client of ours."""
        parent = parent or self.accounts[owner].root
        ident = self.new_id()
        drive = self.files[parent].drive
        made = File(ident, name, mime, [parent], "" if drive else owner, app, self.now(), drive=drive, **fields)
        self.files[ident] = made
        return made

    def new_id(self) -> str:
        """Return an id that `files.create` accepts."""
        ident = f"1{secrets.token_urlsafe(24)}"
        self.ids.add(ident)
        return ident

    def role(self, grant: Grant, file: File) -> str:
        """Return the role of an account for a file, "" for none, without regard to scopes."""
        if file.drive:
            return self.drives[file.drive].members.get(grant.account.email, "")
        seen: File | None = file
        while seen is not None:
            if seen.owner == grant.account.email:
                return "owner"
            if grant.account.email in seen.shared:
                return seen.shared[grant.account.email]
            seen = self.files.get(seen.parents[0]) if seen.parents else None
        return ""

    def visible(self, grant: Grant, file: File) -> bool:
        """Say whether the account and the client of `grant` see `file`."""
        if not self.role(grant, file):
            return False
        is_root = file.id == grant.account.root
        return SCOPE in grant.scopes or is_root or file.app == grant.app

    def find(self, grant: Grant, ident: str, *, all_drives: bool) -> File:
        """Return a file that `grant` sees; a refusal (404) else."""
        ident = grant.account.root if ident == "root" else ident
        file = self.files.get(ident)
        if file is None or not self.visible(grant, file) or (file.drive and not all_drives):
            raise RefusalError(404, "notFound", f"File not found: {ident}.")
        return file

    def require_role(self, grant: Grant, file: File, least: str) -> None:
        """Raise the refusal of an account whose role for `file` is lower than `least`."""
        role = self.role(grant, file)
        if role != "owner" and ROLES.index(role) < ROLES.index(least):
            raise RefusalError(
                403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file."
            )

    def used(self, account: Account) -> tuple[int, int]:
        """Return the bytes that an account's files take, and those of them in the bin."""
        own = [file for file in self.files.values() if file.owner == account.email]
        return sum(file.size for file in own), sum(file.size for file in own if file.trashed)

    def require_room(self, grant: Grant, parent: File, size: int) -> None:
        """Raise the refusal of an account whose storage does not hold `size` more bytes."""
        if parent.drive:
            return
        if grant.account.service:
            raise RefusalError(
                403,
                "storageQuotaExceeded",
                "Service Accounts do not have storage quota. Leverage shared drives, or use OAuth delegation instead.",
            )
        limit = grant.account.limit
        if limit is not None and self.used(grant.account)[0] + size > limit:
            raise RefusalError(403, "storageQuotaExceeded")

    def checked_parent(self, grant: Grant, metadata: dict[str, Any], *, all_drives: bool) -> File:
        """Return the folder that new files go to, after all that Drive refuses about `metadata`."""
        known = {"id", "name", "mimeType", "parents", "appProperties", "description", "createdTime", "modifiedTime"}
        if set(metadata) - known:
            raise RefusalError(400, "badRequest", f"unknown: {sorted(set(metadata) - known)}")
        if "id" in metadata:
            if metadata["id"] not in self.ids:
                raise RefusalError(400, "invalid", "The provided file ID is not usable.")
            if metadata["id"] in self.files:
                raise RefusalError(409, "fileIdInUse")
        parents = metadata.get("parents", ["root"])
        if len(parents) != 1:
            raise RefusalError(403, "multipleParentsNotSupported", "Multiple parents are not supported.")
        parent = self.find(grant, parents[0], all_drives=all_drives)
        self.require_role(grant, parent, "writer")
        check_properties(metadata.get("appProperties", {}))
        return parent

    def create(self, grant: Grant, metadata: dict[str, Any], *, all_drives: bool) -> File:
        """Make a file or folder without content."""
        parent = self.checked_parent(grant, metadata, all_drives=all_drives)
        made = File(
            metadata.get("id") or self.new_id(),
            metadata.get("name", "Untitled"),
            metadata.get("mimeType", "application/octet-stream"),
            [parent.id],
            "" if parent.drive else grant.account.email,
            grant.app,
            self.now(),
            drive=parent.drive,
            app_properties={grant.app: dict(metadata.get("appProperties", {}))},
        )
        self.files[made.id] = made
        return made

    def resource(self, grant: Grant, file: File) -> dict[str, Any]:
        """Return the file as `grant` sees it."""
        role = self.role(grant, file)
        rank = len(ROLES) if role == "owner" else ROLES.index(role)
        moment = datetime.fromtimestamp(file.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        shown: dict[str, Any] = {
            "kind": "drive#file",
            "id": file.id,
            "name": file.name,
            "mimeType": file.mime,
            "parents": file.parents,
            "trashed": self.in_bin(file),
            "explicitlyTrashed": file.trashed,
            "appProperties": file.app_properties.get(grant.app, {}),
            "createdTime": moment,
            "modifiedTime": moment,
            "ownedByMe": file.owner == grant.account.email,
            "owners": [{"emailAddress": file.owner}] if file.owner else [],
            "capabilities": {
                "canAddChildren": rank >= ROLES.index("writer"),
                "canTrash": rank >= ROLES.index("fileOrganizer") and file.id not in self.drives,
                "canDelete": rank >= ROLES.index("organizer") and file.id not in self.drives,
            },
            "webViewLink": f"{_ADDRESS}/drive/folders/{file.id}"
            if file.mime == FOLDER
            else f"{_ADDRESS}/file/d/{file.id}/view",
        }
        if file.drive:
            shown["driveId"] = file.drive
            if file.mime == FOLDER:  # told of folders in shared drives only
                shown["capabilities"]["canTrashChildren"] = rank >= ROLES.index("fileOrganizer")
                shown["capabilities"]["canDeleteChildren"] = rank >= ROLES.index("organizer")
        if file.mime != FOLDER:
            shown |= {"size": str(file.size), "md5Checksum": file.md5, "sha256Checksum": file.sha256}
        return shown

    def in_bin(self, file: File) -> bool:
        """Say whether a file, or a folder that it is in, lies in the bin."""
        seen: File | None = file
        while seen is not None:
            if seen.trashed:
                return True
            seen = self.files.get(seen.parents[0]) if seen.parents else None
        return False

    def content(self, ident: str) -> Path:
        """Return where the bytes of a file are."""
        assert self.folder is not None
        return self.folder / ident


def check_properties(properties: dict[str, str | None]) -> None:
    """Raise the refusal of too many or too long `appProperties`."""
    if len(properties) > 30:
        raise RefusalError(403, "propertyLimitExceeded", "Too many private properties.")
    for key, value in properties.items():
        if len(key.encode()) + len((value or "").encode()) > 124:
            raise RefusalError(400, "invalid", f"The property {key} is longer than 124 bytes.")

"""A Google Drive on the loopback: the part of Drive v3 and of Google's sign-in that Lifeboat uses, strictly.

    with DriveServer() as server:
        server.world.account("ann@example.org")
        client = server.sign.new_client()
        server.faults.add(faults.lost(), "chunk", last=True)

It checks what Google checks (signatures of assertions, scopes, ranges, multiples of 256 KiB, quotas, parameters for
shared drives, fields) and refuses what it does not know. `python -m tests.makers.driveserver FOLDER` runs it by
hand and writes credentials to FOLDER.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import select
import socket
import struct
import tempfile
import threading
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.makers.driveserver_faults import Fault, Faults
from tests.makers.driveserver_oauth import Sign
from tests.makers.driveserver_query import matching
from tests.makers.driveserver_replies import Mask, RefusalError, masked, parse_mask
from tests.makers.driveserver_world import FOLDER, SCOPE, File, Grant, Session, World, check_properties

UNIT = 256 << 10
WEEK = 7 * 86400
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_API, _UPLOAD = "/drive/v3", "/upload/drive/v3/files"
_FILE_MASK: Mask = parse_mask(
    "kind,id,name,mimeType,parents,trashed,explicitlyTrashed,appProperties,createdTime,modifiedTime,ownedByMe,"
    "owners(emailAddress),capabilities(canAddChildren,canTrash,canDelete,canTrashChildren,canDeleteChildren),webViewLink,driveId,size,md5Checksum,"
    "sha256Checksum"
)
_LIST_MASK: Mask = {"kind": {}, "nextPageToken": {}, "incompleteSearch": {}, "files": _FILE_MASK}
_ABOUT_MASK: Mask = parse_mask(
    "kind,user(kind,displayName,emailAddress),storageQuota(limit,usage,usageInDrive,usageInDriveTrash)"
)
_PARAMETERS = {
    "about": {"fields"},
    "ids": {"count", "space", "type", "fields"},
    "create": {"supportsAllDrives", "fields"},
    "start": {"uploadType", "supportsAllDrives", "fields"},
    "get": {"supportsAllDrives", "fields"},
    "media": {"supportsAllDrives", "acknowledgeAbuse"},
    "list": {
        "q", "fields", "pageSize", "pageToken", "spaces", "corpora", "driveId", "includeItemsFromAllDrives",
        "supportsAllDrives", "orderBy",
    },
    "update": {"supportsAllDrives", "fields", "addParents", "removeParents"},
    "delete": {"supportsAllDrives"},
    "drives": {"fields"},
}  # fmt: skip


class DriveServer:
    """The server, on a port of its own. `world`, `sign` and `faults` are what tests change, in the same process.

    `folder` keeps the contents; without one a temporary folder does, and with `discard` nothing is kept but
    sizes and digests, for uploads that are larger than the disk.
    """

    def __init__(self, folder: Path | None = None, *, port: int = 0, discard: bool = False) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="drive-") if folder is None else None
        kept = Path(self._temporary.name) if self._temporary is not None else folder
        self.world = World(None if discard else kept)
        self.faults = Faults()
        self.stopping = threading.Event()
        self._http = _Server(("127.0.0.1", port), _Exchange)
        self._http.drive = self
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        self.sign = Sign(self.world, self.address)
        self.log: list[tuple[str, str, int]] = []
        self.corrupting = 0
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def files(self, name: str = "") -> list[File]:
        """Return the files that are no folders, of that name where one is given."""
        with self.world.lock:
            return [file for file in self.world.files.values() if file.mime != FOLDER and name in ("", file.name)]

    def content(self, file: File) -> bytes:
        """Return the bytes of a file."""
        return self.world.content(file.id).read_bytes()

    def expire_sessions(self) -> None:
        """End every upload that is under way, as Drive does after a week."""
        with self.world.lock:
            for session in self.world.sessions.values():
                session.gone = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    drive: DriveServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that break: half of the tests break them."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | OSError | ValueError):
            super().handle_error(request, client_address)


class _GoneError(ConnectionError):
    """The connection is closed on purpose."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 << 10
    server: _Server
    server_version = "ESF"
    sys_version = ""

    # -- the connection ------------------------------------------------------------------------------------------

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base names it so
        """Keep quiet."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the server's time, which a test may have moved."""
        return formatdate(self.server.drive.world.now() if timestamp is None else timestamp, usegmt=True)

    def do_GET(self) -> None:
        """Answer."""
        self._exchange()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - named by the base

    def _exchange(self) -> None:
        self.drive, self.world = self.server.drive, self.server.drive.world
        split = urllib.parse.urlsplit(self.path)
        self.where = split.path
        pairs = urllib.parse.parse_qsl(split.query, keep_blank_values=True)
        assert len(pairs) == len(dict(pairs)), "doubled parameter"
        self.query = dict(pairs)
        self.left = int(self.headers.get("Content-Length") or 0)
        operation = self._operation()
        fault = self.drive.faults.pick(operation, last=self._is_last())
        try:
            self._answer(operation, fault)
        except RefusalError as refusal:
            self._send(refusal.status, refusal.body, retry_after=refusal.retry_after)
        except _GoneError:
            return

    def _operation(self) -> str:
        method, where = self.command, self.where
        if where in ("/token", "/device/code", "/device"):
            return {"/token": "token", "/device/code": "device", "/device": "page"}[where]
        if where == _UPLOAD:
            if method == "POST":
                return "start"
            is_query = self.left == 0 and (self.headers.get("Content-Range") or "").startswith("bytes *")
            return {"PUT": "query" if is_query else "chunk", "DELETE": "cancel"}.get(method, "")
        rest = where.removeprefix(_API)
        if rest == where:
            return ""
        if (method, rest) in _EXACT:
            return _EXACT[method, rest]
        if rest.startswith("/drives/") and method == "GET":
            return "drives"
        if rest.startswith("/files/"):
            if method == "GET":
                return "media" if self.query.get("alt") == "media" else "get"
            return {"PATCH": "update", "DELETE": "delete"}.get(method, "")
        return ""

    def _is_last(self) -> bool:
        match = _RANGE.fullmatch(self.headers.get("Content-Range") or "")
        if match is None:
            return self.command == "PUT"
        return match[2] is not None and match[3] != "*" and int(match[2]) + 1 == int(match[3])

    def _answer(self, operation: str, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else ""
        if kind == "reset":
            self._drop()
        if fault is not None and kind == "refuse":
            self._drain()
            raise RefusalError(fault.status, fault.reason, retry_after=fault.retry_after)
        if kind == "stall":
            self._drain()
            self._never_answer()
        if kind == "expired":
            self.drive.sign.expire_access()
        self.cut_at = fault.after if fault is not None and kind == "cut" else None
        self.call = fault.action if fault is not None else None
        if self.call is not None and fault is not None and fault.after < 1 and operation != "chunk":
            self.call()
        self.fault = fault
        getattr(self, f"_do_{operation or 'nothing'}")()

    def _done(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        """Answer a request that was done, or fail only now."""
        kind = self.fault.kind if self.fault is not None else ""
        if self.call is not None and self.fault is not None and self.fault.after >= 1:
            self.call()
        if kind in ("lost", "cut"):
            self._drop()
        if kind == "hang_up":
            self.close_connection = True
            raise _GoneError
        if self.fault is not None and kind == "muddled":
            raise RefusalError(self.fault.status)
        self._send(status, body, headers)

    def _send(
        self, status: int, body: Any = None, headers: dict[str, str] | None = None, retry_after: int | None = None
    ) -> None:
        self._drain()
        data = b"" if body is None else json.dumps(body).encode()
        self.drive.log.append((self.command, self.where, status))
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if data:
            self.send_header("Content-Type", "application/json; charset=UTF-8")
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _drop(self) -> None:
        """Reset the connection."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket(fileno=self.connection.detach()).close()
        raise _GoneError

    def _never_answer(self) -> None:
        while not self.drive.stopping.is_set():
            if select.select([self.connection], [], [], 0.02)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                break
        self._drop()

    def _read(self, most: int) -> bytes:
        data = self.rfile.read(min(most, self.left))
        self.left -= len(data)
        if not data and self.left:
            self.close_connection = True
            raise _GoneError
        return data

    def _drain(self) -> None:
        while self.left:
            self._read(1 << 20)

    def _body(self) -> bytes:
        data = b"".join(iter(lambda: self._read(1 << 20), b""))
        if self.cut_at is not None:
            self._drop()
        return data

    # -- signing in ----------------------------------------------------------------------------------------------

    def _form(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self._body().decode()))

    def _do_token(self) -> None:
        self._done(200, self.drive.sign.token(self._form()))

    def _do_device(self) -> None:
        self._done(200, self.drive.sign.device_code(self._form()))

    def _do_page(self) -> None:
        """Let a person approve a code, in a browser: GET /device?user_code=…&email=…."""
        if "user_code" in self.query:
            self.drive.sign.approve(self.query["user_code"], self.query["email"])
        self._done(200, {"device": "approved" if "user_code" in self.query else "add ?user_code=…&email=…"})

    # -- everything else -----------------------------------------------------------------------------------------

    def _do_nothing(self) -> None:
        raise RefusalError(404, "notFound", f"Not Found: {self.command} {self.where}")

    def _granted(self, operation: str) -> Grant:
        unknown = set(self.query) - _PARAMETERS[operation] - {"alt"}
        if unknown:
            raise RefusalError(400, "invalidParameter", f"Invalid parameters: {sorted(unknown)}")
        return self.drive.sign.grant(self.headers.get("Authorization") or "")

    def _flag(self, name: str) -> bool:
        return self.query.get(name) == "true"

    def _metadata(self) -> dict[str, Any]:
        data = json.loads(self._body() or b"{}")
        assert isinstance(data, dict)
        return data

    def _masked(self, grant: Grant, file: File) -> Any:
        mask = parse_mask(self.query.get("fields", "kind,id,name,mimeType"))
        return masked(self.world.resource(grant, file), mask, _FILE_MASK)

    def _ident(self) -> str:
        return urllib.parse.unquote(self.where.rpartition("/")[2])

    def _do_about(self) -> None:
        grant = self._granted("about")
        if "fields" not in self.query:
            raise RefusalError(400, "required", "The 'fields' parameter is required for this method.")
        with self.world.lock:
            used, binned = self.world.used(grant.account)
        quota = {"usage": str(used), "usageInDrive": str(used), "usageInDriveTrash": str(binned)}
        if grant.account.limit is not None:
            quota["limit"] = str(grant.account.limit)
        user = {"kind": "drive#user", "displayName": "", "emailAddress": grant.account.email}
        about = {"kind": "drive#about", "user": user, "storageQuota": quota}
        self._done(200, masked(about, parse_mask(self.query["fields"]), _ABOUT_MASK))

    def _do_ids(self) -> None:
        self._granted("ids")
        count = int(self.query.get("count", 10))
        with self.world.lock:
            ids = [self.world.new_id() for _ in range(count)]
        self._done(200, {"kind": "drive#generatedIds", "space": "drive", "ids": ids})

    def _do_drives(self) -> None:
        grant = self._granted("drives")
        if SCOPE not in grant.scopes:
            raise RefusalError(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        found = self.world.drives.get(self._ident())
        if found is None or grant.account.email not in found.members:
            raise RefusalError(404, "notFound", f"Shared drive not found: {self._ident()}")
        self._done(200, {"kind": "drive#drive", "id": found.id, "name": found.name})

    def _do_create(self) -> None:
        grant, metadata = self._granted("create"), self._metadata()
        with self.world.lock:
            made = self.world.create(grant, metadata, all_drives=self._flag("supportsAllDrives"))
            answer = self._masked(grant, made)
        self._done(200, answer)

    def _do_get(self) -> None:
        grant = self._granted("get")
        with self.world.lock:
            found = self.world.find(grant, self._ident(), all_drives=self._flag("supportsAllDrives"))
            answer = self._masked(grant, found)
        self._done(200, answer)

    def _do_update(self) -> None:
        grant, metadata = self._granted("update"), self._metadata()
        with self.world.lock:
            found = self.world.find(grant, self._ident(), all_drives=self._flag("supportsAllDrives"))
            if set(metadata) - {"trashed", "name", "appProperties"}:
                raise RefusalError(403, "fieldNotWritable", "The resource body includes fields which are not writable.")
            if "trashed" in metadata:
                self.world.require_role(grant, found, "fileOrganizer")
                found.trashed = metadata["trashed"]
            else:
                self.world.require_role(grant, found, "writer")
            found.name = metadata.get("name", found.name)
            own = found.app_properties.setdefault(grant.app, {})
            own.update(metadata.get("appProperties", {}))
            check_properties(own)
            answer = self._masked(grant, found)
        self._done(200, answer)

    def _do_delete(self) -> None:
        grant = self._granted("delete")
        with self.world.lock:
            found = self.world.find(grant, self._ident(), all_drives=self._flag("supportsAllDrives"))
            self.world.require_role(grant, found, "organizer")
            if not found.drive and found.owner != grant.account.email:
                raise RefusalError(403, "insufficientFilePermissions")
            del self.world.files[found.id]
        self._done(204)

    def _do_list(self) -> None:
        grant = self._granted("list")
        asked = int(self.query.get("pageSize", 100))
        if not 1 <= asked <= 1000:
            raise RefusalError(400, "invalid", "Invalid value for pageSize")
        with self.world.lock:
            seen = matching(self.query.get("q", ""), self._listed(grant), grant)
            start = self._page_start()
            size = min(asked, self.world.page_size)
            page = [self.world.resource(grant, file) for file in seen[start : start + size]]
        answer: dict[str, Any] = {"kind": "drive#fileList", "incompleteSearch": False, "files": page}
        if start + size < len(seen):
            answer["nextPageToken"] = f"~{start + size}:{self._asked()}"
        default = "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)"
        self._done(200, masked(answer, parse_mask(self.query.get("fields", default)), _LIST_MASK))

    def _asked(self) -> str:
        same = sorted((name, value) for name, value in self.query.items() if name not in ("pageToken", "pageSize"))
        return hashlib.sha256(repr(same).encode()).hexdigest()[:12]

    def _page_start(self) -> int:
        token = self.query.get("pageToken")
        if token is None:
            return 0
        match = re.fullmatch(r"~(\d+):(\w+)", token)
        if match is None or match[2] != self._asked():
            raise RefusalError(400, "invalid", "Invalid Value")
        return int(match[1])

    def _listed(self, grant: Grant) -> list[File]:
        corpora, drive = self.query.get("corpora", "user"), self.query.get("driveId", "")
        everywhere = self._flag("supportsAllDrives") and self._flag("includeItemsFromAllDrives")
        if (corpora == "drive") != bool(drive) or (drive and not everywhere):
            raise RefusalError(
                403, "teamDrivesParentLimit", "driveId needs corpora=drive and the parameters for all drives"
            )
        if drive and (drive not in self.world.drives or grant.account.email not in self.world.drives[drive].members):
            raise RefusalError(404, "notFound", f"Shared drive not found: {drive}")
        roots = {account.root for account in self.world.accounts.values()} | set(self.world.drives)
        found = [
            file
            for file in self.world.files.values()
            if file.id not in roots and self.world.visible(grant, file) and (everywhere or not file.drive)
        ]
        return [file for file in found if not drive or file.drive == drive]

    # -- contents ------------------------------------------------------------------------------------------------

    def _do_media(self) -> None:
        grant = self._granted("media")
        with self.world.lock:
            found = self.world.find(grant, self._ident(), all_drives=self._flag("supportsAllDrives"))
            if found.abusive and not self._flag("acknowledgeAbuse"):
                raise RefusalError(
                    403, "cannotDownloadAbusiveFile", "This file has been identified as malware or spam."
                )
        if found.mime == FOLDER:
            raise RefusalError(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
        start, end, status = 0, found.size, 200
        if asked := self.headers.get("Range"):
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
            assert match is not None, asked
            start, end = int(match[1]), min(int(match[2] or found.size - 1) + 1, found.size)
            if start >= found.size:
                self._send(416, None, {"Content-Range": f"bytes */{found.size}"})
                return
            status = 206
        self._send_content(found, start, end, status)

    def _send_content(self, file: File, start: int, end: int, status: int) -> None:
        if self.fault is not None and self.fault.kind in ("lost", "hang_up", "muddled"):
            self._done(status)
        self.drive.log.append((self.command, self.where, status))
        self.send_response(status)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Type", file.mime)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{file.size}")
        self.end_headers()
        stop = end if self.cut_at is None else start + int((end - start) * self.cut_at)
        with self.world.content(file.id).open("rb") as content:
            content.seek(start)
            while start < stop:
                data = content.read(min(1 << 20, stop - start))
                self.wfile.write(data)
                start += len(data)
        if self.cut_at is not None:
            self.wfile.flush()
            self._drop()

    def _do_start(self) -> None:
        grant, metadata = self._granted("start"), self._metadata()
        if self.query.get("uploadType") != "resumable":
            raise RefusalError(400, "invalidParameter", "only resumable uploads")
        said = self.headers.get("X-Upload-Content-Length")
        total = int(said) if said is not None else None
        with self.world.lock:
            parent = self.world.checked_parent(grant, metadata, all_drives=self._flag("supportsAllDrives"))
            if total is not None:
                self.world.require_room(grant, parent, total)
            ident = secrets.token_urlsafe(24)
            path = self.world.folder / f".{ident}" if self.world.folder is not None else None
            session = Session(ident, grant, metadata, self.query, total, self.world.now(), path)
            session.hashes = (hashlib.md5(), hashlib.sha256())
            self.world.sessions[ident] = session
        if path is not None:
            path.touch()
        where = f"{self.drive.address}{_UPLOAD}?uploadType=resumable&upload_id={ident}"
        self._done(200, None, {"Location": where, "X-GUploader-UploadID": ident})

    def _session(self) -> Session:
        if self.headers.get("Authorization"):
            self.drive.sign.grant(self.headers["Authorization"])
        session = self.world.sessions.get(self.query.get("upload_id", ""))
        if session is None or session.gone or session.created + WEEK < self.world.now():
            raise RefusalError(404, "notFound", "Not Found")
        return session

    def _do_cancel(self) -> None:
        self._session().gone = True
        self._done(499)

    def _do_query(self) -> None:
        session = self._session()
        with session.lock:
            match = _RANGE.fullmatch(self.headers["Content-Range"])
            if match is None:
                raise RefusalError(400, "badContentRange", "Failed to parse Content-Range header.")
            if session.file:
                self._complete(session)
            else:
                self._incomplete(session)

    def _do_chunk(self) -> None:
        session = self._session()
        with session.lock:
            first, total = self._checked_range(session)
            if session.file:
                self._drain()
                self._complete(session)
                return
            self._receive(session, first)
            if total is not None and session.received == total:
                self._finish(session)
                self._complete(session)
            else:
                self._incomplete(session)

    def _checked_range(self, session: Session) -> tuple[int, int | None]:
        """Return the first byte and the total that `Content-Range` says, after all that Drive refuses about it."""
        said = self.headers.get("Content-Range")
        if said is None:
            first, size, total = 0, self.left, self.left
        else:
            match = _RANGE.fullmatch(said)
            if match is None or match[1] is None:
                raise RefusalError(400, "badContentRange", "Failed to parse Content-Range header.")
            first, size = int(match[1]), int(match[2]) - int(match[1]) + 1
            total = None if match[3] == "*" else int(match[3])
        final = total is not None and first + size == total
        if (
            size != self.left
            or (size <= 0 and said is not None)
            or (not final and size % UNIT)
            or (total is not None and (first + size > total or session.total not in (None, total)))
            or (first != session.received and not session.file)
        ):
            raise RefusalError(400, "badContentRange", f"Invalid request: {said}, {session.received} received")
        session.total = total if total is not None else session.total
        return first, total

    def _receive(self, session: Session, first: int) -> None:
        """Take the body; of one that is cut, whole units stay."""
        size = self.left
        keep = size if self.cut_at is None else int(size * self.cut_at)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(session.path.open("r+b")) if session.path is not None else None
            if file is not None:
                file.truncate(session.received)
                file.seek(session.received)
            taken = 0
            call_at = size if self.call is None or self.fault is None else int(size * self.fault.after)
            while self.left:
                if self.call is not None and taken >= call_at:
                    self.call()
                    self._drop()  # a machine that stops sends nothing more; of a process the rest would still come
                data = self._read(UNIT)
                taken += len(data)
                if taken > keep:
                    break
                if len(data) == UNIT or first + taken == session.total:
                    for one in session.hashes:
                        one.update(data)
                    if file is not None:
                        file.write(data)
                    session.received += len(data)
        if self.cut_at is not None:
            self._drop()

    def _incomplete(self, session: Session) -> None:
        known = {"Range": f"bytes=0-{session.received - 1}"} if session.received else {}
        self._done(308, None, known)

    def _finish(self, session: Session) -> None:
        with self.world.lock:
            all_drives = session.query.get("supportsAllDrives") == "true"
            try:
                parent = self.world.checked_parent(session.grant, session.metadata, all_drives=all_drives)
                self.world.require_room(session.grant, parent, session.received)
            except RefusalError:
                session.gone = True
                raise
            made = self.world.create(session.grant, session.metadata, all_drives=all_drives)
            made.size = session.received
            made.md5, made.sha256 = (one.hexdigest() for one in session.hashes)
            if session.path is not None:
                session.path.rename(self.world.content(made.id))
            if self.drive.corrupting:
                self.drive.corrupting -= 1
                made.sha256, made.md5 = hashlib.sha256(b"other").hexdigest(), hashlib.md5(b"other").hexdigest()
            session.file = made.id

    def _complete(self, session: Session) -> None:
        with self.world.lock:
            made = self.world.files.get(session.file)
            if made is None:
                raise RefusalError(404, "notFound", "Not Found")
            mask = parse_mask(session.query.get("fields", "kind,id,name,mimeType"))
            answer = masked(self.world.resource(session.grant, made), mask, _FILE_MASK)
        self._done(200, answer)


_EXACT = {
    ("GET", "/about"): "about",
    ("GET", "/files/generateIds"): "ids",
    ("GET", "/files"): "list",
    ("POST", "/files"): "create",
}


def main() -> None:
    """Run the server by hand."""
    import sys

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "content").mkdir(exist_ok=True)
    with DriveServer(folder / "content", port=int(sys.argv[2]) if len(sys.argv) > 2 else 0) as server:
        server.world.account("ann@example.org")
        made = {
            "client.json": server.sign.new_client(),
            "service.json": server.sign.new_service_account("backup@demo.iam.gserviceaccount.com"),
        }
        drive = server.world.shared_drive("Backups", {"backup@demo.iam.gserviceaccount.com": "organizer"})
        for name, content in made.items():
            (folder / name).write_text(json.dumps(content, indent=1))
            (folder / name).chmod(0o600)
        print(f"endpoint: {server.address}\ndrive_id: {drive.id}\ncredentials: {folder}/client.json, service.json")
        print(f"approve a code: curl '{server.address}/device?user_code=CODE&email=ann@example.org'", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

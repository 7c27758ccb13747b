"""The Drive server of the tests, by Google's own client and by hand: it refuses what Google refuses."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.makers.driveserver import UNIT, DriveServer
from tests.makers.driveserver_world import FOLDER, SCOPE, SCOPE_FILE

ANN, ROBOT = "ann@example.org", "robot@demo.iam.gserviceaccount.com"


@pytest.fixture
def server() -> Iterator[DriveServer]:
    with DriveServer() as made:
        made.world.account(ANN)
        yield made


def client(server: DriveServer, info: dict[str, Any]) -> Any:
    """Return Google's client, as its documentation says, but for the address."""
    import google_auth_httplib2
    from google.oauth2 import service_account
    from google.oauth2.credentials import Credentials
    from googleapiclient.discovery import build_from_document
    from googleapiclient.http import build_http

    from toolkit.destinations.gdrive.client import _document

    if info["type"] == "service_account":

        class Quiet(service_account.Credentials):  # type: ignore[misc]
            def _is_regional_access_boundary_lookup_required(self) -> bool:
                return False

        credentials: Any = Quiet.from_service_account_info(info, scopes=[SCOPE])
    else:
        known = {key: info[key] for key in ("refresh_token", "token_uri", "client_id", "client_secret")}
        credentials = Credentials(None, **known)
    http = google_auth_httplib2.AuthorizedHttp(credentials, http=build_http())
    return build_from_document(_document(server.address), http=http)


@pytest.fixture
def ann(server: DriveServer) -> Iterator[Any]:
    with client(server, server.sign.authorised_user(server.sign.new_client(), ANN, SCOPE)) as made:
        yield made


@pytest.fixture
def robot(server: DriveServer) -> Iterator[Any]:
    with client(server, server.sign.new_service_account(ROBOT)) as made:
        yield made


def refused(request: Any) -> tuple[int, str]:
    """Return status and reason of a request that must be refused."""
    from googleapiclient.errors import HttpError

    with pytest.raises(HttpError) as caught:
        request.execute()
    return caught.value.status_code, caught.value.error_details[0]["reason"]


def media(data: bytes, chunk: int = UNIT) -> Any:
    from googleapiclient.http import MediaIoBaseUpload

    return MediaIoBaseUpload(io.BytesIO(data), "application/octet-stream", chunksize=chunk, resumable=True)


def put(server: DriveServer, address: str, token: str, body: bytes, content_range: str | None) -> tuple[int, str]:
    """Send a chunk by hand; return the status and the `Range` of the answer."""
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Range": content_range} if content_range else {})
    request = urllib.request.Request(address, data=body, method="PUT", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers.get("Range", "")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Range", "")


def session(server: DriveServer, ann: Any, size: int) -> tuple[str, str]:
    """Begin an upload; return its address and an access token."""
    ann.about().get(fields="user").execute()
    token = next(iter(server.world.grants))
    request = urllib.request.Request(
        f"{server.address}/upload/drive/v3/files?uploadType=resumable",
        data=json.dumps({"name": "x"}).encode(),
        headers={"Authorization": f"Bearer {token}", "X-Upload-Content-Length": str(size)},
    )
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Location"], token


def test_a_file_goes_up_and_down(server: DriveServer, ann: Any) -> None:
    data = bytes(range(256)) * 3000
    made = ann.files().create(body={"name": "a"}, media_body=media(data), fields="id,size,md5Checksum").execute()
    assert int(made["size"]) == len(data)
    assert ann.files().get_media(fileId=made["id"]).execute() == data
    assert server.content(server.files("a")[0]) == data


def test_names_are_not_unique_and_ids_are(ann: Any) -> None:
    ids = [ann.files().create(body={"name": "a"}).execute()["id"] for _ in range(2)]
    assert len(set(ids)) == 2
    given = ann.files().generateIds(count=1).execute()["ids"][0]
    ann.files().create(body={"name": "b", "id": given}).execute()
    assert refused(ann.files().create(body={"name": "b", "id": given})) == (409, "fileIdInUse")
    assert refused(ann.files().create(body={"id": "mine"}))[0] == 400


def test_chunks_are_checked(server: DriveServer, ann: Any) -> None:
    total = 2 * UNIT + 5
    where, token = session(server, ann, total)
    assert put(server, where, token, b"x" * 100, f"bytes 0-99/{total}")[0] == 400  # no multiple of 256 KiB
    assert put(server, where, token, b"x" * UNIT, f"bytes {UNIT}-{2 * UNIT - 1}/{total}")[0] == 400  # a gap
    assert put(server, where, token, b"x" * UNIT, f"bytes 0-{UNIT}/{total}")[0] == 400  # another length
    assert put(server, where, token, b"x" * UNIT, f"bytes 0-{UNIT - 1}/{total + 1}")[0] == 400  # another total
    assert put(server, where, token, b"x" * UNIT, "bytes nonsense")[0] == 400
    assert put(server, where, token, b"", f"bytes */{total}") == (308, "")
    assert put(server, where, token, b"x" * UNIT, f"bytes 0-{UNIT - 1}/{total}") == (308, f"bytes=0-{UNIT - 1}")
    assert put(server, where, token, b"x" * UNIT, f"bytes 0-{UNIT - 1}/{total}")[0] == 400  # twice
    assert put(server, where, token, b"", f"bytes */{total}") == (308, f"bytes=0-{UNIT - 1}")
    assert put(server, where, "wrong", b"", f"bytes */{total}")[0] == 401
    assert put(server, where, token, b"y" * (UNIT + 5), f"bytes {UNIT}-{total - 1}/{total}")[0] == 200
    assert put(server, where, token, b"", f"bytes */{total}")[0] == 200  # goes on saying so
    server.world.ahead = 8 * 86400
    assert put(server, where, token, b"", f"bytes */{total}")[0] == 401
    server.world.ahead = 0
    server.expire_sessions()
    assert put(server, where, token, b"", f"bytes */{total}")[0] == 404


def test_pages_are_short_and_tokens_belong_to_their_query(server: DriveServer, ann: Any) -> None:
    for number in range(7):
        ann.files().create(body={"name": f"n{number}"}).execute()
    first = ann.files().list(fields="nextPageToken,files(name)").execute()
    assert len(first["files"]) == 3
    assert "nextPageToken" not in ann.files().list(fields="files(name)").execute()
    token = first["nextPageToken"]
    assert refused(ann.files().list(q="trashed = false", pageToken=token))[0] == 400
    seen, request = [], ann.files().list(fields="nextPageToken,files(name)")
    while request is not None:
        answer = request.execute()
        seen += [one["name"] for one in answer["files"]]
        request = ann.files().list_next(request, answer)
    assert len(seen) == 7


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name = 'it\\'s'", ["it's"]),
        ("name != 'plain' and trashed = false", ["it's"]),
        ("not name = 'plain' and trashed = false", ["it's"]),
        ("appProperties has { key='a' and value='1' }", ["plain"]),
        ("(name = 'plain' or name = 'it\\'s') and trashed = false", ["it's", "plain"]),
        ("trashed = true", ["binned"]),
        ("'root' in parents and mimeType = 'text/plain'", []),
    ],
)
def test_searching(query: str, found: list[str], ann: Any) -> None:
    ann.files().create(body={"name": "plain", "appProperties": {"a": "1"}}).execute()
    ann.files().create(body={"name": "it's"}).execute()
    binned = ann.files().create(body={"name": "binned"}).execute()["id"]
    ann.files().update(fileId=binned, body={"trashed": True}).execute()
    answer = ann.files().list(q=query, fields="files(name)").execute()
    assert sorted(one["name"] for one in answer["files"]) == found


@pytest.mark.parametrize("query", ["name", "name = plain", "name = 'a' or", "size > 5", "name = 'a' name = 'b'", "'x"])
def test_searches_that_are_wrong(query: str, ann: Any) -> None:
    assert refused(ann.files().list(q=query)) == (400, "invalid")


def test_fields_are_required_and_known(ann: Any) -> None:
    assert refused(ann.about().get()) == (400, "required")
    assert refused(ann.files().list(fields="files(nothing)")) == (400, "invalidParameter")
    assert refused(ann.files().list(fields="files(id")) == (400, "invalidParameter")


def test_app_properties_have_limits_and_belong_to_their_client(server: DriveServer, ann: Any) -> None:
    made = ann.files().create(body={"name": "a", "appProperties": {"k": "v" * 123}}, fields="appProperties").execute()
    assert made["appProperties"] == {"k": "v" * 123}
    assert refused(ann.files().create(body={"appProperties": {"k": "v" * 124}}))[0] == 400
    assert refused(ann.files().create(body={"appProperties": {str(n): "" for n in range(31)}}))[0] == 403
    with client(server, server.sign.authorised_user(server.sign.new_client(), ANN, SCOPE)) as other:
        answer = other.files().list(fields="files(name,appProperties)").execute()
        assert answer["files"] == [{"name": "a", "appProperties": {}}]


def test_drive_file_shows_only_files_of_the_same_client(server: DriveServer, ann: Any) -> None:
    ann.files().create(body={"name": "a"}).execute()
    with client(server, server.sign.authorised_user(server.sign.new_client(), ANN, SCOPE_FILE)) as other:
        assert other.files().list(fields="files(name)").execute()["files"] == []
        hidden = server.files("a")[0].id
        assert refused(other.files().get(fileId=hidden)) == (404, "notFound")
        assert refused(other.files().create(body={"parents": [hidden]})) == (404, "notFound")
        other.files().create(body={"name": "b"}).execute()
        assert refused(other.drives().get(driveId="x")) == (403, "insufficientPermissions")


def test_the_quota_counts_the_bin_and_service_accounts_have_none(server: DriveServer, ann: Any, robot: Any) -> None:
    server.world.accounts[ANN].limit = 1000
    made = ann.files().create(body={"name": "a"}, media_body=media(b"x" * 600)).execute()
    ann.files().update(fileId=made["id"], body={"trashed": True}).execute()
    again = ann.files().create(body={"name": "b"}, media_body=media(b"x" * 600))
    assert refused(again) == (403, "storageQuotaExceeded")
    quota = ann.about().get(fields="storageQuota").execute()["storageQuota"]
    assert (quota["usage"], quota["usageInDriveTrash"], quota["limit"]) == ("600", "600", "1000")
    ann.files().delete(fileId=made["id"]).execute()
    ann.files().create(body={"name": "b"}, media_body=media(b"x" * 600)).execute()
    assert refused(robot.files().create(body={"name": "c"}, media_body=media(b"x"))) == (403, "storageQuotaExceeded")


def test_shared_drives_ask_for_their_parameters(server: DriveServer, robot: Any) -> None:
    drive = server.world.shared_drive("Backups", {ROBOT: "writer"}).id
    body = {"name": "a", "parents": [drive]}
    assert refused(robot.files().create(body=body)) == (404, "notFound")
    made = robot.files().create(body=body, media_body=media(b"x"), supportsAllDrives=True).execute()["id"]
    assert refused(robot.files().get(fileId=made)) == (404, "notFound")
    assert robot.files().list(fields="files(id)").execute()["files"] == []
    assert refused(robot.files().list(corpora="drive", driveId=drive))[0] == 403
    everywhere = {"corpora": "drive", "driveId": drive, "supportsAllDrives": True, "includeItemsFromAllDrives": True}
    assert [one["id"] for one in robot.files().list(fields="files(id)", **everywhere).execute()["files"]] == [made]
    assert refused(robot.files().delete(fileId=made, supportsAllDrives=True))[0] == 403
    bin_it = robot.files().update(fileId=made, body={"trashed": True}, supportsAllDrives=True)
    assert refused(bin_it)[0] == 403
    server.world.drives[drive].members[ROBOT] = "organizer"
    robot.files().delete(fileId=made, supportsAllDrives=True).execute()


def test_ranges_of_contents(server: DriveServer, ann: Any) -> None:
    made = ann.files().create(body={"name": "a"}, media_body=media(b"0123456789")).execute()["id"]
    request = ann.files().get_media(fileId=made)
    request.headers["range"] = "bytes=3-5"
    assert request.execute() == b"345"
    request.headers["range"] = "bytes=10-"
    with pytest.raises(Exception, match="416"):
        request.execute()
    folder = ann.files().create(body={"name": "f", "mimeType": FOLDER}).execute()["id"]
    assert refused(ann.files().get_media(fileId=folder)) == (403, "fileNotDownloadable")


def test_signatures_of_service_accounts_are_checked(server: DriveServer) -> None:
    from google.auth.exceptions import RefreshError

    good = server.sign.new_service_account(ROBOT)
    other = server.sign.new_service_account("other@demo.iam.gserviceaccount.com")
    for wrong in (
        {**good, "private_key": other["private_key"]},
        {**good, "private_key_id": "another"},
        {**good, "client_email": "nobody@demo.iam.gserviceaccount.com"},
    ):
        with pytest.raises(RefreshError, match="invalid_grant"), client(server, wrong) as made:
            made.about().get(fields="user").execute()
    for ahead in (-7200, 7200):
        server.world.ahead = ahead
        with pytest.raises(RefreshError, match="timeframe"), client(server, good) as made:
            made.about().get(fields="user").execute()


def test_refresh_tokens_die_by_themselves_only_in_testing(server: DriveServer) -> None:
    from google.auth.exceptions import RefreshError

    users = [server.sign.authorised_user(server.sign.new_client(testing=one), ANN, SCOPE) for one in (True, False)]
    server.world.ahead = 8 * 86400
    with pytest.raises(RefreshError, match="expired or revoked"), client(server, users[0]) as made:
        made.about().get(fields="user").execute()
    with client(server, users[1]) as made:
        assert made.about().get(fields="user/emailAddress").execute() == {"user": {"emailAddress": ANN}}
    server.sign.revoke_all()
    with pytest.raises(RefreshError, match="expired or revoked"), client(server, users[1]) as made:
        made.about().get(fields="user").execute()


def test_access_tokens_end(server: DriveServer, ann: Any) -> None:
    ann.about().get(fields="user").execute()
    server.sign.expire_access()
    ann.about().get(fields="user").execute()  # the library gets a new one
    assert [status for method, where, status in server.log if where.endswith("about")] == [200, 401, 200]


def test_what_is_not_known_is_refused(server: DriveServer, ann: Any) -> None:
    assert refused(ann.files().emptyTrash())[0] == 404
    assert refused(ann.files().list(orderBy="name", corpus="user"))[0] == 400
    assert refused(ann.files().list(pageSize=0))[0] == 400

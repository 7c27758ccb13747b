"""`lifeboat drive`, as a person at a terminal uses it, against the strict Drive server."""

from __future__ import annotations

import json
import random
import shlex
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.makers import driveserver_faults as faults
from tests.makers.commands import application, lifeboat
from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_ready import ANN, ROBOT, person, private, robot, sign_in
from toolkit.destinations.gdrive import credentials, signin, upload
from toolkit.destinations.gdrive.destination import GoogleDriveDestination
from toolkit.destinations.retrying import Retrying
from toolkit.operations.offsite import pausing
from toolkit.operations.offsite.drive import state_of
from toolkit.operations.session import Session, open_session
from toolkit.profile.model import GoogleDrive


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DriveServer]:
    for function in (GoogleDriveDestination.__init__, Retrying.__init__, signin.sign_in):
        monkeypatch.setitem(function.__kwdefaults__, "pause", lambda _seconds: None)  # type: ignore[arg-type]
    with DriveServer() as made:
        yield made


class Home:
    """A machine with one application, whose profile may name the drive."""

    def __init__(self, folder: Path, settings: GoogleDrive, *, automatic: bool = False, extra: str = "") -> None:
        self.settings = settings
        self.app = application(folder / "shop") if not (folder / "shop").exists() else folder / "shop"
        self.config = folder / "config.yaml"
        keys = {
            "credentials_file": str(settings.credentials.file) if settings.credentials else None,
            "folder_id": settings.folder_id,
            "folder_name": settings.folder_name,
            "drive_id": settings.drive_id,
            "impersonate": settings.impersonate,
            "endpoint": settings.endpoint,
            "keep": settings.keep,
        }
        drive = json.dumps({"type": "google-drive", **{key: value for key, value in keys.items() if value}})
        destinations = ", destinations: [drive]" if automatic else ""
        self.config.write_text(
            f"vault: {folder / 'vault'}\n"
            f"destinations: {{drive: {drive}{extra}}}\n"
            f"profiles: {{shop: {{databases: [{self.app}/shop.db], files: [{self.app}/uploads]{destinations}}}}}\n"
        )
        self.config.chmod(0o600)

    def run(self, *words: object, code: int = 0) -> dict[str, object]:
        """Run a command with `--json`, which must end with `code`; return its document."""
        ran = lifeboat(*words, "--config", self.config, "--json")
        assert ran.code == code, ran.stdout + ran.stderr
        return ran.document

    def text(self, *words: object, code: int = 0) -> str:
        """Run a command; return all that it printed."""
        ran = lifeboat(*words, "--config", self.config)
        assert ran.code == code, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def made(self, document: dict[str, object]) -> list[str]:
        """Return what the journal says that the job of `document` made."""
        made: list[str] = items(self.run("jobs", "show", document["job"]), "jobs")[0]["artifacts"]  # type: ignore[assignment]
        return made

    def backup(self) -> str:
        """Back up; return the id."""
        rows = self.run("backup", "shop", "--no-upload")["backups"]
        assert isinstance(rows, list)
        return str(rows[0]["id"])

    @property
    def state(self) -> Path:
        """Where the destination keeps its sign-in."""
        return state_of(open_session(config=self.config), "drive")


@pytest.fixture
def ann(server: DriveServer, tmp_path: Path) -> Home:
    home = Home(tmp_path, person(server, tmp_path / "etc"))
    sign_in(server, home.settings, home.state)
    return home


@pytest.fixture
def shared(server: DriveServer, tmp_path: Path) -> Home:
    return Home(tmp_path, robot(server, tmp_path / "etc"))


def items(document: dict[str, object], key: str = "items") -> list[dict[str, object]]:
    found = document[key]
    assert isinstance(found, list)
    return found


def approving(server: DriveServer, answer: str = "approve") -> threading.Thread:
    """Do what the person with the phone does, as soon as there is a code."""

    def wait() -> None:
        done = threading.Event()
        while not server.sign.pending:
            done.wait(0.01)
        code = next(iter(server.sign.pending.values())).user_code
        server.sign.approve(code, ANN) if answer == "approve" else server.sign.deny(code)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_signing_in_with_a_code_keeps_the_token_private(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"))
    assert home.run("drive", "list", code=13)["error"]["code"] == "sign-in-needed"  # type: ignore[index]
    thread = approving(server)
    ran = lifeboat("drive", "login", "--config", home.config, "--json")
    thread.join()
    assert ran.code == 0, ran.stderr
    assert f"{server.address}/device" in ran.stderr
    assert ran.document["items"] == [{"destination": "drive", "account": ANN, "expires": None}]
    kept = home.state / "sign-in.json"
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert home.run("drive", "list")["items"] == []
    error = home.run("restore", "--from", "drive:Elsewhere", code=13)["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["subject"]) == ("object-not-found", "Elsewhere")
    assert "drive.file" in str(error["hint"])


def test_what_waited_for_the_sign_in_goes_with_the_next_sync(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"), automatic=True)
    assert [row["code"] for row in items(home.run("backup", "shop", code=3), "uploads")] == ["sign-in-needed"]
    assert items(home.run("sync", code=3))[0]["tries"] == 1
    thread = approving(server)
    assert "1 copy waited" in home.text("drive", "login")
    thread.join()
    assert items(home.run("sync"))[0]["state"] == "done"


def test_no_secret_is_said_or_written_anywhere_else(server: DriveServer, tmp_path: Path, machine: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"))
    thread = approving(server)
    said = home.text("drive", "login")
    thread.join()
    home.backup()
    server.faults.scatter(0.3, seed=3)
    said += home.text("drive", "upload", "--events") + home.text("drive", "list") + home.text("drive", "doctor")
    server.sign.revoke_all()
    server.faults.clear()
    said += home.text("drive", "list", code=13)
    client_json = json.loads((tmp_path / "etc" / "client.json").read_text())["installed"]
    secrets = {client_json["client_secret"], *server.sign.refreshes, *server.world.grants, *server.world.sessions}
    where = [path for folder in (machine, tmp_path) for path in folder.rglob("*") if path.is_file()]
    private_files = {tmp_path / "etc" / "client.json", home.state / "sign-in.json"}
    for secret in secrets:
        assert secret not in said
        assert not [path for path in where if path not in private_files and secret.encode() in path.read_bytes()]


def test_a_refused_sign_in(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"))
    thread = approving(server, "deny")
    error = home.run("drive", "login", code=13)["error"]
    thread.join()
    assert error["message"] == "the sign-in was refused"  # type: ignore[index]
    assert not (home.state / "sign-in.json").exists()


@pytest.mark.parametrize("kind", ["desktop", "web"])
def test_a_client_of_the_wrong_type_is_named(kind: str, server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc", client=server.sign.new_client(kind)))
    error = home.run("drive", "login", code=13)["error"]
    assert "TVs and Limited Input devices" in error["hint"]  # type: ignore[index]


def test_a_service_account_needs_no_login(shared: Home) -> None:
    assert "service account" in str(shared.run("drive", "login", code=2)["error"])
    assert shared.run("drive", "list")["items"] == []


def test_an_app_in_testing_is_said_at_the_sign_in(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc", testing=True))
    thread = approving(server)
    document = home.run("drive", "login")
    thread.join()
    assert [warning["code"] for warning in items(document, "warnings")] == ["testing"]


def test_upload_list_download_and_the_same_again(server: DriveServer, ann: Home, tmp_path: Path) -> None:
    ident = ann.backup()
    sent = ann.run("drive", "upload", ident)
    assert [(one["state"], [one["link"]]) for one in items(sent)] == [("done", ann.made(sent))]
    assert [one["state"] for one in items(ann.run("drive", "upload", ident))] == ["same"]
    assert len(server.files()) == 3
    listed = items(ann.run("drive", "list"))
    assert [(one["id"], one["state"]) for one in listed] == [(ident, "complete")]
    assert str(listed[0]["link"]).startswith("https://drive.google.com/")
    assert str(listed[0]["link"]) in ann.text("drive", "list")
    folder = tmp_path / "down"
    assert {Path(path) for path in ann.made(ann.run("drive", "download", ident[:4], "--output", folder))} == {
        path for path in folder.iterdir() if not path.name.startswith(".")
    }
    vault = tmp_path / "vault" / "shop" / "manual"
    for path in folder.iterdir():
        if not path.name.endswith("manifest.json"):
            assert path.read_bytes() == (vault / path.name).read_bytes()
    assert [one["state"] for one in items(ann.run("drive", "download", "latest", "--output", folder))] == ["same"]
    next(folder.glob("*.tar.zst")).write_bytes(b"another file")
    assert ann.run("drive", "download", ident, "--output", folder, code=5)["error"]["code"] == "refused"  # type: ignore[index]


def test_an_upload_that_fails_is_13_and_stays_queued(server: DriveServer, ann: Home) -> None:
    ident = ann.backup()
    server.faults.add(faults.status(503), "chunk", times=10_000)
    document = ann.run("drive", "upload", ident, code=13)
    assert [one["state"] for one in items(document)] == ["queued"]
    assert ann.run("verify", ident)["outcome"] == "ok"
    server.faults.clear()
    assert ann.made(ann.run("sync", "--now"))[0].startswith("https://drive.google.com/")
    assert [one["state"] for one in items(ann.run("drive", "list"))] == ["complete"]


def test_a_backup_uploads_by_itself_and_a_full_drive_makes_it_incomplete(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"), automatic=True)
    sign_in(server, home.settings, home.state)
    home.run("backup", "shop")
    assert len(server.files()) == 3
    server.world.accounts[ANN].limit = 10
    document = home.run("backup", "shop", code=3)
    assert [warning["code"] for warning in items(document, "warnings")] == ["upload-queued"]
    assert len(server.files()) == 3


def test_delete_uses_the_bin_and_purge_does_not(server: DriveServer, ann: Home) -> None:
    ids = [ann.backup() for _ in range(3)]
    ann.run("drive", "upload", *ids)
    assert ann.run("drive", "delete", ids[0], code=5)["error"]["code"] == "not-confirmed"  # type: ignore[index]
    dry = ann.run("drive", "delete", ids[0], "--dry-run")
    assert (dry["changed"], dry["binned"], len(server.files())) == (False, None, 9)
    said = ann.text("drive", "delete", ids[0], "--confirm", ids[0])
    assert "bin" in said
    assert sum(file.trashed for file in server.files()) == 3
    document = ann.run("drive", "delete", ids[1], "--purge", "--yes")
    assert document["binned"] is False
    assert len(server.files()) == 6
    assert [one["id"] for one in items(ann.run("drive", "list"))] == [ids[2]]
    shown = ann.run("show", ids[1])["backup"]
    assert "drive" not in str(shown["destinations"])  # type: ignore[index]


def test_the_last_copy_anywhere_and_what_others_put_there_are_refused(server: DriveServer, ann: Home) -> None:
    ident = ann.backup()
    ann.run("drive", "upload", ident)
    for path in ann.config.parent.glob("vault/shop/manual/*"):
        path.unlink()
    ann.run("catalog", "rebuild")
    assert ann.run("drive", "delete", ident, "--yes", code=5)["error"]["code"] == "last-good-copy"  # type: ignore[index]
    for file in server.files():
        for properties in file.app_properties.values():
            properties["host"] = "elsewhere.example"
    assert "elsewhere.example" in str(ann.run("drive", "delete", ident, "--yes", code=5)["error"])
    assert len(server.files()) == 3


def test_prune_keeps_what_keep_says_and_only_looks_at_this_host(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, robot(server, tmp_path / "etc", role="fileOrganizer"))
    ids = [home.backup() for _ in range(4)]
    home.run("drive", "upload", *ids)
    others = [file for file in server.files() if ids[0] in file.name]
    for file in others:
        for properties in file.app_properties.values():
            properties["host"] = "elsewhere.example"
    home = Home(tmp_path, GoogleDrive(**{**{name: getattr(home.settings, name) for name in (
        "name", "credentials", "drive_id", "endpoint")}, "keep": 2}))  # fmt: skip
    dry = home.run("drive", "prune", "--dry-run")
    assert [one["id"] for one in items(dry)] == [ids[1]]
    assert {one["id"] for one in items(dry, "kept")} == set(ids[2:])
    document = home.run("drive", "prune", "--yes")
    assert document["binned"] is True, "a content manager of a shared drive can only bin"
    assert not any(file.trashed for file in others)
    assert {one["id"] for one in items(home.run("drive", "list"))} == {ids[0], *ids[2:]}


def test_exposed_credentials_are_refused(ann: Home, tmp_path: Path) -> None:
    (tmp_path / "etc" / "client.json").chmod(0o640)
    assert ann.run("drive", "list", code=2)["error"]["code"] == "exposed-secret"  # type: ignore[index]
    (tmp_path / "etc" / "client.json").chmod(0o600)
    (ann.state / "sign-in.json").chmod(0o644)
    assert ann.run("drive", "list", code=2)["error"]["code"] == "exposed-secret"  # type: ignore[index]


def test_an_authorised_user_file_needs_no_login(server: DriveServer, tmp_path: Path) -> None:
    from tests.makers.driveserver_world import SCOPE_FILE

    settings = person(server, tmp_path / "etc")
    user = server.sign.authorised_user(json.loads((tmp_path / "etc" / "client.json").read_text()), ANN, SCOPE_FILE)
    private(tmp_path / "etc" / "client.json", user)
    home = Home(tmp_path, settings)
    home.run("drive", "upload", home.backup())
    assert len(server.files()) == 3


def test_impersonation_works_in_the_name_of_the_user(server: DriveServer, tmp_path: Path) -> None:
    server.world.account(ANN)
    settings = robot(server, tmp_path / "etc", drive_id=None, impersonate=ANN)
    home = Home(tmp_path, settings)
    assert home.run("drive", "list", code=13)["error"]["code"] == "sign-in-needed"  # type: ignore[index]
    server.world.accounts[ROBOT].delegates.add(ANN)
    home.run("drive", "upload", home.backup())
    assert {file.owner for file in server.files()} == {ANN}


def test_no_drive_and_several_drives(server: DriveServer, tmp_path: Path) -> None:
    settings = person(server, tmp_path / "etc")
    home = Home(tmp_path, settings, extra=", second: {type: google-drive}")
    assert "--destination drive or second" in str(home.run("drive", "doctor", code=2)["error"])
    assert home.run("drive", "list", "--destination", "second", code=13)["error"]["code"] == "sign-in-needed"  # type: ignore[index]
    home.config.write_text(f"vault: {tmp_path / 'vault'}\n")
    assert "no Google Drive is configured" in str(home.run("drive", "doctor", code=2)["error"])


def test_a_plain_address_that_is_not_here_is_refused(ann: Home) -> None:
    ann.config.write_text(ann.config.read_text().replace("http://127.0.0.1", "http://drive.example"))
    assert "https" in str(ann.run("drive", "list", code=2)["error"])
    ann.config.write_text(ann.config.read_text().replace("http://drive.example", "http://127.0.0.1"))
    kept = ann.state / "sign-in.json"
    kept.write_text(kept.read_text().replace("http://127.0.0.1", "http://drive.example"))
    assert "https" in str(ann.run("drive", "list", code=2)["error"])
    assert credentials.require_safe("https://drive.example/") == "https://drive.example"


def test_each_scheduled_backup_of_a_profile_with_drive_uploads_by_itself(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"), automatic=True)
    sign_in(server, home.settings, home.state)
    shown = home.run("schedule", "show", "--cron-file", tmp_path / "cron", "--units", tmp_path / "units")
    commands = {str(one["name"]): shlex.split(str(one["command"])) for one in items(shown, "entries")}
    assert {"shop-daily", "shop-weekly", "shop-monthly", "sync"} <= commands.keys()
    for kind in ("daily", "weekly", "monthly"):
        program, *words = commands[f"shop-{kind}"]
        assert program == "lifeboat"
        assert home.text(*words) == ""
        assert items(home.run("drive", "list"))[0]["kind"] == kind
    assert len(items(home.run("drive", "list"))) == 3
    server.world.accounts[ANN].limit = 10
    assert "too little space there" in home.text(*commands["shop-daily"][1:], code=3)
    server.world.accounts[ANN].limit = None
    assert home.text(*commands["sync"][1:], code=3) == ""  # its time has not come, and the backup said so
    assert "next " in home.text("sync", code=3)
    home.run("sync", "--now")
    assert len(items(home.run("drive", "list"))) == 4


def test_paused_uploads_wait_and_nothing_is_lost(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"), automatic=True)
    sign_in(server, home.settings, home.state)
    assert home.run("drive", "pause", "--for", "3h")["pause"]
    said = home.run("backup", "shop", code=3)
    assert [row["state"] for row in items(said, "uploads")] == ["paused"]
    assert [row["status"] for row in items(said, "backups")] == ["uploading"]
    (row,) = items(home.run("sync", "--now", code=3))
    assert (row["state"], row["tries"]) == ("paused", 0)
    assert "drive resume" in home.text("sync", code=3)
    assert "uploads to drive are paused by" in home.text("status")
    assert items(home.run("drive", "upload", code=3))[0]["state"] == "paused"
    assert not server.files()
    resumed = home.run("drive", "resume")
    assert (resumed["changed"], [row["profile"] for row in items(resumed)]) == (True, ["shop"])
    assert home.run("drive", "resume")["changed"] is False
    assert items(home.run("sync"))[0]["state"] == "done"
    assert home.run("status")["paused"] == []


def test_a_pause_ends_by_itself(server: DriveServer, tmp_path: Path) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"), automatic=True)
    session = open_session(config=home.config)
    pausing.pause(session, None, timedelta(hours=3))
    assert pausing.paused(session, "drive") is not None
    later = session.now() + timedelta(hours=3)
    session.now = lambda: later
    assert pausing.paused(session, "drive") is None
    assert pausing.all_paused(session) == []


def test_an_upload_under_way_stops_and_goes_on_from_there(
    server: DriveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path, person(server, tmp_path / "etc"), automatic=True)
    sign_in(server, home.settings, home.state)
    (home.app / "uploads" / "large").write_bytes(random.Random(1).randbytes(3 << 20))
    monkeypatch.setattr(upload, "CHUNK", upload.UNIT)
    monkeypatch.setattr(pausing, "_LOOK_EVERY", 0.0)
    session = open_session(config=home.config)
    looking, looks = pausing.paused, iter(range(1000))

    def paused(one: Session, destination: str) -> pausing.Pause | None:
        if next(looks) == 5:  # somebody pauses while chunks are sent
            pausing.pause(session, None, None)
        return looking(one, destination)

    monkeypatch.setattr(pausing, "paused", paused)
    assert items(home.run("backup", "shop", code=3), "uploads")[0]["state"] == "paused"
    (begun,) = server.world.sessions.values()
    assert 0 < begun.received < 3 << 20
    home.run("drive", "resume")
    assert items(home.run("sync"))[0]["state"] == "done"
    assert begun.file
    assert len(server.files()) == 3


def test_restore_on_an_empty_machine(server: DriveServer, ann: Home, tmp_path: Path) -> None:
    ident = ann.backup()
    ann.run("drive", "upload", ident)
    fresh = tmp_path / "fresh"
    (fresh / "etc").mkdir(parents=True)
    home = Home(fresh, ann.settings)
    for path in (fresh / "vault").glob("**/*"):
        path.unlink()
    home.run("restore", "latest", "--from", "drive", "--to", fresh / "back")
    restored = fresh / "back" / str(ann.app).lstrip("/")
    assert (restored / "uploads" / "1.txt").read_bytes() == (ann.app / "uploads" / "1.txt").read_bytes()
    assert (restored / "shop.db").stat().st_size > 0

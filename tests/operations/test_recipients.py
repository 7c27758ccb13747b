"""A server that encrypts to a public key, through the command line: proof first, then everything that needs no key."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.archive.making import run as stock
from toolkit.archive import age
from toolkit.archive.key import Key
from toolkit.cli.main import run


@dataclass
class Server:
    """A machine whose profile has a recipient; `key` is the file of the private key, as it lies elsewhere."""

    root: Path
    key: Path
    recipient: str
    capsys: pytest.CaptureFixture[str]

    def configure(self, more: str = "") -> None:
        app = self.root / "app"
        config = self.root / "config.yaml"
        config.write_text(
            f"vault: {self.root / 'vault'}\n"
            f"destinations: {{disk: {{type: directory, path: {self.root / 'disk'}}}}}\n"
            f"profiles: {{app: {{databases: [{app}/shop.db], files: [{app}/files], destinations: [disk],\n"
            f"  archive: {{encrypt: {{recipients: ['{self.recipient}']{more}}}}}}}}}\n"
        )
        config.chmod(0o600)

    def lifeboat(self, *arguments: str | os.PathLike[str]) -> tuple[int, dict[str, Any]]:
        code = run([*map(os.fspath, arguments), "--config", str(self.root / "config.yaml"), "--json"])
        return code, json.loads(self.capsys.readouterr().out)

    def archive(self) -> Path:
        return next(path for path in (self.root / "vault" / "app").rglob("*.tar.zst.age") if "safety" not in str(path))


@pytest.fixture
def server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Server:
    stock("age-keygen", "-o", tmp_path / "key.txt")
    made = Server(
        tmp_path, tmp_path / "key.txt", stock("age-keygen", "-y", tmp_path / "key.txt").decode().strip(), capsys
    )
    (tmp_path / "app" / "files").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    (tmp_path / "app" / "files" / "secret-name.txt").write_text("first")
    with sqlite3.connect(tmp_path / "app" / "shop.db") as connection:
        connection.execute("create table secret_table (id integer primary key, what text)")
        connection.execute("insert into secret_table (what) values ('a boat')")
    connection.close()
    made.configure()
    return made


@pytest.fixture
def proven(server: Server) -> Server:
    assert server.lifeboat("config", "prove-key", "app", "--accept")[0] == 0
    return server


def test_nothing_is_written_until_somebody_has_shown_that_the_private_key_exists(server: Server) -> None:
    code, document = server.lifeboat("backup", "app")
    assert (code, document["error"]["code"]) == (5, "unproven-key")
    assert not list(server.root.rglob("*.age"))
    (challenge,) = server.lifeboat("config", "prove-key", "app")[1]["challenges"]
    assert challenge["recipient"] == server.recipient
    message = server.root / "message.txt"
    assert run(["config", "prove-key", "app", "--config", str(server.root / "config.yaml")]) == 0
    text = server.capsys.readouterr().out  # into a file or a pipe, too
    message.write_text(text[text.index("-----BEGIN") : text.index("then, here")])
    told = stock("age", "-d", "-i", server.key, message).decode()
    code, document = server.lifeboat("config", "prove-key", "app", "--code", "AAAA-AAAA-AAAA-AAAA")
    assert code == 5
    assert server.lifeboat("backup", "app")[0] == 5
    answer = told.split()[-1].lower()
    code, document = server.lifeboat("config", "prove-key", "app", "--code", answer)
    assert (code, [row["how"] for row in document["recipients"]]) == (0, ["code"])
    assert server.lifeboat("backup", "app")[0] == 0
    assert server.lifeboat("config", "prove-key", "app")[1]["challenges"] == []


def test_a_new_recipient_is_asked_for_again_and_an_identity_on_the_machine_proves_itself(server: Server) -> None:
    assert server.lifeboat("config", "prove-key", "app", "--accept")[1]["recipients"][0]["how"] == "accepted"
    identity, server.recipient = age.generate()
    server.configure()
    assert server.lifeboat("backup", "app")[0] == 5
    (server.root / "identity").write_text(identity)
    (server.root / "identity").chmod(0o600)
    asked = server.lifeboat("config", "prove-key", "app", "--identity", server.root / "identity")[1]
    assert ([row["how"] for row in asked["recipients"]], asked["challenges"]) == (["identity"], [])
    server.configure(f", identity_file: {server.root / 'identity'}")
    code, document = server.lifeboat("backup", "app")
    assert (code, document["backups"][0]["evidence"]) == (0, "verified")
    assert server.lifeboat("verify", "latest", "--rehearse")[1]["backups"][0]["evidence"] == "rehearsed"


def test_a_backup_is_read_back_by_the_run_that_made_it_and_never_again_here(proven: Server) -> None:
    code, document = proven.lifeboat("backup", "app")
    assert (code, document["backups"][0]["evidence"]) == (0, "verified")
    assert document["backups"][0]["archive"].endswith(".tar.zst.age")
    code, document = proven.lifeboat("verify", "latest")
    assert (code, document["error"]["code"]) == (12, "identity")
    assert "digest" in document["error"]["message"]
    assert proven.lifeboat("backup", "app")[0] == 0
    code, document = proven.lifeboat("verify", "--all", "--rehearse")
    assert (code, [row["skipped"] for row in document["backups"]]) == (3, [True, True])
    assert proven.lifeboat("show", "latest")[1]["backup"]["evidence"]["level"] == "verified"
    assert proven.lifeboat("restore", "latest", "--to", proven.root / "out", "--yes")[0] == 12
    assert proven.lifeboat("status")[0] == 0


def test_what_does_not_open_here_is_still_found_damaged(proven: Server) -> None:
    proven.lifeboat("backup", "app")
    data = bytearray(proven.archive().read_bytes())
    data[-3] ^= 1
    proven.archive().write_bytes(data)
    code, document = proven.lifeboat("verify", "latest")
    assert (code, document["backups"][0]["ok"]) == (4, False)
    assert "SHA-256" in document["backups"][0]["errors"][0]


def test_the_identity_opens_it_from_a_file_of_0600_or_a_command(proven: Server) -> None:
    proven.lifeboat("backup", "app")
    out = proven.root / "out"
    proven.key.chmod(0o644)
    code, document = proven.lifeboat("restore", "latest", "--to", out, "--identity", proven.key)
    assert (code, document["error"]["code"]) == (2, "exposed-secret")
    proven.key.chmod(0o600)
    assert proven.lifeboat("restore", "latest", "--to", out, "--identity", proven.key)[0] == 0
    assert next(out.rglob("secret-name.txt")).read_text() == "first"
    code, _ = proven.lifeboat("verify", "latest", "--rehearse", "--identity-command", f"cat {proven.key}")
    assert code == 0
    wrong = proven.root / "wrong"
    wrong.write_text(age.generate()[0])
    wrong.chmod(0o600)
    assert proven.lifeboat("verify", "latest", "--identity", wrong)[0] == 12


def test_nothing_beside_the_archive_names_what_is_in_it_once_it_has_left(proven: Server) -> None:
    proven.lifeboat("backup", "app", "--note", "secret note")
    left = [path for path in (proven.root / "disk").rglob("*") if path.is_file()]
    assert {path.suffix for path in left if not path.name.startswith(".")} == {".age", ".json"}
    for path in left:
        assert b"secret" not in path.read_bytes()
    proven.lifeboat("copy", "latest", proven.root / "usb")
    for path in (proven.root / "usb").iterdir():
        assert b"secret" not in path.read_bytes()
    manifest = json.loads(next((proven.root / "usb").glob("*.manifest.json")).read_text())
    plain = age.opened(base64.b64decode(manifest["sealed"]), Key(identities=(proven.key.read_text(),)))
    assert b"secret note" in plain


def test_an_empty_machine_needs_only_the_place_and_the_private_key(proven: Server) -> None:
    proven.lifeboat("backup", "app")
    for name in ("app", "vault"):
        shutil.rmtree(proven.root / name)
    shutil.rmtree(os.environ["STATE_DIRECTORY"])
    (proven.root / "config.yaml").write_text(f"vault: {proven.root / 'vault'}\n")
    disk, out = proven.root / "disk", proven.root / "out"
    proven.key.chmod(0o600)
    assert proven.lifeboat("restore", "--from", disk)[1]["backups"][0]["profile"] == "app"
    assert proven.lifeboat("restore", "--from", disk, "latest", "--to", out)[0] == 12
    assert proven.lifeboat("restore", "--from", disk, "latest", "--to", out, "--identity", proven.key)[0] == 0
    with sqlite3.connect(next(out.rglob("shop.db"))) as connection:
        assert connection.execute("select what from secret_table").fetchall() == [("a boat",)]
    connection.close()


def test_what_is_replaced_here_can_be_put_back_here_without_the_private_key(proven: Server) -> None:
    proven.lifeboat("backup", "app")
    changed = proven.root / "app" / "files" / "secret-name.txt"
    changed.write_text("second")
    proven.key.chmod(0o600)
    code, document = proven.lifeboat(
        "restore", "latest", "--on-conflict", "replace", "--yes", "--assume-unused", "--identity", proven.key
    )
    assert (code, changed.read_text()) == (0, "first")
    safety = next((proven.root / "vault").rglob(f"*{document['safety']}.tar.zst.age"))
    assert b"second" not in safety.read_bytes()
    assert b"second" in stock("zstd", "-dc", stdin=stock("age", "-d", "-i", proven.key, safety))
    assert proven.lifeboat("undo", "--yes", "--assume-unused")[0] == 0
    assert changed.read_text() == "second"


def test_refilling_is_said_to_be_impossible_here(proven: Server) -> None:
    proven.lifeboat("backup", "app")
    database = proven.root / "app" / "shop.db"
    data = bytearray(database.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    database.write_bytes(data)
    _, document = proven.lifeboat("repair", database, "--output", proven.root / "mended.db")
    passed = [one for one in document["warnings"] if one["code"] == "backup-passed-over"]
    assert "private key" in passed[0]["message"]
    proven.key.chmod(0o600)
    _, document = proven.lifeboat("repair", database, "--output", proven.root / "filled.db", "--identity", proven.key)
    assert document["tables"]["secret_table"]["refilled"] == 1


def test_the_same_manifest_goes_out_the_same_again(proven: Server) -> None:
    (proven.root / "disk").rmdir()
    (proven.root / "disk").write_text("no folder")
    assert proven.lifeboat("backup", "app")[0] == 3
    (proven.root / "disk").unlink()
    (proven.root / "disk").mkdir()
    assert proven.lifeboat("sync", "--now")[0] == 0
    assert len(list((proven.root / "disk").rglob("*.manifest.json"))) == 1


def test_a_profile_without_recipients_has_nothing_to_prove(server: Server) -> None:
    text = (server.root / "config.yaml").read_text()
    (server.root / "config.yaml").write_text(text[: text.index(",\n  archive")] + "}}\n")
    assert server.lifeboat("config", "prove-key", "app")[0] == 2
    assert server.lifeboat("config", "prove-key", "nobody")[0] == 10

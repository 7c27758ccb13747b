"""verify: a flipped byte anywhere is found, databases are opened and compared, and the evidence is kept."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.makers.commands import application, backed_up, lifeboat
from tests.makers.databases import opened
from toolkit.archive import manifest as manifests
from toolkit.archive.decompress import decompressed
from toolkit.archive.formats import Compression
from toolkit.archive.manifest import DatabaseRecord
from toolkit.errors import LifeboatError


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return application(tmp_path / "shop", orders=5)


def evidence(vault: Path, ident: str) -> dict[str, object]:
    found: dict[str, dict[str, object]] = json.loads(next(vault.rglob(f"*_{ident}.manifest.json")).read_bytes())
    return found["evidence"]


def test_each_level_leaves_its_evidence_and_a_lower_one_takes_none_away(vault: Path, app: Path) -> None:
    ident = backed_up(app, vault)
    assert evidence(vault, ident)["level"] == "verified"
    ran = lifeboat("verify", ident, "--rehearse", "--vault", vault, "--json")
    assert (ran.code, ran.document["backups"][0]["evidence"]) == (0, "rehearsed")
    rehearsed = evidence(vault, ident)
    assert rehearsed["level"] == "rehearsed"
    assert rehearsed["seconds"] == ran.document["backups"][0]["seconds"] > 0
    assert "took" in lifeboat("show", ident, "--vault", vault).stdout
    ran = lifeboat("verify", "latest", "--open", "--vault", vault)
    assert ran.code == 0
    assert ran.stdout.startswith(f"ok  {ident}  shop  opened  ")
    assert evidence(vault, ident) == {**rehearsed, "when": evidence(vault, ident)["when"], "by": ANY}
    assert list(vault.glob(".*.work")) == []


def unchanged(kind: str, before: bytes, after: bytes) -> bool:
    """Answer whether a flipped byte changed nothing that a sidecar says (blanks, say)."""
    if kind == "archive":
        return False
    try:
        if kind == "list":
            return b"".join(decompressed(Compression.ZSTD, iter([before]))) == b"".join(
                decompressed(Compression.ZSTD, iter([after]))
            )
        return manifests.decode(before) == manifests.decode(after)
    except LifeboatError:
        return False


@pytest.mark.parametrize("form", ["tar.zst", "zip", "7z"])
def test_a_flipped_byte_anywhere_is_found(vault: Path, app: Path, form: str) -> None:
    ident = backed_up(app, vault, "--format", form)
    kinds = {"archive": form, "manifest": "manifest.json", "list": "files.jsonl.zst"}
    found = 0
    for kind, ending in kinds.items():
        path = next(vault.rglob(f"*_{ident}.{ending}"))
        whole = path.read_bytes()
        for position in {0, len(whole) - 1, *random.sample(range(len(whole)), 24 if kind == "manifest" else 12)}:
            flipped = bytearray(whole)
            flipped[position] ^= 1 << random.randrange(8)
            if unchanged(kind, whole, bytes(flipped)):
                continue
            path.write_bytes(flipped)
            ran = lifeboat("verify", "--all", "--vault", vault, "--json")
            assert ran.code == 4, (kind, position, ran.stdout)
            assert ran.document["backups"][0]["errors"]
            found += 1
            path.write_bytes(whole)
            if kind == "archive":
                # The damage is in the evidence now; the sound archive takes it back.
                assert lifeboat("verify", ident, "--vault", vault).code == 0
                manifest = next(vault.rglob(f"*_{ident}.manifest.json"))
                assert "damage" not in json.loads(manifest.read_bytes())["evidence"]
    assert found > 20


@pytest.mark.parametrize("key", ["status", "archives", "checksum"])
def test_a_manifest_that_lost_a_key_is_not_passed_over(vault: Path, app: Path, key: str) -> None:
    """Without its status, or its archives, a backup would seem to be none; without a checksum, to be unchanged."""
    ident = backed_up(app, vault)
    path = next(vault.rglob(f"*_{ident}.manifest.json"))
    path.write_bytes(path.read_bytes().replace(f'"{key}"'.encode(), f'"{key[:-1]}_"'.encode()))
    ran = lifeboat("verify", "--all", "--vault", vault, "--json")
    assert ran.code == 4, ran.stdout
    assert ran.document["backups"][0]["errors"]


def test_damage_is_kept_and_the_backup_is_no_longer_good(vault: Path, app: Path) -> None:
    ident = backed_up(app, vault)
    archive = next(vault.rglob("*.tar.zst"))
    archive.write_bytes(archive.read_bytes()[:-100])
    ran = lifeboat("verify", ident, "--vault", vault)
    assert ran.code == 4
    assert f"DAMAGED  {ident}  shop  written" in ran.stdout
    assert evidence(vault, ident)["damage"]
    assert lifeboat("list", "--vault", vault, "--json").document["backups"][0]["good"] is False
    archive.unlink()
    assert lifeboat("verify", ident, "--vault", vault).code == 4


def test_a_manifest_that_does_not_say_what_the_archive_says(vault: Path, app: Path) -> None:
    ident = backed_up(app, vault)
    path = next(vault.rglob(f"*_{ident}.manifest.json"))
    fields = json.loads(path.read_bytes())
    fields["databases"][0]["tables"]["orders"] += 1
    path.write_text(json.dumps(fields))
    ran = lifeboat("verify", ident, "--vault", vault, "--json")
    assert ran.code == 4
    assert "databases" in ran.document["backups"][0]["errors"][0]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("tables", {"orders": 6}, "table orders: 5 rows, 6"), ("schema_digest", "0" * 64, "schema"),
     ("foreign_key_violations", 3, "0 foreign-key violations, 3")],
)  # fmt: skip
def test_a_restored_database_is_compared_with_its_record(
    vault: Path, app: Path, key: str, value: object, said: str
) -> None:
    import msgspec

    from toolkit.operations.verify import compare_database

    ident = backed_up(app, vault)
    record = json.loads(next(vault.rglob(f"*_{ident}.manifest.json")).read_bytes())["databases"][0]
    sound = msgspec.convert(record, DatabaseRecord)
    assert compare_database(app / "shop.db", sound, level="full") == []
    wrong = msgspec.convert(
        {**record, key: {**record[key], **value} if isinstance(value, dict) else value}, DatabaseRecord
    )
    assert any(said in error for error in compare_database(app / "shop.db", wrong, level="full"))


def test_smoke_tests_get_the_restored_database(vault: Path, app: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    text = f"vault: {{path: {vault}}}\nprofiles:\n  shop:\n    databases: [{app}/shop.db]\n    files: [{app}/uploads]\n"
    query = "select 1/count(*) from users where name = 'late'"
    smoke = f"    smoke: [[sqlite3, '{{database}}', \"{query}\"], [test, -d, '{{root}}']]\n"
    config.write_text(text + smoke)
    ran = lifeboat("backup", "-c", config, "--json")
    ident = ran.document["backups"][0]["id"]
    assert lifeboat("verify", ident, "--rehearse", "-c", config).code == 0
    with opened(app / "shop.db") as connection:
        connection.execute("insert into users(name) values ('live only')")
    config.write_text(
        text + "    smoke: [[sh, -c, 'test $(sqlite3 \"$0\" \"select count(*) from users\") = 11', '{database}']]\n"
    )
    ran = lifeboat("verify", ident, "--rehearse", "-c", config, "--json")
    assert ran.code == 4
    assert "smoke test sh: ended with 1" in ran.document["backups"][0]["errors"][0]
    config.write_text(text + "    smoke: [[no-such-command]]\n")
    ran = lifeboat("verify", ident, "--rehearse", "-c", config)
    assert "there is no command no-such-command" in ran.stdout


def test_all_goes_by_the_oldest_evidence_and_names_unreadable_manifests(vault: Path, app: Path) -> None:
    ids = [backed_up(app, vault) for _ in range(3)]
    lifeboat("verify", ids[0], "--vault", vault)
    ran = lifeboat("verify", "--all", "--profile", "shop", "--vault", vault, "--json")
    assert [row["id"] for row in ran.document["backups"]] == [ids[1], ids[2], ids[0]]
    next(vault.rglob(f"*_{ids[1]}.manifest.json")).write_bytes(b"{")
    ran = lifeboat("verify", "--all", "--vault", vault)
    assert ran.code == 4
    assert f"DAMAGED  {ids[1]}" in ran.stdout
    assert "3 backups, 1 damaged" in ran.stdout


def test_a_path_of_an_archive_works_without_a_vault(vault: Path, app: Path, tmp_path: Path) -> None:
    backed_up(app, vault)
    archive = shutil.copy(next(vault.rglob("*.tar.zst")), tmp_path / "mine.tar.zst")
    ran = lifeboat("verify", archive, "--rehearse", "--vault", tmp_path / "none", "--json")
    assert (ran.code, ran.document["backups"][0]["evidence"]) == (0, "rehearsed")
    assert ran.document["changed"] is False
    assert not (tmp_path / "none").exists()


def test_words_that_make_no_sense(vault: Path, app: Path) -> None:
    ident = backed_up(app, vault)
    assert lifeboat("verify", "--vault", vault).code == 2
    assert lifeboat("verify", ident, "--all", "--vault", vault).code == 2
    assert lifeboat("verify", ident, "--profile", "shop", "--vault", vault).code == 2
    assert lifeboat("verify", "--all", "--profile", "nobody", "--vault", vault).code == 10
    assert lifeboat("verify", "zzzzzzzz", "--vault", vault).code == 10


@pytest.mark.parametrize("option", ["--open", "--rehearse"])
def test_a_copy_that_is_not_what_was_counted_is_found_by_opening_it(
    vault: Path, app: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    from toolkit.operations.taking import copies

    record_of = copies._record

    def one_row_more(*args: Any, **options: Any) -> DatabaseRecord:
        record = record_of(*args, **options)
        orders = record.tables["orders"]
        assert orders is not None
        return msgspec.structs.replace(record, tables={**record.tables, "orders": orders + 1})

    with monkeypatch.context() as patch:
        patch.setattr(copies, "_record", one_row_more)
        ident = backed_up(app, vault)
    assert lifeboat("verify", ident, "--vault", vault).code == 0
    ran = lifeboat("verify", ident, option, "--vault", vault)
    assert ran.code == 4
    assert "table orders: 5 rows, 6 in the manifest" in ran.stdout


@pytest.fixture
def encrypted(tmp_path: Path, vault: Path, app: Path) -> Path:
    """A configuration whose profile `enc` is encrypted, with two backups, and a plain backup beside them."""
    secret, config = tmp_path / "secret", tmp_path / "c.yaml"
    secret.write_text("correct horse")
    secret.chmod(0o600)
    config.write_text(
        f"profiles:\n  enc:\n    files: [{app}]\n    archive: {{format: 7z, encrypt: {{passphrase_file: {secret}}}}}\n"
    )
    for _ in range(2):
        assert lifeboat("-c", config, "backup", "--vault", vault).code == 0
    backed_up(app, vault)
    return config


def good(vault: Path) -> list[bool]:
    return [row["good"] for row in lifeboat("list", "--vault", vault, "--json").document["backups"]]


@pytest.mark.parametrize("trouble", ["wrong", "gone", "open", "no-config"])
def test_a_backup_that_cannot_be_opened_is_not_called_damaged(encrypted: Path, vault: Path, trouble: str) -> None:
    """A passphrase that is not there, or another one now, says nothing against an archive: it stays good."""
    secret = encrypted.parent / "secret"
    options: tuple[object, ...] = ("-c", encrypted)
    if trouble == "wrong":
        secret.write_text("another one")
    elif trouble == "gone":
        secret.unlink()
    elif trouble == "open":
        secret.chmod(0o644)
    else:
        options = ()
    ran = lifeboat(*options, "verify", "--all", "--vault", vault, "--json")
    assert ran.code == 3, ran.stdout
    assert sorted((row["ok"], row["skipped"]) for row in ran.document["backups"]) == [(False, True)] * 2 + [
        (True, False)
    ]
    assert len(ran.document["warnings"]) == 2
    assert good(vault) == [True] * 3
    text = lifeboat(*options, "verify", "--all", "--vault", vault).stdout
    assert "3 backups, none damaged, 2 not verified" in text
    assert "DAMAGED" not in text
    one = lifeboat(*options, "verify", "enc@latest", "--vault", vault, "--json")
    assert one.code == (12 if trouble in ("wrong", "no-config") else 2)
    put = lifeboat(*options, "restore", "enc@latest", "--to", vault.parent / "to", "--vault", vault, "--json")
    assert put.code == one.code
    assert put.document["error"]["subject"]
    assert good(vault) == [True] * 3


def test_damage_that_looks_like_a_wrong_passphrase_is_damage(encrypted: Path, vault: Path) -> None:
    archive = max((vault / "enc" / "manual").glob("*.7z"))
    data = bytearray(archive.read_bytes())
    data[-40] ^= 1  # the encrypted header at the end
    archive.write_bytes(data)
    ran = lifeboat("-c", encrypted, "verify", "--all", "--vault", vault, "--json")
    assert ran.code == 4, ran.stdout
    assert sorted(row["ok"] for row in ran.document["backups"]) == [False, True, True]
    assert lifeboat("-c", encrypted, "verify", "enc@latest~1", "--vault", vault).code in (0, 10)
    assert sum(good(vault)) == 2

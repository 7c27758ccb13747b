from __future__ import annotations

import os
import pwd
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlite_utils import Database

from tests.vault import made
from toolkit.archive.manifest import Copy, Evidence, Status
from toolkit.errors import LockedError, UsageError
from toolkit.retention import Kind, Scope
from toolkit.vault import catalog, index, layout, migrations, remove, store
from toolkit.vault.catalog import Filter
from toolkit.vault.layout import Vault

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def filled(vault: Vault) -> Vault:
    """Twelve backups: every third of the CRM, one failed, one damaged, one with tags and copies."""
    for number in range(12):
        profile = "crm" if number % 3 == 2 else "shop"
        fields: dict[str, object] = {"profile": profile, "kind": Kind.MANUAL if number % 2 else Kind.DAILY}
        if number == 1:
            fields |= {"status": Status.FAILED, "error": "no space left"}
        if number == 4:
            fields |= {"damaged": True}
        if number == 6:
            fields |= {"tags": ("keep", "v2"), "destinations": (Copy("drive", "x1", when=made.NOW),), "rating": 5}
            fields |= {"note": "before the Move", "pin": True}
        made.put(vault, made.manifest(f"{'abcdefghijkl'[number]}2222222", hours_ago=number + 1, **fields))
    return vault


def letters(rows: tuple[catalog.Row, ...]) -> str:
    return "".join(row.id[0] for row in rows)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), "abcdefghijkl"),
        (Filter(profile="crm"), "cfil"),
        (Filter(profile="shop", kinds=(Kind.MANUAL,)), "bdhj"),
        (Filter(kinds=(Kind.HOURLY,)), ""),
        (Filter(scopes=(Scope.DATABASE, Scope.FILES)), ""),
        (Filter(statuses=(Status.FAILED,)), "b"),
        (Filter(tags=("keep",)), "g"),
        (Filter(tags=("keep", "v2")), "g"),
        (Filter(tags=("keep", "v3")), ""),
        (Filter(destination="drive"), "g"),
        (Filter(database=made.DB), "abcdefghijkl"),
        (Filter(database="/srv/other.db"), ""),
        (Filter(good=False), "be"),
        (Filter(damaged=True), "e"),
        (Filter(pin=True), "g"),
        (Filter(rating=4), "g"),
        (Filter(text="the move"), "g"),
        (Filter(text="'; drop table backups; --"), ""),
        (Filter(since=made.NOW - timedelta(hours=3)), "abc"),
        (Filter(until=made.NOW - timedelta(hours=10)), "kl"),
        (Filter(id_prefix="k2"), "k"),
    ],
)
def test_filters(filled: Vault, wanted: Filter, found: str) -> None:
    assert letters(catalog.rows(filled, wanted)) == found
    assert catalog.count(filled, wanted) == len(found)


def test_pages_and_orders(filled: Vault) -> None:
    assert letters(catalog.rows(filled, limit=3)) == "abc"
    assert letters(catalog.rows(filled, limit=3, offset=3)) == "def"
    assert letters(catalog.rows(filled, offset=10)) == "kl"
    assert letters(catalog.rows(filled, limit=5, offset=12)) == ""
    assert letters(catalog.rows(filled, order="started", descending=False, limit=2)) == "lk"
    assert letters(catalog.rows(filled, order="rating", limit=1)) == "g"
    assert letters(catalog.rows(filled, order="size", descending=False, limit=1)) == "b"
    assert catalog.profiles(filled) == ("crm", "shop")


@pytest.mark.parametrize("wrong", [{"order": "id; drop"}, {"limit": -1}, {"offset": -1}])
def test_senseless_pages_are_refused(filled: Vault, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        catalog.rows(filled, **wrong)  # type: ignore[arg-type]


def test_a_row_says_what_the_manifest_says(filled: Vault) -> None:
    one = store.load(filled, "g2222222")
    row = catalog.row(filled, "g2222222")
    assert row is not None
    assert (row.started, row.finished, row.size, row.good) == (one.started, one.finished, one.size, True)
    assert (row.tags, row.destinations, row.evidence) == (("keep", "v2"), ("drive",), 1)
    assert filled.path / row.path == store.locate(filled, one.id)
    assert catalog.row(filled, "g222") is None


def test_row_counts_over_time(vault: Vault) -> None:
    for number, rows in enumerate((9, 8, None)):
        database = msgspec.structs.replace(made.manifest().databases[0], tables={"orders": rows, "users": 2})
        made.put(vault, made.manifest(f"{'abc'[number]}2222222", hours_ago=number + 1, databases=(database,)))
    counts = catalog.row_counts(vault, made.DB)
    assert [(one.backup[0], one.rows) for one in counts if one.table == "orders"] == [("c", None), ("b", 8), ("a", 9)]
    assert len(counts) == 6


def spoil(vault: Vault, how: str) -> None:
    if how == "missing":
        vault.catalog.unlink()
    elif how == "no database":
        vault.catalog.write_bytes(b"nonsense" * 1000)
    elif how == "empty":
        vault.catalog.write_bytes(b"")
    elif how == "torn":
        data = bytearray(vault.catalog.read_bytes())
        data[4096:] = b"\xa5" * (len(data) - 4096)
        vault.catalog.write_bytes(data)
    elif how == "foreign":
        vault.catalog.unlink()
        Database(vault.catalog).table("letters").insert({"dear": "you"}).db.close()
    else:
        connection = sqlite3.connect(vault.catalog)
        with connection:
            connection.execute("update backups set kind = 'noon', started = x'00' where id = 'a2222222'")
        connection.close()


WAYS = ["missing", "no database", "empty", "torn", "foreign", "nonsense"]


@pytest.mark.parametrize("how", WAYS)
def test_a_spoiled_catalog_is_rebuilt_and_that_is_said(filled: Vault, how: str) -> None:
    store.update(filled, "c2222222", lambda one: msgspec.structs.replace(one, pin=True))
    before = catalog.rows(filled)
    spoil(filled, how)
    said: list[str] = []
    assert catalog.rows(filled, say=said.append) == before
    assert how == "empty" or any("rebuilt from 12 manifests" in line for line in said)
    assert catalog.differences(filled) == ()
    assert letters(catalog.rows(filled, Filter(pin=True))) == "cg"


@pytest.mark.parametrize("how", WAYS)
def test_a_spoiled_catalog_loses_no_update(filled: Vault, how: str) -> None:
    spoil(filled, how)
    store.update(filled, "k2222222", lambda one: msgspec.structs.replace(one, rating=2))
    assert letters(catalog.rows(filled)) == "abcdefghijkl"
    assert letters(catalog.rows(filled, Filter(rating=1))) == "gk"
    assert catalog.differences(filled) == ()


@pytest.mark.parametrize("position", range(24))
def test_a_flipped_byte_never_goes_unseen(filled: Vault, position: int) -> None:
    data = bytearray(filled.catalog.read_bytes())
    place = len(data) * position // 24 + 17
    data[place] ^= 0x55
    true = catalog.rows(filled, limit=50)
    filled.catalog.write_bytes(data)
    seen = catalog.differences(filled)
    if not seen:
        assert catalog.rows(filled) == true
    catalog.refill(filled)
    assert catalog.rows(filled) == true
    assert catalog.differences(filled) == ()


def test_a_catalog_of_a_newer_lifeboat_is_moved_aside(filled: Vault) -> None:
    db = Database(filled.catalog)
    newer = migrations.migrations()
    newer(name="0099_later")(lambda later: later.table("more").create({"id": int}))
    newer.apply(db)
    db.close()
    said: list[str] = []
    assert catalog.count(filled, say=said.append) == 12
    assert any("newer Lifeboat" in line for line in said)
    assert filled.catalog.with_name("catalog.db.newer").exists()
    assert made.catalog_value(filled, "select count(*) from sqlite_master where name = 'more'") == 0


@pytest.mark.parametrize("steps", range(len(migrations.STEPS)))
def test_an_older_catalog_is_migrated_step_by_step(filled: Vault, steps: int) -> None:
    before = catalog.rows(filled)
    filled.catalog.unlink()
    db = Database(filled.catalog)
    names = [name for name, _ in migrations.STEPS]
    migrations.migrations().apply(db, stop_before=names[steps])
    db.close()
    assert catalog.rows(filled) == before
    assert made.catalog_value(filled, "select count(*) from _sqlite_migrations") == len(names)


def test_a_step_that_fails_leaves_the_catalog_as_it_was(filled: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    before = filled.catalog.read_bytes()

    def breaks(db: Database) -> None:
        db.table("half").create({"id": int})
        raise ZeroDivisionError

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, ("0098_breaks", breaks)))
    with pytest.raises(ZeroDivisionError):
        catalog.resync(filled)
    assert filled.catalog.read_bytes() == before


def test_resync_follows_what_others_did(filled: Vault) -> None:
    assert catalog.resync(filled) == ()
    path = store.locate(filled, "a2222222")
    path.unlink()
    other = store.locate(filled, "b2222222")
    other.write_bytes(other.read_bytes().replace(b"no space left", b"out of room"))
    new = made.manifest("z2222222", hours_ago=40)
    filled.manifest_path(new).write_bytes(layout_bytes(new))
    assert len(catalog.differences(filled)) == 3
    assert catalog.resync(filled) == ("a2222222", "b2222222", "z2222222")
    assert catalog.differences(filled) == ()
    assert catalog.row(filled, "a2222222") is None


def layout_bytes(one: object) -> bytes:
    from toolkit.archive import manifest as format_

    return format_.encode(one)  # type: ignore[arg-type]


def test_deleted_ones_are_listed_apart(filled: Vault) -> None:
    remove.to_trash(filled, "a2222222", now=made.NOW)
    assert letters(catalog.rows(filled)) == "bcdefghijkl"
    assert letters(catalog.rows(filled, Filter(removed="trash"))) == "a"
    assert catalog.count(filled, Filter(removed=None)) == 12


@pytest.mark.parametrize("lost", [False, True])
def test_a_vault_that_cannot_be_written_can_be_read(filled: Vault, lost: bool) -> None:
    """Another user's process, so that root meets the refusal too."""
    before = [row.id for row in catalog.rows(filled)]
    if lost:
        filled.catalog.unlink()
    folders = [filled.path, *(path for path in filled.path.rglob("*") if path.is_dir())]
    for path in filled.path.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    for path in folders:
        path.chmod(0o555)
    temporary = Path(tempfile.gettempdir())
    for path in filled.path.parents:  # those that the tests made, never the folder of everybody
        if temporary in path.parents and path.owner() == owner():
            path.chmod(0o755)

    def look() -> list[str]:
        said: list[str] = []
        rows = catalog.rows(layout.open_vault(filled.path), say=said.append)
        return [*said, *(row.id for row in rows)]

    found = made.as_another_user(look)
    for path in folders:
        path.chmod(0o755)
    said = ["the catalog is missing; the manifests were read instead"] if lost else []
    assert found == [*said, *before]


def owner() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def test_several_processes_at_once_lose_nothing(vault: Vault) -> None:
    """Eight processes write rows, two of them also lose the catalog under everybody's feet."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom tests.vault import made\n"
        "from toolkit.vault import layout\n"
        "vault = layout.open_vault(Path(sys.argv[1])); me = sys.argv[2]\n"
        "for number in range(8):\n"
        "    made.put(vault, made.manifest(f'{me}222222' + 'abcdefgh'[number], hours_ago=number))\n"
        "    if me in 'ab' and number == 4: vault.catalog.write_bytes(b'nonsense' * 999)\n"
    )

    def run(letter: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, str(vault.path), letter]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(run, "abcd"))
    assert [one.stderr for one in ended] == [""] * 4
    assert len(list(layout.manifests(vault))) == 32
    catalog.resync(vault)
    assert catalog.count(vault) == 32
    assert catalog.differences(vault) == ()


def test_a_catalog_that_is_moved_aside_while_it_is_made_is_made_again(
    filled: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, seen = index._state, []

    def others_come_first(db: Database) -> str:
        seen.append(state(db))
        if len(seen) > 1:
            return seen[-1]
        filled.catalog.rename(filled.catalog.with_name("catalog.db.damaged"))
        return "empty"

    monkeypatch.setattr(index, "_state", others_come_first)
    one = made.put(filled, made.manifest("zzzzzzzz"))
    assert len(seen) > 1
    assert catalog.row(filled, one.id) is not None
    assert catalog.differences(filled) == ()


def test_a_catalog_that_others_keep_busy(filled: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "BUSY_TIMEOUT", 0.0)
    connection = sqlite3.connect(filled.catalog)
    connection.execute("begin exclusive")
    said: list[str] = []
    with pytest.raises(LockedError):
        catalog.rows(filled)
    store.update(filled, "c2222222", lambda one: msgspec.structs.replace(one, rating=1), say=said.append)
    connection.rollback()
    connection.close()
    assert any("could not be brought up to date" in line for line in said)
    assert catalog.resync(filled) == ("c2222222",)


def test_damage_found_later_shows_in_the_row(filled: Vault) -> None:
    proof = Evidence("verified", made.NOW, "verify", damage=("a flipped byte",))
    store.update(filled, "a2222222", lambda one: msgspec.structs.replace(one, evidence=proof))
    assert letters(catalog.rows(filled, Filter(damaged=True))) == "ae"


def test_the_package_is_cheap_to_import() -> None:
    script = (
        "import sys\nimport toolkit.vault.prune, toolkit.vault.recover, toolkit.vault.rebuild, toolkit.vault.health\n"
        "import toolkit.vault.selector, toolkit.vault.statistics\n"
        "print(sorted({'sqlite_utils', 'asyncio', 'subprocess', 'click', 'py7zr'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_change_to_a_catalog_that_was_replaced_meanwhile_is_made_again(filled: Vault) -> None:
    """As when another process finds the catalog damaged while this one is writing to it."""
    calls: list[int] = []

    def step(db: Database) -> int:
        calls.append(db.table("backups").count)
        if len(calls) == 1:
            filled.catalog.rename(filled.catalog.with_name("catalog.db.damaged"))
            catalog.prepare(filled)
        db.execute("update backups set rating = 3 where id = 'a2222222'")
        return len(calls)

    assert index.change(filled, step, catalog.say_nothing) == 2
    assert calls == [12, 12]
    assert made.catalog_value(filled, "select rating from backups where id = 'a2222222'") == 3

"""`lifeboat repair`: the original is never touched, the account is true, and the exit code says what was lost."""

from __future__ import annotations

import json
import os
import shlex
import stat
from pathlib import Path

import pytest

from tests.makers import damaged, databases
from tests.makers.commands import VOUCH, backed_up, lifeboat


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    return databases.shop(tmp_path / "shop" / "shop.db", orders=2000)


def test_a_sound_database_is_said_to_be_sound(shop: Path, vault: Path) -> None:
    before = damaged.content(shop)
    ran = lifeboat("repair", shop, "--vault", vault, "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["sound"]
    assert (ran.document["strategy"], ran.document["output"], ran.document["changed"]) == ("none", "", False)
    assert not (vault / "recovery").exists()
    assert damaged.content(shop) == before


def test_progress_counts_pages(shop: Path, vault: Path) -> None:
    damaged.lose_leaf(shop)
    ran = lifeboat("repair", shop, "--vault", vault, "--events")
    events = [json.loads(line) for line in ran.stderr.splitlines()]
    units = {event["unit"] for event in events if event["type"] == "progress" and event["step"] == "mend"}
    assert units == {"pages"}


def test_a_database_without_a_table_is_sound(tmp_path: Path, vault: Path) -> None:
    """One that was never filled, or whose tables were dropped; but not one whose tables nothing leads to any more."""
    empty = tmp_path / "empty.db"
    with databases.opened(empty) as connection:
        connection.execute("CREATE TABLE gone(x)")
        connection.execute("INSERT INTO gone VALUES (zeroblob(20000))")
        connection.execute("DROP TABLE gone")
    ran = lifeboat("repair", empty, "--vault", vault, "--json")
    assert (ran.code, ran.document["sound"]) == (0, True), ran.stderr
    with empty.open("r+b") as file:
        file.seek(32)
        file.write(bytes(8))  # the list of free pages
    ran = lifeboat("repair", empty, "--vault", vault)
    assert ran.code == 4, ran.stderr


def test_a_copy_of_a_sound_database_is_exact(shop: Path, vault: Path, tmp_path: Path) -> None:
    output = tmp_path / "copy.db"
    ran = lifeboat("repair", shop, "--output", output, "--vault", vault)
    assert ran.code == 0, ran.stderr
    assert output.read_bytes() == shop.read_bytes()
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


@pytest.mark.parametrize(("kind", "orders"), [("wal", 800), ("wal_without_shm", 800), ("hot_journal", 500)])
def test_a_whole_wal_or_hot_journal_is_no_damage(tmp_path: Path, vault: Path, kind: str, orders: int) -> None:
    path: Path = getattr(databases, kind)(tmp_path / "app.db")
    before = damaged.content(path)
    ran = lifeboat("repair", path, "--in-place", "--vault", vault, "--json", *VOUCH)
    assert (ran.code, ran.document["sound"], ran.document["changed"]) == (0, True, False), ran.stdout
    output = tmp_path / "out.db"
    assert lifeboat("repair", path, "--output", output, "--vault", vault).code == 0
    assert len(damaged.rows(output)) == orders
    assert damaged.content(path) == before


def test_a_sound_database_in_place_stays_as_it_is(shop: Path, vault: Path) -> None:
    inode = shop.stat().st_ino
    ran = lifeboat("repair", shop, "--in-place", "--vault", vault)
    assert ran.code == 0, ran.stderr
    assert shop.stat().st_ino == inode


def test_a_text_that_no_repair_can_mend_is_said(shop: Path, vault: Path) -> None:
    data = shop.read_bytes()
    at = data.index(b"note 1500 ")
    shop.write_bytes(data[:at] + b"\xff\xfe" + data[at + 2 :])
    before = damaged.content(shop)
    ran = lifeboat("repair", shop, "--in-place", "--vault", vault, "--json", *VOUCH)
    assert (ran.code, ran.document["sound"], ran.document["changed"]) == (3, False, False), ran.stdout
    assert "not valid UTF-8" in ran.document["lost"]
    assert damaged.content(shop) == before


def test_without_an_output_it_goes_to_recovery(shop: Path, vault: Path) -> None:
    damaged.lose_leaf(shop)
    before = damaged.content(shop)
    ran = lifeboat("repair", shop, "--vault", vault, "--json")
    document = ran.document
    assert ran.code == document["exit"] == 3, ran.stderr
    output = Path(document["output"])
    assert output.parent == vault / "recovery"
    assert output.name.startswith("recovered_shop_")
    assert damaged.content(shop) == before
    orders = document["tables"]["orders"]
    there = damaged.rows(output)
    assert len(there) == orders["read"] + orders["carved"] + orders["refilled"]
    assert 1500 < len(there) < 2000
    missing = set(range(1, 2001)) - there
    for one in missing:  # each lost row lies in a range that the account names, and no range holds a row that is there
        assert any((r["after"] or 0) < one < (r["before"] or 1 << 62) for r in orders["ranges"]), one
    kept = json.loads(Path(f"{output}.report.json").read_text())
    assert kept["tables"] == document["tables"]
    assert kept["whole"] is False
    assert stat.S_IMODE(Path(f"{output}.report.json").stat().st_mode) == 0o600
    assert document["report"] == f"{output}.report.json"


def test_gaps_are_filled_from_the_newest_backup(shop: Path, vault: Path) -> None:
    ident = backed_up(shop, vault)
    with databases.opened(shop) as connection:
        connection.execute("DELETE FROM orders WHERE id = 7")
        connection.execute("INSERT INTO orders(user_id, note) VALUES (1, 'fresh')")
    damaged.lose_leaf(shop, number=10)
    ran = lifeboat("repair", shop, "--vault", vault, "--json")
    document = ran.document
    assert document["refilled_from"] == ident
    assert document["tables"]["orders"]["refilled"] > 0
    assert damaged.rows(Path(document["output"])) == set(range(1, 2002)) - {7}
    assert ran.code == 0, document


@pytest.mark.parametrize("word", ["none", "backup", "file"])
def test_what_to_refill_from_can_be_said(shop: Path, vault: Path, tmp_path: Path, word: str) -> None:
    ident = backed_up(shop, vault)
    other = tmp_path / "other.db"
    other.write_bytes(shop.read_bytes())
    damaged.lose_leaf(shop, number=10)
    said = {"none": "none", "backup": ident[:5], "file": str(other)}[word]
    ran = lifeboat("repair", shop, "--refill", said, "--vault", vault, "--json")
    assert ran.code == (3 if word == "none" else 0), ran.stdout
    assert bool(ran.document["tables"]["orders"]["refilled"]) is (word != "none")


@pytest.mark.parametrize("where", ["in", "apart"])
def test_rows_that_nothing_proves_go_where_it_is_said(shop: Path, vault: Path, where: str) -> None:
    backed_up(shop, vault)
    before = damaged.rows(shop, "audit")
    with databases.opened(shop) as connection:
        connection.execute("DELETE FROM audit WHERE id = 900")
    damaged.lose_leaf(shop, "audit", number=3)
    ran = lifeboat("repair", shop, "--refill-unproven", where, "--vault", vault, "--json")
    account, output = ran.document["tables"]["audit"], Path(ran.document["output"])
    assert ran.code == 3, ran.stdout
    assert account["unproven"] == account["unproven_ranges"][0]["rows"] > 0
    there = damaged.rows(output, "audit")
    if where == "in":
        assert (account["refilled"], account["doubtful"], account["apart"]) == (account["unproven"], 0, None)
        assert there >= before - {900}
    else:
        assert (account["refilled"], account["doubtful"]) == (0, account["unproven"])
        assert account["apart"] == "lost_and_found_audit"
        assert not there & damaged.rows(output, "lost_and_found_audit")
        assert there | damaged.rows(output, "lost_and_found_audit") >= before - {900}
    text = lifeboat("repair", shop, "--refill-unproven", where, "--in-place", "--dry-run", "--vault", vault, *VOUCH)
    assert ("--refill-unproven apart" in text.stdout) is (where == "apart")
    assert f"{account['unproven']} of audit" in " ".join(text.stdout.split())


def test_a_damaged_file_to_refill_from_is_refused(shop: Path, vault: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(shop.read_bytes())
    damaged.lose_leaf(other)
    damaged.lose_leaf(shop)
    ran = lifeboat("repair", shop, "--refill", other, "--vault", vault, "--json")
    assert (ran.code, ran.document["error"]["subject"]) == (4, str(other))


def test_in_place_and_back(shop: Path, vault: Path) -> None:
    damaged.break_index(shop)
    shop.chmod(0o640)
    before, status = damaged.content(shop), shop.stat()
    plan = lifeboat("repair", shop, "--in-place", "--dry-run", "--vault", vault, "--json")
    assert plan.document["plan"]["confirm_word"] == "shop.db"
    assert damaged.content(shop) == before
    ran = lifeboat("repair", shop, "--in-place", "--confirm", "shop.db", "--vault", vault, "--json", *VOUCH)
    assert ran.code == 0, ran.stdout
    assert ran.document["output"] == str(shop)
    assert ran.document["tables"]["orders"]["lost"] == 0
    with databases.opened(shop) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(damaged.rows(shop)) == 2000
    after = shop.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
    assert sorted(path.name for path in shop.parent.iterdir()) == ["shop.db"]
    undone = lifeboat("undo", "--yes", "--vault", vault, *VOUCH)
    assert undone.code == 0, undone.stderr
    assert damaged.content(shop) == before


def test_the_damaged_original_is_never_pruned(shop: Path, vault: Path) -> None:
    damaged.break_index(shop)
    done = lifeboat("repair", shop, "--in-place", "--yes", "--vault", vault, "--json", *VOUCH).document
    for _ in range(2):
        backed_up(shop, vault)
    pruned = lifeboat("prune", "--keep-last", "1", "--yes", "--vault", vault, "--json")
    assert pruned.code == 0, pruned.stderr
    kept = {one["id"]: one for one in lifeboat("list", "--all", "--vault", vault, "--json").document["backups"]}
    assert kept[done["safety"]]["kind"] == "safety"
    reasons = {one["id"]: one["reason"] for one in pruned.document["kept"]}
    assert "only copy of a damaged original" in reasons[done["safety"]]


def test_refusals_change_nothing(shop: Path, vault: Path, tmp_path: Path) -> None:
    damaged.lose_leaf(shop)
    before = damaged.content(shop)
    taken = tmp_path / "taken.db"
    taken.write_bytes(b"mine")
    common = ("--vault", vault, "--json")
    assert lifeboat("repair", shop, "--output", taken, *common).document["error"]["code"] == "refused"
    assert lifeboat("repair", shop, "--output", tmp_path / "no" / "x.db", *common).code == 10
    assert lifeboat("repair", shop, "--output", tmp_path / "x.db", "--in-place", *common).code == 2
    assert lifeboat("repair", tmp_path / "nothing.db", *common).code == 10
    assert lifeboat("repair", tmp_path, *common).code == 2
    assert lifeboat("repair", shop, "--in-place", *common).code == 5
    assert lifeboat("repair", shop, "--in-place", "--confirm", "shop", *common).code == 5
    assert taken.read_bytes() == b"mine"
    assert damaged.content(shop) == before
    assert not list(tmp_path.rglob("*report.json"))


def test_in_place_is_refused_while_somebody_holds_it(shop: Path, vault: Path) -> None:
    damaged.break_index(shop)
    with databases.opened(shop) as connection:
        connection.execute("SELECT count(*) FROM users").fetchone()
        ran = lifeboat("repair", shop, "--in-place", "--yes", "--vault", vault, "--json")
    assert (ran.code, ran.document["error"]["code"]) == (5, "target-in-use")


def test_nothing_that_can_be_got_back_is_four(shop: Path, vault: Path, tmp_path: Path) -> None:
    damaged.lose_everything(shop)
    before = damaged.content(shop)
    ran = lifeboat("repair", shop, "--output", tmp_path / "out.db", "--vault", vault, "--json")
    assert (ran.code, ran.document["error"]["code"]) == (4, "unrepairable"), ran.stdout
    assert ran.document["error"]["subject"] == str(shop)
    assert damaged.content(shop) == before
    assert sorted(path.name for path in tmp_path.iterdir()) in (["shop"], ["shop", "vault"])


@pytest.mark.parametrize(
    "name", [b"a b\n\x1b[31m.db", b"caf\xe9.db", "数据库.db".encode(), b"-rf.db", b"%41?mode=ro#.db"]
)
def test_hostile_names(tmp_path: Path, vault: Path, name: bytes) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    databases.shop(path, orders=500)
    damaged.break_index(path)
    before = damaged.content(path)
    plan = lifeboat("repair", path, "--in-place", "--dry-run", "--vault", vault, "--json").document["plan"]
    assert plan["confirm_word"].isascii()
    text = lifeboat("repair", path, "--in-place", "--dry-run", "--vault", vault)
    assert "\x1b" not in text.stdout + text.stderr
    ran = lifeboat("repair", path, "--in-place", "--confirm", plan["confirm_word"], "--vault", vault, *VOUCH)
    assert ran.code == 0, ran.stderr
    assert len(damaged.rows(path)) == 500
    assert lifeboat("undo", "--yes", "--vault", vault, *VOUCH).code == 0
    assert damaged.content(path) == before


def test_a_link_is_followed_and_stays(shop: Path, vault: Path, tmp_path: Path) -> None:
    damaged.break_index(shop)
    link = tmp_path / "link.db"
    link.symlink_to(shop)
    ran = lifeboat("repair", link, "--in-place", "--yes", "--vault", vault, "--json", *VOUCH)
    assert ran.code == 0, ran.stdout
    assert link.is_symlink()
    assert ran.document["output"] == str(shop)


def test_the_words_fit_on_a_small_screen(shop: Path, vault: Path) -> None:
    backed_up(shop, vault)
    damaged.lose_leaf(shop, number=10)
    ran = lifeboat("repair", shop, "--refill", "none", "--in-place", "--dry-run", "--vault", vault)
    long = [line for line in ran.stdout.splitlines() if len(line) > 80 and str(shop) not in line]
    assert long == []
    assert "lost" in ran.stdout
    assert "undo" in ran.stdout


def test_what_can_be_typed_next_names_the_same_vault(shop: Path, vault: Path) -> None:
    backed_up(shop, vault)
    before = damaged.content(shop)
    damaged.lose_leaf(shop, number=10)
    hurt = damaged.content(shop)
    plan = lifeboat("repair", shop, "--in-place", "--dry-run", "--vault", vault).stdout
    words = shlex.split(plan.rpartition("same as  ")[2])
    done = lifeboat(*words[1:], "--yes", "-v", *VOUCH)
    assert done.code == 0, done.stderr
    assert damaged.content(shop) not in (before, hurt)
    undo = next(line for line in done.stdout.splitlines() if line.startswith("  undo "))
    assert lifeboat(*shlex.split(undo)[2:], "--yes", *VOUCH).code == 0
    assert damaged.content(shop) == hurt

"""`lifeboat rescue`: the way that loses least, on really damaged databases; all back when it does not work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.makers import damaged, databases, mounts
from tests.makers.commands import VOUCH, Ran, backed_up, lifeboat


class App:
    """A shop with a configuration: its database, a service that is two files, a smoke test."""

    def __init__(self, root: Path, *, journal: str = "delete", orders: int = 2000) -> None:
        self.root = root
        self.folder = root / "shop"
        self.folder.mkdir()
        self.database = databases.shop(self.folder / "shop.db", orders=orders, journal=journal)
        self.vault = root / "vault"
        self.calls = root / "calls"
        self.config = root / "config.yaml"
        self.configure()

    def configure(self, *, smoke: str = "", services: bool = True, more: str = "") -> None:
        """Write the configuration; `smoke` is a shell command, which notes that it ran."""
        stop, start = (f"[sh, -c, 'echo {word} >> {self.calls}']" for word in ("stop", "start"))
        service = f"services: [{{stop: {stop}, start: {start}}}]"
        test = json.dumps([["sh", "-c", f"echo smoke >> {self.calls}; {smoke}", "smoke", "{database}"]])
        self.config.write_text(
            f"vault: {self.vault}\nprofiles:\n  shop:\n    databases: [{self.database}{more}]\n"
            + (f"    {service}\n" if services else "")
            + (f"    smoke: {test}\n" if smoke else "")
        )

    def run(self, *arguments: object) -> Ran:
        """Run the command line with this configuration."""
        return lifeboat(*arguments, "--config", self.config)

    def rescue(self, *arguments: object, word: object = "shop") -> Ran:
        return self.run("rescue", word, "--json", "--yes", *VOUCH, *arguments)

    def backup(self) -> str:
        ran = self.run("backup", "shop", "--json")
        assert ran.code == 0, ran.stdout
        ident: str = ran.document["backups"][0]["id"]
        return ident

    def called(self) -> list[str]:
        return self.calls.read_text().split() if self.calls.exists() else []


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def way_of(document: dict[str, Any], name: str, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["databases"][number]["ways"] if one["name"] == name)
    return found


def changed_and_damaged(app: App) -> None:
    """After the backup: one row is deleted, one comes, then a page of orders is lost."""
    with databases.opened(app.database) as connection:
        connection.execute("DELETE FROM orders WHERE id = 7")
        connection.execute("INSERT INTO orders(user_id, note) VALUES (1, 'fresh')")
    damaged.lose_leaf(app.database, number=10)


def test_nothing_is_damaged(app: App) -> None:
    ran = app.rescue()
    assert (ran.code, ran.document["healthy"], ran.document["changed"]) == (0, True, False)
    assert app.called() == []


def test_the_way_that_loses_least(app: App) -> None:
    app.configure(smoke="test -s $1")
    ident = app.backup()
    changed_and_damaged(app)
    before = damaged.content(app.database)
    ran = app.rescue()
    document = ran.document
    assert ran.code == 0, ran.stdout
    assert document["databases"][0]["recommended"] == document["databases"][0]["way"] == "salvage"
    assert way_of(document, "mend")["lost"] > 0
    assert way_of(document, "restore")["lost"] == 2  # the fresh order and its line in the audit
    assert way_of(document, "restore")["backup"] == ident
    assert document["output"] == str(app.database)
    assert document["tables"]["orders"]["lost"] == 0
    assert document["lost_objects"] == []
    assert damaged.rows(app.database) == set(range(1, 2002)) - {7}
    assert app.called() == ["stop", "start", "smoke"]
    assert app.run("diagnose", "shop").code == 0
    assert app.run("undo", "--yes", *VOUCH).code == 0
    assert damaged.content(app.database) == before
    plan = app.run("rescue", "shop", "--dry-run", "--json").document["plan"]
    assert plan["takes"]["unknown"] == []
    known = {step["name"]: step["est_by"] for step in plan["steps"]}
    assert known == dict.fromkeys(("stop", "stage", "safety", "place", "check", "start", "smoke"), "recorded")


def test_a_dry_run_changes_nothing_and_compares(app: App) -> None:
    app.backup()
    changed_and_damaged(app)
    before = damaged.content(app.database)
    ran = app.run("rescue", "shop", "--dry-run", "--json")
    plan = ran.document["plan"]
    assert ran.code == 0
    assert (plan["op"], plan["confirm"], plan["confirm_word"]) == ("rescue", "word", "shop")
    assert [step["name"] for step in plan["steps"]] == ["stop", "stage", "safety", "place", "check", "start"]
    unknown = {step["name"] for step in plan["steps"] if step["est_s"] is None}
    assert unknown == set(plan["takes"]["unknown"]) == {"stop", "start"}  # nobody stopped it here before
    assert 0 < plan["takes"]["offline_s"] <= plan["takes"]["est_s"] < 60
    assert {way["offline_s"] is not None for way in ran.document["databases"][0]["ways"]} == {True}
    assert damaged.content(app.database) == before
    assert app.called() == []
    text = app.run("rescue", "shop", "--dry-run")
    for words in ("Ways out", "recommended", "undo", "loses", "takes", "offline", "not counting stop and start"):
        assert words in text.stdout
    long = [line for line in text.stdout.splitlines() if len(line) > 80 and "/" not in line]
    assert long == []


@pytest.mark.parametrize(("way", "orders", "code"), [("mend", None, 3), ("salvage", 2000, 0), ("restore", 2000, 3)])
def test_a_way_can_be_chosen(app: App, way: str, orders: int | None, code: int) -> None:
    app.backup()
    changed_and_damaged(app)
    ran = app.rescue("--way", way)
    assert ran.code == code, ran.stdout
    there = damaged.rows(app.database)
    assert (len(there) == orders) if orders else (1500 < len(there) < 2000)
    assert (2001 in there) is (way != "restore")
    assert (7 in there) is (way == "restore")


def test_an_older_backup_can_be_named(app: App) -> None:
    first = app.backup()
    with databases.opened(app.database) as connection:
        connection.execute("DELETE FROM orders WHERE id > 1000")
    app.backup()
    damaged.lose_leaf(app.database, number=3)
    ran = app.rescue("--way", "restore", "--from", first)
    assert ran.code == 0, ran.stdout  # nothing that was found is lost: the deleted ones come back
    assert way_of(ran.document, "restore")["revives"] >= 1000
    assert len(damaged.rows(app.database)) == 2000


def test_a_way_that_is_not_possible_is_an_error(app: App) -> None:
    damaged.lose_leaf(app.database)
    before = damaged.content(app.database)
    ran = app.rescue("--way", "restore")
    assert (ran.code, ran.document["error"]["code"]) == (2, "usage")
    assert damaged.content(app.database) == before


def test_without_a_backup_what_is_there_is_mended(app: App) -> None:
    damaged.lose_leaf(app.database)
    ran = app.rescue()
    assert ran.code == 3, ran.stdout
    assert ran.document["databases"][0]["way"] == "mend"
    assert ran.document["tables"]["orders"]["lost"] + len(ran.document["tables"]["orders"]["ranges"]) > 0
    with databases.opened(app.database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("gone", ["missing", "empty"])
def test_a_database_that_is_gone_comes_from_the_backup(app: App, gone: str) -> None:
    app.backup()
    app.database.chmod(0o640)
    app.backup()
    app.database.unlink()
    if gone == "empty":
        app.database.touch()
    ran = app.rescue()
    assert ran.code == 3, ran.stdout
    assert ran.document["databases"][0]["way"] == "restore"
    assert len(damaged.rows(app.database)) == 2000
    if gone == "missing":
        assert app.database.stat().st_mode & 0o777 == 0o640
    assert app.run("undo", "--yes", *VOUCH).code == 0
    assert app.database.exists() is (gone == "empty")


def test_a_backup_that_is_put_in_place_passes_every_check_before(app: App) -> None:
    older = app.backup()
    damaged.leave_out_of_index(app.database)
    newest = app.backup()
    app.database.unlink()
    chosen = app.rescue("--from", newest, "--dry-run")
    assert (chosen.code, chosen.document["error"]["code"]) == (4, "database-damaged")
    ran = app.rescue()
    assert ran.code == 3, ran.stdout
    assert way_of(ran.document, "restore")["backup"] == older
    passed = [one["subject"] for one in ran.document["warnings"] if one["code"] == "backup-passed-over"]
    assert passed == [newest]
    assert app.run("diagnose", "shop").code == 0


def test_a_missing_database_by_its_path_without_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    path = databases.shop(tmp_path / "shop" / "shop.db", orders=300)
    vault = tmp_path / "vault"
    backed_up(path.parent, vault)
    path.unlink()
    ran = lifeboat("rescue", path, "--confirm", "shop.db", "--vault", vault, "--json", *VOUCH)
    assert ran.code == 3, ran.stdout
    assert ran.document["profile"] == "shop"  # as its backup remembers
    assert len(damaged.rows(path)) == 300
    assert lifeboat("rescue", tmp_path / "shop" / "other.db", "--vault", vault, "--yes").code == 10


def test_no_way_at_all(app: App) -> None:
    damaged.lose_everything(app.database)
    before = damaged.content(app.database)
    ran = app.rescue()
    assert (ran.code, ran.document["error"]["code"]) == (4, "unrepairable")
    assert damaged.content(app.database) == before
    assert app.called() == []


def test_only_what_is_damaged_is_touched(app: App) -> None:
    other = databases.shop(app.folder / "other.db", orders=100)
    app.configure(more=f", {other}", smoke="true")
    app.backup()
    damaged.break_index(app.database)
    before = other.stat()
    ran = app.rescue()
    assert ran.code == 0, ran.stdout
    assert [one["path"] for one in ran.document["databases"]] == [str(app.database)]
    after = other.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    damaged.break_index(app.database)
    damaged.lose_leaf(other, number=0)
    both = app.rescue()
    assert both.code == 0, both.stdout
    assert {one["path"] for one in both.document["databases"]} == {str(app.database), str(other)}
    assert both.document["tables"]["other.db: orders"]["refilled"] > 0
    assert len(damaged.rows(other)) == 100
    assert app.run("undo", "--yes", *VOUCH).code == 0
    assert app.run("diagnose", other).code == 4


def test_a_failing_smoke_test_puts_everything_back(app: App) -> None:
    app.configure(smoke="echo it is not well >&2; exit 3", services=False)
    app.backup()
    changed_and_damaged(app)
    before, names = damaged.content(app.database), sorted(path.name for path in app.folder.iterdir())
    ran = app.rescue()
    document = ran.document
    assert (ran.code, document["outcome"], document["put_back"]) == (1, "failed", True)
    assert "it is not well" in document["failures"][0]
    assert damaged.content(app.database) == before
    assert sorted(path.name for path in app.folder.iterdir()) == names
    rejected = Path(document["rejected"][0])
    assert len(damaged.rows(rejected / "shop.db")) == 2000
    undo = app.run("undo", "--yes", "--json", *VOUCH)
    assert (undo.code, undo.document["error"]["message"]) == (10, "there is nothing to undo")


def test_the_services_are_stopped_again_to_put_things_back(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.operations.application.smoke.PATIENCE", 0.0)
    app.configure(smoke="exit 3")
    damaged.break_index(app.database)
    before = damaged.content(app.database)
    assert app.rescue().code == 1
    assert app.called() == ["stop", "start", "smoke", "stop", "start"]
    assert damaged.content(app.database) == before


def test_a_missing_database_goes_again_when_the_smoke_test_fails(app: App) -> None:
    app.configure(smoke="exit 1", services=False)
    app.backup()
    app.database.unlink()
    assert app.rescue().code == 1
    assert list(app.folder.iterdir()) == []


def test_a_service_that_does_not_stop_is_the_end_of_it(app: App) -> None:
    app.config.write_text(app.config.read_text().replace("'echo stop", "'exit 1; echo stop"))
    damaged.break_index(app.database)
    before = damaged.content(app.database)
    ran = app.rescue()
    assert (ran.code, ran.document["error"]["code"]) == (1, "service")
    assert damaged.content(app.database) == before
    assert app.called() == ["start"]


@contextmanager
def holder(path: Path, *, deaf: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the file open and waits; `deaf` ignores SIGTERM."""
    code = (
        "import signal, sys\n"
        + ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else "")
        + "file = open(sys.argv[1], 'rb'); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_foreign_holder_is_named_and_the_rescue_refused(app: App) -> None:
    app.configure(services=False)
    damaged.break_index(app.database)
    before = damaged.content(app.database)
    with holder(app.database) as process:
        ran = app.rescue()
        assert (ran.code, ran.document["error"]["code"]) == (5, "target-in-use")
        assert f"process {process.pid}" in ran.document["error"]["message"]
        assert process.poll() is None
    assert damaged.content(app.database) == before


def test_a_holder_that_stays_when_the_services_are_down_refuses_it_too(app: App) -> None:
    damaged.break_index(app.database)
    before = damaged.content(app.database)
    with holder(app.database):
        ran = app.rescue()
    assert (ran.code, ran.document["error"]["code"]) == (5, "target-in-use")
    assert app.called() == ["stop", "start"]
    assert damaged.content(app.database) == before


def test_holders_are_told_to_end_when_asked(app: App) -> None:
    app.configure(services=False)
    damaged.break_index(app.database)
    with holder(app.database) as process:
        plan = app.run("rescue", "shop", "--stop-holders", "--dry-run", "--json").document["plan"]
        assert "holders" in [step["name"] for step in plan["steps"]]
        assert process.poll() is None
        ran = app.rescue("--stop-holders")
        assert process.wait() == -signal.SIGTERM
    assert ran.code == 0, ran.stdout
    assert str(process.pid) in ran.document["told"][0]


def test_a_holder_that_does_not_listen_is_never_killed(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.operations.application.holding.PATIENCE", 0.3)
    app.configure(services=False)
    damaged.break_index(app.database)
    with holder(app.database, deaf=True) as process:
        ran = app.rescue("--stop-holders")
        assert (ran.code, ran.document["error"]["code"]) == (5, "target-in-use")
        assert process.poll() is None


def test_confirmation(app: App) -> None:
    damaged.break_index(app.database)
    before = damaged.content(app.database)
    for arguments in ((), ("--confirm", "shop.db"), ("--confirm", "")):
        ran = app.run("rescue", "shop", "--json", *arguments)
        assert (ran.code, ran.document["error"]["code"]) == (5, "not-confirmed")
    assert app.run("rescue", app.database, "--confirm", "shop", "--json").code == 5
    assert damaged.content(app.database) == before
    ran = app.run("rescue", app.database, "--confirm", "shop.db", "--json", *VOUCH)
    assert ran.code == 0, ran.stdout
    assert app.called() == ["stop", "start"]  # the path leads to its profile


def test_a_kept_plan_is_refused_when_the_world_moved(app: App, tmp_path: Path) -> None:
    app.configure(services=False)
    damaged.break_index(app.database)
    kept = tmp_path / "plan.json"
    assert app.run("rescue", "shop", "--dry-run", "--plan", kept).code == 0
    damaged.lose_leaf(app.database)
    before = damaged.content(app.database)
    ran = app.rescue("--plan", kept)
    assert (ran.code, ran.document["error"]["code"]) == (5, "plan-outdated")
    assert damaged.content(app.database) == before
    assert app.run("rescue", "shop", "--dry-run", "--plan", kept).code == 3
    assert app.rescue("--plan", kept).code == 3
    kept.write_text("{}")
    damaged.break_index(app.database)
    assert app.rescue("--plan", kept).code not in (0, 3)


def test_what_is_written_while_the_services_stop_is_not_lost(app: App) -> None:
    """The application writes on until it is stopped: the work is done again on the files as they are then."""
    script = app.root / "stop.py"
    script.write_text(
        "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n"
        "c.execute(\"INSERT INTO users(id, name, email) VALUES (5000, 'last', 'last@x')\")\nc.commit()\n"
    )
    text = app.config.read_text()
    app.config.write_text(
        text.replace(f"[sh, -c, 'echo stop >> {app.calls}']", f"[{sys.executable}, {script}, {app.database}]")
    )
    damaged.break_index(app.database)
    ran = app.rescue()
    assert ran.code == 0, ran.stdout
    assert 5000 in damaged.rows(app.database, "users")


def test_more_loss_than_was_confirmed_is_refused(app: App) -> None:
    script = app.root / "stop.sh"
    text = app.config.read_text()
    app.config.write_text(text.replace(f"[sh, -c, 'echo stop >> {app.calls}']", f"[sh, {script}]"))
    damaged.break_index(app.database)
    worse = app.root / "worse.db"
    worse.write_bytes(app.database.read_bytes())
    damaged.lose_leaf(worse)
    script.write_text(f"cat {worse} > {app.database}\n")
    ran = app.rescue()
    assert (ran.code, ran.document["error"]["code"]) == (5, "plan-outdated"), ran.stdout
    assert app.called() == ["start"]
    assert app.database.read_bytes() == worse.read_bytes()


@pytest.mark.parametrize("kind", ["wal", "hot_journal"])
def test_sidecars_come_into_it(tmp_path: Path, kind: str) -> None:
    """A -wal or a hot journal beside a damaged database is part of it: what it holds comes back."""
    (tmp_path / "shop").mkdir()
    path = getattr(databases, kind)(tmp_path / "shop" / "shop.db")
    damaged.break_index(path, "orders_by_day")
    before = damaged.content(path)
    assert ("-wal" if kind == "wal" else "-journal") in before
    ran = lifeboat("rescue", path, "--yes", "--vault", tmp_path / "vault", "--json", *VOUCH)
    assert ran.code == 0, ran.stdout
    orders = 800 if kind == "wal" else 500
    assert len(damaged.rows(path)) == orders
    assert lifeboat("undo", "--yes", "--vault", tmp_path / "vault", *VOUCH).code == 0
    assert damaged.content(path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_vault_without_room_moves_the_old_files_aside(app: App, tmp_path: Path) -> None:
    damaged.break_index(app.database)
    before = damaged.content(app.database)
    with mounts.small_filesystem(tmp_path / "small", size=20 << 20) as vault:
        mounts.fill(vault, leave=16 << 20)
        ran = app.run("rescue", "shop", "--vault", vault, "--yes", "--json")
        assert ran.code == 0, ran.stdout
        document = ran.document
        assert document["safety"] is None
        kept = Path(document["kept"][0])
        assert kept.parent == app.folder
        assert damaged.content(kept / "shop.db") == before
        good = damaged.content(app.database)
        assert app.run("diagnose", "shop", "--vault", vault).code == 0
        for wanted in (before, good, before):  # there, back, and there again
            undone = app.run("undo", "--vault", vault, "--yes", "--json")
            assert undone.code == 0, undone.stdout
            assert damaged.content(app.database) == wanted


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_no_room_beside_the_database_says_how_much(app: App, tmp_path: Path) -> None:
    with mounts.small_filesystem(tmp_path / "small", size=20 << 20) as small:
        path = databases.shop(small / "shop.db", orders=2000)
        damaged.break_index(path)
        before = damaged.content(path)
        filler = mounts.fill(small, leave=200_000)
        ran = lifeboat("rescue", path, "--yes", "--vault", app.vault, "--json")
        assert (ran.code, ran.document["error"]["code"]) == (14, "no-space"), ran.stdout
        needed = ran.document["error"]["needed"]
        assert "--vault" not in ran.document["error"]["hint"]
        assert damaged.content(path) == before
        filler.unlink()
        mounts.fill(small, leave=needed + 100_000)
        assert lifeboat("rescue", path, "--yes", "--vault", app.vault, *VOUCH).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="remounting needs root")
def test_a_read_only_file_system_is_refused_clearly(tmp_path: Path) -> None:
    with mounts.small_filesystem(tmp_path / "small", size=20 << 20) as small:
        path = databases.shop(small / "shop.db", orders=200)
        damaged.break_index(path)
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        ran = lifeboat("rescue", path, "--yes", "--vault", tmp_path / "vault", "--json")
        assert (ran.code, ran.document["error"]["code"]) == (5, "forbidden")
        assert "read-only" in ran.document["error"]["message"]
        out = lifeboat("repair", path, "--output", tmp_path / "out.db", "--vault", tmp_path / "vault", "--json")
        assert out.code == 0, out.stdout


def test_foreign_keys_alone_are_left_alone(app: App) -> None:
    with databases.opened(app.database) as connection:
        connection.execute("INSERT INTO orders(user_id) VALUES (900000)")
    before = damaged.content(app.database)
    ran = app.rescue()
    assert ran.code == 4, ran.stdout
    assert ran.document["left"] == [str(app.database)]
    assert damaged.content(app.database) == before


def test_a_profile_that_nobody_knows(app: App) -> None:
    assert app.rescue(word="nobody").code == 10


def test_the_plan_of_a_repair_in_place_is_refused_when_the_database_changed(app: App) -> None:
    """`apply` looks again: what was confirmed must still be what is there."""
    from toolkit.errors import OutdatedPlanError
    from toolkit.jobs.context import Job
    from toolkit.operations import repair, rescue
    from toolkit.operations.repairing.plan import RepairRequest, prepared
    from toolkit.operations.rescuing import plan as rescue_plan
    from toolkit.operations.session import open_session

    app.configure(services=False)
    damaged.break_index(app.database)
    session = open_session(config=app.config)
    with Job.open(session.state / "jobs", "repair") as job:
        request = RepairRequest(database=app.database, in_place=True, assume_unused=True)
        with prepared(session, request, job) as made:
            os.utime(app.database)
            before = damaged.content(app.database)
            with pytest.raises(OutdatedPlanError):
                repair.apply(session, made, job)
        with rescue_plan.prepared(session, rescue_plan.RescueRequest(word="shop", assume_unused=True), job) as plan:
            os.utime(app.database)
            with pytest.raises(OutdatedPlanError):
                rescue.apply(session, plan, job)
    assert damaged.content(app.database) == before
    assert not list(app.root.rglob(".lifeboat-*"))


@pytest.mark.parametrize("name", [b"a b\n\x1b[31m.db", b"caf\xe9.db", "数据库.db".encode(), b"-rf.db", b"x;reboot.db"])
def test_hostile_names(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "app").mkdir()
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/app/" + name))
    databases.shop(path, orders=800)
    vault = tmp_path / "vault"
    backed_up(path, vault)
    damaged.lose_leaf(path)
    before = damaged.content(path)
    text = lifeboat("rescue", path, "--dry-run", "--vault", vault)
    assert not {"\x1b", "\udce9"} & set(text.stdout + text.stderr)
    word = lifeboat("rescue", path, "--dry-run", "--vault", vault, "--json").document["plan"]["confirm_word"]
    ran = lifeboat("rescue", path, "--confirm", word, "--vault", vault, "--json", *VOUCH)
    assert ran.code == 0, ran.stdout
    assert len(damaged.rows(path)) == 800
    assert lifeboat("undo", "--yes", "--vault", vault, *VOUCH).code == 0
    assert damaged.content(path) == before


def test_a_link_leads_to_the_database_and_stays(app: App, tmp_path: Path) -> None:
    damaged.break_index(app.database)
    link = tmp_path / "link.db"
    link.symlink_to(app.database)
    ran = app.rescue(word=link)
    assert ran.code == 0, ran.stdout
    assert link.is_symlink()
    assert ran.document["output"] == str(app.database)
    assert app.called() == ["stop", "start"]


def test_the_damaged_original_is_never_pruned(app: App) -> None:
    damaged.break_index(app.database)
    safety = app.rescue().document["safety"]
    app.backup()
    app.backup()
    pruned = app.run("prune", "--keep-last", "1", "--yes", "--json").document
    assert safety in {one["id"] for one in pruned["kept"]}


def test_events_tell_the_steps(app: App) -> None:
    damaged.break_index(app.database)
    ran = app.run("rescue", "shop", "--yes", "--events", *VOUCH)
    events = [json.loads(line) for line in ran.stderr.splitlines()]
    steps = [one["name"] for one in events if one["type"] == "step"]
    acting = steps[steps.index("stop") :]
    assert [name for name in acting if name in ("stop", "stage", "safety", "place", "smoke")] == [
        "stop", "stage", "safety", "place", "smoke",
    ]  # fmt: skip
    assert events[-1]["type"] == "job.finished"


def test_the_health_file_follows_a_rescue_and_its_undo(app: App) -> None:
    app.backup()
    changed_and_damaged(app)

    def state() -> tuple[str, list[str]]:
        found = app.run("status", "shop", "--json").document["targets"][0]
        return found["state"], [reason["code"] for reason in found["reasons"]]

    app.run("diagnose", "shop")
    assert state() == ("bad", ["damaged"])
    assert app.rescue().code in (0, 3)
    assert state() == ("ok", [])
    assert app.run("undo", "--json", "--yes", *VOUCH).code in (0, 3)
    assert state() == ("bad", ["damaged"])

"""What restore promises besides: parts, clashes, plan files, services, exactness from every format."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.faults.machine import Machine, change_application, print_of, rows
from tests.makers import databases, trees
from tests.makers.faults import Ended

IN_PLACE = ("restore", "app@latest", "--yes")


def document(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.fixture
def changed(bare: Machine) -> Machine:
    ended = bare.lifeboat("backup", bare.app)
    assert ended.code == 0, ended.stderr
    change_application(bare.app)
    return bare


# -- parts ---------------------------------------------------------------------------------------------


def test_only_a_hard_link_whose_first_name_is_not_picked(bare: Machine) -> None:
    assert bare.lifeboat("backup", bare.app).code == 0
    there = bare.root / "there"
    ended = bare.lifeboat("restore", "latest", "--to", there, "--only", "*/deep/file")
    assert ended.code == 0, ended.stderr
    files = [path for path in there.rglob("*") if path.is_file()]
    assert [(path.name, path.read_bytes()) for path in files] == [("file", b"deep")]
    ended = bare.lifeboat("restore", "latest", "--to", bare.root / "other", "--only", "*/twin")
    assert ended.code == 0, ended.stderr
    files = [path for path in (bare.root / "other").rglob("*") if path.is_file()]
    assert [(path.name, path.read_bytes()) for path in files] == [("twin", b"deep")]


def test_one_database_leaves_everything_else(changed: Machine) -> None:
    before = {name: one for name, one in changed.print_of_app().items() if not name.startswith(b"shop.db")}
    ended = changed.lifeboat(*IN_PLACE, "--database", "shop.db")
    assert ended.code == 0, ended.stderr
    after = {name: one for name, one in changed.print_of_app().items() if not name.startswith(b"shop.db")}
    assert after == before
    assert databases.row_counts(changed.database)["orders"] == 40
    assert changed.lifeboat(*IN_PLACE, "--database", "no.db").code == 10


# -- clashes -------------------------------------------------------------------------------------------


def test_undecided_clashes_change_nothing(changed: Machine) -> None:
    before = changed.print_of_app()
    ended = changed.lifeboat(*IN_PLACE)
    assert ended.code == 5, ended.stderr
    assert changed.print_of_app() == before


@pytest.mark.parametrize("choice", ["replace", "skip", "rename", "newer"])
def test_each_way_to_decide(changed: Machine, choice: str) -> None:
    old = changed.app / "uploads"
    os.utime(old / "changed", (1_800_000_000, 1_800_000_000))  # newer than in the backup
    ended = changed.lifeboat(*IN_PLACE, "--only", f"{old}/", "--on-conflict", choice, "--json")
    assert ended.code == 0, ended.stderr
    said = document(ended)
    content = (old / "changed").read_bytes()
    assert content == (b"first" if choice == "replace" else b"second, and longer")
    assert (old / "gone").read_bytes() == b"gone later"
    assert (old / "folder" / "deep" / "file").samefile(old / "folder" / "twin")
    assert (old / "new").read_bytes() == b"came later"
    assert said["skipped"] >= (1 if choice in ("skip", "newer") else 0)
    renamed = {Path(one["path"]).name: Path(one["to"]) for one in said["renamed"]}
    assert ("changed" in renamed) == (choice == "rename")
    if choice == "rename":
        assert renamed["changed"].read_bytes() == b"first"
        assert renamed["changed"].parent == old
    assert rows(changed.database) != "unsound"
    assert databases.row_counts(changed.database)["orders"] == 80
    ended = changed.lifeboat("undo", "--yes")
    assert ended.code == 0, ended.stderr
    assert not (old / "gone").exists()
    assert not any(path.exists() for path in renamed.values())


def test_a_plan_file_is_kept_edited_and_replayed(changed: Machine) -> None:
    plan = changed.root / "plan.json"
    files = f"{changed.app}/uploads/"
    assert changed.lifeboat("restore", "app@latest", "--only", files, "--dry-run", "--plan", plan).code == 0
    kept = json.loads(plan.read_text())
    paths = {Path(row["path"]).name: row for row in kept["clashes"]}
    for row in kept["clashes"]:
        row["choice"] = "skip"
    paths["changed"]["choice"] = "rename"
    plan.write_text(json.dumps(kept))
    before = changed.print_of_app()
    ended = changed.lifeboat(*IN_PLACE, "--only", files, "--plan", plan, "--json")
    assert ended.code == 0, ended.stderr
    [renamed] = document(ended)["renamed"]
    assert Path(renamed["to"]).read_bytes() == b"first"
    after = changed.print_of_app()
    assert {name: after[name] for name in before if b"changed" in name or b"was-" in name} == {
        name: one for name, one in before.items() if b"changed" in name or b"was-" in name
    }
    ended = changed.lifeboat(*IN_PLACE, "--only", files, "--plan", plan)
    assert ended.code == 5, ended.stderr  # it saw another target
    plan.write_text("{}")
    assert changed.lifeboat(*IN_PLACE, "--only", files, "--plan", plan).code not in (0, 5)


# -- plan and apply, undo ------------------------------------------------------------------------------


def test_apply_refuses_when_the_target_moved(changed: Machine) -> None:
    """Promise 2: what changes between the plan and the lock is seen, and nothing is done."""
    run = changed.start(*IN_PLACE, "--on-conflict", "replace", hold="/catalog.db")
    run.wait_until_held()  # the plan is made, the lock is held, and now
    (changed.app / "uploads" / "changed").write_bytes(b"third")
    before = changed.print_of_app()
    run.go_on()
    ended = run.wait()
    assert (ended.code, "changed since the plan" in ended.stderr) == (5, True), ended.stderr
    assert changed.print_of_app() == before
    changed.assert_nothing_left()


def test_undo_keeps_what_it_replaces_and_warns_of_writes(changed: Machine) -> None:
    old = changed.print_of_app()
    assert changed.lifeboat(*IN_PLACE, "--on-conflict", "replace").code == 0
    with databases.opened(changed.database) as connection:
        connection.execute("INSERT INTO orders(user_id, note) VALUES (1, 'after the restore')")
    os.utime(changed.database, (4_000_000_000, 4_000_000_000))
    written = databases.row_counts(changed.database)["orders"]
    ended = changed.lifeboat("undo", "--yes", "--json")
    assert ended.code == 0, ended.stderr
    said = document(ended)
    assert ("written-since", str(changed.database)) in {(one["code"], one["subject"]) for one in said["warnings"]}
    assert changed.print_of_app() == old
    ended = changed.lifeboat("undo", "--yes")  # of the undo
    assert ended.code == 0, ended.stderr
    assert databases.row_counts(changed.database)["orders"] == written == 41


@pytest.mark.parametrize("stands", ["file", "link"])
def test_undo_brings_back_a_folder_that_was_replaced(bare: Machine, stands: str) -> None:
    """The safety backup begins with that folder; what stands there now is no root, and no way to somewhere else."""
    current, outside = bare.app / "uploads" / "aaa", bare.root / "here" / "beside"
    current.symlink_to(outside) if stands == "link" else current.write_bytes(b"a file")
    assert bare.lifeboat("backup", bare.app).code == 0
    current.unlink()
    (current / "deep").mkdir(parents=True)
    (current / "deep" / "new").write_bytes(b"in a folder")
    before, beside = bare.print_of_app(), print_of(outside)
    assert bare.lifeboat(*IN_PLACE, "--on-conflict", "replace").code == 0
    assert current.is_symlink() if stands == "link" else current.is_file()
    ended = bare.lifeboat("undo", "--yes")
    assert ended.code == 0, ended.stderr
    assert bare.print_of_app() == before
    assert print_of(outside) == beside


def test_a_restore_that_was_taken_back_is_nothing_to_undo(changed: Machine) -> None:
    """What came to the application since must not go with an `undo` of something that never happened."""
    changed.keep()
    steps = changed.lifeboat(*IN_PLACE, "--on-conflict", "replace").steps
    commit = next(number for number, step in enumerate(steps, 1) if step.path.endswith("/merging"))
    changed.put_back()
    before_commit = max(n for n, step in enumerate(steps[:commit], 1) if step.path.endswith(".undo.jsonl")) + 8
    assert changed.lifeboat(*IN_PLACE, "--on-conflict", "replace", kill_before=before_commit).killed
    changed.assert_recovered()
    (changed.app / "uploads" / "gone").write_bytes(b"made again by the application")
    ended = changed.lifeboat("undo", "--yes")
    assert ended.code == 10, ended.stdout + ended.stderr
    assert (changed.app / "uploads" / "gone").exists()


def test_a_restore_right_after_a_kill_needs_no_other_command(changed: Machine) -> None:
    changed.keep()
    steps = changed.lifeboat(*IN_PLACE, "--on-conflict", "replace").steps
    new = changed.print_of_app()
    changed.put_back()
    middle = next(number for number, step in enumerate(steps, 1) if step.path.endswith("/uploads/link"))
    assert changed.lifeboat(*IN_PLACE, "--on-conflict", "replace", kill_before=middle).killed
    ended = changed.lifeboat(*IN_PLACE, "--on-conflict", "replace")
    assert ended.code == 0, ended.stderr
    assert changed.print_of_app() == new


# -- services ------------------------------------------------------------------------------------------


def with_services(machine: Machine, *, stop: str = "exit 0") -> dict[str, str]:
    """A profile `app` whose service writes what is done to it into a log."""
    log = machine.root / "services"
    log.touch()
    service = {
        "stop": ["sh", "-c", f"echo stop >> {log}; {stop}"],
        "start": ["sh", "-c", f"echo start >> {log}"],
    }
    path = machine.root / "config.json"
    profile = {"databases": [str(machine.database)], "files": [str(machine.app / "uploads")], "services": [service]}
    path.write_text(json.dumps({"profiles": {"app": profile}}))
    return {"LIFEBOAT_CONFIG": str(path)}


def services(machine: Machine) -> list[str]:
    return (machine.root / "services").read_text().split()


@pytest.mark.parametrize("how", ["works", "refused", "stop-fails", "killed", "left-alone"])
def test_services_are_started_again_whatever_happens(bare: Machine, how: str) -> None:
    env = with_services(bare, stop="exit 3" if how == "stop-fails" else "exit 0")
    assert bare.lifeboat("backup", "app", env=env).code == 0
    change_application(bare.app)
    before = bare.print_of_app()
    command = [*IN_PLACE, "--on-conflict", "replace"]
    if how == "works":
        assert bare.lifeboat(*command, env=env).code == 0
    elif how == "refused":  # a process that is no service holds the database
        with databases.opened(bare.database) as connection:
            connection.execute("SELECT count(*) FROM orders").fetchone()
            assert bare.lifeboat(*command, env=env).code == 5
    elif how == "stop-fails":
        ended = bare.lifeboat(*command, env=env)
        assert ended.code == 1, ended.stderr
        assert bare.print_of_app() == before
    elif how == "killed":
        bare.keep()
        steps = bare.lifeboat(*command, env=env).steps
        bare.put_back()
        (bare.root / "services").write_text("")
        at = next(number for number, step in enumerate(steps, 1) if step.path.endswith("/merging"))
        assert bare.lifeboat(*command, env=env, kill_before=at).killed
        assert services(bare) == ["stop"]
        bare.assert_recovered()
    else:
        assert bare.lifeboat(*command, "--no-services", env=env).code == 0
    assert services(bare) == ([] if how == "left-alone" else ["stop", "start"])
    bare.assert_nothing_left()


# -- exactness -----------------------------------------------------------------------------------------


def _archive_of(machine: Machine, ident: str) -> Path:
    found = [path for path in machine.vault.rglob(f"*{ident}*") if ".manifest." not in path.name]
    [archive] = [path for path in found if ".files." not in path.name]
    return archive


@pytest.mark.parametrize("form", ["tar.zst", "tar.gz", "zip", "7z", "7z-encrypted"])
def test_everything_comes_back_exactly_from_every_format(bare: Machine, form: str) -> None:
    """Owners, modes, times of folders too, ACLs, attributes, holes and links; from the archive alone as well."""
    kept = trees.kept(bare.app / "kept")
    before = trees.fingerprint(kept)
    profile: dict[str, Any] = {"files": [str(kept)], "archive": {"format": form.partition("-")[0]}}
    if form == "7z-encrypted":
        secret = bare.root / "passphrase"
        secret.write_text("correct horse battery staple\n")
        secret.chmod(0o600)
        profile["archive"]["encrypt"] = {"passphrase_file": str(secret)}
    config = bare.root / "config.json"
    config.write_text(json.dumps({"profiles": {"kept": profile}}))
    env = {"LIFEBOAT_CONFIG": str(config)}
    ended = bare.lifeboat("backup", "kept", "--json", env=env)
    assert ended.code == 0, ended.stderr
    ended = bare.lifeboat("restore", "latest", "--to", bare.root / "one", "--json", env=env)
    assert ended.code == 0, ended.stderr
    assert document(ended)["failed"] == []
    assert trees.fingerprint(Path(f"{bare.root}/one{kept}")) == before
    made = document(bare.lifeboat("list", "--json", env=env))["backups"][0]
    archive = _archive_of(bare, made["id"])
    alone = bare.root / archive.name
    archive.rename(alone)
    shutil.rmtree(bare.vault)
    ended = bare.lifeboat("restore", alone, "--to", bare.root / "two", env=env)
    assert ended.code == 0, ended.stderr
    assert trees.fingerprint(Path(f"{bare.root}/two{kept}")) == before


def test_a_passphrase_is_never_written_or_said(bare: Machine) -> None:
    """Promise 8: in no file of vault, state and log, and on no stream."""
    secret = "Xq7-never-to-be-seen-9Zk"
    config = bare.root / "config.json"
    encrypt = {"passphrase": secret}
    profile = {"files": [str(bare.app / "uploads")], "databases": [str(bare.database)], "archive": {"encrypt": encrypt}}
    config.write_text(json.dumps({"profiles": {"app": profile}}))
    config.chmod(0o600)
    env = {"LIFEBOAT_CONFIG": str(config)}
    said = ""
    for command in (
        ("backup", "app", "--json", "-v"),
        ("backup", "app", "--events"),
        ("list", "--json"),
        ("show", "latest", "--json"),
        ("config", "show"),
        ("restore", "latest", "--to", bare.root / "there", "--events"),
        ("restore", "app@latest", "--yes", "--on-conflict", "replace"),
    ):
        ended = bare.lifeboat(*command, env=env)
        assert ended.code == 0 or "No module" in ended.stderr, ended.stderr
        said += ended.stdout + ended.stderr
    assert secret not in said
    for folder in ("vault", "state", "log", "lock"):
        for path in (bare.root / "here" / folder).rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    for path in (bare.root / "here" / "vault").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_events_are_the_only_thing_on_stderr(bare: Machine) -> None:
    (bare.app / "uploads" / "x\x1b[31m\n").write_bytes(b"odd")
    os.symlink("nowhere", bare.app / "uploads" / "dangling")
    for command in (("backup", bare.app), ("restore", "latest", "--to", bare.root / "there"), ("restore", "nothing")):
        ended = bare.lifeboat(*command, "--events")
        for line in ended.stderr.splitlines():
            assert isinstance(json.loads(line), dict), ended.stderr


def test_a_clock_that_goes_back_changes_nothing(bare: Machine) -> None:
    """A backup that was begun later than it ended is still a backup, and the newest is the one made last."""
    assert print_of(bare.app)
    assert (
        bare.runs.call("tests.faults.drivers:backup_at", "2026-11-20T12:00:00+00:00", bare.app, env=bare.env).code == 0
    )
    assert (
        bare.runs.call("tests.faults.drivers:backup_at", "2026-11-20T11:00:00+00:00", bare.app, env=bare.env).code == 0
    )
    assert (
        bare.runs.call("tests.faults.drivers:backup_at", "1970-01-02T00:00:00+00:00", bare.app, env=bare.env).code == 0
    )
    assert [one[:2] for one in bare.backups()] == [("manual", "completed")] * 3
    bare.assert_recovered()
    assert bare.lifeboat("restore", "latest", "--to", bare.root / "there").code == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [(("nosuch",), 2), (("list", "--limit", "x"), 2), (("backup", "nobody"), 10), (("-c", "/nowhere", "list"), 2)],
)
def test_what_fails_before_there_is_a_job_is_an_event_too(bare: Machine, command: tuple[str, ...], code: int) -> None:
    ended = bare.lifeboat(*command, "--events")
    [event] = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (ended.code, ended.stdout) == (code, "")
    assert (event["type"], event["level"], event["job"], bool(event["msg"])) == ("log", "error", "", True)

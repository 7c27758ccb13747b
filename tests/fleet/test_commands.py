"""`lifeboat fleet` on several servers at once: rows, exit codes, plans confirmed together, nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers import damaged, databases
from tests.makers.fleets import ORDERS, Fleet, dead, fleet
from toolkit.errors import CancelledError, FleetError
from toolkit.events import Event, Logged
from toolkit.fleet import collection, playbook
from toolkit.fleet.host import Contact, HostRun, News, Result
from toolkit.fleet.news import Account
from toolkit.jobs.context import Job
from toolkit.jobs.journal import read
from toolkit.operations import fleet as operation
from toolkit.operations import fleet_carry, fleet_status
from toolkit.operations.session import open_session

pytestmark = pytest.mark.xdist_group("fleet")
VOUCH = ("--assume-unused",)


@pytest.fixture
def servers(tmp_path: Path) -> Fleet:
    return fleet(tmp_path / "servers", "web-01", "web-02")


def journal(job: str) -> list[Event]:
    return list(read(open_session().state / "jobs" / job))


def orders(folder: Path) -> int:
    with databases.opened(folder / "shop.db") as connection:
        found: int = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
        return found


def ansible_processes(marker: Path) -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(marker) in command and "ansible" in command:
            yield command


def test_the_servers_of_the_inventory(servers: Fleet) -> None:
    servers.write_inventory(**{"db-01": {"ansible_host": "192.0.2.7"}})
    found = servers.run("hosts", "--json").document["hosts"]
    assert found["db-01"] == {"name": "db-01", "address": "192.0.2.7", "groups": ["others"]}
    assert sorted(found) == ["db-01", "web-01", "web-02"]
    assert sorted(servers.run("hosts", "--json", "-l", "web").document["hosts"]) == ["web-01", "web-02"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("hosts", "-i", "/nowhere/servers"), 2, "no such inventory"),
        (("hosts",), 2, "no inventory was named"),
        (("restore", "latest", "--on-conflict", "maybe"), 2, "maybe"),
    ],
)
def test_what_cannot_be_meant(words: tuple[str, ...], code: int, said: str) -> None:
    from tests.makers.commands import lifeboat

    ran = lifeboat("fleet", *words)
    assert ran.code == code
    assert said in ran.stderr


def test_an_inventory_that_cannot_be_read_and_a_limit_that_fits_nothing(servers: Fleet) -> None:
    nothing = servers.run("hosts", "-l", "db")
    assert nothing.code in (2, 10)
    servers.inventory.write_text("{ this is no inventory")
    assert servers.run("hosts").code in (2, 10)


def test_backup_and_status_while_one_server_is_dead(servers: Fleet) -> None:
    servers.write_inventory(dead=dead())
    ran = servers.run("backup", "--json")
    assert ran.code == 3
    rows = ran.document["hosts"]
    assert {name: (row["outcome"], row["reached"]) for name, row in rows.items()} == {
        "web-01": ("ok", True),
        "web-02": ("ok", True),
        "dead": ("failed", False),
    }
    assert rows["web-01"]["report"]["backups"][0]["profile"] == "shop"
    assert "Connection refused" in rows["dead"]["error"]
    assert [one["subject"] for one in ran.document["warnings"]] == ["dead"]
    said = {(one.host, one.code) for one in journal(ran.document["job"]) if isinstance(one, Logged)}
    assert {("web-01", "host-result"), ("web-02", "host-result"), ("dead", "host-unreachable")} <= said
    assert list((open_session().state / "fleet").iterdir()) == []
    seen = servers.run("status", "--json")
    assert seen.code == 3
    assert [(row["host"], row["state"]) for row in seen.document["rows"]] == [
        ("dead", "unreachable"),
        ("web-01", "ok"),
        ("web-02", "ok"),
    ]
    first = seen.document["rows"][1]
    assert (first["profile"], first["evidence"], first["timer"]) == ("shop", "verified", "none")
    assert abs(first["skew_s"]) < 30
    kept = fleet_status.last(open_session())
    assert kept is not None
    assert [row.host for row in kept.rows] == ["dead", "web-01", "web-02"]


def test_a_server_where_not_all_went_well_says_what(servers: Fleet) -> None:
    shutil.rmtree(servers.application("web-01") / "uploads")
    ran = servers.run("backup", "--json")
    assert (ran.code, ran.document["hosts"]["web-01"]["outcome"]) == (3, "warn")
    [said] = ran.document["warnings"]
    assert (said["code"], said["subject"]) == ("host-failed", "web-01")
    assert str(servers.application("web-01") / "uploads") in said["message"]
    assert ran.document["notes"] == ["backup: 1 of 2 servers went well"]
    damaged.lose_leaf(servers.application("web-02") / "shop.db")
    found = servers.run("diagnose")
    assert found.code == 4
    assert f"{servers.application('web-02') / 'shop.db'} is damaged" in found.stderr


def test_no_server_answers(servers: Fleet) -> None:
    servers.write_inventory(dead=dead())
    ran = servers.run("ping", "-l", "dead")
    assert ran.code == 13
    assert "dead" in ran.stderr


def test_who_has_no_rehearsed_backup(servers: Fleet) -> None:
    for name in servers.names:
        assert servers.there(name, "backup", "shop").code == 0
    rehearsed = servers.run("rehearse", "-l", "web-02", "--json")
    assert rehearsed.code == 0, rehearsed.stdout
    left = servers.run("status", "--unrehearsed", "7d", "--json").document["rows"]
    assert [row["host"] for row in left] == ["web-01"]


def test_a_rescue_is_planned_everywhere_and_done_where_it_was_confirmed(servers: Fleet) -> None:
    for name in servers.names:
        assert servers.there(name, "backup", "shop").code == 0
    bad, good = servers.application("web-01"), servers.application("web-02")
    damaged.lose_leaf(bad / "shop.db")
    before = {folder: (folder / "shop.db").read_bytes() for folder in (bad, good)}
    refused = servers.run("rescue", "shop", "--confirm", "2 hosts")
    assert refused.code == 5
    assert {folder: (folder / "shop.db").read_bytes() for folder in (bad, good)} == before
    ran = servers.run("rescue", "shop", "--confirm", "1 host", "--json")
    assert ran.code in (0, 3), ran.stdout
    assert ran.document["hosts"]["web-01"]["changed"] is True
    assert ran.document["hosts"]["web-02"]["changed"] is False
    assert (good / "shop.db").read_bytes() == before[good]
    assert orders(bad) == ORDERS
    assert servers.there("web-01", "undo", "--yes", *VOUCH).code == 0
    assert (bad / "shop.db").read_bytes() == before[bad]


def test_a_plan_that_became_another_one_is_refused_there(servers: Fleet) -> None:
    for name in servers.names:
        assert servers.there(name, "backup", "shop").code == 0
    session = open_session()
    asked = operation.request(
        session, "restore", [servers.inventory], targets=("shop@latest",), words=("--on-conflict", "replace")
    )
    job = unwritten()
    planned = operation.run(session, asked, job)
    confirmed = operation.plan_of(planned, asked)
    assert confirmed is not None
    assert planned.plan is not None
    assert planned.plan.confirm_word == "2 hosts"
    (servers.application("web-02") / "uploads" / "0.txt").write_text("written meanwhile")
    done = operation.run(session, confirmed, unwritten())
    assert done.hosts["web-01"].outcome in ("ok", "warn")
    assert (done.hosts["web-02"].outcome, done.hosts["web-02"].exit) == ("refused", 5)
    assert (servers.application("web-02") / "uploads" / "0.txt").read_text() == "written meanwhile"


def unwritten() -> Job:
    return Job.open(None, "fleet")


def test_the_backup_of_one_server_comes_to_another(servers: Fleet) -> None:
    old, new = servers.application("web-01"), servers.home("web-02") / "data"
    assert servers.there("web-01", "backup", "shop").code == 0
    words = ("restore", "shop@latest", "-l", "web-02", "--from-host", "web-01", "--map", f"{old}={new}")
    ran = servers.run(*words, "--map", "/nowhere=/data", "--yes", "--json")
    assert ran.code == 0, ran.stdout
    assert orders(new) == ORDERS
    assert (new / "uploads" / "latest").read_bytes() == (old / "uploads" / "latest").read_bytes()
    assert not list(Path("/var/tmp").glob(f"lifeboat-carried-{ran.document['job']}*"))
    assert list((open_session().state / "fleet").iterdir()) == []
    absent = servers.run("restore", "zzzzzzzz", "-l", "web-02", "--from-host", "web-01", "--yes")
    assert absent.code == 10
    assert "no such backup" in absent.stderr


def test_what_was_brought_is_removed_when_the_run_is_cancelled(servers: Fleet) -> None:
    assert servers.there("web-01", "backup", "shop").code == 0
    session, job = open_session(), unwritten()
    asked = operation.request(session, "restore", [servers.inventory], limit="web-02")
    with fleet_carry.carried(session, asked, "web-01", "shop@latest", job) as there:
        place = Path(there.targets[0]).parent
        assert place.is_dir()
        job.should_stop = lambda: True  # type: ignore[method-assign]
    assert not place.exists()


def test_servers_named_on_the_command_line_are_an_inventory() -> None:
    from tests.makers.commands import lifeboat

    assert sorted(lifeboat("fleet", "hosts", "-i", "web-01,web-02,", "--json").document["hosts"]) == [
        "web-01",
        "web-02",
    ]


def test_a_cancelled_run_leaves_no_ansible_behind(servers: Fleet, tmp_path: Path) -> None:
    reached = tmp_path / "reached"
    program = servers.home("web-01") / "lifeboat"
    program.write_text(f"#!/bin/sh\n: > {reached}\nexec sleep 600\n")
    session = open_session()
    asked = operation.request(session, "diagnose", [servers.inventory], limit="web-01")
    job = unwritten()
    job.should_stop = reached.exists  # type: ignore[method-assign]
    try:
        with pytest.raises(CancelledError):
            operation.run(session, asked, job)
    finally:
        _end_sleepers(program)
    assert list(ansible_processes(servers.inventory)) == []
    assert list((session.state / "fleet").iterdir()) == []


def _end_sleepers(program: Path) -> None:
    """End what the command on the `server` left: over SSH it would go with the connection or its time limit."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            home = (folder / "environ").read_bytes()
        except OSError:
            continue
        if command == b"sleep\x00600\x00" and str(program.parent.parent).encode() in home + command:
            os.kill(int(folder.name), 9)


def ran_playbook(servers: Fleet, name: str, folder: Path, **variables: object) -> dict[str, HostRun]:
    asked = playbook.Request(
        inventory=(str(servers.inventory),),
        playbook=f"lifeboat.toolkit.{name}",
        collections=collection.where(folder),
        variables=variables,
    )
    private = folder / "run"

    def listener(news: News, host: HostRun) -> None:
        assert private.stat().st_mode & 0o777 == 0o700
        assert list(private.rglob("job_events/*")) == []  # ansible-runner's callback writes what servers answer there

    return playbook.run(asked, private, os.environ, listener=listener)


def test_servers_whose_turn_did_not_come_are_named(servers: Fleet, tmp_path: Path) -> None:
    servers.write_inventory(**{"a-dead": dead()})
    limits = {"lifeboat_serial": 1, "lifeboat_max_fail_percentage": 0, "lifeboat_hosts": "others,web"}
    ran = ran_playbook(servers, "sync", tmp_path, **limits)
    assert {name: host.contact for name, host in ran.items()} == {
        "a-dead": Contact.UNREACHABLE,
        "web-01": Contact.WAITING,
        "web-02": Contact.WAITING,
    }
    assert "turn did not come" in operation.row_of(ran["web-01"]).error


def test_what_a_playbook_changed_is_in_the_row_of_the_server(servers: Fleet, tmp_path: Path) -> None:
    (tmp_path / "web-01").mkdir()
    place = f"{tmp_path}/{{{{ inventory_hostname }}}}"
    ran = ran_playbook(servers, "carried", tmp_path, lifeboat_carry_place=place)
    assert {name: operation.row_of(host).changed for name, host in ran.items()} == {"web-01": True, "web-02": False}


def test_no_server_speaks_for_another() -> None:
    heard: list[tuple[News, str]] = []
    account = Account([], "secret", listener=lambda news, host: heard.append((news, host.name)), meant=heard.append)
    account.take('secret {"kind": "play", "hosts": ["web-01", "web-02"]}')
    account.take('other {"kind": "failed", "host": "web-02", "why": ["says web-01"]}')
    account.take('{"kind": "failed", "host": "web-02", "why": ["says web-01"]}')
    account.take('secret {"kind": "failed", "host": "web-01", "why": ["", "no  room"]}')
    assert heard == [["web-01", "web-02"], (News.FAILED, "web-01")]
    assert (account.hosts["web-01"].error, account.hosts["web-02"].contact) == ("no room", Contact.WAITING)


def test_a_playbook_that_cannot_begin_says_why(servers: Fleet, tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"lifeboat\.toolkit\.nothing"):
        ran_playbook(servers, "nothing", tmp_path)


def test_what_a_run_is_told_is_on_no_command_line(servers: Fleet, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    program = servers.home("web-01") / "lifeboat"
    program.write_text(f"#!/bin/sh\ncat /proc/[0-9]*/cmdline > {seen} 2>/dev/null\necho '{{}}'\n")
    servers.run("backup", "shop", "--note", "a note for all", "-l", "web-01")
    lines = [line for line in seen.read_bytes().split(b"ansible-playbook") if str(servers.inventory).encode() in line]
    assert lines
    assert not [line for line in lines if b"lifeboat_run_options" in line]


def test_a_command_there_waits_for_a_run_that_is_at_it(servers: Fleet, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    (servers.home("web-01") / "lifeboat").write_text(f"#!/bin/sh\necho \"$@\" >> {seen}\necho '{{}}'\n")
    servers.run("sync", "-l", "web-01")
    servers.run("sync", "-l", "web-01", "--lock-wait", "90")
    assert [line.split()[:3] for line in seen.read_text().splitlines()] == [
        ["--json", "--lock-wait", "5m"],
        ["--json", "--lock-wait", "90s"],
    ]


@pytest.mark.parametrize(("planned", "good"), [(True, 1), (False, 0)])
def test_a_plan_that_loses_something_is_an_answer_and_doing_it_is_incomplete(planned: bool, good: int) -> None:
    document = {"outcome": "warn", "plan": {"steps": [{}], "loses": {"text": "2 rows of orders"}}}
    host = HostRun(name="web-01", results=[Result(operation="rescue", exit=3, planned=planned, report=document)])
    report = operation.FleetReport(operation="rescue", hosts={"web-01": operation.row_of(host)})
    operation.conclude(report)
    assert report.notes == [f"rescue: {good} of 1 server went well"]
    assert report.hosts["web-01"].why == "loses 2 rows of orders"


def test_a_rescue_that_lost_something_says_what() -> None:
    ways = [{"name": "mend", "loses": "9 rows"}, {"name": "refill", "loses": "2 rows"}]
    document = {"outcome": "warn", "databases": [{"path": "/srv/shop.db", "way": "refill", "ways": ways}]}
    assert operation.HostRow(outcome="warn", exit=3, report=document).why == "lost 2 rows"


def test_ansible_that_is_not_installed(servers: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    ran = servers.run("ping")
    assert ran.code == 1
    assert "'.[fleet]'" in ran.stderr
    with pytest.raises(FileNotFoundError):
        subprocess.run(["ansible-playbook"], check=True)

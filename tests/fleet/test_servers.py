"""The collection on real servers, from fresh ones to uninstalled: each test goes on where the one before it ended.

`one` (Debian 12) has cron, `two` (Debian 13) systemd; `three` is the one to which things happen.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.fleet.conftest import OLDER, Orders, Player, Wheelhouses
from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_world import SCOPE_FILE
from tests.makers.servers import Servers, until
from toolkit import __version__

pytestmark = [pytest.mark.xdist_group("servers"), pytest.mark.timeout(900)]

ROWS = 3000
EVERY_MINUTE = {
    "lifeboat_schedule_kind": "{{ 'cron' if inventory_hostname == 'one' else 'systemd' }}",
    "lifeboat_schedule_entries": [{"kind": "hourly", "every": "1m"}],
}
BOTH = ("one", "two")
EVERYBODY = (*BOTH, "three")
ROBOT = "robot@demo.iam.gserviceaccount.com"


def damage(servers: Servers, name: str) -> None:
    """Overwrite pages in the middle of the shop's database, as a failing disk does."""
    with open(servers[name].root / "srv/shop/shop.db", "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(4096 * 4))


def since_boot(servers: Servers, name: str) -> list[str]:
    """Return the backups that the schedule made since the server started, and that are proven."""
    found = servers[name].lifeboat("list", "--kind", "hourly").get("backups", [])
    booted = servers[name].booted
    proven = [one for one in found if one["evidence"] == "verified"]
    return [one["id"] for one in proven if datetime.fromisoformat(one["started"]) > booted]


def of_each(**values: object) -> str:
    """Return the value of a variable that each server has another of."""
    return f"{{{{ {json.dumps(values)}[inventory_hostname] }}}}"


@contextlib.contextmanager
def tunnel(servers: Servers, name: str, address: str) -> Iterator[None]:
    """Have an address of the loopback here be the same on a server: plain HTTP is for the loopback only."""
    place = address.rpartition("/")[2]
    command = [*servers[name].ssh(), "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{place}:{place}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as running:
        port = place.rpartition(":")[2]
        until(lambda: f":{port}" in servers[name].run("ss -ltn"), "the tunnel")
        yield
        running.terminate()


def test_check_mode_tells_what_fresh_servers_would_get_and_gives_them_nothing(servers: Servers, play: Player) -> None:
    ran = play("site", *BOTH, options="--check --diff", **EVERY_MINUTE)
    assert ran.code == 0, ran.output
    assert ran.stats("changed") == set(BOTH)
    assert "lifeboat-recover.service" in ran.output
    for name in BOTH:
        assert servers[name].run("find / -xdev -iname '*lifeboat*'") == ""
        assert servers[name].run("command -v cron || true") == ""


def test_site_installs_an_older_version_and_the_second_run_changes_nothing(
    servers: Servers, play: Player, wheelhouses: Wheelhouses
) -> None:
    older = {"lifeboat_install_wheelhouse": str(wheelhouses.older), **EVERY_MINUTE}
    first = play("site", *BOTH, **older)
    assert first.code == 0, first.output
    for name in BOTH:
        assert servers[name].run("lifeboat --version").split()[-1] == OLDER
        modes = servers[name].run("stat -c '%a %U' /etc/lifeboat/config.yaml /etc/lifeboat/config.d/50-shop.yaml")
        assert set(modes.splitlines()) == {"600 root"}
        assert servers[name].run("systemctl is-enabled lifeboat-recover.service").strip() == "enabled"
        assert "lifeboat" in servers[name].run("bash -c '. /etc/bash_completion.d/lifeboat; complete -p lifeboat'")
    second = play("site", *BOTH, **older)
    assert second.code == 0, second.output
    assert second.stats("changed") == set()
    servers["two"].restart()  # what is in /run is gone; the next tests need some minutes, in which the schedules run


def test_what_a_role_cannot_do_is_refused_with_a_sentence(servers: Servers, play: Player) -> None:
    servers["three"].run("printf '#!/bin/sh\necho 3.9\n' > /srv/python3.9 && chmod 755 /srv/python3.9")
    absent = f"lifeboat-1.0-{'0' * 12}.tar"
    early = play(
        "site",
        *EVERYBODY,
        options="--check",
        lifeboat_install_wheelhouse=of_each(one=absent, two="", three=play.variables["lifeboat_install_wheelhouse"]),
        lifeboat_install_python=of_each(one="python3", two="python3", three="/srv/python3.9"),
    )
    assert f"there is no wheelhouse {absent}" in early.said("one")
    assert "say where Lifeboat comes from" in early.said("two")
    assert "Lifeboat needs Python 3.11 or newer" in early.said("three")
    late = play(
        "site",
        *BOTH,
        options="--check --tags lifeboat_profile,lifeboat_schedule",
        lifeboat_schedule_kind=of_each(one="cron", two="monthly"),
        lifeboat_profile_config=of_each(one={"vault": {"pth": "/x"}}, two=play.variables["lifeboat_profile_config"]),
    )
    assert 'vault.pth: unknown key; did you mean "path"?' in late.said("one")
    assert "must be one of: systemd, cron, none, got: monthly" in late.said("two")


def test_servers_that_cannot_be_used_are_named_and_the_others_go_on(servers: Servers, play: Player) -> None:
    servers["three"].freeze(still=True)
    hung = play("status", *EVERYBODY, lifeboat_run_accept=[4], shared=False)
    servers["three"].freeze(still=False)
    assert hung.stats("dark") == {"three"}
    assert "timed out" in hung.said("three")

    servers.know(EVERYBODY)
    text = servers.known_hosts.read_text()
    keys = {name: servers[name].host_key for name in EVERYBODY}
    servers.known_hosts.write_text(text.replace(keys["three"].split()[1], keys["one"].split()[1]))
    foreign = play("status", *EVERYBODY, lifeboat_run_accept=[4], shared=False)
    servers.know(EVERYBODY)
    assert foreign.stats("dark") == {"three"}
    assert "Host key verification failed" in foreign.said("three")

    ran = play("status", *EVERYBODY, ansible_user="{{ 'guest' if inventory_hostname == 'three' else 'deploy' }}",
               lifeboat_run_accept=[4], shared=False)  # fmt: skip
    assert "three" in ran.stats("failures") | ran.stats("dark")
    assert "password" in ran.said("three").lower()

    servers["three"].stop()
    down = play("status", *EVERYBODY, lifeboat_run_accept=[4], shared=False)
    servers["three"].start()
    servers["three"].ready()
    assert down.stats("dark") == {"three"}
    for one in (hung, foreign, ran, down):
        assert one.code
        assert [result["operation"] for name in BOTH for result in one.results(name)] == ["status", "status"]


def test_an_installation_that_is_interrupted_or_finds_no_room_is_healed_by_the_next(
    servers: Servers, play: Player, wheelhouses: Wheelhouses, tmp_path: Path
) -> None:
    """The packages come from an index of one's own, in the version that is asked for."""
    three = servers["three"]
    with package_index(wheelhouses.older, tmp_path) as address:
        wanted = {
            "lifeboat_schedule_kind": "systemd",
            "lifeboat_install_wheelhouse": "",
            "lifeboat_install_index_url": f"{address}/simple",
            "lifeboat_install_version": OLDER,
            "lifeboat_install_completion": ["bash", "zsh", "fish"],
        }
        with tunnel(servers, "three", address):
            interrupt(servers, play, wanted)
        assert not list((three.root / "opt/lifeboat/releases").glob("*/.complete"))
        three.start()
        three.ready()

        with tunnel(servers, "three", address):
            three.run("dd if=/dev/zero of=/filling bs=1M 2>/dev/null || true")
            full = play("site", "three", **wanted)
            assert full.code
            assert "No space left" in full.output
            assert not (three.root / "usr/local/bin/lifeboat").is_symlink()
            three.run("rm /filling")

            healed = play("site", "three", **wanted)
    assert healed.code == 0, healed.output
    assert three.run("lifeboat --version").split()[-1] == OLDER
    left = three.run("cat /usr/local/share/zsh/site-functions/_lifeboat /etc/fish/completions/lifeboat.fish")
    assert left.startswith("#compdef lifeboat")


def interrupt(servers: Servers, play: Player, wanted: dict[str, object]) -> None:
    """Cut the power of `three` while Lifeboat is being installed, and end Ansible too."""
    three = servers["three"]
    command = play.prepared("site", ("three",), "", wanted)
    running = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    until(
        lambda: list((three.root / "opt/lifeboat/releases").glob("*/lib/*/site-packages/toolkit")),
        "the installation",
        limit=300,
    )
    three.stop()
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@contextlib.contextmanager
def package_index(wheelhouse: Path, folder: Path) -> Iterator[str]:
    """Serve the wheels of `wheelhouse` as a package index on the loopback (PEP 503); yields its address."""
    with tarfile.open(wheelhouse) as tar:
        for member in tar.getmembers():
            if member.name.endswith(".whl"):
                member.name = (
                    f"simple/{Path(member.name).name.partition('-')[0].replace('_', '-')}/{Path(member.name).name}"
                )
                tar.extract(member, folder, filter="data")
    handler = functools.partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base names it so
        pass


def test_a_user_who_may_not_use_sudo_has_a_profile_and_a_crontab_of_ones_own(servers: Servers, play: Player) -> None:
    servers["three"].run("install -d -o guest /srv/own && echo mine > /srv/own/note.txt")
    own = {
        "ansible_user": "guest",
        "ansible_become": False,
        "lifeboat_profile_directory": "/home/guest/.config/lifeboat",
        "lifeboat_profile_owner": "guest",
        "lifeboat_profile_group": "guest",
        "lifeboat_profile_config": {"vault": {"path": "/home/guest/vault"}},
        "lifeboat_profile_profiles": [{"name": "own", "files": ["/srv/own"]}],
        "lifeboat_schedule_directory": "/home/guest/.config/lifeboat",
        "lifeboat_schedule_owner": "guest",
        "lifeboat_schedule_group": "guest",
        "lifeboat_schedule_kind": "cron",
        "lifeboat_schedule_packages": [],
    }
    servers["three"].run("apt-get install -qq -y cron")
    first = play("site", "three", options="--tags lifeboat_profile,lifeboat_schedule", **own)
    assert first.code == 0, first.output
    assert "backup own --kind daily" in servers["three"].run("crontab -l -u guest")
    second = play("site", "three", options="--tags lifeboat_profile,lifeboat_schedule", **own)
    assert second.stats("changed") == set(), second.output
    made = play("backup", "three", **own)
    assert made.code == 0, made.output
    assert servers["three"].run("stat -c %U $(find /home/guest/vault -name '*.tar.zst')").split() == ["guest"]


def test_cron_and_systemd_start_backups_that_verify(servers: Servers, play: Player) -> None:
    for name in BOTH:
        until(lambda name=name: since_boot(servers, name), f"a backup on {name}", limit=150)
    ran = play("verify", *BOTH)
    assert ran.code == 0, ran.output
    for name in BOTH:
        [result] = ran.results(name)
        assert [one["ok"] for one in result["report"]["backups"]] == [True]
        state = servers[name].lifeboat("status")["schedule"]
        assert state == {"installed": "cron" if name == "one" else "systemd", "current": True, "gone": []}


def test_the_other_scheduler_takes_the_place_of_the_one(servers: Servers, play: Player) -> None:
    kind = {"lifeboat_schedule_kind": "{{ 'systemd' if inventory_hostname == 'one' else 'cron' }}"}
    part = "--tags lifeboat_schedule"
    would = play("site", *BOTH, options=f"{part} --check", **kind)
    assert would.stats("changed") == set(BOTH), would.output
    ran = play("site", *BOTH, options=part, **kind)
    assert ran.code == 0, ran.output
    timers = "systemctl list-unit-files 'lifeboat-shop-*.timer' --no-legend --no-pager"
    assert "lifeboat-shop-daily.timer" in servers["one"].run(timers)
    assert servers["one"].run("systemctl is-active lifeboat-shop-daily.timer").strip() == "active"
    assert not (servers["one"].root / "etc/cron.d/lifeboat").exists()
    assert servers["two"].run(timers, check=False) == ""
    assert "backup shop --kind daily" in (servers["two"].root / "etc/cron.d/lifeboat").read_text()
    assert servers["two"].run("systemctl is-enabled cron").strip() == "enabled"
    times = {name: (servers[name].root / "etc/lifeboat/config.d/60-schedule.yaml").read_text() for name in BOTH}
    assert times["one"] != times["two"]


def newer_python(servers: Servers, name: str) -> None:
    """Leave the releases as an upgrade of the system does that brings a newer Python: none of them runs any more."""
    servers[name].run(
        "cd /opt/lifeboat/releases; for old in *-py3.11; do new=${old%11}10; mv $old $new; "
        "mv $new/lib/python3.11 $new/lib/python3.10; ln -sfn /opt/lifeboat/releases/$new ../current; done"
    )
    assert servers[name].run("lifeboat --version >/dev/null 2>&1 || echo no").strip() == "no"


def test_an_upgrade_keeps_the_older_release_to_go_back_to_and_builds_a_dead_one_again(
    servers: Servers, play: Player, wheelhouses: Wheelhouses
) -> None:
    newer_python(servers, "one")
    older = str(wheelhouses.older)
    ran = play("upgrade", *BOTH, lifeboat_install_wheelhouse=of_each(one=older, two=str(wheelhouses.newer)))
    assert ran.code == 0, ran.output
    assert servers["one"].run("lifeboat --version").split()[-1] == OLDER
    assert [name[-6:] for name in servers["one"].run("ls -t /opt/lifeboat/releases").split()] == ["py3.11", "py3.10"]
    assert servers["two"].run("lifeboat --version").split()[-1] == __version__
    releases = servers["two"].run("ls /opt/lifeboat/releases").split()
    assert len(releases) == 2
    back = play("upgrade", "two", lifeboat_install_wheelhouse=older)
    assert back.code == 0, back.output
    assert servers["two"].run("lifeboat --version").split()[-1] == OLDER
    assert servers["two"].run("ls /opt/lifeboat/releases").split() == releases


def test_a_damaged_database_is_restored_as_confirmed(servers: Servers, play: Player, orders: Orders) -> None:
    made = play("backup", "one", lifeboat_run_targets=["shop"])
    assert made.code == 0, made.output
    damage(servers, "one")
    found = play("diagnose", "one")
    assert found.code
    assert found.results("one")[0]["report"]["healthy"] is False
    damaged = (servers["one"].root / "srv/shop/shop.db").read_bytes()

    wanted = {"lifeboat_run_targets": ["shop@latest"], "lifeboat_run_options": ["--on-conflict", "replace"]}
    plan = play("restore", "one", **wanted)
    assert plan.code == 0, plan.output
    [planned] = plan.results("one")
    assert (planned["planned"], planned["changed"]) == (True, False)
    assert "lifeboat_run_confirmed=true" in plan.output
    checked = play("restore", "one", options="--check", lifeboat_run_confirmed=True, **wanted)
    assert checked.stats("changed") == {"one"}
    refused = play("restore", "one", lifeboat_run_confirmed=True, lifeboat_run_digests={"one": "0" * 12}, **wanted)
    assert "not the plan that was confirmed" in refused.said("one")
    assert (servers["one"].root / "srv/shop/shop.db").read_bytes() == damaged

    digest = planned["report"]["plan"]["digest"]
    done = play("restore", "one", lifeboat_run_confirmed=True, lifeboat_run_digests={"one": digest}, **wanted)
    assert done.code == 0, done.output
    assert done.results("one")[0]["changed"] is True
    assert orders("one") == ROWS


def test_a_damaged_application_is_rescued(servers: Servers, play: Player, orders: Orders) -> None:
    assert play("backup", "two").code == 0
    damage(servers, "two")
    wanted = {
        "lifeboat_run_targets": ["shop"],
        "lifeboat_run_options": ["--way", "restore"],
        "lifeboat_run_accept": [3],  # what was written after the backup cannot be known from damaged pages
    }
    plan = play("rescue", "two", **wanted)
    [planned] = plan.results("two")
    assert planned["planned"], plan.output
    assert planned["report"]["plan"]["steps"], plan.output
    done = play("rescue", "two", lifeboat_run_confirmed=True, **wanted)
    assert done.code == 0, done.output
    assert orders("two") == ROWS
    assert play("diagnose", "two").code == 0


def test_a_night_of_emergency_and_a_rehearsal(servers: Servers, play: Player) -> None:
    ran = play("emergency", *BOTH)
    assert ran.code == 0, ran.output
    for name in BOTH:
        operations = [one["operation"] for one in ran.results(name)]
        assert operations == ["backup", "diagnose", "status"]
        assert servers[name].lifeboat("list", "--kind", "emergency")["backups"]
    proven = play("rehearse", *BOTH)
    assert proven.code == 0, proven.output
    evidence = [one["evidence"] for name in BOTH for one in proven.results(name)[0]["report"]["backups"]]
    assert evidence == ["rehearsed", "rehearsed"]


def test_backups_go_to_drive_with_credentials_that_nobody_sees_and_from_there_to_another_server(
    servers: Servers, play: Player, orders: Orders, tmp_path: Path
) -> None:
    part = "--tags lifeboat_drive,lifeboat_profile"
    with DriveServer() as drive, tunnel(servers, "one", drive.address), tunnel(servers, "two", drive.address):
        key = drive.sign.new_service_account(ROBOT)
        shared = drive.world.shared_drive("Backups", {ROBOT: "organizer"})
        good, bad = tmp_path / "good.json", tmp_path / "bad.json"
        good.write_text(json.dumps(key))
        bad.write_text(json.dumps({**key, "private_key_id": "0" * 40, "client_email": "nobody@example.org"}))
        settings = {"drive_id": shared.id, "folder_name": "Backups", "endpoint": drive.address}
        profile = {**play.variables["lifeboat_profile_profiles"][0], "destinations": ["drive"]}
        wanted = {
            "lifeboat_drive_settings": settings,
            "lifeboat_profile_profiles": [profile],
            "lifeboat_drive_secrets": [{"path": "/etc/lifeboat/passphrase", "content": "a very secret passphrase"}],
        }
        ran = play("site", *BOTH, options=f"{part} --diff -vvv", lifeboat_drive_credentials_src=str(good), **wanted)
        assert ran.code == 0, ran.output
        for secret in ("PRIVATE KEY", "a very secret passphrase"):
            assert secret not in ran.output + json.dumps(ran.events)
        assert servers["one"].run("stat -c %a /etc/lifeboat/drive.json /etc/lifeboat/passphrase").split() == ["600"] * 2
        again = play("site", "one", options=part, lifeboat_drive_credentials_src=str(good), **wanted)
        assert again.stats("changed") == set(), again.output

        refused = play("site", "one", options=part, lifeboat_drive_credentials_src=str(bad), **wanted)
        assert refused.code
        assert refused.said("one")
        kept = servers["one"].run("cat /etc/lifeboat/drive.json; ls /etc/lifeboat")
        assert ROBOT in kept
        assert "previous" not in kept

        made = play("backup", "one")
        assert made.code == 0, made.output
        assert play("sync", "one").code == 0
        assert [file for file in drive.files() if file.name.endswith(".tar.zst")]
        [backup] = made.results("one")[0]["report"]["backups"]
        moved = play("restore", "two", lifeboat_run_targets=[backup["id"]], lifeboat_run_confirmed=True,
                     lifeboat_run_options=["--from", "drive", "--map", "/srv/shop=/data/shop"])  # fmt: skip
        assert moved.code == 0, moved.output
        assert orders("two", "/data/shop") == ROWS
        assert servers["two"].run("cat /data/shop/uploads/5.txt") == "upload 5\n"

        drive.world.account("ann@example.org")
        person = drive.sign.authorised_user(drive.sign.new_client(), "ann@example.org", SCOPE_FILE)
        settings = {"folder_name": "Backups", "endpoint": drive.address}
        rotated = play("site", "one", options=f"{part} --diff", **{**wanted, "lifeboat_drive_settings": settings},
                       lifeboat_drive_credentials=person)  # fmt: skip
        assert rotated.code == 0, rotated.output
        assert person["refresh_token"] not in rotated.output + json.dumps(rotated.events)
        assert play("backup", "one").results("one")[0]["exit"] == 0
        assert servers["one"].lifeboat("status")["queue"] == []


def test_uninstalling_keeps_backups_and_configuration(servers: Servers, play: Player) -> None:
    would = play("uninstall", *BOTH, options="--check")
    assert would.stats("changed") == set(BOTH), would.output
    ran = play("uninstall", *BOTH)
    assert ran.code == 0, ran.output
    for name in BOTH:
        root = servers[name].root
        assert list((root / "var/lib/lifeboat/vault/shop").rglob("*.tar.zst"))
        assert (root / "etc/lifeboat/config.d/50-shop.yaml").exists()
        assert not (root / "opt/lifeboat").exists()
        assert not (root / "usr/local/bin/lifeboat").is_symlink()
        left = servers[name].run("ls /etc/cron.d /etc/systemd/system /etc/bash_completion.d 2>/dev/null", check=False)
        assert "lifeboat" not in left
    assert play("uninstall", *BOTH).stats("changed") == set()
    absent = play("backup", "one")
    assert "Lifeboat is not installed here" in absent.said("one")

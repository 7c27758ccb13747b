"""How a job ended reaches whom the configuration names, through the command line; what fails there changes nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from tests.makers.commands import application, lifeboat
from tests.makers.databases import flipped_page
from tests.notify.test_messages import Server, server
from toolkit.operations.session import open_session
from toolkit.vault.queue import TRIES, Queue

__all__ = ["server"]


@pytest.fixture
def config(tmp_path: Path, server: Server) -> Path:
    application(tmp_path / "shop")
    path = tmp_path / "config.yaml"
    path.write_text(f"""
vault: {tmp_path}/vault
profiles: {{shop: {{files: [{tmp_path}/shop], alarms: {{max_age: 26h}}}}}}
notify: [{{url: "json://127.0.0.1:{server.port}/hook", on: [failure, warning, recovery]}}]
healthcheck: {{url: "http://127.0.0.1:{server.port}/uuid"}}
metrics: {{textfile: {tmp_path}/lifeboat.prom}}
""")
    path.chmod(0o600)
    return path


def told(server: Server) -> list[str]:
    """Return titles of messages and paths of pings, in order, and forget them."""
    found = [json.loads(body)["title"] if path == "/hook" else path for path, body in server.got]
    server.got.clear()
    return found


def test_failure_and_recovery_are_told_and_success_only_pinged(config: Path, server: Server, tmp_path: Path) -> None:
    assert lifeboat("-c", config, "backup", "shop").code == 0
    assert told(server) == ["/uuid/start", "/uuid"]
    damaged = flipped_page(tmp_path / "shop" / "broken.db")
    assert lifeboat("-c", config, "backup", "shop").code == 4
    said = server.got[-1][1].decode()
    assert re.match(r"(\d\d:\d\d:\d\d .+\n){3,}\nexit code 4", said), said
    assert said.rstrip().endswith(lifeboat("jobs", "list", "--json").document["jobs"][0]["id"])
    start, message, fail = told(server)
    assert (start, fail) == ("/uuid/start", "/uuid/fail")
    assert message.endswith("backup shop FAILED")
    damaged.unlink()
    assert lifeboat("-c", config, "backup", "shop").code == 0
    assert [one.split(": ")[-1] for one in told(server)] == ["/uuid/start", "backup shop succeeded", "/uuid"]
    assert lifeboat("-c", config, "backup", "shop").code == 0
    assert told(server) == ["/uuid/start", "/uuid"]


def test_an_error_that_ends_the_command_is_told(config: Path, server: Server, tmp_path: Path) -> None:
    (tmp_path / "shop").rename(tmp_path / "gone")
    assert lifeboat("-c", config, "backup", "shop").code == 10
    bodies = [json.loads(body)["message"] for path, body in server.got if path == "/hook"]
    assert len(bodies) == 1
    assert "exit code 10" in bodies[0]
    assert str(tmp_path / "shop") in bodies[0]
    assert "lifeboat jobs show" in bodies[0]


def test_what_cannot_be_told_is_a_warning_and_changes_no_exit_code(config: Path, server: Server) -> None:
    server.answer = 500
    ended = lifeboat("-c", config, "backup", "shop", "--json")
    assert ended.code == 0
    assert [warning["code"] for warning in ended.document["warnings"]] == ["not-pinged"]
    server.http.shutdown()
    server.http.server_close()
    assert lifeboat("-c", config, "backup", "shop").code == 0


def test_figures_follow_each_backup(config: Path, tmp_path: Path) -> None:
    lifeboat("-c", config, "backup", "shop")
    lifeboat("-c", config, "verify", "shop@latest", "--rehearse")
    text = (tmp_path / "lifeboat.prom").read_text()
    assert 'lifeboat_last_run_success{profile="shop"} 1\n' in text
    assert 'lifeboat_last_success_evidence{profile="shop"} 3\n' in text
    assert 'lifeboat_last_success_timestamp_seconds{profile="shop"} ' in text
    assert 'lifeboat_last_rehearsal_timestamp_seconds{profile="shop"} ' in text
    assert f'lifeboat_target_state{{profile="shop",kind="files",target="files:{tmp_path}/shop"}} 0\n' in text


def test_silence_is_told_once_and_so_is_its_end(config: Path, server: Server) -> None:
    look = ("-c", config, "status", "shop", "--max-age", "26h", "--tell", "-q")
    assert [lifeboat(*look).code for _ in range(3)] == [4, 4, 4]
    assert [one.split(": ")[-1] for one in told(server)] == ["freshness of shop FAILED"]
    lifeboat("-c", config, "backup", "shop")
    told(server)
    assert [lifeboat(*look).code for _ in range(2)] == [0, 0]
    assert [one.split(": ")[-1] for one in told(server)] == ["freshness of shop succeeded"]


def test_the_log_has_what_jobs_said(config: Path, machine: Path) -> None:
    lifeboat("-c", config, "backup", "shop")
    lines = [json.loads(line) for line in (machine / "var/log/lifeboat/lifeboat.log").read_text().splitlines()]
    assert (lines[0]["type"], lines[-1]["type"], lines[-1]["exit"]) == ("job.created", "job.finished", 0)
    assert not [line for line in lines if line["type"] in ("progress", "beat")]


def offsite(config: Path, tmp_path: Path) -> None:
    """Give the shop a destination that is not there."""
    text = config.read_text().replace("alarms:", "destinations: [disk], alarms:")
    config.write_text(f"{text}destinations: {{disk: {{type: directory, path: {tmp_path}/disk}}}}\n")


def given_up(config: Path, backup_id: str) -> None:
    """Let the copy have failed as often as it may but once."""
    session = open_session(config=config)
    queue = Queue(session.state, session.vault_path, "disk")
    queue.save(backup_id, msgspec.structs.replace(queue.load(backup_id), tries=TRIES - 1, next=None))


def test_a_copy_that_is_given_up_is_a_failure_and_one_that_waits_is_told_once(
    config: Path, server: Server, tmp_path: Path
) -> None:
    offsite(config, tmp_path)
    ended = lifeboat("-c", config, "backup", "shop", "--json")
    assert ended.code == 3
    assert [one.split(": ")[-1] for one in told(server) if one[0] != "/"] == ["backup shop ended with warnings"]
    silent = lifeboat("-c", config, "sync", "-q")
    assert (silent.code, silent.stdout, silent.stderr, told(server)) == (3, "", "", [])
    given_up(config, ended.document["backups"][0]["id"])
    said = lifeboat("-c", config, "sync", "-q")
    assert (said.code, "GAVE UP" in said.stdout) == (3, True)
    assert [one.split(": ")[-1] for one in told(server)] == ["sync FAILED"]
    assert (lifeboat("-c", config, "sync", "-q").code, told(server)) == (3, [])
    (tmp_path / "disk").mkdir()
    assert lifeboat("-c", config, "sync", "--retry").code == 0
    assert [one.split(": ")[-1] for one in told(server)] == ["sync succeeded"]


def figures(tmp_path: Path) -> dict[str, float]:
    """Return the samples, read as Prometheus does: each name has HELP and TYPE first, and no sample is doubled."""
    found: dict[str, float] = {}
    described: list[str] = []
    for line in (tmp_path / "lifeboat.prom").read_text().splitlines():
        if line.startswith("# HELP "):
            described.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {described[-1]} gauge"
        else:
            match = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)', line)
            assert match is not None, line
            assert match[1] == described[-1]
            sample = f"{match[1]}{{{match[2]}}}" if match[2] else match[1]
            assert sample not in found
            found[sample.removeprefix("lifeboat_")] = float(match[3])
    assert len(described) == len(set(described))
    return found


def test_figures_say_what_waits_and_what_was_found(config: Path, tmp_path: Path) -> None:
    offsite(config, tmp_path)
    backup_id = lifeboat("-c", config, "backup", "shop", "--json").document["backups"][0]["id"]
    before = figures(tmp_path)
    assert before['queued_copies{destination="disk"}'] == 1
    assert before['given_up_copies{destination="disk"}'] == 0
    assert before['oldest_queued_timestamp_seconds{destination="disk"}'] > 1.7e9
    assert not [name for name in before if name.startswith("findings")]
    given_up(config, backup_id)
    lifeboat("-c", config, "sync")
    after = figures(tmp_path)
    assert (after['queued_copies{destination="disk"}'], after['given_up_copies{destination="disk"}']) == (0, 1)
    (tmp_path / "disk").mkdir()
    lifeboat("-c", config, "sync", "--retry")
    last = figures(tmp_path)
    assert (last['queued_copies{destination="disk"}'], last['copies{destination="disk"}']) == (0, 1)
    assert last['last_copy_timestamp_seconds{destination="disk"}'] > 1.7e9
    (tmp_path / "shop" / "shop.db").unlink()
    flipped_page(tmp_path / "shop" / "shop.db")
    assert lifeboat("-c", config, "diagnose", "shop").code == 4
    found = {name: value for name, value in figures(tmp_path).items() if name.startswith("findings")}
    assert len(found) == 3
    assert sum(value for name, value in found.items() if 'severity="error"' in name) > 0


def test_a_look_at_the_age_keeps_the_figures_young(config: Path, tmp_path: Path) -> None:
    lifeboat("-c", config, "backup", "shop")
    (tmp_path / "lifeboat.prom").unlink()
    lifeboat("-c", config, "status", "shop", "--max-age", "26h", "--tell", "-q")
    assert figures(tmp_path)['last_run_success{profile="shop"}'] == 1

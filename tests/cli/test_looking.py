"""The commands that only look: what they print, their JSON, their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.makers import databases
from tests.makers.applications import Shop, configured, shop
from tests.makers.commands import Ran, application, backed_up, lifeboat
from toolkit.cli.commands.listing import SORTS
from toolkit.vault.catalog import ORDERS

ENVELOPE = {"outcome", "exit", "job", "changed", "warnings", "error"}


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=20)


def run(made: Shop, *arguments: object) -> Ran:
    return lifeboat("--vault", made.vault, *arguments)


def document(made: Shop, *arguments: object) -> dict[str, Any]:
    ran = run(made, *arguments, "--json")
    found: dict[str, Any] = json.loads(ran.stdout)
    assert found.keys() >= ENVELOPE
    assert (found["exit"], ran.stderr) == (ran.code, "")
    return found


def test_list(made: Shop) -> None:
    row = made.back_up(note="\x1b[31mhostile\x1b[0m")
    made.back_up()
    ran = run(made, "list", "--limit", "1", "--offset", "1")
    assert ran.code == 0
    assert row.id in ran.stdout
    assert "\x1b" not in ran.stdout
    assert ran.stdout.splitlines()[-1] == "2 to 2 of 2"
    assert run(made, "list", "--limit", "1").stdout.splitlines()[-1] == "1 of 2 (--offset 1 shows more)"
    found = document(made, "list", "shop")
    assert (found["total"], len(found["backups"])) == (2, 2)
    assert found["backups"][1]["note"] == "\x1b[31mhostile\x1b[0m"


def test_every_order_of_the_vault_can_be_asked_for() -> None:
    assert set(SORTS) == set(ORDERS)


def test_list_by_time(made: Shop) -> None:
    made.back_up()
    assert document(made, "list", "--since", "2026-11-20")["total"] == 1
    assert document(made, "list", "--until", "2026-11-20T03:00")["total"] == 0
    assert document(made, "list", "--until", "2026-11-20T06:01+03:00")["total"] == 1
    wrong = run(made, "list", "--since", "yesterday-ish")
    assert wrong.code == 2
    assert "36h" in wrong.stderr


def test_list_where_nothing_is(made: Shop) -> None:
    assert run(made, "list").code == 10
    made.back_up()
    ran = run(made, "list", "--kind", "monthly")
    assert (ran.code, ran.stdout) == (0, "")
    assert "no such backup" in ran.stderr
    assert document(made, "list", "nobody")["error"]["code"] == "profile-not-found"


def test_show(made: Shop) -> None:
    row = made.back_up(note="before the upgrade", tags=("x",))
    ran = run(made, "show", row.id[:4])
    assert ran.code == 0
    for part in (
        "before the upgrade",
        "quick_check ok",
        "orders",
        row.sha256,
        Path(row.archive).name,
        "zstd -dc",
        str(made.root),
        "verified",
    ):
        assert part in ran.stdout
    found = document(made, "show", "latest", "--only", "*.txt")
    assert found["backup"]["id"] == row.id
    assert [Path(one["path"]).name for one in found["files"]] == ["report.txt"]
    assert found["matching"] == 1
    assert run(made, "show", "zzzzzzzz").code == 10
    assert run(made, "show", "no such").code == 2


def test_find(made: Shop) -> None:
    row = made.back_up()
    ran = run(made, "find", "report.txt")
    assert ran.code == 0
    assert str(made.uploads / "report.txt") in ran.stdout
    assert row.id in ran.stdout
    (found,) = document(made, "find", "report.txt")["files"]
    assert found["versions"][0]["backups"][0]["id"] == row.id
    assert run(made, "find", "nobody").code == 10


def test_timeline(made: Shop) -> None:
    assert run(made, "timeline", "shop").code == 10
    made.back_up()
    made.execute("DELETE FROM orders WHERE id > 5")
    row = made.back_up()
    ran = run(made, "timeline", made.database)
    assert ran.code == 0
    assert "! orders fell from 20 to 5 between " in ran.stdout
    (found,) = document(made, "timeline", "shop")["databases"]
    assert [point["tables"]["orders"] for point in found["points"]] == [20, 5]
    assert [jump["what"] for jump in found["jumps"]] == ["rows-fell"]
    ran = run(made, "timeline", "shop", "--find", "id = 9 AND note IS NOT NULL", "--table", "orders")
    assert ran.code == 0
    assert f"{row.id} is the first that lacks such a row" in ran.stdout
    search = document(made, "timeline", "shop", "--find", "id = 9", "--table", "orders", "--every")["search"]
    assert [turn["first"]["id"] for turn in search["turns"]] == [row.id]
    assert document(made, "timeline", "shop", "--find", "id = 1", "--table", "orders")["exit"] == 10
    for wrong in (("--find", "id = 1"), ("--find", "x = 1"), ("--every",), ("--find", "id = 1; DROP TABLE orders")):
        assert run(made, "timeline", "shop", *wrong).code == 2


def test_compare(made: Shop) -> None:
    made.back_up()
    assert run(made, "compare", "latest", "--exit-code").code == 0
    made.execute("DELETE FROM orders WHERE id = 1")
    (made.uploads / "logo.png").unlink()
    ran = run(made, "compare", "latest")
    assert ran.code == 0
    assert "orders: 20 rows -> 19 rows (-1)" in ran.stdout
    assert f"- {made.uploads}/logo.png" in ran.stdout
    found = document(made, "compare", "latest", "--exit-code")
    assert (found["exit"], found["same"], found["differences"]["removed"]) == (4, False, 1)


def test_stats(made: Shop) -> None:
    made.back_up()
    made.clock.move(days=10)
    made.back_up()
    ran = run(made, "stats")
    assert ran.code == 0
    assert "█" in ran.stdout
    plain = run(made, "stats", "--ascii")
    assert "█" not in plain.stdout
    assert plain.stdout.isascii()
    found = document(made, "stats", "shop")["stats"]
    assert (found["completed"], found["success_rate"], found["profile"]) == (2, 1.0, "shop")


def test_status_and_no_command(made: Shop) -> None:
    first = lifeboat("--vault", made.vault)
    assert first.code == 0
    assert f"`lifeboat --vault {made.vault} backup" in first.stderr
    made.back_up()
    assert run(made).stdout == run(made, "status").stdout
    assert str(made.database) in run(made).stdout
    found = document(made, "status")
    assert {one["state"] for one in found["targets"]} == {"ok"}
    assert found["vault"]["backups"] == 1
    assert found["jobs"] == []
    assert run(made, "status", "--max-age", "100000d").code == 0
    assert document(made, "status", "--max-age", "1s")["exit"] == 4
    assert run(made, "status", "nobody").code == 10


def test_diagnose(made: Shop) -> None:
    assert run(made, "diagnose", made.root).code == 0
    bad = databases.flipped_page(made.uploads / "bad\n.db")
    ran = run(made, "diagnose", made.root)
    assert ran.code == 4
    assert "UNHEALTHY" in ran.stdout
    assert "bad\\n.db" in ran.stdout
    found = document(made, "diagnose", made.root)
    assert (found["healthy"], found["outcome"], found["changed"]) == (False, "warn", False)
    target = next(one for one in found["targets"] if one["path"] == str(bad))
    assert target["healthy"] is False
    assert {"code", "severity", "subject", "message", "remedy"} <= target["findings"][0].keys()
    assert found["job"]
    assert run(made, "diagnose", made.root / "none.db").code == 10
    configured(made, f"databases: [{made.root}/none.db]")
    assert lifeboat("--config", made.config, "diagnose", "shop").code == 4


def test_export(made: Shop, tmp_path: Path) -> None:
    ran = run(made, "export", made.database, "--format", "json", "-o", tmp_path / "x.json")
    assert ran.code == 0
    assert ran.stdout.splitlines()[0] == str(tmp_path / "x.json")
    made.back_up()
    found = document(made, "export", "--from", "latest", "--database", "shop.db")
    assert Path(found["files"][0]).parent == made.vault / "recovery"
    assert found["tables"]["orders"] == 20
    assert found["changed"] is True
    assert run(made, "export", made.database, "-o", tmp_path / "x.json").code == 5
    assert run(made, "export").code == 2
    bad = databases.truncated(made.root / "bad.db", keep=0.7)
    ran = run(made, "export", bad, "-o", tmp_path / "bad.sql")
    assert ran.code == 3
    assert "out of a damaged database" in ran.stdout
    assert "rows may be missing in 1 place (from" in ran.stderr
    found = document(made, "export", bad)
    assert (found["exit"], found["salvage"]["whole"]) == (3, False)
    assert found["salvage"]["tables"]["orders"].keys() >= {"read", "carved", "lost", "doubtful"}
    bad.write_bytes(b"nothing of a database" * 500)
    assert run(made, "export", bad).code == 4


@pytest.mark.parametrize("name", ["list", "show", "find", "compare", "stats", "status", "diagnose", "export"])
def test_help_ends_with_examples_and_exit_codes(name: str) -> None:
    ran = lifeboat(name, "--help")
    assert ran.code == 0
    examples = ran.stdout.split("Examples:")[1]
    assert f"lifeboat {name}" in examples
    codes = dict(line.split(maxsplit=1) for line in examples.split("Exit codes:")[1].splitlines() if line.strip())
    assert (codes["0"], codes["130"]) == ("done", "interrupted")
    assert "2" in codes


@pytest.mark.parametrize("arguments", [("list",), ("show", "latest"), ("find", "x"), ("compare", "latest"), ("stats",)])
def test_questions_need_no_journal_and_make_no_vault(made: Shop, machine: Path, arguments: tuple[str, ...]) -> None:
    assert run(made, *arguments).code == 10
    assert not made.vault.exists()
    assert not list(machine.glob("var/lib/lifeboat/jobs/*"))


def test_what_latest_passed_over_is_said(tmp_path: Path) -> None:
    """Promise 4: a newer backup that is damaged is not left out without a word."""
    app, vault = application(tmp_path / "shop"), tmp_path / "vault"
    backed_up(app, vault)
    databases.flip_page(app / "shop.db", databases.root_page(app / "shop.db", "orders"))
    ran = lifeboat("backup", app, "--vault", vault, "--json")
    assert ran.code == 4, ran.stdout + ran.stderr
    damaged = ran.document["backups"][0]["id"]
    for command in (("show", "latest"), ("restore", "latest", "--to", tmp_path / "to"), ("note", "latest", "x")):
        ran = lifeboat(*command, "--vault", vault, "--json")
        assert ran.code == 0, ran.stdout
        assert [damaged in one["message"] for one in ran.document["warnings"]] == [True]
    ran = lifeboat("show", "latest", "--vault", vault)
    assert f"passed over damaged backups that are newer: {damaged}" in ran.stderr

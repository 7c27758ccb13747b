"""What `diagnose` found is kept in full for the screens, whoever looked."""

from __future__ import annotations

import os
from pathlib import Path

from tests.makers.applications import shop
from tests.makers.commands import lifeboat
from toolkit.operations.diagnosing import looks
from toolkit.operations.diagnosing.codes import make
from toolkit.operations.diagnosing.looks import DiagnosedTarget
from toolkit.operations.session import open_session


def config_of(folder: Path, *, extra: str = "") -> Path:
    path = folder / "config.yaml"
    path.write_text(f"vault: {folder / 'vault'}\nprofiles: {{shop: {{databases: [{folder}/shop/shop.db]}}}}\n{extra}")
    return path


def test_the_findings_of_the_last_look_are_kept(tmp_path: Path) -> None:
    made = shop(tmp_path, orders=20)
    config = config_of(tmp_path)
    path = tmp_path / "shop" / "shop.db"
    assert made.session() is not None
    session = open_session(config=config)
    assert looks.kept(session, str(path)) is None
    assert lifeboat("diagnose", "--config", config, "--quick").code == 0
    look = looks.kept(session, str(path))
    assert look is not None
    assert (look.kind, look.target.healthy) == ("quick", True)
    path.write_bytes(b"")
    assert lifeboat("diagnose", "--config", config).code == 4
    look = looks.kept(session, str(path))
    assert look is not None
    assert look.kind == "full"
    assert [one.code for one in look.target.findings if one.severity == "error"] == ["empty"]
    assert "lifeboat rescue" in look.target.findings[0].remedy


def test_names_that_are_no_text_and_long_evidence(tmp_path: Path) -> None:
    session = open_session(vault=tmp_path / "vault")
    path = os.fsdecode(b"/srv/\xff\x1b[2J.db")
    finding = make("integrity", path, evidence=tuple(f"row {number}" for number in range(5000)))
    looks.keep(session, [DiagnosedTarget(path=path, profile="a", healthy=False, findings=(finding,))], "full")
    look = looks.kept(session, path)
    assert look is not None
    assert look.target.path == path
    assert look.target.findings[0].subject == path
    assert len(look.target.findings[0].evidence) == looks.MOST_EVIDENCE


def test_what_nobody_can_read_is_no_look(tmp_path: Path) -> None:
    session = open_session(vault=tmp_path / "vault")
    looks.keep(session, [DiagnosedTarget(path="/a", profile="a", healthy=True, findings=())], "full")
    kept = next((session.state / "diagnoses").iterdir())
    kept.write_bytes(kept.read_bytes()[:-3])
    assert looks.kept(session, "/a") is None


def test_no_more_are_kept_than_anybody_looks_at(tmp_path: Path) -> None:
    session = open_session(vault=tmp_path / "vault")
    targets = [DiagnosedTarget(path=f"/{n}", profile="a", healthy=True, findings=()) for n in range(looks.MOST_KEPT)]
    looks.keep(session, targets, "full")
    looks.keep(session, [DiagnosedTarget(path="/last", profile="a", healthy=True, findings=())], "full")
    assert len(list((session.state / "diagnoses").iterdir())) == looks.MOST_KEPT
    assert looks.kept(session, "/last") is not None

"""The commands of the pages for the night do what the pages say, typed as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.makers import damaged, databases
from tests.makers.commands import VOUCH, application, lifeboat

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
CHANGING = ("rescue", "restore", "undo")


def commands(page: str) -> list[str]:
    """Return the `lifeboat` lines of the page's blocks of shell commands, without their comments."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("lifeboat ") and "….tar" not in line and ".tar.zst" not in line]


PAGES = [(page, line) for page in ("emergency.md", "damaged-database.md") for line in dict.fromkeys(commands(page))]


def test_the_pages_have_commands() -> None:
    assert len(PAGES) > 10


@pytest.mark.parametrize(("page", "line"), PAGES)
def test_a_command_of_a_page(tmp_path: Path, page: str, line: str) -> None:
    """On a machine with the application, three backups, and a database that was damaged since, it ends well."""
    app = application(tmp_path / "srv" / "shop", orders=600)
    config = tmp_path / "config.yaml"
    config.write_text(
        f"vault: {tmp_path / 'vault'}\nprofiles:\n  shop:\n"
        f"    databases: [{app / 'shop.db'}]\n    files: [{app / 'uploads'}]\n"
    )
    common = ("--config", config)
    for _ in range(3):
        assert lifeboat("backup", "shop", *common).code == 0
    damaged.lose_leaf(app / "shop.db")
    words = [re.sub(r"^/(?:tmp/)?", f"{tmp_path}/", word) for word in shlex.split(line)]
    verb = words[1]
    if verb == "undo":
        assert lifeboat("rescue", "shop", "--yes", *common, *VOUCH).code == 0
    extra = ["--yes", *VOUCH] if verb in CHANGING or "--in-place" in words else []
    extra = [] if "--dry-run" in words else extra
    if verb == "restore" and "--to" not in words and "--dry-run" not in words:
        extra += ["--on-conflict", "replace"]
    ran = lifeboat(*words[1:], *extra, *common)
    allowed = {"diagnose": {4}, "status": {0, 4}, "repair": {0, 3}, "compare": {0}}.get(verb, {0, 3})
    assert ran.code in allowed, (line, ran.code, ran.stdout, ran.stderr)
    if verb == "rescue" and "--dry-run" not in words:
        assert len(damaged.rows(app / "shop.db")) == 600
        with databases.opened(app / "shop.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

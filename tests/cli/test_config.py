"""config: written for a folder, shown, checked, described; without a vault, and never touching one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.makers.commands import application, lifeboat


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return application(tmp_path / "my shop")


def test_init_writes_ten_lines_that_back_the_folder_up(app: Path, tmp_path: Path) -> None:
    config, vault = tmp_path / "new" / "config.yaml", tmp_path / "vault"
    words = ["config", "init", app, "--output", config, "--vault", vault, "--config", config]
    ran = lifeboat(*words)
    assert ran.code == 0, ran.stderr
    assert f"wrote {config} with the profile my-shop" in ran.stdout
    assert not vault.exists()
    text = config.read_text()
    assert len(text.splitlines()) <= 12
    assert f"vault: {{path: {vault}}}" in text
    assert str(app / "shop.db") in text
    assert config.stat().st_mode & 0o777 == 0o600
    assert lifeboat("config", "validate", config).code == 0
    ran = lifeboat("backup", "my-shop", "-c", config, "--json")
    assert (ran.code, len(ran.document["backups"][0]["databases"])) == (0, 1)
    assert vault.exists()


def test_init_never_overwrites_without_force(app: Path, machine: Path) -> None:
    usual = machine / "etc/lifeboat/config.yaml"
    assert lifeboat("config", "init", app).code == 0
    before = usual.read_bytes()
    ran = lifeboat("config", "init", app, "--name", "other", "--json")
    assert (ran.code, ran.document["error"]["subject"]) == (5, str(usual))
    assert usual.read_bytes() == before
    assert lifeboat("config", "init", app, "--name", "other", "--force").code == 0
    assert "  other:" in usual.read_text()


def test_init_prints_and_says_what_is_wrong(app: Path, tmp_path: Path) -> None:
    ran = lifeboat("config", "init", app, "--output", "-")
    assert ran.code == 0
    assert ran.stdout.startswith("# Lifeboat's configuration")
    assert lifeboat("config", "init", tmp_path / "none").code == 10
    assert lifeboat("config", "init", app / "shop.db").code == 2
    assert lifeboat("config", "init", app, "--name", "No Good", "-o", "-").code == 2
    assert sorted(path.name for path in app.iterdir()) == ["shop.db", "uploads"]


def test_show_masks_secrets_and_fills_in_defaults(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("profiles: {shop: {files: [/srv/shop]}}\nnotify: [{url: 'https://example.org/s3cr3t'}]\n")
    config.chmod(0o600)
    ran = lifeboat("config", "show", "-c", config, "--vault", tmp_path / "vault")
    assert ran.code == 0, ran.stderr
    assert "s3cr3t" not in ran.stdout
    assert str(tmp_path / "vault") in ran.stdout
    found = lifeboat("-c", config, "config", "show", "--json")
    assert list(found.document["config"]["profiles"]) == ["shop"]
    assert "s3cr3t" not in found.stdout
    assert not (tmp_path / "vault").exists()


def test_show_without_a_configuration_are_the_defaults(machine: Path) -> None:
    ran = lifeboat("config", "show")
    assert ran.code == 0
    assert "these are the defaults" in ran.stderr


def test_validate_names_file_line_and_key(tmp_path: Path, machine: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("profiles:\n  shop:\n    filse: [/srv/shop]\n")
    ran = lifeboat("config", "validate", config)
    assert ran.code == 2
    assert f"{config}:3: profiles.shop.filse: unknown key; did you mean" in ran.stderr
    assert lifeboat("config", "validate", "-", stdin="vault: {path: /v}\n").code == 0
    ran = lifeboat("config", "validate", "-", "--json", stdin="valt: 1\n")
    assert (ran.code, ran.document["error"]["code"]) == (2, "config")
    assert lifeboat("config", "validate", tmp_path / "none.yaml").code == 2
    assert lifeboat("config", "validate", "--drop-in").code == 2


def test_a_drop_in_is_judged_over_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"vault: {{path: {tmp_path}/v}}\ndestinations: {{usb: {{type: directory, path: /media/usb}}}}\n")
    drop_in = tmp_path / "shop.yaml"
    drop_in.write_text("profiles: {shop: {files: [/srv/shop], destinations: [usb]}}\n")
    alone = lifeboat("config", "validate", drop_in)
    over = lifeboat("config", "validate", "--drop-in", drop_in, "-c", config)
    assert (alone.code, over.code) == (2, 0), over.stderr
    (tmp_path / "config.d").mkdir()
    (tmp_path / "config.d/shop.yaml").write_text("profiles: {shop: {file: []}}\n")
    assert lifeboat("config", "validate", "-c", config).code == 2


def test_the_schema_is_json(tmp_path: Path) -> None:
    found = json.loads(lifeboat("config", "schema").stdout)
    assert found["$schema"].startswith("https://json-schema.org/")
    assert lifeboat("config", "schema", "--json").document["schema"] == found


def test_a_bare_group_shows_its_help(tmp_path: Path) -> None:
    ran = lifeboat("config")
    assert (ran.code, ran.stdout) == (2, "")
    assert [line.split()[0] for line in ran.stderr.partition("Commands:\n")[2].splitlines()] == [
        "init", "show", "validate", "prove-key", "set-retention", "schema",
    ]  # fmt: skip


def test_it_works_as_ansible_validates(tmp_path: Path) -> None:
    import os
    import sys

    from tests.makers.faults import ROOT

    config = tmp_path / "config.yaml"
    config.write_text("profiles: {}\n")
    words = [sys.executable, "-m", "toolkit", "config", "validate", str(config)]
    ran = subprocess.run(words, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")

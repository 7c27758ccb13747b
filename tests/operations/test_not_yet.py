"""What is configured and not built yet is said, never silently left undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolkit.cli.main import run


def written(tmp_path: Path, profile: str) -> list[str]:
    """Write a configuration with one folder in the profile `app`; return the options that use it."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "file").write_text("content")
    config = tmp_path / "config.yaml"
    config.write_text(f"vault: {tmp_path / 'vault'}\nprofiles: {{app: {{files: [{folder}], {profile}}}}}\n")
    config.chmod(0o600)
    return ["--config", str(config), "--json"]


def test_age_recipients_are_refused_and_nothing_is_written_in_the_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = written(tmp_path, "archive: {encrypt: {recipients: [age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgp]}}")
    assert run(["backup", "app", *options]) == 2
    document = json.loads(capsys.readouterr().out)
    assert "not built yet" in document["error"]["message"]
    assert not list(tmp_path.rglob("*.tar.zst"))

"""`config show`: what is in force, readable, and without a secret."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.profile import model
from toolkit.profile.load import load
from toolkit.profile.model import Config
from toolkit.profile.secret import MASK, Secret
from toolkit.profile.show import dump, plain
from toolkit.retention import Rules

ROOT = Path(__file__).parents[2]


def again(config: Config, folder: Path) -> Config:
    path = folder / "shown.yaml"
    path.write_text(dump(config))
    path.chmod(0o600)
    return load(path, {}, uid=0)


@pytest.mark.parametrize("source", [Path(__file__).with_name("design.yaml"), ROOT / "examples/config.yaml"])
def test_what_is_shown_reads_back_the_same(source: Path, tmp_path: Path) -> None:
    config = load(source, {}, uid=0)
    assert again(config, tmp_path) == config


def test_sizes_and_times_are_readable() -> None:
    shown = dump(load(Path(__file__).with_name("design.yaml"), {}, uid=0))
    for words in ("max_backup_size: 50GB", "trash: 24h", "split: 2GB", "timeout: 5m", "max_age: 26h", "shrink: 50%"):
        assert words in shown


def test_secrets_are_masked_and_their_places_are_not(tmp_path: Path) -> None:
    profile = model.Profile(
        name="a",
        files=(model.TreeSource(path=Path("/x")),),
        archive=model.Archive(encrypt=model.Encrypt(passphrase=Secret("hush"))),
    )
    config = Config(
        vault=model.Vault(path=Path("/v")),
        profiles=(profile,),
        destinations=(model.Sftp(name="s", host="h", path="p", password=Secret("hush")),),
        notify=(model.Notify(url=Secret("hush")), model.Notify(url=Secret(command=("pass", "telegram")))),
        healthcheck=model.Healthcheck(url=Secret(file=Path("/etc/url"))),
    )
    for shown in (dump(config), json.dumps(plain(config)), repr(config), str(config)):
        assert "hush" not in shown
    assert dump(config).count(MASK) == 3
    assert "url_command: [pass, telegram]" in dump(config)
    assert "url_file: /etc/url" in dump(config)


def test_nothing_that_was_said_is_lost(tmp_path: Path) -> None:
    config = Config(
        vault=model.Vault(path=Path("/v")),
        profiles=(
            model.Profile(
                name="a",
                files=(model.TreeSource(path=Path("/x")),),
                retention=Rules(hourly=None, daily=0, max_size=5, max_age=timedelta(days=3)),
                logs=(model.LogSource(path=Path("/l"), days=None),),
            ),
        ),
        notify=(model.Notify(url=Secret(file=Path("/t")), on=()),),
    )
    assert again(config, tmp_path) == config


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30))
def test_any_name_is_shown_in_ascii_and_reads_back(tmp_path: Path, name: str) -> None:
    part = name.replace("/", "-")
    path = Path("/srv", f"x{part}")
    config = Config(
        vault=model.Vault(path=Path("/v")),
        profiles=(model.Profile(name="a", files=(model.TreeSource(path=path, exclude=(name, "${X}", "$$")),)),),
    )
    assert dump(config).isascii()
    assert all(line.isprintable() for line in dump(config).splitlines())
    assert again(config, tmp_path) == config


def test_a_name_that_is_no_text_is_shown_too() -> None:
    config = Config(
        vault=model.Vault(path=Path("/v")),
        profiles=(model.Profile(name="a", files=(model.TreeSource(path=Path("/srv/\udcff\x1b[31m")),)),),
    )
    assert dump(config).isascii()
    assert "\x1b" not in dump(config)

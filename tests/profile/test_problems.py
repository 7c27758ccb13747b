"""What is wrong is said with file, line, key and the nearest known key; everything at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import ConfigError
from toolkit.profile.load import load, validate_text

PROFILE = "profiles:\n  shop:\n    files: [/srv/x]\n    "


def said(text: str, **environ: str) -> list[str]:
    """What is wrong with `text`, without the name of the file."""
    return [str(problem).removeprefix("c.yaml:") for problem in validate_text(text, "c.yaml", environ, uid=0)]


GOLDEN: list[tuple[str, str]] = [
    # keys
    ("profiles:\n  shop:\n    databses: [/x]\n    files: [/x]\n",
     '3: profiles.shop.databses: unknown key; did you mean "databases"?'),
    ("vault: {paht: /v}", '1: vault.paht: unknown key; did you mean "path"?'),
    ("zebra: 1", "1: zebra: unknown key"),
    (PROFILE + "name: other", "4: profiles.shop.name: unknown key"),
    ("vault:\n  path: /v\n  path: /w\n", "3: path: is said twice, first on line 2"),
    ("? [a]\n: 1\n", "1: a key must be a word"),
    ("<<: 3", "1: <<: takes a mapping, or a list of them"),
    ("profiles: {My_Shop: {files: [/x]}}",
     "1: profiles.My_Shop: is no name; use up to 64 of a-z, 0-9 and -, not beginning with -"),
    # kinds of values
    ("[1, 2]", "1: the configuration must be a mapping (key: value)"),
    ("just text", "1: the configuration must be a mapping (key: value)"),
    ("vault: [/v]", "1: vault: must be a mapping with keys such as path, max_backup_size, trash"),
    ("vault: {path: [/v]}", "1: vault.path: must be a path, not a list"),
    ("profiles: [/srv]", "1: profiles: must be a mapping whose keys are the names"),
    (PROFILE + "databases: /srv/x.db", "4: profiles.shop.databases: must be a list"),
    (PROFILE + "version_command: []", "4: profiles.shop.version_command: must name a command"),
    (PROFILE + "version_command: it's", "4: profiles.shop.version_command: has a quotation mark without its pair"),
    ("ui: {read_only: yes}", '1: ui.read_only: must be true or false, not "yes"'),
    ("ui: {keymap: [a]}", "1: ui.keymap: must be a mapping"),
    ("ui: {theme: 'a b'}", '1: ui.theme: "a b" does not have the form [a-z0-9-]+'),
    ("vault: {trash: soon}", '1: vault.trash: "soon" is no time span; write it like "24h", "7d" or "1h30m"'),
    ("vault: {max_backup_size: big}", '1: vault.max_backup_size: "big" is no size; write it like "50GB" or "500MiB"'),
    ("vault: {path: v}", '1: vault.path: must be an absolute path, not "v"'),
    ("vault: {path: ~/v}", '1: vault.path: must be an absolute path, not "~/v"; ${HOME} stands for the home directory'),
    ("vault: {path: /a/../b}", "1: vault.path: must not hold .."),
    ('vault: {path: "/a\\0b"}', "1: vault.path: must not hold a NUL character"),
    ("vault: {trash: }", "1: vault.trash: has no value"),
    (PROFILE + "retention: {daily: 1.5}", '4: profiles.shop.retention.daily: must be a whole number, not "1.5"'),
    (PROFILE + "retention: {daily: -1}", "4: profiles.shop.retention.daily: must be 0 at least"),
    (PROFILE + "logs: [{path: /l, days: 0}]", "4: profiles.shop.logs[0].days: must be 1 at least"),
    (PROFILE + "alarms: {shrink: 0.5}",
     '4: profiles.shop.alarms.shrink: "0.5" is no share; write it with a percent sign, like "50%"'),
    (PROFILE + "archive: {format: tar.zstd}",
     '4: profiles.shop.archive.format: "tar.zstd" is not known; did you mean "tar.zst"?'),
    (PROFILE + "databases:\n      - path: /a\n      - {name: x}\n", '6: profiles.shop.databases[1]: needs "path"'),
    (PROFILE + "databases: [{path: /x, export: [xml]}]",
     '4: profiles.shop.databases[0].export[0]: "xml" is not known; choose from sql, json, csv'),
    (PROFILE + "databases: [{path: /x, accept: ['a b']}]",
     '4: profiles.shop.databases[0].accept[0]: "a b" does not have the form [a-z0-9][a-z0-9-]*'),
    # destinations and secrets
    ("destinations: {d: {path: /x}}",
     '1: destinations.d: needs "type": one of google-drive, directory, s3, sftp'),
    ("destinations:\n  d:\n    type: gdrive\n",
     '3: destinations.d.type: "gdrive" is not known; choose from google-drive, directory, s3, sftp'),
    ("destinations: {d: {type: sftp, host: h, path: p, port: 70000}}", "1: destinations.d.port: must be 65535 at most"),
    ("destinations: {d: {type: s3, bucket: ab}}", "1: destinations.d.bucket: is too short"),
    ("destinations: {d: {type: s3, bucket: abc, folder_id: x}}", "1: destinations.d.folder_id: unknown key"),
    (PROFILE + "archive: {encrypt: {passphrase: a, passphrase_file: /x}}",
     '4: profiles.shop.archive.encrypt.passphrase_file: and "passphrase" exclude each other'),
    ("notify: [{on: [failure]}]", '1: notify[0]: needs "url", "url_file" or "url_command"'),
    ("healthcheck: {url: }", "1: healthcheck.url: has no value"),
    ("healthcheck: {url: [a]}", "1: healthcheck.url: must be text"),
    ("healthcheck: {url_file: token}", '1: healthcheck.url_file: must be an absolute path, not "token"'),
    # contradictions
    ("profiles:\n  shop:\n    alarms: {max_age: 1d}\n",
     "2: profiles.shop: names nothing to back up; give it databases, files, config_files, logs or git"),
    (PROFILE + "archive: {level: 20}", "4: profiles.shop.archive.level: must be 19 at most"),
    (PROFILE + "archive: {format: zip, level: 12}", "4: profiles.shop.archive.level: zip has the levels 0 to 9"),
    (PROFILE + "archive: {split: 1KB}", "4: profiles.shop.archive.split: must be 1MiB at least"),
    (PROFILE + "archive: {encrypt: {passphrase_file: /p, recipients: [age1x]}}",
     "4: profiles.shop.archive.encrypt: has both a passphrase and recipients; choose one"),
    (PROFILE + "archive: {encrypt: {}}",
     "4: profiles.shop.archive.encrypt: needs a passphrase (a value, a file or a command) or recipients"),
    (PROFILE + "archive: {encrypt: {recipients: [bob]}}",
     '4: profiles.shop.archive.encrypt.recipients[0]: must be an age recipient ("age1…") or an SSH public key'),
    (PROFILE + "archive: {format: zip, encrypt: {recipients: [age1x]}}",
     "4: profiles.shop.archive.format: must be tar.zst with recipients, which make a tar.zst.age"),
    (PROFILE + "archive: {format: zip, encrypt: {passphrase_file: /p}}",
     "4: profiles.shop.archive.format: must be tar.zst or 7z with a passphrase, which makes a 7z of the tar.zst"),
    (PROFILE + "archive: {encrypt: {passphrase_file: /p, identity_file: /k}}",
     "4: profiles.shop.archive.encrypt.identity: belongs to recipients, not to a passphrase"),
    (PROFILE + "destinations: [drve]\ndestinations: {drive: {type: google-drive}}",
     '4: profiles.shop.destinations[0]: "drve" is no destination; did you mean "drive"?'),
    (PROFILE + "destinations: [d, d]\ndestinations: {d: {type: directory, path: /d}}",
     '4: profiles.shop.destinations[1]: "d" is named twice'),
    (PROFILE + "databases:\n      - /a/x.db\n      - {path: /a/x.db}\n",
     '6: profiles.shop.databases[1]: "/a/x.db" is named twice'),
    (PROFILE + "databases: [{path: /a, name: x}, {path: /b, name: x}]",
     '4: profiles.shop.databases[1].name: "x" is the name of another database'),
    (PROFILE + "databases: [{path: /a, name: ../x}]",
     "4: profiles.shop.databases[0].name: must be a file name without a slash, not beginning with a dot"),
    (PROFILE + "logs: [/v/log]\nvault: /v", "4: profiles.shop.logs[0]: lies in the vault, where the backups are"),
    (PROFILE + "services: [{stop: x}]",
     '4: profiles.shop.services[0]: must be a unit, or have both "stop" and "start"'),
    (PROFILE + "git: ['https://TOKEN@example.org/x']",
     "4: profiles.shop.git[0].url: must not hold a user or password; use a git credential helper or an SSH key"),
    (PROFILE + "git: ['ssh://git:pass@example.org/x']",
     "4: profiles.shop.git[0].url: must not hold a user or password; use a git credential helper or an SSH key"),
    (PROFILE + "schedule: [{at: 03:00}]", '4: profiles.shop.schedule[0]: needs either a "kind" of backup or a "job"'),
    (PROFILE + "schedule: [{kind: daily}]", '4: profiles.shop.schedule[0]: needs either "at" or "every"'),
    (PROFILE + "schedule: [{kind: safety, every: 6h}]",
     '4: profiles.shop.schedule[0]: a "safety" backup is not scheduled; choose from hourly, daily, weekly, monthly'),
    (PROFILE + "schedule: [{kind: daily, at: 25:00}]",
     '4: profiles.shop.schedule[0]: "25:00" is no time; write "03:00", "sun 02:00", "mon,thu 04:30" or "1 05:00"'),
    (PROFILE + "schedule: [{kind: daily, every: 5s}]",
     '4: profiles.shop.schedule[0]: "every" must be a minute at least'),
    (PROFILE + "schedule: [{job: verify, every: 1d, scope: full}]",
     '4: profiles.shop.schedule[0]: "scope" is for backups, not for other jobs'),
    # variables
    ("vault: ${NOPE}", "1: the variable NOPE is not set; ${NOPE:-default} has a default"),
    ("vault: ${no pe}", "1: ${no pe} is no variable; write $$ for a dollar sign"),
    # syntax
    ("vault: a: b", "1: is no YAML: mapping values are not allowed in this context"),
    ("a: 1\nb: [\n", "3: is no YAML: did not find expected node content"),
    ("a: 1\n---\nb: 2\n", "2: holds a second document; there can be only one"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), GOLDEN)
def test_each_mistake_has_its_sentence(text: str, expected: str) -> None:
    assert expected in said(text)


@pytest.mark.parametrize(("text", "expected"), GOLDEN)
def test_one_mistake_makes_one_line(text: str, expected: str) -> None:
    found = said(text, NOPE="/x") if "${NOPE}" in text else said(text)
    allowed = 2 if "no pe" in text or "[a]\n: 1" in text else 1
    assert len(found) <= allowed


@pytest.mark.parametrize(
    "at", ["00:00", "23:59", "sun 02:00", "mon-fri 02:00", "mon,thu 04:30", "mon-wed,sat 04:30", "1 05:00", "31 05:00"]
)
def test_times_of_schedules(at: str) -> None:
    assert said(f"{PROFILE}schedule: [{{kind: daily, at: '{at}'}}]") == []


@pytest.mark.parametrize(
    "at", ["3:00", "24:00", "03:60", "sunday 02:00", "sun02:00", "32 05:00", "0 05:00", "", "mon, thu 04:30", "٠٣:٠٠"]
)
def test_what_is_no_time_of_a_schedule(at: str) -> None:
    assert len(said(f"{PROFILE}schedule: [{{kind: daily, at: '{at}'}}]")) == 1


def test_every_problem_of_every_file_is_said_at_once(tmp_path: Path) -> None:
    config, drop_in = tmp_path / "config.yaml", tmp_path / "config.d" / "shop.yaml"
    drop_in.parent.mkdir()
    config.write_text("vault: {path: relative, trsh: 1h}\nui: {read_only: maybe}\nprofiles:\n  blog: {fles: [/x]}\n")
    drop_in.write_text("profiles:\n  shop:\n    databses: [/x.db]\n")
    with pytest.raises(ConfigError) as caught:
        load(config, {}, uid=0)
    assert caught.value.message.splitlines() == [
        f'{drop_in}:3: profiles.shop.databses: unknown key; did you mean "databases"?',
        f'{config}:1: vault.trsh: unknown key; did you mean "trash"?',
        f'{config}:1: vault.path: must be an absolute path, not "relative"',
        f'{config}:2: ui.read_only: must be true or false, not "maybe"',
        f'{config}:4: profiles.blog.fles: unknown key; did you mean "files"?',
    ]
    assert caught.value.hint is not None


def test_broken_drop_ins_are_all_named(tmp_path: Path) -> None:
    config, folder = tmp_path / "config.yaml", tmp_path / "config.d"
    folder.mkdir()
    config.write_text("vault: [")
    (folder / "a.yaml").write_text("a: b: c")
    (folder / "b.yaml").write_bytes(b"ok: 1\nname: \xff\n")
    with pytest.raises(ConfigError) as caught:
        load(config, {}, uid=0)
    lines = caught.value.message.splitlines()
    assert len(lines) == 3
    assert any("b.yaml:2: is not UTF-8 text" in line for line in lines)


def test_many_problems_are_counted(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("".join(f"key{number}: 1\n" for number in range(80)))
    with pytest.raises(ConfigError, match="and 30 more problems"):
        load(config, {}, uid=0)


def test_a_secret_is_in_no_message() -> None:
    text = "healthcheck: {url: hush, url_file: /x}\nnotify: [{url: hush, on: [x]}]\nprofiles: {a: {archive: {encrypt: "
    text += "{passphrase: hush, recipients: [age1x]}}, files: [/x]}}\n"
    assert len(said(text)) >= 2
    assert not [line for line in said(text) if "hush" in line]


def test_messages_hold_nothing_that_moves_a_terminal() -> None:
    found = said('"\\e[31mvault\\n\\u202e": 1\nvault: "\\e]0;x\\a"\n')
    assert len(found) == 2
    assert all(line.isprintable() for line in found)
    assert all(len(line) < 200 for line in said(f"vault: {'x' * 5000}\n{'k' * 900}: 1\n"))

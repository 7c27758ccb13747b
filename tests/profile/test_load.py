"""Reading the configuration: where from, what it means, and who may read it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from toolkit.archive.formats import AGE, FORMATS
from toolkit.errors import ConfigError, ExposedSecretError, ProfileNotFoundError
from toolkit.profile import model
from toolkit.profile.load import load, validate_text
from toolkit.profile.model import ArchiveFormat, Config, ExportFormat, NotifyOn, Profile, ScheduledJob
from toolkit.profile.secret import Secret
from toolkit.retention import Kind, Rules, Scope

DESIGN = Path(__file__).with_name("design.yaml")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration (0600) and answer with its path; the name may lie in `config.d/`."""

    def writer(text: str, name: str = "config.yaml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    return writer


def read(path: Path, **environ: str) -> Config:
    return load(path, environ, uid=0)


def test_the_example_of_the_design_reads_as_it_is_written() -> None:
    config = read(DESIGN)
    shop = config.profile("shop")
    assert config.vault == model.Vault(path=Path("/var/lib/lifeboat/vault"), max_backup_size=50 * 10**9)
    assert config.vault.trash == timedelta(days=1)
    assert config.destinations == (
        model.GoogleDrive(
            name="drive",
            keep=10,
            credentials=Secret(file=Path("/etc/lifeboat/drive.json")),
            folder_id="1AbC",
            folder_name="Backups",
        ),
    )
    assert shop.databases == (
        model.DatabaseSource(
            path=Path("/srv/shop/shop.db"),
            name="shop.db",
            export=(ExportFormat.SQL, ExportFormat.JSON),
            timeout=timedelta(minutes=5),
            accept=("foreign-keys",),
        ),
    )
    assert shop.files == (model.TreeSource(path=Path("/srv/shop/uploads"), exclude=("*.tmp", "cache/")),)
    assert shop.config_files == (model.TreeSource(path=Path("/etc/shop.toml")),)
    assert shop.logs == (model.LogSource(path=Path("/var/log/shop"), days=30),)
    assert shop.git == (model.GitSource(url="https://git.example.org/shop.git"),)
    assert shop.version_command == ("/srv/shop/bin/shop", "--version")
    assert shop.services == (
        model.Service(unit="shop.service"),
        model.Service(stop=("supervisorctl", "stop", "shop"), start=("supervisorctl", "start", "shop")),
    )
    assert shop.smoke == (("sqlite3", "{database}", "select 1 from users limit 1"),)
    assert shop.archive == model.Archive(
        level=3,
        split=2 * 10**9,
        encrypt=model.Encrypt(passphrase=Secret(file=Path("/etc/lifeboat/passphrase"))),
    )
    assert shop.retention == Rules()
    assert shop.schedule == (
        model.ScheduleEntry(kind=Kind.DAILY, at="03:00"),
        model.ScheduleEntry(kind=Kind.WEEKLY, at="sun 02:00"),
        model.ScheduleEntry(kind=Kind.HOURLY, every=timedelta(hours=6), scope=Scope.DATABASE),
        model.ScheduleEntry(job=ScheduledJob.REHEARSE, at="mon 04:00"),
    )
    assert shop.destinations == ("drive",)
    assert shop.alarms == model.Alarms(max_age=timedelta(hours=26), shrink=0.5)
    assert config.notify == (
        model.Notify(url=Secret(file=Path("/etc/lifeboat/telegram.url")), on=(NotifyOn.FAILURE, NotifyOn.RECOVERY)),
    )
    assert config.healthcheck == model.Healthcheck(url=Secret(file=Path("/etc/lifeboat/healthcheck.url")))
    assert config.metrics == model.Metrics(textfile=Path("/var/lib/prometheus/node-exporter/lifeboat.prom"))
    assert config.ui == model.Ui()
    assert not config.legacy_environment


def test_the_shipped_example_reads(write: Write) -> None:
    example = (Path(__file__).parents[2] / "examples/config.yaml").read_text()
    config = read(write(example))
    assert [profile.name for profile in config.profiles] == ["shop", "wiki"]
    assert [destination.name for destination in config.destinations] == ["drive", "disk"]


def test_a_plain_string_stands_for_a_section(write: Write) -> None:
    config = read(
        write(
            "vault: /v\nprofiles: {a: {databases: [/srv/x.db], files: [/srv/x], logs: [/l], git: [/g],"
            " archive: zip, version_command: x --version 'a b', services: [x.service]}}"
        )
    )
    profile = config.profile("a")
    assert config.vault.path == Path("/v")
    assert profile.databases == (model.DatabaseSource(path=Path("/srv/x.db"), name="x.db"),)
    assert profile.files == (model.TreeSource(path=Path("/srv/x")),)
    assert profile.logs == (model.LogSource(path=Path("/l")),)
    assert profile.git == (model.GitSource(url="/g"),)
    assert profile.archive.format is ArchiveFormat.ZIP
    assert profile.version_command == ("x", "--version", "a b")


def test_words_stay_words(write: Write) -> None:
    text = """
profiles:
  "0777": {files: [/x], schedule: [{kind: daily, at: 03:00}, {kind: weekly, at: sun 02:00}]}
  on: {files: [/x]}
  yes: {files: [/x]}
  1e3: {files: [/x], config_files: [{path: /y, exclude: [no, 0o17, 1_000, 2001-01-01, 3.10]}]}
ui: {keymap: {off: y, quit: 1}}
"""
    config = read(write(text))
    assert [profile.name for profile in config.profiles] == ["0777", "on", "yes", "1e3"]
    assert config.profiles[0].schedule[0].at == "03:00"
    assert config.profiles[3].config_files[0].exclude == ("no", "0o17", "1_000", "2001-01-01", "3.10")
    assert config.ui.keymap == {"off": "y", "quit": "1"}


def test_anchors_and_merges_work(write: Write) -> None:
    text = """
profiles:
  a: &a {files: [/a], retention: &keep {daily: 3, imported: null}, archive: {level: 5}}
  b: {<<: *a, files: [/b]}
  c: {files: [/c], retention: {<<: [*keep], weekly: ~}}
"""
    config = read(write(text))
    assert config.profile("b").files[0].path == Path("/b")
    assert config.profile("b").archive.level == 5
    assert config.profile("c").retention == Rules(daily=3, weekly=None)


def test_the_first_of_the_places_is_read(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "config.yaml").write_text("vault: /from-default\n")
    environ = {"CONFIGURATION_DIRECTORY": str(folder), "HOME": "/h"}
    variable = write("vault: /from-variable\n", "variable.yaml")
    option = write("vault: /from-option\n", "option.yaml")
    assert load(None, environ).vault.path == Path("/from-default")
    environ["LIFEBOAT_CONFIG"] = str(variable)
    assert load(None, environ).vault.path == Path("/from-variable")
    assert load(option, environ).vault.path == Path("/from-option")
    environ["LIFEBOAT_VAULT"] = "/from-vault-variable"
    assert load(option, environ).vault.path == Path("/from-vault-variable")
    assert load(option, environ, vault=Path("/given")).vault.path == Path("/given")


def test_nothing_at_all_is_an_empty_configuration(tmp_path: Path) -> None:
    config = load(None, {"HOME": str(tmp_path)}, uid=7)
    assert config == Config(vault=model.Vault(path=tmp_path / ".local/share/lifeboat/vault"))


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n", "~\n", "profiles:\nvault:\nui:\n", "vault: {trash: 2d}\n"]
)
def test_an_empty_file_has_the_default_vault(write: Write, text: str) -> None:
    config = read(write(text))
    assert config.vault.path == Path("/var/lib/lifeboat/vault")
    assert config.profiles == ()


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such") as caught:
        read(tmp_path / "absent.yaml")
    assert caught.value.subject == str(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="no such"):
        load(None, {"LIFEBOAT_CONFIG": str(tmp_path / "absent.yaml")})
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path)


def test_drop_ins_are_laid_over_in_the_order_of_their_names(write: Write) -> None:
    path = write("vault: /v\nprofiles: {a: {files: [/a, /b], retention: {daily: 1, weekly: 2}}}\n")
    write("profiles: {b: {files: [/b]}}\nvault: {trash: 1h}\n", "config.d/20-b.yaml")
    write("profiles: {a: {files: [/c], retention: {daily: 9}}}\n", "config.d/10-a.yml")
    write("profiles: {a: {retention: {daily: 5}}}\n", "config.d/30.yaml")
    write("nonsense: [", "config.d/.hidden.yaml")
    write("nonsense: [", "config.d/note.txt")
    write("vault: {path: /w}\n", "config.d/40.yaml")
    config = read(path)
    assert [profile.name for profile in config.profiles] == ["a", "b"]
    assert config.profile("a").files == (model.TreeSource(path=Path("/c")),)
    assert config.profile("a").retention == Rules(daily=5, weekly=2)
    assert config.vault == model.Vault(path=Path("/w"), trash=timedelta(hours=1))


def test_a_short_form_and_a_long_one_add_up(write: Write) -> None:
    path = write("vault: /v\nprofiles: {a: {files: [/a], archive: {format: zip, level: 2}}}\n")
    write("vault: {trash: 1h}\nprofiles: {a: {archive: tar.gz}}\n", "config.d/10.yaml")
    config = read(path)
    assert config.vault == model.Vault(path=Path("/v"), trash=timedelta(hours=1))
    assert config.profile("a").archive == model.Archive(format=ArchiveFormat.TAR_GZ, level=2)


def test_drop_ins_alone_are_enough(tmp_path: Path, write: Write) -> None:
    write("profiles: {a: {files: [/a]}}\n", "config.d/a.yaml")
    assert load(None, {"CONFIGURATION_DIRECTORY": str(tmp_path)}, uid=0).profile("a").name == "a"


def test_variables_are_replaced_in_values(write: Write) -> None:
    text = """
vault: ${BASE}/vault
profiles:
  a:
    files: ["${BASE}${SUB:-/sub}", "/$$${BASE}", /a$b, "/$${BASE}", "/${EMPTY:-full}"]
    retention: {daily: "${DAYS}"}
    logs: [{path: /l, days: $DAYS_IS_NO_REFERENCE}]
"""
    with pytest.raises(ConfigError, match="must be a whole number"):
        read(write(text), BASE="/base", DAYS="4", EMPTY="")
    config = read(write(text.replace("$DAYS_IS_NO_REFERENCE", "7")), BASE="/base", DAYS="4", EMPTY="")
    paths = [str(source.path) for source in config.profile("a").files]
    assert config.vault.path == Path("/base/vault")
    assert paths == ["/base/sub", "/$/base", "/a$b", "/${BASE}", "/full"]
    assert config.profile("a").retention.daily == 4


def test_a_variable_cannot_bring_yaml_with_it(write: Write) -> None:
    text = "profiles: {a: {files: [/x], config_files: ['/${NAME}']}}\n"
    config = read(write(text), NAME="y, /etc]}, b: {files: [/z]}}\nvault: /evil")
    assert len(config.profiles) == 1
    assert config.vault.path == Path("/var/lib/lifeboat/vault")


LEGACY = {
    "GOOGLE_DRIVE_CREDENTIALS_FILE": "/app/drive.json",
    "GOOGLE_DRIVE_FOLDER_ID": "1AbC",
    "GOOGLE_DRIVE_BACKUP_FOLDER_NAME": "Backups",
    "GOOGLE_DRIVE_MAX_BACKUPS": "10",
    "DB_BACKUP_TIMEOUT": "120",
    "BACKUP_TYPE": "storage",
    "BACKUP_DIR": "/old/backups",
    "MAX_BACKUPS": "3",
    "LOG_FILE": "/var/log/old.log",
    "TELEGRAM_BOT_TOKEN": "123:abc",
    "TELEGRAM_CHAT_ID": "-42",
}
OLD = "profiles: {a: {databases: [/a.db, {path: /b.db, timeout: 5}], retention: {daily: 9}}}\n"


def test_generic_variables_mean_nothing_unless_the_configuration_says_so(write: Write) -> None:
    for text in (OLD, OLD + "legacy_environment: false\n"):
        assert read(write(text), **LEGACY) == read(write(text))


def test_variables_of_older_set_ups_stand_for_what_is_not_said(write: Write) -> None:
    config = read(write(OLD + "legacy_environment: true\n"), **LEGACY)
    profile = config.profile("a")
    assert config.vault.path == Path("/old/backups")
    assert config.log_file == Path("/var/log/old.log")
    assert config.destination("drive") == model.GoogleDrive(
        name="drive",
        keep=10,
        credentials=Secret(file=Path("/app/drive.json")),
        folder_id="1AbC",
        folder_name="Backups",
    )
    assert config.notify == (model.Notify(url=Secret("tgram://123:abc/-42")),)
    assert [database.timeout.total_seconds() for database in profile.databases] == [120, 5]
    assert profile.scope is Scope.FILES
    assert profile.retention == Rules(hourly=3, daily=9, weekly=3, monthly=3, manual=3)


def test_what_the_configuration_says_wins_over_older_variables(write: Write) -> None:
    text = """
legacy_environment: true
vault: /mine
destinations: {mine: {type: google-drive, folder_id: X}}
notify: [{url: "json://localhost"}]
profiles: {a: {files: [/a], scope: full}}
"""
    config = read(write(text), **LEGACY)
    assert config.vault.path == Path("/mine")
    assert [destination.name for destination in config.destinations] == ["mine"]
    assert config.notify == (model.Notify(url=Secret("json://localhost")),)
    assert config.profile("a").scope is Scope.FULL


def test_a_wrong_older_variable_is_named(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"^\$MAX_BACKUPS: profiles\.a\.retention\.hourly: must be a whole number"):
        read(write(OLD + "legacy_environment: true\n"), MAX_BACKUPS="many")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o601])
def test_a_configuration_with_a_secret_in_it_must_be_private(write: Write, mode: int) -> None:
    path = write("notify: [{url: tgram://hush}]\n", mode=mode)
    with pytest.raises(ExposedSecretError, match=f"{mode:04o}") as caught:
        read(path)
    assert caught.value.subject == str(path)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_its_owner_and_group_may_read_it(write: Write, mode: int) -> None:
    assert read(write("notify: [{url: tgram://hush}]\n", mode=mode)).notify[0].url.resolve() == "tgram://hush"


def test_only_the_file_that_holds_the_secret_must_be_private(write: Write) -> None:
    path = write("profiles: {a: {files: [/a]}}\n", mode=0o644)
    drop_in = write("notify: [{url: tgram://hush}]\n", "config.d/notify.yaml")
    assert len(read(path).notify) == 1
    drop_in.chmod(0o644)
    with pytest.raises(ExposedSecretError) as caught:
        read(path)
    assert caught.value.subject == str(drop_in)


@pytest.mark.parametrize("secret", ["url: '${TOKEN}'", "url_file: /t", "url_command: [pass, t]", "url_command: pass t"])
def test_a_secret_that_is_elsewhere_leaves_the_file_open(write: Write, secret: str) -> None:
    config = read(write(f"notify: [{{{secret}}}]\n", mode=0o644), TOKEN="tgram://hush")
    assert config.notify[0].url.inline == ("TOKEN" in secret)


def test_a_configuration_that_everyone_can_change_is_refused(write: Write) -> None:
    with pytest.raises(ConfigError, match="changed by everyone"):
        read(write("vault: /v\n", mode=0o666))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_configuration_that_cannot_be_read_is_said(write: Write) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(write("vault: /v\n", mode=0o000))


def test_databases_get_names_that_tell_them_apart(write: Write) -> None:
    text = (
        "profiles: {a: {databases: [/shop/main.db, /blog/main.db, /x/blog/main.db, /y/z.db, {path: /q, name: z.db}]}}\n"
    )
    names = [database.name for database in read(write(text)).profile("a").databases]
    assert names == ["shop-main.db", "blog-main.db", "blog-main.db-2", "y-z.db", "z.db"]


def test_an_absent_profile_is_said_with_the_nearest(write: Write) -> None:
    config = read(write("profiles: {shop: {files: [/a]}}\n"))
    with pytest.raises(ProfileNotFoundError) as caught:
        config.profile("shpo")
    assert (caught.value.subject, caught.value.hint) == ("shpo", "did you mean shop?")
    with pytest.raises(ConfigError, match="no destination"):
        config.destination("drive")


def test_validation_of_a_text_touches_no_file() -> None:
    assert validate_text(DESIGN.read_text(), "new.yaml", {}, uid=0) == ()
    (problem,) = validate_text(b"vualt: /v\n", "new.yaml", {}, uid=0)
    assert str(problem) == 'new.yaml:1: vualt: unknown key; did you mean "vault"?'


def test_a_drop_in_is_validated_over_what_is_there(write: Write, tmp_path: Path) -> None:
    path = write("destinations: {disk: {type: directory, path: /d}}\n")
    text = "profiles: {a: {files: [/a], destinations: [disk]}}\n"
    assert len(validate_text(text, "new", {}, uid=0)) == 1
    assert validate_text(text, "new", {}, uid=0, over=path) == ()
    assert len(validate_text(text.replace("disk", "dsk"), "new", {}, uid=0, over=path)) == 1
    assert len(validate_text(text, "new", {}, uid=0, over=tmp_path / "absent.yaml")) == 1


def test_formats_and_levels_are_those_of_the_archives() -> None:
    assert {str(name): levels for name, levels in model.LEVELS.items()} == {
        name: (row.lowest, row.highest)
        for name, row in FORMATS.items()
        if name != AGE  # follows from recipients
    }


def test_every_rule_of_retention_can_be_configured() -> None:
    assert set(model.RULES) == set(Rules.__struct_fields__)
    assert Profile(name="x").retention == Rules()

"""What can be configured: one struct a section, each key with the sentence that the reference prints.

The structs say names, types, limits and meaning, and nothing else: `bind` reads YAML into them, `schema`
and `reference` describe them, `show` writes them. Times are `timedelta`, sizes `int` bytes, shares 0 to 1.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from toolkit.errors import ConfigError, ProfileNotFoundError
from toolkit.profile.secret import Secret
from toolkit.profile.units import DURATION, RATE, SHARE, SIZE
from toolkit.retention import Kind, Rules, Scope


class Mark(enum.Enum):
    """How a tuple is written in YAML, where it is not a plain list."""

    NAMED = "a mapping whose keys are the names"
    COMMAND = "a list of words, or one string that is split as a shell would split it"


Size = Annotated[int, SIZE]
Rate = Annotated[int, RATE]
Duration = Annotated[timedelta, DURATION]
Share = Annotated[float, SHARE]
Command = Annotated[tuple[str, ...], Mark.COMMAND]
Name = Annotated[str, Meta(pattern=r"[a-z0-9][a-z0-9-]*", max_length=64)]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all sections. `SHORT` names the field that a plain string stands for."""

    SHORT: ClassVar[str] = ""


class ExportFormat(enum.StrEnum):
    """A form in which a database's content is kept beside it."""

    SQL = "sql"
    JSON = "json"
    CSV = "csv"


class ArchiveFormat(enum.StrEnum):
    """The format of an archive; its file ends in the same word."""

    TAR_ZST = "tar.zst"
    TAR_GZ = "tar.gz"
    TAR_BZ2 = "tar.bz2"
    TAR_XZ = "tar.xz"
    ZIP = "zip"
    SEVEN_ZIP = "7z"


LEVELS: dict[ArchiveFormat, tuple[int, int]] = {
    ArchiveFormat.TAR_ZST: (1, 19),
    ArchiveFormat.TAR_GZ: (1, 9),
    ArchiveFormat.TAR_BZ2: (1, 9),
    ArchiveFormat.TAR_XZ: (0, 9),
    ArchiveFormat.ZIP: (0, 9),
    ArchiveFormat.SEVEN_ZIP: (0, 9),
}
"""The lowest and highest level of each format; 0 in zip stores without compression."""


class GitForm(enum.StrEnum):
    """How a repository is kept: all of its refs, or the files of one branch."""

    BUNDLE = "bundle"
    ZIP = "zip"


class ScheduledJob(enum.StrEnum):
    """What can run on a schedule besides a backup."""

    VERIFY = "verify"
    REHEARSE = "rehearse"
    DIAGNOSE = "diagnose"
    PRUNE = "prune"
    SYNC = "sync"


class NotifyOn(enum.StrEnum):
    """When a message is sent. `recovery` is the first success after a failure."""

    FAILURE = "failure"
    WARNING = "warning"
    RECOVERY = "recovery"
    SUCCESS = "success"


class Vault(Section, frozen=True, kw_only=True):
    """The directory that holds the backups of this server."""

    SHORT: ClassVar[str] = "path"

    path: Annotated[Path, Meta(description="Its folder. Without it: the platform's place for data (see above).")]
    max_backup_size: Annotated[
        Size | None, Meta(description="A backup that would be larger is refused before it is written.")
    ] = None
    trash: Annotated[Duration, Meta(description="How long `undo` can bring back a deleted backup.")] = timedelta(
        hours=24
    )
    group: Annotated[
        str | None, Meta(description="A system group whose members may use the vault beside its owner.")
    ] = None


class DatabaseSource(Section, frozen=True, kw_only=True):
    """An SQLite database that is copied consistently while it is in use."""

    SHORT: ClassVar[str] = "path"

    path: Annotated[Path, Meta(description="The database file.")]
    name: Annotated[
        str | None,
        Meta(description="Its name in backups. Without it: its file name, with the folder's where two clash."),
    ] = None
    export: Annotated[
        tuple[ExportFormat, ...], Meta(description="Forms in which the content is kept beside the copy.")
    ] = ()
    timeout: Annotated[Duration, Meta(description="The longest that a copy may take.")] = timedelta(seconds=300)
    accept: Annotated[
        tuple[Name, ...],
        Meta(description="Findings that are known and no reason to worry, such as `foreign-keys`."),
    ] = ()


class TreeSource(Section, frozen=True, kw_only=True):
    """A file or folder with everything below it. SQLite databases in it are copied as databases."""

    SHORT: ClassVar[str] = "path"

    path: Annotated[Path, Meta(description="The file or folder.")]
    exclude: Annotated[
        tuple[str, ...],
        Meta(description='Patterns to leave out: `"*.tmp"` anywhere, `"cache/"` folders, `"/top"` from the top only.'),
    ] = ()
    one_file_system: Annotated[bool, Meta(description="Whether other file systems mounted below are left out.")] = False


class LogSource(Section, frozen=True, kw_only=True):
    """A folder (or file) of logs, of which the younger files are kept."""

    SHORT: ClassVar[str] = "path"

    path: Annotated[Path, Meta(description="The folder or file.")]
    days: Annotated[int | None, Meta(ge=1, description="Files that were not written for longer are left out.")] = 30
    exclude: Annotated[tuple[str, ...], Meta(description="Patterns to leave out, as for files.")] = ()


class GitSource(Section, frozen=True, kw_only=True):
    """A git repository, fetched with the `git` command."""

    SHORT: ClassVar[str] = "url"

    url: Annotated[
        str, Meta(description="Its address or path, without a password (use a git credential helper or an SSH key).")
    ]
    kind: Annotated[GitForm, Meta(description="All refs as a bundle, or the files of a branch as a ZIP.")] = (
        GitForm.BUNDLE
    )
    branch: Annotated[str | None, Meta(description="The branch of a ZIP. Without it: the default branch.")] = None


class Service(Section, frozen=True, kw_only=True):
    """What must stand still during an in-place restore: a systemd unit, or two commands."""

    SHORT: ClassVar[str] = "unit"

    unit: Annotated[str | None, Meta(description="A systemd unit; a plain string means this.")] = None
    stop: Annotated[Command, Meta(description="The command that stops it.")] = ()
    start: Annotated[Command, Meta(description="The command that starts it.")] = ()


class Encrypt(Section, frozen=True, kw_only=True):
    """Who can read the archive: whoever knows a passphrase (7z, AES-256), or holds an age key."""

    passphrase: Annotated[
        Secret | None, Meta(description="Makes a `.7z` with encrypted names that holds the tar.zst.")
    ] = None
    recipients: Annotated[
        tuple[str, ...], Meta(description="age recipients (`age1…`, `ssh-ed25519 …`): `.tar.zst.age`.")
    ] = ()
    identity: Annotated[
        Secret | None, Meta(description="The age key that reads them; without it this server can only encrypt.")
    ] = None


class Archive(Section, frozen=True, kw_only=True):
    """How archives are written."""

    SHORT: ClassVar[str] = "format"

    format: Annotated[ArchiveFormat, Meta(description="The format; tar formats keep owners, modes and links.")] = (
        ArchiveFormat.TAR_ZST
    )
    level: Annotated[
        int | None,
        Meta(
            ge=0,
            le=19,
            description="tar.zst 1 to 19; tar.gz, tar.bz2 1 to 9; tar.xz, 7z, zip 0 to 9 (0: stored).",
        ),
    ] = None
    split: Annotated[Size | None, Meta(description="Write volumes of this size, which `cat` joins.")] = None
    encrypt: Annotated[Encrypt | None, Meta(description="Encrypt the archive and its file list.")] = None


class ScheduleEntry(Section, frozen=True, kw_only=True):
    """One thing that runs at its times: a backup of a kind, or another job."""

    kind: Annotated[Kind | None, Meta(description="The kind of the backup: `hourly daily weekly monthly`.")] = None
    job: Annotated[ScheduledJob | None, Meta(description="Another job instead of a backup.")] = None
    at: Annotated[
        str | None,
        Meta(description='When: `"03:00"`, `"sun 02:00"`, `"mon,thu 04:30"`, `"1 05:00"` (of the month).'),
    ] = None
    every: Annotated[Duration | None, Meta(description="An interval instead, such as `6h`.")] = None
    scope: Annotated[Scope | None, Meta(description="What the backup holds. Without it: the profile's `scope`.")] = None


class Alarms(Section, frozen=True, kw_only=True):
    """When `status` and the notifications call something wrong."""

    max_age: Annotated[Duration | None, Meta(description="The oldest that the last good backup may be.")] = None
    shrink: Annotated[Share | None, Meta(description="By how much a backup may be smaller than the one before.")] = None


class Destination(Section, frozen=True, kw_only=True, tag_field="type"):
    """An off-site place. These keys are common to all types."""

    name: str
    keep: Annotated[
        int | None, Meta(ge=1, description="How many backups of each host and profile stay there. Without it: all.")
    ] = None
    limit: Annotated[Rate | None, Meta(description="The highest speed of transfers.")] = None


class GoogleDrive(Destination, frozen=True, kw_only=True, tag="google-drive"):
    """A folder in Google Drive."""

    credentials: Annotated[
        Secret | None,
        Meta(description="The JSON of a service account or an OAuth client; tokens live in the state directory."),
    ] = None
    folder_id: Annotated[str | None, Meta(description="The id of the folder that holds the backups.")] = None
    folder_name: Annotated[str | None, Meta(description="The name of the folder, made when absent.")] = None
    drive_id: Annotated[str | None, Meta(description="A shared drive; service accounts need one.")] = None
    impersonate: Annotated[str | None, Meta(description="The user in whose name a service account works.")] = None
    endpoint: Annotated[str | None, Meta(description="Another address of the same API, for tests.")] = None


class DirectoryDestination(Destination, frozen=True, kw_only=True, tag="directory"):
    """Another directory: a second disk, or a mounted share."""

    path: Annotated[Path, Meta(description="The folder.")]


class S3(Destination, frozen=True, kw_only=True, tag="s3"):
    """A bucket of Amazon S3 or anything that speaks its protocol."""

    bucket: Annotated[str, Meta(min_length=3, description="The bucket.")]
    prefix: Annotated[str, Meta(description="What all names there begin with.")] = ""
    region: Annotated[str | None, Meta(description="The region.")] = None
    endpoint: Annotated[str | None, Meta(description="The address of another provider.")] = None
    storage_class: Annotated[str | None, Meta(description="The storage class of new objects.")] = None
    access_key_id: Annotated[Secret | None, Meta(description="The id of the access key.")] = None
    secret_access_key: Annotated[Secret | None, Meta(description="The access key.")] = None


class Sftp(Destination, frozen=True, kw_only=True, tag="sftp"):
    """A folder on a host that is reached by SSH."""

    host: Annotated[str, Meta(min_length=1, description="The host.")]
    path: Annotated[str, Meta(min_length=1, description="The folder there; relative to the home of the user.")]
    port: Annotated[int, Meta(ge=1, le=65535, description="The port.")] = 22
    user: Annotated[str | None, Meta(description="The user there.")] = None
    password: Annotated[Secret | None, Meta(description="The password; a key is better.")] = None
    key_file: Annotated[Path | None, Meta(description="The private key.")] = None
    known_hosts: Annotated[Path | None, Meta(description="The host keys that are trusted.")] = None


AnyDestination = GoogleDrive | DirectoryDestination | S3 | Sftp


class Profile(Section, frozen=True, kw_only=True):
    """One application on this server."""

    name: Name
    databases: Annotated[tuple[DatabaseSource, ...], Meta(description="SQLite databases.")] = ()
    files: Annotated[tuple[TreeSource, ...], Meta(description="Files and folders.")] = ()
    config_files: Annotated[tuple[TreeSource, ...], Meta(description="The application's configuration.")] = ()
    logs: Annotated[tuple[LogSource, ...], Meta(description="Logs, by age.")] = ()
    git: Annotated[tuple[GitSource, ...], Meta(description="Git repositories.")] = ()
    version_command: Annotated[
        Command, Meta(description="Prints the application's version, which every backup then carries.")
    ] = ()
    services: Annotated[
        tuple[Service, ...], Meta(description="Stopped before an in-place restore, started again whatever happens.")
    ] = ()
    smoke: Annotated[
        tuple[Command, ...],
        Meta(description="Commands that prove a rehearsal: `{database}` is the restored copy, exit code 0 is good."),
    ] = ()
    scope: Annotated[Scope, Meta(description="What a backup holds when nobody says otherwise.")] = Scope.FULL
    archive: Annotated[Archive, Meta(description="How archives are written.")] = Archive()
    retention: Annotated[Rules, Meta(description="How many backups are kept.")] = Rules()
    schedule: Annotated[tuple[ScheduleEntry, ...], Meta(description="What runs when.")] = ()
    destinations: Annotated[
        tuple[Name, ...], Meta(description="The names of the destinations that every backup is copied to.")
    ] = ()
    alarms: Annotated[Alarms, Meta(description="When something counts as wrong.")] = Alarms()


class Notify(Section, frozen=True, kw_only=True):
    """Someone to tell."""

    SHORT: ClassVar[str] = "url"

    url: Annotated[Secret, Meta(description="An Apprise address, such as `tgram://TOKEN/CHAT` or `mailto://…`.")]
    on: Annotated[tuple[NotifyOn, ...], Meta(description="When a message is sent.")] = (
        NotifyOn.FAILURE,
        NotifyOn.RECOVERY,
    )


class Healthcheck(Section, frozen=True, kw_only=True):
    """A dead man's switch: an address that is pinged at the start and the end of every backup."""

    SHORT: ClassVar[str] = "url"

    url: Annotated[Secret, Meta(description="The address, of healthchecks.io or the like.")]


class Metrics(Section, frozen=True, kw_only=True):
    """Figures for Prometheus."""

    SHORT: ClassVar[str] = "textfile"

    textfile: Annotated[Path, Meta(description="The file that node_exporter's textfile collector reads.")]


class Fleet(Section, frozen=True, kw_only=True):
    """The servers that are looked after from here, with Ansible."""

    SHORT: ClassVar[str] = "inventory"

    inventory: Annotated[
        Path | None, Meta(description="Ansible's inventory: a file, a folder, or a program that prints one.")
    ] = None
    forks: Annotated[int, Meta(ge=1, le=500, description="How many servers are worked on at once.")] = 20


class Ui(Section, frozen=True, kw_only=True):
    """The terminal screens."""

    theme: Annotated[str, Meta(pattern=r"[a-z0-9-]+", description="The colours; `auto` asks the terminal.")] = "auto"
    keymap: Annotated[dict[str, str], Meta(description="Other keys, by the id of the binding.")] = {}
    read_only: Annotated[bool, Meta(description="Whether the screens only show and never change anything.")] = False


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration of one server."""

    vault: Annotated[Vault, Meta(description="Where the backups are.")]
    destinations: Annotated[tuple[AnyDestination, ...], Mark.NAMED, Meta(description="Off-site places, by name.")] = ()
    profiles: Annotated[tuple[Profile, ...], Mark.NAMED, Meta(description="The applications, by name.")] = ()
    notify: Annotated[tuple[Notify, ...], Meta(description="Who is told.")] = ()
    healthcheck: Annotated[Healthcheck | None, Meta(description="A dead man's switch.")] = None
    metrics: Annotated[Metrics | None, Meta(description="Figures for Prometheus.")] = None
    fleet: Annotated[Fleet, Meta(description="The servers that are looked after from here.")] = Fleet()
    ui: Annotated[Ui, Meta(description="The terminal screens.")] = Ui()
    log_file: Annotated[Path | None, Meta(description="The log. Without it: a file in the log directory.")] = None
    legacy_environment: Annotated[
        bool, Meta(description="Whether variables of older set-ups, listed below, are read.")
    ] = False

    def profile(self, name: str) -> Profile:
        """Return the profile called `name`; raises `ProfileNotFoundError` with the nearest name as the hint."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        raise ProfileNotFoundError("no profile has this name", subject=name, hint=self._known(name))

    def destination(self, name: str) -> AnyDestination:
        """Return the destination called `name`; raises `ConfigError` with the known names as the hint."""
        for destination in self.destinations:
            if destination.name == name:
                return destination
        known = ", ".join(destination.name for destination in self.destinations)
        raise ConfigError(
            "no destination has this name",
            subject=name,
            hint=f"configured are: {known}" if known else "configure one under destinations:",
        )

    def _known(self, name: str) -> str:
        from difflib import get_close_matches

        names = [profile.name for profile in self.profiles]
        if close := get_close_matches(name, names, n=1):
            return f"did you mean {close[0]}?"
        return f"configured are: {', '.join(names)}" if names else f"a path has a slash: ./{name}"


_COUNT = "How many {} backups are kept, counted apart for each scope; `null` keeps all."
_BUCKET = "Keep the newest backup of each of the last N {} that hold one."
_COUNTED = Annotated[int | None, Meta(ge=0)]
RULES: dict[str, Any] = {
    **{kind.value: Annotated[_COUNTED, Meta(description=_COUNT.format(kind.value))] for kind in Kind},
    "keep_last": Annotated[_COUNTED, Meta(description="Keep the newest N, of any kind.")],
    **{
        f"keep_{word}": Annotated[_COUNTED, Meta(description=_BUCKET.format(plural))]
        for word, plural in (
            ("hourly", "hours"),
            ("daily", "days"),
            ("weekly", "weeks"),
            ("monthly", "months"),
            ("yearly", "years"),
        )
    },
    "max_age": Annotated[Duration | None, Meta(description="Drop what is older, never the last good copy.")],
    "max_size": Annotated[Size | None, Meta(description="Drop the oldest while all together are larger.")],
}
"""What `retention.Rules`, which knows no configuration, means as a section here."""

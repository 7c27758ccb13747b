"""Look at a folder for `config init`, and write the first configuration for what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from toolkit.durable import translate
from toolkit.errors import SourceMissingError, UsageError
from toolkit.profile.adhoc import IsDatabase, absolute, read_header
from toolkit.profile.show import literal

SKIPPED = frozenset(
    {
        ".cache", ".eggs", ".git", ".hg", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox",
        ".venv", "__pycache__", "cache", "lost+found", "node_modules", "tmp", "venv",
    }
)  # fmt: skip
"""Folders that are made again, or that have their own way to be kept."""

_SIDECARS = ("-wal", "-shm", "-journal")
_CONFIGURATION = (".cfg", ".conf", ".env", ".ini", ".json", ".properties", ".toml", ".xml", ".yaml", ".yml")
_CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"
_LIMIT = 200_000
_MANY = 8


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a folder: absolute paths, sorted.

    `directories` are the folders directly in it that hold files, `files` and `config_files` the files
    directly in it, `skipped` the folders that were left out by their name or their tag, `unreadable` what
    could not be looked into. `complete` is False when the folder holds more than 200,000 names.
    """

    folder: Path
    databases: tuple[Path, ...] = ()
    directories: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    config_files: tuple[Path, ...] = ()
    skipped: tuple[Path, ...] = ()
    unreadable: tuple[Path, ...] = ()
    complete: bool = True


def discover(folder: Path, is_database: IsDatabase) -> Found:
    """Return what `folder` holds; follows no links, changes nothing.

    Databases are known by their header (`is_database` gets the first 16 bytes), whatever their name, and
    their sidecars are no files of their own. Raises `SourceMissingError` when `folder` is absent,
    `UsageError` when it is no folder, and what `durable.translate` says when it cannot be read.
    """
    folder = absolute(folder)
    if not os.path.lexists(folder):
        raise SourceMissingError("no such directory", subject=folder)
    if not os.path.isdir(folder):
        raise UsageError("is no directory", subject=folder, hint="name the folder of the application")
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise translate(error, subject=folder) from error
    look = _Look(folder, is_database)
    look.walk()
    return look.found()


class _Look:
    """One walk over a folder."""

    def __init__(self, folder: Path, is_database: IsDatabase) -> None:
        self.folder = folder
        self.is_database = is_database
        self.databases: list[Path] = []
        self.directories: set[Path] = set()
        self.loose: list[Path] = []
        self.skipped: list[Path] = []
        self.unreadable: list[Path] = []
        self.seen = 0

    def walk(self) -> None:
        pending = [self.folder]
        while pending and self.seen <= _LIMIT:
            pending += self._folder(pending.pop())

    def _folder(self, folder: Path) -> Iterator[Path]:
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError:
            self.unreadable.append(folder)
            return
        names = {entry.name for entry in listed}
        self.seen += len(listed)
        for entry in listed:
            path = folder / entry.name
            if entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name in SKIPPED or _is_made_again(path):
                    self.skipped.append(path)
                else:
                    yield path
            elif entry.is_file(follow_symlinks=False) and not _is_sidecar(entry.name, names):
                self._file(path)

    def _file(self, path: Path) -> None:
        header = read_header(path)
        if header and self.is_database(header):
            self.databases.append(path)
        elif path.parent == self.folder:
            self.loose.append(path)
        else:
            self.directories.add(self.folder / path.relative_to(self.folder).parts[0])

    def found(self) -> Found:
        config = {path for path in self.loose if path.name.lower().endswith(_CONFIGURATION)}
        return Found(
            folder=self.folder,
            databases=_sorted(self.databases),
            directories=_sorted(self.directories),
            files=_sorted(set(self.loose) - config),
            config_files=_sorted(config),
            skipped=_sorted(self.skipped),
            unreadable=_sorted(self.unreadable),
            complete=self.seen <= _LIMIT,
        )


def _sorted(paths: list[Path] | set[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=os.fsencode))


def _is_sidecar(name: str, names: set[str]) -> bool:
    return any(name.endswith(suffix) and name.removesuffix(suffix) in names for suffix in _SIDECARS)


def _is_made_again(folder: Path) -> bool:
    """A Python environment, or a folder with a cache tag (bford.info/cachedir)."""
    if os.path.isfile(folder / "pyvenv.cfg"):
        return True
    return read_header(folder / "CACHEDIR.TAG") == _CACHE_TAG[:16]


def initial_config(found: Found, name: str, *, vault: Path | None = None) -> str:
    """Return about ten lines of YAML, with comments, that back up what was `found` as the profile `name`.

    `vault` (absolute) is named too; without it the default one is used. Raises `UsageError` when YAML cannot hold it.
    It validates and loads as it is. Names that YAML cannot hold (bytes that are no UTF-8) are left to
    their folder, which is then named whole.
    """
    sections = {
        "databases": found.databases,
        "files": (*found.directories, *found.files),
        "config_files": found.config_files,
    }
    awkward = any(_quoted(path) is None for paths in sections.values() for path in paths)
    nothing = not any(sections.values())
    if awkward or nothing or len(sections["files"]) > _MANY or len(found.config_files) > _MANY:
        sections = {"databases": found.databases, "files": (found.folder,), "config_files": ()}
    lines = ["# Lifeboat's configuration. All keys: lifeboat config schema; check it: lifeboat config validate"]
    if vault is not None:
        named_vault = _quoted(vault)
        if named_vault is None:
            raise UsageError("the configuration cannot hold a name that is no UTF-8", subject=vault)
        lines.append(f"vault: {{path: {named_vault}}}")
    lines += ["profiles:", f"  {name}:"]
    for key, paths in sections.items():
        named = [quoted for path in paths if (quoted := _quoted(path)) is not None]
        if named:
            lines += [f"    {key}:", *(f"      - {quoted}" for quoted in named)]
    if found.unreadable or not found.complete:
        lines.append("    # parts of the folder could not be looked at: see that nothing is missing here")
    lines += [
        "    schedule:",
        '      - {kind: daily, at: "03:00"}',
        "    # destinations: [drive]  # a copy off-site: describe it under `destinations:` first",
    ]
    return "\n".join(lines) + "\n"


def _quoted(path: Path) -> str | None:
    """Return `path` as a YAML scalar in one line, or None for a name that is no UTF-8."""
    text = literal(str(path))
    if all(c.isalnum() or c in "/._-" for c in text) and text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return msgspec.json.encode(text).decode()

"""The configuration: written for a folder, shown, checked, described. Never looks at a vault."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import ConfigError, LifeboatError, RefusedError
from toolkit.operations.report import Report
from toolkit.profile import discover, load, locations, schema, show
from toolkit.profile.adhoc import absolute, slug
from toolkit.sqlite.header import is_database
from toolkit.vault.layout import check_profile

LARGEST = 4 * 1024 * 1024


class ConfigReport(Report, kw_only=True):
    """What `config` answers; `file` is the configuration that was meant ("-" for standard input or output)."""

    file: str = ""
    profile: str | None = None
    text: str | None = None
    config: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None


class ConfigProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with the configuration: where (0: the whole file, or not known), at which key, what."""

    file: str = ""
    line: int = 0
    column: int = 0
    key: str = ""
    message: str = ""


def problems(config: Path | None, environ: Mapping[str, str], *, vault: Path | None = None) -> list[ConfigProblem]:
    """Return everything that is wrong with the configuration in force, by place; never raises."""
    try:
        found = load.problems(config, environ, vault=vault)
    except LifeboatError as error:
        return [ConfigProblem(file=str(error.subject or ""), message=error.message)]
    return [
        ConfigProblem(
            file=one.place.file, line=one.place.line, column=one.place.column, key=one.key, message=one.message
        )
        for one in found
    ]


def files(config: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files of the configuration that are there: the one that is meant, then its drop-ins."""
    path = place(config, environ)
    return (*((path,) if path.exists() else ()), *load.drop_ins(path))


def place(config: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration file that is meant: `config`, LIFEBOAT_CONFIG, or the user's own place."""
    if config is not None:
        return config
    named = environ.get("LIFEBOAT_CONFIG")
    return Path(named) if named else locations.config_file(environ, os.getuid())


def init(
    folder: Path, output: Path, *, name: str | None, vault: Path | None, force: bool, environ: Mapping[str, str]
) -> ConfigReport:
    """Look at `folder` and write a configuration that backs up what is in it; `-` returns the text only.

    Raises `SourceMissingError` or `UsageError` for the folder, `UsageError` for a name that is none,
    `RefusedError` when `output` is there and not `force`. The folder itself is not changed.
    """
    found = discover.discover(folder, is_database)
    profile = check_profile(name) if name is not None else slug(found.folder.name)
    text = discover.initial_config(found, profile, vault=absolute(vault) if vault is not None else None)
    problems = load.validate_text(text, str(output), environ)
    if problems:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    report = ConfigReport(file=str(output), profile=profile)
    _remarks(found, report)
    if str(output) == "-":
        report.text = text
        return report
    if os.path.lexists(output) and not force:
        raise RefusedError(
            "there is a configuration already", subject=output, hint="--force replaces it; --output writes another one"
        )
    with durable.translated(output):
        durable.make_directory(Path(os.path.abspath(output)).parent, mode=0o755)
        durable.write_file(Path(os.path.abspath(output)), text.encode())
    report.changed = True
    return report


def _remarks(found: discover.Found, report: ConfigReport) -> None:
    if found.skipped:
        names = sorted({path.name for path in found.skipped})
        report.notes.append(f"left out, as they are made again: {', '.join(names[:10])}")
    for path in found.unreadable:
        report.warn("unreadable", "could not be looked into", subject=str(path))
    if not found.complete:
        report.warn(
            "too-many", "the folder holds very many names; the rest was not looked at", subject=str(found.folder)
        )
    if not (found.databases or found.directories or found.files or found.config_files):
        report.notes.append("the folder is empty; the whole of it is named")


def shown(config: Path | None, environ: Mapping[str, str], *, vault: Path | None) -> ConfigReport:
    """Return the configuration in force, secrets masked. Raises `ConfigError` with every problem."""
    found = load.load(config, environ, vault=vault)
    path = place(config, environ)
    report = ConfigReport(file=str(path), text=show.dump(found), config=show.plain(found))
    if not path.exists():
        report.notes.append(f"there is no configuration at {path}; these are the defaults")
    return report


def validated(file: Path | None, config: Path | None, environ: Mapping[str, str], *, drop_in: bool) -> ConfigReport:
    """Check a configuration: `file` alone (or as a drop-in over the one in force), `-` for standard input.

    Without `file` it is the one in force with its drop-ins. Raises `ConfigError` with every problem, one a line.
    """
    path = place(config, environ)
    if file is None:
        load.load(path, environ)
        return ConfigReport(file=str(path))
    data = sys.stdin.buffer.read(LARGEST) if str(file) == "-" else _read(file)
    name = "<stdin>" if str(file) == "-" else str(file)
    problems = load.validate_text(data, name, environ, over=path if drop_in else None)
    if problems:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    return ConfigReport(file=name)


def _read(file: Path) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(LARGEST)
    except OSError as error:
        raise ConfigError(f"the configuration cannot be read ({error.strerror})", subject=file) from error


def described() -> ConfigReport:
    """Return the JSON Schema of the configuration."""
    text = schema.schema_text()
    return ConfigReport(file="", text=text.rstrip("\n"), schema=msgspec.json.decode(text))

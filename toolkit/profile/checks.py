"""What no single key can say: keys that contradict each other, names that lead nowhere, sources in the vault."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from toolkit.profile import model
from toolkit.profile.bind import nearest
from toolkit.profile.nodes import visible
from toolkit.retention import Kind

_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
_AT = re.compile(
    rf"(?:(?:{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*|[1-9]|[12][0-9]|3[01]) )?(?:[01][0-9]|2[0-3]):[0-5][0-9]"
)
_SCHEDULED = (Kind.HOURLY, Kind.DAILY, Kind.WEEKLY, Kind.MONTHLY)
_RECIPIENT = re.compile(r"age1[0-9a-z]+|ssh-(?:ed25519|rsa) \S+.*")
_SMALLEST_VOLUME = 1024 * 1024

Steps = tuple[str | int, ...]
Note = Callable[[Steps, str], object]
"""Called with the key path below the profile and the sentence."""


def check(config: model.Config, note: Note) -> None:
    """Tell `note` of everything in `config` that contradicts itself."""
    destinations = [destination.name for destination in config.destinations]
    for profile in config.profiles:
        for steps, message in _profile(profile, destinations, config.vault.path):
            note(("profiles", profile.name, *steps), message)


def _profile(profile: model.Profile, destinations: list[str], vault: Path) -> Iterator[tuple[Steps, str]]:
    if not any((profile.databases, profile.files, profile.config_files, profile.logs, profile.git)):
        yield (), "names nothing to back up; give it databases, files, config_files, logs or git"
    yield from _sources(profile, vault)
    yield from _archive(profile.archive)
    for number, entry in enumerate(profile.schedule):
        for message in _schedule(entry):
            yield ("schedule", number), message
    for number, service in enumerate(profile.services):
        pair = bool(service.stop) + bool(service.start)
        if (service.unit is not None and pair) or (service.unit is None and pair != 2):
            yield ("services", number), 'must be a unit, or have both "stop" and "start"'
    for number, source in enumerate(profile.git):
        if re.match(r"https?://[^/]*@", source.url) or re.match(r"[a-z+]+://[^/@]*:[^/@]*@", source.url):
            message = "must not hold a user or password; use a git credential helper or an SSH key"
            yield ("git", number, "url"), message
    for number, name in enumerate(profile.destinations):
        if name not in destinations:
            yield ("destinations", number), f'"{name}" is no destination{nearest(name, destinations)}'
        elif name in profile.destinations[:number]:
            yield ("destinations", number), f'"{name}" is named twice'


def _sources(profile: model.Profile, vault: Path) -> Iterator[tuple[Steps, str]]:
    for key, sources in _lists(profile):
        seen: dict[Path, int] = {}
        for number, source in enumerate(sources):
            if source in seen:
                yield (key, number), f'"{visible(str(source))}" is named twice'
            seen[source] = number
            if is_inside(source, vault):
                yield (key, number), "lies in the vault, where the backups are"
    names: set[str] = set()
    for number, database in enumerate(profile.databases):
        name = database.name
        if name is None:
            continue
        if not name or "/" in name or name.startswith(".") or len(os.fsencode(name)) > 200:
            yield ("databases", number, "name"), "must be a file name without a slash, not beginning with a dot"
        elif name in names:
            yield ("databases", number, "name"), f'"{visible(name)}" is the name of another database'
        names.add(name)


def _lists(profile: model.Profile) -> Iterator[tuple[str, list[Path]]]:
    for key in ("databases", "files", "config_files", "logs"):
        yield key, [source.path for source in getattr(profile, key)]


def _archive(archive: model.Archive) -> Iterator[tuple[Steps, str]]:
    levels = model.LEVELS[archive.format]
    if archive.level is not None and not levels[0] <= archive.level <= levels[1]:
        yield ("archive", "level"), f"{archive.format} has the levels {levels[0]} to {levels[1]}"
    if archive.split is not None and archive.split < _SMALLEST_VOLUME:
        yield ("archive", "split"), "must be 1MiB at least"
    if archive.encrypt is not None:
        yield from _encrypt(archive, archive.encrypt)


def _encrypt(archive: model.Archive, encrypt: model.Encrypt) -> Iterator[tuple[Steps, str]]:
    here: Steps = ("archive", "encrypt")
    if encrypt.passphrase is not None and encrypt.recipients:
        yield here, "has both a passphrase and recipients; choose one"
    elif encrypt.passphrase is None and not encrypt.recipients:
        yield here, "needs a passphrase (a value, a file or a command) or recipients"
    elif encrypt.passphrase is not None and encrypt.identity is not None:
        yield (*here, "identity"), "belongs to recipients, not to a passphrase"
    elif encrypt.passphrase is not None and archive.format not in (
        model.ArchiveFormat.TAR_ZST,
        model.ArchiveFormat.SEVEN_ZIP,
    ):
        yield ("archive", "format"), "must be tar.zst or 7z with a passphrase, which makes a 7z of the tar.zst"
    elif encrypt.recipients and archive.format is not model.ArchiveFormat.TAR_ZST:
        yield ("archive", "format"), "must be tar.zst with recipients, which make a tar.zst.age"
    for number, recipient in enumerate(encrypt.recipients):
        if not _RECIPIENT.fullmatch(recipient):
            yield (*here, "recipients", number), 'must be an age recipient ("age1…") or an SSH public key'


def _schedule(entry: model.ScheduleEntry) -> Iterator[str]:
    if (entry.kind is None) == (entry.job is None):
        yield 'needs either a "kind" of backup or a "job"'
    if (entry.at is None) == (entry.every is None):
        yield 'needs either "at" or "every"'
    if entry.kind is not None and entry.kind not in _SCHEDULED:
        yield f'a "{entry.kind}" backup is not scheduled; choose from {", ".join(_SCHEDULED)}'
    if entry.job is not None and entry.scope is not None:
        yield '"scope" is for backups, not for other jobs'
    if entry.at is not None and not _AT.fullmatch(entry.at):
        yield f'"{visible(entry.at)}" is no time; write "03:00", "sun 02:00", "mon,thu 04:30" or "1 05:00"'
    if entry.every is not None and entry.every < timedelta(minutes=1):
        yield '"every" must be a minute at least'


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether `path` is `folder` or lies below it, links followed as far as they exist."""
    real = os.path.realpath(folder)
    here = os.path.realpath(path)
    return here == real or here.startswith(real.rstrip("/") + "/")


def sources_in_vault(profile: model.Profile, vault: Path) -> tuple[Path, ...]:
    """Return the sources of `profile` that lie in the vault, which no backup may hold: a reason to refuse."""
    return tuple(path for _, paths in _lists(profile) for path in paths if is_inside(path, vault))


def left_out_of(source: Path, own: Iterable[Path]) -> tuple[Path, ...]:
    """Return those of Lifeboat's own folders that lie below `source`, as they appear there.

    The vault, directory destinations and the state inside a backed-up folder are left out of the backup,
    so that it does not hold itself; `source` being one of them is refused by `sources_in_vault` instead.
    """
    real = os.path.realpath(source)
    below = [os.path.realpath(folder) for folder in own if is_inside(folder, source)]
    return tuple(source / os.path.relpath(folder, real) for folder in below if folder != real)


def unique_names(paths: Sequence[Path], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a name for each database: its file name, `folder-name` where two would clash, numbered where these do.

    No name is one of `taken`. The answer depends on the whole set and not on its order, except for the numbers.
    """
    used = set(taken)
    alike = [path.name for path in paths]
    names = []
    for path in paths:
        name = path.name
        if alike.count(name) > 1 or name in used:
            name = f"{path.parent.name or 'root'}-{path.name}"
        first, number = name, 1
        while name in used:
            number += 1
            name = f"{first}-{number}"
        used.add(name)
        names.append(name)
    return tuple(names)


def with_names(profile: model.Profile) -> model.Profile:
    """Return `profile` with a name for every database that has none."""
    from msgspec.structs import replace

    unnamed = [database.path for database in profile.databases if database.name is None]
    taken = [database.name for database in profile.databases if database.name is not None]
    fresh = iter(unique_names(unnamed, taken))
    return replace(
        profile,
        databases=tuple(
            replace(database, name=next(fresh)) if database.name is None else database for database in profile.databases
        ),
    )

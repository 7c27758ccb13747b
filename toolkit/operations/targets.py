"""What the words on the command line mean: profiles, paths, backups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from toolkit.archive.manifest import Manifest
from toolkit.errors import NotFoundError, ProfileNotFoundError, UsageError
from toolkit.operations.archiving import StoredBackup, stored, stored_file
from toolkit.operations.report import Notice
from toolkit.operations.session import Session
from toolkit.profile.adhoc import is_profile_word, profile_for
from toolkit.profile.model import Profile
from toolkit.sqlite.header import is_database
from toolkit.vault import catalog, selector


def profiles(session: Session, words: Sequence[str]) -> tuple[Profile, ...]:
    """Return the profiles that `words` name; all of the configuration when there are none.

    A word is a profile, anything with a slash is a path; paths given together make one profile without a
    configuration. Raises `ProfileNotFoundError`, `UsageError` when profiles and paths are mixed.
    """
    if not words:
        if not session.config.profiles:
            raise ProfileNotFoundError(
                "there is no configuration, and no path was given",
                hint="lifeboat backup /path/to/app, or lifeboat config init /path/to/app",
            )
        return session.config.profiles
    if "" in words:
        raise UsageError("a name or path is empty", hint="a variable that was not set?")
    paths = [Path(word) for word in words if not is_profile_word(word)]
    if not paths:
        return tuple(_profile(session, word) for word in words)
    if len(paths) != len(words):
        raise UsageError("give profiles or paths, not both", hint="a path has a slash: ./shop")
    return (profile_for(paths, is_database),)


def _profile(session: Session, word: str) -> Profile:
    try:
        return session.profile(word)
    except ProfileNotFoundError as error:
        if Path(word).exists():
            error.hint = f"a path needs a slash: ./{word}"
        raise


def profile_names(session: Session, words: Sequence[str]) -> tuple[str, ...]:
    """Return the names of profiles, configured or known by their backups only; all when there are no words."""
    known = dict.fromkeys(profile.name for profile in session.config.profiles)
    try:
        known.update(dict.fromkeys(catalog.profiles(session.existing_vault)))
    except NotFoundError:
        if words:
            raise
    for word in words:
        if word not in known:
            raise unknown(word, known)
    return tuple(words) or tuple(known)


def unknown(word: str, known: Iterable[str]) -> ProfileNotFoundError:
    """Return the error that says that no profile or backup has the name `word`, with those that there are."""
    names = ", ".join(known)
    hint = f"there are: {names}" if names else "lifeboat backup /path/to/app makes the first one"
    return ProfileNotFoundError("no profile or backup has this name", subject=word, hint=hint)


def is_archive_path(word: str) -> bool:
    """Say whether `word` is the path of an archive: it has a slash, or such a file is here."""
    return "/" in word or ("." in word and Path(word).is_file())


def manifest(session: Session, word: str) -> Manifest:
    """Return the manifest of the backup in the vault that `word` means; raises `BackupNotFoundError`, `UsageError`.

    What should be told of the choice is added to what the session has `said`.
    """

    def say(text: str) -> None:
        notice = Notice(code="remark", message=text, subject=word)
        if notice not in session.said:
            session.said.append(notice)

    return selector.resolve(session.existing_vault, word, say=say, now=session.now())


def backup(session: Session, word: str) -> StoredBackup:
    """Return the backup that `word` means: one of the vault, or the archive at that path."""
    if is_archive_path(word):
        return stored_file(session, Path(word))
    return stored(session, session.existing_vault, manifest(session, word))

"""Profiles as their backups remember them: for applications that no configuration names (any more)."""

from __future__ import annotations

from pathlib import Path

from toolkit.archive.manifest import Manifest
from toolkit.errors import NotFoundError, ProfileNotFoundError, UsageError
from toolkit.filelist import Section
from toolkit.operations.session import Session
from toolkit.profile.model import DatabaseSource, GitSource, LogSource, Profile, TreeSource
from toolkit.vault import catalog, remove


def profile_of(session: Session, manifest: Manifest) -> Profile:
    """Return the profile of the configuration that `manifest` belongs to, else one made of what it says it held."""
    return session.known_profile(manifest.profile) or remembered(manifest)


def remembered(manifest: Manifest) -> Profile:
    """Return a profile with default rules that names the sources of `manifest`."""

    def paths(section: Section) -> list[Path]:
        return [Path(source.path) for source in manifest.sources if source.section is section]

    return Profile(
        name=manifest.profile,
        databases=tuple(DatabaseSource(path=path) for path in paths(Section.DATABASES)),
        files=tuple(TreeSource(path=path) for path in paths(Section.FILES)),
        config_files=tuple(TreeSource(path=path) for path in paths(Section.CONFIG)),
        logs=tuple(LogSource(path=path, days=None) for path in paths(Section.LOGS)),
        git=tuple(GitSource(url=source.path) for source in manifest.sources if source.section is Section.GIT),
    )


def named(session: Session, name: str) -> Profile:
    """Return the profile called `name` of the configuration, else as its newest backup remembers it.

    Raises `ProfileNotFoundError` when neither knows it.
    """
    try:
        return session.profile(name)
    except ProfileNotFoundError:
        newest = _newest(session, name)
        if newest is None:
            raise
        return remembered(newest)


def everything(session: Session) -> tuple[Profile, ...]:
    """Return the profiles of the configuration; without one, those that the backups remember."""
    if session.config.profiles:
        return session.config.profiles
    try:
        names = catalog.profiles(session.existing_vault)
    except NotFoundError:
        return ()
    return tuple(remembered(newest) for name in names if (newest := _newest(session, name)) is not None)


def _newest(session: Session, name: str) -> Manifest | None:
    try:
        return next((one for one in remove.present(session.existing_vault, name) if one.sources), None)
    except (NotFoundError, UsageError):
        return None

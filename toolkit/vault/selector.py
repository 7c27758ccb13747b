"""Which backup a word means: an id, its beginning, `latest`, `latest~2`, or one of these after `PROFILE@`.

`latest` is the newest finished backup that was made here and is neither a safety set nor damaged; `latest~N` is
the Nth before it. Imported backups stand in only where there is none of these. An archive's path
is recognised by the operation, not here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from toolkit.archive.manifest import Manifest, Status
from toolkit.errors import BackupNotFoundError, SourceMissingError, UsageError
from toolkit.retention import Kind
from toolkit.vault import catalog, layout, sidecar
from toolkit.vault.catalog import Filter, Say, say_nothing
from toolkit.vault.layout import Vault
from toolkit.vault.rows import Row

_LATEST = re.compile(r"latest(?:~([0-9]{1,6}))?")
_PREFIX = re.compile(r"[a-z2-7]{1,8}")
_SHOWN = 5
_OWN = tuple(kind for kind in Kind if kind not in (Kind.SAFETY, Kind.IMPORTED))
_STATUSES = (Status.COMPLETED, Status.UPLOADING)
_HINT = "give an id or its beginning, latest, latest~1, or PROFILE@latest"


def resolve(vault: Vault, word: str, *, say: Say = say_nothing, now: datetime | None = None) -> Manifest:
    """Return the manifest of the backup that `word` means.

    That `latest` passed over damaged backups, or means one imported or from the future, is told to `say`. Raises
    `BackupNotFoundError` when nothing answers to it, `UsageError` when several do or it is no such word; hints name
    candidates.
    """
    profile, at, rest = word.rpartition("@")
    if at:
        layout.check_profile(profile)
    latest = _LATEST.fullmatch(rest)
    if latest is not None:
        chosen = _latest(vault, profile or None, int(latest[1] or 0), word, say)
        _warn_of_future(vault, profile or None, chosen, now or datetime.now(UTC), say)
    elif _PREFIX.fullmatch(rest.lower()):
        chosen = _by_prefix(vault, profile or None, rest.lower(), word, say)
    else:
        raise UsageError("this names no backup", subject=word, hint=_HINT)
    try:
        return sidecar.read(vault.path / chosen.path)
    except SourceMissingError:  # moved since the catalog was written
        return sidecar.load(vault, chosen.id)


def _named(rows: tuple[Row, ...]) -> str:
    shown = [f"{row.id} ({row.profile}, {row.kind}, {row.started:%Y-%m-%d %H:%M})" for row in rows[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(rows) > _SHOWN else "")


def _latest(vault: Vault, profile: str | None, back: int, word: str, say: Say) -> Row:
    own = Filter(profile=profile, kinds=_OWN, statuses=_STATUSES, damaged=False)
    there = catalog.count(vault, own, say=say)
    wanted = own if there else msgspec.structs.replace(own, kinds=(Kind.IMPORTED,))
    found = catalog.rows(vault, wanted, order="finished", limit=1, offset=back, say=say)
    newer = msgspec.structs.replace(own, damaged=True, since=found[0].started if there and found else None)
    damaged = catalog.rows(vault, newer, order="finished", limit=_SHOWN + 1, say=say)
    if found:
        if damaged:
            say(f"passed over damaged backups{' that are newer' if there else ''}: {_named(damaged)}")
        if not there:
            say(f"no backup was made here; this one is imported: {_named(found)}")
        return found[0]
    there = there or (catalog.count(vault, wanted, say=say) if back else 0)
    if there:
        hint = f"there are {there}; the oldest is latest~{there - 1}"
    elif damaged:
        hint = f"only damaged ones: {_named(damaged)}; name one by its id to use it all the same"
    else:
        known = catalog.profiles(vault, say=say)
        hint = f"profiles with backups: {', '.join(known)}" if known else "make one with `lifeboat backup`"
    raise BackupNotFoundError("there is no such backup", subject=word, hint=hint)


def _warn_of_future(vault: Vault, profile: str | None, chosen: Row, now: datetime, say: Say) -> None:
    """Say that the clock was changed where the chosen backup was begun later than now: it may not be the newest."""
    if chosen.started <= now:
        return
    wanted = Filter(profile=profile, kinds=_OWN, statuses=_STATUSES, damaged=False, until=now)
    others = catalog.rows(vault, wanted, order="finished", limit=1, say=say)
    other = f"; the newest that is not: {_named(others)}" if others else ""
    say(f"this backup is from the future, so the clock was changed: {_named((chosen,))}{other}")


def _by_prefix(vault: Vault, profile: str | None, prefix: str, word: str, say: Say) -> Row:
    found = catalog.rows(vault, Filter(profile=profile, id_prefix=prefix), limit=_SHOWN + 1, say=say)
    exact = next((row for row in found if row.id == prefix), None)
    if exact is not None:
        return exact
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError("several backups begin like this", subject=word, hint=_named(found))
    removed = catalog.rows(vault, Filter(profile=profile, id_prefix=prefix, removed="trash"), limit=2, say=say)
    if removed:
        hint = f"it is in the trash: {_named(removed)}; `lifeboat undo` brings it back"
    else:
        newest = catalog.rows(vault, Filter(profile=profile), limit=3, say=say)
        hint = f"the newest are {_named(newest)}" if newest else "there are no backups yet"
    raise BackupNotFoundError("no backup has an id that begins like this", subject=word, hint=hint)

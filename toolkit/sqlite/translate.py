"""The one seam at which SQLite's errors become Lifeboat's."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from toolkit.errors import DatabaseDamagedError, LifeboatError, SourceError, SpaceError, Subject
from toolkit.sqlite.locks import stayed_locked

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_ACCESS = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH)


def primary_code(error: BaseException) -> int:
    """Return the primary result code of an SQLite error, 0 when it carries none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Answer whether SQLite says that the file itself is broken (or is none of its own)."""
    return primary_code(error) in _DAMAGE or "malformed" in str(error)


def translate(error: sqlite3.Error | UnicodeDecodeError, *, subject: Subject = None) -> LifeboatError:
    """Return the error of ours that says what `error` means for the database `subject`.

    Python cannot decode a message of SQLite that quotes a name which is no text: of a damaged schema.
    """
    if isinstance(error, UnicodeDecodeError):
        said = "malformed database schema: a name in it is no text"
        return DatabaseDamagedError(
            f"SQLite cannot read the database ({said})", subject=subject, hint="run: lifeboat diagnose"
        )
    code = primary_code(error)
    if is_damage(error):
        return DatabaseDamagedError(
            f"SQLite cannot read the database ({error})", subject=subject, hint="run: lifeboat diagnose"
        )
    if code in _BUSY:
        return stayed_locked(subject)
    if code == sqlite3.SQLITE_FULL:
        return SpaceError(
            "no space left on the file system", subject=subject, hint="free some space, then run it again"
        )
    if code in _ACCESS:
        return SourceError(f"SQLite may not open it ({error})", subject=subject, hint="run it as root or as the owner")
    return SourceError(f"SQLite failed ({error})", subject=subject)


@contextlib.contextmanager
def translated(subject: Subject = None) -> Iterator[None]:
    """Turn an `sqlite3.Error` raised inside, or a message of it that is no text, into one of ours, chained."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise translate(error, subject=subject) from error

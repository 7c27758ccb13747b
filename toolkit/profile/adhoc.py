"""A profile made of paths on the command line, for use without any configuration."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from toolkit.errors import SourceMissingError, UsageError
from toolkit.profile.checks import with_names
from toolkit.profile.model import DatabaseSource, Profile, TreeSource

IsDatabase = Callable[[bytes], bool]
"""Answers whether the first 16 bytes of a file are those of a database."""

HEADER_BYTES = 16
_SUFFIXES = (".db", ".db3", ".sqlite", ".sqlite3")
_LONGEST = 48


def is_profile_word(word: str) -> bool:
    """Return whether `word` means a profile; anything with a slash is a path (DESIGN section 1)."""
    return "/" not in word


def profile_for(paths: Sequence[Path], is_database: IsDatabase) -> Profile:
    """Return the profile of `paths`, named by the slug of the first one's last part, with default rules.

    Databases, known by their header, become databases; folders and other files become files. What is
    absent or empty is told by its suffix, and is reported when it is backed up. Raises
    `SourceMissingError` when nothing of all is there, `UsageError` without a path.
    """
    if not paths:
        raise UsageError("names neither a profile nor a path")
    whole = [absolute(path) for path in paths]
    if not any(os.path.lexists(path) for path in whole):
        raise SourceMissingError("no such file or directory", subject=whole[0])
    databases: dict[Path, DatabaseSource] = {}
    files: dict[Path, TreeSource] = {}
    for path in whole:
        if looks_like_database(path, is_database):
            databases[path] = DatabaseSource(path=path)
        else:
            files[path] = TreeSource(path=path)
    profile = Profile(name=slug(whole[0].name), databases=tuple(databases.values()), files=tuple(files.values()))
    return with_names(profile)


def absolute(path: Path) -> Path:
    """Return `path` from the root, as it was named; only a `..` makes the links in it be followed."""
    whole = Path(os.path.abspath(path)) if ".." not in path.parts else Path(os.path.realpath(path))
    return Path("/") if str(whole) == "//" else whole


def slug(name: str) -> str:
    """Return the profile name for a file or folder called `name`: always valid, the same each time.

    `My App_2` becomes `my-app-2`. Where letters are lost that are not Latin, and where the name is too
    long, eight digits of its SHA-256 keep different names apart.
    """
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    base = "".join(c for c in decomposed if not unicodedata.combining(c))
    words = re.sub(r"[^a-z0-9]+", "-", base).strip("-")
    lost = any(not c.isascii() and (c.isalnum() or not c.isprintable()) for c in base)
    if words and not lost and len(words) <= _LONGEST:
        return words
    if not name:
        return "root"
    import hashlib  # rarely needed, and 8 ms

    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return f"{words[:_LONGEST].strip('-')}-{digest}".lstrip("-")


def looks_like_database(path: Path, is_database: IsDatabase) -> bool:
    """Return whether `path` is a database by its header; by its suffix when it is absent, empty or unreadable.

    Opens and closes the file: not for a process that holds an SQLite connection to it (DESIGN promise 9).
    """
    if os.path.isdir(path):
        return False
    header = read_header(path)
    return is_database(header) if header else path.suffix.lower() in _SUFFIXES


def read_header(path: Path) -> bytes:
    """Return the first 16 bytes of the regular file `path`; nothing when it is empty, unreadable or no file."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(HEADER_BYTES)
    except OSError:
        return b""

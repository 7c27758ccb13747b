"""What a walk leaves out and what a restore picks: globs as in gitignore(5), size, age, mounts.

Everything is compiled once; a file costs one match of its name, and one of its path only when a glob
speaks of paths. Names are `str` with surrogate escapes, so that `?` is one character of a UTF-8 name and
one byte of any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from toolkit.errors import UsageError

_HINT = "globs are written as in gitignore: *.tmp, cache/, /rooted/path, a/**/b, !keep.tmp"


def _character_class(glob: str, start: int) -> tuple[str, int]:
    """Return the regex of the class that begins at `start` (after its bracket), and where it ends."""
    end = start + 1 if glob[start : start + 1] in ("!", "^") else start
    end = glob.find("]", end + 1)
    if end < 0:
        return r"\[", start
    inside = glob[start:end]
    negated = inside[0] in "!^"
    body = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[1:] if negated else inside)
    return f"(?!/)[{'^' if negated else ''}{body}]", end + 1


def _translate(glob: str) -> str:
    """Return the regex of a glob without its leading and trailing slash."""
    regex, position = "", 0
    while position < len(glob):
        character = glob[position]
        position += 1
        if glob.startswith("**/", position - 1) and (position == 1 or glob[position - 2] == "/"):
            regex, position = regex + "(?:[^/]+/)*", position + 2
        elif character == "*" and glob[position:] == "*" and position > 1 and glob[position - 2] == "/":
            regex, position = regex + ".+", position + 1
        elif character == "*":
            regex += "[^/]*"
            while glob.startswith("*", position):
                position += 1
        elif character == "?":
            regex += "[^/]"
        elif character == "[":
            part, position = _character_class(glob, position)
            regex += part
        elif character == "\\" and position < len(glob):
            regex, position = regex + re.escape(glob[position]), position + 1
        else:
            regex += re.escape(character)
    return regex


def _alternatives(parts: list[str], tail: str = "") -> re.Pattern[str] | None:
    try:
        return re.compile(f"(?:{'|'.join(parts)}){tail}", re.DOTALL) if parts else None
    except re.error as error:
        raise UsageError(f"a glob cannot be read: {error}", hint=_HINT) from error


class _Group:
    """Neighbouring globs of the same sign, as at most four regexes."""

    __slots__ = ("directory_names", "directory_paths", "names", "negated", "paths")

    def __init__(self, globs: list[str], *, negated: bool) -> None:
        names: dict[bool, list[str]] = {True: [], False: []}
        paths: dict[bool, list[str]] = {True: [], False: []}
        for glob in globs:
            directory = glob.endswith("/")
            bare = glob[:-1] if directory else glob
            kind = paths if "/" in bare else names
            kind[directory].append(_translate(bare.removeprefix("/")))
        self.negated = negated
        self.names, self.directory_names = _alternatives(names[False]), _alternatives(names[True])
        self.paths, self.directory_paths = _alternatives(paths[False]), _alternatives(paths[True])

    def matches(self, path: str, name: str, *, directory: bool) -> bool:
        """Answer whether one of the globs matches."""
        if self.names is not None and self.names.fullmatch(name):
            return True
        if self.paths is not None and self.paths.fullmatch(path):
            return True
        if not directory:
            return False
        if self.directory_names is not None and self.directory_names.fullmatch(name):
            return True
        return self.directory_paths is not None and self.directory_paths.fullmatch(path) is not None


class Globs:
    """A list of globs with the meaning of gitignore(5): the last that matches decides, `!` takes back.

    `*.tmp` and `cache/` match at any level, `/x` and `a/b` from the root of the walk, `**` any number of
    folders; a slash at the end means folders only. Raises `UsageError` for an empty glob.
    """

    __slots__ = ("_groups",)

    def __init__(self, globs: Iterable[str] = ()) -> None:
        runs: list[tuple[bool, list[str]]] = []
        for glob in globs:
            negated = glob.startswith("!")
            bare = glob[1:] if negated else glob
            if not bare.strip("/"):
                raise UsageError("a glob is empty", hint=_HINT)
            if not runs or runs[-1][0] != negated:
                runs.append((negated, []))
            runs[-1][1].append(bare)
        self._groups = tuple(_Group(found, negated=negated) for negated, found in reversed(runs))

    def __bool__(self) -> bool:
        return bool(self._groups)

    def matches(self, path: str, name: str, *, directory: bool) -> bool:
        """Answer whether the globs match `path`, relative to the root without a slash in front, that ends in `name`."""
        for group in self._groups:
            if group.matches(path, name, directory=directory):
                return not group.negated
        return False


class Only:
    """The globs of `--only`: what they match, and everything below a folder that they match.

    Matched against the absolute path of an entry: a glob with a slash in front from the root of the file
    system, any other (`*.png`, `uploads/img`) at any level. Without globs everything is picked. Raises
    `UsageError` for an empty glob.
    """

    __slots__ = ("_plain", "_tree")

    def __init__(self, globs: Iterable[str] = ()) -> None:
        plain: list[str] = []
        tree: list[str] = []
        for glob in globs:
            bare = glob.rstrip("/")
            if not bare:
                raise UsageError("a glob is empty", hint=_HINT)
            regex = _translate(bare.removeprefix("/"))
            if not bare.startswith("/"):
                regex = f"(?:.*/)?{regex}"
            (tree if glob.endswith("/") else plain).append(f"/{regex}")
        self._plain, self._tree = _alternatives(plain, "(?:/.*)?"), _alternatives(tree, "(/.*)?")

    def picks(self, path: str, *, directory: bool = False) -> bool:
        """Answer whether the entry at the absolute `path` is to be restored."""
        if self._plain is None and self._tree is None:
            return True
        if self._plain is not None and self._plain.fullmatch(path):
            return True
        found = self._tree.fullmatch(path) if self._tree is not None else None
        return found is not None and (directory or found[1] is not None)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a walk leaves out below its root; the root itself is never left out.

    `exclude` and `newer_than_ns` (mtime, nanoseconds since 1970; files only) leave out in silence, as
    configured; `max_size` (bytes; files only) is reported, without being an error. `skip` holds absolute
    paths that are never entered, such as the vault. Without `cross_mounts` a folder where another file
    system is mounted is kept empty, and reported.
    """

    exclude: Globs = field(default_factory=Globs)
    max_size: int | None = None
    newer_than_ns: int | None = None
    cross_mounts: bool = True
    skip: frozenset[str] = frozenset()

    @classmethod
    def compile(
        cls,
        *,
        exclude: Iterable[str] = (),
        max_size: int | None = None,
        days: int | None = None,
        now: datetime | None = None,
        cross_mounts: bool = True,
        skip: Iterable[str] = (),
    ) -> Filters:
        """Return the filters of a configured source; `days` counts back from `now` (aware, needed with it).

        Raises `UsageError` for a glob that cannot be read.
        """
        newer = None
        if days is not None:
            if now is None:
                raise UsageError("an age needs the time it is counted from")
            newer = int((now - timedelta(days=days)).timestamp()) * 1_000_000_000
        return cls(Globs(exclude), max_size, newer, cross_mounts, frozenset(skip))

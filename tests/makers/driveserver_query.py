"""The search language of `files.list`, as far as it is used, and strictly: anything else is "Invalid Value"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tests.makers.driveserver_replies import RefusalError
from tests.makers.driveserver_world import File, Grant

Test = Callable[[File], bool]
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^'\\]|\\['\\])*')|(?P<word>[A-Za-z]+)|(?P<sign><=|>=|!=|[=<>(){}]))")


def _tokens(query: str) -> list[str]:
    found, at = [], 0
    while query[at:].strip():
        match = _TOKEN.match(query, at)
        if match is None:
            raise _invalid()
        found.append(match[match.lastgroup or ""])
        at = match.end()
    return found


def _invalid() -> RefusalError:
    return RefusalError(400, "invalid", "Invalid Value")


def _text(token: str) -> str:
    if not token.startswith("'"):
        raise _invalid()
    return re.sub(r"\\(.)", r"\1", token[1:-1])


class _Parser:
    def __init__(self, query: str, grant: Grant) -> None:
        self._tokens = _tokens(query)
        self._grant = grant

    def whole(self) -> Test:
        test = self._either()
        if self._tokens:
            raise _invalid()
        return test

    def _peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _next(self, wanted: str = "") -> str:
        if not self._tokens or (wanted and self._tokens[0] != wanted):
            raise _invalid()
        return self._tokens.pop(0)

    def _either(self) -> Test:
        tests = [self._both()]
        while self._peek() == "or":
            self._next()
            tests.append(self._both())
        return lambda file: any(test(file) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._peek() == "and":
            self._next()
            tests.append(self._one())
        return lambda file: all(test(file) for test in tests)

    def _one(self) -> Test:
        token = self._next()
        if token == "not":
            test = self._one()
            return lambda file: not test(file)
        if token == "(":
            test = self._either()
            self._next(")")
            return test
        if token.startswith("'"):
            self._next("in")
            self._next("parents")
            folder = _text(token)
            folder = self._grant.account.root if folder == "root" else folder
            return lambda file: folder in file.parents
        if token == "appProperties":
            return self._property()
        return self._compared(token)

    def _property(self) -> Test:
        self._next("has")
        self._next("{")
        self._next("key")
        self._next("=")
        key = _text(self._next())
        self._next("and")
        self._next("value")
        self._next("=")
        value = _text(self._next())
        self._next("}")
        return lambda file: file.app_properties.get(self._grant.app, {}).get(key) == value

    def _compared(self, name: str) -> Test:
        sign = self._next()
        if name == "trashed" and sign in ("=", "!="):
            wanted = {"true": True, "false": False}.get(self._next())
            if wanted is None:
                raise _invalid()
            return lambda file: (file.trashed == wanted) == (sign == "=")
        value = _text(self._next())
        if name in ("name", "mimeType") and sign in ("=", "!="):
            return lambda file: (file.field(name) == value) == (sign == "=")
        if name == "name" and sign == "contains":
            return lambda file: any(word.startswith(value.lower()) for word in re.split(r"\W", file.name.lower()))
        raise _invalid()


def matching(query: str, files: Sequence[File], grant: Grant) -> list[File]:
    """Return those of `files` that `query` finds for `grant`, whose client sees its own appProperties."""
    if not query:
        return list(files)
    test = _Parser(query, grant).whole()
    return [file for file in files if test(file)]

"""Statements of a schema in tokens: enough to find words outside of texts, and what stands in parentheses."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[A-Za-z_\x80-\U0010ffff][\w$]*|.""",
    re.DOTALL,
)


def tokens(sql: str) -> Iterator[tuple[str, int, int]]:
    """Yield each token of `sql` that is no blank and no comment, with where it begins and ends."""
    for match in _TOKEN.finditer(sql):
        token = match.group()
        if not token.isspace() and not token.startswith(("--", "/*")):
            yield token, match.start(), match.end()


def has_word(sql: str, word: str) -> bool:
    """Answer whether the keyword `word` (upper case) stands in `sql`, not as a name in quotes and not in a text."""
    return any(token.upper() == word for token, _, _ in tokens(sql))


def checks(sql: str) -> list[str]:
    """Return the expressions of the CHECK constraints in a CREATE TABLE statement, with their parentheses."""
    found = []
    begin, depth, wanted = 0, 0, False
    for token, start, end in tokens(sql):
        if token == "(":  # noqa: S105
            if wanted and not begin:
                begin, depth = start, 0
            depth += 1
        elif token == ")":  # noqa: S105
            depth -= 1
            if begin and not depth:
                found.append(sql[begin:end])
                begin = 0
        if not begin:
            wanted = token.upper() == "CHECK"
    return found

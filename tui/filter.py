"""The filter language of the lists: `plain`, `!not`, `state:bad`, `rate>=4`, `age>7d`; pure.

Words are joined by "and". Each is looked for in every column, or with `column:` in one; `=` means the whole value,
`<`, `<=`, `>`, `>=` compare numbers, sizes (`10MB`) and ages (`7d`, `2h30m`). `"…"` keeps spaces together; `!` in
front turns a word around. Upper and lower case are the same.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from toolkit.errors import UsageError
from toolkit.profile.units import parse_duration, parse_size

Value = str | int | float | datetime | timedelta | tuple[str, ...] | None
"""What a column holds: text, a number (sizes in bytes), a moment, a length of time, several words, or nothing."""

_TERM = re.compile(r'(?P<no>!?)(?:(?P<name>[a-z_]+)(?P<op>:|<=|>=|<|>|=))?(?P<text>"[^"]*"?|\S*)', re.IGNORECASE)
_COUNT = re.compile(r"-?\d+(\.\d+)?")


class Op(enum.StrEnum):
    """How a column is compared."""

    HAS = ":"
    IS = "="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One word: the column (empty: any), the comparison, the text, and whether it must not hold."""

    name: str = ""
    op: Op = Op.HAS
    text: str
    negated: bool = False


class Filter(msgspec.Struct, frozen=True):
    """Terms that must all hold; without any, everything passes."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def matches(self, fields: Mapping[str, Value], *, now: datetime) -> bool:
        """Say whether a row with `fields` (by column name) passes; the age of a moment is counted at `now`."""
        return all(_holds(term, fields, now) is not term.negated for term in self.terms)


def parse(text: str, columns: frozenset[str] = frozenset()) -> Filter:
    """Return the filter that `text` says; raises `UsageError` for a column that is none of `columns`."""
    terms = []
    for found in _TERM.finditer(text):
        name, op = (found["name"] or "").lower(), found["op"]
        words = found["text"]
        quoted = words.startswith('"')
        value = words.strip('"') if quoted else words
        if name and columns and name not in columns:
            if op == ":" or quoted:
                raise UsageError(f"there is no column {name}", hint=f"one of: {', '.join(sorted(columns))}")
            value, name, op = found[0].removeprefix("!"), "", None  # `a=b` can be part of a name
        if value:
            terms.append(Term(name=name, op=Op(op or ":"), text=value, negated=bool(found["no"])))
    return Filter(tuple(terms))


def _holds(term: Term, fields: Mapping[str, Value], now: datetime) -> bool:
    values = [fields.get(term.name)] if term.name else list(fields.values())
    return any(_compares(term, value, now) for value in values if value is not None)


def _compares(term: Term, value: Value, now: datetime) -> bool:
    wanted = term.text.casefold()
    if term.op is Op.HAS:
        return wanted in text_of(value).casefold()
    if term.op is Op.IS:
        if isinstance(value, tuple):
            return wanted in (word.casefold() for word in value)
        limit = _number(term.text, value)
        own = _own(value, now)
        return own == limit if limit is not None and own is not None else text_of(value).casefold() == wanted
    own, limit = _own(value, now), _number(term.text, value)
    if own is None or limit is None:
        return False
    return {
        Op.LESS: own < limit,
        Op.AT_MOST: own <= limit,
        Op.MORE: own > limit,
        Op.AT_LEAST: own >= limit,
    }[term.op]


def text_of(value: Value) -> str:
    """Return what a word is looked for in."""
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "" if value is None else str(value)


def _own(value: Value, now: datetime) -> float | None:
    match value:
        case datetime():
            return (now - value).total_seconds()
        case timedelta():
            return value.total_seconds()
        case int() | float():
            return float(value)
        case _:
            return None


def _number(text: str, like: Value) -> float | None:
    """Return the number that `text` means next to a value like `like`: seconds for times, else a count or bytes."""
    try:
        if isinstance(like, datetime | timedelta):
            return float(text) * 86400 if _COUNT.fullmatch(text) else parse_duration(text).total_seconds()
        return float(text) if _COUNT.fullmatch(text) else float(parse_size(text))
    except ValueError:
        return None

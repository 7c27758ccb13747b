"""What a person types to narrow a list (`state:bad`, `size>10MB`, `!note:old`), as a condition of SQL; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from toolkit.profile.units import parse_duration, parse_size
from toolkit.vault.rows import moment

_COUNT = re.compile(r"-?\d+(\.\d+)?")
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_DAY = 86400

SqlValue = str | bytes | int | float | None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One word of a filter: the column (empty: any), one of `: = < <= > >=`, the text, and whether it must not hold."""

    column: str = ""
    op: str = ":"
    text: str
    negated: bool = False


class Field(msgspec.Struct, frozen=True):
    """What a column is in SQL. A `moment` is text as the catalog has it, `ns` counts from 1970, `words` are lines."""

    sql: str
    kind: Literal["text", "words", "number", "moment", "ns"] = "text"


def where(
    conditions: Sequence[Condition], fields: Mapping[str, Field], now: datetime, *, plain: Sequence[str] = ()
) -> tuple[str, list[object]]:
    """Return the condition that all of `conditions` hold, and its values; ages are counted at `now`.

    A word without a column is looked for in the fields that `plain` names, by default in all. A column that is none of
    `fields`, and a number that is none, hold for nothing.
    """
    parts: list[str] = []
    values: list[object] = []
    for one in conditions:
        names = [one.column] if one.column else list(plain or fields)
        found = [_holds(one, fields[name], now) for name in names if name in fields]
        anything = " or ".join(f"coalesce({sql}, 0)" for sql, _ in found) or "0"
        parts.append(f"not ({anything})" if one.negated else f"({anything})")
        values += [value for _, own in found for value in own]
    return " and ".join(parts) or "1", values


def _holds(one: Condition, field: Field, now: datetime) -> tuple[str, list[object]]:
    if one.op == ":":
        return _within(field, one.text)
    if field.kind in ("text", "words"):
        if one.op != "=":
            return "0", []
        if field.kind == "words":
            line = f"'\n' || {field.sql} || '\n'"
            return f"instr({_folded(line, one.text)}, ?) > 0", [f"\n{one.text.casefold()}\n"]
        return f"{_folded(field.sql, one.text)} = ?", [one.text.casefold()]
    limit = _limit(one.text, field.kind, now)
    if limit is None:
        return "0", []
    op = one.op if field.kind == "number" else _TURNED.get(one.op, one.op)
    return f"{field.sql} {op} ?", [limit]


def _within(field: Field, text: str) -> tuple[str, list[object]]:
    shown = field.sql
    if field.kind == "moment":
        shown = f"replace(substr({field.sql}, 1, 16), 'T', ' ')"
    elif field.kind == "ns":
        shown = f"strftime('%Y-%m-%d %H:%M', {field.sql} / 1000000000, 'unixepoch')"
    return f"instr({_folded(shown, text)}, ?) > 0", [text.casefold()]


def _folded(sql: str, text: str) -> str:
    """Return `sql` in small letters; SQLite itself knows those of ASCII, `fold` (below) all."""
    return f"lower({sql})" if text.isascii() else f"fold({sql})"


def fold(value: SqlValue) -> SqlValue:
    """Return text in small letters, for SQL; names that are no text as they are."""
    return value.casefold() if isinstance(value, str) else value


def _limit(text: str, kind: str, now: datetime) -> object:
    try:
        if kind == "number":
            return float(text) if _COUNT.fullmatch(text) else float(parse_size(text))
        seconds = float(text) * _DAY if _COUNT.fullmatch(text) else parse_duration(text).total_seconds()
    except ValueError:
        return None
    since = now.timestamp() - seconds
    if kind == "ns":
        return int(since * 1_000_000_000)
    try:
        return moment(datetime.fromtimestamp(since, now.tzinfo))
    except (ValueError, OverflowError, OSError):
        return None

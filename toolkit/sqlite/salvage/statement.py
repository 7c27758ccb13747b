"""A CREATE TABLE statement that no longer parses is told again, by what is left of it and what the rows hold.

Rows are of more worth than the words: the statement that comes out fits the records of the table, names each column
by the text where that still can be read, else `c1`, `c2` …, and keeps the constraints that SQLite still takes.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolkit.sqlite.connect import quoted
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage.shape import Shape, blank, learn

MOST_TRIED = 40
"""Readings of one broken piece of a statement that are tried."""

_NOISE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]+")
_AROUND = re.compile(rf"""["'`\[\]()]*{_NOISE.pattern}["'`\[\]()]*""")
_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?\*/|"(?:[^"]|"")*"|'(?:[^']|'')*'|`[^`]*`|\[[^\]]*\]|[A-Za-z_\u0100-\uffef$][\w$]*|[\d.]+|.""",
    re.DOTALL,
)
_VIRTUAL = re.compile(r"\bAS\s*\((?!.*\bSTORED\b)", re.IGNORECASE | re.DOTALL)
_RULE = re.compile(r"\b(PRIMARY|KEY|NOT|UNIQUE|CHECK|REFERENCES|GENERATED|AS)\b", re.IGNORECASE)
_CONSTRAINT = re.compile(r"\s*(CONSTRAINT|PRIMARY\s+KEY|UNIQUE|CHECK|FOREIGN\s+KEY)\b", re.IGNORECASE)
_WORD = re.compile(r"""\s*(?:"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]|([^\W\d][\w$]*))""")


@dataclass(frozen=True, slots=True)
class Records:
    """What the pages of a table tell: records from all over it, whether it has rowids, the encoding of texts."""

    rows: list[list[Value]]
    rowids: bool
    encoding: str

    @property
    def width(self) -> int:
        """The most values that a record has; 0 where there is none."""
        return max(map(len, self.rows), default=0)


def retold(name: str, sql: str, records: Records, hints: Sequence[str] = ()) -> str | None:
    """Return a statement for the table `name` that SQLite takes and that fits its records; None where none is found.

    Of all that fit the one that keeps the most of `sql`. Without records the text alone decides. `hints` are names that
    other statements have for columns of the table.
    """
    best: tuple[tuple[int, int, int], str] | None = None
    for columns, constraints in _readings(name, sql):
        pieces = _without_others([_piece(piece, number) for number, piece in enumerate(columns, 1)], records)
        for told in dict.fromkeys(_told(name, pieces, constraints, sql, records)):
            named = _renamed(told, pieces, hints)
            worth = _worth(name, named, records, " ".join([sql, *hints]))
            if worth is not None and (best is None or worth > best[0]):
                best = worth, named
    return best[1] if best is not None else None


@dataclass(frozen=True, slots=True)
class _Piece:
    """What defines one column: definitions that SQLite takes, best first, and what stands behind the first of them.

    `whole` says that there is but one, the `text` itself; `clean` is the text without noise, and with another name
    where its own is lost.
    """

    options: tuple[str, ...]
    whole: bool
    clean: str
    text: str
    rest: str = ""


def _without_others(pieces: list[_Piece], records: Records) -> list[_Piece]:
    """Leave out broken pieces at the end that the records have no values for: constraints whose first word is lost."""
    stored = sum(not _VIRTUAL.search(piece.text) for piece in pieces)
    while records.rows and stored > records.width and not pieces[-1].whole:
        pieces, stored = pieces[:-1], stored - 1
    return pieces


def _readings(name: str, sql: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the pieces of the statement that define columns, and those that are constraints of the table.

    Noise can hold a quote or a bracket that swallows all that follows, so other ways to cut it into pieces are tried.
    """
    body = _body(name, sql)
    cuts = [_pieces(body), _pieces(_AROUND.sub("\ufffd", body)), re.split(r",\s*\n|\n", body), body.split(",")]
    for pieces in cuts:
        columns = [piece for piece in pieces if piece.strip() and not _CONSTRAINT.match(piece)]
        yield columns, [piece for piece in pieces if _CONSTRAINT.match(piece)]
    yield [], []


def _body(name: str, sql: str) -> str:
    """Return what stands behind the bracket that opens the list of columns."""
    expected = len("CREATE TABLE ") + len(name)
    begin = sql.find("(", expected)
    return sql[begin + 1 if 0 <= begin <= expected + 12 else expected + 1 :]


def _pieces(body: str) -> list[str]:
    """Cut at the commas that are in no bracket or quote, up to the bracket that closes the list."""
    pieces, depth = [""], 0
    for match in _TOKEN.finditer(body):
        piece = match[0]
        depth += (piece == "(") - (piece == ")")
        if depth < 0:
            break
        if piece == "," and not depth:
            pieces.append("")
        else:
            pieces[-1] += piece
    return pieces


def _told(name: str, pieces: list[_Piece], constraints: list[str], sql: str, records: Records) -> Iterator[str]:
    """Yield statements of the columns, with columns put in for those that the noise took, where records are wider."""
    tail, label = _tail(sql, records), _label(name, sql)
    if not pieces and not records.width:
        return
    for option in range(max([len(piece.options) for piece in pieces], default=1)):
        texts = [
            _keyed(piece, piece.options[min(option, len(piece.options) - 1)], at, records)
            for at, piece in enumerate(pieces)
        ]
        lacking = records.width - sum(not _VIRTUAL.search(text) for text in texts)
        if lacking <= 0:
            yield _statement(label, texts, constraints, tail, records)
            continue
        for place in sorted({at for at, piece in enumerate(pieces, 1) if not piece.whole} | {len(pieces)}):
            more = [_named(place + number, records) for number in range(lacking)]
            more = [f"{column} ANY" if "STRICT" in tail else column for column in more]
            if place == 0 and records.rowids and _always_null(records, 0):
                more[0] = " c1 INTEGER PRIMARY KEY"
            rest = _piece(pieces[place - 1].rest, place + 1) if place and pieces[place - 1].rest else None
            if rest is not None and not option:
                more[0] = f" {rest.options[0].strip()}"
            yield _statement(label, [*texts[:place], *more, *texts[place:]], constraints, tail, records)


def _keyed(piece: _Piece, text: str, at: int, records: Records) -> str:
    """Return the definition as that of the rowid, where the records have nothing in a column that is broken."""
    if piece.whole or not (records.rows and records.rowids and _always_null(records, at)):
        return text
    word = _WORD.match(piece.clean)
    if word is None or (at and not re.search(r"INTE|KEY", piece.clean, re.IGNORECASE)):
        return text
    counted = " AUTOINCREMENT" if re.search(r"AUTOI|CREMENT", piece.clean, re.IGNORECASE) else ""
    return f"{text[: len(text) - len(text.lstrip())]}{word[0].strip()} INTEGER PRIMARY KEY{counted}"


def _renamed(told: str, pieces: list[_Piece], hints: Sequence[str]) -> str:
    """Return the statement with the names that other statements have for columns whose own is broken."""
    known = {word[0].strip().strip('"`[]').lower() for piece in pieces if (word := _WORD.match(piece.options[0]))}
    hints = [hint for hint in hints if hint.lower() not in known]
    for piece in pieces:
        if piece.whole:
            continue
        spelt = (re.match(r"\S*", piece.text) or [""])[0]
        likely = difflib.get_close_matches(spelt, hints, 1)
        own = _WORD.match(piece.options[0])
        for old in (piece.options[0].strip(), *((own[0].strip(),) if own else ())):
            if likely and old != likely[0]:
                before = re.search(rf"[(,]\s*{re.escape(old)}(?=[\s,)])", told)
                if before is not None:
                    new = likely[0] + old[len(own[0].strip()) :] if own else likely[0]
                    return _renamed_once(told, before, old, new)
    return told


def _renamed_once(told: str, found: re.Match[str], old: str, new: str) -> str:
    return told[: found.end() - len(old)] + new + told[found.end() :]


def _named(at: int, records: Records) -> str:
    """Return a definition for a column of which nothing is known but its values; whole numbers are kept in a REAL."""
    kinds = {type(values[at]) for values in records.rows if len(values) > at} - {type(None)}
    return f" c{at + 1}{' REAL' if float in kinds and kinds <= {float, int} else ''}"


def _always_null(records: Records, at: int) -> bool:
    return all(values[at] is None for values in records.rows if len(values) > at)


def _label(name: str, sql: str) -> str:
    """Return the name of the table as the statement has it, which need not quote it."""
    begin = sql[: len("CREATE TABLE ") + len(name) + 3]
    with blank() as connection, contextlib.suppress(sqlite3.Error, sqlite3.Warning, ValueError):
        connection.execute(f"CREATE TABLE {name}(one)")
        if quoted(name) not in begin and connection.execute("SELECT name FROM sqlite_master").fetchall() == [(name,)]:
            return name
    return quoted(name)


def _tail(sql: str, records: Records) -> str:
    behind = sql[sql.rfind(")") + 1 :]
    strict = re.search(r"\bSTRICT\b", behind, re.IGNORECASE)
    if records.rowids:
        return " STRICT" if strict else ""
    return " WITHOUT ROWID" + (", STRICT" if strict else "")


def _piece(text: str, number: int) -> _Piece:
    """Return the definitions of a column that can be read out of a piece of a statement."""
    lead, whole, text = text[: len(text) - len(text.lstrip())], text, text.strip()
    clean = _NOISE.sub(" ", text).strip()
    if clean == text and _taken(text):
        return _Piece((whole,), whole=True, clean=clean, text=text)
    if not _WORD.match(clean):  # its name is lost
        clean = re.sub(r"^\S+", f"c{number}", clean) or f"c{number}"
    word = _WORD.match(clean)
    tokens = [match[0] for match in _TOKEN.finditer(clean)]
    options: list[str] = []
    rest = ""
    for count in range(min(len(tokens), MOST_TRIED), 0, -1) if word else ():
        tried = "".join(tokens[:count]).strip()
        if _taken(tried):
            rest = rest if options else "".join(tokens[count:]).strip()
            options.append(tried)
    plain = [one for one in options if not _RULE.search(one)]
    name = word[0].strip() if word else ""
    last = name if name and _taken(name) else f"c{number}"
    found = tuple(lead + one for one in dict.fromkeys([*options[:1], *plain[:1], last]))
    return _Piece(found, whole=False, clean=clean, text=text, rest=rest)


def _taken(column: str) -> bool:
    """Answer whether SQLite takes this as the definition of just one column, which may speak of others."""
    with blank() as connection:
        try:
            connection.execute(f"CREATE TABLE one(lifeboat, {column}\n)")
            return len(connection.execute("PRAGMA table_xinfo(one)").fetchall()) == 2
        except sqlite3.Error as error:
            return "no such column" in str(error)
        except (sqlite3.Warning, ValueError):
            return False


def _statement(label: str, columns: list[str], constraints: list[str], tail: str, records: Records) -> str:
    """Return the statement with each constraint that SQLite takes with the columns; names that come twice go."""
    seen: set[str] = set()
    unique = []
    for number, column in enumerate(columns, 1):
        word = _WORD.match(column)
        own = next(filter(None, word.groups()), "").lower() if word else ""
        unique.append(f" c{number}" if own in seen else column)
        seen.add(own)
    kept = unique
    if tail.startswith(" WITHOUT") and "PRIMARY KEY" not in " ".join([*columns, *constraints]).upper():
        constraints = [_key(unique, records), *constraints]
    with blank() as connection:
        for constraint in constraints:
            tried = [*kept, constraint]
            try:
                connection.execute(f"CREATE TABLE {label}({','.join(tried)})")
                connection.execute(f"DROP TABLE {label}")
                kept = tried
            except (sqlite3.Error, sqlite3.Warning, ValueError):
                continue
    return f"CREATE TABLE {label}({','.join(kept)}){tail}"


def _key(columns: list[str], records: Records) -> str:
    """Return a primary key for a table without rowids: the fewest columns that tell its rows apart."""
    names = [(_WORD.match(column) or [column])[0].strip() for column in columns]
    for count in range(1, len(names)):
        keys = [repr(values[:count]) for values in records.rows]
        if len(set(keys)) == len(keys):
            return f" PRIMARY KEY({', '.join(names[:count])})"
    return f" PRIMARY KEY({', '.join(names)})"


def _worth(name: str, told: str, records: Records, sql: str) -> tuple[int, int, int] | None:
    """Return how good a statement is: words of the text that it keeps, records that fit, none made up.

    None where SQLite does not take it, or few records fit.
    """
    shape = _shape(name, told)
    if shape is None or shape.without_rowid is records.rowids:
        return None
    fitting = sum(shape.misfit(values, records.encoding) is None for values in records.rows)
    if fitting * 10 < len(records.rows) * 9:
        return None
    words = set(re.findall(r"\w+", told)) & set(re.findall(r"\w+", sql))
    return len(words), fitting, -len(shape.columns)


def _shape(name: str, told: str) -> Shape | None:
    with blank() as connection:
        try:
            connection.execute(told)
            return learn(connection, name)
        except (sqlite3.Error, sqlite3.Warning, ValueError, StopIteration):
            return None

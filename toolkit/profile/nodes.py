"""YAML as text with places: every scalar stays the words that were written, and knows its file and line.

What a scalar means is decided by the field that it fills (`bind`), so `at: 03:00` is never a number in
base 60 and `on:` never a boolean. Aliases and `<<` work; tags do not, because they can name code. Sizes,
depth and the number of aliases are limited, so that a hostile file is refused and not obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 100_000
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")} | {"!"}
_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Place(msgspec.Struct, frozen=True):
    """A file (or `$VARIABLE`), a line in it and a column of that, from 1; 0 for the whole, or where nobody knows."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Scalar(msgspec.Struct, frozen=True):
    """A piece of text; `plain` when it was not quoted, `foreign` when a variable of the environment is in it."""

    text: str
    place: Place
    plain: bool = False
    foreign: bool = False

    @property
    def null(self) -> bool:
        """Whether this is YAML's way to say nothing."""
        return self.plain and self.text in _NULLS


class Sequence(msgspec.Struct, frozen=True):
    """A list."""

    items: tuple[Node, ...]
    place: Place


class Table(msgspec.Struct, frozen=True):
    """A mapping; `keys` has the place of each key, which is where an error points to."""

    items: dict[str, Node]
    keys: dict[str, Place]
    place: Place


Node = Scalar | Sequence | Table


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something wrong: where, at which key, and what."""

    place: Place
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.key}: {self.message}" if self.key else f"{self.place}: {self.message}"


class SyntaxProblem(Exception):  # noqa: N818 - never leaves the package
    """The text is no YAML that is read here; carries the one problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def visible(text: str) -> str:
    """Return `text` for a message: one line, escapes for what does not print, at most 60 characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text[:60])
    return shown if len(text) <= 60 else f"{shown}…"


def dotted(path: tuple[str | int, ...]) -> str:
    """Return the key path as it is written in messages: `profiles.shop.databases[0].path`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{visible(part)}" if text else visible(part)
    return text


def empty(file: str) -> Table:
    """Return the mapping without keys."""
    return Table({}, {}, Place(file))


def parse(data: bytes, file: str, environ: Mapping[str, str]) -> tuple[Table, list[Problem]]:
    """Return the mapping that the YAML `data` holds and the problems of its keys and `${VARIABLES}`.

    Raises `SyntaxProblem` for what is no YAML, no mapping, or beyond the limits.
    """
    if len(data) > MAX_BYTES:
        raise SyntaxProblem(Problem(Place(file), "", "is larger than 1 MiB"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SyntaxProblem(Problem(Place(file, line), "", "is not UTF-8 text")) from None
    reader = _Reader(file, environ)
    root = reader.read(text)
    if isinstance(root, Table):
        return root, reader.problems
    if root is None or (isinstance(root, Scalar) and root.null):
        return empty(file), reader.problems
    raise SyntaxProblem(Problem(root.place, "", "the configuration must be a mapping (key: value)"))


def _events(text: str, file: str) -> Iterator[Any]:
    import yaml  # 16 ms, and not every run has a configuration

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise SyntaxProblem(Problem(place, "", f"is no YAML: {visible(error.problem or 'syntax error')}")) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SyntaxProblem(Problem(Place(file, line), "", "is no YAML: a character is not allowed")) from None
    except RecursionError:
        raise SyntaxProblem(Problem(Place(file), "", "is nested too deeply")) from None


class _Open:
    """A list or mapping whose end has not come yet."""

    __slots__ = ("anchor", "children", "mapping", "place")

    def __init__(self, place: Place, anchor: str | None, *, mapping: bool) -> None:
        self.place = place
        self.anchor = anchor
        self.mapping = mapping
        self.children: list[Node] = []


class _Reader:
    """Builds nodes from parser events without recursion."""

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self.file = file
        self.environ = environ
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.weights: dict[int, tuple[int, Node]] = {}  # by identity, which the node beside it keeps

    def read(self, text: str) -> Node | None:
        import yaml

        stack: list[_Open] = []
        root: Node | None = None
        for event in _events(text, self.file):
            place = Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise SyntaxProblem(Problem(place, "", "holds a second document; there can be only one"))
                continue
            self._refuse_tag(event, place)
            if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                stack.append(_Open(place, event.anchor, mapping=isinstance(event, yaml.MappingStartEvent)))
                if len(stack) > MAX_DEPTH:
                    raise SyntaxProblem(Problem(place, "", "is nested too deeply"))
                continue
            if isinstance(event, yaml.AliasEvent):
                node = self._alias(event.anchor, place)
            elif isinstance(event, yaml.ScalarEvent):
                node = self._scalar(
                    event, place, key=bool(stack) and stack[-1].mapping and len(stack[-1].children) % 2 == 0
                )
                self._remember(event.anchor, node)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                done = stack.pop()
                node = self._close(done)
                self._remember(done.anchor, node)
            else:
                continue
            if stack:
                stack[-1].children.append(node)
            else:
                root = node
        return root

    def _refuse_tag(self, event: Any, place: Place) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _PLAIN_TAGS:
            raise SyntaxProblem(Problem(place, "", f"the tag {visible(tag)} is refused; tags are not supported here"))

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _weight(self, node: Node) -> int:
        return 1 if isinstance(node, Scalar) else self.weights[id(node)][0]

    def _alias(self, anchor: str | None, place: Place) -> Node:
        if anchor is None or anchor not in self.anchors:
            raise SyntaxProblem(
                Problem(place, "", f"the alias *{visible(anchor or '')} names nothing that was said before")
            )
        return self.anchors[anchor]

    def _close(self, done: _Open) -> Node:
        weight = 1 + sum(self._weight(child) for child in done.children)
        if weight > MAX_NODES:
            raise SyntaxProblem(Problem(done.place, "", "its aliases unfold to too many values"))
        node: Node = self._table(done) if done.mapping else Sequence(tuple(done.children), done.place)
        self.weights[id(node)] = (weight, node)
        return node

    def _table(self, done: _Open) -> Table:
        items: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        merged: list[Table] = []
        pairs = zip(done.children[::2], done.children[1::2], strict=True)
        for key, value in pairs:
            if not isinstance(key, Scalar):
                self.problems.append(Problem(key.place, "", "a key must be a word"))
            elif key.plain and key.text == "<<":
                merged += self._merged(value)
            elif key.text in items:
                first = keys[key.text].line
                self.problems.append(Problem(key.place, visible(key.text), f"is said twice, first on line {first}"))
            else:
                items[key.text] = value
                keys[key.text] = key.place
        for table in merged:
            for name, value in table.items.items():
                if name not in items:
                    items[name] = value
                    keys[name] = table.keys[name]
        return Table(items, keys, done.place)

    def _merged(self, value: Node) -> list[Table]:
        tables = list(value.items) if isinstance(value, Sequence) else [value]
        if not all(isinstance(table, Table) for table in tables):
            self.problems.append(Problem(value.place, "<<", "takes a mapping, or a list of them"))
        return [table for table in tables if isinstance(table, Table)]

    def _scalar(self, event: Any, place: Place, *, key: bool) -> Scalar:
        plain = event.style in (None, "") and event.tag != "tag:yaml.org,2002:str"
        if key or "$" not in event.value:
            return Scalar(event.value, place, plain)
        foreign = False

        def value_of(match: re.Match[str]) -> str:
            nonlocal foreign
            if match[0] == "$$":
                return "$"
            foreign = True
            return self._variable(match[1], place)

        text = _VARIABLE.sub(value_of, event.value)
        return Scalar(text, place, plain and not foreign, foreign)

    def _variable(self, reference: str, place: Place) -> str:
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            message = f"${{{visible(reference)}}} is no variable; write $$ for a dollar sign"
            self.problems.append(Problem(place, "", message))
            return ""
        name, default = match[1], match[2]
        value = self.environ.get(name)
        if value is None or (value == "" and default is not None):
            if default is None:
                self.problems.append(
                    Problem(place, "", f"the variable {name} is not set; ${{{name}:-default}} has a default")
                )
            return default or ""
        return value


def merge(below: Node, above: Node) -> Node:
    """Return `above` laid over `below`: mappings are merged key by key, anything else is replaced whole."""
    if not (isinstance(below, Table) and isinstance(above, Table)):
        return above
    items = dict(below.items)
    for name, value in above.items.items():
        items[name] = merge(items[name], value) if name in items else value
    return Table(items, {**below.keys, **above.keys}, above.place if above.items else below.place)


def at(node: Node | None, *path: str) -> Node | None:
    """Return the node below `node` at `path`, or None when a step is missing."""
    for name in path:
        if not isinstance(node, Table):
            return None
        node = node.items.get(name)
    return node


def put(table: Table, value: Node, *path: str) -> Table:
    """Return `table` with `value` at `path`, making the mappings on the way; a scalar on the way is replaced."""
    name, rest = path[0], path[1:]
    if rest:
        inner = table.items.get(name)
        value = put(inner if isinstance(inner, Table) else empty(value.place.file), value, *rest)
    return Table({**table.items, name: value}, {**table.keys, name: table.keys.get(name, value.place)}, table.place)

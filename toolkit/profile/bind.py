"""Fill the structs of `model` from YAML nodes, and find every problem on the way, not only the first."""

from __future__ import annotations

import enum
import functools
import re
import shlex
import types
import typing
from pathlib import Path
from typing import Any

import msgspec

from toolkit.profile import model
from toolkit.profile.nodes import Node, Place, Problem, Scalar, Sequence, Table, dotted, visible
from toolkit.profile.secret import Secret
from toolkit.profile.units import Unit
from toolkit.retention import Rules

Path_ = tuple[str | int, ...]
WRONG: Any = object()
"""Stands for a value that could not be read; its problem is already noted."""


class Shape(msgspec.Struct, frozen=True):
    """A type taken apart: what it is at the base, and what its annotations add."""

    base: Any
    args: tuple[Any, ...] = ()
    optional: bool = False
    unit: Unit | None = None
    mark: model.Mark | None = None
    metas: tuple[msgspec.Meta, ...] = ()

    @property
    def structs(self) -> tuple[type[msgspec.Struct], ...]:
        """The struct, or the structs of a tagged union, that this is; empty for anything else."""
        options = self.args if self.base is typing.Union else (self.base,)
        return tuple(item for item in options if isinstance(item, type) and issubclass(item, msgspec.Struct))

    @property
    def description(self) -> str:
        """What the key means."""
        return next((meta.description for meta in self.metas if meta.description), "")


class Key(msgspec.Struct, frozen=True):
    """A field of a section."""

    name: str
    shape: Shape
    required: bool
    default: Any


@functools.cache
def shape(hint: Any) -> Shape:
    """Take the type `hint` apart."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *notes = typing.get_args(hint)
        found = shape(inner)
        for note in notes:
            if isinstance(note, Unit):
                found = msgspec.structs.replace(found, unit=note)
            elif isinstance(note, model.Mark):
                found = msgspec.structs.replace(found, mark=note)
            elif isinstance(note, msgspec.Meta):
                found = msgspec.structs.replace(found, metas=(note, *found.metas))
        return found
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        args = typing.get_args(hint)
        others = tuple(arg for arg in args if arg is not type(None))
        found = shape(others[0]) if len(others) == 1 else Shape(typing.Union, others)
        return msgspec.structs.replace(found, optional=len(others) < len(args))
    origin = typing.get_origin(hint)
    return Shape(origin or hint, typing.get_args(hint))


@functools.cache
def keys(section: type[msgspec.Struct]) -> tuple[Key, ...]:
    """Return the fields of `section`, in their order."""
    hints = typing.get_type_hints(section, include_extras=True)
    if section is Rules:
        hints = {**hints, **model.RULES}
    return tuple(
        Key(field.name, shape(hints[field.name]), field.required, field.default)
        for field in msgspec.structs.fields(section)
    )


def key_names(section: type[msgspec.Struct]) -> list[str]:
    """Return every key that may be written in `section`: a secret has three forms, a name is the key above."""
    named = issubclass(section, model.Profile | model.Destination)
    names = ["type"] if issubclass(section, model.Destination) else []
    for key in keys(section):
        if key.shape.base is Secret:
            names += [key.name, f"{key.name}_file", f"{key.name}_command"]
        elif not (named and key.name == "name"):
            names.append(key.name)
    return names


def nearest(word: str, known: list[str]) -> str:
    """Return `; did you mean "x"?` for the known word that is nearest to `word`, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def long_forms(table: Table, section: type[msgspec.Struct]) -> Table:
    """Return `table`, which is to fill `section`, with plain strings written out where a section is meant.

    Done before drop-ins are laid over each other: `vault: /v` and `vault: {trash: 1h}` must add up, and not
    move the vault.
    """
    items = dict(table.items)
    for key in keys(section):
        node, named = items.get(key.name), key.shape.mark is model.Mark.NAMED
        inner = shape(key.shape.args[0]).structs if named else key.shape.structs
        if node is None or len(inner) != 1:
            continue
        short = getattr(inner[0], "SHORT", "")
        if named and isinstance(node, Table):
            below = {
                name: long_forms(item, inner[0]) if isinstance(item, Table) else item
                for name, item in node.items.items()
            }
            items[key.name] = Table(below, node.keys, node.place)
        elif isinstance(node, Table):
            items[key.name] = long_forms(node, inner[0])
        elif short and isinstance(node, Scalar) and not node.null:
            items[key.name] = Table({short: node}, {short: node.place}, node.place)
    return Table(items, table.keys, table.place)


class Binder:
    """Reads nodes by shapes; collects `problems`, the place of every key and the files with secrets in them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.places: dict[Path_, Place] = {}
        self.secret_files: set[str] = set()

    def note(self, place: Place, path: Path_, message: str) -> Any:
        """Add a problem, and answer with the value that stands for it."""
        self.problems.append(Problem(place, dotted(path), message))
        return WRONG

    def bind(self, node: Node, wanted: Shape, path: Path_) -> Any:
        """Return the value of `node`, or `WRONG`."""
        self.places.setdefault(path, node.place)
        if isinstance(node, Scalar) and node.null:
            if wanted.optional:
                return None
            if wanted.base is not dict and wanted.mark is not model.Mark.NAMED and not wanted.structs:
                return self.note(node.place, path, "has no value")
        value = self._value(node, wanted, path)
        if value is WRONG or value is None:
            return value
        for meta in wanted.metas:
            if message := _beyond(value, meta):
                return self.note(node.place, path, message)
        return value

    def _value(self, node: Node, wanted: Shape, path: Path_) -> Any:
        if wanted.mark is model.Mark.NAMED:
            return self._named(node, wanted, path)
        if wanted.structs:
            return self._section(node, wanted.structs, path)
        if wanted.mark is model.Mark.COMMAND:
            return self._command(node, path)
        if wanted.base is tuple:
            return self._list(node, shape(wanted.args[0]), path)
        if wanted.base is dict:
            return self._words(node, path)
        if not isinstance(node, Scalar):
            found = "a list" if isinstance(node, Sequence) else "a mapping"
            return self.note(node.place, path, f"must be {_sort(wanted)}, not {found}")
        try:
            return _read(node.text, wanted)
        except ValueError as error:
            return self.note(node.place, path, str(error))

    def _named(self, node: Node, wanted: Shape, path: Path_) -> Any:
        if isinstance(node, Scalar) and node.null:
            return ()
        if not isinstance(node, Table):
            return self.note(node.place, path, "must be a mapping whose keys are the names")
        sections = shape(wanted.args[0]).structs
        found = []
        for name, item in node.items.items():
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name):
                message = "is no name; use up to 64 of a-z, 0-9 and -, not beginning with -"
                self.note(node.keys[name], (*path, name), message)
                continue
            self.places[(*path, name)] = node.keys[name]
            found.append(self._section(item, sections, (*path, name), name=name))
        return tuple(item for item in found if item is not WRONG)

    def _section(self, node: Node, sections: tuple[type[msgspec.Struct], ...], path: Path_, name: str = "") -> Any:
        section = sections[0] if len(sections) == 1 else self._by_type(node, sections, path)
        if section is None:
            return WRONG
        node = self._long_form(node, section, path)
        if not isinstance(node, Table):
            return WRONG
        known = key_names(section)
        for word in node.items:
            if word not in known:
                self.note(node.keys[word], (*path, word), f"unknown key{nearest(word, known)}")
        values: dict[str, Any] = {"name": name} if name else {}
        for key in keys(section):
            if name and key.name == "name":
                continue
            if key.shape.base is Secret:
                value = self._secret(node, key, path)
            elif key.name in node.items:
                self.places[(*path, key.name)] = node.keys[key.name]
                value = self.bind(node.items[key.name], key.shape, (*path, key.name))
            else:
                value = self.note(node.place, path, f'needs "{key.name}"') if key.required else key.default
            values[key.name] = value
        if any(value is WRONG for value in values.values()):
            return WRONG
        given = {key: value for key, value in values.items() if value is not msgspec.NODEFAULT}
        return section(**given)

    def _long_form(self, node: Node, section: type[msgspec.Struct], path: Path_) -> Node:
        if isinstance(node, Scalar) and node.null:
            return Table({}, {}, node.place)
        short = getattr(section, "SHORT", "")
        if isinstance(node, Scalar) and short:
            return Table({short: node}, {short: node.place}, node.place)
        if not isinstance(node, Table):
            self.note(node.place, path, f"must be a mapping with keys such as {', '.join(key_names(section)[:3])}")
        return node

    def _by_type(
        self, node: Node, sections: tuple[type[msgspec.Struct], ...], path: Path_
    ) -> type[msgspec.Struct] | None:
        tags = {str(section.__struct_config__.tag): section for section in sections}
        kind = node.items.get("type") if isinstance(node, Table) else None
        if not isinstance(kind, Scalar):
            self.note(node.place, path, f'needs "type": one of {", ".join(tags)}')
            return None
        if kind.text not in tags:
            known = ", ".join(tags)
            self.note(kind.place, (*path, "type"), f'"{visible(kind.text)}" is not known; choose from {known}')
        return tags.get(kind.text)

    def _secret(self, node: Table, key: Key, path: Path_) -> Any:
        forms = [name for name in (key.name, f"{key.name}_file", f"{key.name}_command") if name in node.items]
        if not forms:
            return (
                self.note(node.place, path, f'needs "{key.name}", "{key.name}_file" or "{key.name}_command"')
                if (key.required)
                else None
            )
        place, inner = node.keys[forms[0]], node.items[forms[0]]
        here = (*path, forms[0])
        if len(forms) > 1:
            return self.note(node.keys[forms[1]], (*path, forms[1]), f'and "{forms[0]}" exclude each other')
        self.places[(*path, key.name)] = place
        if forms[0].endswith("_command"):
            command = self.bind(inner, shape(model.Command), here)
            return Secret(command=command) if command is not WRONG else WRONG
        if forms[0].endswith("_file"):
            file = self.bind(inner, shape(Path), here)
            return Secret(file=file) if file is not WRONG else WRONG
        if isinstance(inner, Scalar) and inner.null:
            return None if key.shape.optional else self.note(place, here, "has no value")
        if not isinstance(inner, Scalar) or not inner.text:
            return self.note(place, here, "must be text")
        if not inner.foreign:
            self.secret_files.add(inner.place.file)
        return Secret(inner.text)

    def _command(self, node: Node, path: Path_) -> Any:
        if isinstance(node, Scalar):
            try:
                words = tuple(shlex.split(node.text))
            except ValueError:
                return self.note(node.place, path, "has a quotation mark without its pair")
        else:
            words = self._list(node, Shape(str), path)
        if words is not WRONG and not (words and words[0]):
            return self.note(node.place, path, "must name a command")
        return words

    def _list(self, node: Node, item: Shape, path: Path_) -> Any:
        if not isinstance(node, Sequence):
            return self.note(node.place, path, "must be a list")
        found = tuple(self.bind(child, item, (*path, number)) for number, child in enumerate(node.items))
        return WRONG if any(value is WRONG for value in found) else found

    def _words(self, node: Node, path: Path_) -> Any:
        if isinstance(node, Scalar) and node.null:
            return {}
        if not isinstance(node, Table):
            return self.note(node.place, path, "must be a mapping")
        found = {name: self.bind(item, Shape(str), (*path, name)) for name, item in node.items.items()}
        return WRONG if any(value is WRONG for value in found.values()) else found


def _sort(wanted: Shape) -> str:
    if wanted.unit:
        return f'a {wanted.unit.name} such as "{wanted.unit.example}"'
    return {bool: "true or false", int: "a number", Path: "a path"}.get(wanted.base, "text")


def _read(text: str, wanted: Shape) -> Any:
    """Return the value of `text`; raises `ValueError` with the message for the user."""
    if wanted.unit:
        return _unit(text, wanted.unit)
    if wanted.base is Path:
        return _path(text)
    if wanted.base is bool:
        return _boolean(text)
    if wanted.base is int:
        if not re.fullmatch(r"[+-]?[0-9]{1,15}", text, re.ASCII):
            raise ValueError(f'must be a whole number, not "{visible(text)}"')
        return int(text)
    if issubclass(wanted.base, enum.Enum):
        values = [str(item.value) for item in wanted.base]
        if text not in values:
            close = nearest(text, values)
            raise ValueError(f'"{visible(text)}" is not known{close or "; choose from " + ", ".join(values)}')
        return wanted.base(text)
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _unit(text: str, unit: Unit) -> Any:
    try:
        return unit.read(text)
    except ValueError as error:
        raise ValueError(f'"{visible(text)}" {error}') from None


def _boolean(text: str) -> bool:
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    raise ValueError(f'must be true or false, not "{visible(text)}"')


def _path(text: str) -> Path:
    if not text.startswith("/"):
        hint = "; ${HOME} stands for the home directory" if text.startswith("~") else ""
        raise ValueError(f'must be an absolute path, not "{visible(text)}"{hint}')
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    if ".." in text.split("/"):
        raise ValueError("must not hold ..")
    return Path(text)


def _beyond(value: Any, meta: msgspec.Meta) -> str:
    """Return what is wrong with `value` by the limits in `meta`, or nothing."""
    if isinstance(value, str):
        if meta.pattern is not None and not re.fullmatch(meta.pattern, value):
            return f'"{visible(value)}" does not have the form {meta.pattern}'
        if meta.min_length is not None and len(value) < meta.min_length:
            return "is too short"
        if meta.max_length is not None and len(value) > meta.max_length:
            return "is too long"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if meta.ge is not None and value < meta.ge:
            return f"must be {meta.ge} at least"
        if meta.le is not None and value > meta.le:
            return f"must be {meta.le} at most"
    return ""

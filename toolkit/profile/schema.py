"""The JSON Schema of the configuration, for editors: it accepts what `load` accepts, short forms included.

What several keys say together (levels of a format, names of destinations) is beyond it; `validate_text` says that.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import msgspec

from toolkit.profile.bind import Key, Shape, keys, shape
from toolkit.profile.model import Config, Destination, Mark, Profile, Vault
from toolkit.profile.secret import Secret
from toolkit.profile.show import written

Schema = dict[str, Any]
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{"}
_TEXT: Schema = {"type": ["string", "number"]}
_NAME = "^[a-z0-9][a-z0-9-]{0,63}$"
FILLED = {(Config, "vault"), (Vault, "path")}
"""Fields that always have a value in the model, and may be left out in YAML."""


def json_schema() -> Schema:
    """Return the schema (JSON Schema 2020-12) as what `json` can write."""
    definitions: dict[str, Schema] = {}
    top = _section(Config, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of Lifeboat",
        "description": "The words are explained in docs/reference/configuration.md.",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """Return the schema as the JSON text that `config schema` prints and `docs/format/config.schema.json` holds."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=1).decode() + "\n"


def _section(section: type[msgspec.Struct], definitions: dict[str, Schema]) -> Schema:
    properties: dict[str, Schema] = {}
    required: list[str] = []
    secrets: list[Schema] = []
    if issubclass(section, Destination):
        properties["type"] = {"const": section.__struct_config__.tag}
        required.append("type")
    for key in keys(section):
        if key.name == "name" and issubclass(section, Profile | Destination):
            continue
        if key.shape.base is Secret:
            properties |= _secret(key)
            if key.required:
                names = (key.name, f"{key.name}_file", f"{key.name}_command")
                secrets.append({"oneOf": [{"required": [name]} for name in names]})
            continue
        properties[key.name] = {**_described(key), **_value(key.shape, definitions)}
        if key.required and (section, key.name) not in FILLED:
            required.append(key.name)
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    if secrets:
        schema["allOf"] = secrets
    return schema


def _described(key: Key) -> Schema:
    found: Schema = {"description": key.shape.description} if key.shape.description else {}
    if key.default not in (msgspec.NODEFAULT, None, (), {}) and not isinstance(key.default, msgspec.Struct):
        found["default"] = written(key.default, key.shape)
    return found


def _secret(key: Key) -> dict[str, Schema]:
    said = key.shape.description
    return {
        key.name: {"description": said, **_TEXT},
        f"{key.name}_file": {"description": f"A file of mode 0600 that holds it. {said}", **_path()},
        f"{key.name}_command": {"description": f"A command that prints it. {said}", **_command()},
    }


def _value(wanted: Shape, definitions: dict[str, Schema]) -> Schema:
    if wanted.optional:
        return _either(_value(msgspec.structs.replace(wanted, optional=False), definitions), {"type": "null"})
    if wanted.mark is Mark.NAMED:
        items = _value(shape(wanted.args[0]), definitions)
        return {"type": ["object", "null"], "propertyNames": {"pattern": _NAME}, "additionalProperties": items}
    if wanted.structs:
        return _either(*(_reference(section, definitions) for section in wanted.structs))
    if wanted.mark is Mark.COMMAND:
        return _command()
    if wanted.base is tuple:
        return {"type": "array", "items": _value(shape(wanted.args[0]), definitions)}
    if wanted.base is dict:
        return {"type": ["object", "null"], "additionalProperties": _TEXT}
    return _scalar(wanted)


def _reference(section: type[msgspec.Struct], definitions: dict[str, Schema]) -> Schema:
    name = section.__name__
    if name not in definitions:
        definitions[name] = {}
        whole = _section(section, definitions)
        forms = [whole]
        if short := getattr(section, "SHORT", ""):
            key = next(key for key in keys(section) if key.name == short)
            plain = (
                _TEXT if key.shape.base is Secret else _value(msgspec.structs.replace(key.shape, optional=False), {})
            )
            forms.append(plain)
        if not whole.get("required") and not whole.get("allOf"):
            forms.append({"type": "null"})
        definitions[name] = {"description": (section.__doc__ or "").split("\n")[0], **_either(*forms)}
    return {"$ref": f"#/$defs/{name}"}


def _scalar(wanted: Shape) -> Schema:
    if wanted.unit:
        texts: Schema = {"type": "string", "pattern": f"^ *({wanted.unit.pattern}) *$"}
        return (
            _either(texts, {"type": "number", "minimum": 0}, _VARIABLE)
            if wanted.unit.numbers
            else _either(texts, _VARIABLE)
        )
    if wanted.base is Path:
        return _path()
    if wanted.base is bool:
        return _either({"type": "boolean"}, {"enum": ["true", "false"]}, _VARIABLE)
    if wanted.base is int:
        limits: Schema = {}
        for meta in wanted.metas:
            limits |= {"minimum": meta.ge} if meta.ge is not None else {}
            limits |= {"maximum": meta.le} if meta.le is not None else {}
        return _either({"type": "integer", **limits}, {"type": "string", "pattern": "^[+-]?[0-9]{1,15}$"}, _VARIABLE)
    if issubclass(wanted.base, enum.Enum):
        return _either({"enum": [item.value for item in wanted.base]}, _VARIABLE)
    patterns = [str(meta.pattern) for meta in wanted.metas if meta.pattern is not None]
    return (
        _either({"type": "string", "pattern": f"^{patterns[0]}$"}, {"type": "number"}, _VARIABLE) if patterns else _TEXT
    )


def _path() -> Schema:
    return {"type": "string", "pattern": r"^/|\$\{"}


def _command() -> Schema:
    return _either({"type": "string", "minLength": 1}, {"type": "array", "items": _TEXT, "minItems": 1})


def _either(*schemas: Schema) -> Schema:
    flat: list[Schema] = []
    for schema in schemas:
        flat += schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
    unique = [schema for number, schema in enumerate(flat) if schema not in flat[:number]]
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


if __name__ == "__main__":
    print(schema_text(), end="")  # noqa: T201 - the schema goes to stdout

"""The configuration in force, written as YAML that reads back the same, except for secrets, which are masked."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Any

import msgspec

from toolkit.profile.bind import Key, Shape, keys, shape
from toolkit.profile.model import Config, Destination, Mark
from toolkit.profile.secret import MASK, Secret

_DOLLAR = re.compile(r"\$(?=[${])")


def dump(config: Config) -> str:
    """Return `config` as YAML in ASCII: readable sizes and times, defaults included, no secret that stands in it."""
    import yaml

    return yaml.safe_dump(plain(config), sort_keys=False, default_flow_style=None, allow_unicode=False, width=110)


def plain(config: Config) -> dict[str, Any]:
    """Return `config` as what YAML and JSON can hold: the document of `config show`. Secrets are masked."""
    return _section(config)


def written(value: Any, wanted: Shape) -> Any:
    """Return `value`, which has the shape `wanted`, as it is written in YAML."""
    if value is None:
        return None
    if wanted.mark is Mark.NAMED:
        return {item.name: _short(item) for item in value}
    if isinstance(value, msgspec.Struct):
        return _short(value)
    if wanted.unit:
        return wanted.unit.write(value)
    if isinstance(value, tuple):
        inner = Shape(str) if wanted.mark is Mark.COMMAND else shape(wanted.args[0])
        return [written(item, inner) for item in value]
    if isinstance(value, dict):
        return {name: literal(item) for name, item in value.items()}
    if isinstance(value, enum.Enum):
        return value.value
    return literal(str(value)) if isinstance(value, str | Path) else value


def literal(text: str) -> str:
    """Return `text` so that no variable is replaced in it when it is read."""
    return _DOLLAR.sub("$$", text)


def _short(section: msgspec.Struct) -> Any:
    short = getattr(section, "SHORT", "")
    if short and all(getattr(section, key.name) == key.default for key in keys(type(section)) if key.name != short):
        value = getattr(section, short)
        if value is not None and not isinstance(value, Secret):
            return written(value, next(key.shape for key in keys(type(section)) if key.name == short))
    return _section(section)


def _section(section: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = {}
    named = isinstance(section, Destination) or type(section).__name__ == "Profile"
    if isinstance(section, Destination):
        found["type"] = section.__struct_config__.tag
    for key in keys(type(section)):
        value = getattr(section, key.name)
        if (named and key.name == "name") or _silent(value, key):
            continue
        if isinstance(value, Secret):
            name, shown = _secret(key.name, value)
            found[name] = shown
        else:
            found[key.name] = written(value, key.shape)
    return found


def _silent(value: Any, key: Key) -> bool:
    return (value is None or value in ((), {})) and key.default in (value, msgspec.NODEFAULT)


def _secret(name: str, secret: Secret) -> tuple[str, Any]:
    if secret.file is not None:
        return f"{name}_file", literal(str(secret.file))
    if secret.command is not None:
        return f"{name}_command", [literal(word) for word in secret.command]
    return name, MASK

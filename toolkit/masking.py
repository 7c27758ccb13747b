"""Secrets never reach a journal, a log or a terminal: what is registered here is masked before it is said."""

from __future__ import annotations

import base64
import enum
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from toolkit.events import RawName

STARS = "***"

_SHORT = 4
"""Secrets with fewer characters are masked as whole words only: else half of every sentence would go."""
_ADDRESS = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")
"""User and password in an address such as https://user:password@host/."""

Value = TypeVar("Value")


def _spellings(secret: str) -> set[str]:
    """Return the ways in which `secret` shows up: as it is, in an address, in JSON, and line by line."""
    from urllib.parse import quote

    raw = secret.encode(errors="surrogateescape")
    lines = {line.strip() for line in secret.splitlines() if len(line.strip()) >= 2 * _SHORT}
    quoted = msgspec.json.encode(raw.decode(errors="backslashreplace"))[1:-1].decode()
    spellings = {secret, secret.strip(), quoted, quote(raw, safe=""), quote(raw), *lines}
    if len(raw) >= 2 * _SHORT:
        spellings.add(base64.b64encode(raw).decode().rstrip("="))
    return {spelling for spelling in spellings if spelling.strip()}


class Mask:
    """Replaces registered secrets, and passwords in addresses, by `***`. Safe to use from several threads."""

    __slots__ = ("_pattern", "_spellings")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spellings: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Register `secrets`; empty ones are ignored."""
        found = {spelling for secret in secrets for spelling in _spellings(secret)}
        if found <= self._spellings:
            return
        self._spellings = self._spellings | found
        longest_first = sorted(self._spellings, key=lambda spelling: (-len(spelling), spelling))
        self._pattern = re.compile(
            "|".join(
                re.escape(spelling) if len(spelling) >= _SHORT else rf"(?<!\w){re.escape(spelling)}(?!\w)"
                for spelling in longest_first
            )
        )

    def text(self, text: str) -> str:
        """Return `text` without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(STARS, text)
        return _ADDRESS.sub(STARS, text) if "://" in text else text

    def struct(self, value: Value) -> Value:
        """Return `value`, a struct, with every text in it (not the words of an enumeration) masked."""
        masked: Value = self._walk(value)
        return masked

    def _walk(self, value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, RawName):
            return self._raw_name(value)
        if isinstance(value, msgspec.Struct):
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            masked = {name: self._walk(field) for name, field in fields.items()}
            changed = {name: field for name, field in masked.items() if field is not fields[name]}
            return msgspec.structs.replace(value, **changed) if changed else value
        if isinstance(value, tuple | list):
            return type(value)(self._walk(item) for item in value)
        if isinstance(value, dict):
            return {self._walk(key): self._walk(item) for key, item in value.items()}
        return value

    def _raw_name(self, name: RawName) -> RawName:
        try:
            raw = base64.b64decode(name.b64, validate=True).decode(errors="surrogateescape")
        except ValueError:
            return RawName(self.text(name.text), self.text(name.b64))
        masked = self.text(raw)
        if masked == raw:
            return name
        return RawName(self.text(name.text), base64.b64encode(masked.encode(errors="surrogateescape")).decode())

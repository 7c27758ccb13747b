"""Names for destinations that keep only names: the properties of an object, in its key.

    HOST/PROFILE/KIND/BACKUP.ROLE.SHA256.MARK~NAME

`MARK` is 8 random digits, so that doubled names are two keys. Bytes other than letters, digits and `._-` are `%XX`
in the folders. What is not of this form was put there by hand: its name is the last part, and it has no properties.
"""

from __future__ import annotations

import os
import re
import secrets
from urllib.parse import unquote_to_bytes

from toolkit.destinations.base import Properties, Role
from toolkit.errors import DestinationError

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_LAST = re.compile(
    r"(?P<backup_id>[a-z0-9]{1,32})\.(?P<role>[a-z-]+)\.(?P<sha256>[0-9a-f]{64})\.[0-9a-f]{8}~(?P<name>[^/\0]+)"
)


def segment(text: str) -> str:
    """Return `text` as a harmless name of a folder; different texts stay different."""
    out = "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in os.fsencode(text)) or "%"
    return f"%2E{out[1:]}" if out.startswith(".") else out


def _text(part: str) -> str:
    return "" if part == "%" else os.fsdecode(unquote_to_bytes(part))


def make_key(properties: Properties) -> str:
    """Return a new key for an object; raises `DestinationError` for a name that is none."""
    name = properties.file_name
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise DestinationError("this is no name for an object", subject=name)
    folders = "/".join(segment(part) for part in (properties.host, properties.profile, properties.kind))
    mark = secrets.token_hex(4)
    return f"{folders}/{properties.backup_id}.{properties.role}.{properties.sha256}.{mark}~{name}"


def parse_key(key: str) -> Properties | None:
    """Return the properties that a key says, or None for one that somebody else made."""
    parts = key.split("/")
    match = _LAST.fullmatch(parts[-1])
    if len(parts) != 4 or match is None or match["role"] not in set(Role):
        return None
    host, profile, kind = (_text(part) for part in parts[:3])
    return Properties(
        role=Role(match["role"]),
        profile=profile,
        kind=kind,
        host=host,
        backup_id=match["backup_id"],
        sha256=match["sha256"],
        file_name=match["name"],
    )


def is_safe(key: str) -> bool:
    """Say whether an id leads to an object of ours: below the folder, and to nothing hidden."""
    return all(part and not part.startswith(".") and "\0" not in part for part in key.split("/"))

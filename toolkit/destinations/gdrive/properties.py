"""Properties as `appProperties`, and queries as Drive's search language.

Drive takes 30 of them, 124 bytes each with its key (Drive v3 guide, "Add custom file properties"), so long values go
on under `KEY.1`, `KEY.2`. They belong to the client that set them: another client sees the file without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from toolkit.destinations.base import Properties, Query, RemoteObject

MARK = "lifeboat"
VERSION = "1"
FOLDER = "application/vnd.google-apps.folder"
FIELDS = "id,name,size,md5Checksum,sha256Checksum,modifiedTime,webViewLink,appProperties,mimeType,trashed,parents"
"""What is asked of every file."""
_MOST = 124


def encode(properties: Properties) -> dict[str, str]:
    """Return `properties` as Drive keeps them."""
    kept = {MARK: VERSION}
    for key, value in msgspec.to_builtins(properties).items():
        kept.update(_pieces(key, str(value)))
    return kept


def _pieces(key: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield (key, value) with values that fit, cut between characters."""
    number, name = 0, key
    while True:
        piece = value.encode()[: _MOST - len(name)].decode(errors="ignore")
        yield name, piece
        value = value[len(piece) :]
        if not value:
            return
        number += 1
        name = f"{key}.{number}"


def decode(kept: Mapping[str, str]) -> Properties | None:
    """Return the properties that Drive keeps, None where no Lifeboat set them, or a newer one in another form."""
    if kept.get(MARK) != VERSION:
        return None
    values = {}
    for key in Properties.__struct_fields__:
        name, number, whole = key, 0, ""
        while name in kept:
            whole += kept[name]
            number += 1
            name = f"{key}.{number}"
        values[key] = whole
    try:
        return msgspec.convert(values, Properties)
    except msgspec.ValidationError:
        return None


def quoted(text: str) -> str:
    """Return `text` as a literal of the search language."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def search(folders: tuple[str, ...], query: Query) -> str:
    """Return the search for what `query` asks for in `folders`; it may find more, never less (see `_pieces`)."""
    where = " or ".join(f"{quoted(folder)} in parents" for folder in folders)
    terms = [f"({where})", "trashed = false", f"mimeType != {quoted(FOLDER)}"]
    asked = {key: str(value) for key, value in msgspec.structs.asdict(query).items() if value}
    if asked:
        asked = {MARK: VERSION, **asked}
    for key, value in asked.items():
        first = next(_pieces(key, value))[1]
        terms.append(f"appProperties has {{ key={quoted(key)} and value={quoted(first)} }}")
    return " and ".join(terms)


def remote_object(resource: Mapping[str, Any]) -> RemoteObject:
    """Return what Drive says of a file (`FIELDS`)."""
    modified = resource.get("modifiedTime")
    return RemoteObject(
        id=resource["id"],
        name=resource.get("name", ""),
        size=int(resource.get("size", 0)),
        properties=decode(resource.get("appProperties", {})),
        sha256=resource.get("sha256Checksum", ""),
        md5=resource.get("md5Checksum", ""),
        modified=datetime.fromisoformat(modified) if modified else None,
        link=resource.get("webViewLink", ""),
    )

"""Choices for clashes, kept in a plan file and replayed: by a person who edits it, by the UI, by Ansible."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import FormatError, OutdatedPlanError, UsageError
from toolkit.filelist import decode_name
from toolkit.operations.plan import Plan
from toolkit.operations.report import clean
from toolkit.operations.restoring.plan import ClashRow, RestorePlan
from toolkit.operations.restoring.request import OnConflict

VERSION = 1
_HINT = "make one with --dry-run --plan FILE"


def keep(path: Path, made: RestorePlan) -> None:
    """Write the plan and its clashes with their choices (null where nobody decided) to the file `path`."""
    document = {
        "lifeboat_plan": VERSION,
        "backup": made.request.backup.manifest.id,
        "digest": made.plan.digest,
        "plan": clean(msgspec.to_builtins(made.plan)),
        "clashes": [clean(msgspec.to_builtins(row)) for row in made.clashes],
    }
    _write(path, document)


def _write(path: Path, document: dict[str, Any]) -> None:
    with durable.translated(path):
        durable.write_file(path, msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


class PlanFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan file says: of which backup, the plan, and its clashes in their order with the choices so far."""

    backup: str
    plan: Plan
    clashes: tuple[ClashRow, ...]


def read(path: Path) -> PlanFile:
    """Return what the file `path` says; raises `FormatError` when it is no plan file, `StorageError` and the like."""
    document = _names(_document(path))
    try:
        return msgspec.convert(document, PlanFile)
    except msgspec.ValidationError as error:
        raise FormatError("this is no plan file", subject=path, hint=_HINT) from error


def choose(path: Path, choices: Mapping[str, OnConflict]) -> None:
    """Write `choices` (by path) into the plan file `path`; the others stay as they are. Raises what `read` raises."""
    document = _document(path)
    for row in document["clashes"]:
        choice = choices.get(decode_name(row["path"]))
        if choice is not None:
            row["choice"] = choice.value
    _write(path, document)


def _names(value: Any) -> Any:
    """Return plain `value` with every name as the kernel gave it."""
    if isinstance(value, dict):
        if value.keys() == {"text", "b64"}:
            return decode_name(value)
        return {key: _names(item) for key, item in value.items()}
    return [_names(item) for item in value] if isinstance(value, list) else value


def _document(path: Path) -> dict[str, Any]:
    with durable.translated(path):
        data = path.read_bytes()
    try:
        document: Any = msgspec.json.decode(data)
        version = document["lifeboat_plan"]
        document["clashes"] = list(document["clashes"])
        newer = version > VERSION
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise FormatError("this is no plan file", subject=path, hint=_HINT) from error
    if newer:
        raise FormatError("the plan file is of a newer Lifeboat", subject=path, hint="upgrade Lifeboat")
    found: dict[str, Any] = document
    return found


def replay(path: Path, made: RestorePlan) -> None:
    """Take the choices of the file `path` into `made`.

    Raises `OutdatedPlanError` when the plan in the file saw another state of the target or is for another
    backup, `FormatError` when it is no such file, `UsageError` for a choice that is none.
    """
    document = _document(path)
    try:
        rows = document["clashes"]
        chosen = {decode_name(row["path"]): row["choice"] for row in rows if row["choice"] is not None}
    except (KeyError, TypeError) as error:
        raise FormatError("this is no plan file", subject=path, hint=_HINT) from error
    if document.get("backup") != made.request.backup.manifest.id or document.get("digest") != made.plan.digest:
        raise OutdatedPlanError(
            "the target changed since the plan file was made, or it is for another backup; nothing was changed",
            subject=path,
            hint="make it again with --dry-run --plan FILE",
        )
    try:
        made.decide({name: OnConflict(choice) for name, choice in chosen.items()})
    except ValueError as error:
        raise UsageError("a choice in the plan file is none of replace, skip, rename", subject=path) from error

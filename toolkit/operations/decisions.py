"""Choices for clashes, kept in a plan file and replayed: by a person who edits it, by the UI, by Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import FormatError, OutdatedPlanError, UsageError
from toolkit.filelist import decode_name, encode_name
from toolkit.operations.report import clean
from toolkit.operations.restore_plan import OnConflict, RestorePlan

VERSION = 1


def keep(path: Path, made: RestorePlan) -> None:
    """Write the plan and its clashes with their choices (null where nobody decided) to the file `path`."""
    document = {
        "lifeboat_plan": VERSION,
        "backup": made.request.backup.manifest.id,
        "digest": made.plan.digest,
        "plan": clean(msgspec.to_builtins(made.plan)),
        "clashes": [
            {"path": encode_name(row.path), "kind": row.kind, "size": row.size, "choice": row.choice}
            for row in made.clashes
        ],
    }
    with durable.translated(path):
        durable.write_file(path, msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def replay(path: Path, made: RestorePlan) -> None:
    """Take the choices of the file `path` into `made`.

    Raises `OutdatedPlanError` when the plan in the file saw another state of the target or is for another
    backup, `FormatError` when it is no such file, `UsageError` for a choice that is none.
    """
    with durable.translated(path):
        data = path.read_bytes()
    try:
        document: Any = msgspec.json.decode(data)
        version, rows = document["lifeboat_plan"], document["clashes"]
        chosen = {decode_name(row["path"]): row["choice"] for row in rows if row["choice"] is not None}
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise FormatError("this is no plan file", subject=path, hint="make one with --dry-run --plan FILE") from error
    if version > VERSION:
        raise FormatError("the plan file is of a newer Lifeboat", subject=path, hint="upgrade Lifeboat")
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

"""What others want from a running job: small files in its `answers/`, each written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.events import AnswerScope, By
from toolkit.jobs.journal import ANSWERS, utc_now

CANCEL = "cancel"


class Request(msgspec.Struct, frozen=True):
    """A wish of `by`: to cancel, or to answer a question with `choice`."""

    by: By
    choice: str = ""
    scope: AnswerScope = AnswerScope.THIS
    when: str = ""


def leave_request(directory: Path, name: str, request: Request) -> None:
    """Leave `request` for the runner of the job in `directory`; `name` is `CANCEL` or a question's id.

    Raises `StorageError` or `ForbiddenError`.
    """
    stamped = msgspec.structs.replace(request, when=utc_now().isoformat())
    with durable.translated(directory):
        durable.write_file(directory / ANSWERS / f"{name}.json", msgspec.json.encode(stamped))


def find_request(directory: Path, name: str) -> Request | None:
    """Return the request that was left under `name`, None when there is none or it makes no sense."""
    try:
        return msgspec.json.decode((directory / ANSWERS / f"{name}.json").read_bytes(), type=Request)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None

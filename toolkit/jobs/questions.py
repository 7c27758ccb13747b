"""How a question is settled when nobody at this terminal answers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from toolkit.display import display
from toolkit.errors import UndecidedError
from toolkit.events import Answered, Asked, QuestionKind, plain_name
from toolkit.jobs.requests import find_request

_LOOK = 0.25


def settle(
    question: Asked,
    directory: Path | None,
    *,
    check: Callable[[], None],
    clock: Callable[[], float],
    pause: Callable[[float], object],
) -> Answered:
    """Return the answer that is left in `directory`, or the default when its time is over.

    Without a directory, and for secrets, nobody is waited for. `check` is called before each look and may
    raise. Raises `UndecidedError` when there is neither an answer nor a default.
    """
    began = clock()
    while directory is not None and question.kind is not QuestionKind.SECRET:
        check()
        request = find_request(directory, question.qid)
        if request is not None and (not question.choices or request.choice in question.choices):
            return Answered(qid=question.qid, choice=request.choice, scope=request.scope, by=request.by)
        limit = question.default_after_s
        if question.default is not None and limit is not None and clock() - began >= limit:
            break
        pause(_LOOK)
    if question.default is None:
        raise UndecidedError(
            "nobody is there to decide",
            subject=display(plain_name(question.subject)),
            hint="decide it on the command line",
        )
    return Answered(qid=question.qid, choice=question.default)

"""The steps of a restore, with what each moves and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.operations.application.services import Command, planned_title, step_title
from toolkit.operations.pace import Estimate, timed
from toolkit.operations.pace_records import History
from toolkit.operations.plan import Step


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much a restore moves: files that are written, files that are kept first; all in bytes but the counts.

    `comes` and `replaces` count databases; `checked` are the bytes of those that are checked: in full where `deep`,
    else their rows are counted.
    """

    bytes: int
    items: int
    comes: int
    checked: int
    kept_bytes: int
    kept_items: int
    deep: bool
    replaces: int
    safety: bool
    services: tuple[Command, ...] = ()


def steps(amounts: Amounts, history: History) -> Iterator[Step]:
    """Yield the steps in their order; the application is down from `stop` until `start` is done."""
    names: list[tuple[str, str]] = [("stage", "restore to a hidden folder beside the target, compare every digest")]
    if amounts.comes:
        names.append(("check", "check the restored databases and compare them with the manifest"))
    if amounts.services:
        names.append(("stop", planned_title("stop", amounts.services)))
    if amounts.safety:
        names.append(("safety", "keep what is there now in a safety backup"))
    names.append(("place", "give everything its name"))
    if amounts.services:
        names.append(("start", planned_title("start", amounts.services)))
    offline = False
    for number, (name, title) in enumerate(names, 1):
        offline = offline or name == "stop"
        step = Step(
            n=number,
            name=name,
            title=title,
            writes_bytes={"stage": amounts.bytes, "safety": amounts.kept_bytes}.get(name, 0),
            deletes=amounts.replaces if name == "place" else 0,
            offline=offline and name != "start",
            cancel="never" if name == "place" else "now",
            undo="manual" if name == "place" else "auto",
        )
        yield timed(step, _estimate(name, amounts, history))


def _estimate(name: str, amounts: Amounts, history: History) -> Estimate | None:
    if name == "stage":
        return history.estimate("stage", size=amounts.bytes, items=amounts.items)
    if name == "check":
        return history.estimate("check" if amounts.deep else "counts", size=amounts.checked)
    if name == "safety":
        return history.estimate("safety", size=amounts.kept_bytes, items=amounts.kept_items)
    if name == "place":
        return history.estimate("place", size=amounts.checked if amounts.deep else 0, items=amounts.items)
    return history.same(name, step_title(name, amounts.services))

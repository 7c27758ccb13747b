"""The plan of a destructive operation: what it would do, as data with a digest (TUI.md section 4.6).

`--dry-run`, the JSON, the question before it and Ansible's check mode show this same object; `apply`
gets it back and refuses when the world moved.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from toolkit.errors import OutdatedPlanError


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step: what happens, what it writes or removes, whether it can be cancelled and undone."""

    n: int
    name: str
    title: str
    est_s: float | None = None
    writes_bytes: int = 0
    deletes: int = 0
    offline: bool = False
    cancel: Literal["now", "after_step", "never"] = "now"
    undo: Literal["auto", "manual", "none"] = "auto"


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What is lost by going on, in words, since when, and in rows by table where that is known."""

    text: str = ""
    since: str | None = None
    rows: dict[str, int] = {}


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes needed and there, and whether only root can do it."""

    free: int = 0
    have: int = 0
    root: bool = False


class Clashes(msgspec.Struct, frozen=True, kw_only=True):
    """How many names are the same, missing or different at the target, and how the different ones differ."""

    same: int = 0
    missing: int = 0
    differ: int = 0
    by_kind: dict[str, int] = {}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation would do. `state` is what it saw of the target; the digest covers all of it."""

    op: str
    targets: tuple[str, ...]
    steps: tuple[Step, ...]
    loses: Loss = Loss()
    keeps: str = ""
    needs: Needs = Needs()
    clashes: Clashes = Clashes()
    confirm: Literal["none", "key", "word"] = "key"
    confirm_word: str = ""
    cli: str = ""
    state: tuple[str, ...] = ()
    digest: str = ""

    def sealed(self) -> Plan:
        """Return the plan with its digest (12 hex digits over the operation, its targets, steps and state)."""
        seen: list[Any] = [self.op, self.targets, [step.name for step in self.steps], self.state]
        digest = hashlib.sha256(msgspec.json.encode(_plain(seen))).hexdigest()[:12]
        return msgspec.structs.replace(self, digest=digest)

    def require(self, fresh: Plan) -> None:
        """Raise `OutdatedPlanError` unless `fresh`, made just now, sees the same world."""
        if self.digest != fresh.digest:
            moved = sorted(set(self.state) ^ set(fresh.state))
            raise OutdatedPlanError(
                "the target changed since the plan was made; nothing was changed",
                subject=moved[0].rpartition("|")[0] if moved else None,
                hint="look at the plan again and confirm the new one",
            )

    def require_digest(self, digest: str | None) -> None:
        """Raise `OutdatedPlanError` unless `digest`, of what was confirmed, is that of this plan; None passes."""
        if digest is not None and digest != self.digest:
            raise OutdatedPlanError(
                "this is not the plan that was confirmed: the target changed since; nothing was changed",
                subject=self.targets[0] if self.targets else None,
                hint=f"look at the plan again (--dry-run) and confirm the new one; its digest is {self.digest}",
            )


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="surrogateescape").hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

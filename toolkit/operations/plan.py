"""The plan of a destructive operation: what it would do, as data with a digest (TUI.md section 4.6).

`--dry-run`, the JSON, the question before it and Ansible's check mode show this same object; `apply`
gets it back and refuses when the world moved.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from toolkit.errors import OutdatedPlanError

Basis = Literal["", "recorded", "measured", "guess"]
"""What an estimate stands on: what the same took here before, what was timed for this plan, or a rule of thumb."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step: what happens, what it writes or removes, whether it can be cancelled and undone.

    `est_s` is how many seconds it takes, as far as can be told before (None: nothing is known), and `est_by` what that
    stands on.
    """

    n: int
    name: str
    title: str
    est_s: float | None = None
    est_by: Basis = ""
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


class Takes(msgspec.Struct, frozen=True, kw_only=True):
    """How many seconds the whole takes from the confirmation on, and for how many of them the application is down.

    `est_s` adds up the steps but those that are `unknown`, by name; None where nothing is known of any. `offline_s` is
    None where nothing is stopped. `by` is what most of it stands on. `look_s` is what making the plan took: one that is
    confirmed later, by its digest, is made again first.
    """

    est_s: float | None = None
    offline_s: float | None = None
    look_s: float | None = None
    by: Basis = ""
    unknown: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation would do. `state` is what it saw of the target.

    The digest covers what would be done to what; how long that may take (`takes` and the steps' estimates) is no part
    of it, since it differs each time.
    """

    op: str
    targets: tuple[str, ...]
    steps: tuple[Step, ...]
    loses: Loss = Loss()
    keeps: str = ""
    needs: Needs = Needs()
    clashes: Clashes = Clashes()
    takes: Takes = Takes()
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

"""`config set-retention`: other rules for what is kept, in a drop-in; what they would delete is shown first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import NotFoundError, UsageError
from toolkit.operations import drop_in
from toolkit.operations.pace import removing, takes, timed
from toolkit.operations.plan import Plan, Step
from toolkit.operations.prune import PruneReport, describe
from toolkit.operations.session import Session
from toolkit.profile.units import format_duration, parse_duration, parse_size
from toolkit.retention import Rules
from toolkit.vault import prune as pruning
from toolkit.wording import count_text

HEADER = "# Written by `lifeboat config set-retention`: it takes the place of the `retention` in the files before it.\n"
COMMAND = "lifeboat config set-retention"
NAMES = tuple(name.replace("_", "-") for name in Rules.__struct_fields__)
"""The rules as they are typed: `daily`, `keep-daily`, `max-age` and so on."""

_HINT = "such as daily=7 weekly=4 keep-yearly=3 max-age=90d max-size=200GB; `none` takes a rule away"


def changes(words: Sequence[str]) -> dict[str, Any]:
    """Return what `words` (`daily=7`, `max-age=90d`, `weekly=none`) set of the rules, by the name of the field.

    Raises `UsageError` with what is wrong, also where nothing is set.
    """
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if name not in NAMES:
            raise UsageError(f"{name or 'nothing'} is no rule", hint=f"one of: {', '.join(NAMES)}")
        if not sign or not value:
            raise UsageError(f"how many of {name}?", hint=_HINT)
        found[name.replace("-", "_")] = None if value == "none" else _value(name, value)
    if not found:
        raise UsageError("no rule was named", hint=_HINT)
    return found


def _value(name: str, text: str) -> Any:
    if name in ("max-age", "max-size"):
        try:
            return parse_duration(text) if name == "max-age" else parse_size(text)
        except ValueError as error:
            raise UsageError(f"{name}: {text} {error}", hint=_HINT) from error
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{name}: {text} is no number of backups", hint=_HINT)
    return int(text)


def plan(session: Session, profile: str, words: Sequence[str]) -> PruneReport:
    """Return what the rules of `profile` with `words` in their place would delete now, and the plan to set them.

    Nothing is deleted by setting them: the next backup, or `prune`, does that. The plan asks for the number of backups
    that would go, for nothing where none would. Raises `UsageError`, `ProfileNotFoundError`.
    """
    rules = _rules(session, profile, words)
    try:
        made = pruning.plan_prune(session.existing_vault, profile, rules, now=session.now())
        report = describe(session, (made,))
        digest = made.digest
    except NotFoundError:  # no vault yet
        report, digest = PruneReport(), ""
    count = len(report.removed)
    before = " ".join(_words(session.config.profile(profile).retention, changes(words)))
    later = f"; the next backup then deletes {count_text(count, 'backup')} for good" if count else ""
    step = Step(n=1, name="write", title=f"write the rules of {profile} into the configuration{later}")
    step = timed(step, removing(1))
    report.plan = Plan(
        op="retention",
        targets=(profile,),
        steps=(step,),
        takes=takes((step,)),
        keeps=f"every backup, until the next one is made; the rules before: {COMMAND} {profile} {before}",
        confirm="word" if count else "none",
        confirm_word=str(count) if count else "",
        cli=" ".join((COMMAND, profile, *words)),
        state=(digest, _text(profile, rules)),
    ).sealed()
    return report


def apply(session: Session, profile: str, words: Sequence[str], config: Path | None) -> PruneReport:
    """Write the rules. The whole configuration is validated with them first.

    Raises `UsageError`, `ProfileNotFoundError`, `ConfigError`, `RefusedError` for a drop-in that Lifeboat did not
    write, `StorageError`; nothing is changed then.
    """
    text = _text(profile, _rules(session, profile, words))
    changed = drop_in.write(session, f"90-retention-{profile}.yaml", HEADER, text, config)
    report = PruneReport()
    report.changed = changed
    return report


def _rules(session: Session, profile: str, words: Sequence[str]) -> Rules:
    return msgspec.structs.replace(session.config.profile(profile).retention, **changes(words))


def _text(profile: str, rules: Rules) -> str:
    """Return the drop-in: every rule, so that none of the files below shows through."""
    pairs = ", ".join(f"{name}: {_told(name, value)}" for name, value in msgspec.structs.asdict(rules).items())
    return f"profiles:\n  {profile}:\n    retention: {{{pairs}}}\n"


def _words(rules: Rules, changed: dict[str, Any]) -> list[str]:
    """Return the rules before as words, of those that are `changed`."""
    before = {name: getattr(rules, name) for name in changed}
    return [f"{name.replace('_', '-')}={_told(name, value, none='none')}" for name, value in before.items()]


def _told(name: str, value: Any, none: str = "null") -> str:
    if value is None:
        return none
    return format_duration(value) if name == "max_age" else str(value)

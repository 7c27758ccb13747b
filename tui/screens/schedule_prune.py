"""What retention would delete now: each backup with the reason, other rules tried out, and deleting by number."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from textual.content import Content

from toolkit.errors import UsageError
from toolkit.operations import retention_set
from toolkit.operations.planned import Planned
from toolkit.operations.prune import PruneRow
from toolkit.wording import age_text, size_text
from tui.act import Act
from tui.screens.form import AskLine
from tui.screens.page import wrapped
from tui.screens.plan import PlanScreen
from tui.text import put
from tui.verbs import Verb

if TYPE_CHECKING:
    from tui.app import LifeboatApp

OPTIONS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
MOST_SHOWN = 200


class Verdicts(PlanScreen):
    """A plan that deletes by rules: each backup that would go, with the reason, before what the plan says."""

    MODE = ""
    tried = ""
    """The rules that were typed, where they are not those of the profile."""

    def outcome(self, found: Planned) -> Iterator[Content]:
        """Yield each backup that would go, with the reason, before the plan."""
        yield from super().outcome(found)
        if found.plan is None:
            return
        document = self.looking.document
        going = _rows(document, "removed")
        kept = _rows(document, "kept")
        now, width = self.ui.session.now(), self.size.width
        tried = f"   (tried: {self.tried})" if self.tried else ""
        yield put(f"  {len(going):,} would go, {len(kept):,} stay{tried}")
        for row in going[:MOST_SHOWN]:
            head = f"  {row.id}  {row.profile} {row.kind}, {size_text(row.size)}, {age_text(row.started, now)}: "
            yield from wrapped(head, row.reason, width)
        if len(going) > MOST_SHOWN:
            yield put(f"  and {len(going) - MOST_SHOWN:,} more: lifeboat prune --dry-run lists all")


class PruneScreen(Verdicts):
    """The plan of `prune` for a profile, or for all. It asks for the number of backups that would go."""

    TITLE_LINE = "what goes is gone for good: the number must be typed"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        PlanScreen.VERBS[0],
        Verb(name="rules", key="e", label="Rules", help="try other rules, such as: daily 7 weekly 4 max-age 90d"),
        *PlanScreen.VERBS[1:],
    )

    def __init__(self, profile: str) -> None:
        self._profile = profile
        of = f" of {profile}" if profile else ""
        words = ("prune", profile) if profile else ("prune",)
        act = Act(words=words, title=f"retention{of}", operation="prune", targets=words[1:])
        super().__init__(act, f"Retention{of}", "Delete these backups for good?")

    def do_rules(self) -> None:
        """Ask for other rules, and plan with them; the configuration stays as it is."""

        def shows(text: str) -> tuple[str, str]:
            words, wrong = rule_words(text)
            return self.ui.line(Act(words=(*self._base, *words, "--dry-run"), title="")), wrong

        def answered(text: str | None) -> None:
            if text is not None:
                self.tried = text
                words, _ = rule_words(text)
                self.act = msgspec.structs.replace(self.act, words=(*self._base, *words))
                self.do_again()

        more = ("Such as: daily 7 weekly 4 max-age 90d max-size 200GB. Nothing: the rules of the profile.",)
        question = "What would other rules delete? The configuration stays as it is."
        self.ui.push_screen(AskLine(question, shows, value=self.tried, more=more), answered)

    @property
    def _base(self) -> tuple[str, ...]:
        return ("prune", self._profile) if self._profile else ("prune",)


class RetentionScreen(Verdicts):
    """The plan to keep other numbers of backups of `profile` from now on; `text` are the rules as they were typed."""

    TITLE_LINE = "what other rules would delete at the next backup; nothing is deleted by setting them"

    def __init__(self, profile: str, text: str) -> None:
        self.tried = text
        words = ("config", "set-retention", profile, *text.split())
        act = Act(words=words, title=f"rules of {profile}", operation="retention", targets=(profile,))
        super().__init__(act, f"Rules of {profile}", "Have the next backup delete these for good?")


def ask_rules(ui: LifeboatApp, profile: str, value: str) -> None:
    """Ask for other rules of `profile`, beginning with those in `value`, then show what they would delete."""

    def shows(text: str) -> tuple[str, str]:
        act = Act(words=("config", "set-retention", profile, *text.split()), title="")
        try:
            retention_set.changes(text.split())
        except UsageError as error:
            return ui.line(act), f"{error.message}; {error.hint}"
        return ui.line(act), ""

    def answered(text: str | None) -> None:
        if text is not None:
            ui.push_screen(RetentionScreen(profile, text))

    more = ("Each is a number of backups, or none: daily=7 weekly=4 keep-yearly=3 max-age=90d.",)
    ui.push_screen(AskLine(f"How many backups of {profile} shall be kept?", shows, value=value, more=more), answered)


def rule_words(text: str) -> tuple[tuple[str, ...], str]:
    """Return the options of `prune` that `text` means, and what is wrong with it."""
    try:
        words = shlex.split(text.replace("=", " "))
    except ValueError as error:
        return (), str(error)
    options: list[str] = []
    for name, value in zip(words[::2], [*words[1::2], ""], strict=False):
        if name in ("max-age", "max-size"):
            options += [f"--{name}", value]
        elif name.removeprefix("keep-") in OPTIONS:
            options += [f"--keep-{name.removeprefix('keep-')}", value]
        else:
            return tuple(options), f"{name} is no rule: {', '.join((*OPTIONS, 'max-age', 'max-size'))}"
        if not value:
            return tuple(options[:-1]), f"how many of {name}?"
        if not name.startswith("max-") and not (value.isascii() and value.isdigit() and int(value) > 0):
            return tuple(options), f"{value} is no number of backups"
    return tuple(options), ""


def _rows(document: Any, name: str) -> list[PruneRow]:
    try:
        return msgspec.convert(document[name], list[PruneRow])
    except (TypeError, KeyError, msgspec.ValidationError):
        return []

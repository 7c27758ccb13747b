"""What retention would delete now: each backup with the reason, other rules tried out, and deleting by number."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
from textual.content import Content

from toolkit.operations.planned import Planned, document_of
from toolkit.operations.prune import PruneRow
from toolkit.wording import age_text, size_text
from tui.act import Act
from tui.screens.form import AskLine
from tui.screens.page import wrapped
from tui.screens.plan import PlanScreen
from tui.text import put
from tui.verbs import Verb

OPTIONS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
MOST_SHOWN = 200


class PruneScreen(PlanScreen):
    """The plan of `prune` for a profile, or for all. It asks for the number of backups that would go."""

    MODE = ""
    TITLE_LINE = "what goes is gone for good: the number must be typed"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        PlanScreen.VERBS[0],
        Verb(name="rules", key="e", label="Rules", help="try other rules, such as: daily 7 weekly 4 max-age 90d"),
        *PlanScreen.VERBS[1:],
    )

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._tried = ""
        of = f" of {profile}" if profile else ""
        words = ("prune", profile) if profile else ("prune",)
        act = Act(words=words, title=f"retention{of}", operation="prune", targets=words[1:])
        super().__init__(act, f"Retention{of}", "Delete these backups for good?")

    def outcome(self, found: Planned) -> Iterator[Content]:
        """Yield each backup that would go, with the reason, before the plan."""
        yield from super().outcome(found)
        if found.plan is None:
            return
        document = document_of(self.ui.session, self.job)
        going = _rows(document, "removed")
        kept = _rows(document, "kept")
        now, width = self.ui.session.now(), self.size.width
        yield put(
            f"  {len(going):,} would go, {len(kept):,} stay" + (f"   (tried: {self._tried})" if self._tried else "")
        )
        for row in going[:MOST_SHOWN]:
            head = f"  {row.id}  {row.profile} {row.kind}, {size_text(row.size)}, {age_text(row.started, now)}: "
            yield from wrapped(head, row.reason, width)
        if len(going) > MOST_SHOWN:
            yield put(f"  and {len(going) - MOST_SHOWN:,} more: lifeboat prune --dry-run lists all")

    def do_rules(self) -> None:
        """Ask for other rules, and plan with them; the configuration stays as it is."""

        def shows(text: str) -> tuple[str, str]:
            words, wrong = rule_words(text)
            return self.ui.line(Act(words=(*self._base, *words, "--dry-run"), title="")), wrong

        def answered(text: str | None) -> None:
            if text is not None:
                self._tried = text
                words, _ = rule_words(text)
                self.act = msgspec.structs.replace(self.act, words=(*self._base, *words))
                self.do_again()

        more = ("Such as: daily 7 weekly 4 max-age 90d max-size 200GB. Nothing: the rules of the profile.",)
        question = "What would other rules delete? The configuration stays as it is."
        self.ui.push_screen(AskLine(question, shows, value=self._tried, more=more), answered)

    @property
    def _base(self) -> tuple[str, ...]:
        return ("prune", self._profile) if self._profile else ("prune",)


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

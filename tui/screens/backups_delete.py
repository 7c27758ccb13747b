"""Deleting backups: the plan lists exactly which go and what is lost with them; name or number is typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec
from textual.content import Content

from toolkit.operations.delete import DeletedRow, KeptRow
from toolkit.operations.planned import Planned
from toolkit.wording import count_text, size_text, time_text
from tui.act import Act
from tui.screens.plan import PlanScreen
from tui.text import put
from tui.verbs import Verb


class _Rows(msgspec.Struct, frozen=True, kw_only=True):
    removed: tuple[DeletedRow, ...] = ()
    kept: tuple[KeptRow, ...] = ()


class DeleteScreen(PlanScreen):
    """The plan to delete the backups `ids`. A last good copy goes only after `A`, and the plan says it again."""

    VERBS: ClassVar[tuple[Verb, ...]] = (
        PlanScreen.VERBS[0],
        Verb(name="allow", key="A", label="Last ones", help="let the last good copy of something go too"),
        *PlanScreen.VERBS[1:],
    )

    def __init__(self, ids: Sequence[str], *, host: str) -> None:
        self._ids = tuple(ids)
        what = self._ids[0] if len(self._ids) == 1 else count_text(len(self._ids), "backup")
        act = Act(words=("delete", *self._ids), title=f"delete {what}", operation="delete", targets=self._ids[:5])
        super().__init__(act, f"Delete {what}", f"Delete {what} on {host}")

    def outcome(self, found: Planned) -> Iterator[Content]:
        """Yield every backup that goes, each with what is lost with it."""
        yield from super().outcome(found)
        now = self.ui.session.now()
        rows = msgspec.convert(self.looking.document or {}, _Rows)
        for row in rows.removed:
            lost = (f"  the {', the '.join(row.lost)}", "bold $text-error") if row.lost else ""
            when = time_text(row.started, now)
            yield put(
                f"   {row.id}  {row.profile:12} {row.kind:9} {when:>16}  {size_text(row.size):>7}  ", lost, row.note
            )
        for kept in rows.kept:
            yield put(f"   {kept.id}  {kept.profile:12} stays: {kept.reason}")
        if found.plan is not None:
            yield Content("")
        if self._refused(found):
            yield put(
                ("  Refused: ", "bold $text-error"), "a last good copy is among them. ", ("A", "bold"), " allows it"
            )

    def _refused(self, found: Planned) -> bool:
        return any(one.code == "last-good-copy" for one in found.warnings) and "--allow-last-good" not in self.act.words

    def against(self, verb: Verb) -> str:
        """Say why it cannot be started."""
        if verb.name == "do" and self.found is not None and self._refused(self.found):
            return "a last good copy is among them: A allows that, or q and take its mark away"
        if verb.name == "allow" and (self.found is None or not self._refused(self.found)):
            return "nothing here is a last good copy"
        return super().against(verb)

    def do_allow(self) -> None:
        """Make the plan again, with the last good copies."""
        self.act = msgspec.structs.replace(self.act, words=(*self.act.words, "--allow-last-good"))
        self.do_again()

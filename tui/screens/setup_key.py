"""Proving that the private key of encrypted backups exists: a message to decrypt elsewhere, and the code in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec
from textual.content import Content

from toolkit.operations import launch
from toolkit.operations.proofs import ProofReport
from tui.act import Act, Started
from tui.screens.dialog import Confirm
from tui.screens.form import AskLine
from tui.screens.page import Page
from tui.text import put
from tui.verbs import Verb


class KeyScreen(Page):
    """The messages for the recipients of `profile` that are not proven yet. Opening it makes new ones."""

    TITLE_LINE = "somebody must be able to open what is encrypted here"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="code", key="c", label="Code", help="type the code that the message holds", acts=True),
        Verb(name="accept", key="a", label="Vouch", help="vouch that the private keys exist, without proof", acts=True),
        Verb(name="message", key="m", label="Copy msg", help="copy the message that is to be decrypted"),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that does the same"),
    )

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._messages: list[str] = []
        act = Act(words=("config", "prove-key", profile), title="the proof of a key")
        super().__init__(f"The private key of {profile}", self._asked, act)

    def _asked(self) -> list[Content]:
        words = Act(words=("config", "prove-key", self._profile), title="").with_options(self.ui.options).words
        report = msgspec.convert(launch.document(self.ui.session, words), ProofReport)
        self._messages = [one.message for one in report.challenges]
        return list(_said(report))

    def against(self, verb: Verb) -> str:
        """Say that there is nothing to prove."""
        if verb.name in ("code", "accept", "message") and not self._messages:
            return "every key is proven" if self.loaded else "the message is not made yet"
        return super().against(verb)

    def do_message(self) -> None:
        """Copy the first message."""
        self.ui.copy(self._messages[0])

    def do_code(self) -> None:
        """Ask for the code."""

        def typed(code: str | None) -> None:
            if code:
                self.ui.start(self._proof("--code", code.strip()), self._answered)

        more = "it looks like ABCD-EFGH-IJKL-MNOP"
        self.ui.push_screen(AskLine("Which code does the message hold?", more=(more,)), typed)

    def do_accept(self) -> None:
        """Ask once more, then note that somebody vouches."""
        act = self._proof("--accept")

        def answered(yes: bool | None) -> None:  # noqa: FBT001 - Textual passes it by place
            if yes:
                self.ui.start(act, self._answered)

        more = ("If nobody has the private key, no backup made from now on can ever be opened.",)
        question = f"Vouch that the private key of {self._profile} exists?"
        self.ui.push_screen(Confirm(question, self.ui.line(act), more), answered)

    def _proof(self, *more: str) -> Act:
        return Act(words=("config", "prove-key", self._profile, *more), title="the proof of a key", job=False)

    def _answered(self, started: Started) -> None:
        if started.reply is not None and not started.reply.exit:
            self.ui.say("the key is proven; backups can be made")
            self.ui.back()


def _said(report: ProofReport) -> Iterator[Content]:
    for row in report.recipients:
        yield put(f" {row.recipient}   ", (f"proven ({row.how})" if row.how else "NOT PROVEN", "bold"))
    for one in report.challenges:
        yield Content("")
        yield put(
            " Decrypt this where the private key is (age -d -i key.txt); then ", ("c", "bold"), " takes the code:"
        )
        yield Content("")
        yield from (put(f"   {text}") for text in one.message.splitlines())

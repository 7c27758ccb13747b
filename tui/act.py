"""Acts: everything that the screens do is one command line of `lifeboat`, shown, copyable, and started as it stands."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

import msgspec

from toolkit.display import display
from toolkit.operations import launch
from toolkit.operations.session import Session


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One command line: `words` after `lifeboat`, what it is in words, and on what.

    `job` is False for commands that are over at once and keep no journal (`jobs cancel`, `jobs answer`). `confirm` is
    what the command gets when the plan was confirmed on the screen (`--yes`, or `--confirm NAME`). `looks` says that it
    changes nothing and answers the screen that started it: nobody is told of its end, or asked about it on leaving.
    """

    words: tuple[str, ...]
    title: str
    operation: str = ""
    targets: tuple[str, ...] = ()
    job: bool = True
    confirm: tuple[str, ...] = ()
    looks: bool = False

    def with_options(self, options: Sequence[str]) -> Act:
        """Return the act with the global `options` of this run (`--config`, `--vault`)."""
        return msgspec.structs.replace(self, words=(*self.words, *options))

    @property
    def line(self) -> str:
        """The command line as it can be typed in a shell; it asks there, where the screen has asked already.

        Nothing in it drives a terminal: what cannot be shown stands as its bytes, as bash and zsh read them.
        """
        return " ".join(("lifeboat", *(_quoted(word) for word in self.words)))

    @property
    def started_as(self) -> tuple[str, ...]:
        """The words that are really started."""
        return (*self.words, *self.confirm)


def _quoted(word: str) -> str:
    if display(word) == word:
        return shlex.quote(word)
    plain = (char if display(char) == char and char not in "\\'" else _escaped(char) for char in word)
    return f"$'{''.join(plain)}'"


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an act: the job that runs now, or what a short command answered."""

    act: Act
    job: str = ""
    reply: launch.Reply | None = None


def start(session: Session, act: Act) -> Started:
    """Start the command of `act` as it is: as a detached job, or to its end. Takes a second: not for the UI's thread.

    Raises `LifeboatError` when it does not even start.
    """
    if not act.job:
        return Started(act=act, reply=launch.ask(session, act.started_as))
    operation, cli = act.operation or act.words[0], launch.shown(act.words)
    return Started(act=act, job=launch.start(session, act.started_as, operation, targets=act.targets, cli=cli).id)

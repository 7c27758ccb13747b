"""Messages through Apprise: one text to every address that wants to hear of an ending."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.errors import LifeboatError
from toolkit.profile.model import Notify, NotifyOn
from toolkit.profile.secret import Secret


class Ended(enum.StrEnum):
    """How something ended, as far as somebody wants to be told."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Message:
    """What is told: plain text, already made safe; `occasions` are why."""

    title: str
    body: str
    occasions: frozenset[NotifyOn]


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message that did not go: by the number of its entry under `notify`, and why. Addresses are secrets."""

    number: int
    reason: str


def occasions(ended: Ended, before: Ended | None) -> frozenset[NotifyOn]:
    """Return what an ending is an occasion for: a success after anything else but that is a recovery too."""
    found = {NotifyOn(ended.value)}
    if ended is Ended.SUCCESS and before not in (None, Ended.SUCCESS):
        found.add(NotifyOn.RECOVERY)
    return frozenset(found)


def send(message: Message, receivers: Iterable[Notify]) -> list[Unsent]:
    """Send `message` to the receivers that asked for its occasions; return those that it did not reach, never raise.

    Each address gets what its service allows; timeouts are Apprise's own (4 s to connect, 4 s to answer).
    """
    failed = []
    for number, receiver in enumerate(receivers, 1):
        if message.occasions & set(receiver.on):
            reason = _send(message, receiver.url)
            if reason:
                failed.append(Unsent(number, reason))
    return failed


def _send(message: Message, address: Secret) -> str:
    """Return why it was not sent, empty when it was."""
    try:
        return _through_apprise(message, address.resolve())
    except LifeboatError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 -- the seam of Apprise: none of its services may fail a backup
        return f"Apprise failed ({type(error).__name__})"


def _through_apprise(message: Message, url: str) -> str:
    import logging

    from apprise import Apprise, LogCapture, NotifyType

    sender = Apprise()
    with LogCapture(level=logging.WARNING) as said:
        if not sender.add(url):
            return "the address is none that Apprise knows"
        kind = NotifyType.FAILURE if NotifyOn.FAILURE in message.occasions else NotifyType.INFO
        if sender.notify(body=message.body, title=message.title, notify_type=kind):
            return ""
        lines = [line for line in said.getvalue().splitlines() if line.strip()]
    return lines[-1].split(" - ")[-1].replace(url, "***")[:200] if lines else "the service did not take it"

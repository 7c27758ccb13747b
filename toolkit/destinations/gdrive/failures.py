"""What Google says when it refuses, as ours: which is worth another try, and what a person can do about the rest.

This is the seam for googleapiclient, google-auth and httplib2. Texts of Google go into messages only as the reason
and the sentence of its JSON; addresses are left out, since that of an upload is as good as a key.
Sources: "Resolve errors" and "Handle errors" of the Drive v3 guide; RFC 6749 section 5.2 for tokens.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

from toolkit.errors import (
    DestinationDeniedError,
    DestinationError,
    DestinationFullError,
    DestinationTransientError,
    ObjectNotFoundError,
    SignInNeededError,
)

RATE_REASONS = frozenset(
    {"userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded", "backendError", "internalError"}
)
FULL_REASONS = frozenset(
    {
        "storageQuotaExceeded",
        "quotaExceeded",
        "teamDriveFileLimitExceeded",
        "numChildrenInNonRootLimitExceeded",
        "activeItemCreationLimitExceeded",
        "uploadTooLarge",
    }
)
ID_TAKEN = 409
"""The HTTP status where a file with the id that was given is there already."""
GONE = (404, 410)
_OFF_REASONS = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
_MOST_TEXT = 300


class Answer:
    """A refusal of the API: HTTP status, Google's reason and sentence, and seconds to wait where it says so."""

    __slots__ = ("reason", "retry_after", "status", "text")

    def __init__(self, error: Any) -> None:
        self.status = int(error.resp.status)
        self.reason, self.text = "", ""
        with contextlib.suppress(ValueError, KeyError, IndexError, TypeError, AttributeError):
            body = json.loads(error.content)["error"]
            self.text = str(body.get("message", ""))[:_MOST_TEXT]
            self.reason = str(body["errors"][0]["reason"])
        self.retry_after = _seconds(error.resp.get("retry-after"))

    @property
    def transient(self) -> bool:
        """Whether the same request may well succeed later."""
        if self.status in (408, 429) or self.status >= 500:
            return True
        return self.status == 403 and self.reason in RATE_REASONS


def _seconds(said: str | None) -> float | None:
    """Return what `Retry-After` says in seconds (RFC 9110 section 10.2.3), None for nothing or nonsense."""
    if not said:
        return None
    if said.isdecimal():
        return float(said)
    from email.utils import parsedate_to_datetime

    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    return None


def status_of(error: DestinationError) -> int:
    """Return the HTTP status that `error` comes from, 0 where it comes from something else."""
    return int(getattr(getattr(error.__cause__, "resp", None), "status", 0))


def of_answer(answer: Answer, *, subject: str, service_account: bool = False) -> DestinationError:
    """Return our error for a refusal of the API."""
    text = answer.text or f"HTTP status {answer.status}"
    if answer.transient:
        return _busy(answer, subject, text)
    if answer.status == 401:
        return SignInNeededError("Google refuses this sign-in", subject=subject, hint=sign_in_hint(subject))
    if answer.status in GONE:
        return ObjectNotFoundError(
            "Google Drive has no such file or folder, or does not show it to this account",
            subject=subject,
            hint="lifeboat drive doctor says which of both",
        )
    if answer.reason in FULL_REASONS:
        return _full(answer, subject, text, service_account=service_account)
    if answer.reason in _OFF_REASONS:
        return DestinationDeniedError(
            "the Drive API is not switched on in the project of these credentials",
            subject=subject,
            hint="switch it on: Google Cloud console, APIs & Services, Library, Google Drive API",
        )
    if answer.reason == "dailyLimitExceeded":
        return DestinationTransientError(
            "the project's requests of today are used up", subject=subject, hint="it goes on tomorrow", retry_after=3600
        )
    if answer.status == 403:
        return DestinationDeniedError(
            f"Google Drive refuses this: {text}", subject=subject, hint="lifeboat drive doctor names the usual causes"
        )
    return DestinationError(f"Google Drive does not accept this: {text}", subject=subject)


def _busy(answer: Answer, subject: str, text: str) -> DestinationTransientError:
    hint = "it is tried again with the next sync"
    if answer.status in (403, 429):
        hint += "; an account takes 750 GB a day, and this client so many requests a minute"
    message = f"Google Drive could not answer: {text}"
    return DestinationTransientError(message, subject=subject, hint=hint, retry_after=answer.retry_after)


def _full(answer: Answer, subject: str, text: str, *, service_account: bool) -> DestinationFullError:
    if service_account and answer.reason == "storageQuotaExceeded":
        return DestinationFullError(
            "a service account owns no storage, so Google Drive takes no file of it here",
            subject=subject,
            hint="use a folder in a shared drive (drive_id), or impersonate a user, or sign in as one: "
            "docs/how-to/drive.md",
        )
    return DestinationFullError(
        f"Google Drive is full: {text}", subject=subject, hint="empty its bin, which counts too, or keep fewer backups"
    )


def sign_in_hint(name: str) -> str:
    """Return what to do about a sign-in that is over."""
    return f"lifeboat drive login --destination {name}; lifeboat drive doctor says why"


def of_sign_in(error: Any, *, subject: str) -> DestinationError:
    """Return our error for a `google.auth.exceptions.GoogleAuthError`."""
    from google.auth import exceptions

    if isinstance(error, exceptions.TransportError) or getattr(error, "retryable", False):
        return DestinationTransientError("Google's sign-in could not be reached", subject=subject)
    said = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {}
    word, text = str(said.get("error", "")), str(said.get("error_description", ""))[:_MOST_TEXT]
    if "timeframe" in text:
        return SignInNeededError(
            "Google refuses the signature because this machine's clock is wrong",
            subject=subject,
            hint="set the clock: timedatectl set-ntp true",
        )
    if word == "unauthorized_client":
        return SignInNeededError(
            "this service account may not act for that user",
            subject=subject,
            hint="an administrator grants it domain-wide delegation for the scope " + DRIVE_SCOPE,
        )
    if word == "invalid_grant":
        return SignInNeededError(
            f"the sign-in has expired or was revoked: {text or word}",
            subject=subject,
            hint=f"{sign_in_hint(subject)}; an app in Testing must be published, else it ends every 7 days",
        )
    return SignInNeededError(
        f"Google refuses these credentials: {text or word or 'no reason given'}", subject=subject,
        hint="lifeboat drive doctor",
    )  # fmt: skip


DRIVE_SCOPE = "https://www.googleapis.com/auth/drive"


def of_connection(error: BaseException, *, subject: str) -> DestinationTransientError:
    """Return our error for a connection that could not be made, broke or fell silent."""
    words = {TimeoutError: "it fell silent", ConnectionRefusedError: "nothing answers there"}
    why = next((text for kind, text in words.items() if isinstance(error, kind)), type(error).__name__)
    return DestinationTransientError(f"the connection to Google Drive failed: {why}", subject=subject)


def connection_errors() -> tuple[type[BaseException], ...]:
    """Return what a broken connection raises."""
    from http.client import HTTPException

    import httplib2

    return (OSError, HTTPException, httplib2.HttpLib2Error)

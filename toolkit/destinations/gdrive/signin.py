"""Signing in where there is no browser: a code that a person types into any other machine or phone.

This is the flow for "TVs and limited-input devices" (RFC 8628): the only one of Google's that works over SSH, and of
Drive it offers the scope `drive.file` only. Nothing of it is on a command line or in a log.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.parse
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from toolkit.destinations.gdrive import failures
from toolkit.destinations.gdrive.client import TIMEOUT, Pause, new_http, raise_if_stopped
from toolkit.destinations.gdrive.credentials import FILE_SCOPE, Account, CredentialKind, Token, require_safe, utc_now
from toolkit.errors import DestinationError, DestinationTransientError, SignInNeededError, UsageError
from toolkit.events import ShouldStop, never_stop

DEVICE_URI = "https://oauth2.googleapis.com/device/code"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER = 5


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What the person is asked to do: open `url` on any device and type `code`, within so many seconds."""

    url: str
    code: str
    seconds: int


class _Refused(Exception):  # noqa: N818 - an answer of the protocol, not a failure
    def __init__(self, status: int, fields: dict[str, Any]) -> None:
        super().__init__(str(fields.get("error", "")))
        self.status = status
        self.word = str(fields.get("error", ""))
        self.text = str(fields.get("error_description", ""))[:300]


def _post(http: Any, address: str, form: dict[str, str], subject: str) -> dict[str, Any]:
    """Send a form; return the answer. Raises `_Refused` for a refusal, our error for a connection that failed."""
    body = urllib.parse.urlencode(form)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        response, content = http.request(require_safe(address), "POST", body=body, headers=headers)
    except failures.connection_errors() as error:
        raise failures.of_connection(error, subject=subject) from error
    try:
        fields = json.loads(content)
    except ValueError:
        fields = {}
    if response.status >= 500:
        raise DestinationTransientError("Google's sign-in could not answer", subject=subject)
    if response.status != 200 or not isinstance(fields, dict):
        raise _Refused(response.status, fields if isinstance(fields, dict) else {})
    return fields


def sign_in(
    account: Account,
    *,
    endpoint: str | None = None,
    say: Callable[[Prompt], None],
    pause: Pause = time.sleep,
    should_stop: ShouldStop = never_stop,
    timeout: float = TIMEOUT,
) -> Token:
    """Let a person sign in with a code and keep the sign-in; return it.

    `say` is called once with what the person should do. Raises `UsageError` for credentials that need no person,
    `SignInNeededError` when the person refuses, the code runs out or the client is of a kind that cannot do
    this, `DestinationTransientError`, `CancelledError`. Nothing is kept then; an earlier sign-in stays.
    """
    if account.kind is not CredentialKind.OAUTH_CLIENT:
        raise UsageError(
            f"these credentials are of a {account.kind.value}, which nobody signs in with",
            subject=account.name,
            hint="lifeboat drive doctor says whether they work",
        )
    with contextlib.closing(new_http(timeout)) as http:
        asked = _ask(http, account, endpoint)
        return _wait(http, account, asked, say, pause, should_stop)


def _wait(
    http: Any,
    account: Account,
    asked: dict[str, Any],
    say: Callable[[Prompt], None],
    pause: Pause,
    should_stop: ShouldStop,
) -> Token:
    """Show the code, and ask until somebody used it."""
    interval, left = float(asked.get("interval", 5)), float(asked.get("expires_in", 1800))
    say(Prompt(url=str(asked["verification_url"]), code=str(asked["user_code"]), seconds=int(left)))
    while left > 0:
        for _ in range(max(1, round(interval / 0.25))):
            raise_if_stopped(should_stop)
            pause(0.25)
        left -= interval
        answer, slower = _poll(http, account, str(asked["device_code"]))
        interval += slower
        if answer is not None:
            token = _token(account, answer)
            account.keep(token)
            return token
    raise SignInNeededError("the code ran out before anybody used it", subject=account.name, hint="run it again")


def _ask(http: Any, account: Account, endpoint: str | None) -> dict[str, Any]:
    address = f"{require_safe(endpoint)}/device/code" if endpoint else DEVICE_URI
    try:
        return _post(http, address, {"client_id": account.client.client_id, "scope": FILE_SCOPE}, account.name)
    except _Refused as refused:
        if "client type" in refused.text.lower():
            raise SignInNeededError(
                "this OAuth client is of a type that cannot sign in with a code",
                subject=account.name,
                hint='make one of the type "TVs and Limited Input devices" and download its JSON',
            ) from None
        raise SignInNeededError(
            f"Google refuses this OAuth client: {refused.text or refused.word}",
            subject=account.name,
            hint="download the JSON of the client again: docs/how-to/drive.md",
        ) from None


def _poll(http: Any, account: Account, code: str) -> tuple[dict[str, Any] | None, int]:
    """Ask once; return the answer, or None and by how many seconds to ask more rarely."""
    client = account.client
    form = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "device_code": code,
        "grant_type": _GRANT,
    }
    try:
        return _post(http, client.token_uri, form, account.name), 0
    except DestinationError:
        return None, 0  # the code stays good while the network is away
    except _Refused as refused:
        if refused.word in ("authorization_pending", "slow_down"):
            return None, _SLOWER if refused.word == "slow_down" else 0
        said = {"access_denied": "the sign-in was refused", "expired_token": "the code ran out"}
        raise SignInNeededError(
            said.get(refused.word, f"Google refuses the sign-in: {refused.text or refused.word}"),
            subject=account.name,
            hint="run it again; with an app in Testing the person must be one of its test users",
        ) from None


def _token(account: Account, answer: dict[str, Any]) -> Token:
    client, now = account.client, utc_now()
    if not answer.get("refresh_token"):
        raise SignInNeededError("Google gave no lasting sign-in", subject=account.name, hint="run it again")
    if FILE_SCOPE not in str(answer.get("scope", "")).split():
        raise SignInNeededError(
            "the access to Drive was not ticked at the sign-in", subject=account.name, hint="run it again, and tick it"
        )
    remaining = answer.get("refresh_token_expires_in")
    return Token(
        refresh_token=str(answer["refresh_token"]),
        client_id=client.client_id,
        client_secret=client.client_secret,
        token_uri=client.token_uri,
        issued=now,
        expires=now + timedelta(seconds=int(remaining)) if remaining is not None else None,
    )


def remaining(account: Account, *, timeout: float = TIMEOUT) -> int | None:
    """Return for how many seconds Google says that a person's sign-in is good, None where it does not end by itself.

    Raises `SignInNeededError` when it is over, and our errors for connections.
    """
    token = account.token()
    form = {
        "client_id": token.client_id,
        "client_secret": token.client_secret,
        "refresh_token": token.refresh_token,
        "grant_type": "refresh_token",
    }
    try:
        with contextlib.closing(new_http(timeout)) as http:
            answer = _post(http, token.token_uri, form, account.name)
    except _Refused as refused:
        raise SignInNeededError(
            f"the sign-in has expired or was revoked: {refused.text or refused.word}",
            subject=account.name,
            hint=failures.sign_in_hint(account.name),
        ) from None
    said = answer.get("refresh_token_expires_in")
    return int(said) if said is not None else None

"""Who signs in: a service account, a person's own OAuth client, or an authorised-user file that is there already.

The JSON says which. A service account works with the whole Drive scope, since what it sees is only what was shared
with it; a person signs in for `drive.file`, the only scope of Drive that a sign-in by code offers, which
shows Lifeboat no file but its own. Tokens of that sign-in live in the state directory, 0600.
"""

from __future__ import annotations

import enum
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.destinations.gdrive.failures import DRIVE_SCOPE, sign_in_hint
from toolkit.errors import ConfigError, SignInNeededError
from toolkit.profile.model import GoogleDrive
from toolkit.profile.secret import require_private

FILE_SCOPE = "https://www.googleapis.com/auth/drive.file"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_FILE = "sign-in.json"


def require_safe(address: str) -> str:
    """Return `address` without its last slash; raises `ConfigError` for one that would carry tokens in the clear."""
    split = urllib.parse.urlsplit(address)
    local = split.hostname in ("127.0.0.1", "::1", "localhost")
    if split.scheme != "https" and not (split.scheme == "http" and local):
        raise ConfigError("an address of Google must begin with https://", subject=address)
    return address.rstrip("/")


class CredentialKind(enum.StrEnum):
    """What a credentials file is."""

    SERVICE_ACCOUNT = "service account"
    OAUTH_CLIENT = "OAuth client"
    AUTHORISED_USER = "authorised user"


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person's sign-in: `issued` is when, `expires` when Google ends it by itself, as far as it said so."""

    refresh_token: str
    client_id: str
    client_secret: str
    token_uri: str = TOKEN_URI
    scopes: tuple[str, ...] = (FILE_SCOPE,)
    email: str = ""
    issued: datetime | None = None
    expires: datetime | None = None


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True):
    """A person's own OAuth client, as the console's JSON describes it."""

    client_id: str
    client_secret: str
    token_uri: str = TOKEN_URI
    project_id: str = ""


class Account:
    """The sign-in that a destination is configured with; nothing is read before it is needed.

    `state` is the private folder of the destination in the state directory, perhaps not there yet.
    """

    def __init__(self, settings: GoogleDrive, state: Path) -> None:
        self.name = settings.name
        self.impersonates = settings.impersonate or ""
        self._secret = settings.credentials
        self._state = state
        self._read: dict[str, Any] | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The JSON of the credentials.

        Raises `SignInNeededError` where none are configured, `ExposedSecretError` for a file that others can
        read, `ConfigError` for what is no credentials file.
        """
        if self._read is None:
            if self._secret is None:
                raise SignInNeededError(
                    "no credentials are configured for this destination",
                    subject=self.name,
                    hint=f"set destinations.{self.name}.credentials_file; docs/how-to/drive.md says how to get one",
                )
            try:
                read = msgspec.json.decode(self._secret.resolve())
            except msgspec.DecodeError:
                raise self._wrong("are not JSON") from None
            if not isinstance(read, dict):
                raise self._wrong("are no JSON object")
            self._read = read
        return self._read

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(
            f"the credentials of this destination {what}",
            subject=self.name,
            hint="download the JSON of a service account or an OAuth client again: docs/how-to/drive.md",
        )

    @property
    def kind(self) -> CredentialKind:
        """What the credentials are; raises `ConfigError` for something else."""
        content = self.content
        if content.get("type") == "service_account":
            return CredentialKind.SERVICE_ACCOUNT
        if isinstance(content.get("installed"), dict) or isinstance(content.get("web"), dict):
            return CredentialKind.OAUTH_CLIENT
        if content.get("refresh_token") and content.get("client_id"):
            return CredentialKind.AUTHORISED_USER
        raise self._wrong("are neither of a service account nor of an OAuth client nor of an authorised user")

    @property
    def is_service_account(self) -> bool:
        """Whether a service account signs in."""
        return self.kind is CredentialKind.SERVICE_ACCOUNT

    @property
    def email(self) -> str:
        """The address of the service account, "" for persons."""
        return str(self.content.get("client_email", ""))

    @property
    def client(self) -> OAuthClient:
        """The OAuth client that persons sign in with; raises `ConfigError` where it is none."""
        content = self.content
        found = content.get("installed") or content.get("web") or content
        try:
            return msgspec.convert(found, OAuthClient)
        except msgspec.ValidationError:
            raise self._wrong("lack the id or the secret of the OAuth client") from None

    @property
    def token_file(self) -> Path:
        """Where a person's sign-in is kept."""
        return self._state / _FILE

    def token(self) -> Token:
        """Return a person's sign-in.

        Raises `SignInNeededError` where there is none yet, or one of another client; `ExposedSecretError`.
        """
        if self.kind is CredentialKind.AUTHORISED_USER:
            content = {"client_secret": "", **self.content}
            known = {key: content[key] for key in Token.__struct_fields__ if key in content and key != "expires"}
            if isinstance(known.get("scopes"), str):
                known["scopes"] = known["scopes"].split()
            return msgspec.convert({"scopes": [], **known}, Token)
        client = self.client
        token = self._kept()
        if token is None or token.client_id != client.client_id:
            raise SignInNeededError(
                "nobody has signed in for this destination yet"
                if token is None
                else "the sign-in belongs to another OAuth client, which sees other files",
                subject=self.name,
                hint=sign_in_hint(self.name),
            )
        return token

    def _kept(self) -> Token | None:
        path = self.token_file
        try:
            with open(path, "rb") as file:
                require_private(file, path)
                return msgspec.json.decode(file.read(), type=Token)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise durable.translate(error, subject=path) from error
        except msgspec.DecodeError:
            raise SignInNeededError("the kept sign-in is damaged", subject=path, hint=sign_in_hint(self.name)) from None

    def keep(self, token: Token) -> None:
        """Write a person's sign-in to the state directory, 0600 in a 0700 folder, durably."""
        path = self.token_file
        with durable.translated(path):
            durable.make_directory(path.parent)
            durable.write_file(path, msgspec.json.encode(token), mode=0o600)

    def secrets(self) -> tuple[str, ...]:
        """Return every secret of the sign-in that is known so far, for masks."""
        content = self._read or {}
        inner = [content, *(value for value in content.values() if isinstance(value, dict))]
        words = ("private_key", "private_key_id", "client_secret", "refresh_token", "token", "access_token")
        return tuple(str(one[word]) for one in inner for word in words if one.get(word))

    def credentials(self) -> Any:
        """Return google-auth's credentials. Raises as `token` and `content` do."""
        if self.kind is CredentialKind.SERVICE_ACCOUNT:
            return self._service_account()
        from google.oauth2.credentials import Credentials

        # Not from_authorized_user_info: that one ignores token_uri.
        token = self.token()
        return Credentials(
            None,
            refresh_token=token.refresh_token,
            token_uri=require_safe(token.token_uri),
            client_id=token.client_id,
            client_secret=token.client_secret,
        )

    def _service_account(self) -> Any:
        from google.oauth2 import service_account

        class Quiet(service_account.Credentials):  # type: ignore[misc]
            """Without the thread that asks iamcredentials.googleapis.com where this account may be used from."""

            def _is_regional_access_boundary_lookup_required(self) -> bool:
                return False

        require_safe(str(self.content.get("token_uri", TOKEN_URI)))
        try:
            made = Quiet.from_service_account_info(self.content, scopes=[DRIVE_SCOPE])
        except (ValueError, KeyError):
            raise self._wrong("lack the key of the service account, or it is damaged") from None
        return made.with_subject(self.impersonates) if self.impersonates else made


def utc_now() -> datetime:
    """Return the time now, aware, in UTC."""
    return datetime.now(UTC)

"""Google's sign-in as far as a headless server uses it: signed assertions, device codes, refresh tokens."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any

from tests.makers.driveserver_replies import RefusalError, oauth_refusal
from tests.makers.driveserver_world import SCOPE, SCOPE_FILE, Account, Client, Grant, World

AUDIENCE = "https://oauth2.googleapis.com/token"
WEEK = 7 * 86400
SKEW = 300
_DEVICE_SCOPES = {SCOPE_FILE, "https://www.googleapis.com/auth/drive.appdata", "email", "openid", "profile"}
_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Pending:
    """A device code that waits for a person; `interval` is what polls must keep apart at least."""

    client: Client
    scopes: frozenset[str]
    user_code: str
    expires: float
    state: str = "waiting"
    account: Account | None = None


@dataclass
class Refresh:
    """A refresh token; one of a consent screen in Testing dies after 7 days."""

    client: Client
    account: Account
    scopes: frozenset[str]
    issued: float
    alive: bool = True

    def expires(self) -> float | None:
        """Return when it dies by itself."""
        return self.issued + WEEK if self.client.testing else None


def _segment(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Sign:
    """The token endpoints. `lifetime` is that of access tokens in seconds."""

    def __init__(self, world: World, address: str) -> None:
        self.world = world
        self.address = address
        self.lifetime = 3599
        self.interval = 5
        self.pending: dict[str, Pending] = {}
        self.refreshes: dict[str, Refresh] = {}

    def new_client(self, kind: str = "limited-input", *, testing: bool = False) -> dict[str, Any]:
        """Make an OAuth client; return the JSON file that the console offers."""
        client = Client(
            f"{secrets.randbelow(10**12)}-demo.apps.googleusercontent.com", "GOCSPX-" + secrets.token_hex(12)
        )
        client.kind, client.testing = kind, testing
        self.world.clients[client.id] = client
        body = {
            "client_id": client.id,
            "project_id": "demo",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": f"{self.address}/token",
            "client_secret": client.secret,
        }
        return {"web" if kind == "web" else "installed": body}

    def new_service_account(self, email: str, *, delegates: tuple[str, ...] = ()) -> dict[str, Any]:
        """Make a service account with a key of its own; return its JSON file."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        ident = secrets.token_hex(20)
        account = self.world.account(email, service=True, limit=0)
        account.delegates.update(delegates)
        self.world.keys[email] = (ident, key.public_key())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "demo",
            "private_key_id": ident,
            "private_key": private.decode(),
            "client_email": email,
            "client_id": str(secrets.randbelow(10**20)),
            "token_uri": f"{self.address}/token",
        }

    def authorised_user(self, client: dict[str, Any], email: str, *scopes: str) -> dict[str, Any]:
        """Return an authorised-user file, as other tools leave them."""
        body = client.get("installed") or client["web"]
        token = self._new_refresh(self.world.clients[body["client_id"]], self.world.accounts[email], frozenset(scopes))
        return {
            "type": "authorized_user",
            "client_id": body["client_id"],
            "client_secret": body["client_secret"],
            "refresh_token": token,
            "token_uri": f"{self.address}/token",
        }

    def approve(self, user_code: str, email: str) -> None:
        """Do what the person with the phone does."""
        with self.world.lock:
            found = next(one for one in self.pending.values() if one.user_code == user_code)
            found.account, found.state = self.world.accounts[email], "approved"

    def deny(self, user_code: str) -> None:
        """Do what a person does who does not know this code."""
        with self.world.lock:
            next(one for one in self.pending.values() if one.user_code == user_code).state = "denied"

    def revoke_all(self) -> None:
        """Revoke every refresh and access token, as a user does on the page of the account."""
        with self.world.lock:
            for refresh in self.refreshes.values():
                refresh.alive = False
            self.expire_access()

    def expire_access(self) -> None:
        """End every access token."""
        with self.world.lock:
            for grant in self.world.grants.values():
                grant.alive = False

    def device_code(self, form: dict[str, str]) -> dict[str, Any]:
        """Answer the device-code endpoint."""
        with self.world.lock:
            client = self.world.clients.get(form.get("client_id", ""))
            if client is None:
                raise oauth_refusal(401, "invalid_client", "The OAuth client was not found.")
            if client.kind != "limited-input":
                raise oauth_refusal(401, "invalid_client", "Invalid client type.")
            scopes = frozenset(form.get("scope", "").split())
            if not scopes or scopes - _DEVICE_SCOPES:
                raise oauth_refusal(400, "invalid_scope", f"Invalid device flow scope: {form.get('scope', '')}")
            code = secrets.token_urlsafe(24)
            user = "-".join(secrets.token_hex(2).upper() for _ in range(2))
            self.pending[code] = Pending(client, scopes, user, self.world.now() + 1800)
            return {
                "device_code": code,
                "user_code": user,
                "expires_in": 1800,
                "interval": self.interval,
                "verification_url": f"{self.address}/device",
            }

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """Answer the token endpoint."""
        with self.world.lock:
            kind = form.get("grant_type", "")
            if kind == _ASSERTION:
                return self._asserted(form.get("assertion", ""))
            if kind == "refresh_token":
                return self._refreshed(form)
            if kind == _DEVICE:
                return self._polled(form)
            raise oauth_refusal(400, "unsupported_grant_type", f"Invalid grant_type: {kind}")

    def _asserted(self, assertion: str) -> dict[str, Any]:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        parts = assertion.split(".")
        if len(parts) != 3:
            raise oauth_refusal(400, "invalid_grant", "Bad Request")
        head, claims = json.loads(_segment(parts[0])), json.loads(_segment(parts[1]))
        ident, key = self.world.keys.get(claims.get("iss"), (None, None))
        if key is None:
            raise oauth_refusal(400, "invalid_grant", "Invalid grant: account not found")
        if head.get("alg") != "RS256" or head.get("kid") != ident:
            raise oauth_refusal(400, "invalid_grant", "Invalid JWT Signature.")
        try:
            key.verify(_segment(parts[2]), f"{parts[0]}.{parts[1]}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise oauth_refusal(400, "invalid_grant", "Invalid JWT Signature.") from None
        now = self.world.now()
        if claims["aud"] != AUDIENCE or not (
            claims["iat"] - SKEW <= now <= claims["exp"] + SKEW and claims["exp"] - claims["iat"] <= 3600
        ):
            raise oauth_refusal(
                400,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim.",
            )
        account = self.world.accounts[claims["iss"]]
        subject = claims.get("sub", claims["iss"])
        if subject != claims["iss"]:
            if subject not in account.delegates:
                raise oauth_refusal(
                    401,
                    "unauthorized_client",
                    "Client is unauthorized to retrieve access tokens using this method, or client not authorized "
                    "for any of the scopes requested.",
                )
            account = self.world.accounts[subject]
        return self._access(account, claims["iss"], frozenset(claims["scope"].split()))

    def _client(self, form: dict[str, str]) -> Client:
        client = self.world.clients.get(form.get("client_id", ""))
        if client is None or form.get("client_secret") != client.secret:
            raise oauth_refusal(401, "invalid_client", "The provided client secret is invalid.")
        return client

    def _refreshed(self, form: dict[str, str]) -> dict[str, Any]:
        client = self._client(form)
        found = self.refreshes.get(form.get("refresh_token", ""))
        dies = found.expires() if found is not None else None
        if found is None or not found.alive or found.client is not client or (dies or 1e12) <= self.world.now():
            raise oauth_refusal(400, "invalid_grant", "Token has been expired or revoked.")
        return {**self._access(found.account, client.id, found.scopes), **self._remaining(found)}

    def _remaining(self, refresh: Refresh) -> dict[str, Any]:
        dies = refresh.expires()
        return {} if dies is None else {"refresh_token_expires_in": int(dies - self.world.now())}

    def _new_refresh(self, client: Client, account: Account, scopes: frozenset[str]) -> str:
        token = "1//" + secrets.token_urlsafe(32)
        self.refreshes[token] = Refresh(client, account, scopes, self.world.now())
        return token

    def _polled(self, form: dict[str, str]) -> dict[str, Any]:
        client = self._client(form)
        found = self.pending.get(form.get("device_code", ""))
        if found is None or found.client is not client or found.expires < self.world.now():
            raise oauth_refusal(400, "invalid_grant", "Malformed auth code.")
        if found.state == "denied":
            raise oauth_refusal(403, "access_denied", "Forbidden")
        if found.account is None:
            raise oauth_refusal(428, "authorization_pending", "Precondition Required")
        del self.pending[form["device_code"]]
        token = self._new_refresh(client, found.account, found.scopes)
        answer = self._access(found.account, client.id, found.scopes)
        return {**answer, "refresh_token": token, **self._remaining(self.refreshes[token])}

    def _access(self, account: Account, app: str, scopes: frozenset[str]) -> dict[str, Any]:
        if not scopes & {SCOPE, SCOPE_FILE}:
            raise oauth_refusal(400, "invalid_scope", "no scope of Drive")
        token = "ya29." + secrets.token_urlsafe(32)
        self.world.grants[token] = Grant(account, app, scopes, self.world.now() + self.lifetime)
        return {
            "access_token": token,
            "expires_in": self.lifetime,
            "scope": " ".join(sorted(scopes)),
            "token_type": "Bearer",
        }

    def grant(self, authorization: str) -> Grant:
        """Return what the header `Authorization` stands for; a refusal (401) where it is no good."""
        found = self.world.grants.get(authorization.removeprefix("Bearer "))
        if found is None or not found.alive or found.expires <= self.world.now():
            raise RefusalError(401)
        return found

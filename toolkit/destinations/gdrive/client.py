"""Google's client made to work: one discovery document, another address for tests, and retries that repeat safely.

What the libraries do by themselves is switched off where it is wrong (docs/decisions/0016): httplib2 sends a request
again when the reply is lost, with a body that was read to its end already; AuthorizedHttp does the same
after a 401; `num_retries` of uploads too. Here every request is tried once, and `Client.call` repeats it.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from toolkit.destinations.gdrive import failures
from toolkit.destinations.gdrive.credentials import Account, require_safe
from toolkit.errors import CancelledError, DestinationError, DestinationTransientError
from toolkit.events import ShouldStop, never_stop

GOOGLE = "https://www.googleapis.com"
TIMEOUT = 60.0
"""Seconds of silence after which a connection counts as dead."""
ATTEMPTS = 5
"""Failures in a row, without any progress, after which a request is given up; `Retrying` comes again a few times."""
_SILENCES = 2
"""The same for silences, each of which took `TIMEOUT`."""
_SLOWEST = 64.0
_PATIENCE = 60.0
"""The longest `Retry-After` that is waited for here; what asks for more is for a later run."""
_SLICE = 0.25
_REFUSALS = 3
"""How many new access tokens in a row may be refused before the sign-in counts as over."""

Value = TypeVar("Value")
Pause = Callable[[float], object]


def _connections() -> dict[str, Any]:
    """Return httplib2's connections, which never send a request a second time by themselves."""
    from http.client import BadStatusLine

    import httplib2

    class Once:
        def getresponse(self) -> Any:
            try:
                return super().getresponse()  # type: ignore[misc]
            except BadStatusLine as error:  # httplib2 would take it for a stale connection and repeat
                raise ConnectionResetError("the connection was closed without an answer") from error

    class Plain(Once, httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]
        pass

    class Secure(Once, httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]
        pass

    return {"http": Plain, "https": Secure}


def new_http(timeout: float = TIMEOUT) -> Any:
    """Return an `httplib2.Http` that gives up after `timeout` seconds of silence and sends everything once."""
    import httplib2

    kinds = _connections()

    class Http(httplib2.Http):  # type: ignore[misc]
        def request(self, uri: str, *args: Any, **options: Any) -> Any:
            options["connection_type"] = kinds[uri.partition(":")[0]]
            return super().request(uri, *args, **options)

    made = Http(timeout=timeout)
    made.redirect_codes = made.redirect_codes - {308}  # "resume incomplete" of uploads
    made.follow_redirects = False
    return made


def _document(endpoint: str | None) -> dict[str, Any]:
    """Return the description of Drive v3 that comes with the client, for `endpoint`."""
    import json
    from importlib import resources

    place = resources.files("googleapiclient") / "discovery_cache" / "documents" / "drive.v3.json"
    document: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    if endpoint is not None:
        # The client's own option for this leaves uploads at https:// of the other host.
        document["rootUrl"] = require_safe(endpoint) + "/"
        document.pop("mtlsRootUrl", None)
    return document


class Backoff:
    """How long to wait before the next try: exponential, with full jitter; given up after `ATTEMPTS` in a row."""

    def __init__(self, pause: Pause, should_stop: ShouldStop) -> None:
        self._pause = pause
        self._should_stop = should_stop
        self._failures = 0
        self._silences = 0

    def progressed(self) -> None:
        """Begin to count anew."""
        self._failures = self._silences = 0

    def wait(self, error: DestinationError) -> None:
        """Wait before the next try, or raise `error` when that makes no sense; `CancelledError` when told to stop."""
        self._failures += 1
        self._silences += isinstance(error.__cause__, TimeoutError)
        asked = error.retry_after if isinstance(error, DestinationTransientError) else None
        spent = self._failures >= ATTEMPTS or self._silences >= _SILENCES
        if not error.retryable or spent or (asked or 0) > _PATIENCE:
            raise error
        longest = min(_SLOWEST, 2.0 ** (self._failures - 1))
        seconds = max(asked or 0.0, random.uniform(0, longest))  # noqa: S311 - spreads clients, guards nothing
        while seconds > 0:
            raise_if_stopped(self._should_stop)
            self._pause(min(seconds, _SLICE))
            seconds -= _SLICE
        raise_if_stopped(self._should_stop)


def raise_if_stopped(should_stop: ShouldStop) -> None:
    """Raise `CancelledError` when the work should stop."""
    if should_stop():
        raise CancelledError("cancelled; what has arrived is kept, and the next run goes on from there")


class Client:
    """A connection to Drive in the name of one account. For one thread; connects at the first request."""

    def __init__(
        self,
        name: str,
        account: Account,
        *,
        endpoint: str | None = None,
        timeout: float = TIMEOUT,
        pause: Pause = time.sleep,
    ) -> None:
        self.name = name
        self.account = account
        self._endpoint = endpoint
        self.timeout = timeout
        self._pause = pause
        self._service: Any = None
        self._http: Any = None
        self._refused = 0

    @property
    def service(self) -> Any:
        """Google's client object."""
        if self._service is None:
            # From three months before the end of a Python on, it is warned of on stderr, where only our events may be.
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.api_core\b")
            import google_auth_httplib2
            from googleapiclient.discovery import build_from_document

            # A 401 is answered here: the library would send a consumed body again.
            self._http = google_auth_httplib2.AuthorizedHttp(
                self.account.credentials(), http=new_http(self.timeout), refresh_status_codes=()
            )
            self._service = build_from_document(_document(self._endpoint), http=self._http)
            files = self._service.files()
            self._service.files = lambda: files  # the library makes it anew, with all its documentation, at each call
        return self._service

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._http is not None:
            self._http.close()
        self._http = self._service = None

    def drop_connections(self) -> None:
        """Close the connections after a request that did not come to its end, and keep the sign-in."""
        if self._http is not None:
            self._http.close()
            self._http.http.connections.clear()

    def backoff(self, should_stop: ShouldStop = never_stop) -> Backoff:
        """Return the patience for one piece of work."""
        return Backoff(self._pause, should_stop)

    def refresh(self) -> None:
        """Get a new access token; raises our errors."""
        from google.auth.exceptions import GoogleAuthError

        try:
            self._http.credentials.refresh(self._http._request)  # noqa: SLF001 - its transport for tokens
        except GoogleAuthError as error:
            raise failures.of_sign_in(error, subject=self.name) from error
        except failures.connection_errors() as error:
            self.drop_connections()
            raise failures.of_connection(error, subject=self.name) from error

    def once(self, send: Callable[[], Value]) -> Value:
        """Return what `send` does; whatever goes wrong is one of our errors, with Google's as its cause.

        After a refused token a new one is got, and `DestinationTransientError` says that it is worth a try.
        """
        from google.auth.exceptions import GoogleAuthError
        from googleapiclient.errors import HttpError

        try:
            value = send()
        except HttpError as error:
            answer = failures.Answer(error)
            self._refused = self._refused + 1 if answer.status == 401 else 0
            if 1 <= self._refused <= _REFUSALS:
                self.refresh()
                again = DestinationTransientError(
                    "the access token was refused", subject=self.name, hint=failures.sign_in_hint(self.name)
                )
                raise again from error
            service_account = self.account.is_service_account and not self.account.impersonates
            raise failures.of_answer(answer, subject=self.name, service_account=service_account) from error
        except GoogleAuthError as error:
            raise failures.of_sign_in(error, subject=self.name) from error
        except failures.connection_errors() as error:
            self.drop_connections()
            raise failures.of_connection(error, subject=self.name) from error
        self._refused = 0
        return value

    def call(self, make: Callable[[Any], Any], should_stop: ShouldStop = never_stop) -> Any:
        """Return the answer to the request that `make` builds with Google's client, tried until it is answered.

        The request must be one that may be repeated. Raises the errors of `once`.
        """
        backoff = self.backoff(should_stop)
        while True:
            try:
                return self.once(lambda: make(self.service).execute(num_retries=0))
            except DestinationError as error:
                backoff.wait(error)

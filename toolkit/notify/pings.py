"""Pings of a dead man's switch: start, success, failure with the end of the log (the protocol of healthchecks.io)."""

from __future__ import annotations

from typing import Literal

TIMEOUT = 10.0
TRIES = 3
MOST = 10_000
"""Bytes of a log that a ping carries."""

Moment = Literal["start", "success", "fail"]
_SUFFIX: dict[Moment, str] = {"start": "/start", "success": "", "fail": "/fail"}


def ping(url: str, moment: Moment, body: str = "") -> str:
    """Tell the switch at `url` of a moment; return why that failed, empty when it did not. Never raises.

    Tried three times when the line fails; the answer of a server is final. `body` is cut to its last 10,000 bytes.
    """
    import http.client
    import urllib.error
    import urllib.request

    base, mark, query = url.rstrip("/").partition("?")
    address = f"{base}{_SUFFIX[moment]}{mark}{query}"
    if not address.startswith(("http://", "https://")):
        return "the address is neither http nor https"
    reason = ""
    for _ in range(TRIES):
        try:
            data = body.encode(errors="replace")[-MOST:]
            request = urllib.request.Request(address, data=data, headers={"Content-Type": "text/plain"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310 - http or https, as was checked
                return ""
        except urllib.error.HTTPError as error:
            return f"it answered {error.code}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
    return reason

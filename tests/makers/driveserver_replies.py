"""What Drive answers when it refuses, and the masks that say which fields of an answer are wanted."""

from __future__ import annotations

from typing import Any

API_REASONS = {
    400: ("global", "invalid", "Invalid Value"),
    401: ("global", "authError", "Invalid Credentials"),
    403: ("global", "forbidden", "Forbidden"),
    404: ("global", "notFound", "File not found."),
    409: ("global", "fileIdInUse", "A file already exists with the provided ID."),
    410: ("global", "gone", "Gone"),
    429: ("usageLimits", "rateLimitExceeded", "Too many requests"),
    500: ("global", "internalError", "Internal Error"),
    502: ("global", "backendError", "Bad Gateway"),
    503: ("global", "backendError", "Backend Error"),
    504: ("global", "backendError", "Gateway Timeout"),
}
USAGE_LIMITS = {
    "storageQuotaExceeded": "The user's Drive storage quota has been exceeded.",
    "userRateLimitExceeded": "User Rate Limit Exceeded. Rate of requests for user exceed configured project quota.",
    "rateLimitExceeded": "Rate Limit Exceeded",
    "dailyLimitExceeded": "Daily Limit Exceeded",
    "teamDriveFileLimitExceeded": "The file limit for this shared drive has been exceeded.",
}


class RefusalError(Exception):
    """An answer other than success."""

    def __init__(
        self, status: int, reason: str = "", message: str = "", *, retry_after: int | None = None, body: Any = None
    ) -> None:
        super().__init__(f"{status} {reason} {message}")
        self.status = status
        self.retry_after = retry_after
        domain, default, text = API_REASONS.get(status, ("global", "unknown", "Error"))
        reason = reason or default
        if reason in USAGE_LIMITS:
            domain, text = "usageLimits", USAGE_LIMITS[reason]
        message = message or text
        error = {"domain": domain, "reason": reason, "message": message}
        self.body = body if body is not None else {"error": {"code": status, "message": message, "errors": [error]}}


def oauth_refusal(status: int, error: str, description: str = "") -> RefusalError:
    """Return what the token endpoints answer."""
    return RefusalError(status, body={"error": error, **({"error_description": description} if description else {})})


Mask = dict[str, "Mask"]
"""The wanted keys, each with the mask of what is in it; an empty one wants all."""


def parse_mask(text: str) -> Mask:
    """Return the mask that the parameter `fields` says: `nextPageToken, files(id, user/name)`."""
    mask, rest = _list(text.replace(" ", ""))
    if rest:
        raise RefusalError(400, "invalidParameter", f"Invalid field selection {text}")
    return mask


def _list(text: str) -> tuple[Mask, str]:
    mask: Mask = {}
    while True:
        end = min((text.find(char) for char in ",()/" if char in text), default=len(text))
        name, text = text[:end], text[end:]
        if not name:
            raise RefusalError(400, "invalidParameter", "Invalid field selection")
        inner: Mask = {}
        if text.startswith("("):
            inner, text = _list(text[1:])
            if not text.startswith(")"):
                raise RefusalError(400, "invalidParameter", "Invalid field selection")
            text = text[1:]
        elif text.startswith("/"):
            end = min((text.find(char) for char in ",)" if char in text), default=len(text))
            inner, text = parse_mask(text[1:end]), text[end:]
        mask[name] = {**mask.get(name, {}), **inner}
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def masked(value: Any, mask: Mask, known: Mask) -> Any:
    """Return what `mask` wants of `value`; raises a refusal for a key that is not in `known`."""
    _require_known(mask, known)
    return _masked(value, mask)


def _require_known(mask: Mask, known: Mask) -> None:
    for name, inner in mask.items():
        if name != "*" and name not in known:
            raise RefusalError(400, "invalidParameter", f"Invalid field selection {name}")
        _require_known(inner, known.get(name, {}))


def _masked(value: Any, mask: Mask) -> Any:
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [_masked(item, mask) for item in value]
    return {name: _masked(value[name], inner) for name, inner in mask.items() if name in value}

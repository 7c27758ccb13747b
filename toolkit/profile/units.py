"""Sizes, times, shares and commands as people write them, and back.

Each `Unit` reads one sort of text and writes it so that reading it again gives the same value. The
patterns go into the JSON schema; a text that its pattern accepts is one that `read` accepts, except for
numbers that are too large.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "k": 2**10,
    "kib": 2**10,
    "m": 2**20,
    "mib": 2**20,
    "g": 2**30,
    "gib": 2**30,
    "t": 2**40,
    "tib": 2**40,
}
_SIZE_NAMES = (
    ("TiB", 2**40),
    ("TB", 10**12),
    ("GiB", 2**30),
    ("GB", 10**9),
    ("MiB", 2**20),
    ("MB", 10**6),
    ("KiB", 2**10),
    ("KB", 10**3),
)
_SECONDS = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1, "": 1}
_SIZE = re.compile(r"([0-9]+)(?:\.([0-9]+))? ?([kKmMgGtT]?(?:[iI]?[bB])?)", re.ASCII)
_TIME = re.compile(r"([0-9]+)([ywdhms]?)", re.ASCII)
_SIZE_PATTERN = r"[0-9]+(\.[0-9]+)? ?([kKmMgGtT]([iI]?[bB])?|[bB])?"
_LARGEST = 2**63 - 1


def parse_size(text: str) -> int:
    """Return the bytes that `text` means: `50GB` is decimal, `50GiB` and `50G` are binary, `50` is bytes.

    Raises `ValueError` with a sentence for the user.
    """
    match = _SIZE.fullmatch(text.strip())
    factor = _BYTES.get(match[3].lower()) if match else None
    if match is None or factor is None:
        raise ValueError('is no size; write it like "50GB" or "500MiB"')
    whole, fraction = match[1], match[2] or ""
    if len(whole) + len(fraction) > 40:
        raise ValueError("is too large")
    size: int = int(whole + fraction) * factor // 10 ** len(fraction)
    if size > _LARGEST:
        raise ValueError("is too large")
    return size


def format_size(size: int) -> str:
    """Return `size` bytes in the largest unit that holds them exactly."""
    for name, factor in _SIZE_NAMES:
        if size and size % factor == 0:
            return f"{size // factor}{name}"
    return str(size)


def parse_rate(text: str) -> int:
    """Return the bytes a second that `text` means, such as `2MB/s`. Raises `ValueError`."""
    try:
        return parse_size(text.strip().removesuffix("/s"))
    except ValueError as error:
        raise ValueError('is no speed; write it like "2MB/s"') from error


def format_rate(rate: int) -> str:
    """Return `rate` bytes a second as `parse_rate` reads them."""
    return f"{format_size(rate)}/s"


def parse_duration(text: str) -> timedelta:
    """Return the time that `text` means: `24h`, `7d`, `1h30m`; a bare number is seconds, a year 365 days.

    Raises `ValueError` with a sentence for the user.
    """
    compact = text.strip().replace(" ", "")
    parts = list(_TIME.finditer(compact))
    units = [part[2] for part in parts]
    if not parts or "".join(part[0] for part in parts) != compact or (len(parts) > 1 and "" in units):
        raise ValueError('is no time span; write it like "24h", "7d" or "1h30m"')
    if len(set(units)) != len(units):
        raise ValueError("names a unit twice")
    if len(compact) > 60:
        raise ValueError("is too long")
    seconds = sum(int(part[1]) * _SECONDS[part[2]] for part in parts)
    if seconds > 1000 * 365 * 86400:
        raise ValueError("is longer than a thousand years")
    return timedelta(seconds=seconds)


def format_duration(span: timedelta) -> str:
    """Return `span`, in whole seconds, as `parse_duration` reads it; up to three days, whole hours stay hours."""
    seconds = span.days * 86400 + span.seconds
    if seconds and seconds % (7 * 86400) == 0:
        return f"{seconds // (7 * 86400)}w"
    if seconds % 3600 == 0 and 86400 <= seconds < 3 * 86400:
        return f"{seconds // 3600}h"
    parts = []
    for unit in "dhms":
        count, seconds = divmod(seconds, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_share(text: str) -> float:
    """Return the share from 0 to 1 that `text`, such as `50%`, means. Raises `ValueError`."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?%", text.strip(), re.ASCII):
        raise ValueError('is no share; write it with a percent sign, like "50%"')
    percent = float(text.strip()[:-1])
    if percent > 100:
        raise ValueError("is more than 100%")
    return percent / 100


def format_share(share: float) -> str:
    """Return `share` as `parse_share` reads it, to a millionth of a percent."""
    return f"{share * 100:.6f}".rstrip("0").rstrip(".") + "%"


class Unit:
    """One sort of text: how it is read and written, and what an editor may check of it."""

    __slots__ = ("example", "name", "numbers", "pattern", "read", "write")

    def __init__(
        self,
        name: str,
        read: Callable[[str], Any],
        write: Callable[[Any], str],
        *,
        pattern: str,
        example: str,
        numbers: bool = False,
    ) -> None:
        self.name = name
        self.read = read
        self.write = write
        self.pattern = pattern
        self.example = example
        self.numbers = numbers


SIZE = Unit("size", parse_size, format_size, pattern=_SIZE_PATTERN, example="50GB", numbers=True)
RATE = Unit("speed", parse_rate, format_rate, pattern=f"{_SIZE_PATTERN}(/s)?", example="2MB/s", numbers=True)
DURATION = Unit(
    "time span",
    parse_duration,
    format_duration,
    pattern=r"[0-9]+[ywdhms]?|([0-9]+[ywdhms] ?)+",
    example="24h",
    numbers=True,
)
SHARE = Unit("share", parse_share, format_share, pattern=r"[0-9]{1,3}(\.[0-9]{1,6})?%", example="50%")

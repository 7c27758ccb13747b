"""What the terminal can do, decided before Textual is imported: whether at all, with which colours and characters."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from toolkit.errors import UsageError

COLUMNS, LINES = 60, 15
"""The smallest window that the screens fit into."""

_NO_SCREEN = ("", "dumb", "unknown")
THEMES = (
    "textual-dark", "textual-light", "nord", "gruvbox", "catppuccin-mocha", "dracula", "tokyo-night", "monokai",
    "flexoki", "catppuccin-latte", "catppuccin-frappe", "catppuccin-macchiato", "solarized-light", "solarized-dark",
    "rose-pine", "rose-pine-moon", "rose-pine-dawn", "atom-one-dark", "atom-one-light", "ansi-dark", "ansi-light",
)  # fmt: skip
"""Those that Textual has; another name counts as `auto`."""


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """How the screens are drawn: Textual's theme, 16 colours or more, ASCII only, and over a network or not."""

    theme: str
    colors: int
    ascii: bool
    remote: bool


def require(environ: Mapping[str, str], *, terminals: bool) -> None:
    """Raise `UsageError` where no screen can be shown: no terminal (`terminals` False), or one that is only lines."""
    hint = "every screen has its command: lifeboat status, lifeboat jobs list, lifeboat --help"
    if not terminals:
        raise UsageError("the screens need a terminal, and there is none", hint=hint)
    term = environ.get("TERM", "")
    if term in _NO_SCREEN:
        raise UsageError("this terminal cannot show screens", subject=f"TERM={term}", hint=hint)


def look(environ: Mapping[str, str], *, encoding: str, theme: str = "auto", only_ascii: bool = False) -> Terminal:
    """Return how to draw on the terminal that `environ` describes; `theme` is the one of the configuration.

    `encoding` is that of the output. Sixteen colours, and NO_COLOR, get the terminal's own palette whatever
    the configuration says: the greys of the other themes cannot be told apart there.
    """
    colors = _colors(environ)
    theme = theme if theme in THEMES else "auto"
    few = colors <= 16 or bool(environ.get("NO_COLOR"))
    if few and not theme.startswith("ansi-"):
        light = theme.endswith("-light") or (theme == "auto" and _light(environ))
        theme = "ansi-light" if light else "ansi-dark"
    elif theme == "auto":
        theme = "textual-light" if _light(environ) else "textual-dark"
    utf8 = encoding.lower().replace("-", "").replace("_", "") == "utf8"
    return Terminal(
        theme=theme,
        colors=0 if environ.get("NO_COLOR") else colors,
        ascii=only_ascii or not utf8,
        remote=bool(environ.get("SSH_CONNECTION") or environ.get("SSH_CLIENT")),
    )


def _colors(environ: Mapping[str, str]) -> int:
    term = environ.get("TERM", "").lower()
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return 1 << 24
    return 256 if term.endswith(("256color", "-kitty")) or term == "alacritty" else 16


def _light(environ: Mapping[str, str]) -> bool:
    """Say whether the background is light, as rxvt and those after it tell in COLORFGBG."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return background in ("7", "15")


def outdated(columns: int, lines: int) -> tuple[str, ...]:
    """Return the variables that must go before Textual is imported: with them no other size is ever seen.

    Whatever uses readline, and many a `docker exec`, exports the size that the window had then. Where the terminal
    cannot tell its size (`columns` or `lines` 0, on serial lines) they stay: nothing else knows it.
    """
    return ("COLUMNS", "LINES") if columns and lines else ()


def variables(terminal: Terminal) -> dict[str, str]:
    """Return the environment that Textual reads when it is imported.

    No animations: they fill a slow line. No kitty keys: a line that drops would leave the terminal in that mode.
    """
    found = {"TEXTUAL_THEME": terminal.theme, "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_DISABLE_KITTY_KEY": "1"}
    return found | {"TEXTUAL_FPS": "15"} if terminal.remote else found

"""Text that stays within 80 columns: a label, then words that hang below each other."""

from __future__ import annotations

import textwrap

from toolkit.display import cells, display

WIDTH = 80


def paragraph(label: str, text: str, *, hang: int = 11) -> list[str]:
    """Return `text`, made safe for a terminal, after `label`, wrapped at spaces; a long word stays whole.

    The text begins, and hangs, `hang` columns from the left.
    """
    head = f"  {label} ".ljust(hang) if label else " " * hang
    words = textwrap.wrap(
        display(text), WIDTH - cells(head), break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ) or [""]
    return [f"{head}{words[0]}".rstrip(), *(f"{' ' * cells(head)}{line}" for line in words[1:])]

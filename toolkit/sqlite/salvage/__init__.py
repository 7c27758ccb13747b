"""The repair of damaged databases: `repair` writes what can be got back as a new file, and accounts for it."""

from toolkit.sqlite.salvage.engine import repair

__all__ = ["repair"]

"""Fill the gaps of a repaired database with the rows of a sound backup that were lost, and with no others."""

from toolkit.sqlite.refill.fill import refill

__all__ = ["refill"]

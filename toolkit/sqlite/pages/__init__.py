"""The pages of an SQLite database, read without SQLite: nodes, cells, records, chains, and a walk over all of them."""

from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.pages.walk import PageFinding, geometry_of, walk

__all__ = ["Geometry", "PageFinding", "PageSource", "geometry_of", "walk"]

"""Lifeboat's core and command line. Importing the package costs nothing and imports nothing."""

__version__ = "0.1.0"

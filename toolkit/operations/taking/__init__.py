"""How a backup is taken: what is there, consistent copies of it, and one archive."""

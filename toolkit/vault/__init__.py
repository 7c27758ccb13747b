"""What backups exist on this server, where they lie, and what may be removed.

The manifest beside an archive is the truth; the catalog is a cache of it. Locks are taken by the
operations; the clock is always a parameter.
"""

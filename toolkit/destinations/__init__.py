"""Elsewhere: off-site places that keep copies of backups, all behind the one interface of `base`."""

"""Backups elsewhere: the destinations, what they hold, uploads and their queue, signing in."""

"""A thing that is running: its journal, lock and end."""
